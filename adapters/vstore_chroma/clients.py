"""Chroma clients that can be closed, that time out, and that share nothing with others.

chromadb 1.5.9 keeps its engines ("systems") in one registry per process. That makes every in-memory
client the same database, refuses a client whose settings differ from an earlier one's, and never lets
go of an HTTP client's sockets. The classes here are chromadb's own clients, but each with a system of its own.
A directory is the exception: there the shared engine is what keeps two clients of one process in step.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import chromadb
import httpx
import numpy as np
from chromadb.api import AsyncClientAPI, AsyncServerAPI, ClientAPI, ServerAPI
from chromadb.api.async_client import AsyncClient
from chromadb.api.client import Client
from chromadb.config import Settings, System
from chromadb.telemetry.product import ProductTelemetryClient

from vstore_chroma.forking import check_engine, own
from vstore_chroma.options import DEFAULT_DATABASE, DEFAULT_TENANT, Target

__all__ = ["close_client", "close_client_async", "is_async", "open_client", "open_client_async", "persistent"]

# The pool of httpx looks at every idle connection whenever a request begins or ends. With 64 at once that takes the
# client longer than all the rest of a request. It sends about 500 in a second, for which so many at once suffice where
# an answer takes 30 ms.
_AT_ONCE: Final = 16


def _settings(**more: Any) -> Settings:
    return Settings(anonymized_telemetry=False, **more)


def _http_settings(target: Target, implementation: str) -> Settings:
    return _settings(
        chroma_api_impl=implementation,
        chroma_server_host=f"[{target.host}]" if ":" in target.host else target.host,
        chroma_server_http_port=target.port,
        chroma_server_ssl_enabled=target.tls,
        # left unset, the async client of chromadb 1.5.9 takes any certificate (async_fastapi.py, `verify=… or False`)
        chroma_server_ssl_verify=True if target.tls else None,
        chroma_server_headers=dict(target.headers),
    )


def _start(settings: Settings) -> System:
    system = System(settings)
    own(system)
    system.instance(ProductTelemetryClient)  # type: ignore[type-abstract]  # System finds the concrete class
    return system


class _OwnClient(Client):
    """A sync client on a system of its own."""

    def __init__(self, settings: Settings, tenant: str, database: str, timeout: float | None = None) -> None:
        self._own = _start(settings)
        self._server = self._own.instance(ServerAPI)  # type: ignore[type-abstract]  # likewise
        self._own.start()
        self.tenant, self.database = tenant, database
        if timeout is not None:
            # FastAPI builds its session with timeout=None, and no setting reaches it
            self._server._session.timeout = httpx.Timeout(timeout)  # type: ignore[attr-defined]  # HTTP only

    @property
    def _system(self) -> System:
        return self._own

    def _validate_tenant_database(self, tenant: str, database: str) -> None:
        self._server.get_tenant(tenant)
        self._server.get_database(database, tenant)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            session = getattr(self._server, "_session", None)
            if session is not None:
                session.close()  # System.stop leaves it open
            self._own.stop()


class _Sessions(dict[int, httpx.AsyncClient]):
    """AsyncFastAPI's sessions by event loop, each given a timeout as it comes."""

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._timeout = httpx.Timeout(timeout)
        self._loops: dict[int, asyncio.AbstractEventLoop] = {}

    def __setitem__(self, number: int, session: httpx.AsyncClient) -> None:
        session.timeout = self._timeout
        self._loops[number] = asyncio.get_running_loop()
        super().__setitem__(number, session)

    async def close(self) -> None:
        """Closes all of them, those of an event loop that is over as well."""
        while self:
            number, session = self.popitem()
            if self._loops.pop(number).is_closed():
                _cut(session)
            else:
                await session.aclose()


