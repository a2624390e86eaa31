"""Queries: QRY-1 to QRY-4."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vstore import (
    HNSW,
    IVFPQ,
    DiskANN,
    F,
    Flat,
    InvalidInput,
    IVFFlat,
    LimitExceeded,
    Quantization,
    Search,
    Store,
    Unsupported,
)
from vstore.conformance.checks import assert_hits, matching, names, raises, refusing, rows
from vstore.conformance.fixtures import New, Supports, clause
from vstore.conformance.session import Session
from vstore.indexing import Index, Metric
from vstore.records import Records

METRICS = list(Metric)


def _records(vectors: np.ndarray[Any, Any], metadatas: list[dict[str, Any]] | None = None) -> Records:
    number = len(vectors)
    return Records(names(number), vectors, [None] * number, metadatas or [{}] * number)


@clause("QRY-1")
def test_k_runs_from_one_to_the_limit(store: Store, new: New) -> None:
    c = new()
    c.add(names(30), rows(30), metadatas=[{"n": p} for p in range(30)])
    vector = rows(1)[0]
    limit = store.capabilities.limits.max_k
    assert limit >= 1000
    for exact in (True, False):
        for k in (1, 2, 29, 30, 31, 1000, limit):
            assert len(c.query(vector=vector, k=k, exact=exact)) == min(k, 30)
            assert len(c.query(vector=vector, k=k, where=F("n") < 7, exact=exact)) == min(k, 7)
        assert len(c.query(vector=vector, k=5, where=F("n") < 0, exact=exact)) == 0
    assert len(c.query(vector=vector)) == 10
    for wrong in (0, -1, 1.0, "5", None, True):
        refusing(InvalidInput, c, lambda wrong=wrong: c.query(vector=vector, k=wrong))  # type: ignore[misc]
    refusing(LimitExceeded, c, lambda: c.query(vector=vector, k=limit + 1))


@clause("QRY-1")
@pytest.mark.much
@pytest.mark.parametrize("metric", METRICS)
def test_all_of_many_come_where_k_is_large(new: New, metric: Metric) -> None:
    number = 1500
    vectors = rows(number, 16)
    c = new(16, metric)
    c.add(names(number), vectors)
    for k in (200, number, number + 1):
        assert_hits(c.query(vector=vectors[0], k=k), metric, vectors[0], _records(vectors), k, exact=False)
        assert_hits(c.query(vector=vectors[0], k=k, exact=True), metric, vectors[0], _records(vectors), k)


@clause("QRY-1")
def test_a_query_of_an_empty_collection_is_empty(new: New) -> None:
    c = new()
    for exact in (True, False):
        assert c.query(vector=[1, 0, 0, 0], k=3, exact=exact).ids == []
        assert [len(hits) for hits in c.query_many(vectors=rows(3), k=3, exact=exact)] == [0, 0, 0]


@clause("QRY-2")
@pytest.mark.parametrize("metric", METRICS)
def test_ties_come_by_id(new: New, metric: Metric) -> None:
    ids = [f"{letter}{n}" for n in range(30) for letter in "zma"] + ["Z", "é", "\U0001f600", "\uffee"]
    vectors = np.tile(np.array([0.5, 1, 2, -1], dtype=np.float32), (len(ids), 1))
    vectors[:3] = [1, 1, 2, -1]
    c = new(4, metric)
    c.add(ids, vectors)
    query = np.array([0.5, 1, 2, -1], dtype=np.float32)
    tied = sorted(ids[3:]) if metric is not Metric.DOT else [*sorted(ids[:3]), *sorted(ids[3:])]
    for k in (1, 7, 40):
        assert c.query(vector=query, k=k, exact=True).ids == tied[:k], "ties at the k-th place are decided by id"
        hits = c.query(vector=query, k=k)
        order = [(float(d), name) for d, name in zip(hits.distances, hits.ids, strict=True)]
        assert order == sorted(order)


@clause("QRY-3")
@pytest.mark.much
@pytest.mark.parametrize("metric", METRICS)
def test_exact_gives_the_true_nearest(new: New, metric: Metric, supports: Supports) -> None:
    number, dimension = 3000, 32
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(20, dimension)) * 3
    vectors = (centres[rng.integers(20, size=number)] + rng.normal(size=(number, dimension)) * 0.3).astype(np.float32)
    metadatas = [{"n": p, "odd": p % 2 == 1} for p in range(number)]
    c = new(dimension, metric)
    c.add(names(number), vectors, metadatas=metadatas)
    records = _records(vectors, metadatas)
    queries = rng.normal(size=(10, dimension)).astype(np.float32) * 3
    if not supports("exact_query"):
        refusing(Unsupported, c, lambda: c.query(vector=queries[0], exact=True))
        return
    for where in (None, F("n") < 100, F("odd") == True, F("n").in_([5, 2999]), ~F("odd").exists()):
        keep = set(names(number)) if where is None else matching(where, records)
        expected = records.take([p for p, name in enumerate(records.ids) if name in keep])
        for query, hits in zip(queries, c.query_many(vectors=queries, k=25, where=where, exact=True), strict=True):
            assert_hits(hits, metric, query, expected, 25)
    for query in queries[:3]:
        hits = c.query(vector=query, k=25, exact=True, include=["vectors", "metadatas"])
        assert_hits(hits, metric, query, records, 25)
        for hit in hits:
            assert hit.metadata == metadatas[int(hit.id[1:])]
            assert hit.vector is not None
            np.testing.assert_allclose(hit.vector, vectors[int(hit.id[1:])], rtol=1e-5, atol=1e-5)


@clause("QRY-3")
@pytest.mark.parametrize("metric", METRICS)
def test_exact_stays_exact_after_deletes_and_updates(new: New, metric: Metric) -> None:
    number = 1000
    vectors = rows(number, 16)
    c = new(16, metric)
    c.add(names(number), vectors)
    c.delete(names(number)[::3])
    changed = names(number)[1::3]
    fresh = rows(len(changed), 16, seed=9)
    c.update(changed, fresh)
    final = vectors.copy()
    final[1::3] = fresh
    kept = [p for p in range(number) if p % 3]
    records = _records(final).take(kept)
    query = rows(1, 16, seed=4)[0]
    assert_hits(c.query(vector=query, k=50, exact=True), metric, query, records, 50)
    assert_hits(c.query(vector=query, k=50), metric, query, records, 50, exact=False)


@clause("QRY-4", "CAP-2")
@pytest.mark.much
@pytest.mark.parametrize("metric", METRICS)
def test_a_filtered_query_never_starves(new: New, metric: Metric, supports: Supports) -> None:
    number, dimension = 2000, 16
    rng = np.random.default_rng(6)
    vectors = (rng.normal(size=(number, dimension)) * 0.1 + 1).astype(np.float32)
    far = rng.choice(number, 40, replace=False)
    vectors[far] = (rng.normal(size=(40, dimension)) * 0.1 - 1).astype(np.float32)
    metadatas = [{"far": False, "n": p} for p in range(number)]
    for p in far:
        metadatas[p] = {"far": True, "n": int(p)}
    c = new(dimension, metric)
    c.add(names(number), vectors, metadatas=metadatas)
    query = np.ones(dimension, dtype=np.float32)
    few = F("far") == True
    if not supports("filtered_query"):
        refusing(Unsupported, c, lambda: c.query(vector=query, where=few))
        return
    records = _records(vectors, metadatas)
    for where in (few, few & (F("n") > 1000), ~few, few & (F("n") == int(far[0]))):
        keep = matching(where, records)
        expected = records.take([p for p, name in enumerate(records.ids) if name in keep])
        for k in (1, 10, 40, 100, 500):
            assert_hits(c.query(vector=query, k=k, where=where), metric, query, expected, k, exact=False)


@clause("QRY-1", "QRY-2")
def test_an_approximate_query_finds_most_of_the_nearest(new: New) -> None:
    number = 2000
    vectors = rows(number, 16)
    c = new(16, "l2")
    c.add(names(number), vectors)
    found = total = 0
    for query in rows(20, 16, seed=8):
        true = set(np.argsort(np.linalg.norm(vectors - query, axis=1))[:10])
        found += sum(int(name[1:]) in true for name in c.query(vector=query, k=10).ids)
        total += 10
    assert found >= 0.8 * total


@clause("QRY-1")
def test_many_queries_answer_like_single_ones(session: Session) -> None:
    c = session.corpus
    queries = rows(7, 8, seed=2)
    for where in (None, F("year") > 2002):
        many = c.query_many(vectors=queries, k=9, where=where, exact=True)
        for query, hits in zip(queries, many, strict=True):
            single = c.query(vector=query, k=9, where=where, exact=True)
            assert hits.ids == single.ids
            np.testing.assert_allclose(hits.distances, single.distances, rtol=1e-6)
            assert hits.records.metadatas == single.records.metadatas
    with raises(InvalidInput):
        c.query_many()
    with raises(InvalidInput):
        c.query()
    with raises(InvalidInput):
        c.query(vector=queries[0], text="x")


@clause("QRY-1", "CAP-2")
@pytest.mark.parametrize(
    "index",
    [
        pytest.param(HNSW(m=8, ef_construction=64, ef_search=80), id="hnsw"),
        pytest.param(Flat(), id="flat"),
        pytest.param(IVFFlat(lists=10, probes=10), id="ivfflat"),
        pytest.param(IVFPQ(lists=4, probes=4, segments=8), id="ivfpq"),
        pytest.param(DiskANN(search_list=80), id="diskann"),
        *(pytest.param(HNSW(quantization=kind), id=f"hnsw-{kind.value}") for kind in Quantization),
        pytest.param(HNSW(on_disk=True), id="hnsw-on_disk"),
        pytest.param(Flat(on_disk=True), id="flat-on_disk"),
    ],
)
def test_every_index_is_built_or_refused(store: Store, new: New, supports: Supports, index: Index) -> None:
    lacking = [name for name, _, feature in store.capabilities.for_index(index) if not feature]
    if lacking:
        for name in lacking:
            supports(name)  # which the report notes
        before = store.list_collections()
        with raises(Unsupported):
            new(16, "l2", index=index)
        assert store.list_collections() == before
        return
    c = new(16, "l2", index=index)
    assert c.info.index == index
    assert store.get_collection(c.name).info.index == index
    vectors = rows(600, 16)
    c.add(names(600), vectors, metadatas=[{"n": p} for p in range(600)])
    for query in rows(5, 16, seed=3):
        assert_hits(c.query(vector=query, k=30), Metric.L2, query, _records(vectors), 30, exact=isinstance(index, Flat))
        assert_hits(c.query(vector=query, k=30, exact=True), Metric.L2, query, _records(vectors), 30)
        keep = _records(vectors).take(range(590, 600))
        assert_hits(c.query(vector=query, k=30, where=F("n") >= 590), Metric.L2, query, keep, 30, exact=False)


@clause("QRY-1", "QRY-3", "COL-4")
def test_an_index_that_is_put_off_and_built_changes_no_answer(new: New) -> None:
    vectors = rows(600, 16)
    c = new(16, "l2")
    index = c.info.index
    c.add(names(200), vectors[:200])
    for call, start in ((c.defer_index, 200), (c.defer_index, 300), (c.build_index, 400), (c.build_index, 500)):
        call()
        c.add(names(600)[start : start + 100], vectors[start : start + 100])
        records = _records(vectors[: start + 100])
        for exact in (True, False):
            hits = c.query(vector=vectors[7], k=30, exact=exact)
            assert_hits(hits, Metric.L2, vectors[7], records, 30, exact=exact)
        assert c.count() == start + 100
    assert c.info.index == index


@clause("QRY-1", "CAP-2")
def test_search_settings_are_heard_or_refused(new: New, supports: Supports) -> None:
    vectors = rows(1000, 16)
    plans: list[tuple[str, str, Search, Any]] = [
        ("search_ef", "index_hnsw", Search(ef=200), HNSW(ef_search=10)),
        ("search_ef", "index_diskann", Search(ef=200), DiskANN(search_list=10)),
        ("search_probes", "index_ivfflat", Search(probes=10), IVFFlat(lists=10, probes=1)),
        ("search_probes", "index_ivfpq", Search(probes=4), IVFPQ(lists=4, probes=1, segments=4)),
    ]
    for feature, needed, search, index in plans:
        if not supports(needed):
            continue  # no such index: that it is refused is test_every_index_is_built_or_refused
        c = new(16, "l2", index=index)
        c.add(names(1000), vectors)
        if not supports(feature):
            refusing(Unsupported, c, lambda c=c, search=search: c.query(vector=vectors[0], search=search))  # type: ignore[misc]
            continue
        assert_hits(
            c.query(vector=vectors[0], k=100, search=search), Metric.L2, vectors[0], _records(vectors), 100, exact=False
        )
        for hits in c.query_many(vectors=vectors[:3], k=10, search=search):
            assert len(hits) == 10
        refusing(InvalidInput, c, lambda c=c, search=search: c.query(vector=vectors[0], search=search, exact=True))  # type: ignore[misc]
