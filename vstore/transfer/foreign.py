"""Opens collections to be read, of those that vstore did not create the empty ones too."""

from __future__ import annotations

from dataclasses import replace

from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.errors import Mismatch
from vstore.mapping import RecordMapping

__all__ = ["open_collection"]


def open_collection(
    store: Store, name: str, mapping: RecordMapping | str | None = None, dimension: int | None = None
) -> Collection:
    """Return a collection of a store.

    Args:
        store: The store.
        name: The collection.
        mapping: As for ``Store.get_collection``.
        dimension: That of a collection that vstore did not create, where neither the database nor a record tells it.

    Raises:
        VStoreError: As ``Store.get_collection``.
    """
    if mapping is None:
        return store.get_collection(name)
    try:
        return store.get_collection(name, mapping=mapping)
    except Mismatch:
        if dimension is None:
            raise
        if not isinstance(mapping, RecordMapping):
            mapping = store.propose_mapping(name, None if mapping == "auto" else mapping)
        if mapping.dimension is not None:
            raise
        return store.get_collection(name, mapping=replace(mapping, dimension=dimension))
