"""Finds the collection of a target in a store, or makes it."""

from __future__ import annotations

from vstore.core._async.collection import AsyncCollection
from vstore.core._async.store import AsyncStore
from vstore.errors import NotFound
from vstore.indexing import Metric
from vstore.integrations.target import Target

__all__ = ["find", "find_or_create"]


async def find(store: AsyncStore, target: Target) -> AsyncCollection | None:
    """Return the collection of ``target``, or None where there is none; raises ``Mismatch`` where it is another."""
    try:
        found = await store.get_collection(target.name, embedder=target.embedders)
    except NotFound:
        return None
    target.check(found.info)
    return found


async def find_or_create(store: AsyncStore, target: Target, dimension: int) -> AsyncCollection:
    """Return the collection of ``target``, created where there is none, by default for ``dimension`` components."""
    if (found := await find(store, target)) is not None:
        return found
    return await store.create_collection(
        target.name,
        dimension=target.dimension or dimension,
        metric=target.metric or Metric.COSINE,
        index=target.index,
        embedder=target.embedders,
        fields=target.fields,
        metadata=target.metadata,
        exist_ok=True,
    )
