"""What Milvus does otherwise than the contract says, one test each; each fails without its remedy."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen.milvus_pb2 import SearchRequest

import vstore
from vstore import HNSW, F, Flat, IVFFlat
from vstore.errors import AlreadyExists, LimitExceeded, Mismatch, NotFound
from vstore.indexing import IVFPQ, Metric
from vstore.info import CollectionInfo
from vstore.spi.scores import distances
from vstore_milvus._sync import session
from vstore_milvus.layout import Layout
from vstore_milvus.schema import new_properties

New = Callable[..., vstore.Collection]

HOSTILE = [
    "x'] or id not in ['zz", 'x"] or id not in ["zz', '" or id != "', "\\", '\\"', '"', "'", "a\\", "\\\\", "%", "_",
    "\n", "\r", "\t", "\\n", "\x01", "\x08", "\x1b[0m", "\x7f", "\x85", "\xa0", "\u2028", "\ufeff", "\U0001f600", "é",
    "e\u0301", "{x}", "$meta", "/*", "--", "\\u0041", "\\x41", "true", "1", "1 == 1", "id", "not", "` or 1",
]  # fmt: skip


def vectors(n: int, dimension: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32)


def test_ids_are_data(new: New) -> None:
    """MilvusClient's ids= puts them into the expression unescaped: one of these deletes everything."""
    c = new()
    c.add(["kept", *HOSTILE], vectors(len(HOSTILE) + 1))
    assert c.get(HOSTILE).ids == HOSTILE
    for record_id in HOSTILE:
        assert c.get([record_id]).ids == [record_id]
        c.delete([record_id])
        assert "kept" in c.get(["kept"]).ids
    assert c.count() == 1


def test_values_and_keys_are_data(new: New) -> None:
    c = new()
    n = len(HOSTILE)
    keys = ["k", "a.b", "a/b", "a~1", "0", "é", "it's", "a[0]", "%", "not", "-", "a b", "\U0001f600", "true"]
    c.add([f"r{p}" for p in range(n)], vectors(n), None, [{"k": v, "l": [v]} for v in HOSTILE])
    c.add([f"k{p}" for p in range(len(keys))], vectors(len(keys)), None, [{key: "here"} for key in keys])
    for place, value in enumerate(HOSTILE):
        for where in (F("k") == value, F("k").in_([value, "other"]), F("l").has(value)):
            assert [i for page in c.scan(where=where) for i in page.records.ids] == [f"r{place}"], (value, where)
        assert c.count((F("k") < value) | (F("k") == value) | (F("k") > value)) == n + 1
    assert [c.count(where) for where in (F("k") < "", F("k") <= "", F("k") > "", F("k") >= "")] == [0, 0, n + 1, n + 1]
    for place, key in enumerate(keys):
        assert [i for page in c.scan(where=F(key) == "here") for i in page.records.ids] == [f"k{place}"]


def test_an_existing_id_is_not_stored_twice(new: New) -> None:
    """The server's insert stores a second row of the same id."""
    c = new()
    c.add(["a"], vectors(1))
    with pytest.raises(AlreadyExists):
        c.add(["a", "b"], vectors(2))
    for _ in range(3):
        c.upsert(["a"], vectors(1))
    assert c.count() == 1
    assert [len(page.records) for page in c.scan()] == [1]


def test_one_existing_id_among_many_new_ones_is_found(new: New) -> None:
    """Of many ids the server is asked first whether there is any between the first and the last."""
    c = new()
    ids = [f"r{n:04}" for n in range(1000)]
    for existing in ("r0000", "r0999", "r0500"):
        c.clear()
        c.add([existing, "a", "z"], vectors(3))
        with pytest.raises(AlreadyExists) as caught:
            c.add(random.Random(5).sample(ids, 1000), vectors(1000))
        assert list(caught.value.ids) == [existing]
        assert c.count() == 3
    c.delete(["r0500"])
    c.add(ids, vectors(1000))
    assert c.count() == 1002
    with pytest.raises(AlreadyExists) as caught:
        c.add(ids, vectors(1000))
    assert len(caught.value.ids) == 1000


def test_a_delete_is_seen_by_the_next_read(new: New) -> None:
    """The server reports no time for a delete, so that the level Session does not wait for it."""
    c = new()
    for turn in range(5):
        c.upsert(["a", "b"], vectors(2))
        assert c.count() == 2
        c.delete(["a"])
        assert c.count() == 1, turn
        c.delete(where=~F("k").exists())
        assert c.get(["b"]).ids == []
        assert len(c.query(vector=[0, 0], k=2)) == 0


