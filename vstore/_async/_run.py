"""What differs between the async core and its sync twin; both are hand-written."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from vstore.embedding import AsyncEmbedder, Embedder
from vstore.types import VectorArray

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["embed", "run_blocking", "sleep", "wait"]


async def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of ``function``, without blocking the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def embed(embedder: Embedder, texts: Sequence[str]) -> VectorArray:
    """What the embedder answers, without blocking the event loop."""
    if isinstance(embedder, AsyncEmbedder):
        return await embedder.embed_async(texts)
    return await run_blocking(embedder.embed, texts)


async def wait(future: Future[T]) -> T:
    """The result of work that another thread or task does; giving up waiting leaves the work alone."""
    return await asyncio.shield(asyncio.wrap_future(future))
