"""Connects: a client, the capabilities it reports, the locks, and how to close."""

from __future__ import annotations

import asyncio
import re
from contextlib import nullcontext
from functools import partial
from threading import Lock
from typing import Final

import pymilvus
from pymilvus import AsyncMilvusClient, MilvusClient

from vstore.capabilities import Capabilities
from vstore.errors import InvalidInput, Unsupported
from vstore.spi.forking import in_children
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.threaded import ThreadedAdapter
from vstore.spi.translation import redacting
from vstore.spi.urls import StoreURL
from vstore_milvus._async._run import bounded, nothing
from vstore_milvus._async.adapter import AsyncMilvusAdapter
from vstore_milvus._async.locks import AsyncDatabaseLocks
from vstore_milvus._async.session import AsyncSession
from vstore_milvus._sync.adapter import MilvusAdapter
from vstore_milvus._sync.locks import DatabaseLocks
from vstore_milvus._sync.session import Session
from vstore_milvus.capabilities import capabilities
from vstore_milvus.clients import load_scipy, open_client, open_client_async
from vstore_milvus.embedded import LiteFile
from vstore_milvus.errors import guarded
from vstore_milvus.options import Target, read_target

__all__ = ["borrow", "borrow_async", "check_client", "connect", "connect_async"]

_OLDEST: Final = (2, 6, 4)


def connect(url: StoreURL, settings: Settings) -> Adapter:
    """Return a sync adapter for a URL."""
    target = read_target(url, settings)
    secrets = _secrets(target.token)
    file = LiteFile(target.path) if target.path else None
    client: MilvusClient | None = None

    def close() -> None:
        try:
            if client is not None:
                client.close()
        finally:
            if file is not None:
                file.release()

    try:
        with redacting(secrets), guarded():
            client = open_client(target, file.uri if file is not None else target.uri, settings.timeout)
            record = _record(client.get_server_version(timeout=settings.timeout))
    except BaseException:
        close()
        raise
    guard = file.lock if file is not None else nullcontext()
    held = file.held if file is not None else None
    return MilvusAdapter(Session(client, record, settings.timeout, guard, _locks(target), held), close, secrets)


async def connect_async(url: StoreURL, settings: Settings) -> AsyncAdapter:
    """Return an async adapter for a URL; Milvus Lite computes in this process, and so runs in worker threads."""
    target = read_target(url, settings)
    if target.path:
        return await ThreadedAdapter.connect(partial(connect, url, settings))
    secrets = _secrets(target.token)
    client = open_client_async(target, target.uri, settings.timeout)
    with redacting(secrets), guarded():
        try:
            record = _record(await bounded(client.get_server_version(timeout=settings.timeout), settings.timeout))
        except BaseException:
            await client.close()
            raise
    session = AsyncSession(client, record, settings.timeout, nothing(), AsyncDatabaseLocks())
    return AsyncMilvusAdapter(session, client.close, secrets)


def borrow(client: object, settings: Settings) -> Adapter:
    """Return a sync adapter over a client that stays open."""
    if isinstance(client, AsyncMilvusClient):
        raise InvalidInput("this is an async client of pymilvus", hint="Use vstore.aio.connect(client=…).")
    if not isinstance(client, MilvusClient):
        raise InvalidInput(f"client= takes a MilvusClient of pymilvus, not its {type(client).__name__}")
    with guarded():
        record = _record(client.get_server_version(timeout=settings.timeout))
    guard = Lock() if record.mode == "embedded" else nullcontext()
    return MilvusAdapter(Session(client, record, settings.timeout, guard, DatabaseLocks()), lambda: None, ())


async def borrow_async(client: object, settings: Settings) -> AsyncAdapter:
    """Return an async adapter over a client that stays open."""
    if not isinstance(client, AsyncMilvusClient):
        return await ThreadedAdapter.connect(partial(borrow, client, settings))
    with guarded():
        record = _record(await bounded(client.get_server_version(timeout=settings.timeout), settings.timeout))

    async def close() -> None:
        pass

    guard = asyncio.Lock() if record.mode == "embedded" else nothing()
    return AsyncMilvusAdapter(AsyncSession(client, record, settings.timeout, guard, AsyncDatabaseLocks()), close, ())


_all_locks: dict[tuple[str, str, str], DatabaseLocks] = {}
# what other threads hold while this process forks is never given back in the child
in_children(_all_locks.clear)


def _locks(target: Target) -> DatabaseLocks:
    """Return the locks of all sync stores of this process on one database.

    They share what pymilvus knows of the time of their last write, which it overwrites with an earlier one
    where the answer to that came later: with one write at a time it does not.
    """
    return _all_locks.setdefault((target.path, target.uri, target.database), DatabaseLocks())  # one step, in any thread


def _secrets(token: str) -> tuple[str, ...]:
    _, _, password = token.partition(":")
    return tuple(filter(None, (token, password)))


def _record(reported: str) -> Capabilities:
    check_client(pymilvus.__version__)
    load_scipy()
    return capabilities(reported=reported, client_version=pymilvus.__version__)


def check_client(version: str) -> None:
    """Raises ``Unsupported`` for a pymilvus that would store JSON text as one JSON string, before 2.6.4."""
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if found < _OLDEST:
        raise Unsupported(
            f"pymilvus {version} is too old: {'.'.join(map(str, _OLDEST))} or later is needed",
            hint="Install it with pip install 'vstore-db[milvus]'.",
        )
