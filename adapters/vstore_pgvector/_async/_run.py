"""Where the two ways of waiting differ; this file and its sync twin are hand-written."""

from __future__ import annotations

import asyncio
from asyncio import Lock
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from typing import Any, Final, ParamSpec, Self, TypeVar

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from vstore_pgvector.errors import ServerSilent
from vstore_pgvector.timeouts import bounded

__all__ = ["AsyncBoundedConnection", "AsyncPool", "Lock", "compute", "finishing", "patient", "run_blocking", "sleep"]

P = ParamSpec("P")
T = TypeVar("T")

sleep = asyncio.sleep
run_blocking = asyncio.to_thread

# From here on encoding or decoding takes longer (some ms) than the way to a worker thread and back (0.1 ms).
_MANY_ROWS: Final = 300


async def compute(rows: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``function`` over so many rows, without keeping the event loop from its other tasks."""
    if rows < _MANY_ROWS:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


async def finishing(function: Callable[P, Coroutine[Any, Any, None]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Calls ``function``, which comes to its end though the caller is cancelled meanwhile."""
    await asyncio.shield(asyncio.ensure_future(function(*args, **kwargs)))


class AsyncBoundedConnection(AsyncConnection[tuple[Any, ...]]):
    """A connection on which no wait lasts longer than ``patience`` seconds without a word from the server.

    Attributes:
        patience: Seconds; infinite until set.
        searching: The search settings in force on it, as ``set_config`` was last told.
        steady: Whether all its statements meet one session of the server.
    """

    patience: float = float("inf")
    searching: tuple[int, int] | None = None
    steady: bool = False

    @classmethod
    async def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """Connects. An attempt that is cancelled leaves no connection behind.

        The traceback of psycopg's exception holds the connection that was being made, and psycopg-pool 3.3.3 logs the
        exception: it would stay open for as long as anyone kept the record of the log.
        """
        try:
            return await super().connect(*args, **kwargs)
        except asyncio.CancelledError as error:
            raise error.with_traceback(None)  # noqa: B904  # the same exception

    async def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Consumes a generator of psycopg."""
        try:
            return await super().wait(bounded(gen, self.patience), *args, **kwargs)
        except ServerSilent:
            self.pgconn.finish()  # here, before an enclosing transaction tries to roll back and waits again
            raise


class _UntilCancelled:
    """The queue of a pool's worker, which no cancelled worker waits on again."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    async def get(self) -> Any:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        return await self._queue.get()


class AsyncPool(AsyncConnectionPool[AsyncBoundedConnection]):
    """A pool whose workers end when they are cancelled.

    A worker of psycopg-pool 3.3.3 takes a cancellation that reaches it while it connects for a failure to connect, and
    waits for its next task: ``asyncio.run`` would wait for it for ever where the store was not closed.
    """

    @classmethod
    async def worker(cls, q: Any) -> None:
        """Does what the queue says."""
        await super().worker(_UntilCancelled(q))  # type: ignore[arg-type]  # all that it asks for is get()


@asynccontextmanager
async def patient(connection: AsyncConnection[Any], seconds: float) -> AsyncIterator[None]:
    """Bounds every wait on a connection of the application's, for as long as the context lasts.

    psycopg has no setting for it, so the method of this one object is replaced.
    """
    plain = connection.wait

    async def wait(gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        try:
            return await plain(bounded(gen, seconds), *args, **kwargs)
        except ServerSilent:
            connection.pgconn.finish()  # in the middle of a statement it is of no use to anyone
            raise

    connection.wait = wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        del connection.wait
