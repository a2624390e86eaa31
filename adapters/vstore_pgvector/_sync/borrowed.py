# Generated from adapters/vstore_pgvector/_async/borrowed.py by tools/unasync.py: do not edit.
"""Connections of the application's own: each call leaves them as it found them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg import Connection, Cursor
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from vstore_pgvector._sync._run import Lock, patient
from vstore_pgvector._sync.session import Session
from vstore_pgvector.server import extended_path, local_settings, session_settings, set_config
from vstore_pgvector.timeouts import GRACE, register

__all__ = ["BorrowedSession"]

T = TypeVar("T")


class BorrowedSession(Session):
    """A connection or pool of the application's: what is set on it ends with each call.

    In a transaction that the application has open a call takes part, and is kept or undone with it.
    """

    def __init__(self, client: Connection[Any] | ConnectionPool[Any], timeout: float, *, prepare: bool) -> None:
        super().__init__(timeout)
        self._client = client
        self._prepare = prepare
        self._lock = Lock()  # one connection serves one piece of work at a time

    @property
    def native(self) -> Connection[Any] | ConnectionPool[Any]:
        return self._client

    def close(self) -> None:
        pass

    def cursor(self, connection: Connection[Any]) -> Cursor[tuple[Any, ...]]:
        cursor = Cursor(connection, row_factory=tuple_row)
        register(cursor)
        return cursor

    def search(self, connection: Connection[Any], ef: int, probes: int) -> None:
        self._search_locally(connection, ef, probes)

    @contextmanager
    def unhurried(self, connection: Connection[Any]) -> Iterator[None]:
        yield  # its owner chose the timeout with which we may hold it

    def run(self, work: Callable[[Connection[Any]], T], *, transaction: bool = False) -> T:
        if isinstance(self._client, Connection):
            with self._lock, self._lent(self._client) as connection:
                return work(connection)
        with self._client.connection(self._timeout) as pooled, self._lent(pooled) as connection:
            return work(connection)

    @contextmanager
    def _lent(self, connection: Connection[Any]) -> Iterator[Connection[Any]]:
        joined = connection.info.transaction_status is TransactionStatus.INTRANS
        threshold = connection.prepare_threshold
        with patient(connection, self._timeout + GRACE), connection.transaction():
            try:
                before = self._set(connection)
                yield connection
            finally:
                connection.prepare_threshold = threshold
            if joined and before:  # what SET LOCAL says would hold until the application's transaction ends
                self.fetch(connection, *set_config(before, local=True), prepare=False)

    def _set(self, connection: Connection[Any]) -> dict[str, str | None]:
        """Makes every setting for this transaction; returns those that were in force."""
        if not hasattr(self, "server"):
            connection.prepare_threshold = None
            return {}
        settings = session_settings(self.server, self._timeout)
        statement, params = local_settings(settings, extended_path(self.server))
        *before, process = (self.fetch(connection, statement, params, prepare=False))[0]
        if not self._prepare or process != connection.info.backend_pid:  # a pooler stands in between
            connection.prepare_threshold = None
        return dict(zip((*settings, "search_path"), before, strict=True))
