"""The reference adapter ``memory:``, exact, in plain Python and NumPy: it is the meaning of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from vstore.errors import InvalidInput
from vstore.memory.store import MemoryAdapter
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.urls import Option, StoreURL

__all__ = ["MemoryAdapter", "adapter"]


class MemoryFactory:
    """Each connection to ``memory:`` is a new, empty store."""

    name = "memory"
    spi_version = 1
    client_packages: tuple[str, ...] = ()
    options: ClassVar[Mapping[str, Option]] = {}

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        """Return a new, empty store."""
        if url.path != "":
            raise InvalidInput("the memory store has neither path nor host", hint="Write memory:")
        return MemoryAdapter()

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        """Return a new, empty store that makes each call in a worker thread."""
        from vstore.spi.threaded import ThreadedAdapter

        return ThreadedAdapter(self.connect(url, settings))

    def borrow(self, client: object, settings: Settings) -> Adapter:
        """Raises ``InvalidInput``: there is no client."""
        raise InvalidInput("the memory store has no client to borrow")

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        """Raises ``InvalidInput``: there is no client."""
        raise InvalidInput("the memory store has no client to borrow")


adapter = MemoryFactory()
