"""From a URL to an adapter."""

from __future__ import annotations

import sqlite3
from functools import partial

from vstore import InvalidInput
from vstore.spi import Adapter, AsyncAdapter, Settings, StoreURL, ThreadedAdapter, located, translating
from vstore_sqlite.store import SqliteAdapter, translate

__all__ = ["borrow", "borrow_async", "connect", "connect_async"]


def connect(url: StoreURL, settings: Settings) -> Adapter:
    """Open the file, and create it if there is none."""
    if not url.path:
        raise InvalidInput("SQLite has no server", hint="Write sqlite:PATH or sqlite::memory:")
    in_memory = url.path == ":memory:"
    with translating(translate):
        connection = sqlite3.connect(
            url.path if in_memory else located(url.path),
            timeout=settings.timeout,
            isolation_level=None,  # SqliteAdapter.transaction begins and ends them
            check_same_thread=False,
        )
        connection.execute(f"pragma synchronous = {'full' if settings.options['synchronous'] else 'off'}")
        return SqliteAdapter(connection, in_memory=in_memory)


async def connect_async(url: StoreURL, settings: Settings) -> AsyncAdapter:
    """Do the same; every call runs in a worker thread."""
    return await ThreadedAdapter.connect(partial(connect, url, settings))


def borrow(client: object, settings: Settings) -> Adapter:
    """Refuse every client: the factory names no package whose objects it takes."""
    raise InvalidInput("this adapter borrows no connection", hint="Pass a URL.")


async def borrow_async(client: object, settings: Settings) -> AsyncAdapter:
    """Refuse every client."""
    return await ThreadedAdapter.connect(partial(borrow, client, settings))