def _cut(session: httpx.AsyncClient) -> None:
    """Closes the sockets of a session of which nothing can be awaited any more."""
    for transport in (session._transport, *session._mounts.values()):
        pool = getattr(transport, "_pool", None)
        for connection in pool.connections if pool is not None else ():
            stream = getattr(connection._connection, "_network_stream", None)
            wrapped = stream.get_extra_info("socket") if stream is not None else None
            if wrapped is not None:
                wrapped._sock.close()  # asyncio hands out a socket that cannot be closed


def _in_turn(request: Callable[..., Awaitable[Any]], timeout: float) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return what makes requests, of which ``_AT_ONCE`` are under way at once; others wait, in the order they came."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def make(*args: Any, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(timeout if turns.locked() else None):
                await turns.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout(f"{_AT_ONCE} requests are under way, and none of them has ended") from None
        try:
            return await request(*args, **kwargs)
        finally:
            turns.release()

    return make


class _OwnAsyncClient(AsyncClient):
    """An async client on a system of its own."""

    def __init__(self, settings: Settings, tenant: str, database: str, timeout: float) -> None:
        self._own = _start(settings)
        self._server = self._own.instance(AsyncServerAPI)  # type: ignore[type-abstract]  # likewise
        # the class shares one dict of sessions among all its objects: the second client of an event
        # loop would send the headers, the token among them, of the first
        self._server._clients = _Sessions(timeout)  # type: ignore[attr-defined]  # HTTP only
        self._server._make_request = _in_turn(self._server._make_request, timeout)  # type: ignore[attr-defined]
        self.tenant, self.database = tenant, database

    @property
    def _system(self) -> System:
        return self._own

    async def _validate_tenant_database(self, tenant: str, database: str) -> None:
        await self._server.get_tenant(tenant)
        await self._server.get_database(database, tenant)


def open_client(target: Target, timeout: float) -> ClientAPI:
    """Return a sync client for a target; for a server it was tried."""
    if target.kind != "server":
        check_engine(_try_engine, timeout)
    match target.kind:
        case "memory":
            return _OwnClient(_settings(), target.tenant, target.database)
        case "directory":
            return chromadb.PersistentClient(target.path, _settings(), target.tenant, target.database)
        case "server":
            settings = _http_settings(target, "chromadb.api.fastapi.FastAPI")
            client = _OwnClient(settings, target.tenant, target.database, timeout)
            try:
                client.set_tenant(target.tenant, target.database)
            except BaseException:
                client.close()
                raise
            return client


def _try_engine() -> None:
    with tempfile.TemporaryDirectory(prefix="vstore-chroma-") as folder:
        settings = _settings(is_persistent=True, persist_directory=folder)
        client = _OwnClient(settings, DEFAULT_TENANT, DEFAULT_DATABASE)
        tried = client.create_collection("tried", embedding_function=None)
        tried.add(ids=["a"], embeddings=np.ones((1, 2), np.float32))
        client.close()


async def open_client_async(target: Target, seconds: float) -> AsyncClientAPI:
    """Return an async client for a server, which was tried."""
    settings = _http_settings(target, "chromadb.api.async_fastapi.AsyncFastAPI")
    client = _OwnAsyncClient(settings, target.tenant, target.database, seconds)
    try:
        await client.set_tenant(target.tenant, target.database)
    except BaseException:
        await close_client_async(client)
        raise
    return client


def close_client(client: ClientAPI) -> None:
    """Closes a client of ``open_client``."""
    client.close()  # type: ignore[attr-defined]  # of Client, not of its interface


async def close_client_async(client: AsyncClientAPI) -> None:
    """Closes a client of ``open_client_async``: chromadb has no call for it."""
    await client._server._clients.close()  # type: ignore[attr-defined]


def is_async(client: object) -> bool:
    """Return whether a client is chromadb's async one."""
    return isinstance(client, AsyncClientAPI)


def persistent(client: ClientAPI | AsyncClientAPI) -> tuple[str, bool]:
    """Return the mode of a client, and whether its data outlives it."""
    settings = client.get_settings()
    if settings.chroma_api_impl.endswith("FastAPI"):
        return "server", True
    return "embedded", bool(settings.is_persistent)
