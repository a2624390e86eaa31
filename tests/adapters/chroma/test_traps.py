"""What Chroma does otherwise than the contract: each test fails without its remedy in the adapter."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import F
from vstore.indexing import Metric
from vstore.metadata import micros
from vstore.spi.scores import distances

New = Callable[..., vstore.Collection]


def matching(c: vstore.Collection, where: Any) -> set[str]:
    return {i for page in c.scan(where=where, include=()) for i in page.records.ids}


def test_add_of_an_existing_id_raises_and_writes_nothing(new: New) -> None:
    c = new()
    c.add(["a"], [[1, 2]], ["old"])
    with pytest.raises(vstore.AlreadyExists) as raised:
        c.add(["b", "a"], [[1, 2], [3, 4]])
    assert raised.value.ids == ["a"]
    assert c.count() == 1


def test_upsert_leaves_nothing_of_the_old_record(new: New) -> None:
    c = new()
    c.add(["a"], [[1, 2]], ["old"], [{"k": 1, "l": [1], "f": 1 / 3, "chroma:x": "y"}])
    c.upsert(["a", "b"], [[3, 4], [5, 6]], None, [{"n": 2}, {"m": 3}])
    got = c.get(["a", "b"])
    assert got.documents == [None, None]
    assert got.metadatas == [{"n": 2}, {"m": 3}]
    for gone in ("k", "l", "f", "chroma:x"):
        assert matching(c, F(gone).exists()) == set()
    assert matching(c, F("f") < 1) == matching(c, F("l").has(1)) == set()


def test_update_of_a_missing_id_raises_and_writes_nothing(new: New) -> None:
    c = new()
    c.add(["a"], [[1, 2]], None, [{"k": 1}])
    with pytest.raises(vstore.NotFound) as raised:
        c.update(["a", "b"], metadatas=[{"k": 2}, {"k": 2}])
    assert raised.value.ids == ["b"]
    assert c.get(["a"]).metadatas == [{"k": 1}]


def test_a_document_alone_is_updated_without_any_model(new: New) -> None:
    for metric in ("l2", "cosine"):
        c = new(3, metric)
        c.add(["a"], [[0.1, 5, 7]], ["old"])
        for number in range(30):
            c.update(["a"], documents=[f"new {number}"])
        got = c.get(["a"])
        assert got.documents == ["new 29"]
        assert got.vectors is not None
        np.testing.assert_allclose(got.vectors[0], [0.1, 5, 7], rtol=1e-6)


def test_a_document_is_removed_and_is_not_found_any_more(new: New) -> None:
    c = new()
    c.add(["a", "b"], [[1, 2], [3, 4]], ["needle", ""])
    c.update(["a"], documents=[None])
    assert c.get(["a", "b"]).documents == [None, ""]
    assert matching(c, F.document.contains("needle")) == set()
    assert matching(c, ~F.document.contains("needle")) == {"a", "b"}


def test_no_double_is_changed(new: New) -> None:
    rng = random.Random(7)
    drawn = [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(1500)] + [rng.random() for _ in range(1500)]
    values = [x for x in drawn if x - x == 0]
    ids = [f"{n:04}" for n in range(len(values))]
    c = new()
    c.add(ids, np.ones((len(ids), 2), np.float32), None, [{"f": x, "l": [x, 1.0]} for x in values])
    assert c.get(ids).metadatas == [{"f": x, "l": [x, 1.0]} for x in values]
    for place in range(0, len(values), 100):
        x = values[place]
        assert matching(c, F("f") == x) == {i for i, y in zip(ids, values, strict=True) if y == x}
        assert matching(c, F("f") < x) == {i for i, y in zip(ids, values, strict=True) if y < x}
        assert matching(c, F("l").has(x)) == {i for i, y in zip(ids, values, strict=True) if y == x}


def test_numbers_compare_exactly(new: New) -> None:
    values: dict[str, Any] = {
        "i1": 1, "f1": 1.0, "f15": 1.5, "b": True, "s": "1", "i53": 2**53, "i53+1": 2**53 + 1, "f53": 2.0**53,
        "max": 2**63 - 1, "f63": 2.0**63, "min": -(2**63), "f-63": -(2.0**63), "list": [1], "z": -0.0,
        "i-1": -1, "f-15": -1.5, "i17": 10**17, "i17+1": 10**17 + 1, "i17-1": 10**17 - 1, "f17": 1e17, "f19": 1e19,
        "f-19": -1e19, "third": 1 / 3, "below": 0.9999999999999999, "i15": 10**15 + 1, "f15d": 1e15, "max-1": 2**63 - 2,
        "f20": 9.99e21, "tiny": 5e-324, "m": datetime(2024, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    c = new()
    c.add(list(values), np.ones((len(values), 2), np.float32), None, [{"k": x} for x in values.values()])
    c.add(["none"], [[1, 1]])
    moment = {"m": micros(values["m"])}
    numbers = moment | {i: x for i, x in values.items() if type(x) in (int, float)}
    for x in {*numbers.values(), 0.5, -0.5, 1e22, -1e300, -1 / 3, 2**53 - 1}:
        assert matching(c, F("k") == x) == {i for i, y in numbers.items() if y == x}, x
        assert matching(c, F("k") != x) == {*values, "none"} - {i for i, y in numbers.items() if y == x}, x
        assert matching(c, F("k") < x) == {i for i, y in numbers.items() if y < x}, x
        assert matching(c, F("k") >= x) == {i for i, y in numbers.items() if y >= x}, x
        assert matching(c, ~(F("k") <= x)) == {*values, "none"} - {i for i, y in numbers.items() if y <= x}, x


def test_lists_of_a_dropped_collection_do_not_appear_in_another(store: vstore.Store, new: New) -> None:
    old = new()
    ids = [f"id{n}" for n in range(50)]
    old.add(ids, np.ones((50, 2), np.float32), None, [{"ghost": ["boo"]}] * 50)
    store.delete_collection(old.name)
    c = new()
    c.add(ids, np.ones((50, 2), np.float32), None, [{"k": 1}] * 50)
    assert c.get(ids).metadatas == [{"k": 1}] * 50
    assert c.native.get(include=["metadatas"])["metadatas"] == [{"k": 1}] * 50
    assert matching(c, F("ghost").has("boo")) == set()


def test_lists_of_a_collection_dropped_by_others_do_not_appear_either(store: vstore.Store, new: New) -> None:
    old = new()
    ids = [f"id{n}" for n in range(50)]
    old.add(ids, np.ones((50, 2), np.float32), None, [{"ghost": ["boo"]}] * 50)
    store.native.delete_collection(old.name)
    c = new()
    c.add(ids, np.ones((50, 2), np.float32), None, [{"k": 1}] * 50)
    assert c.get(ids).metadatas == [{"k": 1}] * 50
    assert matching(c, F("ghost").has("boo")) == set()
    assert matching(c, ~F("ghost").has("boo")) == set(ids)


def test_a_record_at_the_limits_leaves_the_collection_healthy(new: New) -> None:
    c = new()
    c.add(["keys"], [[1, 2]], None, [{f"k{n:03}": n for n in range(1000)}])
    c.upsert(["keys"], [[1, 2]], None, [{f"n{n:03}": "x" for n in range(1000)}])
    c.add(["list"], [[1, 2]], None, [{"l": list(range(1000))}])
    c.add(["other"], [[1, 2]], ["text"], [{"l": [7]}])
    assert len(c.get(["keys"]).metadatas[0]) == 1000  # type: ignore[index]
    assert matching(c, F("l").has(7)) == {"list", "other"}
    assert set(c.query([1, 2], k=5).ids) == {"keys", "list", "other"}


def test_a_record_of_any_legal_size_is_kept_and_leaves_the_collection_healthy(new: New) -> None:
    c = new()
    c.add(["other"], [[3, 4]], ["text"], [{"k": 1}])
    elements: dict[str, Any] = {
        "ints": [n % 10 for n in range(1000)], "texts": ["s"] * 1000, "bools": [n % 2 == 0 for n in range(400)],
        "floats": [n / 8 for n in range(100)], "doubles": [n / 3 for n in range(100)],
        "moments": [datetime(2024, 1, 1, tzinfo=UTC)] * 200,
    }  # fmt: skip
    large = elements | {f"more{n}": [n] * 800 for n in range(9)}
    for write in (c.add, c.upsert, lambda *row: c.update(*row, replace_metadata=True)):
        write(["a", "b"], [[1, 2], [5, 6]], ["x", None], [large, {"k": 2}])
        assert c.get(["a", "b"]).metadatas == [large, {"k": 2}]
        assert c.get(["a"])[0].document == "x"
    c.upsert(["a"], [[1, 2]], None, [{f"other{n}": [n] * 1000 for n in range(12)}])
    assert matching(c, F("ints").exists() | F("more3").has(3)) == set()
    assert matching(c, F("other11").has(11)) == {"a"}
    got = c.get(["a"])[0]
    assert (got.document, len(got.metadata or {})) == (None, 12)
    assert set(c.query([1, 2], k=5).ids) == {"a", "b", "other"}
    assert len(c.query([1, 2], k=5)) == c.count() == 3


def test_what_merging_updates_add_up_to_leaves_the_collection_healthy(new: New) -> None:
    c = new()
    c.add(["a"], [[1, 2]])
    for call in range(20):
        c.update(["a"], metadatas=[{f"k{call}_{n}": n for n in range(1000)}])
    for call in range(8):
        c.update(["a"], metadatas=[{f"l{call}": [call] * 1000}])
    assert len(c.get(["a"]).metadatas[0]) == 20_008  # type: ignore[index]
    assert matching(c, F("l7").has(7) & F("k19_999").exists()) == {"a"}
    c.update(["a"], metadatas=[{"new": 1}], replace_metadata=True)
    assert c.get(["a"]).metadatas == [{"new": 1}]
    c.delete(["a"])
    assert c.count() == 0


def test_filters_at_the_limits_are_answered(new: New) -> None:
    c = new()
    c.add(["a", "b"], [[1, 2], [3, 4]], None, [{"k": 9_999, "l": ["t9999"]}, {"k": 1.5}])
    assert matching(c, F("k").in_([*range(10_000)])) == {"a"}
    assert matching(c, F("k").in_([n / 4 for n in range(10_000)])) == {"b"}
    many = F("k") == 0
    for number in range(1, 500):
        many = many | (F("k") > 9_998 + number * 0.001)
    assert matching(c, many) == {"a"}
    assert matching(c, ~many) == {"b"}
    with pytest.raises(vstore.LimitExceeded):
        matching(c, F("k").in_([*range(10_000)]) & F("j").in_([*range(10_000)]))
    assert c.count() == 2, "the engine is alive"


def test_elements_by_the_thousand_are_looked_for_here(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    c = new()
    ids = [f"{n:03}" for n in range(300)]
    rows: list[dict[str, Any]] = [
        {"l": [f"t{n}", "x"], "k": n} if n % 3 else {"l": [n + 0.5 if n % 2 else n]} for n in range(300)
    ]
    c.add(ids, [[n, 1] for n in range(300)], None, rows)
    asked: list[int] = []
    get = c.native._client._get

    def counted(*args: Any, **columns: Any) -> Any:
        asked.append(len(str(columns.get("where"))))
        return get(*args, **columns)

    monkeypatch.setattr(c.native._client, "_get", counted)
    many = F("l").contains_any([f"t{n * 2}" for n in range(9_990)] + [6, 9.5])
    truth = {f"{n:03}" for n in range(300) if (n % 3 and n % 2 == 0) or n in (6, 9)}
    assert matching(c, many) == truth
    assert matching(c, ~many) == set(ids) - truth
    few = many & (F("k") < 30)
    assert matching(c, few) == {i for i in truth if int(i) < 30 and int(i) not in (6, 9)}
    assert matching(c, many | (F("k") == 1)) == truth | {"001"}
    assert c.count(many) == len(truth)
    for exact in (True, False):
        hits = c.query([100, 1], k=5, where=few, exact=exact)
        assert hits.ids == sorted((i for i in truth if int(i) < 30 and int(i) % 3), reverse=True)[:5]
    parts = [F("l").contains_any([f"t{n * 2}" for n in range(start, start + 200)]) for start in range(0, 4000, 200)]
    assert matching(c, reduce(or_, parts)) == truth - {"006", "009"}, "many leaves are as large as one"
    c.delete(where=few)
    assert matching(c, few) == set()
    assert c.count() == 300 - 10
    assert max(asked) < 1000, "Chroma is never asked for thousands of elements"


def test_a_filtered_scan_asks_for_ids_in_a_form_that_sqlite_does_not_enter(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = new()
    c.add(["a", "b", "c"], np.ones((3, 2)), None, [{"k": 1, "t": "xy"}, {"k": 1}, {"k": 2, "t": "xy"}])
    asked: list[Any] = []
    get = c.native._client._get

    def noted(*args: Any, **columns: Any) -> Any:
        if columns.get("ids"):
            asked.append(columns["where"])
        return get(*args, **columns)

    monkeypatch.setattr(c.native._client, "_get", noted)
    assert matching(c, F("k") == 1) == {"a", "b"}
    assert matching(c, (F("k") == 1) & F("t").contains_text("x")) == {"a"}
    assert {"$or": [{"k": {"$eq": 1}}, {"_vs": {"$eq": ""}}]} in asked
    assert all(where is None or "$or" in where for where in asked)


@pytest.mark.parametrize(("number", "requests"), [(300, 1), (20, 20)])
def test_queries_of_one_filter_at_once_count_its_matches_once_where_they_are_many(
    number: int, requests: int, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def main() -> None:
        async with vstore.aio.connect(server) as store:
            c = await store.create_collection(f"at_once_{number}", dimension=4, metric="l2")
            vectors = np.random.default_rng(0).normal(size=(number, 4)).astype(np.float32)
            await c.add([f"r{place}" for place in range(number)], vectors, None, [{"k": 1}] * number)
            get = c.native._client._get

            async def noted(*args: Any, **named: Any) -> Any:
                asked.append(named["limit"])
                return await get(*args, **named)

            monkeypatch.setattr(c.native._client, "_get", noted)
            where = F("k") == 1
            first = [] if requests == 1 else [await c.query(vectors[0], k=3, where=where)]
            asked.clear()
            found = first + await asyncio.gather(*(c.query(one, k=3, where=where) for one in vectors[:20]))
            assert [one.ids[0] for one in found[len(first) :]] == [f"r{place}" for place in range(20)]

    asyncio.run(main())
    assert asked.count(257) == requests


def test_approximate_queries_do_not_starve(new: New) -> None:
    rng = np.random.default_rng(0)
    c = new(16, index=vstore.HNSW(m=4, ef_construction=8, ef_search=4))
    vectors = rng.standard_normal((3000, 16)).astype(np.float32)
    far = vectors[:40] + 100
    c.add([f"{n:04}" for n in range(3040)], np.vstack([vectors, far]), None, [{"far": n >= 3000} for n in range(3040)])
    assert len(c.query(vectors[0], k=30, where=F("far") == True)) == 30  # noqa: E712
    assert len(c.query(vectors[0], k=50, where=F("far") == True)) == 40  # noqa: E712
    assert len(c.query(vectors[0], k=3040, include=())) == 3040


def test_distances_agree_with_float64(new: New) -> None:
    rng = np.random.default_rng(1)
    dots = [("dot", 8, scale) for scale in (1e-14, 1e-3, 1.0, 1e10)]
    for metric, dimension, scale in [*dots, ("cosine", 1536, 1e10), ("l2", 64, 1e-9)]:
        c = new(dimension, metric)
        x = (np.abs(rng.standard_normal((200, dimension))) * scale).astype(np.float32)
        q = (np.abs(rng.standard_normal(dimension)) * scale).astype(np.float32)
        ids = [f"{n:03}" for n in range(200)]
        c.add(ids, x)
        for exact in (False, True):
            hits = c.query(q, k=20, exact=exact)
            truth = distances(Metric(metric), q, x[[int(i) for i in hits.ids]])
            np.testing.assert_allclose(hits.distances, truth, rtol=1e-5, atol=0 if metric == "dot" else 1e-6)
            assert hits.records.vectors is None
        assert set(hits.ids) == {ids[p] for p in np.argsort(distances(Metric(metric), q, x))[:20]}


SHORT = [1e-16, 3e-20, 1e-22, 1e-40]


@pytest.mark.parametrize("scale", SHORT)
@pytest.mark.parametrize("metric", ["l2", "dot"])
def test_the_nearest_of_very_short_vectors_are_the_true_ones(metric: str, scale: float, new: New) -> None:
    rng = np.random.default_rng(3)
    c = new(4, metric)
    x = (rng.standard_normal((60, 4)) * scale).astype(np.float32)
    x[30:40] *= 1e5
    ids = [f"{n:02}" for n in range(60)]
    c.add(ids, x)
    for q in (x[0] * 2, x[35], np.zeros(4, np.float32), np.ones(4, np.float32)):
        truth = distances(Metric(metric), q, x)
        size = float(np.linalg.norm(q.astype(float)))
        longest = float(np.linalg.norm(x.astype(float), axis=1).max())
        within = 1e-6 * size * (longest if metric == "dot" else 1)
        for exact in (False, True):
            hits = c.query(q, k=7, exact=exact)
            assert np.all(np.diff(hits.distances) >= 0)
            found = truth[[int(i) for i in hits.ids]]
            np.testing.assert_allclose(hits.distances, found, rtol=1e-5, atol=within)
            np.testing.assert_allclose(hits.distances, np.sort(truth)[:7], rtol=1e-5, atol=within)
            if size < 1e-10:
                assert hits.ids == [ids[p] for p in sorted(range(60), key=lambda p: (truth[p], ids[p]))[:7]]


def test_one_hit_that_the_index_can_tell_leaves_no_others_to_chance(new: New) -> None:
    c = new(2, "dot")
    x = np.array([[5, 0]] + [[n * 1e-9, 1] for n in range(1, 40)], np.float32)
    c.add([f"{n:02}" for n in range(40)], x)
    assert c.query([1, 0], k=4).ids == ["00", "39", "38", "37"]


def test_vectors_of_every_length_stand_beside_each_other(new: New) -> None:
    for metric in ("l2", "dot", "cosine"):
        c = new(2, metric)
        low = -14 if metric == "cosine" else -44
        x = np.array([[10.0**n, 1.5 * 10.0**n] for n in range(low, 15)], np.float64).astype(np.float32)
        ids = [f"{n:02}" for n in range(len(x))]
        c.add(ids, x)
        for q in (x[0], x[len(x) // 2], x[-1]):
            truth = distances(Metric(metric), q, x)
            for exact in (False, True):
                hits = c.query(q, k=len(x), exact=exact)
                found = truth[[int(i) for i in hits.ids]]
                size = np.linalg.norm(q.astype(float))
                sizes = np.linalg.norm(x[[int(i) for i in hits.ids]].astype(float), axis=1)
                near = {"l2": 1e-6 * size, "dot": 1e-6 * size * sizes, "cosine": 1e-6}[metric]
                assert np.all(np.abs(hits.distances - found) <= np.maximum(1e-5 * np.abs(found), near))


def test_cosine_distances_of_near_duplicates_agree_with_float64(new: New) -> None:
    rng = np.random.default_rng(1)
    worst = 0.0
    for dimension in (384, 1536, 8192):
        c = new(dimension, "cosine", index=vstore.HNSW(100, 1000, 1000))
        q = np.abs(rng.standard_normal(dimension))
        noise = rng.standard_normal((100, dimension)) * np.logspace(-1, -3, 100)[:, None]
        x = (q + noise).astype(np.float32)
        c.add([f"{n:02}" for n in range(100)], x)
        hits = c.query(q, k=50)
        truth = distances(Metric.COSINE, q.astype(np.float32), x[[int(i) for i in hits.ids]])
        worst = max(worst, float(np.max(np.abs(hits.distances - truth) / np.maximum(1e-6, 1e-5 * truth))))
    assert worst <= 1


def test_a_scan_gives_every_record_once_while_others_write(new: New) -> None:
    c = new()
    ids = [f"{n:05}" for n in range(3000)]
    c.add(ids, np.ones((3000, 2), np.float32))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            c.upsert([f"new{number}", f"0{number % 3000:04}x"], [[1, 2], [3, 4]])
            c.delete([f"new{number}"])
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = [i for page in c.scan(batch_size=100, include=()) for i in page.records.ids]
    finally:
        stop.set()
        thread.join()
    assert sorted(i for i in seen if len(i) == 5 and i.isdigit()) == ids


def test_concurrent_upserts_leave_one_whole_record(new: New) -> None:
    c = new()

    def write(number: int) -> None:
        for _ in range(10):
            c.upsert(["a"], [[number, 1]], [f"doc {number}"], [{f"k{number}": number}])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    record = c.get(["a"])[0]
    assert record.vector is not None
    number = int(record.vector[0])
    assert (record.document, record.metadata) == (f"doc {number}", {f"k{number}": number})


def test_a_filter_without_matches_deletes_nothing(new: New) -> None:
    c = new()
    c.add(["a"], [[1, 2]])
    c.delete(where=F("k") == 1)
    assert c.count() == 1


def test_portable_names_are_legal_and_foreign_collections_are_left_alone(store: vstore.Store, new: New) -> None:
    for name in ("Abc", "a_B9", "x" * 48, "A__b", "True"):
        store.create_collection(name, dimension=2)
        store.delete_collection(name)
    store.native.create_collection("foreign.one", embedding_function=None)
    assert not store.has_collection("foreign.one")
    for call in (store.get_collection, store.delete_collection):
        with pytest.raises(vstore.Mismatch, match="did not create"):
            call("foreign.one")
    store.native.delete_collection("foreign.one")


@pytest.mark.parametrize(
    "name",
    ["docs/", "/docs", "x/../docs", "docs/count", "docs?", "docs#", "docs%2F", "%64ocs", "..", "a", "docs ", " docs",
     "docs\n", "日本語", "é" * 300, "x" * 256, "x" * 513, "x" * 100_000, "DOCS", "{}", "'; drop table x"],
)  # fmt: skip
def test_a_name_that_cannot_be_is_not_found(name: str, store: vstore.Store) -> None:
    store.create_collection("docs", dimension=2).add(["a"], [[1, 2]])
    try:
        assert not store.has_collection(name)
        for call in (
            lambda: store.get_collection(name),
            lambda: store.get_collection(name, mapping="auto"),
            lambda: store.propose_mapping(name),
            lambda: store.delete_collection(name),
        ):
            with pytest.raises(vstore.NotFound):
                call()
        store.delete_collection(name, missing_ok=True)
        assert store.get_collection("docs").count() == 1
    finally:
        store.delete_collection("docs")


def test_every_extreme_of_hnsw_is_taken(new: New) -> None:
    for index in (vstore.HNSW(2, 4, 1), vstore.HNSW(100, 1000, 1000)):
        c = new(index=index)
        c.add(["a", "b"], [[1, 2], [3, 4]])
        settings = c.native.configuration_json["hnsw"]
        assert (settings["max_neighbors"], settings["ef_construction"], settings["ef_search"]) == (
            index.m, index.ef_construction, index.ef_search,
        )  # fmt: skip
        assert c.query([1, 2], k=2).ids == ["a", "b"]


def test_nothing_opens_a_socket_to_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with vstore.connect("chroma::memory:") as store:
        c = store.create_collection("docs", dimension=2)
        c.add(["a"], [[1, 2]], ["text"])
        c.update(["a"], documents=["other"])
        assert c.query([1, 2]).ids == ["a"]
