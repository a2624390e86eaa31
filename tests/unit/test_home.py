"""A store belongs to one process, and an async store to one event loop as well."""

from __future__ import annotations

import asyncio
import copy
import gc
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

import vstore
from tests.forked import in_child
from vstore import Closed, Collection, F, InvalidInput, Store, Unsupported, VStoreError, aio
from vstore.core._async.store import AsyncStore
from vstore.info import CollectionInfo
from vstore.memory import MemoryAdapter
from vstore.memory.store import MemoryCollection
from vstore.spi.threaded import ThreadedAdapter

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def filled(store: Store) -> Collection:
    docs = store.create_collection("docs", dimension=2)
    docs.add(["a", "b", "c"], [[1, 0], [0, 1], [1, 1]], metadatas=[{"n": 1}, {"n": 2}, {"n": 3}])
    return docs


def calls(store: Any, docs: Any) -> dict[str, Callable[[], Any]]:
    return {
        "create_collection": lambda: store.create_collection("more", dimension=2),
        "get_collection": lambda: store.get_collection("docs"),
        "has_collection": lambda: store.has_collection("docs"),
        "list_collections": store.list_collections,
        "list_foreign_collections": store.list_foreign_collections,
        "propose_mapping": lambda: store.propose_mapping("docs"),
        "delete_collection": lambda: store.delete_collection("docs"),
        "ping": store.ping,
        "add": lambda: docs.add(["d"], [[1, 2]]),
        "upsert": lambda: docs.upsert(["d"], [[1, 2]]),
        "update": lambda: docs.update(["a"], metadatas=[{"n": 9}]),
        "get": lambda: docs.get(["a"]),
        "query": lambda: docs.query(vector=[1, 0]),
        "query_many": lambda: docs.query_many(vectors=[[1, 0]]),
        "delete": lambda: docs.delete(["a"]),
        "clear": docs.clear,
        "count": docs.count,
        "count of what is false by form": lambda: docs.count(F("n").in_([])),
        "peek": docs.peek,
        "defer_index": docs.defer_index,
        "build_index": docs.build_index,
        "rename": lambda: docs.rename("texts"),
    }


def outcome(work: Callable[[], object]) -> tuple[str, str]:
    try:
        work()
    except VStoreError as error:
        return type(error).__name__, str(error)
    return "", ""


def test_in_a_forked_child_every_call_is_refused() -> None:
    with vstore.connect("memory:") as store:
        docs = filled(store)
        work = calls(store, docs) | {"scan": lambda: list(docs.scan())}
        told = in_child(lambda: {name: outcome(call) for name, call in work.items()})
        assert {name for name, (kind, _) in told.items() if kind != "Closed"} == set()
        assert all("belongs to process" in text and "Connect again" in text for _, text in told.values())
        assert docs.count() == 3


def test_in_a_forked_child_what_is_known_stays_readable_and_closing_is_quiet() -> None:
    with vstore.connect("memory:") as store:
        docs = filled(store)

        def read() -> list[Any]:
            with store:
                pass
            store.close()
            return [store.capabilities.backend, store.native is not None, docs.info.dimension, repr(store), repr(docs)]

        backend, native, dimension, of_store, of_docs = in_child(read)
        assert (backend, native, dimension) == ("memory", True, 2)
        assert "of process" in of_store
        assert "of process" in of_docs
        assert "of process" not in repr(store) + repr(docs)
        assert docs.count() == 3


def test_a_child_of_multiprocessing_can_connect_anew() -> None:
    context = multiprocessing.get_context("fork")

    def work() -> None:
        with pytest.raises(Closed):
            docs.count()
        with vstore.connect("memory:") as own:
            assert filled(own).count() == 3

    with vstore.connect("memory:") as store:
        docs = filled(store)
        child = context.Process(target=work)
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert docs.count() == 3


def test_a_child_of_a_child_that_has_the_stores_number_is_not_its_home(monkeypatch: pytest.MonkeyPatch) -> None:
    with vstore.connect("memory:") as store:
        docs = filled(store)
        number = os.getpid()

        def as_the_first() -> tuple[str, str]:
            # as after the store's process has ended, or in a namespace of processes of its own, where the first is 1
            monkeypatch.setattr(os, "getpid", lambda: number)
            return outcome(docs.count)

        kind, text = in_child(as_the_first)
        assert kind == "Closed", text
        assert in_child(lambda: in_child(as_the_first))[0] == "Closed"
        assert docs.count() == 3


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_store_is_not_pickled_or_copied_and_says_what_to_do(send: Callable[[object], object]) -> None:
    with vstore.connect("memory:") as store:
        docs = filled(store)
        for one in (store, docs, [docs], AsyncStore(ThreadedAdapter(MemoryAdapter()))):
            if isinstance(one, list) and send is copy.copy:
                continue
            with pytest.raises(InvalidInput, match=r"cannot be pickled or copied.*Pass the URL"):
                send(one)


def test_a_pool_of_processes_is_told_that_a_store_does_not_travel() -> None:
    with vstore.connect("memory:") as store, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(InvalidInput, match="connect in the process that uses them"):
            pool.submit(len, [filled(store)]).result(60)
        assert pool.submit(len, store.get_collection("docs").get(["a"]).ids).result(60) == 1


