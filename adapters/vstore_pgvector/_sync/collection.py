# Generated from adapters/vstore_pgvector/_async/collection.py by tools/unasync.py: do not edit.
"""One collection, which is one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import Connection

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
from vstore_pgvector._sync._run import compute
from vstore_pgvector._sync.choosing import Chooser
from vstore_pgvector._sync.searching import Searcher
from vstore_pgvector._sync.session import Session
from vstore_pgvector._sync.sparse import SparseSearcher
from vstore_pgvector.binary import pack_texts
from vstore_pgvector.capabilities import BATCH_BYTES, BATCH_ROWS, batch_rows, has_graph
from vstore_pgvector.codec import COPY_END, COPY_START, Encoded, copied_columns, copy_rows, decode, encode
from vstore_pgvector.compile import Condition
from vstore_pgvector.compile import where as compiled
from vstore_pgvector.schema import INDEXES, create_indexes
from vstore_pgvector.server import DEFAULT_SEARCH, MAX_EF
from vstore_pgvector.statements import Statements, doubled
from vstore_pgvector.vectors import candidates, dense_fields

__all__ = ["PGCollection"]

_SPLIT: Final = "a call takes several statements: %d records are sent, the next statement follows"
Row: TypeAlias = tuple[Any, ...]

_IDS_AT_ONCE: Final = 10_000
# From some hundred rows on COPY takes two thirds of the time of arrays, except where an HNSW graph takes it all.
_COPY_FROM: Final = 500
_COPY_PART: Final = 500
_COPY_ROWS: Final = 10_000  # of one statement, which must end within the timeout


class PGCollection:
    """Implements ``CollectionAdapter``."""

    def __init__(
        self,
        session: Session,
        rename: Callable[[int, str], None],
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
        self._chooser = Chooser(session, sql)
        self._fields = dense_fields(info)
        self._dense = {name: Searcher(session, sql, name, field) for name, field in self._fields.items()}
        self._sparse = {
            name: SparseSearcher(session, sql, name, field)
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

    def add(self, records: Records) -> None:
        try:
            if len(records) < _COPY_FROM or has_graph(self._info):
                encoded = compute(len(records), encode, records, self._info)
                self._write(self._sql.insert(encoded.names), encoded)
            else:
                self._session.write(lambda connection: self._copy(connection, records))
        except psycopg.errors.UniqueViolation as error:
            taken = self._existing(records.ids)
            raise AlreadyExists.of_records([i for i in records.ids if i in taken]) from error

    def upsert(self, records: Records) -> None:
        encoded = compute(len(records), encode, records, self._info)
        self._write(self._sql.upsert(encoded.names), encoded)

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        encoded = compute(len(records), encode, records, self._info, merge=not replace_metadata)

        def work(connection: Connection[Any]) -> None:
            found: set[str] = set()
            for part in batches(encoded.ids, _IDS_AT_ONCE):
                rows = self._session.fetch(connection, self._sql.lock, (pack_texts(part),))
                found.update(row[0] for row in rows)
            if missing := [i for i in records.ids if i not in found]:
                raise NotFound.of_records(missing)
            self._send(connection, self._sql.update(encoded.names), encoded)

        self._session.write(work)

    def get(self, ids: Sequence[str], include: Include) -> Records:
        statement = self._sql.get(include)

        def work(connection: Connection[Any]) -> list[Row]:
            rows: list[Row] = []
            for part in batches(ids, _IDS_AT_ONCE):
                rows += self._session.fetch(connection, statement, (pack_texts(part),))
            return rows

        rows = self._session.read(work)
        return (compute(len(rows), decode, rows, include, self._info)).ordered(ids)

    def query(
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
            return self._session.read(lambda connection: sparse.exact(connection, vectors, k, condition, include))
        searcher, dense = self._dense[field], self._fields[field]
        least, probes, compared = _search_settings(dense, k, search)

        def work(connection: Connection[Any]) -> list[Hits]:
            ef: int | None = least
            if exact or isinstance(dense.index, Flat):
                ef = None
            elif condition is not None:
                ef = self._chooser.ef(connection, condition, max(k, compared // 2), least)
            if ef is None:
                return searcher.exact(connection, vectors, k, condition, include)
            self._session.search(connection, ef, probes)
            return searcher.approximate(connection, vectors, k, condition, include, compared)

        return self._session.read(work)

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        condition = Condition("true") if where is None else self._compiled(where)
        text = None if where is None else condition.sql
        while True:
            statement = self._sql.scan(batch_size, include, after is not None, text)
            params = condition.params if after is None else (after, *condition.params)
            rows = self._fetch(statement, params, prepare=None if where is None else False)
            if rows:
                after = rows[-1][0]
                yield compute(len(rows), decode, rows, include, self._info), after
            if len(rows) < batch_size:
                return

    def delete_ids(self, ids: Sequence[str]) -> None:
        ordered = sorted(ids)

        def work(connection: Connection[Any]) -> None:
            for part in batches(ordered, _IDS_AT_ONCE):
                self._session.execute(connection, self._sql.delete_ids, (pack_texts(part),))

        self._session.write(work, single=len(ordered) <= _IDS_AT_ONCE)

    def delete_where(self, where: Filter) -> None:
        condition = self._compiled(where)
        statement = self._sql.delete_where(condition.sql)
        self._session.write(
            lambda connection: self._session.execute(connection, statement, condition.params, prepare=False),
            single=True,
        )

    def clear(self) -> None:
        self._session.write(lambda connection: self._session.execute(connection, self._sql.clear), single=True)

    def count(self, where: Filter | None) -> int:
        if where is None:
            rows = self._fetch(self._sql.count(None), ())
        else:
            condition = self._compiled(where)
            rows = self._fetch(self._sql.count(condition.sql), condition.params, prepare=False)
        return int(rows[0][0])

    def defer_index(self) -> None:
        def work(connection: Connection[Any]) -> None:
            for (name,) in self._session.fetch(connection, INDEXES, (self._sql.name,)):
                self._session.execute(connection, f"drop index {doubled(name)}")

        self._session.write(work)
        self._rows = BATCH_ROWS  # no graph makes a statement long now

    def build_index(self) -> None:
        statements = create_indexes(self._sql.table, self._info)
        if not statements:
            return

        def work(connection: Connection[Any]) -> None:
            # whoever builds it at the same moment waits here, and then finds it
            self._session.execute(connection, f"lock table {self._sql.table} in share row exclusive mode")
            if not self._session.fetch(connection, INDEXES, (self._sql.name,)):
                with self._session.unhurried(connection), self._session.settings(connection, self._build):
                    for statement in statements:
                        self._session.execute(connection, statement)

        self._session.write(work)
        self._rows = batch_rows(self._info)

    def rename(self, name: str) -> None:
        self._rename(self._number, name)
        self._info = replace(self._info, name=name)

    def _fetch(self, statement: str, params: Sequence[Any], *, prepare: bool | None = None) -> list[Row]:
        return self._session.read(
            lambda connection: self._session.fetch(connection, statement, params, prepare=prepare)
        )

    def _write(self, statement: str, encoded: Encoded) -> None:
        parts = sum(1 for _ in encoded.parts(self._rows, BATCH_BYTES))
        self._session.write(
            lambda connection: self._send(connection, statement, encoded),
            single=parts == 1,
        )

    def _send(self, connection: Connection[Any], statement: str, encoded: Encoded) -> None:
        oids = self._session.type_ids
        for part in encoded.parts(self._rows, BATCH_BYTES):
            if part.start:
                log("splits", DEBUG, _SPLIT, part.start)
            arrays = compute(part.stop - part.start, encoded.arrays, part, oids)
            self._session.execute(connection, statement, arrays)

    def _copy(self, connection: Connection[Any], records: Records) -> None:
        """Sends one stream of rows by ascending id: the server works on some while the next are encoded."""
        order = sorted(range(len(records)), key=records.ids.__getitem__)
        statement = self._sql.copy(copied_columns(records, self._info))
        for number, rows in enumerate(batches(order, _COPY_ROWS)):
            if number:
                log("splits", DEBUG, _SPLIT, number * _COPY_ROWS)
            with self._session.cursor(connection).copy(statement.encode()) as copy:
                copy.write(COPY_START)
                for places in batches(rows, _COPY_PART):
                    part = records.take(places)
                    copy.write(compute(len(part), copy_rows, part))
                copy.write(COPY_END)

    def _existing(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for part in batches(ids, _IDS_AT_ONCE):
            found.update(row[0] for row in self._fetch(self._sql.existing, (pack_texts(part),)))
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
