"""An async store whose event loop is gone can be closed: its connections, its pool, its embedded server (CON-4)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

import vstore.aio
from vstore import errors
from vstore_pgvector._async._run import AsyncBoundedConnection

_PROGRAM = """
import asyncio, gc, sys
import vstore.aio

async def uses(url):
    store = await vstore.aio.connect(url, pool_size=3)
    docs = await store.create_collection("docs", dimension=2, exist_ok=True)
    await asyncio.gather(*[docs.count() for _ in range(9)])
    return store

url, how = sys.argv[1:]
if how == "run":
    store = asyncio.run(uses(url))
else:  # its tasks are not even cancelled
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(uses(url))
    loop.close()
asyncio.run(store.close())
asyncio.run(store.close())
del store
gc.collect()
print("done")
"""


def _run(url: str, how: str) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", _PROGRAM, url, how]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr
    for word in ("Traceback", "ResourceWarning", "never awaited", "destroyed", "closed"):
        assert word not in ran.stderr, ran.stderr


@pytest.mark.parametrize("how", ["run", "loop"])
def test_closing_when_the_loop_is_gone(url: str, sql: psycopg.Connection[Any], how: str) -> None:
    _run(url, how)


def test_the_connections_are_gone_at_once(url: str, sql: psycopg.Connection[Any]) -> None:
    """They do not wait for the garbage collector."""

    async def uses() -> vstore.aio.Store:
        store = await vstore.aio.connect(url, application_name="of a loop that is gone")
        docs = await store.create_collection("docs", dimension=2)
        await asyncio.gather(*[docs.count() for _ in range(9)])
        return store

    def connected() -> int:
        statement = "select count(*) from pg_stat_activity where application_name = 'of a loop that is gone'"
        row = sql.execute(statement).fetchone()
        assert row is not None
        return int(row[0])

    store = asyncio.run(uses())
    assert connected() > 0
    asyncio.run(store.close())
    end = time.monotonic() + 30
    while connected() and time.monotonic() < end:
        time.sleep(0.05)
    assert connected() == 0

    async def call() -> None:
        with pytest.raises(errors.Closed):
            await store.ping()

    asyncio.run(call())


def test_who_keeps_the_error_of_a_cancelled_attempt_keeps_no_connection() -> None:
    """psycopg-pool logs it, and a log may be kept."""
    with socket.create_server(("127.0.0.1", 0)) as silent:

        async def cancelled() -> tuple[asyncio.CancelledError, socket.socket]:
            port = silent.getsockname()[1]
            attempt = asyncio.ensure_future(
                AsyncBoundedConnection.connect("host=127.0.0.1 sslmode=disable gssencmode=disable", port=port)
            )
            accepted, _ = await asyncio.to_thread(silent.accept)
            assert await asyncio.to_thread(accepted.recv, 1024)  # the attempt waits for an answer
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await attempt
            return caught.value, accepted

        error, accepted = asyncio.run(cancelled())
        with accepted:
            accepted.settimeout(10)
            assert accepted.recv(1024) == b"", error


def test_the_embedded_server_stops(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    _run(f"pgvector:{folder}", "run")
    assert not (folder / "postmaster.pid").exists()
