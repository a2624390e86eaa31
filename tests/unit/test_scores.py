"""One formula per metric, and ranking by distance and then id."""

from __future__ import annotations

from fractions import Fraction
from math import isclose, sqrt

import numpy as np
import pytest

from vstore import Metric, Records
from vstore.spi.scores import distances, nearest, ranked, scores

RNG = np.random.default_rng(3)


def by_fractions(metric: Metric, q: list[float], x: list[float]) -> float:
    """The formula in exact arithmetic, but for the roots."""
    dot = sum((Fraction(a) * Fraction(b) for a, b in zip(q, x, strict=True)), Fraction())
    match metric:
        case Metric.DOT:
            return float(-dot)
        case Metric.L2:
            return sqrt(sum(((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(q, x, strict=True)), Fraction()))
        case Metric.COSINE:
            norms = [sqrt(sum((Fraction(a) ** 2 for a in v), Fraction())) for v in (q, x)]
            return 1 - float(dot) / (norms[0] * norms[1])


@pytest.mark.parametrize("metric", list(Metric))
def test_distances_agree_with_exact_arithmetic(metric: Metric) -> None:
    vectors = (RNG.normal(size=(50, 9)) * 10.0 ** RNG.integers(-6, 6, size=(50, 1))).astype(np.float32)
    query = RNG.normal(size=9).astype(np.float32)
    found = distances(metric, query, vectors)
    for distance, vector in zip(found.tolist(), vectors, strict=True):
        assert isclose(distance, by_fractions(metric, query.tolist(), vector.tolist()), rel_tol=1e-12, abs_tol=1e-14)


@pytest.mark.parametrize("metric", list(Metric))
def test_blocks_join_seamlessly(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, query = RNG.normal(size=(100, 8)).astype(np.float32), RNG.normal(size=8).astype(np.float32)
    whole = distances(metric, query, vectors)
    monkeypatch.setattr("vstore.spi.scores._BLOCK_BYTES", 8 * 8 * 7)
    assert np.allclose(distances(metric, query, vectors), whole, rtol=1e-14, atol=1e-15)
    assert distances(metric, query, vectors[:0]).shape == (0,)


def test_scores_are_higher_for_nearer() -> None:
    distance = np.array([-0.5, 0.0, 0.25])
    assert scores(Metric.COSINE, distance).tolist() == [1.5, 1.0, 0.75]
    assert scores(Metric.L2, distance).tolist() == [0.5, 0.0, -0.25]
    assert scores(Metric.DOT, distance).tolist() == [0.5, 0.0, -0.25]


def test_nearest_breaks_ties_by_id_at_the_end_too() -> None:
    distance = np.array([2.0, 1.0, 1.0, 1.0, 0.5])
    ids = ["e", "d", "b", "c", "z"]
    assert [ids[p] for p in nearest(distance, ids, 3)] == ["z", "b", "c"]
    assert [ids[p] for p in nearest(distance, ids, 9)] == ["z", "b", "c", "d", "e"]
    assert nearest(np.empty(0), [], 3) == []


def test_ranked_keeps_rows_together() -> None:
    records = Records(["a", "b", "c"], np.eye(3, dtype=np.float32), ["A", None, "C"], [{"n": 0}, {"n": 1}, {"n": 2}])
    hits = ranked(Metric.L2, records, np.array([3.0, 1.0, 2.0]), 2)
    assert hits.ids == ["b", "c"]
    assert [(h.id, h.distance, h.score, h.document, h.metadata) for h in hits] == [
        ("b", 1.0, -1.0, None, {"n": 1}),
        ("c", 2.0, -2.0, "C", {"n": 2}),
    ]
    assert hits[1:].ids == ["c"]
    assert hits[-1].vector is not None
    assert hits[-1].vector.tolist() == [0, 0, 1]


@pytest.mark.parametrize("metric", list(Metric))
def test_equal_vectors_are_equally_far_wherever_they_stand(metric: Metric) -> None:
    """A matrix product sums the last rows of a block in another order: ties would no longer go by id (QRY-2)."""
    random = np.random.default_rng(0)
    one, query = random.normal(size=(2, 383)).astype(np.float32)
    others = random.normal(size=(7, 383)).astype(np.float32)
    for count in range(1, 20):
        found = distances(metric, query, np.vstack([others, np.tile(one, (count, 1))]))[7:]
        assert set(found.tolist()) == {float(distances(metric, query, one[None])[0])}
