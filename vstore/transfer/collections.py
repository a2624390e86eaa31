"""A collection of a store as source and as target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from vstore.capabilities import Capabilities, Exactness
from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.errors import (
    BackendError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PartialWrite,
    Unsupported,
    VStoreError,
    brief,
)
from vstore.filters.tree import Filter
from vstore.indexing import Index
from vstore.info import CollectionInfo
from vstore.omission import Omission
from vstore.records import IncludeName, Page, Records, VectorArray
from vstore.transfer.endpoint import EVERYTHING, Reject, Source

__all__ = ["CollectionSink", "CollectionSource", "CollectionTarget"]


class CollectionSource:
    """A collection to be read.

    Args:
        store: Its store.
        collection: The collection.
        identity: Names it in any process, without secrets; empty where nothing does.
        on_close: What ``close`` does; by default nothing, as the store belongs to the caller.

    Attributes:
        reopen: Opens it in another process; None where nothing can.
    """

    reopen: Callable[[], CollectionSource] | None = None

    def __init__(
        self, store: Store, collection: Collection, identity: str = "", on_close: Callable[[], None] = lambda: None
    ) -> None:
        if not isinstance(store, Store) or not isinstance(collection, Collection):
            raise InvalidInput(
                f"it takes a Store and one of its collections, not {brief(store)} and {brief(collection)}",
                hint="vstore.transfer.open_location opens an end by URL.",
            )
        self.capabilities: Capabilities = store.capabilities
        self.store = store
        self.collection = collection
        self._identity = identity
        self._on_close = on_close

    @property
    def identity(self) -> str:
        """See ``Source``."""
        return self._identity

    @property
    def backend(self) -> str:
        """See ``Source``."""
        return self.capabilities.backend

    @property
    def info(self) -> CollectionInfo:
        """See ``Source``."""
        return self.collection.info

    @property
    def cosine_exactness(self) -> Exactness:
        """See ``Source``."""
        return self.capabilities.cosine_exactness

    def count(self, where: Filter | None = None) -> int:
        """See ``Source``."""
        return self.collection.count(where)

    def scan(
        self,
        *,
        where: Filter | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Sequence[IncludeName] = EVERYTHING,
    ) -> Iterator[Page]:
        """See ``Source``."""
        return self.collection.scan(where=where, batch_size=batch_size, after=after, include=include)

    def get(self, ids: Sequence[str], *, include: Sequence[IncludeName] = EVERYTHING) -> Records:
        """See ``Source``."""
        return self.collection.get(ids, include=include)

    def omissions(self, where: Filter | None = None) -> list[Omission]:
        """See ``vstore.transfer.loss.Omitting``."""
        return self.collection.omissions(where)

    def close(self) -> None:
        """See ``Source``."""
        self._on_close()


@dataclass(slots=True)
class _Remembered:
    """Stands for the embedder of the source, whose name the target keeps; a copy embeds nothing."""

    name: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> VectorArray:
        raise NotImplementedError


class CollectionTarget:
    """A collection to be made and written.

    Args:
        store: Its store.
        name: Its name, by which it may exist already.
        identity: Names it in any process, without secrets; empty where nothing does.
        on_close: What ``close`` does; by default nothing, as the store belongs to the caller.

    Attributes:
        reopen: Opens it in another process; None where nothing can.
    """

    merges = True
    is_temporary = False
    reopen: Callable[[], CollectionTarget] | None = None

    def __init__(
        self, store: Store, name: str, identity: str = "", on_close: Callable[[], None] = lambda: None
    ) -> None:
        if not isinstance(store, Store) or not isinstance(name, str):
            raise InvalidInput(f"it takes a Store and a collection's name, not {brief(store)} and {brief(name)}")
        self._store = store
        self._name = name
        # a store that ends with the process is not resumable in another one
        self._identity = identity if store.capabilities.persistent else ""
        self._on_close = on_close

    @property
    def identity(self) -> str:
        """See ``Target``."""
        return self._identity

    @property
    def backend(self) -> str:
        """See ``Target``."""
        return self.capabilities.backend

    @property
    def capabilities(self) -> Capabilities:
        """See ``Target``."""
        return self._store.capabilities

    def existing(self) -> CollectionSource | None:
        """See ``Target``."""
        try:
            return CollectionSource(self._store, self._store.get_collection(self._name), self._identity)
        except NotFound:
            return None

    def dry_create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        """See ``Target``: creates an empty collection under another name, checks that the source lacks it, drops it.

        Two URLs of one server may have nothing in common (an alias, a tunnel, a proxy), so that only the servers
        themselves can tell. The next dry run clears away what a killed one has left.
        """
        name = f"vstore_{blake2b(f'{source.identity} {self._name}'.encode(), digest_size=12).hexdigest()}"
        self._store.delete_collection(name, missing_ok=True)
        self._make(name, info, index)
        try:
            if not isinstance(source, CollectionSource) or source.collection.info.name != self._name:
                return
            if source.store.has_collection(name):
                raise InvalidInput("source and target are the same collection", hint="Nothing was changed.")
        finally:
            self._store.delete_collection(name)

    def create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        """See ``Target``."""
        self._make(self._name, info, index).defer_index()

    def _make(self, name: str, info: CollectionInfo, index: Index | None) -> Collection:
        return self._store.create_collection(
            name,
            dimension=info.dimension or None,
            metric=info.metric,
            index=index if info.dimension else None,
            embedder=None if info.embedder is None else _Remembered(info.embedder, info.dimension),
            metadata=info.metadata,
            fields=info.fields,
            partition_by=info.partition_by if self.capabilities.partitions else None,  # else a named loss
        )

    def remove(self) -> None:
        """See ``Target``."""
        self._store.delete_collection(self._name)

    def sink(self, reject: Reject) -> CollectionSink:
        """See ``Target``."""
        return CollectionSink(self._store.get_collection(self._name), self._identity, self.backend, reject)

    def close(self) -> None:
        """See ``Target``."""
        self._on_close()


class CollectionSink:
    """Upserts chunks into a collection.

    A chunk that is too large, or in which a record is rejected, is halved until one record is left to blame. "Durable"
    means what the database's own acknowledgement means: see docs/migration.md.

    Args:
        collection: Where to write.
        identity: As of the target.
        backend: As of the target.
        reject: Takes the records that the database does not.
    """

    def __init__(self, collection: Collection, identity: str, backend: str, reject: Reject) -> None:
        self._collection = collection
        self._identity = identity
        self._backend = backend
        self._reject = reject

    @property
    def identity(self) -> str:
        """See ``Sink``."""
        return self._identity

    @property
    def backend(self) -> str:
        """See ``Sink``."""
        return self._backend

    def write(self, chunk: int, records: Records) -> None:
        """See ``Sink``."""
        if not len(records):
            return
        try:
            self._collection.upsert(records)
            return
        except VStoreError as raised:
            error = _reason(raised)
            if error.retryable or not isinstance(error, _REJECTIONS):
                raise
        if len(records) == 1:
            self._reject(chunk, records[0], error)
            return
        half = len(records) // 2
        self.write(chunk, records[:half])
        self.write(chunk, records[half:])

    def finish(self) -> None:
        """See ``Sink``."""
        self._collection.build_index()

    def close(self) -> None:
        """See ``Sink``."""


# Errors that a record may cause. Where the database is to blame for all of them, as with a full disk, the first few
# rejections show it, and the run ends.
_REJECTIONS: Final = (InvalidInput, LimitExceeded, Unsupported, BackendError)


def _reason(error: VStoreError) -> VStoreError:
    """What stopped a write midway, if that will stop it again: a chunk is upserted whole in any case."""
    cause = error.__cause__
    if isinstance(error, PartialWrite) and isinstance(cause, VStoreError) and not cause.retryable:
        return _reason(cause)
    return error
