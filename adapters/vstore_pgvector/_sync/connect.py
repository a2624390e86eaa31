# Generated from adapters/vstore_pgvector/_async/connect.py by tools/unasync.py: do not edit.
"""Connects: a session, the server or directory it reaches, and how to close."""

from __future__ import annotations

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from vstore.errors import InvalidInput, VStoreError
from vstore.spi._sync._run import acquire
from vstore.spi.protocol import Settings
from vstore.spi.urls import StoreURL
from vstore_pgvector import embedded
from vstore_pgvector._sync._run import run_blocking
from vstore_pgvector._sync.adapter import PGAdapter
from vstore_pgvector._sync.borrowed import BorrowedSession
from vstore_pgvector._sync.session import PoolSession
from vstore_pgvector.errors import translate
from vstore_pgvector.options import read_target

__all__ = ["borrow", "connect"]


def connect(url: StoreURL, settings: Settings) -> PGAdapter:
    """Connects to a server, or starts the embedded one and connects to it."""
    target = read_target(url, settings)
    try:
        conninfo = target.conninfo
        if target.folder is not None:
            folder = target.folder
            conninfo = acquire(lambda: embedded.start(folder), lambda _: embedded.release(folder))
        try:
            session = PoolSession(conninfo, target.pool_size, target.timeout, prepare=target.prepare)
            session.open()
            return PGAdapter(session, target)
        except BaseException:
            if target.folder is not None:
                run_blocking(embedded.release, target.folder)
            raise
    except VStoreError:  # of which Timeout is an OSError too
        raise
    except (psycopg.Error, OSError) as error:
        kind = translate(error)
        kind.__cause__ = error
        kind.redact(target.secrets)
        raise kind from kind.__cause__


def borrow(client: object, settings: Settings) -> PGAdapter:
    """Works through a connection or pool that the application has."""
    if not isinstance(client, Connection | ConnectionPool):
        raise InvalidInput(
            f"{type(client).__qualname__} is no connection or pool of psycopg for this form of connect",
            hint="vstore.connect takes Connection and ConnectionPool, vstore.aio.connect their async forms too.",
        )
    target = read_target(None, settings)
    session = BorrowedSession(client, target.timeout, prepare=target.prepare)
    try:
        session.probe()
        return PGAdapter(session, target)
    except VStoreError:  # of which Timeout is an OSError too
        raise
    except (psycopg.Error, OSError) as error:
        raise translate(error) from error
