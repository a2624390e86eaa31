"""pgvector computes in float32. The order, cut or value that it leaves open float64 decides (QRY-2, QRY-3, MET-3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from vstore import HNSW, F, Flat, IVFFlat, Metric
from vstore.spi.scores import distances

FLOAT32 = np.float32
INDEXES = [Flat(), HNSW(), IVFFlat(lists=1)]


@contextmanager
def _counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []
    plain = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return plain(self, query, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", execute)
        yield sent


def _true(metric: Metric, query: Any, ids: list[str], vectors: np.ndarray, k: int) -> list[tuple[float, str]]:
    found = distances(metric, np.asarray(query, dtype=FLOAT32), vectors.astype(FLOAT32))
    return sorted(zip(found.tolist(), ids, strict=True))[:k]


def _check(collection: Any, query: Any, ids: list[str], vectors: np.ndarray, **how: Any) -> None:
    metric = collection.info.metric
    for k in (1, 2, len(ids) - 1, len(ids)):
        true = _true(metric, query, ids, vectors, k)
        for hits in (collection.query(query, k=k, **how), collection.query_many([query, query], k=k, **how)[1]):
            assert hits.ids == [i for _, i in true]
            np.testing.assert_allclose(hits.distances, [d for d, _ in true], rtol=1e-5, atol=0)


@pytest.mark.parametrize("index", INDEXES, ids=repr)
def test_dot_products_that_cancel(store: vstore.Store, index: Any) -> None:
    docs = store.create_collection("docs", dimension=3, metric="dot", index=index)
    ids, vectors = ["a", "b", "c", "d"], np.array([[1, 0.9, 1], [1, 1.2, 1], [1, 1.4, 1], [1, 0.3, 1]])
    docs.add(ids=ids, vectors=vectors, metadatas=[{"n": 1}] * 4)
    query = [1e7, 1, -1e7]
    assert docs.query(query, k=2, exact=True).ids == ["c", "b"]
    _check(docs, query, ids, vectors, exact=True)
    _check(docs, query, ids, vectors, exact=True, where=F("n") == 1)
    assert docs.query(query, k=4).ids == ["c", "b", "a", "d"]


def test_a_long_vector_far_behind_may_be_the_nearest(store: vstore.Store) -> None:
    """The error of a dot product grows with the record's norm: float32 places it behind hundreds of short ones."""
    docs = store.create_collection("docs", dimension=3, metric="dot", index=Flat())
    random = np.random.default_rng(1)
    vectors = np.vstack([random.normal(size=(500, 3)), [[3e7, 1, 3e7], [3e7 + 2, 1, 3e7]]])
    vectors[:500, 2] = vectors[:500, 0]
    ids = [f"{i:03d}" for i in range(502)]
    docs.add(ids=ids, vectors=vectors)
    for query in ([1e7, 30, -1e7], [1e6, 5, -1e6], [3, 1e3, -3]):
        _check(docs, query, ids, vectors, exact=True)


