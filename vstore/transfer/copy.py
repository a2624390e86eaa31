"""A plain copy: one pass, one reader, one writer, memory bounded by the page."""

from __future__ import annotations

from collections.abc import Callable

from vstore._sync.collection import Collection
from vstore._sync.store import Store
from vstore.types import Flat, Index

__all__ = ["copy"]


def copy(
    source: Collection,
    target: Store,
    *,
    name: str | None = None,
    batch_size: int = 1000,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Collection:
    """Copies a collection with its records, dimension, metric, index and metadata into another store.

    Args:
        source: What to copy; only read.
        target: Where to create it.
        name: Its name there; by default the same.
        batch_size: Records read and written at once.
        on_progress: Called with the number of records written by each page.

    Returns:
        The new collection.

    Raises:
        AlreadyExists: There is a collection of this name; nothing was written.
        Unsupported: The target lacks the source's index.
    """
    info = source.info
    made = target.create_collection(
        name or info.name,
        dimension=info.dimension,
        metric=info.metric,
        index=_portable(info.index, target),
        metadata=info.metadata,
    )
    for page in source.scan(batch_size=batch_size):
        records = page.records
        made.upsert(records.ids, records.vectors, records.documents, records.metadatas)
        on_progress(len(records))
    return made


def _portable(index: Index, target: Store) -> Index | None:
    """The source's index; but Flat, which only says "no index", leaves the choice to a target without it."""
    if isinstance(index, Flat) and not target.capabilities.index_flat:
        return None
    return index
