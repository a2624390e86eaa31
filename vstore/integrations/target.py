"""What a door opens: a URL, a store or a collection, and how the collection is made where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from vstore.aio import AsyncCollection, AsyncStore
from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.core.connecting import DEFAULT_RETRIES, DEFAULT_TIMEOUT
from vstore.embedding import Embedder, SparseEmbedder
from vstore.errors import InvalidInput, Mismatch
from vstore.fields import UNNAMED, Field, Sparse
from vstore.indexing import Index, Metric
from vstore.info import CollectionInfo
from vstore.spi.urls import OptionValue

__all__ = ["SPARSE_FIELD", "Given", "Target"]

SPARSE_FIELD: Final = "terms"

Given: TypeAlias = str | Store | Collection | AsyncStore | AsyncCollection | None


@dataclass(frozen=True, kw_only=True)
class Target:
    """One collection of one database.

    Attributes:
        given: A URL, the name of a store in ``vstore.toml``, or None for ``VSTORE_URL``; or a store or a collection,
            sync or async, which is borrowed and never closed.
        given_async: Beside a sync store or collection, the async one for the async calls.
        name: The collection's name, where no collection is given.
        metric: Its metric; None for cosine where it is made, and any where it is there.
        dimension: Components of a vector; None for those of the first vectors written.
        index: Its index; None for the store's own.
        embedder: vstore's own kind of embedder, whose name is stored with the collection; or None.
        sparse_embedder: What makes the vectors of the sparse field ``terms``, which the collection then has; or None.
        metadata: The collection's own metadata, where it is made.
        timeout: As in ``vstore.connect``, for a URL.
        retries: As in ``vstore.connect``, for a URL.
        options: The adapter's options, for a URL.
    """

    given: Given
    given_async: AsyncStore | AsyncCollection | None = None
    name: str
    metric: Metric | str | None = None
    dimension: int | None = None
    index: Index | None = None
    embedder: Embedder | None = None
    sparse_embedder: SparseEmbedder | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = DEFAULT_TIMEOUT
    retries: int = DEFAULT_RETRIES
    options: Mapping[str, OptionValue] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.given, Given):
            raise InvalidInput(
                f"a door takes a URL, a store or a collection of vstore, not {type(self.given).__name__}",
                hint="Pass 'chroma:./data', vstore.connect(…) or store.get_collection(…).",
            )
        if self.given_async is not None and not (
            isinstance(self.given, Store | Collection) and isinstance(self.given_async, AsyncStore | AsyncCollection)
        ):
            raise InvalidInput("an async store or collection is given beside a sync one; a URL serves both")
        for name in ("given", "given_async"):
            collection = getattr(self, name)
            # a framework's metadata are written in vstore's own form, which no other package reads
            if isinstance(collection, Collection | AsyncCollection) and collection.mapping is not None:
                object.__setattr__(self, name, collection.reader())
        if self.options and not self.connects:
            raise InvalidInput("options are for a URL; a store that is given is connected already")

    @property
    def connects(self) -> bool:
        """Whether a URL is given, or what stands for one."""
        return self.given is None or isinstance(self.given, str)

    @property
    def embedders(self) -> Embedder | dict[str, Embedder | SparseEmbedder] | None:
        """What the collection is opened with."""
        if self.sparse_embedder is None:
            return self.embedder
        dense = {} if self.embedder is None else {UNNAMED: self.embedder}
        return {**dense, SPARSE_FIELD: self.sparse_embedder}

    @property
    def fields(self) -> dict[str, Field]:
        """The named fields that the collection is made with."""
        return {} if self.sparse_embedder is None else {SPARSE_FIELD: Sparse()}

    def check(self, info: CollectionInfo) -> None:
        """Raises ``Mismatch`` where the collection that is there has another metric or dimension."""
        for what, asked, found in (
            ("metric", self.metric, info.metric),
            ("dimension", self.dimension, info.dimension),
        ):
            if asked is not None and asked != found:
                raise Mismatch(f"the collection {info.name!r} has the {what} {found}, not {asked}")
