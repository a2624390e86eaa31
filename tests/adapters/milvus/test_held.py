"""Milvus Lite's metadata in memory: what is answered from them is what the records are at that moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import F, NotFound, aio
from vstore_milvus import columns
from vstore_milvus import held as module
from vstore_milvus._sync import reading

NUMBER = 40
EVEN = F("even") == True  # noqa: E712


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"milvus:{tmp_path / 'data.db'}"


@pytest.fixture
def store(url: str) -> Iterator[vstore.Store]:
    with vstore.connect(url) as connected:
        yield connected


@pytest.fixture
def docs(store: vstore.Store) -> vstore.Collection:
    return fill(store.create_collection("docs", dimension=2))


def fill(docs: vstore.Collection) -> vstore.Collection:
    ids = [f"r{n:02}" for n in range(NUMBER)]
    vectors = np.array([[1, n] for n in range(NUMBER)], np.float32)
    docs.upsert(ids, vectors, metadatas=[{"n": n, "even": n % 2 == 0} for n in range(NUMBER)])
    return docs


@pytest.fixture
def sieved(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often metadata have been read to answer a filter."""
    calls = []
    real = reading.Reader._sieved

    def counted(self: Any, where: Any) -> Any:
        calls.append(where)
        return real(self, where)

    monkeypatch.setattr(reading.Reader, "_sieved", counted)
    return lambda: len(calls)


def test_metadata_are_read_once_for_many_filters(docs: vstore.Collection, sieved: Callable[[], int]) -> None:
    assert docs.count(F("n") >= 10) == 30
    assert docs.count(EVEN) == 20
    assert [page.ids for page in docs.scan(where=F("n") < 2)] == [["r00", "r01"]]
    assert docs.query([1, 0], k=2, where=F("n") > 4).ids == docs.query([1, 0], k=2, where=F("n") > 4).ids
    assert sieved() == 1


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda docs: docs.add(["new"], [[1, 1]], metadatas=[{"even": True}]), 21),
        (lambda docs: docs.upsert(["r00"], [[1, 1]], metadatas=[{"even": False}]), 19),
        (lambda docs: docs.update(["r01"], metadatas=[{"even": True}]), 21),
        (lambda docs: docs.delete(["r00", "r01", "r02"]), 18),
        (lambda docs: docs.delete(where=F("n") < 10), 15),
        (lambda docs: docs.clear(), 0),
    ],
    ids=["add", "upsert", "update", "delete", "delete where", "clear"],
)
def test_a_write_is_seen_through_every_handle_and_store(
    docs: vstore.Collection, url: str, write: Callable[[vstore.Collection], object], expected: int
) -> None:
    with vstore.connect(url) as other:
        theirs = other.get_collection("docs")
        assert theirs.count(EVEN) == docs.count(EVEN) == 20
        write(docs)
        assert theirs.count(EVEN) == docs.count(EVEN) == expected


