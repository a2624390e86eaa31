"""A collection to be made and written as another package's own store would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from hashlib import blake2b
from uuid import UUID

import numpy as np

from vstore.capabilities import Capabilities, no
from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.core.planning import completed
from vstore.errors import InvalidInput, Mismatch, NotFound, Unsupported
from vstore.indexing import Index
from vstore.info import CollectionInfo
from vstore.mapping import RecordMapping
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.collections import CollectionSink, CollectionSource, CollectionTarget
from vstore.transfer.endpoint import Reject, Source, Target
from vstore.transfer.shaping import Shape
from vstore.transfer.sharing import PlannedIds, SharedIds
from vstore.transfer.transform import Rewrite

__all__ = ["LayoutTarget", "check_dimensions", "shape_of", "shared_ids"]


class LayoutTarget(CollectionTarget):
    """A collection in the layout of another package.

    Args:
        store: Its store.
        name: Its name, by which it may exist already.
        layout: The package, or a mapping, as in ``create_collection(layout=)``.
        like: The source: its dimension and metric, where the database does not say those of an empty collection.
        identity: Names it in any process, without secrets; empty where nothing does.
        vector_length: The dimension of the target, in a layout that fills vectors up or cuts them; by default that of
            the existing table, or what the layout says, or that of the source.

    Attributes:
        layout: As given.
        planned: The ids of other collections of the same copy, in a layout where each id stands once for all of them.

    Raises:
        InvalidInput: There is no such layout.
        Unsupported: vstore does not write it for this database, or it has no ``vector_length``, or none so long.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        layout: RecordMapping | str,
        like: CollectionInfo,
        identity: str = "",
        vector_length: int | None = None,
    ) -> None:
        super().__init__(store, name, identity)
        self.layout = layout
        self.planned = PlannedIds()
        self._like = like
        self._written = store.layout(layout)
        self._asked = vector_length
        if vector_length is not None and not self._written.resizes:
            raise Unsupported(
                f"{self._written.package} neither fills vectors up nor cuts them", hint="Leave out --vector-length."
            )
        most = self._written.max_dimension
        if vector_length is not None and most is not None and vector_length > most:
            raise Unsupported(
                f"{self._written.package} keeps vectors of more than {most:,} components in half precision",
                hint="vstore writes none of these: pass a shorter --vector-length.",
            )

    def native(self) -> str:
        """Return the name that no other collection of the layout has in the database.

        Raises:
            InvalidInput: The layout has none for this collection.
        """
        if self._written.named is not None and not self._written.named.fullmatch(self._name):
            raise InvalidInput(
                f"{self._written.package} has no collections of such names",
                hint=f"Its names look like {self._written.named.pattern}.",
            )
        made = self._written.stored_name(self._name)
        return self._name if self._written.by_rows else made

    @property
    def shared(self) -> str:
        """The name of what the database has for several collections, all of one dimension; else empty."""
        native = self._written.native
        return native(self._name) if native is not None and self._written.by_rows else ""

    @property
    def shape(self) -> Shape:
        """What the layout does to records, of which none were looked at."""
        return Shape(self._written, self._like, self._dimension)

    @cached_property
    def _dimension(self) -> int:
        if not self._written.resizes:
            return self._like.dimension
        opened = self._opened() if self._written.by_rows and self._asked is None else None
        there = None if opened is None else opened.info.dimension
        return self._asked or there or self._written.vector_length or self._like.dimension

    @property
    def capabilities(self) -> Capabilities:
        """See ``Target``: those of the store as far as the layout has them."""
        can, layout = self._store.capabilities, self._written
        lacking = no(f"the layout of {layout.package} has none")
        nested = can.nested_metadata if layout.nested or not can.nested_metadata else lacking
        quantization = can.quantization if layout.quantizes or not can.quantization else lacking
        return replace(
            can, nested_metadata=nested, quantization=quantization, named_vectors=lacking, sparse_vectors=lacking
        )

    def existing(self) -> CollectionSource | None:
        """See ``Target``."""
        opened = self._opened()
        return None if opened is None else CollectionSource(self._store, opened, self.identity)

    def _opened(self) -> Collection | None:
        if isinstance(self.layout, RecordMapping):
            return self._described(self._store, self._name)
        try:
            proposed = self._store.propose_mapping(self._name, self.layout)
        except NotFound:
            return None
        length = None if self._written.by_rows else self._dimension  # else the table of all collections says it
        if self._written.other_form and bool(proposed.only) != self._written.by_rows:
            raise Unsupported(
                f"{self._written.package} has this collection {self._written.other_form}: vstore only reads that form",
                hint="Write into an empty database, or give the collection another name.",
            )
        mapping = completed(proposed, self._written, self._like.metric, length)
        return self._store.get_collection(self._name, mapping=mapping, layout=self.layout)

    def _described(self, store: Store, name: str) -> Collection | None:
        """Open a collection of the layout that a mapping describes."""
        mapping = completed(self._written.mapping, self._written, self._like.metric, self._dimension)
        try:
            return store.get_collection(name, mapping=mapping, layout=self.layout if store is self._store else None)
        except NotFound:
            return None

    def dry_create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        """See ``Target``: as of a collection of vstore's own."""
        digest = blake2b(f"{source.identity} {self._name}".encode(), digest_size=16).digest()
        name = f"vstore_{digest[:12].hex()}"
        if self._written.by_rows:  # the start of a name can tell which table it is in
            name = f"{self._name}-{name}"
        self._store.delete_collection(name, missing_ok=True, layout=self.layout)
        made = self._make(name, info, index)
        try:
            if self._written.by_rows:  # nothing else tells that it is there
                made.upsert([str(UUID(bytes=digest))], np.eye(1, self._dimension, dtype=np.float32), [""])
            if not isinstance(source, CollectionSource) or source.collection.info.name != self._name:
                return
            if self._seen(source.store, name):
                raise InvalidInput("source and target are the same collection", hint="Nothing was changed.")
        finally:
            self._store.delete_collection(name, layout=self.layout)

    def _seen(self, store: Store, name: str) -> bool:
        """Whether a store has a collection of this layout."""
        if not store.capabilities.mapping:
            return False
        try:
            if isinstance(self.layout, RecordMapping):
                return self._described(store, name) is not None
            if not self._written.by_rows:
                return bool(store.propose_mapping(name, self.layout))
            return store.get_collection(name, mapping=self.layout).count() > 0
        except (NotFound, Mismatch, Unsupported):
            return False

    def _make(self, name: str, info: CollectionInfo, index: Index | None) -> Collection:
        layout, held = self._written, self.shape.held
        return self._store.create_collection(
            name,
            dimension=held.dimension,
            metric=held.metric,
            index=index if layout.index is None else None,
            metadata=held.metadata,
            layout=self.layout,
        )

    def remove(self) -> None:
        """See ``Target``."""
        self._store.delete_collection(self._name, missing_ok=self._written.by_rows, layout=self.layout)

    def shared_ids(self, retry: RetryPolicy, rewrites: Sequence[Rewrite], *, dry: bool) -> SharedIds | None:
        """Return what looks for ids that other collections have; None where each collection has its own ids."""
        if self._written.whole is None:
            return None

        def elsewhere(ids: Sequence[str]) -> dict[str, str]:
            return retry.call(partial(self._held_elsewhere, ids))

        planned = self.planned if dry else None
        return SharedIds(self._name, self._written.package, elsewhere, planned, rewrites, self.shape.ids_made)

    def _held_elsewhere(self, ids: Sequence[str]) -> dict[str, str]:
        """Return which other collection has an id, of those that one has."""
        whole = self._all_collections
        if whole is None:
            return {}
        [place] = whole.mapping.fields if whole.mapping is not None else ()
        found = whole.get(ids, include=("metadatas",))
        opened = self._opened()
        own = None if opened is None or opened.mapping is None else opened.mapping.only.get(place)
        owners = {
            one: str(metadata.get(place, "")) for one, metadata in zip(found.ids, found.metadatas or [], strict=True)
        }
        return {one: self._names.get(owner, owner) for one, owner in owners.items() if owner != own}

    @cached_property
    def _all_collections(self) -> Collection | None:
        """The records of all collections; None where there is no such place yet."""
        assert self._written.whole is not None
        whole = replace(self._written.whole, metric=self._like.metric, dimension=self._dimension)
        if self.shared:
            whole = replace(whole, table=(self.shared,))
        try:
            return self._store.get_collection(self._name, mapping=whole)
        except NotFound:
            return None

    @cached_property
    def _names(self) -> dict[str, str]:
        """The names of collections, by what their records have in place of them."""
        if self._written.by_rows:  # which have the name itself
            return {}
        found: dict[str, str] = {}
        for name in self._store.list_foreign_collections():
            with suppress(Mismatch):  # of another layout
                found |= dict.fromkeys(self._store.propose_mapping(name, str(self.layout)).only.values(), name)
        return found

    def sink(self, reject: Reject) -> CollectionSink:
        """See ``Target``."""
        opened = self._opened()
        if opened is None:
            raise Mismatch("the target is gone", hint="Pass --restart to begin again.")
        return CollectionSink(opened, self.identity, self.backend, reject)


