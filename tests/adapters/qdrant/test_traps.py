"""Every trap of Qdrant that the adapter steps over, as a test that fails without its remedy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

import vstore
from vstore import F
from vstore.conformance.checks import typed
from vstore.errors import AlreadyExists, Mismatch, NotFound

New = Callable[..., vstore.Collection]


def ones(n: int, dimension: int = 2) -> np.ndarray:
    return np.arange(1, n * dimension + 1, dtype=np.float32).reshape(n, dimension)


def test_a_scalar_leaf_matches_no_element_of_a_list(new: New) -> None:
    c = new()
    c.add(["scalar", "list"], ones(2), metadatas=[{"k": "a", "n": 5}, {"k": ["a"], "n": [5]}])
    for where, expected in (
        (F("k") == "a", ["scalar"]),
        (F("n") > 4, ["scalar"]),
        (F("k").has("a"), ["list"]),
        (~(F("n") > 4), ["list"]),
    ):
        assert [i for page in c.scan(where=where) for i in page.records.ids] == expected


def test_numbers_bools_and_strings_are_told_apart_and_1_equals_1_0(new: New) -> None:
    values = [1, 1.0, True, "1", 1.5, datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]
    names = ["int", "float", "bool", "str", "half", "moment"]
    c = new()
    c.add(names, ones(6), metadatas=[{"v": v} for v in values])
    assert {i for page in c.scan(where=F("v") == 1) for i in page.records.ids} == {"int", "float", "moment"}
    assert c.count(F("v") == True) == 1  # noqa: E712
    assert c.count(F("v") == "1") == 1
    assert c.count(F("v") == 1.5) == 1
    assert c.count(F("v").in_([1.5, "1"])) == 2


def test_metadata_comes_back_with_its_types_and_every_digit(new: New) -> None:
    metadata = {
        "i": 1,
        "f": 1.0,
        "b": True,
        "s": "1",
        "wrong": [2.7715077941825975e-163, 0.1 + 0.2, 5e-324, 1.7976931348623157e308],
        "digits": 8765432109876540.0,  # 15 of them, and yet 17 in JSON
        "big": 2**63 - 1,
        "t": datetime(2024, 2, 29, 12, 0, 0, 123_456, tzinfo=UTC),
        "o": {"f": 2.2790121708605243e274, "empty": {}, "t": [datetime(1, 1, 2, tzinfo=UTC)]},
    }
    c = new()
    c.add(["a"], ones(1), metadatas=[metadata])
    found = c.get(["a"]).metadatas
    assert typed(found) == typed([metadata])


@pytest.mark.parametrize(
    "value", [2**53, 2**53 + 1, 2**63 - 1, -(2**63), -(2**53) - 1, 0.1 + 0.2, 5e-324, -1e-300, 9.3e18]
)
def test_orderings_are_exact_where_float64_and_the_parser_are_not(new: New, value: float) -> None:
    near = (
        [value - 1, value + 1] if isinstance(value, int) else [np.nextafter(value, -1e308), np.nextafter(value, 1e308)]
    )
    below, above = (int(x) if isinstance(value, int) else float(x) for x in near)
    values = [v for v in (below, value, above) if not isinstance(v, int) or -(2**63) <= v < 2**63]
    c = new()
    c.add([str(n) for n in range(len(values))], ones(len(values)), metadatas=[{"v": v} for v in values])
    assert c.count(F("v") < value) == sum(v < value for v in values)
    assert c.count(F("v") <= value) == sum(v <= value for v in values)
    assert c.count(F("v") > value) == sum(v > value for v in values)
    assert c.count(F("v") >= value) == sum(v >= value for v in values)


def test_keys_with_dots_brackets_and_quotes_mean_themselves(new: New) -> None:
    c = new()
    c.add(["flat", "deep"], ones(2), metadatas=[{"a.b": 1, "a[0]": 2, "it's": 3}, {"a": {"b": 1}}])
    assert c.count(F("a.b") > 0) == 1
    assert c.count(F("a", "b") > 0) == 1
    assert [i for p in c.scan(where=F("a", "b") == 1) for i in p.records.ids] == ["deep"]
    assert c.count((F("a[0]") >= 2) & (F("it's") <= 3)) == 1


def test_an_update_with_a_missing_id_writes_nothing(new: New) -> None:
    c = new()
    c.add(["a"], ones(1), metadatas=[{"n": 1}])
    with pytest.raises(NotFound) as raised:
        c.update(["a", "gone"], metadatas=[{"n": 2}, {"n": 2}])
    assert raised.value.ids == ["gone"]
    assert c.get(["a"]).metadatas == [{"n": 1}]


def test_an_add_of_an_id_that_exists_writes_nothing(new: New) -> None:
    c = new()
    c.add(["b"], ones(1))
    with pytest.raises(AlreadyExists) as raised:
        c.add(["a", "b"], ones(2))
    assert raised.value.ids == ["b"]
    assert c.count() == 1


def test_a_filter_that_matches_nothing_deletes_nothing(new: New) -> None:
    c = new()
    c.add(["a", "b"], ones(2), metadatas=[{"n": 1}, {}])
    c.delete(where=F("m").exists())
    c.delete(where=(F("n") == 2) | F("n").has(1))
    assert c.count() == 2
    c.delete(where=~F("n").exists())
    assert c.get(["a", "b"]).ids == ["a"]
    c.clear()
    assert c.count() == 0


@pytest.mark.parametrize("size", [2e-15, 1e-8, 1.0, 1e8, 9e14])
def test_cosine_keeps_length_and_direction_at_any_size(new: New, size: float) -> None:
    c = new(8, "cosine")
    directions = np.random.default_rng(1).normal(size=(20, 8))
    given = (directions / np.linalg.norm(directions, axis=1, keepdims=True) * size).astype(np.float32)
    ids = [f"r{n:02}" for n in range(len(given))]
    c.add(ids, given)
    back = c.get(ids).vectors
    assert back is not None
    np.testing.assert_allclose(back, given, rtol=1e-6)
    wide = given.astype(np.float64)
    true = 1 - wide @ wide[0] / np.linalg.norm(wide, axis=1) / np.linalg.norm(wide[0])
    hits = c.query(given[0], k=len(given))
    np.testing.assert_allclose(hits.distances, np.sort(true), rtol=1e-5, atol=1e-6)


def test_small_distances_do_not_underflow(new: New) -> None:
    c = new(2, "l2")
    c.add(["far", "near"], np.array([[3e-25, 0], [1e-25, 0]], dtype=np.float32))
    hits = c.query([0.0, 0.0], k=1)
    assert hits.ids == ["near"]
    np.testing.assert_allclose(hits.distances, [1e-25], rtol=1e-5)
    d = new(2, "dot")
    d.add(["a"], np.array([[1e-12, 0]], dtype=np.float32))
    np.testing.assert_allclose(d.query(np.array([1e-32, 0], np.float32), k=1).distances, [-1e-44], rtol=1e-5)


def test_ties_at_the_last_place_go_to_the_lower_ids(new: New) -> None:
    c = new()
    ids = [f"r{n:03}" for n in range(100)]
    c.add(list(reversed(ids)), np.ones((100, 2), dtype=np.float32))
    assert c.query([1.0, 2.0], k=3, exact=True).ids == ids[:3]


def test_what_vstore_did_not_create_is_left_alone() -> None:
    client = QdrantClient(":memory:")
    client.create_collection("theirs", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
    with vstore.connect(client=client) as store:
        assert store.list_collections() == []
        with pytest.raises(Mismatch):
            store.get_collection("theirs")
        with pytest.raises(Mismatch):
            store.delete_collection("theirs")
        with pytest.raises(AlreadyExists):
            store.create_collection("theirs", dimension=2)
    assert client.collection_exists("theirs")
    client.close()


def test_a_handle_of_a_deleted_collection_meets_no_new_one(new: New, store: vstore.Store) -> None:
    old = new(2, "l2")
    old.add(["a"], ones(1))
    store.delete_collection(old.name)
    there = store.create_collection(old.name, dimension=2, metric="dot")
    there.add(["b"], ones(1))
    for call in (
        old.count,
        lambda: old.query([1.0, 2.0]),
        lambda: old.get(["b"]),
        lambda: old.upsert(["c"], ones(1)),
        lambda: old.delete(["b"]),
        old.clear,
    ):
        with pytest.raises(NotFound):
            call()
    assert store.get_collection(old.name).get(["a", "b", "c"]).ids == ["b"]


def test_a_cursor_that_is_none_is_refused(new: New) -> None:
    docs = new()
    with pytest.raises(vstore.InvalidInput, match="no page ends"):
        list(docs.scan(after="qdrant:a'b"))


def test_many_threads_leave_whole_records(new: New) -> None:
    """Local mode without a lock loses points and raises IndexError."""
    c = new(4)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(15):
                c.upsert(
                    [f"own{number}-{turn}", "shared"],
                    np.full((2, 4), number, np.float32),
                    metadatas=[{"n": number}] * 2,
                )
                c.query([1.0] * 4, k=3)
        except BaseException as error:  # noqa: BLE001  # shown below
            failed.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert c.count() == 6 * 15 + 1
    shared = c.get(["shared"])
    assert shared.vectors is not None
    assert shared.metadatas is not None
    assert (shared.vectors == shared.metadatas[0]["n"]).all()


def test_a_store_that_was_closed_leaves_nothing_to_say_at_exit() -> None:
    code = "import vstore; s = vstore.connect('qdrant::memory:'); s.create_collection('abc', dimension=2); s.close()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
