"""Tables that vstore did not create: the statements on them, and what their rows mean. Pure.

All columns that become fields travel as one JSON text, of which numbers keep their digits. A column whose type JSON
would change comes as PostgreSQL's text of it, which loses nothing: decimals, dates, moments without a time zone,
intervals, bytes, ranges. A column with a time zone is a moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np

from vstore.errors import Mismatch
from vstore.fields import Dense, Field, Sparse
from vstore.filters.tree import Filter
from vstore.indexing import Flat, Index, IVFFlat, Metric
from vstore.info import CollectionInfo
from vstore.mapping import ALL, IdType, MissingVector, RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.records import Include, VectorArray
from vstore.spi.foreign import (
    Rows,
    carried_metadata,
    dimension_told,
    foreign_key,
    hnsw,
    id_type_told,
    metric_told,
    parsed,
)
from vstore_pgvector.catalogue import INTS, TEXTS, Column, bare, qualified
from vstore_pgvector.foreign_writing import Writing
from vstore_pgvector.narrowing import Part, narrowed
from vstore_pgvector.statements import doubled, quoted
from vstore_pgvector.vectors import decode_sparsevec

__all__ = ["Table", "Wanted"]

_MOMENT: Final = "timestamptz"
_FLOATS: Final = ("float4", "float8")
_LARGEST_HALF: Final = 65_504.0
_METRICS: Final = {"cosine": Metric.COSINE, "l2": Metric.L2, "ip": Metric.DOT}
_OPERATORS: Final = {Metric.COSINE: "<=>", Metric.L2: "<->", Metric.DOT: "<#>"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one read selects: the columns, whether the vector, and the named fields."""

    columns: tuple[Column, ...]
    vector: bool
    fields: tuple[str, ...] = ()


