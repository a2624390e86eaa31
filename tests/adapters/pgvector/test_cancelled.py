"""A task that is cancelled leaves the store as many connections as it had."""

from __future__ import annotations

import asyncio

import vstore.aio
from vstore_pgvector._async.session import AsyncPoolSession


def test_a_connection_comes_back_though_the_task_is_cancelled_while_it_gives_it_back(url: str) -> None:
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
