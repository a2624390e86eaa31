"""The adapter for PostgreSQL with pgvector: ``postgresql://…``, ``pgvector://…`` and, embedded, ``pgvector:PATH``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from vstore.errors import Unsupported
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.urls import Option, StoreURL
from vstore_pgvector.config import OPTIONS, Config, read

__all__ = ["adapter"]


@contextmanager
def _importing(config: Config) -> Iterator[None]:
    """Says which extra brings what cannot be imported: for a directory another one than for a server."""
    try:
        yield
    except ImportError as error:
        extra = "pgvector" if config.folder is None else "pgvector-embedded"
        raise Unsupported(
            f"what it needs cannot be imported: {error}", hint=f"Install it with pip install 'vstore-db[{extra}]'."
        ) from error


class PGVectorFactory:
    """Connects to PostgreSQL; psycopg is imported only then."""

    name = "pgvector"
    system_name = "postgresql"
    spi_version = 1
    client_packages: tuple[str, ...] = ("psycopg", "psycopg_pool")
    options: ClassVar[Mapping[str, Option]] = OPTIONS

    def holds(self, path: Path) -> bool:
        """Whether there is a database at ``path``."""
        return (path / "PG_VERSION").is_file()

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        """A pool of connections to the server, or to an embedded one that is started."""
        config = read(url, settings)
        with _importing(config):
            from vstore_pgvector._sync.adapter import connect

            return connect(config)

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        """The same with psycopg's async connections."""
        config = read(url, settings)
        with _importing(config):
            from vstore_pgvector._async.adapter import connect

            return await connect(config)

    def borrow(self, client: object, settings: Settings) -> Adapter:
        """Works through a ``psycopg.Connection``, inside its transaction if one is open, or a ``ConnectionPool``."""
        from vstore_pgvector._sync.adapter import borrow

        return borrow(client, read(None, settings))

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        """The same with an ``AsyncConnection`` or ``AsyncConnectionPool``; their sync forms run in threads."""
        import psycopg
        import psycopg_pool

        from vstore.spi.threaded import ThreadedAdapter
        from vstore_pgvector._async.adapter import borrow

        if isinstance(client, psycopg.Connection | psycopg_pool.ConnectionPool):
            return ThreadedAdapter(self.borrow(client, settings))
        return await borrow(client, read(None, settings))


adapter = PGVectorFactory()