def test_a_write_is_seen_after_a_rename(new: New) -> None:
    """pymilvus knows the time of the last write by the collection's name."""
    for turn in range(3):
        c = new()
        c.count()
        c.add(["a"], vectors(1))
        c.rename(f"{c.name}_renamed")
        assert c.count() == 1, turn


def test_a_write_is_seen_by_every_kind_of_read(new: New) -> None:
    c = new()
    for turn in range(10):
        c.upsert([f"r{turn}"], [[turn, 1]], None, [{"n": turn}])
        assert c.count() == turn + 1
        assert c.get([f"r{turn}"]).ids == [f"r{turn}"]
        assert c.query(vector=[turn, 1], k=1).ids == [f"r{turn}"]
        assert c.count(F("n") == turn) == 1


def test_the_whole_record_is_replaced(new: New) -> None:
    c = new()
    c.add(["a"], [[1, 2]], ["text"], [{"old": 1, "l": ["x"]}])
    c.upsert(["a"], [[3, 4]], None, [{"new": 2}])
    found = c.get(["a"])
    assert (found.documents, found.metadatas) == ([None], [{"new": 2}])
    assert c.count(F("old").exists() | F("l").exists()) == 0


def test_an_update_sends_the_old_vector_back_bit_for_bit(new: New) -> None:
    """There is no partial update before Milvus 2.6."""
    for metric in ("cosine", "l2", "dot"):
        c = new(64, metric)
        written = vectors(20, 64) * np.float32(1e-3)
        ids = [f"r{n}" for n in range(20)]
        c.add(ids, written, ["x"] * 20, [{"n": n} for n in range(20)])
        c.update(ids, documents=[None, *["y"] * 19])
        c.update(ids, metadatas=[{"m": 1}] * 20)
        found = c.get(ids)
        assert np.array_equal(found.vectors, written)
        assert found.documents == [None, *["y"] * 19]
        assert found.metadatas == [{"n": n, "m": 1} for n in range(20)]
        with pytest.raises(NotFound):
            c.update(["r0", "nobody"], documents=["z", "z"])
        assert c.get(["r0"]).documents == [None]


def _without_numbers(layout: Layout) -> dict[str, str]:
    made = new_properties(layout)
    return {"vstore.info": made.pop("vstore.info2"), **made}


