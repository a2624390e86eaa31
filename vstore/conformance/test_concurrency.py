"""Threads: CON-1. Tasks: CON-2. Every body but the last three runs on sync and async stores alike."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from vstore import AlreadyExists, Collection, F, NotFound, Store, VStoreError, aio
from vstore.conformance.checks import cheapest, contents, names, rows, scanned
from vstore.conformance.corpus import unique_name
from vstore.conformance.fixtures import New, clause
from vstore.conformance.session import Session

THREADS = 8


def _together(work: Callable[[int], Any]) -> list[Any]:
    """Results of ``work(0)`` … ``work(7)``, begun at once in as many threads."""
    barrier = threading.Barrier(THREADS)

    def one(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def _whole(number: int) -> dict[str, Any]:
    """One writer's whole record: each column tells who wrote it, and each writer has keys of its own."""
    metadata = {"who": number, f"only{number}": True, "list": [str(number)] * 3}
    return {
        "vectors": [[float(number + 1)] * 4],
        "documents": [None if number % 3 == 0 else f"by {number}"],
        "metadatas": [metadata],
    }


@clause("CON-1", "UPS-1")
def test_concurrent_upserts_leave_one_whole_record(new: New) -> None:
    c = new()
    for _ in range(8):
        _together(lambda number: c.upsert(["x"], **_whole(number)))
        found = c.get(["x"])
        assert found.metadatas is not None
        assert found.vectors is not None
        assert found.documents is not None
        who = found.metadatas[0]["who"]
        expected = _whole(who)
        assert found.metadatas == expected["metadatas"], "a mixture of two records"
        assert found.documents == expected["documents"], "a mixture of two records"
        np.testing.assert_array_equal(found.vectors, expected["vectors"])
        assert c.count() == 1


@clause("CON-1", "ADD-1")
def test_of_concurrent_adds_of_one_id_one_succeeds(new: New) -> None:
    c = new()

    def add(number: int) -> bool:
        try:
            c.add([f"x{turn}", f"own{turn}_{number}"], rows(2), metadatas=[{"who": number}] * 2)
        except AlreadyExists:
            return False
        return True

    for turn in range(10):
        won = _together(add)
        assert sum(won) == 1
        winner = won.index(True)
        assert c.get([f"x{turn}"]).metadatas == [{"who": winner}]
        assert c.count(F("who").exists()) == 2 * (turn + 1), "a refused add has written something"


@clause("CON-1", "UPD-1")
def test_concurrent_updates_of_different_keys_all_stay(new: New) -> None:
    c = new()
    c.add(["x"], rows(1), ["text"], [{"k": 0}])
    for turn in range(5):
        _together(lambda number, turn=turn: c.update(["x"], metadatas=[{f"t{turn}n{number}": number}]))  # type: ignore[misc]
    found = c.get(["x"])
    assert found.metadatas == [{"k": 0, **{f"t{t}n{n}": n for t in range(5) for n in range(THREADS)}}]
    assert found.documents == ["text"]


@clause("CON-1")
def test_many_threads_at_everything(new: New) -> None:
    c = new()
    c.add(names(200, "s"), rows(200), metadatas=[{"n": p} for p in range(200)])

    def work(number: int) -> None:
        mine = names(20, f"w{number}_")
        for turn in range(2):
            c.upsert(mine, rows(20, seed=turn), [f"{number}"] * 20, [{"who": number, "turn": turn}] * 20)
            assert c.count(F("who") == number) == 20
            c.update(mine[:5], metadatas=[{"turn": -1}] * 5)
            found = c.get(mine)
            assert found.ids == mine
            assert [m["turn"] for m in found.metadatas or []] == [-1] * 5 + [turn] * 15
            assert len(c.query(vector=rows(1)[0], k=30, where=F("n") < 100)) == 30
            assert len(c.query(vector=rows(1)[0], k=30, where=F("who") == number, exact=True)) == 20
            assert {i for i in scanned(c, batch_size=50) if i[0] == "s"} == set(names(200, "s"))
            c.delete(mine[:10])
            c.delete(where=(F("who") == number) & (F("turn") == turn))
            assert c.count(F("who") == number) == 0

    _together(work)
    assert sorted(contents(c)) == names(200, "s")


