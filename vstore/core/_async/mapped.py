"""A collection that vstore did not create, read through a mapping.

The rows come from the adapter, their meaning from ``vstore.core.foreign_records``. What a database's own filters would
say of another's layout (missing keys, types, elements of lists) is not what the contract says: filters are evaluated
here, on the records, page by page. The adapter may leave out rows of which it knows that a filter is not true. An exact
query compares records here too, and so does one of a named field. Any other query asks the index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from vstore.columns import Column, VectorArray, dense
from vstore.core.foreign_records import to_records
from vstore.core.foreign_rest import Rest, brings_all, widest
from vstore.errors import Mismatch
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Search
from vstore.info import CollectionInfo
from vstore.mapping import IdType, MissingVector, RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.records import Include, Records
from vstore.spi._async._run import run_blocking
from vstore.spi._async.protocol import AsyncForeignCollection
from vstore.spi.foreign import Rows, foreign_key
from vstore.spi.partial import PartialFilter
from vstore.spi.scores import TopK, distances, ranked

__all__ = ["AsyncMappedCollection"]

_PAGE: Final = 1000
_SAMPLE: Final = 100
Reopen: TypeAlias = Callable[[RecordMapping], Awaitable[AsyncForeignCollection]]
"""Opens the same collection with another mapping."""


class AsyncMappedCollection:
    """Implements ``AsyncCollectionReader``.

    Attributes:
        read_only: Why it cannot be written, in words; empty where it can.
    """

    read_only: str = ""

    def __init__(self, table: AsyncForeignCollection, reopen: Reopen) -> None:
        self._table = table
        self._reopen = reopen
        self._info = table.info
        # the vector is never among the fields: one that is called as the vector is, is another thing
        self._fields = replace(table.mapping, vector="")

    @property
    def info(self) -> CollectionInfo:
        """What the collection is, as far as its database tells."""
        return self._info

    async def look(self) -> None:
        """Has ``info`` tell what the mapping does not bring, as far as the first rows tell."""
        known = self._table.info.omitted
        if brings_all(self._fields, known):
            return
        rest = Rest(self._fields)
        wide = await self._reopen(widest(self.mapping, known))
        async for rows, _ in wide.pages(_SAMPLE, None, Include(metadatas=True)):
            rest.add(rows.fields)
            break
        self._info = replace(self._info, omitted=(*known, *rest.omissions(sample=True)))

    async def omissions(self, where: Filter | None) -> list[Omission]:
        """What the mapping does not bring of the records that match: every row is read, unless its form tells."""
        known = self._table.info.omitted
        found = list(known)
        if self.mapping.missing_vector is MissingVector.SKIP:
            every = await self._reopen(replace(self.mapping, missing_vector=MissingVector.REFUSE))
            if skipped := await every.count() - await self._table.count():
                found.append(Omission(OmissionKind.ROWS, "", f"{skipped:,} rows have no vector, and are no records"))
        if brings_all(self._fields, known):
            return found
        rest = Rest(self._fields)
        wide = await self._reopen(widest(self.mapping, known))
        async for rows, _ in wide.pages(_PAGE, None, Include(metadatas=True)):
            fields = rows.fields
            if where is not None:
                partial = PartialFilter(where, None)
                read = await self._records(rows, partial.read(Include()))
                fields = [fields[place] for place in partial.places(read)]
            await run_blocking(rest.add, fields)
        return [*found, *rest.omissions()]

    @property
    def mapping(self) -> RecordMapping:
        """The mapping, complete."""
        return self._table.mapping

    @property
    def native(self) -> object:
        """The client's own handle."""
        return self._table.native

    async def get(self, ids: Sequence[str], include: Include) -> Records:
        """The records found, each once, in the order of ``ids``."""
        kind = self.mapping.id_type or IdType.TEXT
        keys = [key for key in (foreign_key(one, kind) for one in ids) if key is not None]
        rows = await self._table.fetch(keys, include) if keys else Rows(vectors=[])
        records = await self._records(rows, include)
        if len(set(records.ids)) < len(records.ids):
            raise Mismatch(
                "several records have one id",
                ids=sorted(one for one, number in Counter(records.ids).items() if number > 1),
                hint="Map the id to what is unique, such as the database's own key.",
            )
        return records.ordered(ids)

    async def query(
        self,
        vectors: Column,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
        field: str = "",
    ) -> list[Hits]:
        """For each row of ``vectors`` the k nearest; by the index unless ``exact`` or a filter is asked for."""
        if exact or where is not None or field:
            return await self._compared(vectors, k, where, include, field)
        queries = dense(vectors)
        found: list[Hits | None] = [await self._approximate(vector, k, include) for vector in queries]
        total = await self._table.count() if any(hits is None or len(hits) < k for hits in found) else k
        short = [place for place, hits in enumerate(found) if hits is None or len(hits) < min(k, total)]
        if short:
            for place, hits in zip(short, await self._compared(queries[short], k, None, include, ""), strict=True):
                found[place] = hits
        return [hits for hits in found if hits is not None]

    async def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        """Every record that matches once; a page has those that match of ``batch_size`` rows that may."""
        partial = None if where is None else PartialFilter(where, None)
        read = include if partial is None else partial.read(include)
        async for rows, token in self._table.pages(batch_size, after, read, where):
            records = await self._records(rows, read)
            if partial is not None:
                records = await run_blocking(partial.keep, records, include)
            if records.ids:
                yield records, token

    async def count(self, where: Filter | None) -> int:
        """How many records match; with a filter those are read that the database cannot rule out."""
        if where is None:
            return await self._table.count()
        total = 0
        async for records, _ in self.scan(where, _PAGE, None, Include()):
            total += len(records)
        return total

    async def _records(self, rows: Rows, include: Include) -> Records:
        return await run_blocking(to_records, self._fields, self.info, rows, include)

    async def _approximate(self, vector: VectorArray, k: int, include: Include) -> Hits | None:
        read = replace(include, vectors=True)
        rows = await self._table.nearest(vector, k, read)
        if rows is None:
            return None
        records = await self._records(rows, read)
        assert records.vectors is not None
        distance = distances(self.info.metric, vector, records.vectors)
        return ranked(self.info.metric, records.only(include), distance, k)

    async def _compared(
        self, vectors: Column, k: int, where: Filter | None, include: Include, field: str
    ) -> list[Hits]:
        """The true nearest: every record that may match is read, and k are kept for each query."""
        best = TopK(self.info.field(field).metric, vectors, k, field)
        read = Include(fields=(field,)) if field else Include(vectors=True)
        async for page, _ in self.scan(where, _PAGE, None, read):
            await run_blocking(best.take, page)
        return best.hits(await self.get(best.ids, include))
