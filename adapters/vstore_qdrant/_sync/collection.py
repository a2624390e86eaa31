# Generated from adapters/vstore_qdrant/_async/collection.py by tools/unasync.py: do not edit.
"""One collection of Qdrant: writes, and reads by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final
from uuid import UUID

from vstore.capabilities import Capabilities, Support
from vstore.errors import AlreadyExists, InvalidInput, NotFound, brief, following
from vstore.filters.sieve import Sieve, sieve
from vstore.filters.tree import DocumentContains, Filter
from vstore.scores import Best
from vstore.types import CollectionInfo, Hits, Include, Metric, Records, Search, VectorArray
from vstore_qdrant._sync._run import Lock
from vstore_qdrant._sync.port import Database, Table
from vstore_qdrant._sync.reading import Reader
from vstore_qdrant.codec import (
    Fields,
    Payload,
    Points,
    changed,
    fields,
    point_id,
    split,
    to_points,
    to_records,
    units,
)
from vstore_qdrant.compile import compile_filter

__all__ = ["QdrantCollection"]

_IDS_AT_ONCE: Final = 1000
_IDS: Final = Include()
_VECTORS: Final = Include(vectors=True)
_ALL_BUT_SHADOWS: Final = Fields(("id", "document", "metadata", "exact", "norm"), vectors=False)


class QdrantCollection:
    """Implements ``CollectionAdapter``.

    Every write holds the store's lock, since Qdrant's own calls are not what the contract promises: there is
    an upsert but no add, and an update of several points applies to those that exist before it fails.
    """

    def __init__(self, database: Database, table: Table, capabilities: Capabilities, lock: Lock) -> None:
        self._database = database
        self._table = table
        self._lock = lock
        self._bytes = capabilities.limits.max_batch_bytes if capabilities.mode == "server" else None
        self._substrings = capabilities.document_contains.support is Support.NATIVE
        self._read = Reader(table)

    @property
    def info(self) -> CollectionInfo:
        return self._table.info

    @property
    def native(self) -> object:
        return self._table.native

    def add(self, records: Records) -> None:
        ids = [point_id(i) for i in records.ids]
        with self._lock:
            if taken := self._present(ids):
                raise AlreadyExists.of_records([i for i, point in zip(records.ids, ids, strict=True) if point in taken])
            self._insert(records, ids)

    def upsert(self, records: Records) -> None:
        ids = [point_id(i) for i in records.ids]
        with self._lock:
            self._insert(records, ids)

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        ids = [point_id(i) for i in records.ids]
        with self._lock:
            old = self._payloads(ids)
            if missing := [i for i in records.ids if i not in old]:
                raise NotFound.of_records(missing)
            vectors, norms = records.vectors, None
            if vectors is not None and self.info.metric is Metric.COSINE:
                vectors, lengths = units(vectors)
                norms = lengths.tolist()
            payloads = [
                changed(
                    old[i],
                    records,
                    place,
                    replace_metadata=replace_metadata,
                    norm=None if norms is None else norms[place],
                )
                for place, i in enumerate(records.ids)
            ]
            if vectors is not None:
                points = Points(ids, vectors, payloads)
                self._upsert(records.ids, lambda rows: points[rows])
            else:
                self._overwrite(records.ids, ids, payloads)

    def get(self, ids: Sequence[str], include: Include) -> Records:
        info = self.info
        parts = [Records([])]
        for start in range(0, len(ids), _IDS_AT_ONCE):
            wanted = [point_id(i) for i in ids[start : start + _IDS_AT_ONCE]]
            found = self._table.retrieve(wanted, fields(include, info.metric))
            parts.append(to_records(found, include, info.metric))
        return Records.concat(parts[1:]).ordered(ids)

    def query(
        self,
        vectors: VectorArray,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
    ) -> list[Hits]:
        if self._sieve(where) is not None:
            return self._sifted(vectors, k, where, include)
        condition = None if where is None else compile_filter(where)
        if exact:
            return self._read.exact(vectors, k, condition, include)
        return self._read.approximate(vectors, k, condition, include, None if search is None else search.ef)

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        # Qdrant scrolls in the order of ids, from a given one on: what is written meanwhile moves nothing
        sifting = self._sieve(where)
        asked, read = (where, include) if sifting is None else (sifting.asked, sifting.read(include))
        condition = None if asked is None else compile_filter(asked)
        metric, wanted = self.info.metric, fields(read, self.info.metric)
        while True:
            start = None if after is None else _behind(after)
            found, after = self._table.scroll(condition, batch_size, start, wanted)
            if not len(found):
                return
            page = to_records(found, read, metric)
            if sifting is not None:
                page = sifting.keep(page, include)
            if page.ids:
                yield page, after

    def delete_ids(self, ids: Sequence[str]) -> None:
        with self._lock:
            self._delete(ids)

    def delete_where(self, where: Filter) -> None:
        with self._lock:
            if self._sieve(where) is None:
                self._table.delete_where(compile_filter(where))
                return
            ids = [record_id for page, _ in self.scan(where, _IDS_AT_ONCE, None, _IDS) for record_id in page.ids]
            self._delete(ids)

    def clear(self) -> None:
        with self._lock:
            self._table.clear()

    def count(self, where: Filter | None) -> int:
        if self._sieve(where) is not None:
            return sum([len(page) for page, _ in self.scan(where, _IDS_AT_ONCE, None, _IDS)])
        return self._table.count(None if where is None else compile_filter(where))

    def rename(self, name: str) -> None:
        with self._lock:
            self._database.rename(self.info.name, name)

    def _sieve(self, where: Filter | None) -> Sieve | None:
        """How to answer a filter that looks into documents where Qdrant cannot; None where it answers all of it."""
        if where is None or self._substrings:
            return None
        return sieve(where, lambda leaf: isinstance(leaf, DocumentContains))

    def _sifted(self, queries: VectorArray, k: int, where: Filter | None, include: Include) -> list[Hits]:
        """The true nearest: the vectors that match are read page by page, and k kept for each query."""
        best = Best(self.info.metric, queries, k)
        for page, _ in self.scan(where, _IDS_AT_ONCE, None, _VECTORS):
            best.take(page)
        return best.hits(self.get(best.ids, include))

    def _delete(self, ids: Sequence[str]) -> None:
        wanted = [point_id(i) for i in ids]
        for rows in _even(len(ids), _IDS_AT_ONCE):
            with following(ids[: rows.start]):
                self._table.delete(wanted[rows])

    def _present(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for rows in _even(len(ids), _IDS_AT_ONCE):
            found.update(self._table.present(ids[rows]))
        return found

    def _payloads(self, ids: Sequence[str]) -> dict[str, Payload]:
        old: dict[str, Payload] = {}
        for rows in _even(len(ids), _IDS_AT_ONCE):
            found = self._table.retrieve(ids[rows], _ALL_BUT_SHADOWS)
            old.update((payload["id"], payload) for payload in found.payloads)
        return old

    def _insert(self, records: Records, ids: list[str]) -> None:
        metric = self.info.metric
        self._upsert(records.ids, lambda rows: to_points(records[rows], ids[rows], metric))

    def _upsert(self, ids: Sequence[str], points: Callable[[slice], Points]) -> None:
        """Writes the points of all rows, which are made part by part; names what was done where one fails later."""
        for rows in _even(len(ids), self._table.rows):
            made = points(rows)
            for part in self._requests(made.payloads, self.info.dimension):
                with following(ids[: rows.start + part.start]):
                    self._table.upsert(made[part])

    def _overwrite(self, ids: Sequence[str], points: Sequence[str], payloads: list[Payload]) -> None:
        for rows in _even(len(ids), _IDS_AT_ONCE):
            some, new = points[rows], payloads[rows]
            for part in self._requests(new, 0):
                with following(ids[: rows.start + part.start]):
                    self._table.overwrite(some[part], new[part])

    def _requests(self, payloads: Sequence[Payload], dimension: int) -> list[slice]:
        return [slice(0, len(payloads))] if self._bytes is None else split(payloads, dimension, self._bytes)


def _even(total: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def _behind(cursor: str) -> str:
    """The first id behind that of a page's last record."""
    try:
        return str(UUID(int=UUID(cursor).int + 1))
    except ValueError as error:
        raise InvalidInput(f"{brief(cursor)} is where no page ends", hint="Pass the cursor of a Page.") from error
