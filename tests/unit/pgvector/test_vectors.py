"""Vectors of fields to and from pgvector's binary forms."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from vstore.columns import absent
from vstore.fields import Dense, Sparse
from vstore.indexing import HNSW, Flat, Metric
from vstore.info import CollectionInfo
from vstore.sparse import SparseArray, SparseVector
from vstore_pgvector.capabilities import BATCH_ROWS, batch_rows
from vstore_pgvector.schema import create_table
from vstore_pgvector.vectors import (
    BAND,
    bands_of,
    column_names,
    decode_sparse,
    decode_vectors,
    items_of,
    pack_query,
    sparse_items,
)

FIRST, LAST = 0, 2**32 - 3


def test_no_two_fields_share_a_column() -> None:
    names = ["a", "a_1", "A", "sparse1_a", "vector_a"]
    columns = [column for name in names for field in (Sparse(), Dense(2)) for column in column_names(name, field)]
    columns += column_names("", Dense(2))
    assert len(set(columns)) == len(columns)
    assert max(len(column) for column in column_names("x" * 48, Sparse())) <= 63


def test_a_sparse_vector_is_cut_into_bands_of_indices() -> None:
    vector = SparseVector.of({FIRST: 1.0, BAND - 1: 2.0, BAND: 3.0, LAST: 0.1})
    items = sparse_items(SparseArray.stack([vector, None]))
    assert items[0][0] == struct.pack("!iii2i2f", BAND, 2, 0, 0, BAND - 1, 1.0, 2.0)
    assert items[1][0] == struct.pack("!iiiif", BAND, 1, 0, 0, 3.0)
    assert items[2] == items[3] == [None, None]
    assert items[4][0] == struct.pack("!iiiif", BAND, 1, 0, LAST - 4 * BAND, 0.1)
    assert [column[1] for column in items] == [None] * 5
    assert bands_of(SparseArray.stack([vector])) == (0, 1, 4)
    assert [packed.data for packed in pack_query(vector, (1, 4))] == [items[1][0], items[4][0]]


def test_sparse_vectors_come_back_bit_for_bit() -> None:
    random = np.random.default_rng(0)
    given = [np.unique(random.integers(0, 2**32 - 2, 40, dtype=np.uint32)) for _ in range(50)]
    rows = [SparseVector(indices, random.random(len(indices), dtype=np.float32) + 1) for indices in given]
    column = SparseArray.stack([None if place % 5 == 0 else row for place, row in enumerate(rows)])
    back = decode_sparse(list(zip(*map(_as_bytes, sparse_items(column)), strict=True)))
    assert back == column
    assert decode_sparse([]) == SparseArray.empty()


def _as_bytes(items: list[bytes | memoryview | None]) -> list[bytes | None]:
    return [None if item is None else bytes(item) for item in items]


def test_absent_dense_vectors_are_null() -> None:
    column = absent(3, 2)
    assert isinstance(column, np.ndarray)
    column[1] = [1, 2]
    (items,) = items_of(column)
    assert [item is None for item in items] == [True, False, True]
    np.testing.assert_array_equal(decode_vectors(_as_bytes(items), 2), column)
    assert np.isnan(decode_vectors([None, None], 2)).all()


def _info(**fields: Dense | Sparse) -> CollectionInfo:
    return CollectionInfo(name="docs", dimension=1_000, metric=Metric.L2, index=HNSW(), fields=fields)


def test_vectors_stay_in_their_rows_as_long_as_there_is_room() -> None:
    made = create_table("s", "t", _info(a=Dense(900), b=Dense(600), terms=Sparse()), metadata_index=False)
    storage = {one.split(" column ")[1] for one in made if "set storage" in one}
    dense = {'"embedding" set storage plain', '"vector_a" set storage external', '"vector_b" set storage plain'}
    main = {f'"sparse{band}_terms" set storage main' for band in ("", 1, 2, 3, 4)} | {"metadata set storage main"}
    assert storage == dense | main


@pytest.mark.parametrize(
    ("dimension", "threshold"), [(128, None), (384, 2_712), (768, 4_080), (1_536, 8_160), (3_000, None)]
)
def test_a_row_stays_whole_as_long_as_a_page_holds_as_many(dimension: int, threshold: int | None) -> None:
    info = CollectionInfo(name="docs", dimension=dimension, metric=Metric.L2, index=Flat())
    made = create_table("s", "t", info, metadata_index=False)
    targets = [one.rpartition("set ")[2] for one in made if "toast_tuple_target" in one]
    assert targets == ([] if threshold is None else [f"(toast_tuple_target = {threshold})"])


def test_the_graphs_of_all_fields_bound_a_statement() -> None:
    flat = _info(a=Dense(3_000, index=Flat()))
    assert batch_rows(_info(a=Dense(3_000, index=HNSW()))) == batch_rows(flat) // 4
    none = CollectionInfo(name="docs", dimension=0, metric=Metric.L2, index=Flat(), fields=flat.fields)
    assert batch_rows(none) == BATCH_ROWS
