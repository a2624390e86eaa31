"""Milvus knows a collection by its name: no handle meets another one that has it, or loses its own over a rename."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient

import vstore
from vstore import F, Flat, aio
from vstore.errors import AlreadyExists, BackendError, NotFound
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore_milvus._sync import session
from vstore_milvus.layout import Layout
from vstore_milvus.schema import new_properties

New = Callable[..., vstore.Collection]


@pytest.fixture
def other(store: vstore.Store, server_or_file: str) -> Iterator[vstore.Store]:
    with vstore.connect(server_or_file) as connected:
        yield connected


def calls(c: vstore.Collection) -> dict[str, Callable[[], Any]]:
    return {
        "count": c.count,
        "count where": lambda: c.count(F("n") == 1),
        "get": lambda: c.get(["a"]),
        "query": lambda: c.query(vector=[1, 2]),
        "query exactly": lambda: c.query(vector=[1, 2], exact=True),
        "scan": lambda: list(c.scan()),
        "add": lambda: c.add(["b"], [[1, 2]]),
        "upsert": lambda: c.upsert(["a"], [[1, 2]]),
        "update": lambda: c.update(["a"], documents=["x"]),
        "delete": lambda: c.delete(["a"]),
        "delete where": lambda: c.delete(where=F("n") == 1),
        "clear": c.clear,
    }


def earlier(store: vstore.Store, name: str, dimension: int = 2) -> vstore.Collection:
    """A collection as earlier versions created it, without a partition of its own."""
    layout = Layout(CollectionInfo(name=name, dimension=dimension, metric=Metric.L2, index=Flat()))
    properties = {
        key: value for key, value in new_properties(layout).items() if key not in ("vstore.partition", "vstore.layout")
    }
    client = store.native
    client.create_collection(name, schema=layout.schema(), properties=properties, consistency_level="Session")
    client.create_index(name, layout.indexes(), sync=False)
    client.load_collection(name)
    return store.get_collection(name)


def test_collections_of_earlier_versions_are_read_and_told_apart(store: vstore.Store, other: vstore.Store) -> None:
    c = earlier(store, "earlier")
    c.add(["a", "b"], [[1, 2], [3, 4]], metadatas=[{"n": 1}, {}])
    c.update(["a"], documents=["x"])
    c.delete(["b"])
    assert (c.count(), c.get(["a"]).documents, c.query(vector=[1, 2]).ids) == (1, ["x"], ["a"])
    c.rename("earlier_renamed")
    assert c.count(F("n") == 1) == 1
    c.rename("earlier")
    other.delete_collection("earlier")
    for again in (earlier(other, "earlier"), None):
        again = again or other.create_collection("earlier", dimension=3, index=Flat())
        again.add(["a"], [[1] * again.info.dimension], metadatas=[{"n": 1}])
        for label, call in calls(c).items():
            with pytest.raises(NotFound):
                call()
            assert again.count() == 1, label
        with pytest.raises(NotFound):
            c.rename("stolen")
        assert again.get(["a"]).documents == [None]
        other.delete_collection("earlier")


def test_telling_them_apart_costs_a_server_no_request(
    new: New, store: vstore.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Milvus Lite is asked once more behind a count, and behind an answer without records."""
    c = new(index=Flat())
    c.add(["a"], [[1, 2]], metadatas=[{"n": 1}])
    asked: Counter[str] = Counter()

    def counted(name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        asked[name] += 1
        return method(*args, **kwargs)

    sender = store.native._get_connection()  # which is sent an upsert that is made already
    for name in ("query", "delete", "describe_collection"):
        monkeypatch.setattr(store.native, name, partial(counted, name, getattr(store.native, name)))
    monkeypatch.setattr(session, "search", partial(counted, "search", session.search))
    monkeypatch.setattr(sender, "upsert", partial(counted, "upsert", sender.upsert))
    lite = store.capabilities.mode == "embedded"
    expected: dict[str, dict[str, int]] = {
        "count": {"query": 1, "describe_collection": int(lite)},
        "get": {"query": 1},
        "query": {"search": 1, "query": 1, "describe_collection": int(lite)},  # of fewer than k hits it counts
        "upsert": {"upsert": 1},
        "add": {"query": 1, "upsert": 1, "describe_collection": int(lite)},
        "update": {"query": 2, "upsert": 1},
        "delete": {"delete": 1},
    }
    every = calls(c)
    for label, wanted in expected.items():
        asked.clear()
        every[label]()
        assert +asked == {name: number for name, number in wanted.items() if number}, label


def test_a_name_that_became_an_alias_is_another_collection(new: New, store: vstore.Store, other: vstore.Store) -> None:
    c, target = new(), new()
    name = c.name
    c.add(["a"], [[1, 2]])
    target.add(["a", "b"], [[1, 2]] * 2)
    other.delete_collection(name)
    other.native.create_alias(target.name, name)
    try:
        for label, call in calls(c).items():
            with pytest.raises(NotFound):
                call()
            assert target.count() == 2, label
        assert not store.has_collection(name)
        for refused in (store.get_collection, store.delete_collection):
            with pytest.raises(NotFound):
                refused(name)
        with pytest.raises(AlreadyExists):
            store.create_collection(name, dimension=2)
        with pytest.raises(AlreadyExists):
            new().rename(name)
        assert name not in store.list_collections()
        assert target.count() == 2
    finally:
        other.native.drop_alias(name)


def test_a_mapped_handle_reads_no_later_collection(new: New, store: vstore.Store, other: vstore.Store) -> None:
    """Milvus Lite tells collections of the same fields not apart."""

    def make(client: MilvusClient, dimension: int) -> None:
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=100)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        index = MilvusClient.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="L2")
        client.create_collection("mapped", schema=schema, index_params=index)
        client.insert("mapped", [{"id": "a", "vector": [1.0] * dimension}])

    make(store.native, 2)
    c = store.get_collection("mapped", mapping="auto")
    pages = c.scan(batch_size=1)
    assert (c.count(), c.get(["a"]).ids, c.query(vector=[1, 1], k=1).ids) == (1, ["a"], ["a"])
    for dimension in (3, *([2] if store.capabilities.mode == "server" else [])):
        other.native.drop_collection("mapped")
        make(other.native, dimension)
        vector = [1] * c.info.dimension
        with pytest.raises(NotFound):
            list(pages)
        with pytest.raises(NotFound):
            list(c.scan())
        with pytest.raises(NotFound):
            c.count()
        with pytest.raises(NotFound):
            c.get(["a"])
        for exact in (True, False):
            with pytest.raises(NotFound):
                c.query(vector=vector, k=1, exact=exact)
        c = store.get_collection("mapped", mapping="auto")
        pages = c.scan(batch_size=1)
        assert c.query(vector=[1] * dimension, k=1).ids == ["a"]
    other.native.drop_collection("mapped")
    with pytest.raises(NotFound):
        c.count()


