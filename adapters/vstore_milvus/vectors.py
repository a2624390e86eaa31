"""How the vectors of one field stand in Milvus: in which columns, with which index, and what a search of it is.

Milvus takes no absent vector that all its versions agree on. So a dense field has a flag beside it, and a stand-in
where it is absent; an absent sparse vector has one index that no query can have. Servers before 2.4 have one vector a
record: there the named fields are text, and compared here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, assert_never

import numpy as np
from pymilvus import CollectionSchema, DataType
from pymilvus.milvus_client.index import IndexParams

from vstore.columns import Column, VectorArray, absent, dense, present, vector_at
from vstore.fields import Dense, Field, Sparse
from vstore.indexing import HNSW, IVFPQ, DiskANN, Flat, Index, IVFFlat, Metric, Search
from vstore.sparse import SparseArray, SparseVector
from vstore.spi.packing import from_text, pack_dense, pack_sparse, to_text, unpack_dense, unpack_sparse

__all__ = [
    "MAX_PACKED_DIMENSION",
    "MAX_PACKED_VALUES",
    "Cells",
    "DenseVectors",
    "PackedVectors",
    "Row",
    "SparseVectors",
    "Vectors",
    "pairs",
    "searching",
    "unpaired",
]

Row: TypeAlias = dict[str, Any]
Cells: TypeAlias = dict[str, Any]
"""Columns by name. Dense vectors are float32 of shape (n, d); others are lists: of bytes for sparse ones and JSON."""

_METRICS: Final[dict[Metric, str]] = {Metric.COSINE: "COSINE", Metric.L2: "L2", Metric.DOT: "IP"}
_ABSENT: Final = {2**32 - 2: 1.0}  # Milvus takes this index; no vector of vstore has it (SPV-1)
_PAIR: Final = np.dtype([("index", "<u4"), ("value", "<f4")])
_MAX_TEXT: Final = 65_535
_MAX_PACKED: Final = _MAX_TEXT // 4 * 3
MAX_PACKED_DIMENSION: Final = _MAX_PACKED // 4
MAX_PACKED_VALUES: Final = _MAX_PACKED // 8
_SPARSE_BYTES: Final = 2_000  # a guess: an answer that proves too large is asked for in halves


class Vectors(Protocol):
    """One field of vectors.

    Attributes:
        columns: The columns of Milvus that hold it; the first one is searched.
        width: About how many bytes one of its vectors takes in an answer.
        present: The condition for records that have it; empty where all do, or where a search sees to it.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def width(self) -> int: ...
    @property
    def present(self) -> str: ...

    def declare(self, schema: CollectionSchema) -> None:
        """Adds its columns."""

    def index(self, params: IndexParams) -> None:
        """Adds its index."""

    def cells(self, column: Column) -> Cells:
        """Return what its columns hold."""

    def column(self, rows: Sequence[Row]) -> Column:
        """Return its vectors in rows as Milvus answers them."""


@dataclass(frozen=True, slots=True)
class DenseVectors:
    """A column of dense vectors; where it may be absent a flag says whether it is there."""

    field: Dense
    name: str
    flag: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.name, self.flag) if self.flag else (self.name,)

    @property
    def width(self) -> int:
        return 4 * self.field.dimension

    @property
    def present(self) -> str:
        return f"({self.flag} == true)" if self.flag else ""

    def declare(self, schema: CollectionSchema) -> None:
        schema.add_field(self.name, DataType.FLOAT_VECTOR, dim=self.field.dimension)
        if self.flag:
            schema.add_field(self.flag, DataType.BOOL)

    def index(self, params: IndexParams) -> None:
        assert self.field.index is not None
        kind, settings = _index(self.field.index)
        params.add_index(self.name, index_type=kind, metric_type=_METRICS[self.field.metric], params=settings)

    def cells(self, column: Column) -> Cells:
        vectors = dense(column)
        if not self.flag:
            return {self.name: vectors}
        there = present(column)
        stand_in = np.eye(1, self.field.dimension, dtype=np.float32)  # a zero has no cosine
        return {self.name: np.where(there[:, None], vectors, stand_in), self.flag: there.tolist()}

    def column(self, rows: Sequence[Row]) -> VectorArray:
        found = np.array([row[self.name] for row in rows], dtype=np.float32).reshape(-1, self.field.dimension)
        if self.flag:
            found[[not row[self.flag] for row in rows]] = np.nan
        return found


