"""Retries: only what is safe to repeat is repeated, for as long as was said, and nothing that was written is hidden."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import Collection, PartialWrite, Store, Unavailable
from vstore.core._async.retrying import AsyncRetry, AsyncRetryingAdapter
from vstore.core._async.store import AsyncStore
from vstore.core._sync.retrying import Retry, RetryingAdapter
from vstore.errors import partial_write_context
from vstore.memory.store import MemoryAdapter, MemoryCollection
from vstore.spi.threaded import ThreadedAdapter

SAFE: dict[str, Callable[[Collection], Any]] = {
    "upsert": lambda c: c.upsert(["a"], [[1.0, 2.0]]),
    "update": lambda c: c.update(["a"], documents=["new"]),
    "get": lambda c: c.get(["a"]).ids,
    "query": lambda c: c.query([1.0, 2.0]).ids,
    "count": lambda c: c.count(),
    "delete_ids": lambda c: c.delete(["b"]),
    "delete_where": lambda c: c.delete(where={"k": {"$eq": 7}}),
    "clear": lambda c: c.clear(),
    "scan": lambda c: [page.records.ids for page in c.scan(batch_size=1)],
}
UNSAFE: dict[str, Callable[[Collection], Any]] = {
    "add": lambda c: c.add(["z"], [[1.0, 2.0]]),
    "rename": lambda c: c.rename("renamed"),
}


class Flaky(MemoryAdapter):
    """The memory store, made to fail: a stand-in for a server that comes and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception] = []
        self.calls: list[str] = []

    def create(self, info: vstore.CollectionInfo) -> Any:
        super().create(info)
        return Failing(info, self)

    def fail(self, name: str) -> None:
        self.calls.append(name)
        if self.errors:
            raise self.errors.pop(0)


