"""Columns of vectors, dense and sparse, handled alike: their rows, their equality, their parts put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vstore.sparse import SparseArray, SparseVector

__all__ = [
    "Column",
    "VectorArray",
    "absent",
    "concat_columns",
    "dense",
    "present",
    "same_fields",
    "same_vectors",
    "take_rows",
    "vector_at",
]

VectorArray: TypeAlias = NDArray[np.float32]
Column: TypeAlias = VectorArray | SparseArray
"""The vectors of one field: shape (n, d), where a row of NaN is absent, or sparse ones, where an empty row is."""


def same_vectors(one: VectorArray | None, other: VectorArray | None) -> bool:
    """Whether two columns of vectors, or two vectors, are equal component by component."""
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def same_fields(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether the same fields are there and equal, an absent vector being equal to an absent one."""
    return one.keys() == other.keys() and all(_same(column, other[name]) for name, column in one.items())


def _same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return type(one) is type(other) and bool(one == other)


def present(column: Column) -> NDArray[np.bool_]:
    """Return which vectors of a column are there, bool of shape (n,)."""
    if isinstance(column, SparseArray):
        return column.lengths > 0
    return ~np.isnan(column[:, 0])


def dense(column: Column) -> VectorArray:
    """Return the same column, of a field that is known to be dense."""
    assert not isinstance(column, SparseArray)
    return column


def absent(rows: int, dimension: int | None) -> Column:
    """Return a column of absent vectors, sparse ones where the dimension is None."""
    if dimension is None:
        return SparseArray.empty(rows)
    return np.full((rows, dimension), np.nan, dtype=np.float32)


def vector_at(column: Column, position: int) -> VectorArray | SparseVector | None:
    """Return one vector of a column; None where it is absent."""
    if isinstance(column, SparseArray):
        return column[position] if column.indptr[position] < column.indptr[position + 1] else None
    vector: VectorArray = column[position]
    return None if np.isnan(vector[0]) else vector


def take_rows(column: Column, positions: NDArray[np.intp]) -> Column:
    """Return the rows at ``positions``, in that order."""
    return column.take(positions) if isinstance(column, SparseArray) else column[positions]


def concat_columns(parts: Sequence[Column]) -> Column:
    """Return one column with the rows of all ``parts``, which are of one kind."""
    sparse = [part for part in parts if isinstance(part, SparseArray)]
    if sparse:
        return SparseArray.concat(sparse)
    return np.concatenate([part for part in parts if not isinstance(part, SparseArray)])
