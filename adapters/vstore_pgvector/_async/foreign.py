"""Tables that vstore did not create, for reading."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from psycopg import AsyncConnection

from vstore.errors import Mismatch, NotFound
from vstore.foreign import Key, Rows, fields_read
from vstore.mapping import Mapping
from vstore.types import CollectionInfo, Include, VectorArray
from vstore_pgvector._async._run import compute
from vstore_pgvector._async.session import AsyncSession
from vstore_pgvector.catalogue import (
    COLUMNS,
    EXISTS,
    INDEXES,
    KEYS,
    LANGCHAIN_COLLECTIONS,
    LANGCHAIN_RECORDS,
    NAMES,
    Column,
    bare,
)
from vstore_pgvector.codec import pack_texts, pack_vector
from vstore_pgvector.foreign import Table
from vstore_pgvector.layouts import proposal
from vstore_pgvector.statements import CATALOGUE

__all__ = ["AsyncPGForeign"]

_IDS_AT_ONCE: Final = 10_000
_PAGE: Final = 5_000


class AsyncPGForeign:
    """Implements ``AsyncForeignStore`` on one schema."""

    def __init__(self, session: AsyncSession, schema: str) -> None:
        self._session = session
        self._schema = schema

    @property
    def _schemas(self) -> list[str]:
        """Where tables are looked for: applications put theirs into ``public``."""
        return list(dict.fromkeys([self._schema, "public"]))

    async def names(self) -> list[str]:
        found = {row[0] for schema in self._schemas for row in await self._fetch(NAMES, (schema,))}
        own = {f"collection_{number}" for number, _ in await self._own()}
        return sorted(found - own)

    async def propose(self, name: str, layout: str | None) -> Mapping:
        await self._refuse_own(name)
        if layout in (None, "langchain"):
            for schema in self._schemas:
                if (number := await self._langchain(schema, name)) is not None:
                    return await self._proposed(name, layout, (schema, LANGCHAIN_RECORDS), number)
        tables = [name, f"data_{name.lower()}"] if layout in (None, "llamaindex") else [name]  # LlamaIndex's prefix
        for table in tables:
            for schema in self._schemas:
                if await self._columns((schema, table)):
                    return await self._proposed(name, layout, (schema, table), None)
        raise NotFound(f"there is no table {name!r}", hint="list_foreign_collections() names those with vectors.")

    async def _proposed(self, name: str, layout: str | None, place: tuple[str, str], collection: str | None) -> Mapping:
        indexed = bool(await self._fetch(INDEXES, place))
        columns, keys = await self._columns(place), await self._keys(place)
        mapping = proposal(name, layout, columns, keys, collection, indexed=indexed)
        return mapping if place == (self._schema, name) else replace(mapping, table=place)

    async def open(self, name: str, mapping: Mapping) -> AsyncPGForeignCollection:
        await self._refuse_own(name)
        place, columns = await self._found(mapping.table or (name,))
        if place != (self._schema, name):
            mapping = replace(mapping, table=place)
        indexes = [(row[0], row[1], row[2], row[3]) for row in await self._fetch(INDEXES, place)]
        table = Table(name, self._schema, mapping, columns, await self._keys(place), indexes)
        first = None
        if table.dimension is None and mapping.dimension is None:
            rows = await self._fetch(*table.first_dimension())
            first = rows[0][0] if rows else None
        return AsyncPGForeignCollection(self._session, table, table.complete(first))

    async def _found(self, table: tuple[str, ...]) -> tuple[tuple[str, str], list[Column]]:
        """Where a table is that is named by itself, or with its schema, and its columns; none where it is nowhere."""
        if len(table) > 2:
            raise Mismatch(f"table={table!r} is not a table, or a schema and a table", hint="Leave the database out.")
        places = [(schema, table[0]) for schema in self._schemas] if len(table) == 1 else [(table[0], table[1])]
        for place in places:
            if columns := await self._columns(place):
                return place, columns
        return places[0], []

    async def _columns(self, place: tuple[str, ...]) -> list[Column]:
        return [Column(*row) for row in await self._fetch(COLUMNS, place)]

    async def _keys(self, place: tuple[str, ...]) -> list[list[str]]:
        return [row[0] for row in await self._fetch(KEYS, place)]

    async def _own(self) -> list[tuple[Any, ...]]:
        return await self._rows_of(self._schema, CATALOGUE, "number, name")

    async def _refuse_own(self, name: str) -> None:
        if any(name == own for _, own in await self._own()):
            raise Mismatch(f"vstore created {name!r}", hint="Open it without mapping=.")

    async def _langchain(self, schema: str, name: str) -> str | None:
        """The number of a collection in the table that langchain_postgres shares among all of them."""
        found = await self._rows_of(schema, LANGCHAIN_COLLECTIONS, "uuid::text, name")
        return next((number for number, own in found if own == name), None)

    async def _rows_of(self, schema: str, table: str, columns: str) -> list[tuple[Any, ...]]:
        """All rows of a table that may not be there."""
        if not (await self._fetch(EXISTS, (schema, table)))[0][0]:
            return []
        return await self._fetch(f"select {columns} from {bare(schema, table)}", ())

    async def _fetch(self, statement: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        return await self._session.read(lambda connection: self._session.fetch(connection, statement, params))


class AsyncPGForeignCollection:
    """Implements ``AsyncForeignCollection``."""

    def __init__(self, session: AsyncSession, table: Table, info: CollectionInfo) -> None:
        self._session = session
        self._table = table
        self._info = info

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def mapping(self) -> Mapping:
        return self._table.mapping

    @property
    def native(self) -> str:
        """The quoted name of the table."""
        return self._table.native

    async def count(self) -> int:
        return int((await self._rows(*self._table.count()))[0][0])

    async def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        wanted = self._table.wanted(fields_read(self.mapping, include), include)
        statement, params = self._table.fetch(wanted)
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(keys), _IDS_AT_ONCE):
            texts = pack_texts([str(key) for key in keys[start : start + _IDS_AT_ONCE]])
            found += await self._rows(statement, (*params, texts))
        return await compute(len(found), self._table.read, found, wanted)

    async def pages(self, size: int, after: str | None, include: Include) -> AsyncIterator[tuple[Rows, str]]:
        wanted = self._table.wanted(fields_read(self.mapping, include), include)
        while True:
            found = await self._rows(*self._table.page(wanted, min(size, _PAGE), after))
            if not found:
                return
            after = self._table.token(found[-1])
            yield await compute(len(found), self._table.read, found, wanted), after

    async def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        wanted = self._table.wanted(fields_read(self.mapping, include), include)
        statement = self._table.nearest(wanted, k, self._info.metric, float(np.abs(vector).max()))
        if statement is None:
            return None
        found = await self._rows(statement, (*self._table.only, pack_vector(vector)))
        return await compute(len(found), self._table.read, found, wanted)

    async def _rows(self, statement: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        async def work(connection: AsyncConnection[Any]) -> list[tuple[Any, ...]]:
            return await self._session.fetch(connection, statement, params, prepare=False)

        return await self._session.read(work)
