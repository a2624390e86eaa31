"""Vectors to and from pgvector's binary forms, and the columns that a field has. Pure.

An index of a sparse vector goes up to 2³² - 3, one of a ``sparsevec`` to 10⁹ - 1. So a sparse field has five columns,
one for each band of 10⁹ indices; a band without values is NULL. A field is absent where all its columns are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct
from typing import Final

import numpy as np

from vstore.columns import Column, VectorArray, absent, present
from vstore.fields import Dense, Field
from vstore.indexing import HNSW, Flat, Metric, Quantization
from vstore.info import CollectionInfo
from vstore.sparse import SparseArray, SparseVector
from vstore_pgvector.binary import Item, Packed, pack_array

__all__ = [
    "BAND",
    "BANDS",
    "MAX_HALVED",
    "MAX_INDEXED",
    "TypeIds",
    "bands_of",
    "candidates",
    "column_names",
    "decode_column",
    "decode_sparse",
    "decode_sparsevec",
    "decode_vectors",
    "dense_fields",
    "is_binary",
    "is_halved",
    "items_of",
    "max_indexed",
    "pack_bands",
    "pack_query",
    "pack_vector",
    "pack_vectors",
    "sparse_items",
    "weights",
]

BAND: Final = 1_000_000_000
BANDS: Final = 5
MAX_INDEXED: Final = 2_000  # components that an index on the type vector takes
MAX_HALVED: Final = 4_000  # on the type halfvec
_SPARE: Final = 16
_VECTOR: Final = Struct("!hh")
_SPARSE: Final = Struct("!iii")


@dataclass(frozen=True, slots=True)
class TypeIds:
    """The ids that pgvector's types have in one database."""

    vector: int
    sparsevec: int


def column_names(name: str, field: Field) -> list[str]:
    """Return the columns of a field; an empty name is the field without one. No two fields share a column."""
    if not name:
        return ["embedding"]
    if isinstance(field, Dense):
        return [f"vector_{name}"]
    return [f"sparse{band or ''}_{name}" for band in range(BANDS)]


def dense_fields(info: CollectionInfo) -> dict[str, Dense]:
    """Return the dense fields of a collection, the one without a name first."""
    unnamed: dict[str, Field] = {"": info.field()} if info.dimension else {}
    return {name: field for name, field in (unnamed | info.fields).items() if isinstance(field, Dense)}


def max_indexed(metric: Metric) -> int:
    """Return the most dimensions that HNSW and IVFFlat take under a metric.

    Beyond those of ``vector`` an index is of halves, which end at 65,504 and 6e-8. A vector brought to the length 1
    lies well between, and cosine asks for its direction alone. Under l2 and dot a vector may not fit, or vanish.
    """
    return MAX_HALVED if metric is Metric.COSINE else MAX_INDEXED


def is_halved(field: Dense) -> bool:
    """Return whether the index of a field is one of half precision, on the unit vectors."""
    return not isinstance(field.index, Flat) and not is_binary(field) and field.dimension > MAX_INDEXED


def is_binary(field: Dense) -> bool:
    """Return whether the index of a field is one of the signs of components, a bit each."""
    return isinstance(field.index, HNSW) and field.index.quantization is Quantization.BINARY


