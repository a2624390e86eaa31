"""How far float32 may be off: sums computed in float32, in three orders, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from vstore.indexing import Metric
from vstore.spi.scores import distances
from vstore_pgvector.precision import ErrorBounds, overlapping

SMALL = np.float32


def _sums(terms: np.ndarray) -> list[np.ndarray]:
    """Sums of float32 terms a row: one after the other, in eight lanes, and backwards."""
    one = np.add.accumulate(terms, axis=1, dtype=SMALL)[:, -1]
    back = np.add.accumulate(terms[:, ::-1], axis=1, dtype=SMALL)[:, -1]
    lanes = [np.add.accumulate(terms[:, lane::8], axis=1, dtype=SMALL)[:, -1] for lane in range(min(8, terms.shape[1]))]
    return [one, back, np.add.accumulate(np.stack(lanes, axis=1), axis=1, dtype=SMALL)[:, -1]]


def _as_pgvector(metric: Metric, query: np.ndarray, vectors: np.ndarray) -> list[np.ndarray]:
    if metric is Metric.L2:
        difference = (vectors - query).astype(SMALL)
        return [np.sqrt(one.astype(np.float64)) for one in _sums(difference * difference)]
    dots = [one.astype(np.float64) for one in _sums(vectors * query)]
    if metric is Metric.DOT:
        return [-one for one in dots]
    own = _sums(vectors * vectors)
    mine = _sums(np.tile(query * query, (len(vectors), 1)))
    return [1 - d / np.sqrt(a.astype(np.float64) * b) for d, a, b in zip(dots, own, mine, strict=True)]


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("dimension", [1, 3, 64, 2_000])
@pytest.mark.parametrize("scale", [1e-21, 1e-12, 1.0, 1e7])
def test_the_truth_is_within_the_bounds(metric: Metric, dimension: int, scale: float) -> None:
    random = np.random.default_rng(dimension)
    if metric is Metric.COSINE and scale < 1e-15:
        scale = 1e-14
    query = (random.normal(size=dimension) * scale).astype(SMALL)
    vectors = (random.normal(size=(60, dimension)) * scale).astype(SMALL)
    vectors[20:40] = query * SMALL(1 + 1e-6)
    vectors[40:] = SMALL(0.1 * scale)  # whose rounding errors all point the same way
    true = distances(metric, query, vectors)
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    for found in _as_pgvector(metric, query, vectors):
        low, high = ErrorBounds(metric, query).bounds(found, norms)
        assert (low <= true).all()
        assert (true <= high).all()


def test_what_overlaps() -> None:
    low, high = np.array([5.0, 0.0, 1.0, 9.0, 2.0]), np.array([6.0, 3.0, 1.5, 9.5, 2.5])
    assert overlapping(low, high).tolist() == [False, True, True, False, True]
    assert overlapping(np.array([1.0]), np.array([1.0])).tolist() == [False]
    assert overlapping(np.array([1.0, 1.0]), np.array([1.0, 1.0])).tolist() == [True, True]


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("dimension", [3, 2_000])
@pytest.mark.parametrize("scale", [1e-18, 1e-12, 1.0, 1e7])
def test_one_pass_finds_clear_what_arrays_find_clear(metric: Metric, dimension: int, scale: float) -> None:
    random = np.random.default_rng(dimension)
    if metric is Metric.COSINE and scale < 1e-15:
        scale = 1e-14
    query = (random.normal(size=dimension) * scale).astype(SMALL)
    clear = 0
    for spread in (0.0, 1e-8, 1e-5, 1e-4, 1e-3, 1e-2, 1.0, 10.0):
        for near in (0.0, 1.0):
            vectors = query * SMALL(near) + (random.normal(size=(6, dimension)) * scale * spread).astype(SMALL)
            norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
            if metric is Metric.COSINE and not norms.all():
                continue
            for found in _as_pgvector(metric, query, vectors):
                order = np.argsort(found)
                distance, lengths = found[order], norms[order]
                error = ErrorBounds(metric, query)
                told = error.are_clear(distance.tolist(), lengths.tolist())
                low, high = error.bounds(distance, lengths)
                is_open = overlapping(low, high).any() or error.imprecise(distance, lengths).any()
                is_short = error.underflowed(lengths)
                if told:
                    assert not is_open
                    assert not is_short
                    clear += 1
                elif scale >= 1.0 and lengths.all():
                    assert is_open
                assert not error.are_clear(distance[::-1].tolist(), lengths[::-1].tolist())
                assert not error.are_clear([float("nan")], [1.0])
    assert clear or scale < 1.0
