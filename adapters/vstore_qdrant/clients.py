"""Clients of qdrant_client with every timeout set, and how an async one is closed after its event loop."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any

import httpx
from qdrant_client import AsyncQdrantClient, QdrantClient

from vstore_qdrant.options import Target

__all__ = ["close_client_async", "open_client", "open_client_async"]


def open_client(target: Target, timeout: float) -> QdrantClient:
    """Return a sync client for a server; it connects with its first call."""
    client = QdrantClient(**_arguments(target, timeout))
    client.http.client._client.timeout = httpx.Timeout(timeout)
    return client


def open_client_async(target: Target, seconds: float) -> AsyncQdrantClient:
    """Return an async client for a server; it connects with its first call."""
    client = AsyncQdrantClient(**_arguments(target, seconds))
    client.http.client._async_client.timeout = httpx.Timeout(seconds)
    return client


async def close_client_async(client: AsyncQdrantClient, loop: asyncio.AbstractEventLoop) -> None:
    """Closes a client of ``open_client_async``, which ``loop`` has used."""
    if loop.is_closed():
        _cut(client)
    await client.close()


def _arguments(target: Target, timeout: float) -> dict[str, Any]:
    return {
        # the client puts it into a URL as it is
        "host": f"[{target.host}]" if ":" in target.host else target.host,
        "port": target.port,
        "https": target.tls,
        "prefix": target.prefix or None,
        "grpc_port": target.grpc_port,
        "prefer_grpc": target.prefer_grpc,
        "api_key": target.api_key or None,
        "timeout": math.ceil(timeout),
        # it would ask for the version in a thread of its own, and print what it thinks of it
        "check_compatibility": False,
    }


def _cut(client: AsyncQdrantClient) -> None:
    """Ends the connections that are kept alive, where the event loop in which they could be closed is over."""
    pool = client.http.client._async_client._transport._pool  # type: ignore[attr-defined]
    for connection in pool.connections:
        stream = getattr(connection._connection, "_network_stream", None)
        with suppress(OSError):
            if stream is not None:
                stream.get_extra_info("socket").shutdown(SHUT_RDWR)
    pool._connections.clear()
