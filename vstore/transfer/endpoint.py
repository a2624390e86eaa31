"""The two ends of a transfer: a source that is read and a sink that is written. Files implement both as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from vstore.filters.tree import Filter
from vstore.types import CollectionInfo, IncludeName, Page, Records

__all__ = ["EVERYTHING", "Sink", "Source"]

EVERYTHING: Final[tuple[IncludeName, ...]] = ("vectors", "documents", "metadatas")


class Source(Protocol):
    """What is read: a collection or a data set of files. Only read, never created.

    All calls may come from many threads at once.
    """

    @property
    def identity(self) -> str:
        """Names it without secrets, e.g. ``"chroma:/srv/data#docs"`` or ``"parquet:/srv/dump"``."""
        ...

    @property
    def backend(self) -> str:
        """What kind of thing it is, e.g. ``"chroma"`` or ``"parquet"``."""
        ...

    @property
    def info(self) -> CollectionInfo:
        """Name, dimension, metric, index, user metadata and embedder."""
        ...

    def count(self, where: Filter | None = None) -> int:
        """Exact number of records, or of those that match."""
        ...

    def scan(
        self,
        *,
        where: Filter | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Sequence[IncludeName] = EVERYTHING,
    ) -> Iterator[Page]:
        """Every record once, in an order that stays, in pages of at most ``batch_size``.

        ``after`` takes the cursor of a page and goes on behind it, in another process too.
        """
        ...

    def get(self, ids: Sequence[str], *, include: Sequence[IncludeName] = EVERYTHING) -> Records:
        """The records of these ids, in the order asked; missing ones are left out."""
        ...

    def close(self) -> None:
        """Gives back what it opened."""
        ...


class Sink(Protocol):
    """Where chunks are written. All calls may come from many threads at once, never two for one chunk."""

    @property
    def identity(self) -> str:
        """As of a source."""
        ...

    @property
    def backend(self) -> str:
        """As of a source."""
        ...

    def write(self, chunk: int, records: Records) -> None:
        """Writes a whole chunk; on return it is durable.

        Writing a chunk again replaces what an earlier attempt left of it. A chunk may be empty, where a rewriting
        function has dropped all of its records.

        Args:
            chunk: Its number, from 0.
            records: All columns.
        """
        ...

    def finish(self) -> None:
        """Called once all chunks are written, and again after a resume: indexes are ready, a manifest is written."""
        ...

    def close(self) -> None:
        """Gives back what it opened."""
        ...