def test_a_delete_that_the_server_refuses_is_told(server: str) -> None:
    """AsyncMilvusClient 3.0.2 does not look at what the server answers to a delete."""

    async def run() -> None:
        async with aio.connect(server) as first, aio.connect(server) as second:
            c = await first.create_collection("refused", dimension=2, metric="l2", index=Flat())
            await c.add(["a", "b"], [[1, 2]] * 2)
            await c.delete(["nowhere"])
            handle = await second.get_collection("refused")
            client = second.native
            real = client.delete
            client.delete = lambda *args, **kwargs: real("refused", **{**kwargs, "filter": "no such field"})
            with pytest.raises(BackendError):
                await handle.delete(["a"])
            client.delete = real
            await first.delete_collection("refused")
            again = await first.create_collection("refused", dimension=2, metric="l2", index=Flat())
            await again.add(["a"], [[1, 2]])
            with pytest.raises(NotFound):
                await handle.delete(["a"])
            with pytest.raises(NotFound):
                await handle.clear()
            assert await again.count() == 1
            await first.delete_collection("refused")

    asyncio.run(run())


def test_renames_and_every_other_call_take_turns(new: New, store: vstore.Store) -> None:
    """180 of 3,067 reads met the old name when Milvus had the new one already."""
    c = new(index=Flat())
    ids = [f"r{n}" for n in range(50)]
    c.add(ids, np.ones((50, 2), dtype=np.float32), metadatas=[{"n": n} for n in range(50)])
    name, turns = c.name, Counter[str]()
    stop = threading.Event()

    def opened() -> None:
        with suppress(NotFound):  # of the name that it has no more
            assert store.get_collection(c.name).count() >= 50

    works: dict[str, Callable[[], object]] = {
        "count": c.count,
        "get": lambda: c.get(ids).ids == ids or pytest.fail("records are missing"),
        "query": lambda: c.query(vector=[1, 1], k=5, exact=True).ids,
        "scan": lambda: sum(len(page.records) for page in c.scan(batch_size=20)) >= 50 or pytest.fail("too few"),
        "upsert": lambda: c.upsert(["w"], [[2, 2]]),
        "delete": lambda: c.delete(["x"]),
        "open": opened,
    }

    def work(label: str) -> None:
        while not stop.is_set():
            works[label]()
            turns[label] += 1

    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work, label) for label in works]
        try:
            for turn in range(25):
                c.rename(f"{name}_{turn}x")
                for done in running:
                    assert not done.done(), done.result()
        finally:
            stop.set()
    for done in running:
        done.result()
    assert set(turns) == set(works), turns
    assert c.name == f"{name}_24x"


def test_a_drop_beside_reads_and_writes_is_not_found(new: New, store: vstore.Store, other: vstore.Store) -> None:
    for dropping in (store, other):
        c = new(index=Flat())
        c.add(["a"], [[1, 2]], metadatas=[{"n": 1}])
        begun = threading.Barrier(7)

        def work(label: str, c: vstore.Collection = c, begun: threading.Barrier = begun) -> None:
            call = calls(c)[label]
            call()
            begun.wait(60)
            while True:
                try:
                    call()
                except NotFound:
                    return

        labels = ["count", "get", "query exactly", "scan", "upsert", "query"]
        with ThreadPoolExecutor(len(labels)) as pool:
            running = [pool.submit(work, label) for label in labels]
            begun.wait(60)
            dropping.delete_collection(c.name)
            for done in running:
                done.result(60)


def test_tasks_take_turns_with_renames(server: str) -> None:
    async def run() -> None:
        async with aio.connect(server) as store:
            c = await store.create_collection("turning", dimension=2, metric="l2", index=Flat())
            await c.add(["a", "b"], [[1, 2]] * 2)
            over = asyncio.Event()

            async def read() -> int:
                turns = 0
                while not over.is_set():
                    assert await c.count() >= 2
                    assert len(await c.query(vector=[1, 2], k=2)) == 2
                    assert [page async for page in c.scan(batch_size=1)]
                    turns += 1
                return turns

            async def write() -> int:
                turns = 0
                while not over.is_set():
                    await c.upsert(["w"], [[1, 2]])
                    await c.update(["w"], documents=["x"])
                    turns += 1
                return turns

            running = [asyncio.ensure_future(work()) for work in (read, read, write)]
            for turn in range(15):
                await c.rename(f"turning_{turn}x")
                await asyncio.sleep(0.05)
            over.set()
            assert all(await asyncio.gather(*running))
            await store.delete_collection(c.name)

    asyncio.run(run())
