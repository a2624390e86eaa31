"""Writing rows into tables that vstore did not create: the statements, and which values a column takes. Pure.

The columns of the rows travel as one JSON text, of which PostgreSQL makes values of the columns' types. A value comes
back as what it was, or it is refused: no column gets a value of another type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vstore.errors import InvalidInput
from vstore.mapping import ALL, Outside, RecordMapping
from vstore.spi.foreign import Rows
from vstore.wording import a_type
from vstore_pgvector.catalogue import INTS, JSONS, TEXTS, Column, bare
from vstore_pgvector.jsonb import json_text
from vstore_pgvector.statements import doubled

__all__ = ["Writing"]

_KINDS: Final[dict[str, type]] = {
    **dict.fromkeys(TEXTS, str),
    **dict.fromkeys(INTS, int),
    "bool": bool,
    "float8": float,
    "timestamptz": datetime,
}


@dataclass(frozen=True, slots=True)
class Writing:
    """How one table is written.

    Attributes:
        table: Its quoted name.
        mapping: How it is read, complete.
        columns: Its columns, by name.
        id: The column of the ids.
        vector: That of the vectors.
        unique: Whether no two rows have one id, as a key of that column alone sees to.
        key: The columns of the key by which it is read.
        refused: Why it is read only, whatever its columns are; empty if nothing is known.
    """

    table: str
    mapping: RecordMapping
    columns: Mapping[str, Column]
    id: Column
    vector: Column
    unique: bool
    key: Sequence[Column]
    refused: str

    @property
    def names(self) -> list[str]:
        """The columns that a record is written to, but the vector's and those that are the same in all rows."""
        mapping = self.mapping
        found = dict.fromkeys(path[0] for path in (mapping.id, mapping.document, mapping.metadata) if path)
        if mapping.metadata == () or mapping.fields == ALL:
            found |= dict.fromkeys(name for name in self.columns if not self.columns[name].left)
        else:
            found |= dict.fromkeys(mapping.fields)
        return [name for name in found if name not in (self.vector.name, *mapping.only)]

    @property
    def read_only(self) -> str:
        """See ``AsyncForeignWriter``."""
        if self.refused:
            return self.refused
        if self.mapping.outside is not Outside.REFUSE or self.mapping.hidden:
            return "the mapping does not bring every value as it is (outside=, hidden=)"
        if not self.unique and any(not column.filled for column in self.key if column.name != self.id.name):
            return f"the column {self.id.name!r} is no key of its own"
        if self.vector.type == "halfvec":
            return f"the column {self.vector.name!r} is a halfvec, which would round vectors"
        for name in self.names:
            column = self.columns[name]
            if column.generated:
                return f"PostgreSQL makes the column {name!r}"
        written = {*self.names, self.vector.name, *self.mapping.only}
        left = [c.name for c in self.columns.values() if c.not_null and not c.filled and c.name not in written]
        return f"the column {left[0]!r} may not be null, and the mapping does not read it" if left else ""

    def _kind(self, column: Column) -> type | None:
        kind = column.element or column.type
        return object if kind in JSONS and not column.element else _KINDS.get(kind)

    def put(self) -> str:
        """Return the statement that inserts rows or replaces them.

        Its parameters are the values of ``mapping.only``, the rows as a JSON text, and the vectors.
        """
        names = self.names
        typed = ", ".join(f"{bare(name)} {doubled(self.columns[name].cast)}" for name in names)
        taken = ", ".join(f"r.{bare(name)}" for name in names)
        listed = ", ".join(bare(name) for name in (*names, self.vector.name, *self.mapping.only))
        only = "".join(f", %s::text::{doubled(self.columns[name].cast)}" for name in self.mapping.only)
        vector = f"r.vstore_vector::{doubled(self.vector.cast)}"
        statement = (
            f"insert into {self.table} as t ({listed}) select {taken}, {vector}{only} "
            f"from rows from (json_to_recordset(%s::json) as ({typed}), unnest(%s::vector[])) "
            f"as r({', '.join(map(bare, names))}, vstore_vector)"
        )
        if not self.unique:
            return statement
        changed = [bare(name) for name in (*names, self.vector.name) if name != self.id.name]
        sets = ", ".join(f"{name} = excluded.{name}" for name in changed)
        own = " and ".join(f"t.{bare(name)} = excluded.{bare(name)}" for name in self.mapping.only)
        return f"{statement} on conflict ({bare(self.id.name)}) do update set {sets}" + (f" where {own}" if own else "")

    def elsewhere(self) -> str:
        """Return the statement that finds those of some ids, its last parameter, that other collections have."""
        own = " and ".join(
            f"t.{bare(name)} = %s::text::{doubled(self.columns[name].cast)}" for name in self.mapping.only
        )
        name = f"t.{bare(self.id.name)}::text"
        return f"select {name} from {self.table} as t where not ({own}) and {name} = any(%s::text[])"

    def encode(self, rows: Rows) -> str:
        """Return the columns of rows as JSON.

        Raises:
            InvalidInput: A value that a column does not take as it is.
        """
        names = self.names
        return json_text([self._encoded(str(k), names, one) for k, one in zip(rows.keys, rows.fields, strict=True)])

    def _encoded(self, record: str, names: Sequence[str], fields: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := sorted(set(fields) - set(names)):
            raise InvalidInput(
                f"the table has no column {unknown[0]!r} that the mapping reads",
                ids=[record],
                hint=f"Metadata can have {', '.join(map(repr, names)) or 'nothing'}.",
            )
        return {
            name: self._value(record, self.columns[name], fields[name])
            for name in names
            if fields.get(name) is not None
        }

    def _value(self, record: str, column: Column, value: Any) -> Any:
        kind = self._kind(column)
        if kind is object:
            _walk(value, lambda one: _refuse_moment(record, column, one))
            return value
        if column.name == self.id.name:
            return value  # it is what ids of this type are already
        if kind is None:
            raise InvalidInput(
                f"a value would change in the column {column.name!r}, of type {column.cast}", ids=[record]
            )
        for one in value if column.element and isinstance(value, list) else [value]:
            if type(one) is not kind or isinstance(value, list) is not bool(column.element):
                raise InvalidInput(
                    f"the column {column.name!r} holds values of type {column.cast}, not {a_type(type(value))}",
                    ids=[record],
                )
        if kind is datetime:
            return [one.isoformat() for one in value] if isinstance(value, list) else value.isoformat()
        return value


def _walk(value: Any, visit: Callable[[Any], None]) -> None:
    visit(value)
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _walk(inner, visit)


def _refuse_moment(record: str, column: Column, value: Any) -> None:
    if isinstance(value, datetime):
        raise InvalidInput(
            f"the column {column.name!r} is of type {column.cast}, which has no datetimes",
            ids=[record],
            hint="Write value.isoformat(), or a number.",
        )
