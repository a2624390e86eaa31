"""What float32 decides of sparse vectors, without Milvus."""

from __future__ import annotations

import numpy as np

from vstore import HNSW, IVFPQ, Dense, Flat, Sparse, SparseVector
from vstore.indexing import Metric
from vstore_milvus.precision import decided, doubtful, is_precise


def test_sparse_hits_are_certain_where_the_last_is_farther_than_float32_can_be_off() -> None:
    query = SparseVector.of({1: 1.0, 2: 1.0})
    level = np.array([-2.0, -1.0, -1.0])
    assert decided(Metric.DOT, query, level, 1)
    assert not decided(Metric.DOT, query, level, 2)
    near = np.array([-2.0, -1.0 - 2.0**-23, -1.0])
    assert not decided(Metric.DOT, query, near, 2)
    assert decided(Metric.DOT, query, np.array([-2.0, -1.0001, -1.0]), 2)


def test_dense_hits_are_in_doubt_where_another_is_as_near_as_float32_can_be_off() -> None:
    query = np.ones(384, np.float32)
    assert doubtful(Metric.COSINE, query, np.array([0.1, 0.2, 0.3])).tolist() == []
    assert doubtful(Metric.COSINE, query, np.array([0.1, 0.2, 0.2 + 5e-7, 0.3])).tolist() == [1, 2]
    assert doubtful(Metric.COSINE, query, np.array([0.1, 0.1])).tolist() == [0, 1]
    assert doubtful(Metric.L2, query, np.array([10.0, 10.0 + 1e-5, 11.0])).tolist() == [0, 1]
    assert doubtful(Metric.L2, query, np.array([0.0, 1.0])).tolist() == []
    short = query * np.float32(1e-13)
    assert doubtful(Metric.L2, short, np.array([1e-18, 1.0])).tolist() == [0], "a square that float32 may have lost"
    assert doubtful(Metric.COSINE, query, np.array([])).tolist() == []


def test_distances_are_precise_of_full_vectors_under_cosine_and_l2() -> None:
    assert is_precise(Dense(2_048, index=HNSW()))
    assert is_precise(Dense(8_192, "l2", index=Flat()))
    assert not any(
        map(
            is_precise,
            [Dense(2_049, index=HNSW()), Dense(4, "dot", index=HNSW()), Dense(4, "l2", index=IVFPQ(4, 4, 2)), Sparse()],
        )
    )
