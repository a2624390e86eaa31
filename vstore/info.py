"""``CollectionInfo``: what a collection is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from vstore.fields import Dense, Field
from vstore.indexing import Index, Metric
from vstore.omission import Omission
from vstore.records import Include, Metadata

__all__ = [
    "CollectionInfo",
]


@dataclass(frozen=True, kw_only=True)
class CollectionInfo:
    """What a collection is; it reads back the same from any process.

    Attributes:
        name: The collection's name.
        dimension: Number of components of its vectors; 0 where it has named fields only, and records no ``vector``.
        metric: How nearness of its vectors is measured.
        index: Index settings for its vectors.
        metadata: The user's own metadata of the collection.
        embedder: Name of the embedder it was created with, or None.
        fields: The named fields, in the order in which their legs are fused.
        partition_by: The metadata key that every record has and that parts them, or None.
        omitted: What its mapping leaves out, where vstore did not create it, as far as its schema and its first
            records show. ``Collection.omissions`` looks at all records.
    """

    name: str
    dimension: int
    metric: Metric
    index: Index
    metadata: Metadata = dataclasses.field(default_factory=dict)
    embedder: str | None = None
    fields: dict[str, Field] = dataclasses.field(default_factory=dict)
    partition_by: str | None = None
    omitted: tuple[Omission, ...] = dataclasses.field(default=(), compare=False)

    def field(self, name: str = "") -> Field:
        """Return a field; an empty name is the one without a name."""
        return self.fields[name] if name else self._unnamed

    @cached_property
    def _unnamed(self) -> Dense:
        return Dense(self.dimension, self.metric, index=self.index)

    def include(self, names: Iterable[str]) -> Include:
        """Return which columns a read brings; raises ``InvalidInput`` for a name that the collection has not."""
        return Include.parse(names, self.fields, unnamed=self.dimension > 0)
