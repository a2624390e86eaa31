"""The adapter for SQLite with one promise broken: ``faulty:?fault=NAME`` says which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from vstore import InvalidInput
from vstore.spi import Adapter, AsyncAdapter, Option, Settings, StoreURL, ThreadedAdapter

__all__ = ["adapter"]


class FaultyFactory:
    name = "faulty"
    spi_version = 1
    client_packages: tuple[str, ...] = ()
    options: ClassVar[Mapping[str, Option]] = {"fault": Option("", "the promise to break; none by default")}

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        if url.path != "":
            raise InvalidInput("this adapter has neither path nor host", hint="Write faulty:")
        from vstore_faulty.faults import make

        return make(str(settings.options["fault"]))

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        inner = self.connect(url, settings)
        from vstore_faulty.faults import ASYNC_FAULTS

        return ASYNC_FAULTS.get(str(settings.options["fault"]), ThreadedAdapter)(inner)

    def borrow(self, client: object, settings: Settings) -> Adapter:
        raise InvalidInput("this adapter has no client to borrow")

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        raise InvalidInput("this adapter has no client to borrow")


adapter = FaultyFactory()
