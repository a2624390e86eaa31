"""A sync adapter under async: the same outcomes, each call in a worker thread, the loop free."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from vstore import InvalidInput, NotFound, aio
from vstore._async.store import AsyncStore
from vstore.memory import MemoryAdapter
from vstore.memory.store import MemoryCollection
from vstore.threaded import ThreadedAdapter
from vstore.types import CollectionInfo, Include


class Slow(MemoryAdapter):
    """Notes the threads it is called in, and waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()
        self.go = threading.Event()

    def create(self, info: CollectionInfo) -> MemoryCollection:
        self.threads.add(threading.get_ident())
        assert self.go.wait(5)
        return super().create(info)


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
    from vstore.protocol import AsyncAdapter, AsyncCollectionAdapter

    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    inner: Any = MemoryAdapter()
    wrapped = ThreadedAdapter(inner)
    assert public(AsyncAdapter) <= public(type(wrapped))
    info = CollectionInfo(name="docs", dimension=2, metric="l2", index=inner.default_index(2))  # type: ignore[arg-type]
    collection = asyncio.run(wrapped.create(info))
    assert public(AsyncCollectionAdapter) <= public(type(collection))
    assert asyncio.run(collection.get(["a"], Include())).ids == []
