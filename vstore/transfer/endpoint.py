"""The two ends of a transfer: a source that is read, and a target that is made and written through a sink.

Collections implement them (``vstore.transfer.collections``), and data sets of files (``vstore.transfer.files``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from vstore.capabilities import Capabilities, Exactness
from vstore.errors import VStoreError
from vstore.filters.tree import Filter
from vstore.indexing import Index
from vstore.info import CollectionInfo
from vstore.records import IncludeName, Page, Record, Records

__all__ = ["EVERYTHING", "Reject", "Sink", "Source", "Target"]

EVERYTHING: Final[tuple[IncludeName, ...]] = ("vectors", "documents", "metadatas", "fields")


class Source(Protocol):
    """What is read: a collection or a data set of files. Only read, never created.

    All calls may come from many threads at once.
    """

    @property
    def identity(self) -> str:
        """Names it without secrets, e.g. ``"chroma:/srv/data#docs"`` or ``"parquet:/srv/dump"``.

        Empty where nothing names it in another process, as a store that was opened by the application.
        """
        ...

    @property
    def backend(self) -> str:
        """What kind of thing it is, e.g. ``"chroma"`` or ``"parquet"``."""
        ...

    @property
    def info(self) -> CollectionInfo:
        """Name, dimension, metric, index, named fields, user metadata and embedder."""
        ...

    @property
    def cosine_exactness(self) -> Exactness:
        """How exactly a vector comes back under cosine."""
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

        ``after`` takes the cursor of a page and resumes after it, in another process too.
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


class Reject(Protocol):
    """What a sink calls for a record that it cannot take; it then writes the others."""

    def __call__(self, chunk: int, record: Record, error: VStoreError) -> None:
        """Notes it. Raises where no more may be rejected; the sink lets that error through."""
        ...


class Target(Protocol):
    """Where a copy goes, whether it is there already or not."""

    @property
    def identity(self) -> str:
        """As of a source; empty where nothing names it in another process, so that no copy can be resumed."""
        ...

    @property
    def backend(self) -> str:
        """As of a source."""
        ...

    @property
    def capabilities(self) -> Capabilities | None:
        """What it can do and take; None where it takes whatever the contract allows."""
        ...

    @property
    def merges(self) -> bool:
        """Whether records can be written to what is there; if not, it is made anew."""
        ...

    @property
    def is_temporary(self) -> bool:
        """Whether it stands in for one that is not there yet, so that a dry run may write to it."""
        ...

    def existing(self) -> Source | None:
        """What is there, to be read; None if there is nothing."""
        ...

    def dry_create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        """Checks that ``create`` would work, before records are deleted or rewritten; leaves everything as it is.

        Args:
            info: As for ``create``.
            index: As for ``create``.
            source: Where the records will come from.

        Raises:
            InvalidInput: The source is the target itself, whatever their URLs say.
            VStoreError: What ``create`` would raise.
        """
        ...

    def create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        """Makes it, empty.

        Args:
            info: Dimension, metric, named fields, user metadata and embedder.
            index: The index; None leaves the choice to the database.
            source: Where the records will come from, which files note.
        """
        ...

    def remove(self) -> None:
        """Deletes what is there."""
        ...

    def sink(self, reject: Reject) -> Sink:
        """To write to what is there."""
        ...

    def close(self) -> None:
        """Gives back what it opened."""
        ...
