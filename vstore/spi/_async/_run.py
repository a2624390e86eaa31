"""What differs between the async core and its sync twin; both are hand-written."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import ParamSpec, TypeVar

from vstore.embedding import AsyncEmbedder, AsyncSparseEmbedder, Embedder, SparseEmbedder
from vstore.records import VectorArray
from vstore.sparse import SparseArray

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["acquire", "current_loop", "embed", "embed_sparse", "is_over", "new_lock", "run_blocking", "sleep", "wait"]


def current_loop() -> object:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def is_over(loop: object) -> bool:
    """Return whether an event loop was closed: nothing can run in it any more."""
    return isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed()


def new_lock() -> asyncio.Lock:
    """Return a lock for what is one step among tasks."""
    return asyncio.Lock()


async def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``function``, without blocking the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def acquire(take: Callable[[], T], give_back: Callable[[T], object]) -> T:
    """Return what ``take`` returns, without blocking the event loop; given back if the caller is cancelled meanwhile.

    The thread that takes it cannot be stopped, and would take it for nobody.
    """
    lock, taken, left = Lock(), list[T](), False

    def work() -> T:
        found = take()
        with lock:
            if not left:
                taken.append(found)
                return found
        give_back(found)
        return found

    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        with lock:
            left = True
        if taken:
            asyncio.get_running_loop().run_in_executor(None, give_back, taken[0])
        raise


async def embed(embedder: Embedder, texts: Sequence[str]) -> VectorArray:
    """Return what the embedder answers, without blocking the event loop."""
    if isinstance(embedder, AsyncEmbedder):
        return await embedder.embed_async(texts)
    return await run_blocking(embedder.embed, texts)


async def embed_sparse(embedder: SparseEmbedder, texts: Sequence[str]) -> SparseArray:
    """What the sparse embedder answers, without blocking the event loop."""
    if isinstance(embedder, AsyncSparseEmbedder):
        return await embedder.embed_sparse_async(texts)
    return await run_blocking(embedder.embed_sparse, texts)


async def wait(future: Future[T]) -> T:
    """Return the result of work that another thread or task does; giving up waiting leaves the work alone."""
    return await asyncio.shield(asyncio.wrap_future(future))