@clause("CON-1", "CON-2")
def test_overlapping_batches_in_opposite_order_all_end(new: New) -> None:
    c = new()
    ids = names(100)

    def work(number: int) -> None:
        order = ids if number % 2 else ids[::-1]
        for _ in range(2):
            c.upsert(order, rows(100, seed=number), metadatas=[{"who": number}] * 100)
            c.update(order, metadatas=[{"last": number}] * 100)

    _together(work)
    assert c.count(F("who").exists() & F("last").exists()) == 100


@clause("CON-1", "COL-2")
def test_of_concurrent_creations_one_succeeds(session: Session) -> None:
    store = session.store
    for _ in range(3):
        name = unique_name()

        def create(_: int, name: str = name) -> bool:
            try:
                store.create_collection(name, dimension=4)
            except AlreadyExists:
                return False
            return True

        assert sum(_together(create)) == 1
        opened = _together(lambda _, name=name: store.create_collection(name, dimension=4, exist_ok=True))  # type: ignore[misc]
        assert len({c.name for c in opened}) == 1

        def drop(_: int, name: str = name) -> bool:
            try:
                store.delete_collection(name)
            except NotFound:
                return False
            return True

        assert sum(_together(drop)) == 1
        assert not store.has_collection(name)


@clause("CON-2")
@pytest.mark.usefixtures("session")
@pytest.mark.parametrize(("sync", "other"), [(Store, aio.AsyncStore), (Collection, aio.AsyncCollection)])
def test_async_has_the_same_names(sync: type, other: type) -> None:
    public = {name for name in vars(sync) if not name.startswith("_")}
    assert public == {name for name in vars(other) if not name.startswith("_")}
    for name in public:
        assert type(vars(sync)[name]) is type(vars(other)[name])


@clause("CON-2")
def test_many_tasks_share_one_store(session: Session) -> None:
    async def body(store: aio.AsyncStore, name: str) -> None:
        c = await store.create_collection(name, dimension=4)

        async def work(number: int) -> None:
            mine = names(10, f"w{number}_")
            await c.upsert(mine, rows(10), metadatas=[{"who": number}] * 10)
            assert await c.count(F("who") == number) == 10
            assert len(await c.query(vector=rows(1)[0], k=50, where=F("who") == number)) == 10
            assert [p async for p in c.scan(where=F("who") == number, batch_size=3, include=())]
            await c.update(mine, metadatas=[{"done": True}] * 10)
            await c.delete(mine[:5])

        await asyncio.gather(*(work(number) for number in range(30)))
        assert await c.count() == await c.count(F("done") == True) == 150
        results = await asyncio.gather(*(c.add(["one"], rows(1)) for _ in range(8)), return_exceptions=True)
        assert sum(result is None for result in results) == 1
        assert all(result is None or type(result) is AlreadyExists for result in results)

    _natively(session, body)


async def _tick_on_loop(gaps: list[float]) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.002)
        gaps.append(time.perf_counter() - last)
        last = time.perf_counter()


def _tick_in_thread(gaps: list[float], stop: threading.Event) -> None:
    last = time.perf_counter()
    while not stop.wait(0.002):
        gaps.append(time.perf_counter() - last)
        last = time.perf_counter()


