"""Connects: a session, the server or directory it reaches, and how to close."""

from __future__ import annotations

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from vstore.errors import InvalidInput, VStoreError
from vstore.spi._async._run import acquire
from vstore.spi.protocol import Settings
from vstore.spi.urls import StoreURL
from vstore_pgvector import embedded
from vstore_pgvector._async._run import run_blocking
from vstore_pgvector._async.adapter import AsyncPGAdapter
from vstore_pgvector._async.borrowed import AsyncBorrowedSession
from vstore_pgvector._async.session import AsyncPoolSession
from vstore_pgvector.errors import translate
from vstore_pgvector.options import read_target

__all__ = ["borrow_async", "connect_async"]


async def connect_async(url: StoreURL, settings: Settings) -> AsyncPGAdapter:
    """Connects to a server, or starts the embedded one and connects to it."""
    target = read_target(url, settings)
    try:
        conninfo = target.conninfo
        if target.folder is not None:
            folder = target.folder
            conninfo = await acquire(lambda: embedded.start(folder), lambda _: embedded.release(folder))
        try:
            session = AsyncPoolSession(conninfo, target.pool_size, target.timeout, prepare=target.prepare)
            await session.open()
            return AsyncPGAdapter(session, target)
        except BaseException:
            if target.folder is not None:
                await run_blocking(embedded.release, target.folder)
            raise
    except VStoreError:  # of which Timeout is an OSError too
        raise
    except (psycopg.Error, OSError) as error:
        kind = translate(error)
        kind.__cause__ = error
        kind.redact(target.secrets)
        raise kind from kind.__cause__


async def borrow_async(client: object, settings: Settings) -> AsyncPGAdapter:
    """Works through a connection or pool that the application has."""
    if not isinstance(client, AsyncConnection | AsyncConnectionPool):
        raise InvalidInput(
            f"{type(client).__qualname__} is no connection or pool of psycopg for this form of connect",
            hint="vstore.connect takes Connection and ConnectionPool, vstore.aio.connect their async forms too.",
        )
    target = read_target(None, settings)
    session = AsyncBorrowedSession(client, target.timeout, prepare=target.prepare)
    try:
        await session.probe()
        return AsyncPGAdapter(session, target)
    except VStoreError:  # of which Timeout is an OSError too
        raise
    except (psycopg.Error, OSError) as error:
        raise translate(error) from error
