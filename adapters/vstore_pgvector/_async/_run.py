"""Where the two ways of waiting differ; this file and its sync twin are hand-written."""

from __future__ import annotations

import asyncio
from asyncio import Future, Lock
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, ParamSpec, Self, TypeVar

from psycopg import AsyncConnection, AsyncCursor
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from vstore_pgvector.errors import ServerSilent
from vstore_pgvector.timeouts import HELD_SECONDS, bounded

__all__ = ["AsyncBoundedConnection", "AsyncPool", "Lock", "compute", "patient", "run_blocking", "sleep"]

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


class AsyncBoundedConnection(AsyncConnection[tuple[Any, ...]]):
    """A connection on which no wait lasts longer than ``patience`` seconds without a word from the server.

    Attributes:
        patience: Seconds; infinite until set.
        searching: The search settings in force on it, as ``set_config`` was last told.
        steady: Whether all its statements meet one session of the server.
        asking: A cursor for the next query.
        lent: When the pool gave it, as ``monotonic`` tells.
    """

    patience: float = float("inf")
    searching: tuple[int, int] | None = None
    steady: bool = False
    asking: AsyncCursor[tuple[Any, ...]] | None = None
    lent: float = 0.0

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
    """A pool that has connections go from hand to hand, and whose workers end when they are cancelled.

    Who finds all of them lent waits here for the first that comes back, and without anybody that waits one stays at
    hand. In psycopg-pool a wait takes a task and a condition of its own, and a return that nobody interrupts takes
    another task: together a tenth of a short query.

    A worker of psycopg-pool 3.3.3 takes a cancellation that reaches it while it connects for a failure to connect, and
    waits for its next task: ``asyncio.run`` would wait for it for ever where the store was not closed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._out = 0  # how many are lent or asked for
        self._turns: deque[Future[AsyncBoundedConnection | None]] = deque()
        self._at_hand: AsyncBoundedConnection | None = None
        self._asking = 0  # how many ask psycopg-pool

    async def getconn(self, timeout: float | None = None) -> AsyncBoundedConnection:  # noqa: ASYNC109  # its own
        """Return a connection, to the application as well, which calls it where it uses the pool itself."""
        if (connection := self._at_hand) is not None:
            self._at_hand = None
            return connection
        self._asking += 1
        try:
            connection = await super().getconn(timeout)
        finally:
            self._asking -= 1
        connection.lent = monotonic()
        return connection

    async def lend(self, seconds: float) -> AsyncBoundedConnection:
        """Return a connection, which goes back by ``give_back``.

        Raises:
            PoolTimeout: There was none for so long.
        """
        end = monotonic() + seconds
        if self._out < self.max_size:
            self._out += 1
        elif (handed := await self._wait(seconds)) is not None:
            return handed
        try:
            return await self.getconn(end - monotonic())
        except BaseException:
            self._pass_on()
            raise

    async def give_back(self, connection: AsyncBoundedConnection) -> None:
        """Hands a connection to who waits longest, or keeps it, which no cancellation of the caller interrupts."""
        sound = connection.pgconn.transaction_status == TransactionStatus.IDLE and not self.closed
        is_kept = sound and monotonic() - connection.lent < HELD_SECONDS
        if is_kept and (turn := self._next_turn()) is not None:
            turn.set_result(connection)
        elif is_kept and not self._asking and self._at_hand is None:
            self._at_hand = connection
            self._out -= 1
        else:
            await asyncio.shield(asyncio.ensure_future(self._put(connection)))

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109  # psycopg-pool's
        """Closes it, which ends all waiting."""
        await super().close(timeout)
        for _ in range(len(self._turns)):
            self._pass_on()
        if (connection := self._at_hand) is not None:
            self._at_hand = None
            await self.putconn(connection)  # which closes it

    async def _put(self, connection: AsyncBoundedConnection) -> None:
        try:
            await self.putconn(connection)
        finally:
            self._pass_on()

    async def _wait(self, seconds: float) -> AsyncBoundedConnection | None:
        """Return a connection out of the hands of another call, or None where the pool is to be asked."""
        loop = asyncio.get_running_loop()
        turn: Future[AsyncBoundedConnection | None] = loop.create_future()
        self._turns.append(turn)
        timer = loop.call_later(seconds, _end, turn, seconds)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it came at the same moment
                if (connection := turn.result()) is None:
                    self._pass_on()
                else:
                    await self.give_back(connection)
            raise
        finally:
            timer.cancel()

    def _next_turn(self) -> Future[AsyncBoundedConnection | None] | None:
        """Return what the call waits for that waits longest, or None."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():  # by its time, or by a cancellation
                return turn
        return None

    def _pass_on(self) -> None:
        """Gives the right to ask the pool for a connection to who waits longest."""
        if (turn := self._next_turn()) is None:
            self._out -= 1
        else:
            turn.set_result(None)

    @classmethod
    async def worker(cls, q: Any) -> None:
        """Does what the queue says."""
        await super().worker(_UntilCancelled(q))  # type: ignore[arg-type]  # all that it asks for is get()


def _end(turn: Future[Any], seconds: float) -> None:
    if not turn.done():
        turn.set_exception(PoolTimeout(f"couldn't get a connection after {seconds:.2f} sec"))


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