def candidates(field: Dense, k: int, ef: int) -> int:
    """Return how many of the records that an index finds are compared with the full vectors.

    Bits rank coarsely: of 20,000 vectors of 128 components in 100 clusters the 10 nearest were among the first 200 of
    them, and every other one of these among the first 20.
    """
    if is_binary(field):
        return max(2 * ef, 4 * k)
    return k + max(_SPARE, k // 4) if is_halved(field) else k


def pack_vector(vector: VectorArray) -> Packed:
    """Return a ``vector``; layout of ``vector_recv`` in pgvector's vector.c."""
    return Packed(_VECTOR.pack(len(vector), 0) + vector.astype(">f4").tobytes())


def pack_vectors(vectors: VectorArray, oid: int) -> Packed:
    """Return a ``vector[]`` of the rows of an array (n, d); ``oid`` is the type's in this database."""
    return pack_array(oid, _dense_items(vectors))


def _dense_items(vectors: VectorArray) -> list[Item]:
    n, dimension = vectors.shape
    form = np.dtype([("dimension", ">i2"), ("unused", ">i2"), ("vector", ">f4", (dimension,))])
    rows = np.zeros(n, dtype=form)
    rows["dimension"], rows["vector"] = dimension, vectors
    data, stride = memoryview(rows.tobytes()), form.itemsize
    there = present(vectors).tolist()
    return [data[place * stride : (place + 1) * stride] if there[place] else None for place in range(n)]


def sparse_items(column: SparseArray) -> list[list[Item]]:
    """Return the values of each of a sparse field's columns; layout of ``sparsevec_recv`` in sparsevec.c."""
    bands = column.indices // np.uint32(BAND)
    return [_of_band(column, band, bands == band) for band in range(BANDS)]


def _of_band(column: SparseArray, band: int, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[Item]:
    if not chosen.any():
        return [None] * len(column)
    indices = memoryview((column.indices[chosen] - np.uint32(band * BAND)).astype(">i4").tobytes())
    values = memoryview(column.values[chosen].astype(">f4").tobytes())
    places = np.concatenate([[0], np.cumsum(chosen)])[column.indptr].tolist()
    items: list[Item] = []
    for start, stop in pairwise(places):
        part = slice(4 * start, 4 * stop)
        items.append(
            b"".join((_SPARSE.pack(BAND, stop - start, 0), indices[part], values[part])) if stop > start else None
        )
    return items


def items_of(column: Column) -> list[list[Item]]:
    """Return the values of each column that a field has."""
    return sparse_items(column) if isinstance(column, SparseArray) else [_dense_items(column)]


def bands_of(column: SparseArray) -> tuple[int, ...]:
    """Return the bands in which any of some vectors has a value, ascending."""
    return tuple(np.unique(column.indices // np.uint32(BAND)).tolist())


def pack_query(query: SparseVector, bands: Sequence[int]) -> list[Packed]:
    """Return a ``sparsevec`` for each of the bands that a query has."""
    items = sparse_items(SparseArray.stack([query]))
    return [Packed(bytes(items[band][0] or b"")) for band in bands]


def pack_bands(queries: SparseArray, oid: int, bands: Sequence[int]) -> list[Packed]:
    """Return a ``sparsevec[]`` a band, with an element for each query."""
    items = sparse_items(queries)
    return [pack_array(oid, items[band]) for band in bands]


def weights(column: Column) -> list[int]:
    """Return about how many bytes each row takes."""
    if isinstance(column, SparseArray):
        return [8 * length for length in column.lengths.tolist()]
    return [4 * column.shape[1]] * len(column)


def decode_vectors(column: Sequence[bytes | None], dimension: int) -> VectorArray:
    """Return float32 array (n, d) from values in the form of ``vector_send``, bit for bit; NaN for NULL."""
    row = np.dtype([("head", "V4"), ("vector", ">f4", (dimension,))])
    there = [value for value in column if value is not None]
    vectors: VectorArray = np.frombuffer(b"".join(there), dtype=row)["vector"].astype(np.float32)
    if len(there) == len(column):
        return vectors
    found = absent(len(column), dimension)
    assert not isinstance(found, SparseArray)
    found[[place for place, value in enumerate(column) if value is not None]] = vectors
    return found


def decode_sparse(column: Sequence[Sequence[bytes | None]]) -> SparseArray:
    """Return sparse vectors from values in the form of ``sparsevec_send``, one a band."""
    return SparseArray.stack([_joined(bands) for bands in column])


def _joined(bands: Sequence[bytes | None]) -> SparseVector | None:
    indices, values = [], []
    for band, data in enumerate(bands):
        if data is not None:
            count = (len(data) - _SPARSE.size) // 8
            numbers = np.frombuffer(data, ">i4", count, _SPARSE.size)
            indices.append(numbers.astype(np.uint32) + np.uint32(band * BAND))
            values.append(np.frombuffer(data, ">f4", count, _SPARSE.size + 4 * count).astype(np.float32))
    return SparseVector(np.concatenate(indices), np.concatenate(values)) if indices else None


def decode_sparsevec(data: bytes | None) -> SparseVector | None:
    """Return one sparse vector from a value in the form of ``sparsevec_send``."""
    return _joined([data])


def decode_column(column: Sequence[bytes | None] | Sequence[Sequence[bytes | None]], field: Field) -> Column:
    """Return the vectors of a field from a column of a statement's rows."""
    if isinstance(field, Dense):
        return decode_vectors(column, field.dimension)  # type: ignore[arg-type]  # bytea
    return decode_sparse(column)  # type: ignore[arg-type]  # bytea[]