@dataclass(frozen=True, slots=True)
class SparseVectors:
    """A column of sparse vectors."""

    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def width(self) -> int:
        return _SPARSE_BYTES

    @property
    def present(self) -> str:
        return ""

    def declare(self, schema: CollectionSchema) -> None:
        schema.add_field(self.name, DataType.SPARSE_FLOAT_VECTOR)

    def index(self, params: IndexParams) -> None:
        params.add_index(self.name, index_type="SPARSE_INVERTED_INDEX", metric_type="IP", params={})

    def cells(self, column: Column) -> Cells:
        assert isinstance(column, SparseArray)
        return {self.name: [pairs(vector) if len(vector) else _ABSENT_PAIR for vector in column]}

    def column(self, rows: Sequence[Row]) -> SparseArray:
        return SparseArray.stack([_sparse(row[self.name]) for row in rows])


@dataclass(frozen=True, slots=True)
class PackedVectors:
    """A column of text, empty where the vector is absent."""

    field: Field
    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def width(self) -> int:
        return 6 * self.field.dimension if isinstance(self.field, Dense) else _SPARSE_BYTES

    @property
    def present(self) -> str:
        return f'({self.name} != "")'

    def declare(self, schema: CollectionSchema) -> None:
        schema.add_field(self.name, DataType.VARCHAR, max_length=_MAX_TEXT)

    def index(self, params: IndexParams) -> None:
        """Does nothing: its vectors are compared here."""

    def cells(self, column: Column) -> Cells:
        return {self.name: [_packed(vector_at(column, place)) for place in range(len(column))]}

    def column(self, rows: Sequence[Row]) -> Column:
        texts = [row[self.name] for row in rows]
        if isinstance(self.field, Sparse):
            return SparseArray.stack([unpack_sparse(from_text(text)) if text else None for text in texts])
        found = absent(len(rows), self.field.dimension)
        assert isinstance(found, np.ndarray)
        for place, text in enumerate(texts):
            if text:
                found[place] = unpack_dense(from_text(text), self.field.dimension)
        return found


def _packed(vector: VectorArray | SparseVector | None) -> str:
    if vector is None:
        return ""
    return to_text(pack_sparse(vector) if isinstance(vector, SparseVector) else pack_dense(vector))


def pairs(vector: SparseVector) -> bytes:
    """Return a vector as Milvus has it: index and value in turns, little-endian, of 4 bytes each."""
    pairs = np.empty(len(vector), dtype=_PAIR)
    pairs["index"], pairs["value"] = vector.indices, vector.values
    return pairs.tobytes()


def unpaired(content: bytes) -> dict[int, float]:
    """Invert ``pairs``."""
    found = np.frombuffer(content, dtype=_PAIR)
    return dict(zip(found["index"].tolist(), found["value"].tolist(), strict=True))


_ABSENT_PAIR: Final = pairs(SparseVector(np.array([*_ABSENT], np.uint32), np.array([*_ABSENT.values()], np.float32)))


def _sparse(found: Mapping[int, float]) -> SparseVector | None:
    if found.keys() == _ABSENT.keys():
        return None
    indices = np.fromiter(found.keys(), dtype=np.uint32, count=len(found))
    return SparseVector(indices, np.fromiter(found.values(), dtype=np.float32, count=len(found)))


def _index(index: Index) -> tuple[str, dict[str, int]]:
    match index:
        case Flat():
            return "FLAT", {}
        case HNSW():
            return "HNSW", {"M": index.m, "efConstruction": index.ef_construction}
        case IVFFlat():
            return "IVF_FLAT", {"nlist": index.lists}
        case IVFPQ():
            return "IVF_PQ", {"nlist": index.lists, "m": index.segments, "nbits": index.bits}
        case DiskANN():
            return "DISKANN", {}
        case _:
            assert_never(index)


def searching(field: Field, search: Search | None, k: int) -> dict[str, Any]:
    """Return the settings of one search of a field; a graph must keep at least k candidates."""
    return {"metric_type": _METRICS[field.metric], "params": _params(field, search, k)}


def _params(field: Field, search: Search | None, k: int) -> dict[str, int]:
    ef = None if search is None else search.ef
    probes = None if search is None else search.probes
    match None if isinstance(field, Sparse) else field.index:
        case HNSW(ef_search=own):
            return {"ef": max(ef or own, k)}
        case DiskANN(search_list=own):
            return {"search_list": max(ef or own, k)}
        case IVFFlat(lists=lists, probes=own) | IVFPQ(lists=lists, probes=own):
            return {"nprobe": min(probes or own, lists)}
        case _:
            return {}
