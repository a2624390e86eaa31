"""Distances and scores: MET-1 to MET-3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vstore.conformance.checks import assert_hits, names
from vstore.conformance.fixtures import New, clause
from vstore.types import Metric, Records

METRICS = list(Metric)


def _records(vectors: np.ndarray[Any, Any], metadatas: list[dict[str, Any]] | None = None) -> Records:
    number = len(vectors)
    return Records(names(number), vectors, [None] * number, metadatas or [{}] * number)


@clause("MET-1", "MET-2")
@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (
            "cosine",
            {
                "same": (0.0, 1.0),
                "double": (0.0, 1.0),
                "right": (1.0, 0.0),
                "opposite": (2.0, -1.0),
                "half": (0.2, 0.8),
            },
        ),
        (
            "l2",
            {
                "same": (0.0, 0.0),
                "double": (5.0, -5.0),
                "right": (50**0.5, -(50**0.5)),
                "opposite": (10.0, -10.0),
                "half": (10**0.5, -(10**0.5)),
            },
        ),
        (
            "dot",
            {
                "same": (-25.0, 25.0),
                "double": (-50.0, 50.0),
                "right": (0.0, 0.0),
                "opposite": (25.0, -25.0),
                "half": (-20.0, 20.0),
            },
        ),
    ],
)
def test_what_distances_and_scores_are(new: New, metric: str, expected: dict[str, tuple[float, float]]) -> None:
    vectors = {"same": [3, 4], "double": [6, 8], "right": [-4, 3], "opposite": [-3, -4], "half": [0, 5]}
    c = new(2, metric)
    c.add(list(vectors), np.array(list(vectors.values()), dtype=np.float32))
    for exact in (True, False):
        hits = c.query(vector=[3, 4], k=5, exact=exact)
        assert len(hits) == 5
        for hit in hits:
            assert (hit.distance, hit.score) == pytest.approx(expected[hit.id], rel=1e-5, abs=1e-6)
        assert list(hits.distances) == sorted(hits.distances), "lower is nearer"
        assert list(hits.scores) == sorted(hits.scores, reverse=True), "higher is nearer"


@clause("MET-2", "MET-3")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("case", ["plain", "tiny", "huge", "wide", "near", "orthogonal", "opposite", "large offset"])
def test_scores_agree_with_float64(new: New, metric: Metric, case: str) -> None:
    rng = np.random.default_rng(11)
    query = rng.normal(size=48)
    vectors = rng.normal(size=(60, 48))
    match case:
        case "tiny":
            query, vectors = query * 1e-13, vectors * 1e-13
        case "huge":
            query, vectors = query * 1e12, vectors * 1e12
        case "wide":
            vectors *= 10.0 ** rng.uniform(-12, 12, size=(60, 1))
        case "near":
            vectors = query + vectors * 10.0 ** rng.uniform(-7, -1, size=(60, 1))
        case "orthogonal":
            vectors -= np.outer(vectors @ query, query) / (query @ query)
            vectors += query * 10.0 ** rng.uniform(-7, -2, size=(60, 1))
        case "opposite":
            vectors = -query + vectors * 1e-3
        case "large offset":
            query, vectors = query + 1000, vectors + 1000
        case _:
            pass
    q, x = query.astype(np.float32), vectors.astype(np.float32)
    c = new(48, metric)
    c.add(names(60), x)
    for exact in (True, False):
        assert_hits(c.query(vector=q, k=60, exact=exact), metric, q, _records(x), 60)
