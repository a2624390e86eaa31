"""Partitions by a metadata key: TEN-1 to TEN-3."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vstore import RRF, AlreadyExists, Collection, F, InvalidInput, Like, Mismatch, NotFound, Sparse, Store, Unsupported
from vstore.conformance.checks import Row, assert_hits, contents, names, raises, refusing, rows, scanned
from vstore.conformance.corpus import unique_name
from vstore.conformance.fixtures import New, Supports, clause
from vstore.filters import Filter
from vstore.indexing import Metric
from vstore.records import Records

KEY = "tenant"
HOSTILE = ["a", "b", "A", " a", "a'b", '"', "' or 1=1 --", "%", "_", "é", "e\u0301", "x" * 255, "true", "1", "a\\b"]


def _mine(before: dict[str, Row], tenant: str) -> set[str]:
    return {name for name, row in before.items() if row.metadata[1][KEY] == ("str", tenant)}


@clause("TEN-1", "CAP-2", "COL-4")
def test_partitions_are_made_or_refused(store: Store, new: New, supports: Supports) -> None:
    if not supports("partitions"):
        before = store.list_collections()
        with raises(Unsupported):
            store.create_collection(unique_name(), dimension=2, partition_by=KEY)
        assert store.list_collections() == before
        return
    c = new(2, partition_by=KEY)
    assert c.info.partition_by == KEY == store.get_collection(c.name).info.partition_by
    assert store.create_collection(c.name, dimension=2, metric="l2", partition_by=KEY, exist_ok=True).info == c.info
    for other in (None, "owner"):
        with raises(Mismatch):
            store.create_collection(c.name, dimension=2, metric="l2", partition_by=other, exist_ok=True)
    plain = new(2)
    assert plain.info.partition_by is None
    calls: list[Callable[[], Any]] = [
        lambda: plain.partition("a"),
        plain.partitions,
        lambda: plain.delete_partition("a"),
    ]
    for call in calls:
        refusing(InvalidInput, plain, call)
    before = store.list_collections()
    wrong: list[Any] = ["", "_vs", "$a", 'a"', "a\n", "x" * 256, 3, ["a"]]
    for key in wrong:
        with raises(InvalidInput):
            store.create_collection(unique_name(), dimension=2, partition_by=key)
    assert store.list_collections() == before


@clause("TEN-1")
def test_every_record_has_a_partition(new: New, supports: Supports) -> None:
    if not supports("partitions"):
        return
    c = new(2, partition_by=KEY)
    c.add(["a", "b"], rows(2, 2), metadatas=[{KEY: "t1", "n": 1}, {KEY: "t2"}])
    wrong: list[Any] = [None, {}, {KEY: None}, {KEY: ""}, {KEY: 1}, {KEY: ["t1"]}, {KEY: True}, {KEY: "x" * 256}]
    for metadata in wrong:
        for write in (c.add, c.upsert):
            error = refusing(
                InvalidInput,
                c,
                lambda write=write, m=metadata: write(["c", "d"], rows(2, 2), metadatas=[{KEY: "t1"}, m]),  # type: ignore[misc]
            )
            assert "metadatas[1]" in str(error)
    refusing(InvalidInput, c, lambda: c.add(["c"], rows(1, 2)))
    for value in ("t1", "t2", None):
        refusing(InvalidInput, c, lambda value=value: c.update(["a"], metadatas=[{KEY: value}]))  # type: ignore[misc]
    refusing(InvalidInput, c, lambda: c.update(["a"], metadatas=[{"n": 2}], replace_metadata=True))
    c.update(["a"], metadatas=[{"n": 2}])
    assert c.get(["a"]).metadatas == [{KEY: "t1", "n": 2}]
    for value in wrong[2:]:
        refusing(InvalidInput, c, lambda value=value: c.partition(value[KEY]))  # type: ignore[misc]


@clause("TEN-2")
def test_a_partition_has_the_calls_of_a_collection(new: New, supports: Supports) -> None:
    if not supports("partitions"):
        return
    c = new(2, partition_by=KEY)
    parts = {value: c.partition(value) for value in HOSTILE}
    for place, (value, part) in enumerate(parts.items()):
        ids = [f"{place}-{name}" for name in "abcde"]
        metadatas: list[Any] = [{"n": n} if n % 2 else {"n": n, KEY: value} for n in range(5)]
        part.add(ids[:3], rows(3, 2), documents=["x", None, "y"], metadatas=metadatas[:3])
        part.upsert(ids[3:], rows(2, 2), metadatas=metadatas[3:])
    for place, (value, part) in enumerate(parts.items()):
        ids = [f"{place}-{name}" for name in "abcde"]
        assert part.count() == 5
        assert part.count(F("n") > 2) == 2
        assert sorted(scanned(part, batch_size=2)) == ids
        assert sorted(scanned(part, F("n") < 2)) == ids[:2]
        found = part.get(ids)
        assert found.ids == ids
        assert found.metadatas == [{"n": n, KEY: value} for n in range(5)]
        assert part.get(ids, include=["documents"]).metadatas is None
        assert sorted(part.query([0, 0], k=50).ids) == ids
        assert sorted(part.query([0, 0], k=50, where=F("n") != 3).ids) == [*ids[:3], ids[4]]
        assert sorted(part.peek(9).ids) == ids
        part.update(ids[:2], metadatas=[{"n": 7}, {"m": 1}])
        part.update(ids[2:3], metadatas=[{"only": True}], replace_metadata=True)
        assert part.get(ids[:3]).metadatas == [
            {"n": 7, KEY: value},
            {"n": 1, "m": 1, KEY: value},
            {"only": True, KEY: value},
        ]
    assert c.partitions() == sorted(HOSTILE)
    parts["a"].delete(["0-a"])
    parts["a"].delete(where=F("n") == 4)
    assert sorted(scanned(parts["a"])) == ["0-b", "0-c", "0-d"]
    parts["b"].clear()
    assert c.partitions() == sorted(set(HOSTILE) - {"b"})
    c.delete_partition("%")
    c.delete_partition("nobody")
    assert c.partitions() == sorted(set(HOSTILE) - {"b", "%"})
    assert c.count() == 5 * (len(HOSTILE) - 2) - 2
    assert c.partition("nobody").count() == 0
    assert c.partition("nobody").query([0, 0]).ids == []
    refused: list[Callable[[], Any]] = [
        lambda: parts["a"].rename(unique_name()),
        parts["a"].defer_index,
        parts["a"].build_index,
        lambda: parts["a"].partition("b"),
        parts["a"].partitions,
        lambda: parts["a"].delete_partition("A"),
    ]
    for call in refused:
        refusing(Unsupported, c, call)


OPEN: list[Filter] = [
    F("n") >= 0,
    ~(F("n") == 99),
    F(KEY) == "b",
    F(KEY) != "a",
    ~(F(KEY) == "a"),
    F(KEY).in_(["a", "b", "c"]),
    F(KEY).exists(),
    ~F(KEY).exists(),
    (F(KEY) == "a") | (F(KEY) == "b") | (F("n") == 1),
    ~((F(KEY) == "a") & (F("n") == 1)),
    ~F("none").exists(),
    (F("n") >= 0) & (F("n") < 9),
    ~((F("n") > 5) | (F(KEY) == "none")),
]


@clause("TEN-2", "FLT-6", "SCAN-4", "QRY-7")
def test_a_partition_neither_reads_nor_writes_another(new: New, supports: Supports) -> None:
    if not supports("partitions"):
        return
    c = new(2, partition_by=KEY)
    for tenant in "abc":
        metadatas = [{KEY: tenant, "n": n} for n in range(4)]
        c.add([f"{tenant}{n}" for n in range(4)], rows(4, 2), documents=[tenant] * 4, metadatas=metadatas)
    before = contents(c)
    own, a = _mine(before, "a"), c.partition("a")
    others = sorted(set(before) - own)

    def rest() -> dict[str, Row]:
        return {name: row for name, row in contents(c).items() if name not in own}

    kept = rest()
    for where in OPEN:
        assert set(scanned(a, where)) <= own
        assert a.count(where) == len(scanned(a, where))
        for exact in (True, False):
            assert set(a.query([0, 0], k=50, where=where, exact=exact).ids) <= own
    assert {record.id for record in a.scan_records()} == own
    assert [record.id for record in a.scan_records(order_by="n", descending=True)] == ["a3", "a2", "a1", "a0"]
    assert set(a.query(Like("a1"), k=50).ids) == own - {"a1"}
    assert refusing(NotFound, c, lambda: a.query(Like(["a1", "b1"]))).ids == ["b1"]
    assert a.get([*others, "a1"]).ids == ["a1"]
    assert a.get(others, include=[]).ids == []
    for hits in a.query_many(rows(3, 2), k=50, include=["metadatas"]):
        assert set(hits.ids) == own
    assert set(a.peek(50).ids) == own
    for call in (
        lambda: a.add(["b1", "new"], rows(2, 2)),
        lambda: a.upsert(["a1", "b1"], rows(2, 2)),
        lambda: a.upsert(["b1", "new"], rows(2, 2)),
    ):
        error = refusing(AlreadyExists, c, call)
        assert error.ids == ["b1"]
    assert refusing(NotFound, c, lambda: a.update(["a1", "b1"], metadatas=[{"n": 5}] * 2)).ids == ["b1"]
    assert refusing(NotFound, c, lambda: a.update(["c0"], rows(1, 2))).ids == ["c0"]
    for metadata in ({KEY: "b"}, {KEY: 1}, {KEY: None}):
        if metadata[KEY] is not None:
            refusing(InvalidInput, c, lambda m=metadata: a.add(["new"], rows(1, 2), metadatas=[m]))  # type: ignore[misc]
            refusing(InvalidInput, c, lambda m=metadata: a.upsert(["a1"], rows(1, 2), metadatas=[m]))  # type: ignore[misc]
        refusing(InvalidInput, c, lambda m=metadata: a.update(["a1"], metadatas=[m]))  # type: ignore[misc]
    a.delete(others)
    assert contents(c) == before
    for where in OPEN[1:5]:
        a.delete(where=where)
        assert rest() == kept
    a.upsert(["a0", "a9"], rows(2, 2))
    own.add("a9")
    a.clear()
    assert rest() == kept
    assert a.count() == 0
    assert c.count() == len(kept)


@clause("TEN-2", "CON-1")
def test_one_new_id_goes_to_one_of_two_partitions(new: New, supports: Supports) -> None:
    if not supports("partitions"):
        return
    c = new(2, partition_by=KEY)
    parts: dict[str, Collection] = {tenant: c.partition(tenant) for tenant in "ab"}
    written: dict[str, list[str]] = {"a": [], "b": []}
    start = threading.Barrier(2)

    def write(tenant: str) -> None:
        for place in range(20):
            start.wait(30)
            try:
                parts[tenant].upsert([f"r{place}"], rows(1, 2))
                written[tenant].append(f"r{place}")
            except AlreadyExists:
                pass

    threads = [threading.Thread(target=write, args=(tenant,)) for tenant in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(written["a"] + written["b"]) == sorted(f"r{place}" for place in range(20))
    for tenant, part in parts.items():
        assert sorted(scanned(part)) == sorted(written[tenant])


@clause("TEN-3", "QRY-3")
@pytest.mark.much
@pytest.mark.parametrize("metric", list(Metric))
def test_a_query_of_a_partition_gives_the_true_nearest(new: New, supports: Supports, metric: Metric) -> None:
    if not supports("partitions"):
        return
    tenants, each, dimension = 40, 40, 16
    number = tenants * each
    vectors = rows(number, dimension, seed=12)
    ids = names(number)
    metadatas = [{KEY: f"t{place % tenants}", "n": place // tenants} for place in range(number)]
    c = new(dimension, metric, partition_by=KEY)
    c.add(ids, vectors, metadatas=metadatas)
    records = Records(ids, vectors, [None] * number, metadatas)
    for tenant in (0, 7, 39):
        part = c.partition(f"t{tenant}")
        own = records.take(list(range(tenant, number, tenants)))
        for query in rows(3, dimension, seed=tenant):
            for k in (1, 10, 60):
                assert_hits(part.query(query, k=k), metric, query, own, k)
            few = own.take(list(range(10)))
            assert_hits(part.query(query, k=20, where=F("n") < 10), metric, query, few, 20)


@clause("TEN-2", "HYB-1", "SPV-3")
def test_a_partition_has_hybrid_queries(new: New, supports: Supports) -> None:
    if not (supports("partitions") and supports("sparse_vectors")):
        return
    c = new(2, partition_by=KEY, fields={"terms": Sparse()})
    for tenant in "ab":
        c.partition(tenant).add([f"{tenant}{n}" for n in range(5)], np.eye(5, 2), sparse=[{n: 1.0} for n in range(5)])
    a = c.partition("a")
    assert a.query(sparse={1: 1.0, 2: 2.0}).ids == ["a2", "a1"]
    hits = a.query([0, 1], sparse={1: 1.0}, fuse=RRF(), k=9, include=["fields"])
    assert hits.ids[0] == "a1"
    assert {name[0] for name in hits.ids} == {"a"}
