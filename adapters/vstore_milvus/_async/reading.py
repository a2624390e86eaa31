"""Reads: by id, by filter, and in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from vstore.errors import LimitExceeded
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.records import Include, Records
from vstore.spi._async.batching import scan_by_ids
from vstore.spi.batching import batches
from vstore.spi.latest import Latest
from vstore.spi.partial import PartialFilter, split_filter
from vstore_milvus._async._run import compute
from vstore_milvus._async.creation import AsyncCreation
from vstore_milvus._async.session import AsyncSession
from vstore_milvus.capabilities import MAX_WINDOW
from vstore_milvus.codec import to_records
from vstore_milvus.columns import Columns, decides
from vstore_milvus.compile import both, compile_filter, unanswered, with_ids
from vstore_milvus.filter_fields import literal
from vstore_milvus.held import MAX_HELD_BYTES
from vstore_milvus.restriction import Restriction

__all__ = ["ANSWER_BYTES", "AsyncReader", "halving"]

_MAX_IDS: Final = 5_000
_RANGE_FROM: Final = 500
# An answer holds 64 MB at most; what a record takes is a guess (``Layout.width``), and one that fails is halved.
ANSWER_BYTES: Final = 24 << 20
_IDS: Final = Include()
K = TypeVar("K")
T = TypeVar("T")


async def halving(keys: Sequence[K], room: int, fetch: Callable[[Sequence[K]], Awaitable[T]]) -> AsyncIterator[T]:
    """Yields what ``fetch`` returns of ``room`` keys at a time, of half as many from an answer on that is too large."""
    start = 0
    while start < len(keys):
        part = keys[start : start + room]
        try:
            found = await fetch(part)
        except LimitExceeded:
            if len(part) == 1:
                raise
            room = (len(part) + 1) // 2
            continue
        yield found
        start += len(part)


class AsyncReader:
    """Reads of one collection. They take no lock.

    Attributes:
        info: What the collection is.
        layout: Where everything stands in it.
    """

    def __init__(self, session: AsyncSession, info: CollectionInfo, creation: AsyncCreation) -> None:
        self._session = session
        self._client = session.client
        self._creation = creation
        self._fitted = False
        self.info = info
        self.layout = layout = creation.layout
        self._split = Latest[Filter, PartialFilter | None](lambda where: split_filter(where, unanswered))
        self._compiled = Latest[Filter, str](lambda where: compile_filter(where, numbers=layout.numbers))

    async def _query(self, condition: str | None, names: list[str], **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._creation.read(
            self._client.query, filter=condition or "", output_fields=names, **more
        )
        return found

    def partial(self, where: Filter | None) -> PartialFilter | None:
        """Return how to answer a filter of which a server answers a part; None where it answers all, and on Lite."""
        return None if where is None or self._session.lite else self._split(where)

    async def condition(self, where: Filter | None, field: str | None = None) -> str | None:
        """Return a filter as an expression of Milvus.

        Args:
            where: The filter.
            field: The field that records must have besides; not of a sparse one, which a search sees to.
        """
        return (await self.restriction(where, field)).condition

    async def restriction(self, where: Filter | None, field: str | None = None) -> Restriction:
        """Return to which records a filter restricts a search; the arguments are those of ``condition``."""
        asked, rest = self._asked(where, field)
        if where is None or rest is None:
            return Restriction(both(*asked))
        if not self._session.lite:
            return Restriction(both(*asked, self._compiled(rest)))
        found = await self._matching(where)
        columns = await self._held(where)
        return Restriction(both(*asked), found, 0 if columns is None else len(columns))

    def _asked(self, where: Filter | None, field: str | None) -> tuple[list[str], Filter | None]:
        """Return the conditions on columns of their own, and what else the filter asks."""
        partition, rest = self.layout.split(where)
        present = "" if field is None else self.layout.vectors[field].present
        return list(filter(None, (partition, present))), rest

    async def _held(self, where: Filter) -> Columns | None:
        """Return the columns that are in memory and decide a filter."""
        return await self._creation.columns() if decides(where) else None

    async def _matching(self, where: Filter, field: str | None = None) -> list[str]:
        """Return the ids of the records that match, and have the field, on Milvus Lite.

        It parses the JSON of every record once a comparison, has no ``in`` on its paths and no escapes in LIKE:
        its filters are answered here, from the metadata.
        """
        columns = await self._held(where)
        found = await (self._sieved(where) if columns is None else compute(columns.matching, where))
        present = "" if field is None else self.layout.vectors[field].present
        if not present or not found:
            return found
        return [row["id"] for row in await self._query(both(present, with_ids(found)), ["id"])]

    async def _sieved(self, where: Filter) -> list[str]:
        """Return the ids of the records that match, from metadata that are read, and then held if there is room."""
        partition, rest = self.layout.split(where)
        assert rest is not None
        whole, found, held = PartialFilter(rest, None), list[str](), self._session.held
        wanted, columns = whole.read(_IDS), Columns()
        watch = held.watch(self._creation.name) if held is not None and not partition and decides(rest) else None

        def add(records: Records) -> None:
            found.extend(whole.keep(records, _IDS).ids)
            if watch is not None and columns.size <= MAX_HELD_BYTES:
                columns.append(records)

        await self._read_all(partition or None, wanted, add)
        if held is not None and watch is not None and watch.has_seen_all():
            held.put(self._creation.token, watch.state, columns)
        return found

    async def _read_all(self, among: str | None, include: Include, add: Callable[[Records], None]) -> None:
        """Passes on the records that meet an expression of Milvus, in parts if they are many, on Milvus Lite."""
        room = ANSWER_BYTES // self.layout.width(include)
        # Counting or reading 20,000 records takes a second, however few are asked for: what fitted is not counted again
        if self._fitted or await self.counted(among) <= room:
            rows: list[dict[str, Any]] | None = None
            with suppress(LimitExceeded):
                rows = await self._query(among, self.layout.columns(include))
            if rows is not None:
                await compute(add, to_records(rows, include, self.layout))
                if among is None:
                    self._fitted = len(rows) <= room
                return
            self._fitted = False
        ids = [row["id"] for row in await self._query(among, ["id"])]
        for part in batches(ids, room):
            await compute(add, await self.by_ids(part, include))

    async def count(self, where: Filter | None, field: str | None = None) -> int:
        """Return how many records match, and have the field."""
        _, rest = self._asked(where, field)
        if self._session.lite and where is not None and rest is not None:
            return len(await self._matching(where, field))
        if self.partial(where) is not None:
            return len(await self.ids(where, field))
        return await self.counted(await self.condition(where, field))

    async def counted(self, condition: str | None) -> int:
        """Return how many records meet an expression of Milvus."""
        return int((await self._query(condition, ["count(*)"]))[0]["count(*)"])

    async def present(self, ids: Sequence[str]) -> set[str]:
        """Return those of ``ids`` that exist."""
        found: set[str] = set()
        for part in batches(ids, _MAX_IDS):
            found.update(row["id"] for row in await self._query(with_ids(part), ["id"]))
        return found

    async def taken(self, ids: Sequence[str]) -> set[str]:
        """Return those of ``ids`` that exist, where that is likely to be none.

        Then there may be none between the first and the last of them either, which a server tells of 5,000 ids in 5 ms
        in place of 70: it reads a list of that length slowly.
        """
        if not self._session.lite and len(ids) >= _RANGE_FROM:
            between = f"((id >= {literal(min(ids))}) and (id <= {literal(max(ids))}))"
            if not await self._query(between, ["id"], limit=1):
                return set()
        return await self.present(ids)

    async def ids(self, where: Filter | None, field: str | None = None) -> list[str]:
        """Return the ids of the records that match, and have the field."""
        if self._session.lite:
            asked, rest = self._asked(where, field)
            if where is not None and rest is not None:
                return await self._matching(where, field)
            return [row["id"] for row in await self._query(both(*asked), ["id"])]
        found: list[str] = []
        async for page, _ in self.pages(where, MAX_WINDOW, None, _IDS, field):
            found += page.ids
        return found

    async def by_ids(self, ids: Sequence[str], include: Include) -> Records:
        """Return the records with these ids, in Milvus's order."""
        room = max(1, min(_MAX_IDS, ANSWER_BYTES // self.layout.width(include)))

        async def fetch(wanted: Sequence[str]) -> list[dict[str, Any]]:
            return await self._query(with_ids(wanted), self.layout.columns(include))

        parts = [await compute(to_records, rows, include, self.layout) async for rows in halving(ids, room, fetch)]
        return Records.concat(parts or [to_records([], include, self.layout)])

    async def pages(
        self, where: Filter | None, size: int, after: str | None, include: Include, field: str | None = None
    ) -> AsyncIterator[tuple[Records, str]]:
        """Yield all records that match, and have the field, by id. A sparse field is not asked for."""
        if self._session.lite:
            # Milvus Lite reads everything for every page, and in no order: the ids first, then by id

            async def read(wanted: list[str]) -> Records:
                if include == _IDS:  # which are read already
                    return Records(wanted)
                return (await self.by_ids(wanted, include)).ordered(wanted)

            async for page, token in scan_by_ids(await self.ids(where, field), size, after, read):
                yield page, token
            return
        partial = self.partial(where)
        fetched = include if partial is None else partial.read(include)
        condition = await self.condition(where if partial is None else partial.asked, field)
        room = max(1, min(size, MAX_WINDOW, ANSWER_BYTES // self.layout.width(fetched)))
        last = after or ""
        while True:
            later = f"(id > {literal(last)})"
            try:
                rows = await self._query(both(later, condition), self.layout.columns(fetched), limit=room)
            except LimitExceeded:
                if room == 1:
                    raise
                room = (room + 1) // 2
                continue
            if not rows:
                return
            page = await compute(to_records, rows, fetched, self.layout)
            last = max(page.ids)
            page = page.ordered(sorted(page.ids))
            if partial is not None:
                page = await compute(partial.keep, page, include)
            if page.ids:
                yield page, last
