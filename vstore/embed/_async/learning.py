"""Statistics of terms: learned from a collection in one scan, and kept in a collection beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final, Protocol
from uuid import uuid4

from vstore.embed.bm25 import BM25
from vstore.embed.statistics import TermStatistics
from vstore.errors import InvalidInput, NotFound
from vstore.filters import F
from vstore.filters.tree import Filter
from vstore.spi._async._run import run_blocking

__all__ = ["keep_async", "kept_async", "learn_async"]

_SUFFIX: Final = "_bm25"
_PAGE: Final = 1000


class AsyncScanned(Protocol):
    """What is learned from: a collection."""

    def scan(self, *, where: Any, batch_size: int, include: Iterable[str]) -> AsyncIterator[Any]:
        """Yield pages of records."""
        ...


class AsyncKeeping(Protocol):
    """Where statistics are kept: a store."""

    async def create_collection(self, name: str, *, dimension: int, metric: str, exist_ok: bool) -> Any:
        """Create a collection, or open it."""
        ...

    async def get_collection(self, name: str) -> Any:
        """Open a collection."""
        ...


async def learn_async(
    collection: AsyncScanned, embedder: BM25, *, where: Filter | Mapping[str, Any] | None = None
) -> TermStatistics:
    """Count in one scan how many documents have each term, and set ``embedder.statistics`` to it.

    Vectors of documents do not depend on it: nothing is written. Learn again after many records came or went.

    Args:
        collection: Its documents are read; records without one do not count.
        embedder: What turns them into terms.
        where: Only the records that match.

    Returns:
        The statistics, for ``keep`` or for ``bm25(statistics=…)``.
    """
    total = TermStatistics.empty(embedder.terms)
    async for page in collection.scan(where=where, batch_size=_PAGE, include=("documents",)):
        texts = [text for text in page.records.documents or () if text is not None]
        total = total + await run_blocking(embedder.learn, texts)
    embedder.statistics = total
    return total


async def keep_async(store: AsyncKeeping, name: str, statistics: TermStatistics) -> None:
    """Keep statistics in the database, in the collection ``NAME_bm25``, in place of those that were there.

    Args:
        store: The store.
        name: The collection that they are of.
        statistics: What ``learn`` returned.
    """
    parts = statistics.parts()
    generation = uuid4().hex
    collection = await store.create_collection(_beside(name), dimension=1, metric="l2", exist_ok=True)
    await collection.add(
        ids=[f"{generation}-{place}" for place in range(len(parts))],
        vectors=[[1.0]] * len(parts),
        documents=parts,
        metadatas=[{"generation": generation, "part": place, "parts": len(parts)} for place in range(len(parts))],
    )
    await collection.delete(where=F("generation") != generation)


async def kept_async(store: AsyncKeeping, name: str) -> TermStatistics:
    """Return the statistics that ``keep`` wrote.

    Args:
        store: The store.
        name: The collection that they are of.

    Raises:
        NotFound: There are none.
        BackendError: They are damaged.
    """
    collection = await store.get_collection(_beside(name))
    generations: dict[str, dict[int, str]] = {}
    async for page in collection.scan(include=("documents", "metadatas")):
        for document, metadata in zip(page.records.documents or (), page.records.metadatas or (), strict=True):
            parts = generations.setdefault(str(metadata["generation"]), {})
            parts[int(metadata["part"])] = document or ""
            if len(parts) == metadata["parts"]:  # another process may be writing a second one, which has fewer yet
                return TermStatistics.from_parts([parts[place] for place in sorted(parts)])
    raise NotFound(f"no statistics of {name!r} are kept whole", hint="Learn them and keep them again.")


def _beside(name: str) -> str:
    if not isinstance(name, str):
        raise InvalidInput(f"name must be a str, not {type(name).__name__}")
    return name + _SUFFIX
