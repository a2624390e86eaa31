"""A data set of files as a source: by rows, by ids, by filter."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from threading import RLock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.capabilities import Exactness
from vstore.core.field_input import check_fields
from vstore.core.validate import check_documents, check_filter, check_ids, check_vectors
from vstore.errors import InvalidInput, Mismatch, VStoreError
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.memory.store import CAPABILITIES
from vstore.metadata import check_metadatas
from vstore.omission import Omission
from vstore.records import Include, IncludeName, Page, Records
from vstore.spi.partial import PartialFilter
from vstore.transfer.endpoint import EVERYTHING
from vstore.transfer.equality import hash_ids
from vstore.transfer.files.bounds import rows_at_once
from vstore.transfer.files.format import TEXT, DataSetPath, Reader, by_part, dense_bytes, empty_records, naming

__all__ = ["BATCH", "FileSource", "IdIndex", "checked"]


class IdIndex:
    """From ids to the rows that may hold them: sorted 64-bit hashes and their rows.

    It takes 16 bytes a record (24 while it is made) and one pass over the ids; the ids themselves are not kept, so
    whoever asks compares the id that stands in the row.
    """

    def __init__(self, batches: Iterable[Sequence[str]]) -> None:
        parts = [hash_ids(ids) for ids in batches]
        hashes = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
        self._rows: NDArray[np.int64] = np.argsort(hashes, kind="stable").astype(np.int64, copy=False)
        self._hashes: NDArray[np.uint64] = hashes[self._rows]

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Every row whose id may be one of these, ascending, each once."""
        wanted = hash_ids(ids)
        first = np.searchsorted(self._hashes, wanted, side="left")
        last = np.searchsorted(self._hashes, wanted, side="right")
        spans = [self._rows[a:b] for a, b in zip(first, last, strict=True) if a < b]
        return np.unique(np.concatenate(spans)) if spans else np.empty(0, dtype=np.int64)

    def suspects(self) -> NDArray[np.int64]:
        """Rows whose hash another row has too, ascending: the only ones that may share an id."""
        same = self._hashes[1:] == self._hashes[:-1]
        return np.unique(np.concatenate([self._rows[1:][same], self._rows[:-1][same]]))


BATCH: Final = 1000


def checked(records: Records, info: CollectionInfo) -> Records:
    """Records as a write would take them; raises what it would raise."""
    n, limits = len(records), CAPABILITIES.limits
    vectors, documents, metadatas = records.vectors, records.documents, records.metadatas
    return Records(
        check_ids(records.ids, distinct=False),
        None if vectors is None else check_vectors(vectors, info.dimension, info.metric),
        None if documents is None else check_documents(documents, n, limits.max_document_bytes),
        None if metadatas is None else check_metadatas(metadatas, n, nested=True, most=limits.max_metadata_bytes),
        check_fields(records.fields, None, info, n, limits),
    )


