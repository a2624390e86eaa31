"""Where the two ways of waiting differ; this file and its async twin are hand-written."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from psycopg import Connection, Cursor
from psycopg_pool import ConnectionPool

from vstore_pgvector.errors import ServerSilent
from vstore_pgvector.timeouts import bounded

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
    """

    patience: float = float("inf")
    searching: tuple[int, int] | None = None
    steady: bool = False
    asking: Cursor[tuple[Any, ...]] | None = None

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Consumes a generator of psycopg."""
        try:
            return super().wait(bounded(gen, self.patience), *args, **kwargs)
        except ServerSilent:
            self.pgconn.finish()  # here, before an enclosing transaction tries to roll back and waits again
            raise


class Pool(ConnectionPool[BoundedConnection]):
    """A pool of such connections."""

    lend = ConnectionPool.getconn
    give_back = ConnectionPool.putconn


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
