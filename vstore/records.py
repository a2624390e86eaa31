"""What a collection holds: ``Record``, ``Records`` in columns, and the pages of a scan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from vstore import display
from vstore.columns import (
    Column,
    VectorArray,
    concat_columns,
    same_fields,
    same_vectors,
    take_rows,
    vector_at,
)
from vstore.include import Include, IncludeName
from vstore.sparse import SparseArray, SparseVector

if TYPE_CHECKING:
    import os

    import datasets
    import pandas
    import polars
    import pyarrow

__all__ = [
    "Include",
    "IncludeName",
    "Metadata",
    "Page",
    "Record",
    "Records",
    "Scalar",
    "VectorArray",
    "same_vectors",
]

Scalar: TypeAlias = str | bool | int | float | datetime

Metadata: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Record:
    """One record; a column that was not fetched is None.

    Two records are equal if all their columns are, vectors component by component.

    Attributes:
        id: The id.
        vector: float32 array of shape (dimension,), of the field without a name, or None.
        document: The text, or None.
        metadata: A dict, or None.
        fields: The vector of each named field that was fetched: shape (d,), sparse, or None where it is absent.

    Example:
        >>> docs.upsert([Record("a", [1.0, 0.0, 0.2], "on rain", {"year": 2024})])
    """

    id: str
    vector: VectorArray | None = None
    document: str | None = None
    metadata: Metadata | None = None
    fields: dict[str, VectorArray | SparseVector | None] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        mine, theirs = (self.id, self.document, self.metadata), (other.id, other.document, other.metadata)
        return mine == theirs and same_vectors(self.vector, other.vector) and same_fields(self.fields, other.fields)

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def __repr__(self) -> str:
        columns = {"vector": self.vector, "document": self.document, "metadata": self.metadata}
        shown = display.columns({**columns, **self.fields})
        return f"Record({display.field(self.id)}{shown})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Records:
    """Columns of equal length. A column that was not given or not fetched is None as a whole.

    It has a length, iterates over ``Record``, takes an index or a slice, and compares column by column.

    Attributes:
        ids: One id a record.
        vectors: float32 array of shape (n, d), or None.
        documents: One str or None a record, or None.
        metadatas: One dict a record, or None.
        fields: A column for each named field that was given or fetched: float32 of shape (n, d), where a row of NaN is
            an absent vector, or a ``SparseArray``, where an empty row is.

    Example:
        >>> records = docs.get(["a", "b"])
        >>> records.ids, records.vectors.shape, records[0].document, records[:1].to_pandas()
    """

    ids: list[str]
    vectors: VectorArray | None = None
    documents: list[str | None] | None = None
    metadatas: list[Metadata] | None = None
    fields: dict[str, Column] = field(default_factory=dict)

    @property
    def sparse(self) -> SparseArray | None:
        """The column of the only sparse field; None where there is none, or more than one."""
        found = [column for column in self.fields.values() if isinstance(column, SparseArray)]
        return found[0] if len(found) == 1 else None

    def column(self, name: str = "") -> Column:
        """Return the vectors of a field that is there; an empty name is the field without one."""
        if name:
            return self.fields[name]
        assert self.vectors is not None
        return self.vectors

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Records):
            return NotImplemented
        mine, theirs = (self.ids, self.documents, self.metadatas), (other.ids, other.documents, other.metadatas)
        return mine == theirs and same_vectors(self.vectors, other.vectors) and same_fields(self.fields, other.fields)

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    def __repr__(self) -> str:
        told = (("vectors", self.vectors), ("documents", self.documents), ("metadatas", self.metadatas))
        there = [name for name, column in told if column is not None] + list(self.fields)
        return f"<Records, {display.listing(self.ids)}; {', '.join(there) or 'ids only'}>"

    def _repr_html_(self) -> str:
        columns = {"id": self.ids, "document": self.documents, "metadata": self.metadatas, "vector": self.vectors}
        return display.html_table({**columns, **self.fields}, len(self))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Record]:
        for position in range(len(self.ids)):
            yield self[position]

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> Records: ...
    def __getitem__(self, key: int | slice) -> Record | Records:
        if isinstance(key, slice):
            return Records(
                self.ids[key],
                None if self.vectors is None else self.vectors[key],
                None if self.documents is None else self.documents[key],
                None if self.metadatas is None else self.metadatas[key],
                {name: column[key] for name, column in self.fields.items()},
            )
        return Record(
            self.ids[key],
            None if self.vectors is None else self.vectors[key],
            None if self.documents is None else self.documents[key],
            None if self.metadatas is None else self.metadatas[key],
            {name: vector_at(column, range(len(self))[key]) for name, column in self.fields.items()},
        )

    def take(self, positions: Sequence[int]) -> Records:
        """Return the records at ``positions``, in that order."""
        places = np.asarray(positions, dtype=np.intp)
        return Records(
            [self.ids[p] for p in positions],
            None if self.vectors is None else self.vectors[places],
            None if self.documents is None else [self.documents[p] for p in positions],
            None if self.metadatas is None else [self.metadatas[p] for p in positions],
            {name: take_rows(column, places) for name, column in self.fields.items()},
        )

    def only(self, include: Include) -> Records:
        """Return the same records with these columns, of those that there are."""
        return Records(
            self.ids,
            self.vectors if include.vectors else None,
            self.documents if include.documents else None,
            self.metadatas if include.metadatas else None,
            {name: self.fields[name] for name in include.fields if name in self.fields},
        )

    def without_vectors(self) -> Records:
        """Return the same records without any vectors."""
        return Records(self.ids, None, self.documents, self.metadatas)

    @staticmethod
    def concat(parts: Sequence[Records]) -> Records:
        """Return the records of all parts, in order; the columns are those of the first part."""
        if len(parts) == 1:
            return parts[0]
        first = parts[0] if parts else Records([])
        return Records(
            [i for part in parts for i in part.ids],
            None if first.vectors is None else np.concatenate([p.vectors for p in parts if p.vectors is not None]),
            None if first.documents is None else [d for part in parts for d in part.documents or ()],
            None if first.metadatas is None else [m for part in parts for m in part.metadatas or ()],
            {name: concat_columns([part.fields[name] for part in parts]) for name in first.fields},
        )

    def ordered(self, ids: Sequence[str]) -> Records:
        """Return the records in the order of ``ids``; missing ids are left out."""
        place = {record_id: position for position, record_id in enumerate(self.ids)}
        return self.take([place[record_id] for record_id in ids if record_id in place])

    def to_arrow(self) -> pyarrow.Table:
        """Return an Arrow table; needs the extra ``arrow``. ``vstore.interchange`` describes its columns."""
        from vstore.interchange import to_arrow

        return to_arrow(self)

    @staticmethod
    def from_arrow(table: pyarrow.Table) -> Records:
        """Return the records of an Arrow table: the inverse of ``to_arrow``."""
        from vstore.interchange import from_arrow

        return from_arrow(table)

    def to_polars(self) -> polars.DataFrame:
        """Return a Polars DataFrame that shares the vectors; needs the extra ``polars``."""
        from vstore.interchange import to_polars

        return to_polars(self)

    @staticmethod
    def from_polars(frame: polars.DataFrame) -> Records:
        """Return the records of a Polars DataFrame: the inverse of ``to_polars``."""
        from vstore.interchange import from_polars

        return from_polars(frame)

    def to_datasets(self) -> datasets.Dataset:
        """Return a Hugging Face Dataset that shares the vectors; needs the extra ``datasets``."""
        from vstore.interchange import to_datasets

        return to_datasets(self)

    @staticmethod
    def from_datasets(dataset: datasets.Dataset) -> Records:
        """Return the records of a Hugging Face Dataset: the inverse of ``to_datasets``."""
        from vstore.interchange import from_datasets

        return from_datasets(dataset)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with the columns ``id``, ``vector``, ``document``, ``metadata``; needs pandas."""
        from vstore.interchange import to_pandas

        return to_pandas(self)

    @staticmethod
    def from_pandas(frame: pandas.DataFrame) -> Records:
        """Return the records of a DataFrame: the inverse of ``to_pandas``."""
        from vstore.interchange import from_pandas

        return from_pandas(frame)

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write one Parquet file; needs the extra ``arrow``."""
        from vstore.interchange import to_parquet

        to_parquet(self, path)

    @staticmethod
    def from_parquet(path: str | os.PathLike[str]) -> Records:
        """Return the records of a Parquet file: the inverse of ``to_parquet``."""
        from vstore.interchange import from_parquet

        return from_parquet(path)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a scan; it has a length and iterates over ``Record``.

    Attributes:
        records: The records of this page.
        cursor: ``scan(after=cursor)`` goes on after this page, in any process.
    """

    records: Records
    cursor: str

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"<Page, {display.listing(self.ids)}; cursor {display.field(self.cursor)}>"

    def _repr_html_(self) -> str:
        return self.records._repr_html_()

    @property
    def ids(self) -> list[str]:
        """The ids, in the order of the records."""
        return self.records.ids
