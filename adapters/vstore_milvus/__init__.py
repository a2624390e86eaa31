"""The adapter for Milvus: a server, or Milvus Lite over a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from vstore.errors import InvalidInput
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.urls import Option, StoreURL
from vstore_milvus.options import OPTIONS

__all__ = ["adapter"]


class MilvusFactory:
    """Makes adapters; imports pymilvus, which takes a second, only when it connects."""

    name = "milvus"
    spi_version = 1
    client_packages: tuple[str, ...] = ("pymilvus",)
    options: ClassVar[Mapping[str, Option]] = OPTIONS

    def holds(self, path: Path) -> bool:
        """Whether there is a database at ``path``."""
        return path.is_file() or (path / "collections").is_dir()

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        """A connection to a server, or to Milvus Lite over a file."""
        from vstore_milvus.connect import connect

        return connect(url, settings)

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        """The same for async: native to a server, in worker threads to a file."""
        from vstore_milvus.connect import connect_async

        return await connect_async(url, settings)

    def borrow(self, client: object, settings: Settings) -> Adapter:
        """Works through a ``MilvusClient``."""
        from vstore_milvus.connect import borrow

        _refuse_options(settings)
        return borrow(client, settings)

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        """Works through an ``AsyncMilvusClient``, or a ``MilvusClient`` in worker threads."""
        from vstore_milvus.connect import borrow_async

        _refuse_options(settings)
        return await borrow_async(client, settings)


def _refuse_options(settings: Settings) -> None:
    for name, option in OPTIONS.items():
        if settings.options[name] != option.default:
            raise InvalidInput(f"{name}= has no meaning with client=: the client is connected already")


adapter = MilvusFactory()
