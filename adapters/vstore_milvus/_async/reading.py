"""Reads: by id, by filter, and in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Final

from vstore.errors import LimitExceeded
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.records import Include, Records
from vstore.spi.partial import PartialFilter, split_filter
from vstore_milvus._async._run import compute
from vstore_milvus._async.creation import AsyncCreation
from vstore_milvus._async.session import AsyncSession
from vstore_milvus.capabilities import MAX_WINDOW
from vstore_milvus.codec import fields, to_records
from vstore_milvus.compile import compile_filter, unanswered, with_ids
from vstore_milvus.tokens import literal

__all__ = ["ANSWER_BYTES", "AsyncReader"]

_MAX_IDS: Final = 5_000
_RANGE_FROM: Final = 500
# An answer holds 64 MB at most; what a record's texts take is a guess, and one that fails is halved.
ANSWER_BYTES: Final = 24 << 20
_TEXT_BYTES: Final = 2_000
_IDS: Final = Include()


class AsyncReader:
    """Reads of one collection. They take no lock.

    Attributes:
        info: What the collection is.
    """

    def __init__(self, session: AsyncSession, info: CollectionInfo, creation: AsyncCreation) -> None:
        self._session = session
        self._client = session.client
        self._creation = creation
        self._fitted = False
        self.info = info

    async def _query(self, condition: str, names: list[str], **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._creation.read(
            self._client.query, filter=condition, output_fields=names, **more
        )
        return found

    def width(self, include: Include) -> int:
        """About the bytes of one record in an answer."""
        return (
            600
            + (4 * self.info.dimension if include.vectors else 0)
            + (_TEXT_BYTES if include.documents or include.metadatas else 0)
        )

    def partial(self, where: Filter | None) -> PartialFilter | None:
        """How to answer a filter of which a server is asked a part only; None where it is asked all, and on Lite."""
        return None if where is None or self._session.lite else split_filter(where, unanswered)

    async def condition(self, where: Filter | None) -> str | None:
        """A filter as an expression of Milvus."""
        if where is None:
            return None
        return with_ids(await self._matching(where)) if self._session.lite else compile_filter(where)

    async def _matching(self, where: Filter) -> list[str]:
        """The ids of the records that match, on Milvus Lite.

        It parses the JSON of every record once a comparison, has no ``in`` on its paths and no escapes in LIKE:
        its filters are answered here, from the metadata, which are read in parts if they are many.
        """
        whole, found = PartialFilter(where, None), list[str]()
        columns = whole.read(_IDS)

        def add(records: Records) -> None:
            found.extend(whole.keep(records, _IDS).ids)

        room = ANSWER_BYTES // self.width(columns)
        # Counting or reading 20,000 records takes a second, however few are asked for: what fitted is not counted again
        if self._fitted or await self.count(None) <= room:
            self._fitted = False
            with suppress(LimitExceeded):
                rows = await self._query("", fields(columns))
                await compute(add, to_records(rows, columns, self.info.dimension))
                self._fitted = len(rows) <= room
                return found
        ids = await self.ids(None)
        for start in range(0, len(ids), room):
            await compute(add, await self.by_ids(ids[start : start + room], columns))
        return found

    async def count(self, where: Filter | None) -> int:
        """How many records match."""
        if self._session.lite and where is not None:
            return len(await self._matching(where))
        if self.partial(where) is not None:
            return len(await self.ids(where))
        found = await self._query(await self.condition(where) or "", ["count(*)"])
        return int(found[0]["count(*)"])

    async def present(self, ids: Sequence[str]) -> set[str]:
        """Those of ``ids`` that exist."""
        found: set[str] = set()
        for start in range(0, len(ids), _MAX_IDS):
            part = await self._query(with_ids(ids[start : start + _MAX_IDS]), ["id"])
            found.update(row["id"] for row in part)
        return found

    async def taken(self, ids: Sequence[str]) -> set[str]:
        """The same, where none is likely to exist.

        Then there may be none between the first and the last of them either, which a server tells of 5,000 ids in 5 ms
        in place of 70: it reads a list of that length slowly.
        """
        if not self._session.lite and len(ids) >= _RANGE_FROM:
            between = f"((id >= {literal(min(ids))}) and (id <= {literal(max(ids))}))"
            if not await self._query(between, ["id"], limit=1):
                return set()
        return await self.present(ids)

    async def ids(self, where: Filter | None) -> list[str]:
        """The ids of the records that match."""
        if self._session.lite:
            return (
                [row["id"] for row in await self._query("", ["id"])] if where is None else await self._matching(where)
            )
        found: list[str] = []
        async for page, _ in self.pages(where, MAX_WINDOW, None, _IDS):
            found += page.ids
        return found

    async def by_ids(self, ids: Sequence[str], include: Include) -> Records:
        """The records with these ids, in Milvus's order."""
        parts = [to_records([], include, self.info.dimension)]
        room = max(1, min(_MAX_IDS, ANSWER_BYTES // self.width(include)))
        start = 0
        while start < len(ids):
            wanted = ids[start : start + room]
            try:
                rows = await self._query(with_ids(wanted), fields(include))
            except LimitExceeded:
                if len(wanted) == 1:
                    raise
                room = (len(wanted) + 1) // 2
                continue
            parts.append(await compute(to_records, rows, include, self.info.dimension))
            start += room
        return Records.concat(parts[1:] or parts)

    async def pages(
        self, where: Filter | None, size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        """All records that match, by id."""
        if self._session.lite:
            # Milvus Lite reads everything for every page, and in no order: the ids first, then by id
            ids = sorted(i for i in await self.ids(where) if after is None or i > after)
            for start in range(0, len(ids), size):
                wanted = ids[start : start + size]
                page = Records(wanted)
                if include != _IDS:  # which are read already
                    page = (await self.by_ids(wanted, include)).ordered(wanted)
                if page.ids:
                    yield page, wanted[-1]
            return
        sifting = self.partial(where)
        read = include if sifting is None else sifting.read(include)
        condition = await self.condition(where if sifting is None else sifting.asked)
        room = max(1, min(size, MAX_WINDOW, ANSWER_BYTES // self.width(read)))
        last = after or ""
        while True:
            behind = f"(id > {literal(last)})"
            chosen = behind if condition is None else f"({behind} and {condition})"
            try:
                rows = await self._query(chosen, fields(read), limit=room)
            except LimitExceeded:
                if room == 1:
                    raise
                room = (room + 1) // 2
                continue
            if not rows:
                return
            page = await compute(to_records, rows, read, self.info.dimension)
            last = max(page.ids)
            page = page.ordered(sorted(page.ids))
            if sifting is not None:
                page = await compute(sifting.keep, page, include)
            if page.ids:
                yield page, last
