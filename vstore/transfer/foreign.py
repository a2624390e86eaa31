"""Opens collections to be read, of those that vstore did not create the empty ones too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.errors import Mismatch
from vstore.mapping import ALL, RecordMapping

__all__ = ["identified", "open_collection"]


def open_collection(
    store: Store,
    name: str,
    mapping: RecordMapping | str | None = None,
    dimension: int | None = None,
    ids: Sequence[str] = (),
) -> Collection:
    """Return a collection of a store.

    Args:
        store: The store.
        name: The collection.
        mapping: As for ``Store.get_collection``.
        dimension: That of a collection that vstore did not create, where neither the database nor a record tells it.
        ids: The field that is the id, or the columns that are it together, whatever the mapping says.

    Raises:
        VStoreError: As ``Store.get_collection``.
    """
    if mapping is None:
        return store.get_collection(name)
    if ids:
        mapping = identified(_proposed(store, name, mapping), ids)
    try:
        return store.get_collection(name, mapping=mapping)
    except Mismatch:
        if dimension is None:
            raise
        mapping = _proposed(store, name, mapping)
        if mapping.dimension is not None:
            raise
        return store.get_collection(name, mapping=replace(mapping, dimension=dimension))


def _proposed(store: Store, name: str, mapping: RecordMapping | str) -> RecordMapping:
    if isinstance(mapping, RecordMapping):
        return mapping
    return store.propose_mapping(name, None if mapping == "auto" else mapping)


def identified(mapping: RecordMapping, ids: Sequence[str]) -> RecordMapping:
    """Return a mapping by which other columns are the id; the column that was it becomes metadata."""
    fields = mapping.fields
    if mapping.metadata and fields != ALL:
        single = ids if len(ids) == 1 else ()
        fields = tuple(one for one in (*fields, *mapping.id) if one not in single)
    one, several = (tuple(ids), ()) if len(ids) == 1 else ((), tuple(ids))
    return replace(mapping, id=one, id_columns=several, id_type=None, fields=fields)