@clause("CON-2")
def test_the_event_loop_is_never_blocked(session: Session) -> None:
    async def body(store: aio.AsyncStore, name: str) -> None:
        c = await store.create_collection(name, dimension=64, metric="l2", index=cheapest(store.capabilities))
        vectors = rows(1500, 64)
        for attempt in range(3):
            loop_gaps, thread_gaps, stop = [0.0], [0.0], threading.Event()
            watcher = threading.Thread(target=_tick_in_thread, args=(thread_gaps, stop))
            watcher.start()
            ticker = asyncio.create_task(_tick_on_loop(loop_gaps))
            await asyncio.sleep(0.01)
            begun = time.perf_counter()
            try:
                await c.upsert(names(1500), vectors, None, [{"n": p} for p in range(1500)])
                await c.query_many(vectors=vectors[:100], k=5, exact=True)
            finally:
                spent = time.perf_counter() - begun
                ticker.cancel()
                stop.set()
                watcher.join()
            # a client that holds the interpreter's lock stops every thread alike: that is not the loop's own
            still = max(loop_gaps) - max(thread_gaps)
            if still < max(0.05, 0.4 * spent):
                return
            assert attempt < 2, f"the loop stood still for {still:.2f} of {spent:.2f} seconds while threads went on"

    _natively(session, body)


@clause("CON-2")
def test_there_is_no_hidden_event_loop(session: Session, new: New) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    c = new()
    c.add(names(10), rows(10))
    c.query(vector=rows(1)[0], k=3)
    loops = [t.name for t in threading.enumerate() if t.ident not in before and "loop" in t.name.lower()]
    assert loops == []

    async def inside() -> None:  # the sync form works where a loop runs: it does not start one of its own
        if session.mode == "sync":
            assert c.count() == 10

    asyncio.run(inside())

    async def body(store: aio.AsyncStore, name: str) -> None:
        c = await store.create_collection(name, dimension=4)
        await c.add(["a"], rows(1))
        task = asyncio.create_task(c.count())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await c.count() == 1, "a cancelled call leaves the store usable"

    _natively(session, body)


@clause("CON-2")
def test_writes_that_are_cancelled_leave_the_store_usable(session: Session) -> None:
    async def body(store: aio.AsyncStore, name: str) -> None:
        c = await store.create_collection(name, dimension=4)
        ids, vectors = names(50), rows(50)
        await c.add(ids, vectors)
        calls: list[Callable[[], Any]] = [
            lambda: c.upsert(ids, vectors, metadatas=[{"n": 1}] * 50),
            lambda: c.update(ids, metadatas=[{"m": 1}] * 50),
            lambda: c.query(vector=vectors[0], k=5),
            lambda: c.delete(ids[:1]),
        ]
        for turn in range(10):
            tasks = [asyncio.create_task(call()) for call in calls]
            await asyncio.sleep(turn * 0.002)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(30):
            other = names(50, "o")  # what was cancelled may yet happen to the first ones
            await c.upsert(other, vectors, metadatas=[{"n": 2}] * 50)
            await c.update(other, metadatas=[{"m": 2}] * 50)
            assert await c.count((F("n") == 2) & (F("m") == 2)) == 50

    _natively(session, body)


@clause("CON-2")
def test_connecting_that_is_given_up_holds_nothing(session: Session) -> None:
    session.release()

    async def given_up(seconds: float) -> None:
        opening = asyncio.create_task(aio.connect(session.target.url).__aenter__())
        await asyncio.sleep(seconds)
        if opening.cancel():
            await asyncio.gather(opening, return_exceptions=True)
        else:
            await opening.result().close()

    for seconds in (0, 0.01):
        asyncio.run(given_up(seconds))
    capabilities = session.store.capabilities
    if capabilities.mode == "embedded" and capabilities.persistent:  # one process at a time has it
        assert session.elsewhere("result = store.has_collection('abc')") is False


def _natively(session: Session, body: Callable[[aio.AsyncStore, str], Any]) -> None:
    """Runs an async body on the caller's own loop, with a connection of its own."""
    session.release()
    name = unique_name()

    async def main() -> None:
        async with aio.connect(session.target.url) as store:
            try:
                await body(store, name)
            finally:
                try:
                    await store.delete_collection(name, missing_ok=True)
                except VStoreError:
                    session.store.delete_collection(name, missing_ok=True)

    asyncio.run(main())
