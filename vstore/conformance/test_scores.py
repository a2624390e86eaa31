"""Distances and scores: MET-1 to MET-3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vstore import Collection, F
from vstore.conformance.checks import assert_hits, names, true_order
from vstore.conformance.fixtures import New, Supports, clause
from vstore.indexing import Metric
from vstore.records import Records

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
@pytest.mark.much
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


def _assert_true_order(c: Collection, metric: Metric, query: np.ndarray[Any, Any], records: Records) -> None:
    """Exact queries answer as float64 has it, at every k and with a filter that leaves half of the records."""
    order = true_order(metric, query, records)
    half = [name for name in order if int(name[1:]) % 2]
    for k in (1, 2, 5, len(order)):
        assert c.query(vector=query, k=k, exact=True).ids == order[:k]
        assert c.query(vector=query, k=k, where=F("odd") == True, exact=True).ids == half[:k]
    for hits in c.query_many(vectors=np.stack([query] * 3), k=3, exact=True):
        assert hits.ids == order[:3]


def _filled(new: New, metric: Metric, vectors: np.ndarray[Any, Any]) -> tuple[Collection, Records]:
    records = _records(vectors, [{"odd": place % 2 == 1} for place in range(len(vectors))])
    c = new(vectors.shape[1], metric)
    shuffled = np.random.default_rng(3).permutation(len(vectors)).tolist()
    mixed = records.take(shuffled)
    c.add(mixed.ids, mixed.vectors, metadatas=mixed.metadatas)
    return c, records


@clause("MET-3", "QRY-2", "QRY-3", "VEC-3")
@pytest.mark.much
@pytest.mark.parametrize("metric", [Metric.L2, Metric.DOT])
@pytest.mark.parametrize("size", [1e-18, 1e-20, 1e-25, 1e-32, 1e-38, 1e-43])
def test_short_vectors_are_compared_too(new: New, metric: Metric, size: float, supports: Supports) -> None:
    """The squares and products of such components are zero, or coarse, in float32; below 1e-38 so are they."""
    rng = np.random.default_rng(17)
    vectors = (rng.normal(size=(40, 8)) * size).astype(np.float32)
    c, records = _filled(new, metric, vectors)
    np.testing.assert_array_equal(c.get(records.ids).vectors, vectors)
    queries = [(rng.normal(size=8) * size).astype(np.float32), vectors[7], np.zeros(8, dtype=np.float32)]
    if metric is Metric.DOT:
        queries.append(rng.normal(size=8).astype(np.float32))
    for query in queries:
        assert_hits(c.query(vector=query, k=40), metric, query, records, 40)
        assert_hits(c.query(vector=query, k=5), metric, query, records, 5, exact=False)
        if supports("exact_query"):
            assert_hits(c.query(vector=query, k=40, exact=True), metric, query, records, 40)
            _assert_true_order(c, metric, query, records)


@clause("QRY-3")
@pytest.mark.parametrize("factor", [0.9, 1.2, 1.4])
def test_three_records_whose_dot_products_cancel(new: New, factor: float, supports: Supports) -> None:
    c = new(3, Metric.DOT)
    c.add(["a", "b", "c"], [[1, 0.9, 1], [1, 1.2, 1], [1, 1.4, 1]])
    query = np.array([1e7, factor, -1e7], dtype=np.float32)
    if supports("exact_query"):
        assert c.query(vector=query, k=1, exact=True).ids == ["c"]
        assert c.query(vector=query, k=2, exact=True).ids == ["c", "b"]
        assert c.query(vector=query, k=3, exact=True).ids == ["c", "b", "a"]


@clause("QRY-2", "QRY-3")
@pytest.mark.parametrize("case", ["dot cancels", "dot cancels late", "cosine near", "cosine opposite", "l2 near"])
def test_float64_decides_what_float32_cannot(new: New, case: str, supports: Supports) -> None:
    """Distances that differ by less than float32 resolves in the sum; what the vectors hold tells them apart."""
    rng = np.random.default_rng(23)
    base, aside = rng.normal(size=32), rng.normal(size=32)
    aside -= base * (aside @ base) / (base @ base)
    steps = np.arange(60)[:, None]
    metric, query = Metric.COSINE, base
    match case:
        case "dot cancels":
            metric, query = Metric.DOT, np.concatenate([[1e7, 1], np.zeros(29), [-1e7]])
            vectors = np.concatenate([np.ones((60, 1)), 1 + steps / 64, np.zeros((60, 29)), np.ones((60, 1))], axis=1)
        case "dot cancels late":
            metric, query = Metric.DOT, np.concatenate([np.full(16, 4096.0), np.full(15, -4096.0), [1]])
            vectors = np.concatenate([np.full((60, 16), 256.0), np.full((60, 15), 256.0), steps / 512], axis=1)
        case "cosine near":
            vectors = base + aside * steps * 3e-5
        case "cosine opposite":
            vectors = -base + aside * steps * 3e-5
        case _:
            metric, query = Metric.L2, base * 1e4
            vectors = np.repeat(query[None], 60, axis=0)
            vectors[:, 0] += 100 + steps[:, 0] / 128
            vectors[:, 1] += 30_000
    c, records = _filled(new, metric, vectors.astype(np.float32))
    asked = query.astype(np.float32)
    assert_hits(c.query(vector=asked, k=60), metric, asked, records, 60)
    if supports("exact_query"):
        _assert_true_order(c, metric, asked, records)


@clause("QRY-3")
@pytest.mark.much
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("case", ["one long", "long ones", "growing", "twins", "doubt all round", "wide"])
def test_records_of_very_unequal_lengths(new: New, case: str, k: int, supports: Supports) -> None:
    """How far float32 may be off a product goes by both lengths: a long record's is anywhere among those of short ones.

    All products are whole numbers, which float64 adds exactly. Beside 2**43 float32 loses what is below 2**19.
    """
    query = np.array([2**23, 1, -(2**23)], dtype=np.float32)
    short = np.array([[(1 + place) / 2**13, 0, 0] for place in range(50)])  # products of 1024 to 51,200
    match case:
        case "one long":
            vectors = np.concatenate([short, [[2**20, 400_000, 2**20]]])
        case "long ones":
            vectors = np.concatenate([short, [[2**20, 400_000 + place, 2**20] for place in range(4)]])
        case "growing":
            vectors = np.concatenate([short, [[2**exponent, 400_000, 2**exponent] for exponent in range(20, 28)]])
        case "twins":
            signs = [(1, 1), (-1, 1), (1, -1), (-1, -1)]
            vectors = np.concatenate([short, [[a * 2**20, b * 400_000, a * 2**20] for a, b in signs]])
        case "doubt all round":
            vectors = np.array([[2**20, 1 + place % 199, 2**20] for place in range(200)])
        case _:
            query = np.array([2**23] * 150 + [-(2**23)] * 150 + [1], dtype=np.float32)
            vectors = np.zeros((52, 301))
            vectors[:50, :1] = short[:, :1]
            vectors[50:, :300] = 2**20
            vectors[50:, 300] = 400_000, 400_001
    c, records = _filled(new, Metric.DOT, vectors.astype(np.float32))
    if supports("exact_query"):
        order = true_order(Metric.DOT, query, records)
        assert c.query(vector=query, k=k, exact=True).ids == order[:k]
        both = c.query_many(vectors=np.stack([query, -query, query]), k=k, exact=True)
        assert [hits.ids for hits in both] == [order[:k], true_order(Metric.DOT, -query, records)[:k], order[:k]]
        _assert_true_order(c, Metric.DOT, query, records)
