"""A store belongs to its process, CON-3, and an async one to its event loop, CON-4."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import vstore
from vstore import Closed, VStoreError, aio
from vstore.conformance.checks import names, rows
from vstore.conformance.corpus import unique_name
from vstore.conformance.fixtures import clause
from vstore.conformance.forked import in_child
from vstore.conformance.session import Session

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork"),
]


def _calls(store: Any, c: Any) -> list[Callable[[], Any]]:
    return [
        store.ping,
        store.list_collections,
        lambda: store.get_collection(c.name),
        lambda: store.create_collection("another", dimension=4),
        lambda: store.delete_collection(c.name),
        lambda: c.upsert(["x"], rows(1)),
        lambda: c.get(["r0"]),
        lambda: c.query(vector=rows(1)[0], k=3),
        c.count,
        c.clear,
    ]


def _outcome(call: Callable[[], Any]) -> str:
    """The kind of error, or nothing; an async call is begun, and says at once what a refusal is."""
    try:
        begun = call()
        if asyncio.iscoroutine(begun):
            begun.send(None)
    except StopIteration:
        return ""
    except VStoreError as error:
        return type(error).__name__
    return ""


@clause("CON-3")
def test_a_forked_child_is_refused_and_does_no_harm(session: Session) -> None:
    session.release()
    with vstore.connect(session.target.url) as store:
        c = store.create_collection(unique_name(), dimension=4)
        try:
            c.add(names(10), rows(10))
            pages = c.scan(batch_size=4)
            read = list(next(pages).records.ids)
            for _ in range(2):
                calls = [*_calls(store, c), lambda: next(pages)]
                said = in_child(lambda calls=calls: [*map(_outcome, calls), _outcome(store.close)])  # type: ignore[misc]
                assert said == ["Closed"] * len(calls) + [""]
                c.upsert(names(10), rows(10), metadatas=[{"n": 1}] * 10)
                assert c.count() == 10
            read += [one for page in pages for one in page.records.ids]
            assert sorted(read) == sorted(names(10))
        finally:
            store.delete_collection(c.name)


@clause("CON-3")
def test_a_forked_child_of_an_async_store_is_refused_and_does_no_harm(session: Session) -> None:
    session.release()

    async def body() -> None:
        async with aio.connect(session.target.url) as store:
            c = await store.create_collection(unique_name(), dimension=4)
            try:
                await c.add(names(10), rows(10))
                calls = _calls(store, c)
                said = in_child(lambda: [*map(_outcome, calls), _outcome(store.close)])
                assert said == ["Closed"] * len(calls) + [""]
                assert await c.count() == 10
            finally:
                await store.delete_collection(c.name)

    asyncio.run(body())


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    try:
        yield made
    finally:
        made.run_until_complete(made.shutdown_asyncgens())
        made.run_until_complete(made.shutdown_default_executor())
        made.close()


@clause("CON-4")
def test_another_event_loop_is_refused(session: Session) -> None:
    session.release()
    with _loop() as home:

        async def begin() -> tuple[aio.AsyncStore, aio.AsyncCollection]:
            store = await aio.connect(session.target.url)
            return store, await store.create_collection(unique_name(), dimension=4)

        async def elsewhere() -> None:
            for call in [*_calls(store, c), store.close]:
                with pytest.raises(Closed):
                    await call()

        store, c = home.run_until_complete(begin())
        asyncio.run(elsewhere())
        home.run_until_complete(c.add(names(3), rows(3)))
        assert home.run_until_complete(c.count()) == 3
        home.run_until_complete(store.delete_collection(c.name))
        home.run_until_complete(store.close())


@clause("CON-4")
def test_what_a_loop_that_is_over_left_open_is_released(session: Session) -> None:
    session.release()

    async def begin() -> tuple[aio.AsyncStore, aio.AsyncCollection]:
        store = await aio.connect(session.target.url)
        c = await store.create_collection(unique_name(), dimension=4)
        await c.add(names(3), rows(3))
        return store, c

    with _loop() as home:
        store, c = home.run_until_complete(begin())

    async def close() -> None:
        with pytest.raises(Closed):
            await c.count()
        await store.close()
        await store.close()

    asyncio.run(close())
    if store.capabilities.persistent:
        assert session.elsewhere("result = store.get_collection(name).count()", name=c.name) == 3
        session.store.delete_collection(c.name)


@clause("CON-4")
def test_a_sync_store_serves_whatever_loop_runs(session: Session) -> None:
    session.release()

    async def count(c: vstore.Collection) -> int:
        return c.count()

    with vstore.connect(session.target.url) as store:
        c = store.create_collection(unique_name(), dimension=4)
        try:
            assert asyncio.run(count(c)) == asyncio.run(count(c)) == c.count() == 0
        finally:
            store.delete_collection(c.name)
