"""Connections of the application's own: each call leaves them as it found them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection, AsyncCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

from vstore_pgvector._async._run import Lock, patient
from vstore_pgvector._async.session import AsyncSession
from vstore_pgvector.server import extended_path, local_settings, session_settings, set_config
from vstore_pgvector.timeouts import GRACE, register

__all__ = ["AsyncBorrowedSession"]

T = TypeVar("T")


class AsyncBorrowedSession(AsyncSession):
    """A connection or pool of the application's: what is set on it ends with each call.

    In a transaction that the application has open a call takes part, and is kept or undone with it.
    """

    def __init__(
        self, client: AsyncConnection[Any] | AsyncConnectionPool[Any], timeout: float, *, prepare: bool
    ) -> None:
        super().__init__(timeout)
        self._client = client
        self._prepare = prepare
        self._lock = Lock()  # one connection serves one piece of work at a time

    @property
    def native(self) -> AsyncConnection[Any] | AsyncConnectionPool[Any]:
        return self._client

    async def close(self) -> None:
        pass

    def cursor(self, connection: AsyncConnection[Any]) -> AsyncCursor[tuple[Any, ...]]:
        cursor = AsyncCursor(connection, row_factory=tuple_row)
        register(cursor)
        return cursor

    async def search(self, connection: AsyncConnection[Any], ef: int, probes: int) -> None:
        await self._search_locally(connection, ef, probes)

    @asynccontextmanager
    async def unhurried(self, connection: AsyncConnection[Any]) -> AsyncIterator[None]:
        yield  # its owner chose the timeout with which we may hold it

    async def run(self, work: Callable[[AsyncConnection[Any]], Awaitable[T]], *, transaction: bool = False) -> T:
        if isinstance(self._client, AsyncConnection):
            async with self._lock, self._lent(self._client) as connection:
                return await work(connection)
        async with self._client.connection(self._timeout) as pooled, self._lent(pooled) as connection:
            return await work(connection)

    @asynccontextmanager
    async def _lent(self, connection: AsyncConnection[Any]) -> AsyncIterator[AsyncConnection[Any]]:
        joined = connection.info.transaction_status is TransactionStatus.INTRANS
        threshold = connection.prepare_threshold
        async with patient(connection, self._timeout + GRACE), connection.transaction():
            try:
                before = await self._set(connection)
                yield connection
            finally:
                connection.prepare_threshold = threshold
            if joined and before:  # what SET LOCAL says would hold until the application's transaction ends
                await self.fetch(connection, *set_config(before, local=True), prepare=False)

    async def _set(self, connection: AsyncConnection[Any]) -> dict[str, str | None]:
        """Makes every setting for this transaction; returns those that were in force."""
        if not hasattr(self, "server"):
            connection.prepare_threshold = None
            return {}
        settings = session_settings(self.server, self._timeout)
        statement, params = local_settings(settings, extended_path(self.server))
        *before, process = (await self.fetch(connection, statement, params, prepare=False))[0]
        if not self._prepare or process != connection.info.backend_pid:  # a pooler stands in between
            connection.prepare_threshold = None
        return dict(zip((*settings, "search_path"), before, strict=True))
