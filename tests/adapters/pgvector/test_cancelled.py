"""Connections go from call to call, and none is lost where a task is cancelled."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import psycopg_pool
import pytest

import vstore.aio
from vstore_pgvector._async import _run
from vstore_pgvector._async._run import AsyncBoundedConnection, AsyncPool
from vstore_pgvector._async.session import AsyncPoolSession


def test_a_connection_comes_back_though_the_task_is_cancelled_while_it_gives_it_back(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_run, "HELD_SECONDS", 0.0)  # so that none is kept at hand

    async def scenario() -> None:
        async with vstore.aio.connect(f"{url}&pool_size=1") as store:
            await store.ping()
            pool = store.native
            session = store._adapter._session  # type: ignore[attr-defined]
            assert isinstance(session, AsyncPoolSession)
            pinging = asyncio.create_task(store.ping())
            while not session._busy:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0)
            async with pool._lock:  # which whoever gives a connection back must have
                while session._busy:  # noqa: ASYNC110  # likewise
                    await asyncio.sleep(0.001)
                pinging.cancel()
                assert isinstance((await asyncio.gather(pinging, return_exceptions=True))[0], asyncio.CancelledError)
            await pool.putconn(await pool.getconn(timeout=20))

    asyncio.run(scenario())


async def _is_whole(pool: AsyncPool) -> None:
    lent = [await pool.lend(5.0) for _ in range(pool.max_size)]
    for connection in lent:
        await pool.give_back(connection)
    assert (pool._out, len(pool._turns), pool._asking) == (0, 0, 0)


def test_calls_that_are_cancelled_at_any_moment_leave_a_connection_for_the_others(url: str) -> None:
    async def scenario() -> None:
        chance = random.Random(7)
        async with vstore.aio.connect(f"{url}&pool_size=2") as store:
            for _ in range(10):
                tasks = [asyncio.create_task(store.ping()) for _ in range(20)]
                await asyncio.sleep(chance.uniform(0, 0.004))
                for task in chance.sample(tasks, 12):
                    task.cancel()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(one is None or isinstance(one, asyncio.CancelledError) for one in found)
                assert found.count(None) >= 8
            await _is_whole(store.native)

    asyncio.run(scenario())


def test_a_connection_that_comes_when_its_task_is_cancelled_goes_to_the_next(url: str) -> None:
    async def scenario() -> None:
        async with vstore.aio.connect(f"{url}&pool_size=1") as store:
            pool = store.native
            connection = await pool.lend(5.0)
            first, second = (asyncio.create_task(pool.lend(5.0)) for _ in range(2))
            await asyncio.sleep(0)
            await pool.give_back(connection)
            first.cancel()
            assert await second is connection
            assert first.cancelled()
            with pytest.raises(psycopg_pool.PoolTimeout):
                await pool.lend(0.01)
            third = asyncio.create_task(pool.lend(5.0))
            await asyncio.sleep(0)
            await connection.close()
            await pool.give_back(connection)  # which nobody gets
            renewed = await third
            assert not renewed.closed
            await pool.give_back(renewed)
            await _is_whole(pool)

    asyncio.run(scenario())


def test_who_is_sent_to_the_pool_waits_there_no_longer_than_is_left(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with vstore.aio.connect(f"{url}&pool_size=1") as store:
            pool = store.native
            connection = await pool.lend(5.0)
            waiting = asyncio.create_task(pool.lend(20.0))
            await asyncio.sleep(0.5)
            left: list[float] = []
            plain = pool.getconn

            async def getconn(seconds: float) -> AsyncBoundedConnection:
                left.append(seconds)
                return await plain(seconds)

            monkeypatch.setattr(pool, "getconn", getconn)
            await connection.close()
            await pool.give_back(connection)
            await pool.give_back(await waiting)
            assert len(left) == 1
            assert left[0] < 19.9

    asyncio.run(scenario())


def test_calls_leave_connections_to_the_application(url: str) -> None:
    async def scenario() -> None:
        async with vstore.aio.connect(f"{url}&pool_size=1") as store:
            over = False

            async def ask() -> None:
                while not over:
                    await store.ping()

            asking = [asyncio.create_task(ask()) for _ in range(4)]
            await asyncio.sleep(0.01)
            mine = await store.native.getconn(timeout=10)
            over = True
            await store.native.putconn(mine)
            await asyncio.gather(*asking)
            await _is_whole(store.native)

    asyncio.run(scenario())


def test_closing_ends_the_calls_that_wait_for_a_connection(url: str) -> None:
    async def scenario() -> None:
        async with vstore.aio.connect(f"{url}&pool_size=1") as store:
            connection = await store.native.lend(5.0)
            waiting = [asyncio.create_task(store.native.lend(20.0)) for _ in range(3)]
            await asyncio.sleep(0)
            await store.close()
            ended = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(one, psycopg_pool.PoolClosed) for one in ended), ended
            await store.native.give_back(connection)

    asyncio.run(scenario())


def test_a_thread_that_waits_gets_the_connection_that_comes_back(url: str) -> None:
    with vstore.connect(f"{url}&pool_size=1") as store:
        pool = store.native
        for _ in range(2):
            connection = pool.lend(5.0)
            with ThreadPoolExecutor(1) as threads:
                waiting = threads.submit(pool.getconn, 5.0)
                while not pool._waiting:
                    sleep(0.001)
                pool.give_back(connection)
                pool.give_back(waiting.result())
        assert pool._at_hand is connection
        with pool.connection(1.0) as other:
            assert other is connection
        pool.give_back(pool.lend(5.0))
    assert connection.closed
