"""An adapter by a third party: it wraps the reference and can do less. ``stranger:?fault=NAME`` breaks a promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from vstore.errors import InvalidInput
from vstore.spi.protocol import Adapter, AsyncAdapter, Settings
from vstore.spi.threaded import ThreadedAdapter
from vstore.spi.urls import Option, StoreURL

__all__ = ["adapter"]


class StrangerFactory:
    name = "stranger"
    spi_version = 1
    client_packages: tuple[str, ...] = ()
    options: ClassVar[Mapping[str, Option]] = {"fault": Option("", "the promise to break; none by default")}

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        if url.path != "":
            raise InvalidInput("a stranger has neither path nor host", hint="Write stranger:")
        from vstore_stranger.faults import make

        return make(str(settings.options["fault"]))

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        inner = self.connect(url, settings)
        from vstore_stranger.faults import ASYNC_FAULTS

        return ASYNC_FAULTS.get(str(settings.options["fault"]), ThreadedAdapter)(inner)

    def borrow(self, client: object, settings: Settings) -> Adapter:
        raise InvalidInput("a stranger has no client to borrow")

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        raise InvalidInput("a stranger has no client to borrow")


adapter = StrangerFactory()
