"""A sync adapter under async: the same outcomes, each call in a worker thread, the loop free."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vstore import Closed, InvalidInput, NotFound, Store, aio
from vstore.core._async.store import AsyncStore
from vstore.info import CollectionInfo
from vstore.memory import MemoryAdapter
from vstore.memory.store import MemoryCollection
from vstore.records import Include
from vstore.spi._async._run import acquire
from vstore.spi.threaded import ThreadedAdapter


class Slow(MemoryAdapter):
    """Notes the threads it is called in, and waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()
        self.go = threading.Event()
        self.inside = threading.Event()
        self.closed_in_between = False
        self.ended = False

    def create(self, info: CollectionInfo) -> MemoryCollection:
        self.threads.add(threading.get_ident())
        self.inside.set()
        assert self.go.wait(30)
        self.ended = True
        return super().create(info)

    def close(self) -> None:
        self.closed_in_between = self.inside.is_set() and not self.ended
        super().close()


def test_a_call_does_not_hold_the_loop() -> None:
    async def body() -> None:
        adapter = Slow()
        store = AsyncStore(ThreadedAdapter(adapter))
        creating = asyncio.create_task(store.create_collection("docs", dimension=2))
        await asyncio.sleep(0.05)
        assert not creating.done()
        adapter.go.set()
        assert (await creating).name == "docs"
        assert adapter.threads.isdisjoint({threading.get_ident()})

    asyncio.run(body())


def test_closing_lets_calls_that_run_come_to_their_end() -> None:
    adapter = Slow()
    store = Store(adapter)
    with ThreadPoolExecutor(2) as pool:
        creating = pool.submit(store.create_collection, "docs", dimension=2)
        assert adapter.inside.wait(30)
        closing = pool.submit(store.close)
        while "closed" not in repr(store):
            time.sleep(0.001)
        with pytest.raises(Closed):
            store.list_collections()
        store.close()
        adapter.go.set()
        assert creating.result(30).name == "docs"
        closing.result(30)
    assert not adapter.closed_in_between


def test_closing_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.core._sync.store._LEAVE", 0.05)
    adapter = Slow()
    store = Store(adapter)
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(store.create_collection, "docs", dimension=2)
        assert adapter.inside.wait(30)
        store.close()
        assert adapter.closed_in_between
        adapter.go.set()
        creating.result(30)


@pytest.mark.parametrize("before", [True, False], ids=["before it is taken", "before it is handed over"])
def test_what_a_cancelled_task_has_taken_is_given_back(before: bool) -> None:
    begun, go, given_back = threading.Event(), threading.Event(), list[str]()

    def take() -> str:
        begun.set()
        assert go.wait(30)
        return "it"

    async def body() -> None:
        taking = asyncio.create_task(acquire(take, given_back.append))
        assert await asyncio.to_thread(begun.wait, 30)
        if not before:
            go.set()
            time.sleep(0.05)  # noqa: ASYNC251  # the loop must not hear of it before the task is cancelled
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        go.set()

    asyncio.run(body())  # waits for its worker threads
    assert given_back == ["it"]
    assert asyncio.run(acquire(take, given_back.append)) == "it"
    assert given_back == ["it"]


def test_outcomes_are_those_of_the_sync_form() -> None:
    async def body() -> None:
        async with aio.connect("memory:") as store:
            docs = await store.create_collection("docs", dimension=2, metric="l2")
            await docs.add(["b", "a"], [[1, 0], [0, 1]], ["x", None], [{"n": 1}, None])
            assert [page.records.ids async for page in docs.scan(batch_size=1)] == [["a"], ["b"]]
            assert [page async for page in docs.scan(where={"n": 9})] == []
            assert (await docs.query(vector=[1, 0], k=1)).ids == ["b"]
            with pytest.raises(NotFound) as caught:
                await docs.update(["c"], documents=["y"])
            assert caught.value.ids == ["c"]
            with pytest.raises(InvalidInput):
                docs.scan(batch_size=0)
            await docs.rename("texts")
            assert await store.list_collections() == ["texts"]

    asyncio.run(body())


def test_every_method_of_the_protocols_is_there() -> None:
    from vstore.spi.protocol import AsyncAdapter, AsyncCollectionAdapter

    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    inner: Any = MemoryAdapter()
    wrapped = ThreadedAdapter(inner)
    assert public(AsyncAdapter) <= public(type(wrapped))
    info = CollectionInfo(name="docs", dimension=2, metric="l2", index=inner.default_index(2, "l2"))  # type: ignore[arg-type]
    collection = asyncio.run(wrapped.create(info))
    assert public(AsyncCollectionAdapter) <= public(type(collection))
    assert asyncio.run(collection.get(["a"], Include())).ids == []
