"""What float32 decides of sparse vectors, without Milvus."""

from __future__ import annotations

import numpy as np

from vstore import SparseVector
from vstore.indexing import Metric
from vstore_milvus.precision import decided


def test_sparse_hits_are_certain_where_the_last_is_farther_than_float32_can_be_off() -> None:
    query = SparseVector.of({1: 1.0, 2: 1.0})
    level = np.array([-2.0, -1.0, -1.0])
    assert decided(Metric.DOT, query, level, 1)
    assert not decided(Metric.DOT, query, level, 2)
    near = np.array([-2.0, -1.0 - 2.0**-23, -1.0])
    assert not decided(Metric.DOT, query, near, 2)
    assert decided(Metric.DOT, query, np.array([-2.0, -1.0001, -1.0]), 2)
