"""The chunk plan: where each piece of the source begins, made once before anything is written.

A chunk is one page of one scan of ids: it begins after a cursor and has so many records, whose ids have a digest.
However many workers read it, and whenever, they find the same records there, or see that the source has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.columns import present
from vstore.errors import InvalidInput, Mismatch
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.records import IncludeName, Metadata, Records
from vstore.sparse import SparseArray
from vstore.spi.codec import to_json
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.collections import CollectionSource
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.equality import Digest, digest_ids

__all__ = [
    "Chunk",
    "Repeats",
    "Survey",
    "growth",
    "make_plan",
    "refuse_repeated",
    "row_bytes",
    "rows_per_chunk",
    "size_of",
]

_SHOWN: Final = 5


class Repeats:
    """Looks for repeated ids as a scan brings them, in 8 bytes each; those of a source that has none are not kept.

    Args:
        source: What is scanned.
        transformed: Whether a transform has made its ids.
        ids_made: Makes the ids that records get in the target of those that they have; None where they stay.
    """

    def __init__(
        self,
        source: Source,
        *,
        transformed: bool = False,
        ids_made: Callable[[Sequence[str]], Sequence[str]] | None = None,
    ) -> None:
        self._transformed = transformed
        self._made = ids_made or list
        mapped = isinstance(source, CollectionSource) and source.collection.mapping is not None
        self._needed = transformed or mapped or ids_made is not None
        self._hashes: list[NDArray[np.uint64]] = []

    def add(self, ids: Sequence[str]) -> None:
        """Takes in those of one page."""
        if self._needed:
            self._hashes.append(np.array([_hashed(one) for one in self._made(ids)], dtype=np.uint64))

    def refuse(self, source: Source, where: Filter | None, retry: RetryPolicy) -> None:
        """Raises ``Mismatch`` where several records have one id; they are then scanned once more, to name it.

        Raises:
            Mismatch: The source gives them this id.
            InvalidInput: A transform does, or ``ids_made``.
        """
        if not self._hashes:
            return
        hashes = np.sort(np.concatenate(self._hashes))
        several = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        self._hashes.clear()
        if not several:
            return
        times: Counter[str] = Counter()
        made: dict[str, set[str]] = {}
        for page in retry.scan(source, where=where, include=()):
            for one, other in zip(page.records.ids, self._made(page.records.ids), strict=True):
                if _hashed(other) in several:
                    times[one] += 1
                    made.setdefault(other, set()).add(one)
        repeated = sorted(one for one, number in times.items() if number > 1)
        for other, ones in sorted(made.items()):
            if len(ones) > 1:
                raise InvalidInput(
                    f"{len(ones)} records get one id, {other!r}, in the form that the layout has: "
                    f"{', '.join(map(repr, sorted(ones)[:_SHOWN]))}",
                    ids=sorted(ones)[:_SHOWN],
                    hint="Give them other ids with --transform.",
                )
        if repeated and self._transformed:
            raise InvalidInput(f"the transform gives several records the id {repeated[0]!r}", ids=repeated[:_SHOWN])
        refuse_repeated(repeated)


def _hashed(record_id: str) -> int:
    return int.from_bytes(blake2b(record_id.encode(), digest_size=8).digest(), "little")


def refuse_repeated(ids: Sequence[str]) -> None:
    """Raises ``Mismatch`` that names these ids, if there are any."""
    if ids:
        raise Mismatch(
            f"the source gives several records the id {ids[0]!r}",
            hint="An id names one record: mend the source, or map the id to what is unique.",
            ids=list(ids[:_SHOWN]),
        )


_MAX_ROWS: Final = 5_000
_MAX_BYTES: Final = 16 << 20
_SAMPLE: Final = 200
_LOOKS: Final = 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of work.

    Attributes:
        number: Its place in the plan, from 0.
        after: The cursor behind which it begins; None for the first.
        ids: The digest of its ids, their number included.
    """

    number: int
    after: str | None
    ids: Digest

    @property
    def rows(self) -> int:
        """How many records it has."""
        return self.ids.rows


@dataclass(slots=True)
class Survey:
    """What the records of a source are like, as far as the scan brought it.

    Attributes:
        rows: Records seen.
        documents: Those with a document.
        longest_id: UTF-8 bytes of the longest id.
        longest_document: UTF-8 bytes of the longest document.
        keys: For each key of metadata how many values of each type; nested dicts are ``"object"``.
        nested: Records with a dict inside their metadata.
        fields: For each named field how many records have it.
        longest_sparse: For each sparse field the most values of one vector.
    """

    rows: int = 0
    documents: int = 0
    longest_id: int = 0
    longest_document: int = 0
    keys: dict[str, Counter[str]] = field(default_factory=dict)
    nested: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    longest_sparse: dict[str, int] = field(default_factory=dict)

    def add(self, records: Records) -> None:
        """Takes in one page."""
        self.rows += len(records)
        self.longest_id = max(self.longest_id, max((len(i.encode()) for i in records.ids), default=0))
        texts = [text for text in records.documents or () if text is not None]
        self.documents += len(texts)
        self.longest_document = max(self.longest_document, max((len(text.encode()) for text in texts), default=0))
        for metadata in records.metadatas or ():
            self.nested += any(isinstance(value, dict) for value in metadata.values())
            for key, value in metadata.items():
                self.keys.setdefault(key, Counter())[_type(value)] += 1
        for name, column in records.fields.items():
            self.fields[name] += int(present(column).sum())
            if isinstance(column, SparseArray):
                longest = int(column.lengths.max(initial=0))
                self.longest_sparse[name] = max(self.longest_sparse.get(name, 0), longest)


