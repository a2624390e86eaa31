"""What vstore computes itself ends with the timeout too, on the event loop's worker threads as well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import vstore
from vstore import Collection, F, Timeout, aio
from vstore.records import Include, Records
from vstore.spi import deadline
from vstore.spi.deadline import Deadline, bounding
from vstore.spi.partial import PartialFilter

SLOW = (F("n") == 1) | F("s").matches("a")


class Clock:
    """Goes on by a second with each look at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(deadline, "monotonic", made)
    return made


@pytest.fixture
def docs() -> Iterator[Collection]:
    with vstore.connect("memory:", timeout=30) as store:
        docs = store.create_collection("docs", dimension=2)
        ids = [f"r{number:03}" for number in range(100)]
        docs.add(ids, [[1, 2]] * 100, metadatas=[{"n": number} for number in range(100)])
        yield docs


@pytest.mark.parametrize(
    "call",
    [
        lambda docs: docs.count(SLOW),
        lambda docs: list(docs.scan(where=SLOW)),
        lambda docs: docs.query(vector=[1, 0], where=SLOW),
        lambda docs: docs.query_many(vectors=[[1, 0]] * 100),
        lambda docs: docs.delete(where=SLOW),
    ],
)
def test_a_call_on_memory_ends_in_time(docs: Collection, call: Callable[[Collection], Any]) -> None:
    with pytest.raises(Timeout, match="the timeout of 30 seconds") as caught:
        call(docs)
    assert caught.value.retryable
    assert docs.count() == 100


def test_each_page_has_its_own_time(docs: Collection) -> None:
    assert [len(page.records) for page in docs.scan(where=F("n") >= 0, batch_size=20)] == [20] * 5


def test_what_is_sifted_here_ends_in_time_in_worker_threads_too() -> None:
    records = Records([str(n) for n in range(100)], metadatas=[{"n": n} for n in range(100)])

    async def sift() -> Records:
        with bounding(30):
            return await asyncio.to_thread(PartialFilter(SLOW, None).keep, records, Include())

    with pytest.raises(Timeout):
        asyncio.run(sift())
    assert len(PartialFilter(SLOW, None).keep(records, Include())) == 1


def test_an_async_store_ends_in_time() -> None:
    async def body() -> None:
        async with aio.connect("memory:", timeout=30) as store:
            docs = await store.create_collection("docs", dimension=2)
            await docs.add([str(n) for n in range(100)], [[1, 2]] * 100)
            with pytest.raises(Timeout):
                await docs.count(SLOW)

    asyncio.run(body())


def test_stores_do_not_meddle_with_each_others_time(clock: Clock) -> None:
    with bounding(10):
        outer = Deadline()
        with bounding(1000):
            inner = Deadline()
        assert Deadline()._seconds == 10
    assert Deadline()._seconds == float("inf")
    clock.now += 20
    inner.check()
    with pytest.raises(Timeout):
        outer.check()


def test_what_is_waited_for_gives_its_result_its_error_or_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    def fail() -> None:
        raise ValueError("of the work")

    assert Deadline().wait_for(lambda: 5) == 5
    with bounding(60):
        assert Deadline().wait_for(lambda: 5) == 5
        with pytest.raises(ValueError, match="of the work"):
            Deadline().wait_for(fail)
    go = threading.Event()
    with bounding(0.05), pytest.raises(Timeout):
        Deadline().wait_for(go.wait)
    go.set()