@pytest.mark.parametrize("older", [False, True])
def test_numbers_are_exact(new: New, older: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server compares JSON integers beyond 2**53 as floats, and true with 1."""
    if older:  # all scalars are strings there
        monkeypatch.setattr("vstore_milvus._sync.adapter.new_properties", _without_numbers)
    values = [2**53, 2**53 + 1, 2**63 - 1, 2**63 - 2, -(2**63), 1, 1.0, True, 0, -0.0, False, 0.1, 1e300, 5e-324, "1"]
    values += [2**53 - 1, -(2**53), 1.0 - 2**53]
    c = new()
    c.add([f"r{p}" for p in range(len(values))], vectors(len(values)), None, [{"v": v, "l": [v]} for v in values])

    def same(left: object, right: object) -> bool:
        return isinstance(left, bool) is isinstance(right, bool) and left == right

    for value in values:
        expected = {f"r{p}" for p, other in enumerate(values) if same(value, other)}
        for where in (F("v") == value, F("v").in_([value, "x"]), F("l").has(value)):
            assert {i for page in c.scan(where=where) for i in page.records.ids} == expected, where
        assert c.count(F("v") != value) == len(values) - len(expected)
        if not isinstance(value, bool | str):
            numbers = [v for v in values if not isinstance(v, bool | str)]
            assert c.count(F("v") < value) == sum(v < value for v in numbers)
            assert c.count(F("v") >= value) == sum(v >= value for v in numbers)
            assert c.count(~(F("v") <= value)) == len(values) - sum(v <= value for v in numbers)
            assert c.count(~(F("v") > value)) == len(values) - sum(v > value for v in numbers)
    assert c._adapter._creation.layout.numbers is not older  # type: ignore[attr-defined]


def test_ten_thousand_values_and_five_hundred_leaves(new: New) -> None:
    """A flat chain of 20,000 terms takes the server ten minutes."""
    c = new()
    n = 300
    c.add([f"r{p}" for p in range(n)], vectors(n), None, [{"v": p, "s": f"t{p}"} for p in range(n)])
    assert c.count(F("v").in_(list(range(100, 10_100)))) == 200
    assert c.count(F("s").not_in([f"t{p}" for p in range(100, 10_100)])) == 100
    chain = F("v") == 0
    for value in range(1, 500):
        chain = chain | (F("v") == value)
    assert c.count(chain) == 300
    assert c.count(~chain) == 0


def test_scans_are_complete_and_go_on_behind_any_page(new: New) -> None:
    """Paging by `id > last` is wrong on Milvus Lite, which answers in no order."""
    c = new()
    ids = [f"{number:x}" for number in random.Random(3).sample(range(10**6), 3000)]
    c.add(ids, vectors(3000))
    pages = list(c.scan(batch_size=271, include=()))
    assert sorted(i for page in pages for i in page.records.ids) == sorted(ids)
    behind = [i for page in c.scan(batch_size=300, after=pages[4].cursor, include=()) for i in page.records.ids]
    assert sorted(behind) == sorted(i for page in pages[5:] for i in page.records.ids)


def test_a_page_is_no_larger_than_asked_for(new: New, store: vstore.Store) -> None:
    """With reduce_stop_for_best, which pymilvus's iterator sends, several segments bring more than the limit."""
    c = new()
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=100)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    index = MilvusClient.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="L2")
    client: MilvusClient = store.native
    client.create_collection("foreign_pages", schema=schema, index_params=index)
    try:
        ids = [f"{number:x}" for number in random.Random(4).sample(range(10**6), 900)]
        for start in range(0, 900, 300):
            part = ids[start : start + 300]
            c.add(part, vectors(300))
            client.insert("foreign_pages", [{"id": i, "vector": [1.0, 2.0]} for i in part])
            client.flush(c.name)
            client.flush("foreign_pages")
        for target in (c, store.get_collection("foreign_pages", mapping="auto")):
            pages = list(target.scan(batch_size=70, include=()))
            assert max(len(page.records) for page in pages) <= 70
            assert sorted(i for page in pages for i in page.records.ids) == sorted(ids)
            behind = [i for page in target.scan(batch_size=99, after=pages[3].cursor) for i in page.records.ids]
            assert sorted(behind) == sorted(i for page in pages[4:] for i in page.records.ids)
    finally:
        client.drop_collection("foreign_pages")


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_distances_of_near_duplicates_are_float64(new: New, metric: str) -> None:
    """Milvus computes in float32, and of many vectors at once l2 as a difference of large terms."""
    c = new(256, metric, index=Flat())
    base = vectors(1, 256)[0] * np.float32(100)
    near = (base + vectors(40, 256, seed=1) * np.float32(1e-3)).astype(np.float32)
    ids = [f"r{n:02}" for n in range(40)]
    c.add(ids, near)
    for exact in (True, False):
        for hits in c.query_many(np.stack([base] * 25), k=40, exact=exact):
            expected = distances(Metric(metric), base, near[[int(i[1:]) for i in hits.ids]])
            assert np.array_equal(hits.distances, expected)
            assert list(hits.distances) == sorted(hits.distances)


def test_ties_at_the_last_place_go_to_the_smallest_ids(new: New) -> None:
    """Milvus breaks ties at random."""
    c = new(index=Flat())
    ids = [f"r{n:03}" for n in range(200)]
    c.add(random.Random(1).sample(ids, 200), [[1, 1]] * 200)
    c.add(["a"], [[0, 0]])
    for k in (1, 5, 50):
        assert c.query(vector=[0, 0], k=k, exact=True).ids == ["a", *ids][:k]


