"""What comes of the nearest: within a distance, above a score, one of each group, like records: QRY-5 to QRY-7."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from vstore import RRF, Dense, F, InvalidInput, Like, LimitExceeded, NotFound, Sparse
from vstore.conformance.checks import assert_hits, names, refusing, rows, true_order
from vstore.conformance.fixtures import New, Supports, clause
from vstore.filters import Filter
from vstore.indexing import Metric
from vstore.records import Records


@clause("QRY-5")
@pytest.mark.much
@pytest.mark.parametrize("metric", list(Metric))
def test_hits_are_within_a_distance_and_above_a_score(new: New, metric: Metric) -> None:
    c = new(6, metric)
    vectors = rows(300, 6, seed=2)
    c.add(names(300), vectors, metadatas=[{"n": n % 3} for n in range(300)])
    for query, where in zip(rows(3, 6, seed=5), (None, F("n") == 1, None), strict=True):
        whole = c.query(query, k=120, exact=True, where=where)
        for place in (0, 1, 40, 99):
            middle = float(whole.distances[place : place + 2].mean())
            score = float(whole.scores[place : place + 2].mean())
            for bound in (
                {"within": middle},
                {"score_threshold": score},
                {"within": middle, "score_threshold": -1e9},
            ):
                for k in (5, 100):
                    hits = c.query(query, k=k, exact=True, where=where, **bound)  # type: ignore[arg-type]
                    assert hits.ids == whole.ids[: min(k, place + 1)]
    nearest = float(c.query(vectors[0], k=1, exact=True).distances[0])
    assert c.query(vectors[0], within=nearest - 1.0, exact=True).ids == []
    assert c.query(vectors[0], score_threshold=1e9).ids == []
    assert [len(hits) for hits in c.query_many(vectors[:2], within=nearest - 100.0)] == [0, 0]
    wrong: list[Any] = ["1", float("nan"), float("inf"), True, [1.0], 10**400]
    for value in wrong:
        refusing(InvalidInput, c, lambda value=value: c.query(vectors[0], within=value))  # type: ignore[misc]
        refusing(InvalidInput, c, lambda value=value: c.query(vectors[0], score_threshold=value))  # type: ignore[misc]


GROUPS: list[Any] = ["a", "b", "A", "1", 1, 1.0, 2, 2.5, True, False, datetime(2024, 1, 1, tzinfo=UTC), ["a"], None]


def _group(value: object) -> object:
    match value:
        case None | list():
            return None
        case bool() | str():
            return (type(value), value)
        case _:
            return ("number", value)


def _first_of_each(order: list[str], groups: dict[str, object], k: int) -> list[str]:
    seen: list[object] = []
    found = []
    for name in order:
        if groups[name] is not None and groups[name] not in seen:
            seen.append(groups[name])
            found.append(name)
    return found[:k]


@clause("QRY-6")
@pytest.mark.much
@pytest.mark.parametrize("metric", [Metric.L2, Metric.DOT])
def test_a_group_brings_its_nearest_record(new: New, supports: Supports, metric: Metric) -> None:
    if not supports("exact_query"):
        return
    rng = np.random.default_rng(3)
    number = 500
    vectors = rng.integers(-3, 4, size=(number, 3)).astype(np.float32)
    values = [GROUPS[place] for place in rng.integers(0, len(GROUPS), number)]
    metadatas = [{"n": place % 4} | ({} if value is None else {"g": value}) for place, value in enumerate(values)]
    ids = names(number)
    c = new(3, metric)
    c.add(ids, vectors, documents=[f"d{place}" for place in range(number)], metadatas=metadatas)
    groups = {name: _group(value) for name, value in zip(ids, values, strict=True)}
    conditions: list[Filter | None] = [None, F("n") == 2, (F("g") == "a") | (F("g") == 1), F("n") == 9]
    for query in rng.integers(-3, 4, size=(3, 3)).astype(np.float32):
        for where in conditions:
            kept = [place for place in range(number) if _matches(where, metadatas[place])]
            order = true_order(metric, query, Records(ids, vectors).take(kept))
            for k in (1, 3, 40):
                hits = c.query(query, k=k, where=where, group_by="g", exact=True)
                assert hits.ids == _first_of_each(order, groups, k)
                assert hits.documents == [f"d{int(name[1:])}" for name in hits.ids]
    assert c.query(vectors[0], group_by="g", include=[]).metadatas is None
    assert len({_group(m["g"]) for m in c.query(vectors[0], k=3, group_by="g").metadatas or []}) == 3
    assert [len(hits) for hits in c.query_many(vectors[:3], k=4, group_by="g")] == [4, 4, 4]
    assert c.query(vectors[0], group_by="absent", exact=True).ids == []
    near = c.query(vectors[0], group_by="g", k=9, exact=True)
    assert c.query(vectors[0], group_by="g", k=9, within=float(near.distances[2]), exact=True).ids[:3] == near.ids[:3]
    wrong: list[Any] = ["", 3, ["g"], "_vs", "$g"]
    for key in wrong:
        refusing(InvalidInput, c, lambda key=key: c.query(vectors[0], group_by=key))  # type: ignore[misc]


def _matches(where: Filter | None, metadata: dict[str, Any]) -> bool:
    from vstore.spi.evaluate import predicate

    return where is None or predicate(where)(metadata, None)


@clause("QRY-6")
def test_many_lists_do_not_hide_a_group(new: New, supports: Supports) -> None:
    if not supports("exact_query"):
        return
    c = new(2)
    number = 200
    near = np.zeros((number, 2)) + np.arange(number)[:, None]
    c.add(names(number), near, metadatas=[{"g": ["x"]}] * (number - 2) + [{"g": "x"}, {"g": 2}])
    assert c.query([0, 0], k=2, group_by="g", exact=True).ids == names(number)[-2:]


@clause("QRY-5", "QRY-6", "HYB-1")
def test_hybrid_hits_are_grouped_and_bounded(new: New, supports: Supports) -> None:
    if not (supports("exact_query") and supports("sparse_vectors")):
        return
    c = new(2, fields={"terms": Sparse()})
    number = 60
    metadatas = [{"g": place % 5} for place in range(number)]
    c.add(names(number), rows(number, 2), metadatas=metadatas, sparse=[{place % 7: 1.0} for place in range(number)])
    whole = c.query([0, 0], sparse={3: 1.0}, fuse=RRF(), k=number, exact=True)
    groups = {name: place % 5 for place, name in enumerate(names(number))}
    hits = c.query([0, 0], sparse={3: 1.0}, fuse=RRF(), k=4, group_by="g", exact=True)
    assert hits.ids == _first_of_each(whole.ids, dict(groups), 4)
    assert all(hit.legs for hit in hits)
    bound = float(whole.scores[6])
    above = c.query([0, 0], sparse={3: 1.0}, fuse=RRF(), k=number, score_threshold=bound, exact=True)
    assert above.ids == [name for name, score in zip(whole.ids, whole.scores, strict=True) if score >= bound]


def _stands_for(metric: Metric, near: Any, far: Any) -> Any:
    def mean(vectors: Any) -> Any:
        wide = vectors.astype(np.float64)
        return (wide / np.linalg.norm(wide, axis=1)[:, None] if metric is Metric.COSINE else wide).mean(axis=0)

    return (mean(near) if len(far) == 0 else 2 * mean(near) - mean(far)).astype(np.float32)


@clause("QRY-7")
@pytest.mark.parametrize("metric", list(Metric))
def test_records_stand_for_a_vector(new: New, metric: Metric) -> None:
    number = 200
    c = new(6, metric)
    records = Records(
        names(number), rows(number, 6, seed=3) * 5, [None] * number, [{"g": n % 4} for n in range(number)]
    )
    assert records.vectors is not None
    c.add(records)
    for near, far in (([3], []), ([3, 9, 40], []), ([3, 9], [7]), ([1], [2, 5, 8])):
        like = Like([records.ids[n] for n in near], unlike=[records.ids[n] for n in far])
        vector = _stands_for(metric, records.vectors[near], records.vectors[far])
        others = [n for n in range(number) if n not in near + far]
        for where, kept in ((None, others), (F("g") == 1, [n for n in others if n % 4 == 1])):
            for k in (1, 12, number):
                hits = c.query(like, k=k, where=where, exact=True)
                assert_hits(hits, metric, vector, records.take(kept), k)
            assert_hits(c.query(like, k=12, where=where), metric, vector, records.take(kept), 12, exact=False)
        grouped = c.query(like, k=4, group_by="g", exact=True)
        assert not set(grouped.ids) & {records.ids[n] for n in near + far}
        assert sorted(m["g"] for m in grouped.metadatas or []) == [0, 1, 2, 3]
    assert c.query(Like("r00003"), k=3, exact=True).ids == c.query(Like(["r00003"] * 2), k=3, exact=True).ids


@clause("QRY-7", "ERR-1")
def test_records_that_stand_for_no_vector_are_refused(new: New) -> None:
    c = new(2, "cosine")
    c.add(["a", "b", "c"], [[1, 0], [0, 1], [2, 0]])
    assert c.query(Like("a"), k=3).ids == ["c", "b"]
    assert set(refusing(NotFound, c, lambda: c.query(Like(["a", "x"], unlike=["y"]))).ids) == {"x", "y"}
    refusing(InvalidInput, c, lambda: c.query(Like("a", unlike=["b"]), text="x"))
    refusing(InvalidInput, c, lambda: c.query_many(Like("a")))  # type: ignore[arg-type]
    refusing(InvalidInput, c, lambda: c.query_many({"vector": Like("a")}))
    refusing(InvalidInput, c, lambda: c.query(Like("")))
    refusing(InvalidInput, c, lambda: c.query({"nowhere": Like("a")}))
    most = c.capabilities.limits.max_k
    refusing(LimitExceeded, c, lambda: c.query(Like("a"), k=most))
    c.upsert(["d"], [[-1, 0]])
    refusing(InvalidInput, c, lambda: c.query(Like(["a", "d"])))
    wrong: list[Any] = [[], 1, None, [1], b"a", ["a", None]]
    for ids in wrong:
        with pytest.raises(InvalidInput):
            Like(ids)
        if ids:
            with pytest.raises(InvalidInput):
                Like("a", unlike=ids)
    with pytest.raises(InvalidInput):
        Like(["a", "b"], unlike=["b"])


@clause("QRY-7", "FLD-2", "HYB-1")
def test_records_stand_for_a_vector_of_their_field(new: New, supports: Supports) -> None:
    if not (supports("named_vectors") and supports("sparse_vectors")):
        return
    number = 60
    c = new(3, "l2", fields={"image": Dense(4, "dot"), "terms": Sparse()})
    images, vectors = rows(number, 4, seed=8), rows(number, 3, seed=9)
    terms = [{n % 7: 1.0 + n} for n in range(number)]
    c.add(names(number), vectors, fields={"image": [*images[:-1], None], "terms": terms})
    like = Like(names(3), unlike=[names(4)[3]])
    others = Records(names(number)[4:-1], images[4:-1], [None] * (number - 5), [{} for _ in range(number - 5)])
    vector = _stands_for(Metric.DOT, images[:3], images[3:4])
    assert_hits(c.query({"image": like}, k=20, exact=True), Metric.DOT, vector, others, 20)
    refusing(NotFound, c, lambda: c.query({"image": Like(names(number)[-1])}))
    refusing(InvalidInput, c, lambda: c.query({"terms": like}))
    asked: Any = {"vector": vectors[0], "image": like, "terms": {3: 1.0}}
    found = c.query(asked, fuse=RRF(depth=10), k=30, exact=True)
    assert not set(found.ids) & set(names(4))
    ranks = sorted(hit.legs["image"].rank for hit in found if "image" in hit.legs)
    assert ranks == list(range(1, 11)), "those named leave no gap in a leg"
