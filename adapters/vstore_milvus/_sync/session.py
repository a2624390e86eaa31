# Generated from adapters/vstore_milvus/_async/session.py by tools/unasync.py: do not edit.
"""One client, and how every call on it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pymilvus import MilvusClient
from pymilvus.grpc_gen.milvus_pb2 import SearchRequest, UpsertRequest
from pymilvus.grpc_gen.schema_pb2 import SearchResultData

from vstore.capabilities import Capabilities, Support
from vstore.errors import VStoreError
from vstore_milvus._sync._run import MADE, Guard, bounded, calling, connection, search
from vstore_milvus._sync.locks import DatabaseLocks
from vstore_milvus.clients import address, context
from vstore_milvus.errors import guarded
from vstore_milvus.held import Held

__all__ = ["Session"]


class Session:
    """What the adapter and its collections share.

    Attributes:
        client: The client of pymilvus.
        capabilities: What this connection can do.
        lite: Whether it is Milvus Lite.
        packs: Whether named fields of a new collection are text, since the server has one vector a record.
        locks: Keep reads from seeing a write half done.
        held: Metadata of the collections of Milvus Lite's file; None elsewhere, and with a client that was given.
        dropped: Tokens of the collections that this store has deleted.
        names: The last known name of each collection, by token: after a rename every handle has the new one.
        moves: How often this store has renamed a collection.
        unflushed: How many records this store has written to each collection since it was flushed, by token.
    """

    def __init__(
        self,
        client: MilvusClient,
        capabilities: Capabilities,
        seconds: float,
        guard: Guard,
        locks: DatabaseLocks,
        held: Held | None = None,
    ) -> None:
        self.client = client
        self.locks = locks
        self.held = held
        self.capabilities = capabilities
        self.lite = capabilities.mode == "embedded"
        self.packs = capabilities.named_vectors.support is Support.EMULATED
        self.dropped: set[str] = set()
        self.names: dict[str, str] = {}
        self.moves = 0
        self.unflushed: dict[str, int] = {}
        self._missed: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._breaks = 0
        self._seconds = seconds
        self._guard = guard

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Makes one call of the client, with the timeout and with errors of the contract."""
        try:
            with guarded():
                return self._guarded(method, *args, timeout=self._seconds, **kwargs)
        except VStoreError as error:
            if error.retryable:
                self._breaks += 1
            raise

    def upsert(self, name: str, request: UpsertRequest, **how: Any) -> Any:
        """Sends a request that is made already; to be called by ``call``.

        The client itself would take rows only.
        """
        sender = connection(self.client)
        return sender.upsert(name, [], upsert_param=request, **MADE, **how, **context(self.client))

    def search(
        self,
        name: str,
        *,
        request: SearchRequest,
        consistency_level: str,
        partition_names: Sequence[str] = (),
        **sent: Any,
    ) -> SearchResultData:
        """Makes a search whose request is made already; to be called by ``call``."""
        sender = connection(self.client)
        beside = address(request, sender, name, partition_names, consistency_level, context(self.client))
        answer: SearchResultData = search(sender, request, metadata=beside, **sent)
        return answer

    def _guarded(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._guard, calling():
            return bounded(method(*args, **kwargs), self._seconds)

    def level(self, token: str) -> tuple[str, int]:
        """Return the consistency level of the next read of a collection, and what to pass to ``seen`` after it.

        With the level ``Session`` a read waits for the last write of this process whose time pymilvus knows, by
        the collection's name; usually it does not wait at all. ``Strong`` waits for everything that was written
        anywhere, some 300 ms: it is for the first read, for what pymilvus does not know, and for the first read after
        an error of the server's or the network's. A server that was killed answers again before it has read its log
        again, for up to half a minute with the level ``Session``: as if nothing had been written (measured on 2.3.5).
        """
        missed = self._missed.get(token, 0) + self._breaks
        return "Session" if self._seen.get(token) == missed else "Strong", missed

    def seen(self, token: str, missed: int) -> None:
        """Records that a read has seen what ``level`` announced."""
        self._seen[token] = max(missed, self._seen.get(token, 0))

    def begin(self, token: str) -> None:
        """Records that a collection is new and empty: its first read can miss nothing."""
        self._seen[token] = self._missed.setdefault(token, 0) + self._breaks

    def hidden(self, token: str) -> None:
        """Records a write whose time pymilvus does not know: the next read must be strong.

        Milvus 2.3.5 reports no time for a delete, and a renamed collection is unknown under its new name.
        """
        self._missed[token] = self._missed.get(token, 0) + 1

    def moved(self, token: str, name: str) -> None:
        """Records the new name of a collection."""
        self.names[token] = name
        self.moves += 1
        self.hidden(token)
