# Generated from adapters/vstore_pgvector/_async/session.py by tools/unasync.py: do not edit.
"""Connections: where they come from, what is set on them, and what happens when one is lost."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Lock as ThreadLock
from time import monotonic
from typing import Any, Final, TypeVar
from weakref import WeakSet

import psycopg
from psycopg import Connection, Cursor
from psycopg_pool import PoolTimeout

from vstore.errors import BackendError
from vstore.spi._sync._run import current_loop, is_over
from vstore.spi.forking import abandon
from vstore_pgvector._sync._run import BoundedConnection, Pool, sleep
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

__all__ = ["PoolSession", "Session"]

T = TypeVar("T")

# How long a caller waits for the pool before it finds out by itself whether the server can be reached: the pool
# reconnects in the background, with growing pauses, and says only that its time is up.
_POOL_PATIENCE: Final = 1.0
_MAX_CONFLICTS: Final = 10
_KEPT_ROWS: Final = 20  # which a cursor holds until it is used again


class Session(ABC):
    """Runs pieces of work on connections; its two kinds differ in where a connection comes from."""

    server: Server

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    @property
    @abstractmethod
    def native(self) -> object:
        """The client underneath."""

    @abstractmethod
    def run(self, work: Callable[[Connection[Any]], T], *, transaction: bool = False) -> T:
        """Return the result of one piece of work on a connection, within one transaction if that is asked for."""

    @abstractmethod
    def cursor(self, connection: Connection[Any]) -> Cursor[tuple[Any, ...]]:
        """Return a cursor that takes ``Packed`` and gives tuples."""

    @abstractmethod
    def search(self, connection: Connection[Any], ef: int, probes: int) -> None:
        """Puts search settings in force."""

    @abstractmethod
    def unhurried(self, connection: Connection[Any]) -> AbstractContextManager[None]:
        """Lifts the timeout, within a transaction, for what takes as long as there are records."""

    @abstractmethod
    def close(self) -> None:
        """Closes what was opened."""

    @property
    def type_ids(self) -> TypeIds:
        """The ids of pgvector's types."""
        if self.server.types is None:
            raise BackendError("the extension vector is gone from the database")
        return self.server.types

    def probe(self) -> None:
        """Asks the server what it is; again after its extension was created."""
        rows = self.read(lambda connection: self.fetch(connection, PROBE))
        self.server = Server.from_row(rows[0])

    def fetch(
        self,
        connection: Connection[Any],
        statement: str | bytes,
        params: Sequence[Any] = (),
        *,
        prepare: bool | None = None,
    ) -> list[tuple[Any, ...]]:
        """Runs one statement; returns its rows, which travel in binary form."""
        cursor = self.cursor(connection)
        text = statement.encode() if isinstance(statement, str) else statement
        cursor.execute(text, params, prepare=prepare, binary=True)
        return cursor.fetchall()

    def ask(self, connection: Connection[Any], statement: bytes, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Does the same with a statement that mostly comes again at once, as the same object."""
        return self.fetch(connection, statement, params)

    def execute(
        self,
        connection: Connection[Any],
        statement: str,
        params: Sequence[Any] = (),
        *,
        prepare: bool | None = None,
    ) -> int:
        """Runs one statement without rows; returns the number of rows that it touched."""
        cursor = self.cursor(connection)
        cursor.execute(statement.encode(), params, prepare=prepare)
        return cursor.rowcount

    def _search_locally(self, connection: Connection[Any], ef: int, probes: int) -> None:
        """Puts search settings in force in a transaction that began with the default ones."""
        if (ef, probes) != DEFAULT_SEARCH:
            self.fetch(connection, SEARCH.format(local="true"), (str(ef), str(probes)))

    @contextmanager
    def settings(self, connection: Connection[Any], chosen: Mapping[str, str]) -> Iterator[None]:
        """Puts settings in force for a part of a transaction."""
        if not chosen:
            yield
            return
        names = ", ".join(["current_setting(%s)"] * len(chosen))
        before = (self.fetch(connection, f"select {names}", list(chosen), prepare=False))[0]
        self.fetch(connection, *set_config(chosen, local=True), prepare=False)
        yield  # an error undoes them with the transaction, or with its savepoint
        was = dict(zip(chosen, before, strict=True))
        self.fetch(connection, *set_config(was, local=True), prepare=False)

    def read(self, work: Callable[[Connection[Any]], T]) -> T:
        """Runs a read; once more, on another connection, where the first one turns out to be lost."""
        try:
            return self.run(work)
        except psycopg.Error as error:
            if not connection_lost(error):
                raise
        return self.run(work)

    def write(self, work: Callable[[Connection[Any]], T], *, single: bool = False) -> T:
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
                return self.run(work, transaction=not single)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if attempt == _MAX_CONFLICTS or monotonic() > end:
                    raise
            sleep(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311  # no secret is drawn


class PoolSession(Session):
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
        self._made: WeakSet[BoundedConnection] = WeakSet()
        self._busy = 0
        self._busy_lock = ThreadLock()
        self._pool = Pool(
            connection_class=BoundedConnection,
            kwargs={**conninfo, "autocommit": True},
            min_size=1,
            max_size=size,
            open=False,
            configure=self._configure,
            timeout=timeout,
            name=POOL_NAME,
        )

    @property
    def native(self) -> Pool:
        return self._pool

    def open(self) -> None:
        """Connects once, by hand, so that a refusal is told with its reason, and then opens the pool."""
        connection = self._connect_plain()
        try:
            self.server = Server.from_row((self.fetch(connection, PROBE))[0])
            self._configure(connection)
            if not connection.steady:
                with self._transaction(connection):  # which a pooler by statements refuses
                    pass
        finally:
            connection.close()
        self._pool.open()

    def close(self) -> None:
        if not is_over(self._loop):
            self._pool.close()
            return
        # The pool's tasks ended with their loop, or never will, and would call it when they are finalised: its
        # connections are all there is to close.
        for connection in list(self._made):
            connection.pgconn.finish()
        abandon(self._pool)

    def cursor(self, connection: Connection[Any]) -> Cursor[tuple[Any, ...]]:
        return Cursor(connection)

    def search(self, connection: Connection[Any], ef: int, probes: int) -> None:
        assert isinstance(connection, BoundedConnection)
        if not connection.steady:
            self._search_locally(connection, ef, probes)
        elif connection.searching != (ef, probes):
            connection.searching = None
            connection.execute(SEARCH.format(local="false"), (str(ef), str(probes)))
            connection.searching = (ef, probes)

    @contextmanager
    def unhurried(self, connection: Connection[Any]) -> Iterator[None]:
        assert isinstance(connection, BoundedConnection)
        # a dead network is still found out: by keepalives
        connection.execute("set local statement_timeout = 0")
        connection.patience = math.inf
        try:
            yield
        finally:
            connection.patience = self._timeout + GRACE

    def run(self, work: Callable[[Connection[Any]], T], *, transaction: bool = False) -> T:
        connection, pooled = self._take()
        with self._busy_lock:
            self._busy += 1
        try:
            if connection.steady and not transaction:
                return work(connection)
            with self._transaction(connection):
                return work(connection)
        finally:
            with self._busy_lock:
                self._busy -= 1
            if pooled:
                self._pool.give_back(connection)
            else:
                connection.close()

    def ask(self, connection: Connection[Any], statement: bytes, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Does the same with a statement that mostly comes again at once, as the same object.

        A connection keeps the cursor, which knows the statement's types then, where it holds few rows.
        """
        assert isinstance(connection, BoundedConnection)
        cursor, connection.asking = connection.asking or Cursor(connection), None
        cursor.execute(statement, params, binary=True)
        rows = cursor.fetchall()
        if len(rows) <= _KEPT_ROWS:
            connection.asking = cursor
        return rows

    @contextmanager
    def _transaction(self, connection: BoundedConnection) -> Iterator[None]:
        """Runs one transaction. Behind a pooler its first message makes every setting."""
        connection.execute(b"begin" if connection.steady else begin(self.server, self._timeout).encode())
        try:
            yield
        except BaseException:
            if not connection.closed:
                with suppress(psycopg.Error):  # what went wrong first is told
                    connection.rollback()
            raise
        connection.commit()

    def _take(self) -> tuple[BoundedConnection, bool]:
        """Return a connection that is alive, and whether it goes back to the pool."""
        while True:
            try:
                connection = self._pool.lend(min(_POOL_PATIENCE, self._timeout))
            except PoolTimeout:
                spare = self._connect_plain()  # raises why there is none
                try:
                    if self._busy < self._size:
                        self._configure(spare)
                        return spare, False
                except BaseException:
                    spare.close()
                    raise
                spare.close()
                connection = self._pool.lend(self._timeout)
            alive = False
            try:
                if alive := self._alive(connection):
                    return connection, True
            finally:
                if not alive:
                    connection.close()
                    self._pool.give_back(connection)  # which makes another instead

    def _alive(self, connection: BoundedConnection) -> bool:
        """Return whether it is open. It costs a round trip only where the server has sent something unasked."""
        try:
            if readable(connection.fileno()):
                connection.execute("")
        except psycopg.Error:
            return False
        return True

    def _connect_plain(self) -> BoundedConnection:
        parameters: dict[str, Any] = {**self._conninfo, "autocommit": True}
        connection = BoundedConnection.connect(**parameters)
        connection.patience = self._timeout + GRACE
        self._made.add(connection)
        return connection

    def _configure(self, connection: BoundedConnection) -> None:
        self._made.add(connection)
        connection.patience = self._timeout + GRACE
        register(connection)
        # Before anything is set, which would reach other programs: a pooler invents the number that it gives a client.
        rows = self.fetch(connection, OWN_PROCESS, prepare=False)
        connection.steady = self._prepare and rows[0][0] == connection.info.backend_pid
        if connection.steady:
            settings = session_settings(self.server, self._timeout) | {"search_path": search_path(self.server)}
            connection.execute(*set_config(settings, local=False))
            connection.searching = DEFAULT_SEARCH
        else:
            connection.prepare_threshold = None
