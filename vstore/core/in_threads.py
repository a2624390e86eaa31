"""The async form of a sync collection that an application has."""

from __future__ import annotations

from vstore.core._async.collection import AsyncCollection
from vstore.core._sync.collection import Collection
from vstore.spi.threaded import ThreadedCollection

__all__ = ["in_threads"]


def in_threads(collection: Collection) -> AsyncCollection:
    """Return an async form of ``collection``, for any event loop: each call of the database runs in a worker thread.

    It belongs to the collection's store, and is closed with it.
    """
    adapter = ThreadedCollection(collection._adapter)  # type: ignore[arg-type]  # one of a mapping is only read
    writer = None if collection._writer is None else adapter
    return AsyncCollection(
        adapter,
        collection.capabilities,
        collection._calls,
        collection._embedders,
        writer=writer,
        partition=collection._partition,
    )
