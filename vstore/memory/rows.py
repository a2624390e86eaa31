"""One record as the reference store keeps it, and columns made of many."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np

from vstore.columns import Column, VectorArray, absent, vector_at
from vstore.fields import Dense
from vstore.info import CollectionInfo
from vstore.records import Include, Metadata, Records
from vstore.sparse import SparseArray, SparseVector

__all__ = ["Row", "Vector", "column_of", "columns", "kept", "vectors_of"]

Vector: TypeAlias = VectorArray | SparseVector


@dataclass(slots=True)
class Row:
    """One record.

    Attributes:
        vectors: The vectors that are there, by field; the key of the one without a name is empty.
        document: The document.
        metadata: The metadata.
    """

    vectors: dict[str, Vector]
    document: str | None
    metadata: Metadata


def kept(value: Any) -> Any:
    """Return a copy of a metadata value as it comes back: moments in UTC, nothing shared with the caller."""
    match value:
        case datetime():
            return value.astimezone(UTC)
        case list():
            return [kept(element) for element in value]
        case dict():
            return {key: kept(element) for key, element in value.items()}
        case _:
            return value


def _given(metadata: Metadata) -> Metadata:
    """Return a copy for the caller; only lists and dicts can be changed."""
    return deepcopy(metadata) if {list, dict} & set(map(type, metadata.values())) else metadata.copy()


def vectors_of(records: Records) -> list[dict[str, Vector | None]]:
    """Return the vectors of each record by field, nothing shared with the caller; None where one is absent."""
    given: dict[str, Column] = {} if records.vectors is None else {"": records.vectors}
    owned = {name: _owned(column) for name, column in (given | records.fields).items()}
    return [{name: vector_at(column, place) for name, column in owned.items()} for place in range(len(records))]


def _owned(column: Column) -> Column:
    if isinstance(column, SparseArray):
        return SparseArray(column.indptr, column.indices.copy(), column.values.copy())
    return column.copy()


def column_of(rows: Sequence[Row], name: str, info: CollectionInfo) -> Column:
    """Return one field of many records as a column; an empty name is the field without one."""
    field = info.field(name)
    if not isinstance(field, Dense):
        found = [row.vectors.get(name) for row in rows]
        return SparseArray.stack([vector for vector in found if vector is None or isinstance(vector, SparseVector)])
    column = absent(len(rows), field.dimension)
    assert isinstance(column, np.ndarray)
    for place, row in enumerate(rows):
        if isinstance(vector := row.vectors.get(name), np.ndarray):
            column[place] = vector
    return column


def columns(ids: list[str], rows: Sequence[Row], info: CollectionInfo, include: Include) -> Records:
    """Return records with the columns that are wanted."""
    vectors = column_of(rows, "", info) if include.vectors else None
    assert not isinstance(vectors, SparseArray)
    return Records(
        ids,
        vectors,
        [row.document for row in rows] if include.documents else None,
        [_given(row.metadata) for row in rows] if include.metadatas else None,
        {name: column_of(rows, name, info) for name in include.fields},
    )
