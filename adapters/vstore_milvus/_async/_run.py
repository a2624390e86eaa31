"""What differs between the async adapter and its sync twin; both are hand-written."""

from __future__ import annotations

import asyncio
from asyncio import Condition, Lock, sleep
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from inspect import isawaitable
from typing import Any, ParamSpec, TypeAlias, TypeVar

from pymilvus import AsyncMilvusClient

__all__ = ["Closer", "Condition", "Guard", "Lock", "bounded", "calling", "compute", "connection", "nothing", "sleep"]

P = ParamSpec("P")
T = TypeVar("T")

Closer: TypeAlias = Callable[[], Awaitable[None]]
Guard: TypeAlias = AbstractAsyncContextManager[Any]


class nothing:  # noqa: N801  # as contextlib names its own nullcontext
    """A lock that locks nothing."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *error: object) -> None:
        pass


calling = nothing  # gRPC's own thread is inside it as long as there is an async client


async def bounded(call: Awaitable[T], seconds: float) -> T:
    """Return the result of a call that has this timeout of its own; ``TimeoutError`` a second after it.

    AsyncMilvusClient of pymilvus 2.6 waits for its connection without any.
    """
    return await asyncio.wait_for(call, seconds + 1)


async def connection(client: AsyncMilvusClient) -> Any:
    """Return what a client sends its requests by; pymilvus 3 waits for it, 2.6 does not."""
    found = client._get_connection()
    return await found if isawaitable(found) else found


async def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``function``, without keeping the event loop from its other tasks."""
    return await asyncio.to_thread(function, *args, **kwargs)
