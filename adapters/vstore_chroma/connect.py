"""Connects: a client, the capabilities it reports, the lock, and how to close."""

from __future__ import annotations

import asyncio
from functools import partial
from threading import Lock
from typing import Final

import chromadb
from chromadb.api import AsyncClientAPI, ClientAPI

from vstore.capabilities import Capabilities
from vstore.errors import InvalidInput
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.threaded import ThreadedAdapter
from vstore.spi.translation import redacting
from vstore.spi.urls import StoreURL
from vstore_chroma._async.adapter import AsyncChromaAdapter
from vstore_chroma._sync.adapter import ChromaAdapter
from vstore_chroma.capabilities import capabilities
from vstore_chroma.clients import (
    close_client,
    close_client_async,
    is_async,
    open_client,
    open_client_async,
    persistent,
)
from vstore_chroma.embedded import Directory
from vstore_chroma.errors import guarded
from vstore_chroma.forking import check_own
from vstore_chroma.options import read_target

__all__ = ["borrow", "borrow_async", "connect", "connect_async"]

# Chroma's engine holds the interpreter's lock during a call: in worker threads too, an event loop stands
# still for as long. In parts of this many rows it runs in between.
_ROWS_BESIDE_A_LOOP: Final = 256


def connect(url: StoreURL, settings: Settings, most_rows: int | None = None) -> Adapter:
    """Return a sync adapter for a URL, which sends at most ``most_rows`` at once."""
    target = read_target(url, settings)
    directory = Directory(target.path) if target.kind == "directory" else None
    client: ClientAPI | None = None

    def close() -> None:
        try:
            if client is not None:
                close_client(client)
        finally:
            if directory is not None:
                directory.release()

    try:
        with redacting(target.secrets), guarded():
            client = open_client(target, settings.timeout)
            record = _record(client, client.get_version(), client.get_max_batch_size(), most_rows)
    except BaseException:
        close()
        raise
    lock = directory.writing if directory is not None else Lock()
    return ChromaAdapter(client, record, lock, close, target.secrets)


async def connect_async(url: StoreURL, settings: Settings) -> AsyncAdapter:
    """Return an async adapter for a URL: chromadb has async clients for servers only."""
    target = read_target(url, settings)
    if target.kind != "server":
        return await ThreadedAdapter.connect(partial(connect, url, settings, _ROWS_BESIDE_A_LOOP))
    with redacting(target.secrets), guarded():
        client = await open_client_async(target, settings.timeout)
        try:
            record = _record(client, await client.get_version(), await client.get_max_batch_size())
        except BaseException:
            await close_client_async(client)
            raise

    async def close() -> None:
        await close_client_async(client)

    return AsyncChromaAdapter(client, record, asyncio.Lock(), close, target.secrets)


def borrow(
    client: object,
    settings: Settings,  # noqa: ARG001  # the client has its own
    most_rows: int | None = None,
) -> Adapter:
    """Return a sync adapter over a client that stays open."""
    if is_async(client):
        raise InvalidInput("this is an async client of chromadb", hint="Use vstore.aio.connect(client=…).")
    if not isinstance(client, ClientAPI):
        raise InvalidInput(f"client= takes a client of chromadb, not its {type(client).__name__}")
    check_own(client)
    with guarded():
        record = _record(client, client.get_version(), client.get_max_batch_size(), most_rows)
    return ChromaAdapter(client, record, Lock(), lambda: None, ())


async def borrow_async(client: object, settings: Settings) -> AsyncAdapter:
    """Return an async adapter over a client that stays open."""
    if not isinstance(client, AsyncClientAPI):
        return await ThreadedAdapter.connect(partial(borrow, client, settings, _ROWS_BESIDE_A_LOOP))
    check_own(client)
    with guarded():
        record = _record(client, await client.get_version(), await client.get_max_batch_size())

    async def close() -> None:
        pass

    return AsyncChromaAdapter(client, record, asyncio.Lock(), close, ())


def _record(
    client: ClientAPI | AsyncClientAPI, version: str, max_rows: int, most_rows: int | None = None
) -> Capabilities:
    mode, lasting = persistent(client)
    return capabilities(
        server_version=version,
        client_version=chromadb.__version__,
        mode=mode,
        persistent=lasting,
        max_rows=min(max_rows, most_rows or max_rows),
    )