class FileSource:
    """Implements ``Source``. The order is that of the rows, and a cursor is a row's number.

    A filter is evaluated record by record, by the reference's meaning (``vstore.spi.evaluate``); to answer it,
    every row is read. ``get`` makes an index of the ids when it is first called, 16 bytes a record; in Parquet it has
    to read the row group around each record, so it is quick for records that stand near each other.

    Args:
        location: Where the files are.
        info: What the collection is.
        parts: Checks the files and opens them; called once, by the first call that reads, or by ``open``.
        id_rule: How the ids became text, where they were something else.
        notes: What is converted or left out, in words.
    """

    def __init__(
        self,
        location: DataSetPath,
        info: CollectionInfo,
        parts: Callable[[], Sequence[Reader]],
        *,
        id_rule: str = TEXT,
        notes: Sequence[str] = (),
    ) -> None:
        self.location = location
        self.id_rule = id_rule
        self.notes = list(notes)
        self._info = info
        self._parts = parts
        self._readers: list[Reader] = []
        self._ends: list[int] = []
        self._opened = False
        self._index: IdIndex | None = None
        self._lock = RLock()

    def __repr__(self) -> str:
        return f"<FileSource {self.identity} {self._info.dimension} {self._info.metric}>"

    def open(self) -> None:
        """Checks the files and opens them, if that was not done.

        Raises:
            NotFound: A file is missing.
            Mismatch: A file is damaged, or does not belong to the data set.
        """
        with self._lock:
            if not self._opened:
                self._readers = list(self._parts())
                self._ends = list(accumulate(reader.rows for reader in self._readers))
                self._opened = True

    @property
    def identity(self) -> str:
        """See ``Source``."""
        return self.location.identity

    @property
    def backend(self) -> str:
        """See ``Source``: the encoding's name."""
        return self.location.encoding.value

    @property
    def info(self) -> CollectionInfo:
        """See ``Source``."""
        return self._info

    @property
    def cosine_exactness(self) -> Exactness:
        """See ``Source``: files keep every bit."""
        return Exactness.BITS

    @property
    def rows(self) -> int:
        """Number of records."""
        self.open()
        return self._ends[-1] if self._ends else 0

    def count(self, where: Filter | Mapping[str, Any] | None = None) -> int:
        """See ``Source``."""
        with self._operation("count"):
            condition = None if where is None else check_filter(where, CAPABILITIES)
            if condition is False:
                return 0
            if condition is None or condition is True:
                return self.rows
            return sum(len(found) for found, _ in self._matching(0, condition, Include()))

    def scan(
        self,
        *,
        where: Filter | Mapping[str, Any] | None = None,
        batch_size: int = BATCH,
        after: str | None = None,
        include: Sequence[IncludeName] = EVERYTHING,
    ) -> Iterator[Page]:
        """See ``Source``."""
        with self._operation("scan"):
            if type(batch_size) is not int or batch_size < 1:
                raise InvalidInput(f"batch_size must be an int of at least 1, not {batch_size!r}")
            start = 0 if after is None else self._row(after)
            columns = self._info.include(include)
            condition = True if where is None else check_filter(where, CAPABILITIES)
        return self._pages(start, condition, batch_size, columns)

    def get(self, ids: Sequence[str], *, include: Sequence[IncludeName] = EVERYTHING) -> Records:
        """See ``Source``."""
        with self._operation("get"):
            wanted = list(dict.fromkeys(check_ids(ids, distinct=False)))
            columns = self._info.include(include)
            asked = set(wanted)
            parts = [empty_records(self._info, columns)]
            rows = self.index().rows(wanted).tolist() if wanted else []
            for part, inside in by_part(rows, self._ends):
                found = self._told(self._readers[part].take(inside, columns))
                parts.append(found.take([place for place, found_id in enumerate(found.ids) if found_id in asked]))
            return Records.concat(parts).ordered(wanted)

    def omissions(self, where: Filter | None = None) -> list[Omission]:
        """See ``vstore.transfer.loss.Omitting``; of JSON lines, as far as they were read."""
        with self._operation("omissions"):
            return list(dict.fromkeys(one for reader in self._readers for one in reader.omissions))

    def close(self) -> None:
        """See ``Source``: no file is open between calls."""

    def index(self) -> IdIndex:
        """Where each id is; made once, from one pass over the ids.

        Raises:
            Mismatch: An id stands twice.
        """
        with self._lock:
            self.open()
            if self._index is None:
                index = IdIndex(records.ids for records in self._rows(0, BATCH, Include()))
                with naming(self.location.path):
                    self._refuse_twins(set(index.suspects().tolist()))
                self._index = index
            return self._index

    def _refuse_twins(self, suspects: set[int]) -> None:
        if not suspects:
            return
        seen: dict[str, int] = {}
        row = 0
        for records in self._rows(0, BATCH, Include()):
            for place, record_id in enumerate(records.ids, row):
                if place not in suspects:
                    continue
                if record_id in seen:
                    raise Mismatch(
                        f"the id {record_id!r} stands twice, in rows {seen[record_id]:,} and {place:,}, counted from 0",
                        hint="An id names one record: remove one of the two, or name another column with --id.",
                        ids=[record_id],
                    )
                seen[record_id] = place
            row += len(records)

    def _rows(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """The rows from ``start`` on. A batch ends where its part ends."""
        first = bisect_right(self._ends, start)
        for part in range(first, len(self._readers)):
            begin = start - (self._ends[part - 1] if part else 0) if part == first else 0
            for records in self._readers[part].batches(begin, size, include):
                yield self._told(records)

    def _told(self, records: Records) -> Records:
        """What records are by the contract, where None means absent (META-3); a manifest vouches for nothing."""
        with naming(self.location.path):
            return checked(records, self._info)

    def _matching(self, start: int, where: Filter | bool, include: Include) -> Iterator[tuple[Records, list[int]]]:
        """The records from ``start`` on that match, with their rows."""
        if isinstance(where, bool):
            row = start
            for records in self._rows(start, BATCH, include):
                yield records, list(range(row, row + len(records)))
                row += len(records)
            return
        partial, row = PartialFilter(where, None), start
        for records in self._rows(start, BATCH, partial.read(include)):
            places = partial.places(records)
            yield records.only(include).take(places), [row + place for place in places]
            row += len(records)

    def _pages(self, start: int, where: Filter | bool, size: int, include: Include) -> Iterator[Page]:
        if where is False:
            return
        size = min(size, rows_at_once(dense_bytes(self._info, include)))
        held: list[Records] = []
        rows: list[int] = []
        with self._operation("scan"):
            for records, places in self._matching(start, where, include):
                held.append(records)
                rows += places
                while len(rows) >= size:
                    whole = Records.concat(held)
                    yield Page(whole[:size], self._cursor(rows[size - 1] + 1))
                    held, rows = [whole[size:]], rows[size:]
            if rows:
                yield Page(Records.concat(held), self._cursor(rows[-1] + 1))

    def _cursor(self, row: int) -> str:
        return f"{self.backend}:{row}"

    def _row(self, cursor: str) -> int:
        backend, _, row = cursor.partition(":") if isinstance(cursor, str) else ("", "", "")
        if backend != self.backend or not row.isascii() or not row.isdigit() or int(row) > self.rows:
            raise InvalidInput(
                f"{cursor!r:.80} is no cursor of this data set", hint="Pass the cursor of a Page from the same one."
            )
        return int(row)

    @contextmanager
    def _operation(self, name: str) -> Iterator[None]:
        try:
            self.open()
            yield
        except VStoreError as error:
            error.add_context(backend=self.backend, operation=name, collection=self._info.name)
            raise
