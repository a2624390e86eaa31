"""One client, and how every call on it is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from pymilvus import AsyncMilvusClient

from vstore.capabilities import Capabilities
from vstore.errors import NotFound, VStoreError
from vstore_milvus._async._run import Guard, bounded
from vstore_milvus._async.turns import AsyncTurns
from vstore_milvus.errors import guarded, not_loaded, vanished

__all__ = ["AsyncSession"]

_ATTEMPTS: Final = 5


class AsyncSession:
    """What the adapter and its collections share.

    Attributes:
        client: The client of pymilvus.
        capabilities: What this connection can do.
        lite: Whether it is Milvus Lite.
        turns: Keeps reads from seeing a write half done.
        dropped: Tokens of the collections that this store has deleted.
        names: The last known name of each collection, by token: after a rename every handle has the new one.
    """

    def __init__(
        self, client: AsyncMilvusClient, capabilities: Capabilities, seconds: float, guard: Guard, turns: AsyncTurns
    ) -> None:
        self.client = client
        self.turns = turns
        self.capabilities = capabilities
        self.lite = capabilities.mode == "embedded"
        self.dropped: set[str] = set()
        self.names: dict[str, str] = {}
        self._missed: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._breaks = 0
        self._seconds = seconds
        self._guard = guard

    async def call(self, method: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """One call of the client, with the timeout and with errors of the contract."""
        try:
            with guarded():
                return await self._guarded(method, *args, timeout=self._seconds, **kwargs)
        except VStoreError as error:
            if error.retryable:
                self._breaks += 1
            raise

    async def _guarded(self, method: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        async with self._guard:
            return await bounded(method(*args, **kwargs), self._seconds)

    async def read(self, token: str, method: Callable[..., Awaitable[Any]], name: str, **kwargs: Any) -> Any:
        """One query or search of a collection, which sees what this store has written.

        With the level ``Session`` a read waits for the last write of this process whose time pymilvus knows, by
        the collection's name; usually it does not wait at all. ``Strong`` waits for everything that was written
        anywhere, some 300 ms: it is for the first read, for what pymilvus does not know, and for the first read after
        an error of the server's or the network's. A server that was killed answers again before it has read its log
        again, for up to half a minute with the level ``Session``: as if nothing had been written (measured on 2.3.5).
        """
        async with self.turns[token].read():
            self.check(token)
            name = self.names.get(token, name)
            missed = self._missed.get(token, 0) + self._breaks
            level = "Session" if self._seen.get(token) == missed else "Strong"
            for left in reversed(range(_ATTEMPTS)):
                try:
                    found = await self.call(method, name, consistency_level=level, **kwargs)
                    break
                except VStoreError as error:
                    if not left or not (not_loaded(error) or vanished(error)):
                        raise
                    if not_loaded(error):
                        await self.call(self.client.load_collection, name)
                level = "Strong"
            self._seen[token] = max(missed, self._seen.get(token, 0))
        return found

    async def upsert(self, token: str, name: str, rows: list[dict[str, Any]]) -> None:
        """Writes rows of a collection, in one request."""
        async with self.turns[token].write():
            self.check(token)
            await self.call(self.client.upsert, self.names.get(token, name), rows)

    async def delete(self, token: str, name: str, condition: str) -> None:
        """Deletes rows of a collection, in one request."""
        async with self.turns[token].write():
            self.check(token)
            try:
                await self.call(self.client.delete, self.names.get(token, name), filter=condition)
            finally:
                self.hidden(token)

    def begin(self, token: str) -> None:
        """A collection is new and empty: there is nothing that its first read could miss."""
        self._seen[token] = self._missed.setdefault(token, 0) + self._breaks

    def hidden(self, token: str) -> None:
        """Something was written at a time that pymilvus does not know: the next read must be strong.

        Milvus 2.3.5 reports no time for a delete, and a renamed collection is unknown under its new name.
        """
        self._missed[token] = self._missed.get(token, 0) + 1

    def check(self, token: str) -> None:
        """Raises ``NotFound`` on a collection that was deleted: Milvus would answer from a new one of its name."""
        if token in self.dropped:
            raise NotFound("the collection was deleted", hint="list_collections() names those that are there.")