def test_exact_is_exact_with_any_index(new: New, store: vstore.Store) -> None:
    indexes = [HNSW(m=2, ef_construction=4, ef_search=1)]
    if store.capabilities.index_ivfpq:
        indexes.append(IVFPQ(lists=16, probes=1, segments=2))
    written = vectors(3000, 16)
    for index in indexes:
        c = new(16, index=index)
        c.add([f"r{n:04}" for n in range(3000)], written, None, [{"g": n % 50} for n in range(3000)])
        query = vectors(1, 16, seed=9)[0]
        order = np.argsort(distances(Metric.L2, query, written))
        assert c.query(vector=query, k=20, exact=True).ids == [f"r{n:04}" for n in order[:20]]
        matching = [n for n in order if n % 50 == 7]
        found = c.query(vector=query, k=20, where=F("g") == 7, exact=True)
        assert found.ids == [f"r{n:04}" for n in matching[:20]]
        # an approximate one brings as many as there are
        assert len(c.query(vector=query, k=60, where=F("g") == 7)) == 60
        assert len(c.query(vector=query, k=200, where=F("g") == 7)) == 60
        assert np.array_equal(c.get(["r0005"]).vectors, written[5:6])


def test_what_another_client_made_is_left_alone(new: New, store: vstore.Store) -> None:
    client: MilvusClient = store.native
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=100)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("foreign", schema=schema)
    try:
        assert "foreign" not in store.list_collections()
        with pytest.raises(Mismatch):
            store.get_collection("foreign")
        with pytest.raises(Mismatch):
            store.delete_collection("foreign")
        with pytest.raises(AlreadyExists):
            store.create_collection("foreign", dimension=2)
    finally:
        client.drop_collection("foreign")


def test_the_same_collection_is_not_created_twice_in_silence(new: New, store: vstore.Store) -> None:
    """The server takes a second creation with the same fields in silence."""
    c = new()
    with pytest.raises(AlreadyExists):
        store.create_collection(c.name, dimension=2, metric="l2", metadata={"other": 1})
    assert store.get_collection(c.name).info.metadata == {}


def test_every_handle_follows_a_rename(new: New, store: vstore.Store) -> None:
    """Milvus would answer from a new collection of the old name."""
    first = new()
    old, name = first.name, f"{first.name}_moved"
    first.add(["a"], vectors(1))
    store.get_collection(old).rename(name)
    other = store.create_collection(old, dimension=2)
    other.add(["b", "c"], vectors(2))
    first.upsert(["d"], vectors(1))
    first.delete(["a"])
    assert first.name == name
    assert [i for page in first.scan() for i in page.records.ids] == first.query(vector=[0, 0], k=5).ids == ["d"]
    assert other.count() == 2
    first.rename(f"{name}_again")
    store.native.rename_collection(f"{name}_again", f"{name}_elsewhere")
    assert store.get_collection(f"{name}_elsewhere").count() == first.count() == 1


@pytest.mark.parametrize("how", ["get", "exist_ok"])
def test_a_collection_whose_creation_was_cut_short_is_finished(new: New, store: vstore.Store, how: str) -> None:
    """It takes three requests: a process that dies behind the first leaves one that a server cannot load."""
    layout = Layout(CollectionInfo(name="cut_short", dimension=2, metric=Metric.L2, index=HNSW()))
    store.native.create_collection("cut_short", schema=layout.schema(), properties=new_properties(layout))
    if how == "get":
        c = store.get_collection("cut_short")
    else:
        c = store.create_collection("cut_short", dimension=2, metric="l2", index=HNSW(), exist_ok=True)
    c.add(["a"], vectors(1))
    assert c.query(vector=[0, 0], k=1).ids == ["a"]
    if store.capabilities.mode == "server":  # Milvus Lite loads it, and compares with every record
        assert store.native.list_indexes("cut_short") == ["vector"]
    store.delete_collection("cut_short")


def test_a_handle_of_a_deleted_collection_meets_no_new_one(new: New, store: vstore.Store) -> None:
    c = new()
    c.add(["a"], vectors(1))
    store.delete_collection(c.name)
    store.create_collection(c.name, dimension=2)
    for call in (c.count, lambda: c.upsert(["b"], vectors(1)), lambda: c.delete(["b"]), lambda: c.rename("other_name")):
        with pytest.raises(NotFound):
            call()


def test_a_released_collection_is_loaded_again(new: New, store: vstore.Store) -> None:
    c = new()
    c.add(["a"], vectors(1))
    store.native.release_collection(c.name)
    assert c.count() == 1
    store.native.release_collection(c.name)
    assert c.query(vector=[0, 0], k=1).ids == ["a"]


def test_errors_are_not_logged_as_well(new: New, store: vstore.Store, caplog: pytest.LogCaptureFixture) -> None:
    """pymilvus logs a traceback before it raises, of what this library handles too."""
    with caplog.at_level(logging.INFO), pytest.raises(NotFound):
        store.get_collection("no_such_collection")
    assert caplog.records == []


