"""Connects: a database, the capabilities it reports, the lock, and how to close."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from threading import Lock, RLock
from typing import Any, Final

from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.local.async_qdrant_local import AsyncQdrantLocal
from qdrant_client.local.qdrant_local import QdrantLocal

from vstore.capabilities import Capabilities
from vstore.errors import InvalidInput, Unsupported
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.threaded import ThreadedAdapter
from vstore.spi.urls import StoreURL
from vstore.wording import a_type
from vstore_qdrant._async.adapter import AsyncQdrantAdapter
from vstore_qdrant._async.client import AsyncClientDatabase
from vstore_qdrant._sync.adapter import QdrantAdapter
from vstore_qdrant._sync.client import ClientDatabase
from vstore_qdrant.capabilities import capabilities
from vstore_qdrant.clients import close_client_async, open_client, open_client_async
from vstore_qdrant.errors import guarded
from vstore_qdrant.options import read_target

__all__ = ["borrow", "borrow_async", "connect", "connect_async"]

# the first whose collections have metadata, in which vstore keeps what a collection is
_OLDEST_SERVER: Final = (1, 16)
_SUBSTRING_SERVER: Final = (1, 20)
# what qdrant_client's local mode keeps in a directory of its own
_LOCAL_MODE: Final = "meta.json"


def connect(url: StoreURL, settings: Settings) -> Adapter:
    """Return a sync adapter for a URL."""
    target = read_target(url, settings)
    match target.kind:
        case "memory":
            client = QdrantClient(":memory:")
            return _local(client, client.close)
        case "directory":
            return _directory(target.path)
        case "server":
            with guarded():
                client = open_client(target, settings.timeout)
                try:
                    record = _asked(client)
                except BaseException:
                    client.close()
                    raise
            database = ClientDatabase(client, nullcontext, client.close, local=False)
            return QdrantAdapter(database, record, Lock(), settings.secrets)


async def connect_async(url: StoreURL, settings: Settings) -> AsyncAdapter:
    """Return an async adapter for a URL: what runs in this process does so in worker threads."""
    target = read_target(url, settings)
    if target.kind != "server":
        return await ThreadedAdapter.connect(partial(connect, url, settings))
    with guarded():
        client = open_client_async(target, settings.timeout)
        try:
            record = await _asked_async(client)
        except BaseException:
            await client.close()
            raise
    loop = asyncio.get_running_loop()

    async def close() -> None:
        await close_client_async(client, loop)

    database = AsyncClientDatabase(client, nullcontext, close, local=False)
    return AsyncQdrantAdapter(database, record, asyncio.Lock(), settings.secrets)


def borrow(client: object, settings: Settings) -> Adapter:  # noqa: ARG001  # the client has its own
    """Return a sync adapter over a client that stays open."""
    if isinstance(client, AsyncQdrantClient):
        raise InvalidInput("this is an AsyncQdrantClient", hint="Use vstore.aio.connect(client=…).")
    if (path := _directory_of(client)) is not None:
        return _directory(path)
    if not isinstance(client, QdrantClient):
        raise InvalidInput(f"client= takes a QdrantClient, not {a_type(type(client))}")
    if isinstance(client._client, QdrantLocal):
        return _local(client, lambda: None)
    with guarded():
        record = _asked(client)
    return QdrantAdapter(ClientDatabase(client, nullcontext, lambda: None, local=False), record, Lock())


async def borrow_async(client: object, settings: Settings) -> AsyncAdapter:
    """Return an async adapter over a client that stays open."""
    if not isinstance(client, AsyncQdrantClient):
        return await ThreadedAdapter.connect(partial(borrow, client, settings))
    inner = client._client
    local = isinstance(inner, AsyncQdrantLocal)
    if isinstance(inner, AsyncQdrantLocal):
        record = _local_record(inner.persistent)
    else:
        with guarded():
            record = await _asked_async(client)

    async def close() -> None:
        pass

    # the async local mode waits for nothing, so that no second task can come in between
    return AsyncQdrantAdapter(AsyncClientDatabase(client, nullcontext, close, local=local), record, asyncio.Lock())


def _directory(path: str) -> Adapter:
    """Return an adapter over a directory, which another store of this process may have open."""
    if (Path(path) / _LOCAL_MODE).exists():
        with guarded():
            client = QdrantClient(path=path)
        return _local(client, client.close)
    try:
        from vstore_qdrant.embedded import EngineDatabase
    except ImportError as error:
        raise Unsupported(
            f"a directory is served by Qdrant's engine, which cannot be imported: {error}",
            hint="Install it with pip install 'vstore-db[qdrant-embedded]'.",
        ) from error
    package = version("qdrant-edge-py")
    record = capabilities(
        kind="engine", server_version=package, client_version=package, persistent=True, substring=True
    )
    database = EngineDatabase(path)
    return QdrantAdapter(database, record, database.writing)


def _directory_of(client: object) -> str | None:
    """Return the directory that a store's ``native`` stands for; the engine is imported if there is such a store."""
    engine = sys.modules.get("vstore_qdrant.embedded")
    return client.path if engine is not None and isinstance(client, engine.EngineDatabase) else None


def _local(client: QdrantClient, close: Any) -> Adapter:
    local = client._client
    assert isinstance(local, QdrantLocal)
    lock = RLock()
    return QdrantAdapter(
        ClientDatabase(client, lambda: lock, close, local=True), _local_record(local.persistent), Lock()
    )


def _local_record(persistent: bool) -> Capabilities:
    package = version("qdrant-client")
    return capabilities(
        kind="local",
        server_version=package,
        client_version=package,
        persistent=persistent,
        substring=hasattr(models, "MatchSubstring"),
    )


def _asked(client: QdrantClient) -> Capabilities:
    """Return what a server is, once it has taken the key: its version needs none, its collections do."""
    record = _server_record(client.info().version)
    client.get_collections()
    return record


async def _asked_async(client: AsyncQdrantClient) -> Capabilities:
    record = _server_record((await client.info()).version)
    await client.get_collections()
    return record


def _server_record(text: str) -> Capabilities:
    number = _number(text)
    if number < _OLDEST_SERVER:
        raise Unsupported(
            f"the server has version {text}", hint="vstore works with Qdrant 1.16 and later.", backend="qdrant"
        )
    return capabilities(
        kind="server",
        server_version=text,
        client_version=version("qdrant-client"),
        persistent=True,
        substring=number >= _SUBSTRING_SERVER and hasattr(models, "MatchSubstring"),
    )


def _number(text: str) -> tuple[int, int]:
    parts = text.lstrip("v").split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        raise Unsupported(f"this server's version cannot be read: {text!r:.40}") from None
