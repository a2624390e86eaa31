"""A sync face for async stores, so that one test body, many threads included, serves both forms."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar, cast

import vstore
from vstore import aio

__all__ = ["Loop", "connect"]

T = TypeVar("T")


class Loop:
    """An event loop that runs in a thread of its own until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vstore-conformance-loop", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; any thread may ask."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Stops the loop and its thread, with its own worker threads."""
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Blocking:
    """Stands for an async store or collection: every awaitable method blocks until its outcome is there."""

    def __init__(self, loop: Loop, inner: object) -> None:
        self.__dict__.update(_loop=loop, _inner=inner)

    def __repr__(self) -> str:
        return repr(self._inner)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._method(value) if inspect.ismethod(value) else value

    def _method(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if inspect.iscoroutine(result):
                result = self._loop.run(result)
            if isinstance(result, AsyncIterator):
                return self._pages(result)
            return _Blocking(self._loop, result) if isinstance(result, aio.AsyncCollection) else result

        return call

    def _pages(self, pages: AsyncIterator[Any]) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(pages, None)

        while (page := self._loop.run(following())) is not None:
            yield page


def connect(
    loop: Loop, url: str | None = None, *, client: object | None = None, timeout: float = 30.0, retries: int = 0
) -> vstore.Store:
    """``vstore.aio.connect`` behind the names of ``vstore.Store``."""

    async def opened() -> aio.AsyncStore:
        return await aio.connect(url, client=client, timeout=timeout, retries=retries)

    return cast("vstore.Store", _Blocking(loop, loop.run(opened())))