def _type(value: Any) -> str:
    match value:
        case list():
            return f"list of {_type(value[0])}" if value else "list"
        case dict():
            return "object"
        case datetime():
            return "datetime"
        case _:
            return type(value).__name__


def row_bytes(source: Source, where: Filter | None, retry: RetryPolicy) -> int:
    """About how many bytes one record takes: the mean of the first 200; 1 if there are none."""
    return next((_mean(page.records) for page in retry.scan(source, where=where, batch_size=_SAMPLE)), 1)


def _mean(records: Records) -> int:
    return max(1, size_of(records) // max(1, len(records)))


def size_of(records: Records) -> int:
    """About how many bytes records take."""
    vectors = 0 if records.vectors is None else records.vectors.nbytes
    documents = sum(len(text.encode()) for text in records.documents or () if text is not None)
    metadatas = sum(map(_length, records.metadatas or ()))
    fields = sum(
        column.indices.nbytes + column.values.nbytes if isinstance(column, SparseArray) else column.nbytes
        for column in records.fields.values()
    )
    return vectors + fields + documents + metadatas + sum(len(i.encode()) for i in records.ids)


def _length(metadata: Metadata) -> int:
    return len(to_json(metadata))


def rows_per_chunk(target: Target, bytes_per_row: int, most: int | None = None) -> int:
    """How many records make a chunk: what the target takes at once in rows and bytes, at most 5,000 and 16 MiB.

    Args:
        target: Where they go.
        bytes_per_row: As ``row_bytes`` tells.
        most: An upper bound in place of 5,000.
    """
    rows, size = most or _MAX_ROWS, _MAX_BYTES
    if target.capabilities is not None:
        limits = target.capabilities.limits
        rows, size = min(rows, limits.max_batch_rows), min(size, limits.max_batch_bytes)
    return max(1, min(rows, size // max(1, bytes_per_row)))


def growth(source: CollectionInfo, target: CollectionInfo) -> int:
    """How many bytes a record's vector is longer, or shorter, in the target."""
    return 4 * (target.dimension - source.dimension)


def make_plan(
    source: Source,
    rows_of: Callable[[int], int],
    where: Filter | None,
    include: tuple[IncludeName, ...],
    retry: RetryPolicy,
    *looks: Callable[[Records], None],
    on_rows: Callable[[int], None] = lambda _: None,
    ids_made: Callable[[Sequence[str]], Sequence[str]] | None = None,
) -> tuple[list[Chunk], Survey]:
    """Scans the source once and cuts it into chunks.

    A few records of each chunk are looked at: where they are larger than the first ones, chunks are smaller from there
    on. (Not of files, of which one record may cost the reading of many.)

    Args:
        source: What to copy.
        rows_of: How many records make a chunk, from the bytes of one.
        where: Only the records that match.
        include: Columns to look into for the survey; without any the scan is one of ids.
        retry: Makes the calls.
        looks: Each is called with the records of each chunk, as far as ``include`` has their columns.
        on_rows: Called with the number of records of each chunk.
        ids_made: As of ``Repeats``.

    Raises:
        Mismatch: An id stands more than once.
        InvalidInput: ``ids_made`` gives several records one id.
    """
    chunks: list[Chunk] = []
    repeats = Repeats(source, ids_made=ids_made)
    survey = Survey()
    after: str | None = None
    rows = rows_of(row_bytes(source, where, retry))
    while True:
        for page in retry.scan(source, where=where, batch_size=rows, after=after, include=include):
            ids = page.records.ids
            if isinstance(source, CollectionSource):
                some = ids[:: max(1, len(ids) // _LOOKS)][:_LOOKS]
                fewer = rows_of(_mean(retry.call(partial(source.get, some))))
                if 2 * fewer <= len(ids):
                    rows = fewer
                    break
            chunks.append(Chunk(len(chunks), after, digest_ids(ids)))
            survey.add(page.records)
            for look in looks:
                look(page.records)
            repeats.add(ids)
            after = page.cursor
            on_rows(len(ids))
        else:
            repeats.refuse(source, where, retry)
            return chunks, survey
