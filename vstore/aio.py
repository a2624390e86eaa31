"""The async door: ``async with vstore.aio.connect(url) as store``. Names and outcomes are those of ``vstore``."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

from vstore._async.collection import AsyncCollection
from vstore._async.store import AsyncStore
from vstore.connecting import DEFAULT_TIMEOUT, check_target, reporting
from vstore.protocol import AdapterFactory
from vstore.registry import plan_borrow, plan_connect
from vstore.urls import OptionValue

__all__ = ["AsyncCollection", "AsyncStore", "Connecting", "connect"]


def connect(
    url: str | None = None, *, client: object | None = None, timeout: float = DEFAULT_TIMEOUT, **options: OptionValue
) -> Connecting:
    """Connects to a database; await the result, or use it in an ``async with``.

    Arguments and errors are those of ``vstore.connect``.
    """
    return Connecting(url, client, timeout, options)


class Connecting:
    """What ``vstore.aio.connect`` returns: await it for a store, or use it in an ``async with``."""

    def __init__(self, url: str | None, client: object | None, timeout: float, options: dict[str, Any]) -> None:
        self._arguments = (url, client, timeout, options)
        self._store: AsyncStore | None = None

    def __await__(self) -> Generator[Any, None, AsyncStore]:
        return self._connect().__await__()

    async def __aenter__(self) -> AsyncStore:
        self._store = await self._connect()
        return self._store

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            await self._store.close()

    async def _connect(self) -> AsyncStore:
        url, client, timeout, options = self._arguments
        factory: AdapterFactory
        with reporting(""):
            check_target(url, client)
            if client is not None:
                factory, settings = plan_borrow(client, timeout, options)
            else:
                factory, parsed, settings = plan_connect(url, timeout, options)
        with reporting(factory.name, settings.secrets):
            if client is not None:
                return AsyncStore(await factory.borrow_async(client, settings))
            return AsyncStore(await factory.connect_async(parsed, settings))