def test_concurrent_writers_of_one_id_leave_one_whole_record(new: New) -> None:
    """Milvus Lite says of itself that writes in several threads are not safe."""
    c = new(8)

    def write(writer: int) -> None:
        for _ in range(5):
            c.upsert(["a", f"own{writer}"], [[writer] * 8] * 2, [f"by {writer}"] * 2, [{"writer": writer}] * 2)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert c.count() == 9
    found = c.get(["a"])[0]
    assert found.metadata is not None
    assert found.vector is not None
    writer = found.metadata["writer"]
    assert (found.document, found.vector.tolist()) == (f"by {writer}", [writer] * 8)


def test_records_at_the_limits(new: New) -> None:
    c = new(1)
    metadatas = [
        {f"k{n}": list(range(1000)) for n in range(8)},
        {f"{n:03}": list(range(10)) for n in range(1000)},
        {f"{n:03}{'x' * 7}": 2**53 + 1 + n for n in range(1000)},
        {"k": "\U0001f600" * 8000},
    ]
    ids = ["é" * 256, "b" * 512, "c", "d"]
    documents = ["é" * 32_767 + "x", "", None, "x" * 65_535]
    c.add(ids, [[n] for n in range(1, 5)], documents, metadatas)
    found = c.get(ids)
    assert (found.documents, found.metadatas) == (documents, metadatas)
    assert c.count(F("k7").has(999)) == 1
    assert c.count(F("000xxxxxxx") == 2**53 + 1) == 1


@pytest.mark.parametrize("rows", [5000, 1])
def test_merging_beyond_what_a_field_takes_is_refused_before_anything_is_written(
    new: New, store: vstore.Store, rows: int
) -> None:
    """A server takes 65,536 bytes of JSON in a field. Each call stays within META-1, their sum does not."""
    c = new(1)
    c.add(["a", "full"], [[1], [2]], None, [{}, {"k0": "x" * 30_000}])
    c.update(["full"], metadatas=[{"k1": "é" * 15_000}])
    before = c.get(["a", "full"]).metadatas
    c._adapter._rows = rows  # more than one request, as a call of more than 5,000 records is
    wide = {f"{n:03}": n + 0.1 for n in range(1000)}  # as text that filters ask for it is three times as long
    if store.capabilities.mode == "server":
        for more in ({"k2": "x" * 30_000}, wide):
            with pytest.raises(LimitExceeded) as caught:
                c.update(["a", "full"], documents=["new", "new"], metadatas=[more, more])
            assert caught.value.ids == ["full"]
            assert "65536" in str(caught.value)
            assert (c.get(["a", "full"]).metadatas, c.get(["a"]).documents) == (before, [None])
        c.update(["full"], metadatas=[wide], replace_metadata=True)
        assert c.get(["full"]).metadatas == [wide]
    else:
        c.update(["a", "full"], metadatas=[{"k2": "x" * 30_000}, wide])
    c.delete(["full"])
    assert (c.count(), c.get(["a"]).ids) == (1, ["a"])


def test_metadata_at_its_limit_fits_whatever_it_is(new: New) -> None:
    """As text that filters ask for it grows: control characters and quotes by escapes, numbers by their digits."""
    c = new(1)
    moment = datetime(2024, 2, 29, tzinfo=UTC)
    metadatas: list[Any] = [
        {"k": '"' * 16_000},
        {"k": "\x01" * 5_400},
        {"k": "\u2028" * 10_600},
        {"k": "\\" * 16_000},
        {f"{n:03}": moment + timedelta(days=n) for n in range(650)},
        {"k": [moment + timedelta(days=n) for n in range(700)]},
        {f"{n:03}": list(range(10)) for n in range(1000)},
        {f"k{n:02}": list(range(-99, 100)) for n in range(40)},
        {f"{n:03}{'x' * 17}": n + 0.1 for n in range(1000)},
        {"\U0001f600" * 63 + str(n): n for n in range(100)},
    ]
    ids = [f"r{n}" for n in range(len(metadatas))]
    c.add(ids, [[1]] * len(ids), None, metadatas)
    assert c.get(ids).metadatas == metadatas
    c.update(ids, documents=["x"] * len(ids))
    assert c.count(F("k").exists()) == 5
    longest = ["\U0001f600" * 128, "é" * 256]
    c.add(longest, [[1], [2]], ["é" * 32_767 + "x", "\U0001f600" * 16_383])
    assert c.get(longest).documents == ["é" * 32_767 + "x", "\U0001f600" * 16_383]