def shared_ids(
    target: Target, retry: RetryPolicy, rewrites: Sequence[Rewrite] = (), *, dry: bool = False
) -> SharedIds | None:
    """Return what looks for ids that other collections of a target have; None where each has its own ids.

    Args:
        target: The target.
        retry: Makes the calls.
        rewrites: Applied to the records before their ids are taken.
        dry: Whether nothing is written, so that ids planned for other collections count too.
    """
    return target.shared_ids(retry, rewrites, dry=dry) if isinstance(target, LayoutTarget) else None


def check_dimensions(targets: Mapping[str, LayoutTarget]) -> None:
    """Raises ``InvalidInput`` where collections of several dimensions would be in one of the database.

    Args:
        targets: By their names.
    """
    found: dict[str, dict[int, str]] = {}
    for name, target in targets.items():
        if target.shared:
            found.setdefault(target.shared, {}).setdefault(target.shape.dimension, name)
    for shared, dimensions in found.items():
        if len(dimensions) > 1:
            told = ", ".join(f"{dimension:,} ({name!r:.80})" for dimension, name in dimensions.items())
            raise InvalidInput(
                f"vectors of several dimensions would be in {shared!r}: {told}; nothing was written",
                hint="Pass --vector-length, the dimension of the embedder, or copy only some by --collection.",
            )


def shape_of(target: Target, dimension: int, planned: int) -> Shape | None:
    """Return what the layout of a target does to records; None of a target without one.

    Args:
        target: The target.
        dimension: Of the source.
        planned: Of the vectors that are written.

    Raises:
        Unsupported: They differ.
    """
    if not isinstance(target, LayoutTarget):
        return None
    if dimension != planned:
        raise Unsupported(
            f"the vectors get another dimension, and the layout of another package: {dimension} and {planned}",
            hint="Copy in two steps: first without --layout, then with it.",
        )
    return target.shape
