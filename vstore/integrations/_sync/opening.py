# Generated from vstore/integrations/_async/opening.py by tools/unasync.py: do not edit.
"""Finds the collection of a target in a store, or makes it."""

from __future__ import annotations

from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.errors import NotFound
from vstore.indexing import Metric
from vstore.integrations.target import Target

__all__ = ["find", "find_or_create"]


def find(store: Store, target: Target) -> Collection | None:
    """Return the collection of ``target``, or None where there is none; raises ``Mismatch`` where it is another."""
    try:
        found = store.get_collection(target.name, embedder=target.embedders)
    except NotFound:
        return None
    target.check(found.info)
    return found


def find_or_create(store: Store, target: Target, dimension: int) -> Collection:
    """Return the collection of ``target``, created where there is none, by default for ``dimension`` components."""
    if (found := find(store, target)) is not None:
        return found
    return store.create_collection(
        target.name,
        dimension=target.dimension or dimension,
        metric=target.metric or Metric.COSINE,
        index=target.index,
        embedder=target.embedders,
        fields=target.fields,
        metadata=target.metadata,
        exist_ok=True,
    )
