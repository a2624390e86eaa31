"""Vectors of records to and from those of Qdrant's points: pure.

A collection without named fields has Qdrant's unnamed vector. One with named fields has named vectors only: those of
the fields, and ``vector`` for the field without a name. A vector that is absent is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from struct import Struct
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vstore.columns import Column, absent, dense, vector_at
from vstore.fields import UNNAMED, Dense, Field
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.records import Include, Records, VectorArray
from vstore.sparse import SparseArray, SparseVector
from vstore_qdrant.conditions import All, Condition, Has

__all__ = [
    "Columns",
    "all_fields",
    "columns_of",
    "dimensions",
    "full_scan_kb",
    "having",
    "included",
    "kept",
    "packed",
    "point_vectors",
    "read_columns",
    "restored",
    "stacked",
    "units",
    "value_counts",
    "vector_name",
    "with_field",
]

Columns: TypeAlias = dict[str, Column]
"""Columns by field; the key of the field without a name is empty."""
Lengths: TypeAlias = Mapping[str, float]
"""The lengths of one record's vectors, by field."""

# Servers write a float32 in its shortest form. Read as float64 and rounded, one alone of all of them comes out wrong:
# its text is nearer to it than to the next, and its float64 half-way between them
_HALFWAY: Final = 7.038531e-26
# kilobytes of vectors below which Qdrant compares with every record, its own default
_FULL_SCAN_KB: Final = 10_000
# records of a partition up to which a query of it is exact (TEN-3), and some to spare
_TENANT_RECORDS: Final = 10_240


def vector_name(info: CollectionInfo, field: str) -> str:
    """Return what Qdrant calls the vector of a field; an empty name is its unnamed one."""
    return (field or UNNAMED) if info.fields else ""


def all_fields(info: CollectionInfo) -> dict[str, Field]:
    """Return the fields by name, the one without a name first, where there is one."""
    return ({"": info.field()} if info.dimension else {}) | info.fields


def dimensions(info: CollectionInfo) -> int:
    """Return the number of components of a record's dense vectors."""
    return sum(field.dimension for field in all_fields(info).values() if isinstance(field, Dense))