class Table:
    """One table and the mapping it is read through; makes statements and reads their rows.

    Every row begins with the columns of the key as text; then come the id as text, the fields as JSON text, the vector
    and the vectors of named fields, each if it is wanted.
    """

    def __init__(
        self,
        name: str,
        place: tuple[str, str],
        mapping: RecordMapping,
        columns: Sequence[Column],
        keys: Sequence[Sequence[str]],
        indexes: Sequence[tuple[str, str, str, Sequence[str]]],
        heirs: Sequence[str] = (),
    ) -> None:
        self.name = name
        # a key is unique in each table that inherits, not in all of them: a scan in its order could lose rows
        self._from = f"only {bare(*place)}" if heirs else bare(*place)
        self._heirs = heirs
        self.keyless = False
        self.native = quoted(*place)
        self.table = bare(*place)
        self._columns = {column.name: column for column in columns}
        self._vector = self._vector_column(mapping.vector)
        if len(mapping.id) != 1 and not mapping.id_columns:
            raise Mismatch(
                f"nothing says which column of {name!r} is the id"
                if not mapping.id
                else f"the id must be one column of {name!r}",
                hint="Say id= in the mapping, or id_columns= for several; or pass --id COLUMN to copy it.",
            )
        self._ids = [self._column(one) for one in mapping.id or mapping.id_columns]
        named = (*(mapping.document or ())[:1], *(mapping.metadata or ())[:1], *mapping.only)
        for one in (*named, *(() if mapping.fields == ALL else mapping.fields)):
            self._column(one)
        self._keys = keys
        self._key = self._order(keys)
        kind = IdType.TEXT if mapping.id_columns else _kind(self._ids[0])
        self._indexes = indexes
        metric, self._index = self._indexed(self._vector, mapping.metric)
        self._told = metric
        self._named = {one: self._further(column) for one, column in mapping.vectors.items()}
        self.mapping = replace(mapping, vector=self._vector.name, id_type=id_type_told(name, mapping, kind))
        self.info: CollectionInfo | None = None

    @property
    def dimension(self) -> int | None:
        """What the vector's type says; None where it says nothing."""
        return self._vector.typmod if self._vector.typmod > 0 else None

    def complete(self, first: int | None, metadata: Mapping[str, Any]) -> CollectionInfo:
        """Return what the collection is.

        Args:
            first: The dimension of its first vector, where the type does not say it.
            metadata: The collection's own.
        """
        mapping = self.mapping
        metric = metric_told(self.name, mapping, self._told)
        dimension = dimension_told(self.name, mapping, self.dimension or first)
        self.mapping = replace(mapping, metric=metric, dimension=dimension)
        carried, left = carried_metadata(metadata)
        self.info = CollectionInfo(
            name=self.name,
            dimension=dimension,
            metric=metric,
            index=self._index,
            metadata=carried,
            fields={name: self._field(column, metric) for name, column in self._named.items()},
            omitted=(*self._omissions(), *left),
        )
        return self.info

    def _further(self, name: str) -> Column:
        """The column of a named field."""
        column = self._column(name)
        if column.name == self._vector.name or not (column.sparse or (column.vector and column.typmod > 0)):
            raise Mismatch(
                f"the column {name!r} of type {column.cast} is no further vector with a dimension",
                hint="Say vectors= in the mapping: columns of type vector(n), halfvec(n) or sparsevec(n).",
            )
        return column

    def _field(self, column: Column, metric: Metric) -> Field:
        """What a named field is; without an index it has the metric of the vector."""
        if column.sparse:
            return Sparse()
        found, index = self._indexed(column, None)
        return Dense(column.typmod, found or metric, index=index)

    def _omissions(self) -> Iterator[Omission]:
        """Yield what the types show of columns that the mapping does not read; others need a look at each row."""
        mapping = self.mapping
        read = {self._vector.name, *mapping.vectors.values(), *mapping.id_columns}
        read |= {*(path[0] for path in (mapping.id, mapping.document, mapping.metadata) if path)}
        if mapping.metadata == () or mapping.fields == ALL:
            read |= set(self._columns) - set(mapping.hidden)
        else:
            read |= set(mapping.fields)
        for name, column in self._columns.items():
            if name in read:
                continue
            if column.left:
                kind = OmissionKind.VECTORS if column.vector or column.sparse else OmissionKind.FIELDS
                yield Omission(kind, name, f"the column {name!r}: {column.left}")
            elif name in mapping.only:
                text = f"the column {name!r}, which is the same in all of these rows"
                yield Omission(OmissionKind.FIELDS, name, text, needs_leave=False)
            elif column in self._key and (column.counted or column.type == "uuid"):
                text = f"the column {name!r}, the rows' own key: the id is {self._id_told}"
                yield Omission(OmissionKind.FIELDS, name, text, needs_leave=False)
        for name in self._heirs:
            yield Omission(OmissionKind.ROWS, "", f"the rows of {name}, which inherits: it is read by its own name")
        for name, value in mapping.only.items():
            text = f"the rows of the table whose {name!r} is not {value!r:.80}"
            yield Omission(OmissionKind.FIELDS, "", text, needs_leave=False)

    def writing(self) -> Writing:
        """Return how it is written."""
        first, *more = self._ids
        refused = "several columns are the id together" if more else "it has no key" if self.keyless else ""
        if self._heirs:
            refused = "tables inherit from the table"
        unique = any(tuple(names) == (first.name,) for names in self._keys)
        return Writing(self.table, self.mapping, self._columns, first, self._vector, unique, self._key, refused)

    def removal(self) -> tuple[str, tuple[Any, ...]]:
        """Return the statement that deletes the rows of some ids, which are a ``text[]`` and the last parameter."""
        return f"delete from {self._from} as t{self._where([self._of_ids()])}", self._only

    def _of_ids(self) -> str:
        """The condition for rows of some ids, whose columns by ``id_values`` are the last parameters."""
        compared = [_comparable(column) for column in self._ids]
        if len(compared) == 1:
            [(name, cast)] = compared
            return f"{name} = any(%s::text[]{cast and cast + '[]'})"
        arrays = ", ".join("%s::text[]" for _ in compared)
        names = ", ".join(f"x{place}" for place in range(len(compared)))
        chosen = ", ".join(f"u.x{place}{cast}" for place, (_, cast) in enumerate(compared))
        given = f"select {chosen} from unnest({arrays}) as u({names})"
        return f"({', '.join(name for name, _ in compared)}) in ({given})"

    def _column(self, name: str) -> Column:
        if name not in self._columns:
            raise Mismatch(
                f"the table has no column {name!r}", hint=f"Its columns are {', '.join(map(repr, self._columns))}."
            )
        return self._columns[name]

    def _vector_column(self, name: str) -> Column:
        vectors = [column for column in self._columns.values() if column.vector]
        if name:
            column = self._column(name)
            if not column.vector:
                raise Mismatch(f"the column {name!r} is of type {column.cast}, not vector or halfvec")
            return column
        if len(vectors) != 1:
            told = ", ".join(repr(column.name) for column in vectors) or "none"
            raise Mismatch(f"the table's vector columns are {told}", hint="Say vector= in the mapping.")
        return vectors[0]

    def _order(self, keys: Sequence[Sequence[str]]) -> list[Column]:
        """Return the columns by which a scan goes: a key, or the id where a view or a table has none."""
        for names in keys:
            columns = [self._columns[name] for name in names]
            if columns and all(column.not_null for column in columns):
                return columns
        self.keyless = True
        return self._ids

    def repeats(self) -> tuple[str, tuple[Any, ...]]:
        """Return how many rows there are, how many ids, and how many rows lack one."""
        names = [qualified(column.name) for column in self._ids]
        each = names[0] if len(names) == 1 else f"({', '.join(names)})"
        null = " or ".join(f"{name} is null" for name in names)
        counts = f"count(*), count(distinct {each}), count(*) filter (where {null})"
        return f"select {counts} from {self._from} as t{self._where()}", self._only

    def check_repeats(self, rows: int, ids: int, nulls: int) -> None:
        """Raises ``Mismatch`` where the id is none, of a table that has no key: a scan would lose rows."""
        if nulls or ids != rows:
            raise Mismatch(
                f"{self.name!r} has neither a primary key nor a unique index on columns that are never null, and the "
                f"id {self._id_told} is no key: {rows:,} rows have {ids:,} ids, and {nulls:,} have none",
                hint="Name columns that are unique together: id_columns= in the mapping, or --id COLUMN for each.",
            )

    @property
    def _id_told(self) -> str:
        return ", ".join(repr(column.name) for column in self._ids)

    def _indexed(self, column: Column, wanted: Metric | None) -> tuple[Metric | None, Index]:
        """Return the metric and the index of a column, of several that for the metric wanted."""
        found: dict[Metric, Index] = {}
        for name, method, operators, settings in self._indexes:
            metric = _METRICS.get(operators.removesuffix("_ops").rpartition("_")[2])
            if name != column.name or metric is None:
                continue
            values = dict(setting.split("=", 1) for setting in settings)
            if method == "hnsw":
                found.setdefault(metric, hnsw(values.get("m", 16), values.get("ef_construction", 64)))
            else:
                found.setdefault(metric, IVFFlat(lists=int(values.get("lists", 100))))
        if wanted is not None:  # PostgreSQL compares by any of them, with an index or without
            return wanted, found.get(wanted, Flat())
        if len(found) > 1:
            what = self.name if column is self._vector else column.name
            raise Mismatch(f"{what!r} is indexed for {', '.join(sorted(found))}", hint="Say metric= in the mapping.")
        return next(iter(found.items()), (None, Flat()))

    def wanted(self, names: set[str] | None, include: Include) -> Wanted:
        """Return what to select for these fields; None for all that no hidden key leaves out."""
        if names is not None:
            chosen = [self._columns[name] for name in sorted(names - set(self.mapping.id))]
        else:
            hidden = set(self.mapping.hidden) if self.mapping.metadata == () else set()
            used = {self._vector.name, *self.mapping.id, *self.mapping.vectors.values()} | hidden
            chosen = [column for name, column in self._columns.items() if name not in used]
        return Wanted(tuple(chosen), include.vectors, include.fields)

    def _select(self, wanted: Wanted) -> str:
        parts = [f"{qualified(column.name)}::text" for column in (*self._key, *self._ids)]
        if wanted.columns:
            inner = ", ".join(column.selected() for column in wanted.columns)
            parts.append(f"(select to_json(f.*) from (select {inner}) as f)::text")  # f alone could be a column
        if wanted.vector:
            parts.append(f"vector_send({qualified(self._vector.name)}::vector)")
        parts += [_sent(self._named[name]) for name in wanted.fields]
        return f"select {', '.join(parts)} from {self._from} as t"

    def _where(self, conditions: Sequence[str] = (), *, vectors: bool = False) -> str:
        parts = [f"{qualified(name)} = %s::text::{doubled(self._column(name).cast)}" for name in self.mapping.only]
        if vectors or self.mapping.missing_vector is MissingVector.SKIP:
            parts.append(f"{qualified(self._vector.name)} is not null")
        parts += conditions
        return f" where {' and '.join(parts)}" if parts else ""

    @property
    def _only(self) -> tuple[str, ...]:
        return tuple(self.mapping.only.values())

    def count(self) -> tuple[str, tuple[Any, ...]]:
        """Return how many rows there are."""
        return f"select count(*) from {self._from} as t{self._where()}", self._only

    def first_dimension(self) -> tuple[str, tuple[Any, ...]]:
        """Return the dimension of any vector."""
        vector = f"{qualified(self._vector.name)}::vector"
        return f"select vector_dims({vector}) from {self._from} as t{self._where(vectors=True)} limit 1", self._only

    def narrowed(self, where: Filter | None) -> Part | None:
        """Return a condition that every row fulfils of which a filter is true; None where none can be ruled out."""
        return None if where is None else narrowed(where, self.mapping, self._columns)

    def page(
        self, wanted: Wanted, rows: int, after: str | None, narrowed: Part | None = None
    ) -> tuple[str, tuple[Any, ...]]:
        """Return the next rows in the order of the key, of those of which a condition holds."""
        names = ", ".join(qualified(column.name) for column in self._key)
        conditions, params = [], list[Any](self._only)
        if after is not None:
            given = json.loads(after)
            conditions = [f"({names}) > ({', '.join(f'%s::text::{doubled(column.cast)}' for column in self._key)})"]
            params += given
        if narrowed is not None:
            conditions.append(narrowed[0])
            params += narrowed[1]
        return f"{self._select(wanted)}{self._where(conditions)} order by {names} limit {rows:d}", tuple(params)

    def fetch(self, wanted: Wanted) -> tuple[str, tuple[Any, ...]]:
        """Return the rows of some ids, whose columns by ``id_values`` are a ``text[]`` each and the last parameters."""
        return f"{self._select(wanted)}{self._where([self._of_ids()])}", self._only

    def id_values(self, keys: Sequence[Any]) -> list[list[str]]:
        """Return the values of the id's columns, a list for each column; of ids that no row can have nothing."""
        if not self.mapping.id_columns:
            return [[str(key) for key in keys]]
        found = [values for key in keys if (values := _taken_apart(str(key), self._ids)) is not None]
        return [[values[place] for values in found] for place in range(len(self._ids))]

    def nearest(self, wanted: Wanted, k: int, metric: Metric, largest: float) -> str | None:
        """Return SQL for about the k nearest, the vector its last parameter; None where a halfvec cannot hold it."""
        vector = "%s::vector"
        if self._vector.type == "halfvec":
            if largest > _LARGEST_HALF:
                return None
            vector = "%s::vector::halfvec"
        distance = f"{qualified(self._vector.name)} {_OPERATORS[metric]} {vector}"
        return f"{self._select(wanted)}{self._where(vectors=True)} order by {distance} limit {k:d}"

    @property
    def only(self) -> tuple[str, ...]:
        """The parameters of the mapping's own conditions."""
        return self._only

    def token(self, row: Sequence[Any]) -> str:
        """Return the key of a row, after which the next page begins."""
        return json.dumps(row[: len(self._key)], ensure_ascii=False)

    def read(self, found: Sequence[Sequence[Any]], wanted: Wanted) -> Rows:
        """Return the rows of a statement."""
        rows = Rows(vectors=[] if wanted.vector else None)
        start = len(self._key) + len(self._ids)
        moments = [column for column in wanted.columns if _MOMENT in (column.type, column.element)]
        floats = [column for column in wanted.columns if column.type in _FLOATS or column.element in _FLOATS]
        for row in found:
            fields = json.loads(row[start]) if wanted.columns else {}
            key = self._key_of(row[len(self._key) : start])
            for column in moments:
                fields[column.name] = _each(fields[column.name], _moment)
            for column in floats:
                fields[column.name] = _each(fields[column.name], float)  # JSON has 3 for 3.0, and "NaN"
            if self.mapping.id and self.mapping.id == (self.mapping.metadata or ())[:1]:
                raise Mismatch(f"the column {self._id_told} cannot be both id and metadata")
            rows.keys.append(key)
            rows.fields.append({**fields, **dict.fromkeys(self.mapping.id, key)})
            if rows.vectors is not None:
                rows.vectors.append(_vector(row[len(row) - len(wanted.fields) - 1]))
        for place, name in enumerate(wanted.fields, -len(wanted.fields)):
            decoded = decode_sparsevec if self._named[name].sparse else _vector
            rows.named[name] = [decoded(row[place]) for row in found]
        return rows

    def _key_of(self, texts: Sequence[str | None]) -> Any:
        if None in texts:
            return None
        if self.mapping.id_columns:
            return _put_together(texts)
        text = str(texts[0])
        match self.mapping.id_type:
            case IdType.INT:
                return int(text)
            case IdType.UUID:
                return UUID(text)
            case _:
                return text