def test_large_answers_come_in_parts(new: New) -> None:
    """An answer of more than 64 MB is an error of gRPC."""
    c = new(1, "l2")
    n = 1200
    ids = [f"r{p:04}" for p in range(n)]
    for start in range(0, n, 400):
        part = ids[start : start + 400]
        c.add(part, [[1]] * len(part), ["x" * 65_535] * len(part))
    assert sum(len(page.records) for page in c.scan(batch_size=5000)) == n
    assert c.get(ids).ids == ids
    assert len(c.query(vector=[1], k=n)) == n


@pytest.mark.parametrize("metric", ["l2", "dot"])
def test_very_short_vectors_are_compared_in_float64(new: New, store: vstore.Store, metric: str) -> None:
    """Their squares and products are zero in float32, so that Milvus finds all of them equally near."""
    indexes: list[vstore.Index] = [Flat(), HNSW(), IVFFlat(lists=4, probes=4)]
    if store.capabilities.index_ivfpq:
        indexes.append(IVFPQ(lists=4, probes=4, segments=2))
    for index in indexes:
        c = new(4, metric, index=index)
        for size in (1e-21, 1e-30, 1e-42):
            written = (vectors(60, 4) * size).astype(np.float32)
            ids = [f"r{n:02}" for n in range(60)]
            c.upsert(ids, written, metadatas=[{"odd": n % 2} for n in range(60)])
            query = (vectors(1, 4, seed=9)[0] * size).astype(np.float32)
            expected = distances(Metric(metric), query, written)
            order = [ids[n] for n in np.lexsort((np.arange(60), expected))]
            for k in (1, 5, 60):
                assert c.query(vector=query, k=k, exact=True).ids == order[:k]
                odd = [i for i in order if int(i[1:]) % 2]
                assert c.query(vector=query, k=k, exact=True, where=F("odd") == 1).ids == odd[:k]
            for hits in (c.query(vector=query, k=60), c.query(vector=query, k=5)):
                assert np.array_equal(hits.distances, expected[[int(i[1:]) for i in hits.ids]])
            assert np.array_equal(c.get(ids).vectors, written)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_a_query_reads_vectors_where_distances_leave_the_order_open(
    new: New, store: vstore.Store, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = new(dimension=64, metric=metric, index=Flat())
    base = vectors(30, 64)
    near = base[:1] + vectors(20, 64, 1) * np.float32(1e-4)
    level = np.tile(base[1:2], (5, 1))
    rows = np.concatenate([base, near, level])
    ids = [f"{n:03}" for n in np.random.default_rng(0).permutation(len(rows))]
    c.add(ids, rows, metadatas=[{"n": n} for n in range(len(rows))])
    asked: list[tuple[str, list[str]]] = []
    search, read = session.search, store.native.query

    def searching(sender: Any, request: SearchRequest, **sent: Any) -> Any:
        asked.append(("search", list(request.output_fields)))
        return search(sender, request, **sent)

    def reading(*args: Any, **kwargs: Any) -> Any:
        asked.append(("query", kwargs["output_fields"]))
        return read(*args, **kwargs)

    monkeypatch.setattr(session, "search", searching)
    monkeypatch.setattr(store.native, "query", reading)
    for query in (*vectors(3, 64, 2), base[0], base[1]):
        asked.clear()
        hits = c.query(query, k=10)
        known = dict(zip(ids, distances(Metric(metric), query, rows).tolist(), strict=True))
        true = np.array([known[i] for i in hits.ids])
        floor = 1e-6 if metric == "cosine" else 1e-6 * float(np.linalg.norm(query))
        assert (np.abs(hits.distances - true) <= np.maximum(1e-5 * np.abs(true), floor)).all()
        assert asked[0] == ("search", ["document", "metadata"])
        assert len(asked) <= 2
        if query is base[1]:  # it and its five equals
            assert hits.ids[:6] == sorted(hits.ids[:6]) == sorted([ids[1], *ids[-5:]])
            assert asked[1][0] == "query"
    asked.clear()
    c.query(vectors(1, 64, 9)[0], k=1)
    assert [name for name, _ in asked] == ["search"]