class Failing(MemoryCollection):
    """Fails before it does what it is asked."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in (*SAFE, *UNSAFE) or name == "scan":
            return found

        def failing(*arguments: Any, **named: Any) -> Any:
            self._store.fail(name)
            return found(*arguments, **named)

        return failing

    def scan(self, *arguments: Any, **named: Any) -> Iterator[Any]:
        for page in super().scan(*arguments, **named):
            self._store.fail("scan")
            yield page


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


def collection(flaky: Flaky, retries: int = 3, timeout: float = 5.0) -> Collection:
    store = Store(RetryingAdapter(flaky, Retry(retries, timeout)))
    made = store.create_collection("abc", dimension=2, metric="l2")
    made.upsert(["a", "b", "c"], np.eye(3, 2) + 1)
    flaky.calls.clear()
    return made


@pytest.mark.parametrize("name", SAFE)
def test_what_is_safe_is_repeated_until_it_succeeds(flaky: Flaky, name: str) -> None:
    made, twin = collection(flaky), collection(Flaky())
    flaky.errors = [Unavailable("gone"), vstore.Timeout("slow")]
    assert SAFE[name](made) == SAFE[name](twin)
    assert flaky.calls.count(name) == twin._adapter._inner._store.calls.count(name) + 2  # type: ignore[attr-defined]
    assert [r.id for p in made.scan() for r in p.records] == [r.id for p in twin.scan() for r in p.records]


@pytest.mark.parametrize("name", UNSAFE)
def test_what_is_not_safe_is_tried_once(flaky: Flaky, name: str) -> None:
    made = collection(flaky)
    flaky.errors = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        UNSAFE[name](made)
    assert flaky.calls == [name]


@pytest.mark.parametrize("name", ["create", "drop"])
def test_collections_are_made_and_deleted_once(flaky: Flaky, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    store, calls = Store(RetryingAdapter(flaky, Retry(3, 5.0))), []

    def failing(*arguments: Any) -> None:
        calls.append(arguments)
        raise Unavailable("gone")

    monkeypatch.setattr(flaky, name, failing)
    with pytest.raises(Unavailable):
        store.create_collection("abc", dimension=2) if name == "create" else store.delete_collection("abc")
    assert len(calls) == 1


def test_a_part_that_was_refused_is_not_sent_again(flaky: Flaky) -> None:
    made = collection(flaky)
    with pytest.raises(PartialWrite) as caught, partial_write_context(["a"]):
        raise vstore.AuthenticationFailed("expired")
    flaky.errors = [caught.value]
    with pytest.raises(PartialWrite, match="expired") as caught:
        made.upsert(["a", "b"], np.eye(2) + 1)
    assert (flaky.calls, caught.value.written, caught.value.retryable) == (["upsert"], ["a"], False)


def test_an_add_that_has_written_something_cannot_be_made_again(flaky: Flaky) -> None:
    made = collection(flaky)
    flaky.errors = [PartialWrite("half", written=["y"])]
    with pytest.raises(PartialWrite) as caught:
        made.add(["y", "z"], np.eye(2) + 1)
    assert not caught.value.retryable


def test_an_error_that_a_retry_cannot_help_is_raised_at_once(flaky: Flaky) -> None:
    made = collection(flaky)
    flaky.errors = [vstore.LimitExceeded("too large")]
    with pytest.raises(vstore.LimitExceeded):
        made.upsert(["a"], [[1.0, 2.0]])
    assert flaky.calls == ["upsert"]


def test_it_gives_up_after_so_many(flaky: Flaky) -> None:
    made = collection(flaky, retries=2)
    flaky.errors = [Unavailable(f"gone {n}") for n in range(9)]
    with pytest.raises(Unavailable, match="gone 2") as caught:
        made.count()
    assert flaky.calls == ["count"] * 3
    assert (caught.value.backend, caught.value.operation, caught.value.collection) == ("memory", "count", "abc")


def test_no_attempt_begins_after_the_timeout(flaky: Flaky, monkeypatch: pytest.MonkeyPatch) -> None:
    made = collection(flaky, retries=100, timeout=5.0)
    flaky.errors = [Unavailable("gone")] * 200
    clock, began = [0.0], []

    def pause(seconds: float) -> None:
        clock[0] += seconds
        began.append(clock[0])

    monkeypatch.setattr("vstore.core._sync.retrying.monotonic", lambda: clock[0])
    monkeypatch.setattr("vstore.core._sync.retrying.sleep", pause)
    with pytest.raises(Unavailable):
        made.count()
    pauses = [end - begin for begin, end in zip([0.0, *began], began, strict=False)]
    assert all(0.5 <= pause / min(10, 0.1 * 2**n) <= 1 for n, pause in enumerate(pauses))
    assert len(flaky.calls) == 1 + len(pauses)
    assert 1.6 < began[-1] <= 5.0, "the next pause, of 3.2 seconds at most, would have ended later"


def test_a_scan_goes_on_behind_the_last_page(flaky: Flaky) -> None:
    made = collection(flaky)
    seen = []
    for page in made.scan(batch_size=1):
        seen += page.records.ids
        flaky.errors = [Unavailable("gone")]
    assert seen == ["a", "b", "c"]


def test_what_an_attempt_has_written_is_told_though_the_last_one_wrote_nothing(flaky: Flaky) -> None:
    made = collection(flaky, retries=2)
    flaky.errors = [
        PartialWrite("half", written=["a"]),
        PartialWrite("more", written=["b", "a"]),
        Unavailable("gone"),
    ]
    with pytest.raises(PartialWrite, match="gone") as caught:
        made.upsert(["a", "b", "c"], np.eye(3, 2))
    assert caught.value.written == ["a", "b"]
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, Unavailable)


def test_the_async_form_does_the_same(flaky: Flaky) -> None:
    async def work() -> tuple[int, list[str]]:
        store = AsyncStore(AsyncRetryingAdapter(ThreadedAdapter(flaky), AsyncRetry(3, 5.0)))
        made = await store.create_collection("abc", dimension=2, metric="l2")
        flaky.errors = [Unavailable("gone")]
        await made.upsert(["a", "b"], np.eye(2) + 1)
        flaky.errors = [Unavailable("gone")]
        seen = []
        async for page in made.scan(batch_size=1):
            seen += page.records.ids
            flaky.errors = [Unavailable("gone")]
        return await made.count(), seen

    assert asyncio.run(work()) == (2, ["a", "b"])


@pytest.mark.parametrize("retries", [-1, 101, 1.0, True, "3"])
def test_a_number_that_is_none_is_refused(retries: Any) -> None:
    with pytest.raises(vstore.InvalidInput, match="retries"):
        vstore.connect("memory:", retries=retries)
    with pytest.raises(vstore.InvalidInput, match="retries"):
        vstore.connect("memory:?retries=many")


def test_connecting_is_repeated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that listens from the first pause on; what it is does not matter here."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        url = f"postgresql://u@127.0.0.1:{found.getsockname()[1]}/d"
        begun = threading.Event()
        answered: list[bytes] = []

        def answer() -> None:
            connection, _ = found.accept()
            with connection:
                answered.append(connection.recv(1024))

        answering = threading.Thread(target=answer)

        def pause(seconds: float) -> None:
            if not begun.is_set():
                begun.set()
                found.settimeout(30)
                found.listen()
                answering.start()

        monkeypatch.setattr("vstore.core._sync.retrying.sleep", pause)
        with pytest.raises(Unavailable):
            vstore.connect(url, timeout=20.0)
        assert not begun.is_set(), "without retries= it is tried once"
        with pytest.raises(Unavailable):
            vstore.connect(url, timeout=20.0, retries=1)
        answering.join()
    assert answered