def _sent(column: Column) -> str:
    name = qualified(column.name)
    return f"sparsevec_send({name})" if column.sparse else f"vector_send({name}::vector)"


def _vector(data: bytes | None) -> VectorArray | None:
    return None if data is None else np.frombuffer(data, ">f4", offset=4).astype(np.float32)


def _kind(column: Column) -> IdType:
    return IdType.INT if column.type in INTS else IdType.UUID if column.type == "uuid" else IdType.TEXT


def _comparable(column: Column) -> tuple[str, str]:
    """Return a column of the id, and the cast of a text, so that the two compare, by an index if there is one."""
    name = qualified(column.name)
    match _kind(column):
        case IdType.INT:
            return name, "::bigint"
        case IdType.UUID:
            return name, "::uuid"
        case _:
            return name if column.type in TEXTS else f"{name}::text", ""


def _put_together(texts: Sequence[str | None]) -> str:
    return json.dumps(list(texts), ensure_ascii=False, separators=(",", ":"))


def _taken_apart(key: str, columns: Sequence[Column]) -> list[str] | None:
    """Invert ``_put_together``; None for a text that no row has as its id."""
    found = parsed(key)
    if not isinstance(found, list) or len(found) != len(columns) or {type(one) for one in found} != {str}:
        return None
    if _put_together(found) != key or "\x00" in "".join(found):
        return None
    legal = all(foreign_key(text, _kind(column)) is not None for text, column in zip(found, columns, strict=True))
    return found if legal else None


def _each(value: Any, convert: Any) -> Any:
    if isinstance(value, list):
        return [_each(element, convert) for element in value]
    return None if value is None else convert(value)


@dataclass(frozen=True, slots=True, repr=False)
class _Beyond:
    """A moment that Python does not have, such as ``infinity``, and so outside the contract."""

    text: str

    def __repr__(self) -> str:
        return self.text


def _moment(text: str) -> datetime | _Beyond:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _Beyond(text)
