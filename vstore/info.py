"""``CollectionInfo``: what a collection is."""

from __future__ import annotations

from dataclasses import dataclass, field

from vstore.indexing import Index, Metric
from vstore.omission import Omission
from vstore.records import Metadata

__all__ = [
    "CollectionInfo",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionInfo:
    """What a collection is; it reads back the same from any process.

    Attributes:
        name: The collection's name.
        dimension: Number of components of its vectors.
        metric: How nearness is measured.
        index: Index settings.
        metadata: The user's own metadata of the collection.
        embedder: Name of the embedder it was created with, or None.
        omitted: What its mapping leaves out, where vstore did not create it, as far as its schema and its first
            records show. ``Collection.omissions`` looks at all records.
    """

    name: str
    dimension: int
    metric: Metric
    index: Index
    metadata: Metadata = field(default_factory=dict)
    embedder: str | None = None
    omitted: tuple[Omission, ...] = field(default=(), compare=False)
