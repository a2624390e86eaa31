"""A collection to be made and written as another package's own store would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
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
from vstore.transfer.collections import CollectionSink, CollectionSource, CollectionTarget
from vstore.transfer.endpoint import Reject, Source, Target
from vstore.transfer.shaping import Shape

__all__ = ["LayoutTarget", "check_dimensions", "shape_of"]


class LayoutTarget(CollectionTarget):
    """A collection in the layout of another package.

    Args:
        store: Its store.
        name: Its name, by which it may exist already.
        layout: The package, as in ``create_collection(layout=)``.
        like: The source: its dimension and metric, where the database does not say those of an empty collection.
        identity: Names it in any process, without secrets; empty where nothing does.
        vector_length: The dimension of the target, in a layout that fills vectors up or cuts them; by default that of
            the existing table, or what the layout says, or that of the source.

    Attributes:
        layout: As given.

    Raises:
        InvalidInput: There is no such layout.
        Unsupported: vstore does not write it for this database, or it has no ``vector_length``, or none so long.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        layout: str,
        like: CollectionInfo,
        identity: str = "",
        vector_length: int | None = None,
    ) -> None:
        super().__init__(store, name, identity)
        self.layout = layout
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
        made = None if self._written.native is None else self._written.native(self._name)
        return self._name if made is None or self._written.by_rows else made

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
        return replace(can, nested_metadata=nested, named_vectors=lacking, sparse_vectors=lacking)

    def existing(self) -> CollectionSource | None:
        """See ``Target``."""
        opened = self._opened()
        return None if opened is None else CollectionSource(self._store, opened, self.identity)

    def _opened(self) -> Collection | None:
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

    def sink(self, reject: Reject) -> CollectionSink:
        """See ``Target``."""
        opened = self._opened()
        if opened is None:
            raise Mismatch("the target is gone", hint="Pass --restart to begin again.")
        return CollectionSink(opened, self.identity, self.backend, reject)


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