@pytest.mark.parametrize("index", INDEXES, ids=repr)
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_near_duplicates(store: vstore.Store, index: Any, metric: str) -> None:
    random = np.random.default_rng(2)
    base = random.normal(size=64).astype(FLOAT32)
    vectors = np.tile(base, (40, 1))
    for place in range(40):  # one component by some units in the last place
        vectors[place, place % 7] = np.nextafter(vectors[place, place % 7], FLOAT32(9), dtype=FLOAT32) + place * 1e-7
    ids = [f"{i:02d}" for i in random.permutation(40)]
    docs = store.create_collection("docs", dimension=64, metric=metric, index=index)
    docs.add(ids=ids, vectors=vectors)
    for query in (base, base * FLOAT32(3), random.normal(size=64).astype(FLOAT32)):
        true = _true(docs.info.metric, query, ids, vectors, 40)
        for k in (1, 5, 39, 40):
            hits = docs.query(query, k=k, exact=True)
            assert hits.ids == [i for _, i in true[:k]]
        hits = docs.query(query, k=40)
        assert hits.ids == [i for _, i in true]
        np.testing.assert_allclose(hits.distances, [d for d, _ in true], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("index", INDEXES, ids=repr)
@pytest.mark.parametrize("metric", ["l2", "dot"])
@pytest.mark.parametrize("scale", [1e-20, 1e-22, 1e-25, 1e-35])
def test_very_short_vectors(store: vstore.Store, index: Any, metric: str, scale: float) -> None:
    """Their squares are below float32's smallest number: every distance was 0, and the graph was built of zeros."""
    random = np.random.default_rng(3)
    vectors = (random.normal(size=(300, 5)) * scale).astype(FLOAT32)
    ids = [f"{i:03d}" for i in random.permutation(300)]
    docs = store.create_collection("docs", dimension=5, metric=metric, index=index)
    docs.add(ids=ids, vectors=vectors)
    query = (random.normal(size=5) * scale).astype(FLOAT32)
    _check(docs, query, ids, vectors)
    _check(docs, query, ids, vectors, exact=True)
    if metric == "dot":  # the records alone are short
        _check(docs, random.normal(size=5).astype(FLOAT32), ids, vectors)


def test_short_vectors_among_others(store: vstore.Store) -> None:
    random = np.random.default_rng(4)
    vectors = np.vstack([random.normal(size=(200, 4)) * 1e-21, random.normal(size=(200, 4))]).astype(FLOAT32)
    ids = [f"{i:03d}" for i in range(400)]
    for metric in ("l2", "dot"):
        docs = store.create_collection(f"docs_{metric}", dimension=4, metric=metric, index=Flat())
        docs.add(ids=ids, vectors=vectors)
        for query in ([0, 0, 0, 0], vectors[0], vectors[0] * FLOAT32(2), vectors[300], [1, 1, 1, 1]):
            for k in (1, 7, 199, 201, 400):
                true = _true(docs.info.metric, query, ids, vectors, k)
                hits = docs.query(query, k=k, exact=True)
                assert hits.ids == [i for _, i in true]


def test_many_ties_at_the_cut_come_by_id(store: vstore.Store) -> None:
    random = np.random.default_rng(5)
    one, query = random.normal(size=(2, 384)).astype(FLOAT32)
    ids = [f"{i:04d}" for i in random.permutation(2_000)]
    for metric in ("cosine", "l2", "dot"):
        docs = store.create_collection(f"docs_{metric}", dimension=384, metric=metric, index=Flat())
        docs.add(ids=ids, vectors=np.tile(one, (2_000, 1)), metadatas=[{"n": int(i) % 2} for i in ids])
        assert docs.query(query, k=7, exact=True).ids == sorted(ids)[:7]
        assert docs.query(query, k=3, where=F("n") == 1, include=["vectors"]).ids == sorted(ids)[1:6:2]
        many = docs.query_many(np.stack([query, one, -query]), k=2, exact=True)
        assert [hits.ids for hits in many] == [sorted(ids)[:2]] * 3


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_where_nothing_is_open_one_statement_answers(
    store: vstore.Store, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(6)
    vectors = random.normal(size=(300, 16)).astype(FLOAT32)
    docs = store.create_collection("docs", dimension=16, metric=metric, index=HNSW())
    docs.add(ids=[f"{i:03d}" for i in range(300)], vectors=vectors)
    for exact in (True, False):
        with _counting(monkeypatch) as sent:
            for query in random.normal(size=(20, 16)).astype(FLOAT32):
                docs.query(query, k=3, exact=exact)
            docs.query(vectors[7], k=1, exact=exact)
        assert 21 <= len(sent) <= 23, sent  # one of some hundred queries has two records within float32's reach


def test_random_vectors_of_all_sizes(store: vstore.Store) -> None:
    random = np.random.default_rng(7)
    for metric in ("cosine", "l2", "dot"):
        docs = store.create_collection(f"docs_{metric}", dimension=6, metric=metric, index=Flat())
        vectors = (random.integers(-2, 3, size=(400, 6)) * 10.0 ** random.integers(-3, 8, size=(400, 1))).astype(
            FLOAT32
        )
        vectors[(vectors == 0).all(axis=1)] = 1
        ids = [f"{i:03d}" for i in range(400)]
        docs.add(ids=ids, vectors=vectors)
        for query in random.integers(-2, 3, size=(15, 6)) * 10.0 ** random.integers(-3, 8, size=(15, 1)) + 1e-4:
            for k in (1, 10, 100):
                true = _true(docs.info.metric, query, ids, vectors, k)
                assert docs.query(query, k=k, exact=True).ids == [i for _, i in true]
