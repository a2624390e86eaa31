"""The adapter for Qdrant: in memory, in a directory, or a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from vstore.errors import InvalidInput
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.urls import Option, StoreURL
from vstore_qdrant.options import OPTIONS

__all__ = ["adapter"]


class QdrantFactory:
    """Makes adapters; imports qdrant_client and qdrant_edge only when it connects."""

    name = "qdrant"
    spi_version = 1
    client_packages: tuple[str, ...] = ("qdrant_client", "vstore_qdrant")
    options: ClassVar[Mapping[str, Option]] = OPTIONS

    def holds(self, path: Path) -> bool:
        """Whether there is a database at ``path``."""
        return path.is_dir() and ((path / "meta.json").is_file() or any(path.glob("*/info.json")))

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        """A connection to a new database in memory, to a directory, or to a server."""
        from vstore_qdrant.connect import connect

        return connect(url, settings)

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        """The same for async: native to a server, in worker threads otherwise."""
        from vstore_qdrant.connect import connect_async

        return await connect_async(url, settings)

    def borrow(self, client: object, settings: Settings) -> Adapter:
        """Works through a ``QdrantClient``, or what ``store.native`` is for a directory."""
        from vstore_qdrant.connect import borrow

        _refuse_options(settings)
        return borrow(client)

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        """Works through an ``AsyncQdrantClient``, or a ``QdrantClient`` in worker threads."""
        from vstore_qdrant.connect import borrow_async

        _refuse_options(settings)
        return await borrow_async(client)


def _refuse_options(settings: Settings) -> None:
    for name, option in OPTIONS.items():
        if settings.options[name] != option.default:
            raise InvalidInput(f"{name}= has no meaning with client=: the client is connected already")


adapter = QdrantFactory()
