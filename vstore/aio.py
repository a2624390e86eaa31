"""The async door: ``async with vstore.aio.connect(url) as store``. Names and outcomes are those of ``vstore``."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Unpack, overload

from vstore.core._async.collection import AsyncCollection
from vstore.core._async.opening import open_store
from vstore.core._async.store import AsyncStore
from vstore.core.connecting import DEFAULT_RETRIES, DEFAULT_TIMEOUT
from vstore.core.registry import Plan, plan
from vstore.core.settings import chosen, is_name, store_url
from vstore.errors import Unsupported
from vstore.options import ChromaOptions, MilvusOptions, PgvectorOptions, QdrantOptions
from vstore.spi._async._run import current_loop, run_blocking
from vstore.spi.urls import OptionValue

__all__ = ["AsyncCollection", "AsyncStore", "Connecting", "connect"]


@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: Unpack[MilvusOptions],
) -> Connecting: ...
@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: Unpack[ChromaOptions],
) -> Connecting: ...
@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: Unpack[PgvectorOptions],
) -> Connecting: ...
@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: Unpack[QdrantOptions],
) -> Connecting: ...
@overload
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = 30.0,
    retries: int = 0,
    **options: OptionValue,
) -> Connecting: ...
def connect(
    url: str | None = None,
    *,
    client: object | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    retries: int = DEFAULT_RETRIES,
    **options: OptionValue,
) -> Connecting:
    """Connect to a database; await the result, or use it in an ``async with``.

    Arguments and errors are those of ``vstore.connect``.

    Example:
        >>> async with vstore.aio.connect("chroma:./data") as store:
        ...     print(await store.list_collections())
    """
    given = chosen(url, client)
    if is_name(given):  # files and a keyring are read, which takes its time
        return Connecting(lambda: plan(store_url(given), client, timeout, retries, options), blocking=True)
    ready = plan(given, client, timeout, retries, options)
    return Connecting(lambda: ready, blocking=False)


class Connecting:
    """What ``vstore.aio.connect`` returns: await it for a store, or use it in an ``async with``."""

    def __init__(self, prepare: Callable[[], Plan], *, blocking: bool) -> None:
        self._prepare = prepare
        self._blocking = blocking
        self._store: AsyncStore | None = None

    def __await__(self) -> Generator[Any, None, AsyncStore]:
        return self._opened().__await__()

    async def __aenter__(self) -> AsyncStore:
        self._store = await self._opened()
        return self._store

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            await self._store.close()

    async def _opened(self) -> AsyncStore:
        if current_loop() is None:
            raise Unsupported(
                "an async store needs asyncio's event loop, and none runs here",
                hint="Under trio, or another, call a store of vstore.connect in worker threads.",
                operation="connect",
            )
        return await open_store(await run_blocking(self._prepare) if self._blocking else self._prepare())
