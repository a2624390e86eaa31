"""Tables that a caller describes by a mapping, as statements that create them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vstore.errors import InvalidInput, Mismatch, Unsupported
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.mapping import ALL, ColumnType, IdType, RecordMapping
from vstore.spi.described import OWN_PROGRAM
from vstore_pgvector.catalogue import Column
from vstore_pgvector.layouts import TableLayout
from vstore_pgvector.schema import create_indexes
from vstore_pgvector.statements import bare

__all__ = ["DescribedTable", "described_table"]

_LONGEST: Final = 63
_IDS: Final = {IdType.TEXT: "text", IdType.UUID: "uuid"}
_CHOICES: Final = ", ".join(one.value for one in ColumnType)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedTable(TableLayout):
    """A table with a column for each place of a mapping.

    Attributes:
        columns: The names of its columns and their types, without that of vectors; an empty type is not known.
    """

    columns: Mapping[str, str]

    def statements(self, schema: str, info: CollectionInfo) -> list[str]:
        """See ``TableLayout``; raises ``InvalidInput`` for a column without a type."""
        if untyped := [name for name, kind in self.columns.items() if not kind]:
            raise InvalidInput(
                f"the mapping does not say of which type the column {untyped[0]!r} of a new table is",
                hint=f'Write "types": {{"{untyped[0]}": "text"}} into the mapping. The types are {_CHOICES}.',
            )
        _, table = self.place(schema, info.name)
        [key] = self.mapping.id
        columns = [f"{bare(name)} {kind}{' primary key' if name == key else ''}" for name, kind in self.columns.items()]
        columns.insert(1, f"{bare(self.mapping.vector)} vector({info.dimension:d}) not null")
        made = bare(schema, table)
        return [f"create table {made} ({', '.join(columns)})", *create_indexes(made, info, self.mapping.vector)]

    def check_whole(self, columns: Sequence[Column]) -> None:
        """Raises ``Mismatch`` where a table, which is to be deleted, has columns that the mapping does not name."""
        if others := [one.name for one in columns if one.name not in (*self.columns, self.mapping.vector)]:
            raise Mismatch(
                f"the table has a column {others[0]!r} that the mapping does not name",
                hint="Delete the table yourself, or name the column.",
            )


def described_table(mapping: RecordMapping) -> DescribedTable:
    """Return the table that a mapping describes.

    Raises:
        InvalidInput: A place that it does not name, or two with one name.
        Unsupported: A place inside another, or ids that vstore does not make of any other.
    """
    for name, said in (("id", mapping.id), ("vector", mapping.vector)):
        if not said:
            raise InvalidInput(f"the mapping does not name the column of the {name}", hint=f"Say {name}= in it.")
    if mapping.fields == ALL:
        raise InvalidInput("the columns of a table that is written have names", hint="Name them in fields=.")
    paths = [path for path in (mapping.id, mapping.document, mapping.metadata) if path]
    if deep := [path for path in paths if len(path) != 1]:
        raise Unsupported(
            f"a table is written by a mapping whose places are columns; {'.'.join(deep[0])!r} is inside one",
            hint="Name a column of its own.",
        )
    kind = mapping.id_type or IdType.TEXT
    if kind not in _IDS:
        raise Unsupported(f"a table is not made with ids of type {kind.value}", hint="Its ids are text or uuid.")
    named = [(mapping.id[0], _IDS[kind])]
    if mapping.document:
        named.append((mapping.document[0], "text"))
    if mapping.metadata:
        named.append((mapping.metadata[0], "jsonb"))
    fields = mapping.types if mapping.metadata == () else mapping.fields
    named += [(name, mapping.types[name].value if name in mapping.types else "") for name in fields]
    names = [mapping.vector, *(name for name, _ in named)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidInput(f"the mapping has two places for the column {twice[0]!r}")
    if long := [name for name in names if len(name.encode()) > _LONGEST]:
        raise InvalidInput(f"{long[0]!r} is longer than {_LONGEST} bytes", hint="Give the column a shorter name.")
    return DescribedTable(
        package=OWN_PROGRAM,
        mapping=mapping,
        id_type=kind,
        table="{}",
        create=(),
        columns=dict(named),
        needs_document=False,
        metrics=tuple(Metric) if mapping.metric is None else (mapping.metric,),
        tells_metric=mapping.metric is not None,
    )
