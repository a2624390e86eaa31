# Generated from adapters/vstore_chroma/_async/reading.py by tools/unasync.py: do not edit.
"""Reads: by id and by filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from chromadb.api.models.Collection import Collection

from vstore.errors import Unavailable
from vstore.info import CollectionInfo
from vstore.records import Include, Metadata, Records
from vstore.spi._sync._run import run_blocking
from vstore.spi.batching import batches
from vstore_chroma._sync._run import sleep
from vstore_chroma.codec import included, to_records
from vstore_chroma.compile import EVERYTHING, Question
from vstore_chroma.errors import guarded, passing
from vstore_chroma.fields import rows_with_fields
from vstore_chroma.where import MAX_VARIABLES, Where, variables

__all__ = ["COLUMNS", "Reader"]

COLUMNS: Final = ("ids", "embeddings", "documents", "metadatas")
_NOTHING: Final[dict[str, list[Any]]] = {name: [] for name in COLUMNS}
_METADATAS: Final = Include(metadatas=True)
_MAX_IDS: Final = 5000
_RETRIES: Final = 6


class Reader:
    """Reads of one collection. They take no lock.

    Attributes:
        rows: Most records of one request.
    """

    def __init__(self, native: Collection, info: CollectionInfo, max_rows: int) -> None:
        self._native = native
        self._info = info
        self.rows = min(_MAX_IDS, max_rows)

    def call(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """Makes one call of Chroma, and makes it again where it only met a write in progress."""
        for attempt in range(_RETRIES):
            try:
                with guarded():
                    return call(**arguments)
            except Unavailable as error:
                if not passing(error):
                    raise
                sleep(0.02 * 2**attempt)
        with guarded():
            return call(**arguments)

    def ids(self, asked: Question = EVERYTHING) -> list[str]:
        """Return the ids of the records that match."""
        found = self.call(self._native.get, where=asked.where, include=[])
        ids: list[str] = list(found["ids"])
        if asked.partial is None:
            return ids
        matches: list[str] = []
        for part in batches(ids, self.rows):
            matches += (self.matching(part, Include(), asked)).ids
        return matches

    def few(self, where: Where, most: int) -> list[str] | None:
        """Return the ids of the records that match; None where they are more than ``most``."""
        found = self.call(self._native.get, where=where, limit=most + 1, include=[])
        ids: list[str] = list(found["ids"])
        return ids if len(ids) <= most else None

    def matching(self, ids: Sequence[str], include: Include, asked: Question) -> Records:
        """Return the records with these ids that match, in Chroma's order."""
        if asked.partial is None:
            return self.by_ids(ids, include, asked.where)
        records = self.by_ids(ids, asked.partial.read(include), asked.where)
        return run_blocking(asked.partial.keep, records, include)

    def pages(self, asked: Question, include: Include, size: int) -> Iterator[Records]:
        """Yield the records that match, at most ``size`` at once; one request where they are fewer."""
        size = min(size, self.room(include))
        seen: set[str] = set()
        if asked.partial is None:
            columns = included(include)
            found = self.call(self._native.get, where=asked.where, limit=size, include=columns)
            first = self._records(found, include)
            yield first
            if len(first) < size:
                return
            seen.update(first.ids)
        ids = [record_id for record_id in self.ids(asked) if record_id not in seen]
        for part in batches(ids, size):
            yield self.by_ids(part, include)

    def room(self, include: Include) -> int:
        """Return how many records one request reads of these columns."""
        return rows_with_fields(self._info, include, self.rows)

    def count(self, asked: Question) -> int:
        """Return how many records match."""
        if asked == EVERYTHING:
            number: int = self.call(self._native.count)
            return number
        return len(self.ids(asked))

    def present(self, ids: Sequence[str]) -> set[str]:
        """Return those of ``ids`` that exist."""
        found: set[str] = set()
        for wanted in batches(list(ids), self.rows):
            part = self.call(self._native.get, ids=wanted, include=[])
            found.update(part["ids"])
        return found

    def stored_metadata(self, ids: Sequence[str]) -> dict[str, Metadata | None]:
        """Return what Chroma has as metadata of those of ``ids`` that exist."""
        found: dict[str, Metadata | None] = {}
        for wanted in batches(list(ids), self.room(_METADATAS)):
            part = self.call(self._native.get, ids=wanted, include=["metadatas"])
            found.update(zip(part["ids"], part["metadatas"], strict=True))
        return found

    def by_ids(self, ids: Sequence[str], include: Include, where: Where | None = None) -> Records:
        """Return the records with these ids, that match, in Chroma's order."""
        room = self.room(include)
        if where is not None:
            room = min(room, MAX_VARIABLES + 500 - variables(where))
        columns = included(include)
        parts = [to_records(_NOTHING, include, self._info)]
        for wanted in batches(list(ids), room):
            found = self.call(self._native.get, ids=wanted, where=where, include=columns)
            parts.append(self._records(found, include))
        return Records.concat(parts[1:] or parts)

    def _records(self, found: Any, include: Include) -> Records:
        if include.fields:
            return run_blocking(to_records, found, include, self._info)
        return to_records(found, include, self._info)
