"""An adapter for SQLite: ``sqlite:PATH`` and ``sqlite::memory:``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from vstore import InvalidInput
from vstore.spi import Adapter, AsyncAdapter, Option, Settings, StoreURL, ThreadedAdapter

__all__ = ["adapter"]


class SqliteFactory:
    """Connects to a file, or to a database in memory."""

    name = "sqlite"
    spi_version = 1
    client_packages: tuple[str, ...] = ()
    options: ClassVar[Mapping[str, Option]] = {
        "synchronous": Option(True, "whether a write waits until it is on the disk"),
    }

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        """Opens the file, and creates it if there is none."""
        if not url.path:
            raise InvalidInput("SQLite has no server", hint="Write sqlite:PATH or sqlite::memory:")
        from vstore_sqlite.store import SqliteAdapter

        return SqliteAdapter(url.path, settings)

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        """Does the same; each call runs in a worker thread."""
        return await ThreadedAdapter.connect(partial(self.connect, url, settings))

    def borrow(self, client: object, settings: Settings) -> Adapter:
        """Refuses every client: ``client_packages`` is empty."""
        raise InvalidInput("this adapter borrows no connection", hint="Pass a URL.")

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        """Refuses every client."""
        return await ThreadedAdapter.connect(partial(self.borrow, client, settings))

    def holds(self, path: Path) -> bool:
        """Tell whether ``path`` is such a file, from its name."""
        return path.suffix == ".sqlite" and path.is_file()


adapter = SqliteFactory()
