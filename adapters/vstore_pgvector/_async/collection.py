"""One collection, which is one table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import AsyncConnection

from vstore.columns import Column
from vstore.errors import AlreadyExists, NotFound
from vstore.fields import Dense, Sparse
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import HNSW, Flat, IVFFlat, Quantization, Search
from vstore.info import CollectionInfo
from vstore.logs import DEBUG, log
from vstore.records import Include, Records
from vstore.sparse import SparseArray
from vstore.spi.batching import batches
from vstore.spi.latest import Latest
from vstore_pgvector._async._run import compute
from vstore_pgvector._async.choosing import AsyncChooser
from vstore_pgvector._async.searching import AsyncSearcher
from vstore_pgvector._async.session import AsyncSession
from vstore_pgvector._async.sparse import AsyncSparseSearcher
from vstore_pgvector.binary import pack_texts
from vstore_pgvector.capabilities import BATCH_BYTES, BATCH_ROWS, batch_rows, has_graph
from vstore_pgvector.codec import COPY_END, COPY_START, Encoded, copied_columns, copy_rows, decode, encode
from vstore_pgvector.compile import Condition
from vstore_pgvector.compile import where as compiled
from vstore_pgvector.schema import INDEXES, create_indexes
from vstore_pgvector.server import DEFAULT_SEARCH, MAX_EF
from vstore_pgvector.statements import Statements, doubled
from vstore_pgvector.vectors import candidates, dense_fields

__all__ = ["AsyncPGCollection"]

_SPLIT: Final = "a call takes several statements: %d records are sent, the next statement follows"
Row: TypeAlias = tuple[Any, ...]

_IDS_AT_ONCE: Final = 10_000
# From some hundred rows on COPY takes two thirds of the time of arrays, except where an HNSW graph takes it all.
_COPY_FROM: Final = 500
_COPY_PART: Final = 500
_COPY_ROWS: Final = 10_000  # of one statement, which must end within the timeout


class AsyncPGCollection:
    """Implements ``AsyncCollectionAdapter``."""

    def __init__(
        self,
        session: AsyncSession,
        rename: Callable[[int, str], Awaitable[None]],
        number: int,
        sql: Statements,
        info: CollectionInfo,
        build: Mapping[str, str],
    ) -> None:
        self._session = session
        self._rename = rename
        self._number = number
        self._info = info
        self._sql = sql
        self._build = build
        self._chooser = AsyncChooser(session, sql)
        self._fields = dense_fields(info)
        self._dense = {name: AsyncSearcher(session, sql, name, field) for name, field in self._fields.items()}
        self._sparse = {
            name: AsyncSparseSearcher(session, sql, name, field)
            for name, field in info.fields.items()
            if isinstance(field, Sparse)
        }
        self._rows = batch_rows(info)
        self._compiled = Latest[Filter, Condition](lambda where: compiled(where, info.partition_by))

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def native(self) -> str:
        """The quoted name of the table."""
        return self._sql.name

    async def add(self, records: Records) -> None:
        try:
            if len(records) < _COPY_FROM or has_graph(self._info):
                encoded = await compute(len(records), encode, records, self._info)
                await self._write(self._sql.insert(encoded.names), encoded)
            else:
                await self._session.write(lambda connection: self._copy(connection, records))
        except psycopg.errors.UniqueViolation as error:
            taken = await self._existing(records.ids)
            raise AlreadyExists.of_records([i for i in records.ids if i in taken]) from error

    async def upsert(self, records: Records) -> None:
        encoded = await compute(len(records), encode, records, self._info)
        await self._write(self._sql.upsert(encoded.names), encoded)

    async def update(self, records: Records, *, replace_metadata: bool) -> None:
        encoded = await compute(len(records), encode, records, self._info, merge=not replace_metadata)

        async def work(connection: AsyncConnection[Any]) -> None:
            found: set[str] = set()
            for part in batches(encoded.ids, _IDS_AT_ONCE):
                rows = await self._session.fetch(connection, self._sql.lock, (pack_texts(part),))
                found.update(row[0] for row in rows)
            if missing := [i for i in records.ids if i not in found]:
                raise NotFound.of_records(missing)
            await self._send(connection, self._sql.update(encoded.names), encoded)

        await self._session.write(work)

    async def get(self, ids: Sequence[str], include: Include) -> Records:
        statement = self._sql.get(include)

        async def work(connection: AsyncConnection[Any]) -> list[Row]:
            rows: list[Row] = []
            for part in batches(ids, _IDS_AT_ONCE):
                rows += await self._session.fetch(connection, statement, (pack_texts(part),))
            return rows

        rows = await self._session.read(work)
        return (await compute(len(rows), decode, rows, include, self._info)).ordered(ids)

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
        condition = None if where is None else self._compiled(where)
        if isinstance(vectors, SparseArray):
            sparse = self._sparse[field]
            return await self._session.read(lambda connection: sparse.exact(connection, vectors, k, condition, include))
        searcher, dense = self._dense[field], self._fields[field]
        least, probes, compared = _search_settings(dense, k, search)

        async def work(connection: AsyncConnection[Any]) -> list[Hits]:
            ef: int | None = least
            if exact or isinstance(dense.index, Flat):
                ef = None
            elif condition is not None:
                ef = await self._chooser.ef(connection, condition, max(k, compared // 2), least)
            if ef is None:
                return await searcher.exact(connection, vectors, k, condition, include)
            await self._session.search(connection, ef, probes)
            return await searcher.approximate(connection, vectors, k, condition, include, compared)

        return await self._session.read(work)

    async def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        condition = Condition("true") if where is None else self._compiled(where)
        text = None if where is None else condition.sql
        while True:
            statement = self._sql.scan(batch_size, include, after is not None, text)
            params = condition.params if after is None else (after, *condition.params)
            rows = await self._fetch(statement, params, prepare=None if where is None else False)
            if rows:
                after = rows[-1][0]
                yield await compute(len(rows), decode, rows, include, self._info), after
            if len(rows) < batch_size:
                return

    async def delete_ids(self, ids: Sequence[str]) -> None:
        ordered = sorted(ids)

        async def work(connection: AsyncConnection[Any]) -> None:
            for part in batches(ordered, _IDS_AT_ONCE):
                await self._session.execute(connection, self._sql.delete_ids, (pack_texts(part),))

        await self._session.write(work, single=len(ordered) <= _IDS_AT_ONCE)

    async def delete_where(self, where: Filter) -> None:
        condition = self._compiled(where)
        statement = self._sql.delete_where(condition.sql)
        await self._session.write(
            lambda connection: self._session.execute(connection, statement, condition.params, prepare=False),
            single=True,
        )

    async def clear(self) -> None:
        await self._session.write(lambda connection: self._session.execute(connection, self._sql.clear), single=True)

    async def count(self, where: Filter | None) -> int:
        if where is None:
            rows = await self._fetch(self._sql.count(None), ())
        else:
            condition = self._compiled(where)
            rows = await self._fetch(self._sql.count(condition.sql), condition.params, prepare=False)
        return int(rows[0][0])

    async def defer_index(self) -> None:
        async def work(connection: AsyncConnection[Any]) -> None:
            for (name,) in await self._session.fetch(connection, INDEXES, (self._sql.name,)):
                await self._session.execute(connection, f"drop index {doubled(name)}")

        await self._session.write(work)
        self._rows = BATCH_ROWS  # no graph makes a statement long now

    async def build_index(self) -> None:
        statements = create_indexes(self._sql.table, self._info)
        if not statements:
            return

        async def work(connection: AsyncConnection[Any]) -> None:
            # whoever builds it at the same moment waits here, and then finds it
            await self._session.execute(connection, f"lock table {self._sql.table} in share row exclusive mode")
            if not await self._session.fetch(connection, INDEXES, (self._sql.name,)):
                async with self._session.unhurried(connection), self._session.settings(connection, self._build):
                    for statement in statements:
                        await self._session.execute(connection, statement)

        await self._session.write(work)
        self._rows = batch_rows(self._info)

    async def rename(self, name: str) -> None:
        await self._rename(self._number, name)
        self._info = replace(self._info, name=name)

    async def _fetch(self, statement: str, params: Sequence[Any], *, prepare: bool | None = None) -> list[Row]:
        return await self._session.read(
            lambda connection: self._session.fetch(connection, statement, params, prepare=prepare)
        )

    async def _write(self, statement: str, encoded: Encoded) -> None:
        parts = sum(1 for _ in encoded.parts(self._rows, BATCH_BYTES))
        await self._session.write(
            lambda connection: self._send(connection, statement, encoded),
            single=parts == 1,
        )

    async def _send(self, connection: AsyncConnection[Any], statement: str, encoded: Encoded) -> None:
        oids = self._session.type_ids
        for part in encoded.parts(self._rows, BATCH_BYTES):
            if part.start:
                log("splits", DEBUG, _SPLIT, part.start)
            arrays = await compute(part.stop - part.start, encoded.arrays, part, oids)
            await self._session.execute(connection, statement, arrays)

    async def _copy(self, connection: AsyncConnection[Any], records: Records) -> None:
        """Sends one stream of rows by ascending id: the server works on some while the next are encoded."""
        order = sorted(range(len(records)), key=records.ids.__getitem__)
        statement = self._sql.copy(copied_columns(records, self._info))
        for number, rows in enumerate(batches(order, _COPY_ROWS)):
            if number:
                log("splits", DEBUG, _SPLIT, number * _COPY_ROWS)
            async with self._session.cursor(connection).copy(statement.encode()) as copy:
                await copy.write(COPY_START)
                for places in batches(rows, _COPY_PART):
                    part = records.take(places)
                    await copy.write(await compute(len(part), copy_rows, part))
                await copy.write(COPY_END)

    async def _existing(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for part in batches(ids, _IDS_AT_ONCE):
            found.update(row[0] for row in await self._fetch(self._sql.existing, (pack_texts(part),)))
        return found


def _search_settings(field: Dense, k: int, search: Search | None) -> tuple[int, int, int]:
    """Return ef, probes, and how many candidates are compared with the full vectors."""
    ef, probes = DEFAULT_SEARCH
    quantization: Quantization | None = None
    match field.index:
        case HNSW(_, _, ef_search, quantization):
            ef = ef_search if search is None or search.ef is None else search.ef
        case IVFFlat(_, of_index):
            probes = of_index if search is None or search.probes is None else search.probes
    compared = candidates(field, k, ef)
    return ef if quantization is None else min(MAX_EF, compared), probes, compared
