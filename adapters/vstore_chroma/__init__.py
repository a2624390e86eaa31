"""The adapter for Chroma: in memory, in a directory, or over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from vstore.errors import InvalidInput
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.urls import Option, StoreURL
from vstore_chroma.embedded import DATABASE
from vstore_chroma.options import OPTIONS

__all__ = ["adapter"]


class ChromaFactory:
    """Makes adapters; imports chromadb only when it connects."""

    name = "chroma"
    spi_version = 1
    client_packages: tuple[str, ...] = ("chromadb",)
    options: ClassVar[Mapping[str, Option]] = OPTIONS

    def holds(self, path: Path) -> bool:
        """Whether there is a database at ``path``."""
        return (path / DATABASE).is_file()

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        """A connection to a new database in memory, to a directory, or to a server."""
        from vstore_chroma.connect import connect

        return connect(url, settings)

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        """The same for async: native to a server, in worker threads otherwise."""
        from vstore_chroma.connect import connect_async

        return await connect_async(url, settings)

    def borrow(self, client: object, settings: Settings) -> Adapter:
        """Works through a sync client of chromadb."""
        from vstore_chroma.connect import borrow

        _refuse_options(settings)
        return borrow(client)

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        """Works through an async client of chromadb, or a sync one in worker threads."""
        from vstore_chroma.connect import borrow_async

        _refuse_options(settings)
        return await borrow_async(client)


def _refuse_options(settings: Settings) -> None:
    for name, option in OPTIONS.items():
        if settings.options[name] != option.default:
            raise InvalidInput(f"{name}= has no meaning with client=: the client is connected already")


adapter = ChromaFactory()