def full_scan_kb(info: CollectionInfo, dimension: int) -> int:
    """Return below how many kilobytes of vectors Qdrant compares with every record.

    In a collection of partitions that is the size of one whose queries are to be exact.
    """
    return _FULL_SCAN_KB if info.partition_by is None else max(_FULL_SCAN_KB, dimension * _TENANT_RECORDS // 256)


def columns_of(records: Records) -> Columns:
    """Return the columns of vectors that records have."""
    own: Columns = {} if records.vectors is None else {"": records.vectors}
    return own | records.fields


def included(include: Include) -> tuple[str, ...]:
    """Return the fields that a read brings."""
    return (("",) if include.vectors else ()) + include.fields


def with_field(include: Include, field: str) -> Include:
    """Return the same columns and that of one field more."""
    if not field:
        return replace(include, vectors=True)
    return include if field in include.fields else replace(include, fields=(*include.fields, field))


def having(info: CollectionInfo, field: str, condition: Condition | None) -> Condition | None:
    """Return the condition of those records, of the ones that match another, that have a vector of a field."""
    if not field:
        return condition
    there = Has(vector_name(info, field))
    return there if condition is None else All((condition, there))


def units(vectors: VectorArray) -> VectorArray:
    """Return unit vectors, by way of float64: Qdrant's float32 loses very small and very large vectors."""
    wide = vectors.astype(np.float64)
    return (wide / _lengths(wide)[:, None]).astype(np.float32)


def _lengths(wide: NDArray[np.float64]) -> NDArray[np.float64]:
    norms: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return norms


def kept(info: CollectionInfo, given: Columns, rows: int) -> tuple[Columns, list[dict[str, float]]]:
    """Return vectors as Qdrant is to keep them, and the lengths of each record's that are under cosine or dot."""
    columns, lengths = dict(given), [dict[str, float]() for _ in range(rows)]
    for name, column in given.items():
        field = info.field(name)
        if not isinstance(field, Dense) or field.metric is Metric.L2:
            continue
        vectors = dense(column)
        if field.metric is Metric.COSINE:
            columns[name] = units(vectors)
        for place, length in enumerate(_lengths(vectors.astype(np.float64)).tolist()):
            if length == length:  # that of an absent vector is NaN
                lengths[place][name] = length
    return columns, lengths


def restored(column: VectorArray, lengths: Sequence[float]) -> VectorArray:
    """Return vectors of the lengths that unit vectors had; those of absent ones may be anything."""
    return (column.astype(np.float64) * np.array(lengths, dtype=np.float64).reshape(-1, 1)).astype(np.float32)


def value_counts(columns: Columns, rows: int) -> NDArray[np.int64]:
    """Return how many numbers the vectors of each record have, int64 of shape (n,); an index is a number too."""
    total = np.zeros(rows, dtype=np.int64)
    for column in columns.values():
        total += 2 * column.lengths if isinstance(column, SparseArray) else column.shape[1]
    return total


def point_vectors(
    info: CollectionInfo, columns: Columns, rows: int, sparse: Callable[[list[int], list[float]], Any]
) -> Iterator[Any]:
    """Yield what Qdrant takes as the vectors of each point: a list, or a dict by name.

    Args:
        info: What the collection is.
        columns: All of its fields that some record has.
        rows: Number of records.
        sparse: Makes a sparse vector of indices and values.
    """
    if not info.fields:
        # the numbers of one vector at a time, which stay in the processor's cache
        yield from (vector.tolist() for vector in dense(columns[""]))
        return
    named = {vector_name(info, name): column for name, column in columns.items()}
    for place in range(rows):
        point: dict[str, Any] = {}
        for name, column in named.items():
            vector = vector_at(column, place)
            if isinstance(vector, SparseVector):
                point[name] = sparse(vector.indices.tolist(), vector.values.tolist())
            elif vector is not None:
                point[name] = vector.tolist()
        yield point


def read_columns(info: CollectionInfo, names: Sequence[str], found: Iterable[Any], *, widened: bool = False) -> Columns:
    """Return columns of some fields.

    Args:
        info: What the collection is.
        names: Which fields.
        found: What Qdrant has as the vectors of each point.
        widened: Whether each number is that of a float32, and not one read from its text.
    """
    stack = packed if widened else stacked
    if not info.fields:
        return {name: stack(found, info.dimension) for name in names}
    points = list(found) if names else []
    return {name: _column(info, name, points, stack) for name in names}


def _column(
    info: CollectionInfo,
    name: str,
    found: Sequence[Any],
    stack: Callable[[Iterable[Sequence[float]], int], VectorArray],
) -> Column:
    field = info.field(name)
    key = vector_name(info, name)
    vectors = [(point or {}).get(key) for point in found]
    if not isinstance(field, Dense):
        return _sparse_column([([], []) if one is None else (one.indices, one.values) for one in vectors])
    there = {place: one for place, one in enumerate(vectors) if one is not None}
    if len(there) == len(found):
        return stack(there.values(), field.dimension)
    column = dense(absent(len(found), field.dimension))
    column[list(there)] = stack(there.values(), field.dimension)
    return column


def _sparse_column(rows: Sequence[tuple[Sequence[int], Sequence[float]]]) -> SparseArray:
    """Return sparse vectors as a column, from the indices and values of each."""
    ends = list(accumulate([len(indices) for indices, _ in rows], initial=0))
    starts, total = np.array(ends, dtype=np.int64), ends[-1]
    return SparseArray(
        starts,
        np.fromiter(chain.from_iterable(indices for indices, _ in rows), dtype=np.uint32, count=total),
        np.fromiter(chain.from_iterable(values for _, values in rows), dtype=np.float32, count=total),
    )


def packed(vectors: Iterable[Sequence[float]], dimension: int) -> VectorArray:
    """Return vectors under each other, of numbers that are those of float32.

    They come one by one, so that not all of them are Python's numbers at once. ``struct`` takes half as long as NumPy.
    """
    pack = Struct(f"{dimension}f").pack
    return np.frombuffer(bytearray().join([pack(*one) for one in vectors]), dtype=np.float32).reshape(-1, dimension)


def stacked(vectors: Iterable[Sequence[float]], dimension: int) -> VectorArray:
    """Return vectors under each other, of numbers that a client read as JSON has them."""
    pack = Struct(f"{dimension}d").pack
    wide = np.frombuffer(b"".join([pack(*one) for one in vectors]), dtype=np.float64)
    numbers = wide.astype(np.float32)
    if len(odd := np.flatnonzero(np.abs(wide) == _HALFWAY)):
        numbers[odd] = np.copysign(np.nextafter(np.float32(_HALFWAY), np.float32(0)), wide[odd])
    return numbers.reshape(-1, dimension)
