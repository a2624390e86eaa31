"""Where the two ways of waiting differ; this file and its async twin are hand-written."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from psycopg import Connection, Cursor
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from vstore_pgvector.errors import ServerSilent
from vstore_pgvector.timeouts import HELD_SECONDS, bounded

__all__ = ["BoundedConnection", "Lock", "Pool", "compute", "patient", "run_blocking", "sleep"]

P = ParamSpec("P")
T = TypeVar("T")

sleep = time.sleep


def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``function``."""
    return function(*args, **kwargs)


def compute(rows: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: ARG001  # as its twin
    """Return the result of ``function``."""
    return function(*args, **kwargs)


class BoundedConnection(Connection[tuple[Any, ...]]):
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
    asking: Cursor[tuple[Any, ...]] | None = None
    lent: float = 0.0

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Consumes a generator of psycopg."""
        try:
            return super().wait(bounded(gen, self.patience), *args, **kwargs)
        except ServerSilent:
            self.pgconn.finish()  # here, before an enclosing transaction tries to roll back and waits again
            raise


class Pool(ConnectionPool[BoundedConnection]):
    """A pool that has the connection of the last call at hand for the next one.

    psycopg-pool's way of lending one and taking it back is two dozen calls of Python's, of which each costs several
    times its own time where a query has emptied the processor's cache.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hand_lock = Lock()
        self._at_hand: BoundedConnection | None = None
        self._asking = 0  # how many ask psycopg-pool

    def getconn(self, timeout: float | None = None) -> BoundedConnection:
        """Return a connection, to the application as well, which calls it where it uses the pool itself."""
        with self._hand_lock:
            if (connection := self._at_hand) is not None:
                self._at_hand = None
                return connection
            self._asking += 1
        try:
            connection = super().getconn(timeout)
        finally:
            with self._hand_lock:
                self._asking -= 1
        connection.lent = monotonic()
        return connection

    lend = getconn

    def give_back(self, connection: BoundedConnection) -> None:
        """Keeps a connection at hand, or puts it back."""
        sound = connection.pgconn.transaction_status == TransactionStatus.IDLE
        if sound and monotonic() - connection.lent < HELD_SECONDS:
            with self._hand_lock:
                if not self._asking and self._at_hand is None and not self.closed:
                    self._at_hand = connection
                    return
        self.putconn(connection)

    def close(self, timeout: float = 5.0) -> None:
        """Closes it."""
        super().close(timeout)
        with self._hand_lock:
            connection, self._at_hand = self._at_hand, None
        if connection is not None:
            self.putconn(connection)  # which closes it


@contextmanager
def patient(connection: Connection[Any], seconds: float) -> Iterator[None]:
    """Bounds every wait on a connection of the application's, for as long as the context lasts.

    psycopg has no setting for it, so the method of this one object is replaced.
    """
    plain = connection.wait

    def wait(gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        try:
            return plain(bounded(gen, seconds), *args, **kwargs)
        except ServerSilent:
            connection.pgconn.finish()  # in the middle of a statement it is of no use to anyone
            raise

    connection.wait = wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        del connection.wait