def test_a_scan_does_not_go_on_in_a_child() -> None:
    with vstore.connect("memory:") as store:
        pages = filled(store).scan(batch_size=1)
        first = next(pages)
        kind, text = in_child(lambda: outcome(lambda: next(pages)))
        assert kind == "Closed"
        assert "scan" in text
        assert [first.records.ids, *(page.records.ids for page in pages)] == [["a"], ["b"], ["c"]]


class Ending(MemoryAdapter):
    """Notes when its client, or one of its scans, is finalised; a call can be made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[str] = []
        self.inside, self.go = threading.Event(), threading.Event()

    def __del__(self) -> None:
        self.ended.append("client")

    def ping(self) -> None:
        self.inside.set()
        assert self.go.wait(60)

    def create(self, info: CollectionInfo) -> MemoryCollection:
        made = super().create(info)
        scan = made.scan

        def noting(*args: Any) -> Iterator[Any]:
            try:
                yield from scan(*args)
            finally:
                self.ended.append("scan")

        made.scan = noting  # type: ignore[method-assign]
        return made


def test_a_child_finalises_nothing_that_it_inherited() -> None:
    adapter = Ending()
    ended = adapter.ended
    held = [Store(adapter)]
    held.append(filled(held[0]).scan(batch_size=1))  # type: ignore[arg-type]
    next(held[1])  # type: ignore[call-overload]
    del adapter

    def drop() -> list[str]:
        held.clear()
        gc.collect()
        return ended

    assert in_child(drop) == []
    assert sorted(drop()) == ["client", "scan"]


def test_a_lock_that_a_thread_holds_when_the_process_forks_does_not_hold_the_child() -> None:
    store = Store(Ending())
    docs = filled(store)
    with store._calls._lock:  # what a thread inside a call holds for a moment
        work = {"close": store.close, "repr": lambda: repr(docs)} | calls(store, docs)
        told = in_child(lambda: {name: outcome(call)[0] for name, call in work.items()})
    assert told == {name: "" if name in ("close", "repr") else "Closed" for name in work}


def test_a_fork_while_a_thread_is_inside_a_call() -> None:
    adapter = Ending()
    store = Store(adapter)
    with ThreadPoolExecutor(1) as pool:
        ping = pool.submit(store.ping)
        assert adapter.inside.wait(60)
        assert in_child(lambda: (store.close(), outcome(store.list_collections)[0])) == (None, "Closed")
        adapter.go.set()
        ping.result(60)
    store.close()


def test_a_call_inside_which_the_process_forks_ends_in_the_child_too() -> None:
    with vstore.connect("memory:") as store:
        call = store._calls.operation("embedding")
        call.__enter__()
        with store._calls._lock:
            assert not in_child(lambda: call.__exit__(None, None, None))
        call.__exit__(None, None, None)


async def _outcome(work: Callable[[], Any]) -> tuple[str, str]:
    try:
        await work()
    except VStoreError as error:
        return type(error).__name__, str(error)
    return "", ""


def test_an_async_store_serves_one_event_loop() -> None:
    home = asyncio.new_event_loop()
    store = home.run_until_complete(aio.connect("memory:").__aenter__())
    docs = home.run_until_complete(store.create_collection("docs", dimension=2))
    home.run_until_complete(docs.add(["a", "b"], [[1, 0], [0, 1]]))
    pages = docs.scan(batch_size=1)
    home.run_until_complete(anext(pages))  # type: ignore[arg-type]

    async def elsewhere() -> None:
        work = calls(store, docs) | {"scan": lambda: anext(pages), "close": store.close}
        told = {name: await _outcome(call) for name, call in work.items()}
        assert {name for name, (kind, _) in told.items() if kind != "Closed"} == set()
        assert all("event loop" in text and "Connect again in this one" in text for _, text in told.values())
        with pytest.raises(Closed):
            docs.scan()

    asyncio.run(elsewhere())
    assert home.run_until_complete(docs.count()) == 2
    home.run_until_complete(store.close())
    home.close()


def test_an_async_store_is_not_made_where_no_event_loop_of_asyncio_runs() -> None:
    async def enter() -> None:
        async with aio.connect("memory:"):
            pass

    for begun in (enter(), aio.connect("memory:").__aenter__()):
        with pytest.raises(Unsupported, match="none runs here"):
            begun.send(None)  # as another framework's loop does


def test_what_an_event_loop_that_is_over_left_open_can_be_closed() -> None:
    class Closing(MemoryAdapter):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    async def connect() -> AsyncStore:
        return AsyncStore(ThreadedAdapter(adapter))

    async def close() -> None:
        with pytest.raises(Closed, match="event loop"):
            await store.ping()
        async with store:
            pass
        await store.close()

    adapter = Closing()
    store = asyncio.run(connect())
    asyncio.run(close())
    assert adapter.closed == 1


def test_an_async_store_in_a_forked_child() -> None:
    async def body() -> None:
        async with aio.connect("memory:") as store:
            docs = await store.create_collection("docs", dimension=2)

            def child() -> dict[str, str]:
                async def use() -> dict[str, str]:
                    await store.close()
                    return {name: (await _outcome(call))[0] for name, call in calls(store, docs).items()}

                asyncio._set_running_loop(None)
                return asyncio.run(use())

            assert set(in_child(child).values()) == {"Closed"}
            assert await docs.count() == 0

    asyncio.run(body())


def test_a_sync_store_serves_whatever_loop_runs() -> None:
    with vstore.connect("memory:") as store:
        docs = filled(store)

        async def use() -> int:
            return docs.count()

        assert asyncio.run(use()) == asyncio.run(use()) == 3