def test_own_writes_are_followed(
    docs: vstore.Collection, store: vstore.Store, url: str, sieved: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application that writes and asks in turns reads the metadata once."""
    monkeypatch.setattr(columns, "_MOST_GONE", 20)
    draw = random.Random(7)
    with vstore.connect("memory:") as memory, vstore.connect(url) as other:
        reference = fill(memory.create_collection("docs", dimension=2))
        theirs = other.get_collection("docs")
        for turn in range(60):
            ids = [f"r{n:02}" for n in draw.sample(range(2 * NUMBER), 3)]
            there = reference.get(ids).ids
            where = F("n") == draw.randrange(NUMBER)
            metadatas: list[dict[str, Any]] = [{"n": draw.choice([1, 2.5, "x", [1, 2]]), "even": True} for _ in ids]
            for target in (reference, draw.choice([docs, theirs])):
                match turn % 5:
                    case 0:
                        target.delete(ids)
                    case 1:
                        target.delete(where=where)
                    case 2 if there:
                        target.update(there, metadatas=[{"n": None, "new": turn}] * len(there))
                    case 3 if not there:
                        target.add(ids, [[1, 1]] * 3, metadatas=metadatas)
                    case _:
                        target.upsert(ids, [[1, 1]] * 3, metadatas=metadatas)
            for where in (EVEN, F("n") < 9, ~F("n").exists(), F("new") >= 0, F("n").has(2), F("n") == 2.5):
                found = [sorted(page.ids for page in one.scan(where=where)) for one in (docs, theirs, reference)]
                assert found[0] == found[1] == found[2], (turn, where)
    assert sieved() == 1


def test_a_write_between_two_is_not_missed(docs: vstore.Collection, store: vstore.Store) -> None:
    """The application deletes by pymilvus while a store writes: the columns are read anew."""
    assert docs.count(EVEN) == 20
    creation = docs._adapter._creation  # type: ignore[attr-defined]
    sent = creation._session.upsert

    def with_another(*args: Any, **how: Any) -> Any:
        store.native.delete("docs", filter='id in ["r00"]', partition_name=creation._partition)
        return sent(*args, **how)

    creation._session.upsert = with_another
    docs.upsert(["new"], [[1, 1]], metadatas=[{"even": True}])
    creation._session.upsert = sent
    assert docs.count(EVEN) == 20
    assert docs.count(F("n") == 0) == 0


def test_stores_on_one_file_share_them(docs: vstore.Collection, url: str, sieved: Callable[[], int]) -> None:
    docs.count(EVEN)
    with vstore.connect(url) as other:
        assert other.get_collection("docs").count(EVEN) == 20
    assert sieved() == 1


def test_what_the_application_writes_through_pymilvus_is_seen(docs: vstore.Collection, store: vstore.Store) -> None:
    assert docs.count(EVEN) == 20
    creation = docs._adapter._creation  # type: ignore[attr-defined]
    (row,) = store.native.query("docs", filter='id == "r00"', output_fields=["*"])
    store.native.upsert("docs", [row | {"id": "theirs"}], partition_name=creation._partition)
    assert docs.count(EVEN) == 21
    store.native.flush("docs")
    assert docs.count(EVEN) == 21
    store.native.delete("docs", filter='id in ["theirs"]', partition_name=creation._partition)
    assert docs.count(EVEN) == 20


def test_a_flush_leaves_them(docs: vstore.Collection, store: vstore.Store, sieved: Callable[[], int]) -> None:
    docs.count(EVEN)
    store.native.flush("docs")
    assert docs.count(EVEN) == 20
    assert sieved() == 1


def test_a_failed_write_leaves_what_is_true(docs: vstore.Collection) -> None:
    assert docs.count(EVEN) == 20
    with pytest.raises(vstore.AlreadyExists):
        docs.add(["new", "r00"], [[1, 1]] * 2, metadatas=[{"even": True}] * 2)
    assert docs.count(EVEN) == 20


def test_another_collection_of_the_same_name_has_its_own(docs: vstore.Collection, store: vstore.Store) -> None:
    assert docs.count(EVEN) == 20
    store.delete_collection("docs")
    with pytest.raises(NotFound):
        docs.count(EVEN)
    again = store.create_collection("docs", dimension=2)
    assert again.count(EVEN) == 0
    with pytest.raises(NotFound):
        docs.count(EVEN)


def test_they_follow_a_rename(docs: vstore.Collection, url: str, store: vstore.Store) -> None:
    with vstore.connect(url) as other:
        theirs = other.get_collection("docs")
        assert theirs.count(EVEN) == docs.count(EVEN) == 20
        docs.rename("moved")
        assert docs.count(EVEN) == 20
        fill(store.create_collection("docs", dimension=2)).delete(["r00"])
        with pytest.raises(NotFound):
            theirs.count(EVEN)


def test_a_file_that_was_opened_anew_is_read_anew(url: str) -> None:
    with vstore.connect(url) as store:
        docs = fill(store.create_collection("docs", dimension=2))
        assert docs.count(EVEN) == 20
        docs.delete(["r00"])
    with vstore.connect(url) as store:
        assert store.get_collection("docs").count(EVEN) == 19


def test_above_the_bound_each_filter_reads_them(
    docs: vstore.Collection, sieved: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 1_000)
    monkeypatch.setattr(reading, "MAX_HELD_BYTES", 1_000)
    assert [docs.count(EVEN) for _ in range(3)] == [20] * 3
    assert sieved() == 3


def test_partitions_and_named_fields_are_answered_from_them(store: vstore.Store, sieved: Callable[[], int]) -> None:
    docs = store.create_collection(
        "parts", dimension=2, partition_by="tenant", fields={"title": vstore.Dense(2), "words": vstore.Sparse()}
    )
    docs.add(
        [f"r{n}" for n in range(20)],
        [[1, n] for n in range(20)],
        metadatas=[{"tenant": f"t{n % 2}", "n": n} for n in range(20)],
    )
    docs.update(["r4", "r5", "r8"], fields={"title": [[1, 0], [1, 1], [1, 2]]})
    assert docs.count(F("n") < 10) == 10
    part = docs.partition("t0")
    assert part.count(F("n") < 10) == 5
    assert part.query([1, 0], k=2, where=F("n") > 3).ids[0] in {f"r{n}" for n in range(4, 20, 2)}
    assert set(docs.query({"title": [1, 0]}, k=10, where=F("n") < 8).ids) == {"r4", "r5"}
    assert sieved() == 1


def test_nearest_among_many_are_the_nearest(store: vstore.Store) -> None:
    """Where many match, more hits are asked for and those that match are kept."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(600, 8)).astype(np.float32)
    metadatas = [{"n": n, "share": n % 10} for n in range(600)]
    ids = [f"r{n}" for n in range(600)]
    with vstore.connect("memory:") as memory:
        pairs = []
        for metric in ("l2", "cosine", "dot"):
            for place in (memory, store):
                made = place.create_collection(f"near_{metric}", dimension=8, metric=metric)
                made.add(ids, vectors, metadatas=metadatas)
                pairs.append(made)
        draw = random.Random(4)
        for reference, ours in zip(pairs[::2], pairs[1::2], strict=True):
            for share in range(10):
                where, k = F("share") <= share, draw.choice([1, 5, 10, 60])
                query = rng.normal(size=(8,)).astype(np.float32)
                for exact in (False, True):
                    found = ours.query(query, k=k, where=where, exact=exact)
                    assert found.ids == reference.query(query, k=k, where=where).ids


def test_async_stores_have_them_too(url: str, sieved: Callable[[], int]) -> None:
    async def body() -> list[int]:
        async with aio.connect(url) as store:
            docs = await store.create_collection("docs", dimension=2)
            await docs.add([f"r{n}" for n in range(10)], [[1, n] for n in range(10)], metadatas=[{"n": 1}] * 10)
            counts = list(await asyncio.gather(*(docs.count(F("n") == 1) for _ in range(4))))
            await docs.delete(["r0"])
            return [*counts, await docs.count(F("n") == 1), await docs.count(~F("n").exists())]

    assert asyncio.run(body()) == [10, 10, 10, 10, 9, 0]
    assert sieved() <= 5
