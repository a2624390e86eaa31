# Generated from adapters/vstore_pgvector/_async/foreign.py by tools/unasync.py: do not edit.
"""Tables that vstore did not create."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from psycopg import Connection

from vstore.errors import AlreadyExists, Mismatch, NotFound
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.mapping import RecordMapping
from vstore.records import Include, VectorArray
from vstore.spi.batching import batches
from vstore.spi.foreign import Key, Rows, fields_read
from vstore.spi.layouts import Layout
from vstore_pgvector._sync._run import compute
from vstore_pgvector._sync.session import Session
from vstore_pgvector.binary import pack_texts
from vstore_pgvector.catalogue import (
    COLUMNS,
    EXISTS,
    HEIRS,
    HOMELESS,
    INDEXES,
    KEYS,
    LANGCHAIN_COLLECTIONS,
    LANGCHAIN_RECORDS,
    NAMES,
    SEARCH_PATH,
    Column,
    bare,
)
from vstore_pgvector.described import DescribedTable, described_table
from vstore_pgvector.foreign import Table
from vstore_pgvector.jsonb import json_text
from vstore_pgvector.layouts import LAYOUTS, TableLayout, any_row, check_columns, check_length, known_tables
from vstore_pgvector.proposals import named_once, numbered, proposal, with_fields
from vstore_pgvector.schema import CATALOGUE
from vstore_pgvector.vectors import pack_vector, pack_vectors

__all__ = ["PGForeign"]

_IDS_AT_ONCE: Final = 10_000
_PAGE: Final = 5_000


class PGForeign:
    """Implements ``ForeignStore`` on one schema."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._schema = schema

    def _schemas(self) -> list[str]:
        """Return the schemas to search: applications put tables into ``public``, or on their search path."""
        path = [row[0] for row in self._fetch(SEARCH_PATH, ())]
        path += (self._fetch("select current_schemas(false)::text[]", ()))[0][0]
        return list(dict.fromkeys([self._schema, "public", *path]))

    @property
    def layouts(self) -> Mapping[str, TableLayout]:
        return LAYOUTS

    def described(self, mapping: RecordMapping) -> DescribedTable:
        return described_table(mapping)

    def create(self, layout: Layout, info: CollectionInfo) -> RecordMapping:
        assert isinstance(layout, TableLayout)
        schema = self._application_schema()
        place = layout.place(schema, info.name)
        self._refuse_own(info.name)
        if layout.column:
            check_length(self._columns(place), layout, info.dimension)

        def work(connection: Connection[Any]) -> str | None:
            if self._session.server.types is None:
                self._session.execute(connection, "create extension if not exists vector")
            own = not (layout.shared or layout.column)
            if own and (self._session.fetch(connection, EXISTS, place))[0][0]:
                raise AlreadyExists(f"the table {place[1]!r} exists already")
            for statement in layout.statements(schema, info):
                self._session.execute(connection, statement)
            if layout.column and (self._session.fetch(connection, any_row(place, layout), (info.name,)))[0][0]:
                raise AlreadyExists("the collection exists already")
            if not layout.shared:
                return None
            rows = self._session.fetch(
                connection,
                f"insert into {bare(schema, LANGCHAIN_COLLECTIONS)} (uuid, name, cmetadata) "
                "values (gen_random_uuid(), %s, %s::text::json) on conflict (name) do nothing returning uuid::text",
                (info.name, json_text(info.metadata) if info.metadata else None),
            )
            if not rows:
                raise AlreadyExists("the collection exists already")
            return str(rows[0][0])

        number = self._session.write(work)
        if self._session.server.types is None:
            self._session.probe()
        only = {"collection_id": number} if number is not None else {layout.column: info.name} if layout.column else {}
        return replace(layout.mapping, table=place, only=only, metric=info.metric, dimension=info.dimension)

    def drop(self, name: str, layout: Layout) -> None:
        assert isinstance(layout, TableLayout)
        self._refuse_own(name)
        if isinstance(layout, DescribedTable):
            mapping, (place, columns) = layout.mapping, self._found((name,))
            Table(name, place, mapping, columns, self._keys(place), self._indexes(place))  # does it fit?
            layout.check_whole(columns)
        else:
            kind = next(kind for kind, one in LAYOUTS.items() if one is layout)
            mapping = self.propose(name, kind)
            place = (mapping.table[0], mapping.table[-1]) if len(mapping.table) == 2 else (self._schema, name)

        def work(connection: Connection[Any]) -> None:
            if layout.shared:
                statement = f"delete from {bare(place[0], LANGCHAIN_COLLECTIONS)} where uuid = %s::text::uuid"
                self._session.execute(connection, statement, tuple(mapping.only.values()))
            elif layout.column:
                statement = f"delete from {bare(*place)} where {bare(layout.column)} = %s"
                if not self._session.execute(connection, statement, (name,)):
                    raise NotFound.of_collection(name)
            else:
                self._session.execute(connection, f"drop table {bare(*place)}")

        self._session.write(work)

    def _application_schema(self) -> str:
        """Return the schema in which an application's own tables come to be: the first of the role's search path."""
        path = [row[0] for row in self._fetch(SEARCH_PATH, ())]
        return path[0] if path else "public"

    def names(self) -> list[str]:
        found: set[str] = set()
        for schema in self._schemas():
            tables = {row[0] for row in self._fetch(NAMES, (schema,))}
            shared = self._langchain(schema)
            if shared and not (self._fetch(HOMELESS.format(bare(schema, LANGCHAIN_RECORDS)), ()))[0][0]:
                tables.discard(LANGCHAIN_RECORDS)  # whose rows are those of the collections
            found |= tables | set(named_once(shared))
        own = {f"collection_{number}" for number, _ in self._own()}
        return sorted(found - own)

    def propose(self, name: str, layout: str | None) -> RecordMapping:
        self._refuse_own(name)
        schemas = self._schemas()
        if layout is not None and LAYOUTS[layout].column:
            return self._by_column(name, LAYOUTS[layout], schemas)
        if layout in (None, "langchain"):
            for schema in schemas:
                number = numbered(name, self._langchain(schema))
                if number is not None:
                    return self._proposed(name, layout, (schema, LANGCHAIN_RECORDS), number)
        for table in known_tables(name, layout):
            for schema in schemas:
                if self._columns((schema, table)):
                    return self._proposed(name, layout, (schema, table), None)
        raise NotFound(f"there is no table {name!r}", hint="list_foreign_collections() names those with vectors.")

    def _proposed(self, name: str, layout: str | None, place: tuple[str, str], collection: str | None) -> RecordMapping:
        indexes = self._indexes(place)
        columns, keys = self._columns(place), self._keys(place)
        custom = collection is not None and self._custom(place, columns, collection)
        mapping = proposal(name, layout, columns, keys, collection, custom=custom, indexed=bool(indexes))
        mapping = with_fields(mapping, columns, indexes)
        return mapping if place == (self._schema, name) else replace(mapping, table=place)

    def _by_column(self, name: str, layout: TableLayout, schemas: Sequence[str]) -> RecordMapping:
        """Return how to read the rows of one collection, of which there may be none, in the table of all of them."""
        for schema in schemas:
            if columns := self._columns(place := layout.place(schema, name)):
                check_columns(columns, layout)
                return replace(layout.mapping, table=place, only={layout.column: name}, metric=layout.metrics[0])
        raise NotFound(f"there is no table {layout.table!r}", hint=f"{layout.package} keeps all collections in it.")

    def open(self, name: str, mapping: RecordMapping) -> PGForeignCollection:
        self._refuse_own(name)
        place, columns = self._found(mapping.table or (name,))
        indexes = self._indexes(place)
        heirs = [row[0] for row in self._fetch(HEIRS, place)]
        table = Table(name, place, mapping, columns, self._keys(place), indexes, heirs)
        if table.keyless:
            [counts] = self._fetch(*table.repeats())
            table.check_repeats(*counts)
        first = None
        if table.dimension is None and mapping.dimension is None:
            rows = self._fetch(*table.first_dimension())
            first = rows[0][0] if rows else None
        info = table.complete(first, self._metadata(place, mapping))
        return PGForeignCollection(self._session, table, info)

    def _found(self, table: tuple[str, ...]) -> tuple[tuple[str, str], list[Column]]:
        """Return the schema and name of a table, and its columns."""
        schemas = [table[0]] if len(table) == 2 else self._schemas()
        for schema in schemas:
            if columns := self._columns((schema, table[-1])):
                return (schema, table[-1]), columns
        raise NotFound(
            f"there is no table {table[-1]!r} in {', '.join(map(repr, schemas))}",
            hint="list_foreign_collections() names those with vectors.",
        )

    def _custom(self, place: tuple[str, str], columns: Sequence[Column], collection: str) -> bool:
        """Return whether each row of a collection of langchain_community's has an id of its own in ``custom_id``."""
        if "custom_id" not in {column.name for column in columns}:
            return False
        statement = f"select count(*) = count(distinct custom_id) from {bare(*place)} where collection_id::text = %s"
        return bool((self._fetch(statement, (collection,)))[0][0])

    def _metadata(self, place: tuple[str, str], mapping: RecordMapping) -> dict[str, Any]:
        """Return the collection's own metadata, which LangChain keeps in another table."""
        if place[1] != LANGCHAIN_RECORDS or set(mapping.only) != {"collection_id"}:
            return {}
        kept = {number: text for number, _, text in self._langchain(place[0])}
        text = kept.get(mapping.only["collection_id"])
        found = None if text is None else json.loads(text)
        return found if isinstance(found, dict) else {}

    def _columns(self, place: tuple[str, ...]) -> list[Column]:
        return [Column(*row) for row in self._fetch(COLUMNS, place)]

    def _indexes(self, place: tuple[str, ...]) -> list[tuple[str, str, str, list[str]]]:
        return [(row[0], row[1], row[2], row[3]) for row in self._fetch(INDEXES, place)]

    def _keys(self, place: tuple[str, ...]) -> list[list[str]]:
        return [row[0] for row in self._fetch(KEYS, place)]

    def _own(self) -> list[tuple[Any, ...]]:
        return self._rows_of(self._schema, CATALOGUE, "number, name")

    def _refuse_own(self, name: str) -> None:
        if any(name == own for _, own in self._own()):
            raise Mismatch.created_here(name)

    def _langchain(self, schema: str) -> list[tuple[Any, ...]]:
        """Return the number, name and metadata of the collections in LangChain's shared table, if it may be read."""
        columns = self._columns((schema, LANGCHAIN_COLLECTIONS))
        if not {"uuid", "name", "cmetadata"} <= {column.name for column in columns if column.readable}:
            return []
        return self._rows_of(schema, LANGCHAIN_COLLECTIONS, "uuid::text, name, cmetadata::text")

    def _rows_of(self, schema: str, table: str, columns: str) -> list[tuple[Any, ...]]:
        """Return all rows of a table that may not be there."""
        if not (self._fetch(EXISTS, (schema, table)))[0][0]:
            return []
        return self._fetch(f"select {columns} from {bare(schema, table)}", ())

    def _fetch(self, statement: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._session.read(lambda connection: self._session.fetch(connection, statement, params))


class PGForeignCollection:
    """Implements ``ForeignCollection`` and ``ForeignWriter``."""

    def __init__(self, session: Session, table: Table, info: CollectionInfo) -> None:
        self._session = session
        self._table = table
        self._info = info
        self._writing = table.writing()

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def mapping(self) -> RecordMapping:
        return self._table.mapping

    @property
    def native(self) -> str:
        """The quoted name of the table."""
        return self._table.native

    def count(self) -> int:
        return int((self._rows(*self._table.count()))[0][0])

    def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        wanted = self._table.wanted(fields_read(self.mapping, include), include)
        statement, params = self._table.fetch(wanted)
        found: list[tuple[Any, ...]] = []
        for part in batches(keys, _IDS_AT_ONCE):
            found += self._rows(statement, (*params, *map(pack_texts, self._table.id_values(part))))
        return compute(len(found), self._table.read, found, wanted)

    def pages(
        self, size: int, after: str | None, include: Include, where: Filter | None = None
    ) -> Iterator[tuple[Rows, str]]:
        wanted = self._table.wanted(fields_read(self.mapping, include), include)
        narrowed = self._table.narrowed(where)
        # each request may evaluate the condition on all rows that are left: few of them, where rows are small
        small = narrowed is not None and not (include.vectors or include.documents or include.fields)
        most = _PAGE if small else min(size, _PAGE)
        while True:
            found = self._rows(*self._table.page(wanted, most, after, narrowed))
            for part in batches(found, size):
                after = self._table.token(part[-1])
                yield compute(len(part), self._table.read, part, wanted), after
            if len(found) < most:
                return

    def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        wanted = self._table.wanted(fields_read(self.mapping, include), include)
        statement = self._table.nearest(wanted, k, self._info.metric, float(np.abs(vector).max()))
        if statement is None:
            return None
        found = self._rows(statement, (*self._table.only, pack_vector(vector)))
        return compute(len(found), self._table.read, found, wanted)

    def _rows(self, statement: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        def work(connection: Connection[Any]) -> list[tuple[Any, ...]]:
            return self._session.fetch(connection, statement, params, prepare=False)

        return self._session.read(work)

    @property
    def read_only(self) -> str:
        return self._writing.read_only

    def put(self, rows: Rows) -> None:
        # in one order, so that two writers of the same rows do not wait for each other
        rows = rows.in_order_of(sorted(rows.keys, key=str))
        if self._session.server.types is None:  # the extension was not there when this store was opened
            self._session.probe()
        vectors = pack_vectors(np.asarray(rows.vectors, dtype=np.float32), self._session.type_ids.vector)
        text = compute(len(rows), self._writing.encode, rows)
        ids = [str(key) for key in rows.keys]

        def work(connection: Connection[Any]) -> None:
            if not self._writing.unique:
                self._delete(connection, ids)
            parameters = (*self._table.only, text, vectors)
            if self._session.execute(connection, self._writing.put(), parameters) < len(ids):
                found = self._session.fetch(connection, self._writing.elsewhere(), (*self._table.only, pack_texts(ids)))
                raise AlreadyExists(
                    "other collections of the table have these ids, which it keeps once only",
                    ids=[row[0] for row in found],
                    hint="Give the records ids that no other collection of the table has.",
                )

        self._session.write(work)

    def remove(self, keys: Sequence[Key]) -> None:
        ids = [str(key) for key in keys]
        self._session.write(lambda connection: self._delete(connection, ids))

    def _delete(self, connection: Connection[Any], ids: list[str]) -> None:
        statement, params = self._table.removal()
        self._session.execute(connection, statement, (*params, pack_texts(ids)))
