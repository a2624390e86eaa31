"""Connections: where they come from, what is set on them, and what happens when one is lost."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from threading import Lock as ThreadLock
from time import monotonic
from typing import Any, Final, TypeVar
from weakref import WeakSet

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg_pool import PoolTimeout

from vstore.errors import BackendError
from vstore.spi._async._run import current_loop, is_over
from vstore.spi.forking import abandon
from vstore_pgvector._async._run import AsyncBoundedConnection, AsyncPool, sleep
from vstore_pgvector.errors import connection_lost
from vstore_pgvector.logs import POOL_NAME, keep_quiet
from vstore_pgvector.server import (
    DEFAULT_SEARCH,
    OWN_PROCESS,
    PROBE,
    SEARCH,
    Server,
    begin,
    search_path,
    session_settings,
    set_config,
)
from vstore_pgvector.timeouts import GRACE, readable, register
from vstore_pgvector.vectors import TypeIds

__all__ = ["AsyncPoolSession", "AsyncSession"]

T = TypeVar("T")

# How long a caller waits for the pool before it finds out by itself whether the server can be reached: the pool
# reconnects in the background, with growing pauses, and says only that its time is up.
_POOL_PATIENCE: Final = 1.0
_MAX_CONFLICTS: Final = 10
_KEPT_ROWS: Final = 20  # which a cursor holds until it is used again


class AsyncSession(ABC):
    """Runs pieces of work on connections; its two kinds differ in where a connection comes from."""

    server: Server

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    @property
    @abstractmethod
    def native(self) -> object:
        """The client underneath."""

    @abstractmethod
    async def run(self, work: Callable[[AsyncConnection[Any]], Awaitable[T]], *, transaction: bool = False) -> T:
        """Return the result of one piece of work on a connection, within one transaction if that is asked for."""

    @abstractmethod
    def cursor(self, connection: AsyncConnection[Any]) -> AsyncCursor[tuple[Any, ...]]:
        """Return a cursor that takes ``Packed`` and gives tuples."""

    @abstractmethod
    async def search(self, connection: AsyncConnection[Any], ef: int, probes: int) -> None:
        """Puts search settings in force."""

    @abstractmethod
    def unhurried(self, connection: AsyncConnection[Any]) -> AbstractAsyncContextManager[None]:
        """Lifts the timeout, within a transaction, for what takes as long as there are records."""

    @abstractmethod
    async def close(self) -> None:
        """Closes what was opened."""

    @property
    def type_ids(self) -> TypeIds:
        """The ids of pgvector's types."""
        if self.server.types is None:
            raise BackendError("the extension vector is gone from the database")
        return self.server.types

    async def probe(self) -> None:
        """Asks the server what it is; again after its extension was created."""
        rows = await self.read(lambda connection: self.fetch(connection, PROBE))
        self.server = Server.from_row(rows[0])

    async def fetch(
        self,
        connection: AsyncConnection[Any],
        statement: str | bytes,
        params: Sequence[Any] = (),
        *,
        prepare: bool | None = None,
    ) -> list[tuple[Any, ...]]:
        """Runs one statement; returns its rows, which travel in binary form."""
        cursor = self.cursor(connection)
        text = statement.encode() if isinstance(statement, str) else statement
        await cursor.execute(text, params, prepare=prepare, binary=True)
        return await cursor.fetchall()

    async def ask(
        self, connection: AsyncConnection[Any], statement: bytes, params: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Does the same with a statement that mostly comes again at once, as the same object."""
        return await self.fetch(connection, statement, params)

    async def execute(
        self,
        connection: AsyncConnection[Any],
        statement: str,
        params: Sequence[Any] = (),
        *,
        prepare: bool | None = None,
    ) -> int:
        """Runs one statement without rows; returns the number of rows that it touched."""
        cursor = self.cursor(connection)
        await cursor.execute(statement.encode(), params, prepare=prepare)
        return cursor.rowcount

    async def _search_locally(self, connection: AsyncConnection[Any], ef: int, probes: int) -> None:
        """Puts search settings in force in a transaction that began with the default ones."""
        if (ef, probes) != DEFAULT_SEARCH:
            await self.fetch(connection, SEARCH.format(local="true"), (str(ef), str(probes)))

    @asynccontextmanager
    async def settings(self, connection: AsyncConnection[Any], chosen: Mapping[str, str]) -> AsyncIterator[None]:
        """Puts settings in force for a part of a transaction."""
        if not chosen:
            yield
            return
        names = ", ".join(["current_setting(%s)"] * len(chosen))
        before = (await self.fetch(connection, f"select {names}", list(chosen), prepare=False))[0]
        await self.fetch(connection, *set_config(chosen, local=True), prepare=False)
        yield  # an error undoes them with the transaction, or with its savepoint
        was = dict(zip(chosen, before, strict=True))
        await self.fetch(connection, *set_config(was, local=True), prepare=False)

    async def read(self, work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
        """Runs a read; once more, on another connection, where the first one turns out to be lost."""
        try:
            return await self.run(work)
        except psycopg.Error as error:
            if not connection_lost(error):
                raise
        return await self.run(work)

    async def write(self, work: Callable[[AsyncConnection[Any]], Awaitable[T]], *, single: bool = False) -> T:
        """Runs a write in one transaction; again where a deadlock or a serialization failure undid it.

        A lost connection is not tried again: whether the commit has happened cannot be known.

        Args:
            work: What to do.
            single: It is one statement, which is a transaction by itself.
        """
        end = monotonic() + self._timeout
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self.run(work, transaction=not single)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if attempt == _MAX_CONFLICTS or monotonic() > end:
                    raise
            await sleep(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311  # no secret is drawn


class AsyncPoolSession(AsyncSession):
    """A pool of connections of our own, in autocommit mode.

    A connection to the server itself is *steady*: every statement on it meets the same session, on which settings are
    made once and statements stay prepared. Behind a pooler such as PgBouncer the next transaction may meet another
    session, which other programs use as well: there nothing outlives a transaction.
    """

    def __init__(self, conninfo: dict[str, str | int], size: int, timeout: float, *, prepare: bool) -> None:
        super().__init__(timeout)
        keep_quiet()
        self._conninfo = conninfo
        self._size = size
        self._prepare = prepare
        self._loop = current_loop()
        self._made: WeakSet[AsyncBoundedConnection] = WeakSet()
        self._busy = 0
        self._busy_lock = ThreadLock()
        self._pool = AsyncPool(
            connection_class=AsyncBoundedConnection,
            kwargs={**conninfo, "autocommit": True},
            min_size=1,
            max_size=size,
            open=False,
            configure=self._configure,
            timeout=timeout,
            name=POOL_NAME,
        )

    @property
    def native(self) -> AsyncPool:
        return self._pool

    async def open(self) -> None:
        """Connects once, by hand, so that a refusal is told with its reason, and then opens the pool."""
        connection = await self._connect_plain()
        try:
            self.server = Server.from_row((await self.fetch(connection, PROBE))[0])
            await self._configure(connection)
            if not connection.steady:
                async with self._transaction(connection):  # which a pooler by statements refuses
                    pass
        finally:
            await connection.close()
        await self._pool.open()

    async def close(self) -> None:
        if not is_over(self._loop):
            await self._pool.close()
            return
        # The pool's tasks ended with their loop, or never will, and would call it when they are finalised: its
        # connections are all there is to close.
        for connection in list(self._made):
            connection.pgconn.finish()
        abandon(self._pool)

    def cursor(self, connection: AsyncConnection[Any]) -> AsyncCursor[tuple[Any, ...]]:
        return AsyncCursor(connection)

    async def search(self, connection: AsyncConnection[Any], ef: int, probes: int) -> None:
        assert isinstance(connection, AsyncBoundedConnection)
        if not connection.steady:
            await self._search_locally(connection, ef, probes)
        elif connection.searching != (ef, probes):
            connection.searching = None
            await connection.execute(SEARCH.format(local="false"), (str(ef), str(probes)))
            connection.searching = (ef, probes)

    @asynccontextmanager
    async def unhurried(self, connection: AsyncConnection[Any]) -> AsyncIterator[None]:
        assert isinstance(connection, AsyncBoundedConnection)
        # a dead network is still found out: by keepalives
        await connection.execute("set local statement_timeout = 0")
        connection.patience = math.inf
        try:
            yield
        finally:
            connection.patience = self._timeout + GRACE

    async def run(self, work: Callable[[AsyncConnection[Any]], Awaitable[T]], *, transaction: bool = False) -> T:
        connection, pooled = await self._take()
        with self._busy_lock:
            self._busy += 1
        try:
            if connection.steady and not transaction:
                return await work(connection)
            async with self._transaction(connection):
                return await work(connection)
        finally:
            with self._busy_lock:
                self._busy -= 1
            if pooled:
                await self._pool.give_back(connection)
            else:
                await connection.close()

    async def ask(
        self, connection: AsyncConnection[Any], statement: bytes, params: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Does the same with a statement that mostly comes again at once, as the same object.

        A connection keeps the cursor, which knows the statement's types then, where it holds few rows.
        """
        assert isinstance(connection, AsyncBoundedConnection)
        cursor, connection.asking = connection.asking or AsyncCursor(connection), None
        await cursor.execute(statement, params, binary=True)
        rows = await cursor.fetchall()
        if len(rows) <= _KEPT_ROWS:
            connection.asking = cursor
        return rows

    @asynccontextmanager
    async def _transaction(self, connection: AsyncBoundedConnection) -> AsyncIterator[None]:
        """Runs one transaction. Behind a pooler its first message makes every setting."""
        await connection.execute(b"begin" if connection.steady else begin(self.server, self._timeout).encode())
        try:
            yield
        except BaseException:
            if not connection.closed:
                with suppress(psycopg.Error):  # what went wrong first is told
                    await connection.rollback()
            raise
        await connection.commit()

    async def _take(self) -> tuple[AsyncBoundedConnection, bool]:
        """Return a connection that is alive, and whether it goes back to the pool."""
        while True:
            try:
                connection = await self._pool.lend(min(_POOL_PATIENCE, self._timeout))
            except PoolTimeout:
                spare = await self._connect_plain()  # raises why there is none
                try:
                    if self._busy < self._size:
                        await self._configure(spare)
                        return spare, False
                except BaseException:
                    await spare.close()
                    raise
                await spare.close()
                connection = await self._pool.lend(self._timeout)
            alive = False
            try:
                if alive := await self._alive(connection):
                    return connection, True
            finally:
                if not alive:
                    await connection.close()
                    await self._pool.give_back(connection)  # which makes another instead

    async def _alive(self, connection: AsyncBoundedConnection) -> bool:
        """Return whether it is open. It costs a round trip only where the server has sent something unasked."""
        try:
            if readable(connection.fileno()):
                await connection.execute("")
        except psycopg.Error:
            return False
        return True

    async def _connect_plain(self) -> AsyncBoundedConnection:
        parameters: dict[str, Any] = {**self._conninfo, "autocommit": True}
        connection = await AsyncBoundedConnection.connect(**parameters)
        connection.patience = self._timeout + GRACE
        self._made.add(connection)
        return connection

    async def _configure(self, connection: AsyncBoundedConnection) -> None:
        self._made.add(connection)
        connection.patience = self._timeout + GRACE
        register(connection)
        # Before anything is set, which would reach other programs: a pooler invents the number that it gives a client.
        rows = await self.fetch(connection, OWN_PROCESS, prepare=False)
        connection.steady = self._prepare and rows[0][0] == connection.info.backend_pid
        if connection.steady:
            settings = session_settings(self.server, self._timeout) | {"search_path": search_path(self.server)}
            await connection.execute(*set_config(settings, local=False))
            connection.searching = DEFAULT_SEARCH
        else:
            connection.prepare_threshold = None
