"""What differs between the async adapter and its sync twin; both are hand-written."""

from __future__ import annotations

import asyncio
from asyncio import Condition, Lock, sleep
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from inspect import isawaitable
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from pymilvus import AsyncMilvusClient
from pymilvus.client.utils import check_status
from pymilvus.decorators import retry_on_rpc_failure
from pymilvus.grpc_gen.milvus_pb2 import SearchRequest

__all__ = [
    "MADE",
    "Closer",
    "Condition",
    "Guard",
    "Lock",
    "bounded",
    "calling",
    "compute",
    "connection",
    "nothing",
    "search",
    "sleep",
]

P = ParamSpec("P")
T = TypeVar("T")

Closer: TypeAlias = Callable[[], Awaitable[None]]
Guard: TypeAlias = AbstractAsyncContextManager[Any]

# What goes with a request that is made already. Given a schema AsyncGrpcHandler fails, as it passes it on twice
# (pymilvus 2.6.4 and 3.0.2); it keeps that of a collection once it has asked for it.
MADE: Final[dict[str, Any]] = {}


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
    async with asyncio.timeout(seconds + 1):  # which makes no task of it, as wait_for does
        return await call


async def connection(client: AsyncMilvusClient) -> Any:
    """Return what a client sends its requests by; pymilvus 3 waits for it, 2.6 does not."""
    found = client._get_connection()
    return await found if isawaitable(found) else found


@retry_on_rpc_failure()  # type: ignore[untyped-decorator]
async def search(sender: Any, request: SearchRequest, *, timeout: float, metadata: Any) -> Any:  # noqa: ASYNC109
    """Return what a search that is made already answers."""
    answer = await sender._async_stub.Search(request, timeout=timeout, metadata=metadata)
    check_status(answer.status)
    return answer.results


async def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``function``, without keeping the event loop from its other tasks."""
    return await asyncio.to_thread(function, *args, **kwargs)
