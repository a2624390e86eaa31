"""The best path through psycopg itself, as its experts would write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import Connection, sql
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from vstore import Records

__all__ = ["RawPgvector"]

PAGE = 1000


class RawPgvector:
    """A pool, binary COPY in, binary rows out, prepared statements."""

    def __init__(self, conninfo: str, dimension: int, *, hnsw: bool) -> None:
        self._dimension, self._hnsw = dimension, hnsw
        with Connection.connect(conninfo, autocommit=True) as connection:
            connection.execute("create extension if not exists vector")
        self._pool = ConnectionPool(
            conninfo, min_size=1, max_size=2, configure=self._configure, kwargs={"autocommit": True}, open=True
        )
        self._table = sql.Identifier("raw")

    @staticmethod
    def _configure(connection: Connection) -> None:
        register_vector(connection)
        # the settings vstore searches with: without them a filtered query starves
        connection.execute("set hnsw.ef_search = 100")
        connection.execute("set hnsw.iterative_scan = strict_order")

    def create(self, name: str) -> None:
        self._table = sql.Identifier(name)
        with self._pool.connection() as connection:
            connection.execute(
                sql.SQL(
                    'create table {} (id text collate "C" primary key, embedding vector({}), '
                    "document text, metadata jsonb not null)"
                ).format(self._table, sql.Literal(self._dimension))
            )
            connection.execute(sql.SQL("create index on {} using gin (metadata jsonb_path_ops)").format(self._table))
            if self._hnsw:
                connection.execute(
                    sql.SQL(
                        "create index on {} using hnsw (embedding vector_l2_ops) with (m = 16, ef_construction = 100)"
                    ).format(self._table)
                )

    def ingest(self, records: Records) -> None:
        assert records.vectors is not None
        assert records.documents is not None
        assert records.metadatas is not None
        with self._pool.connection() as connection, connection.cursor() as cursor:
            copy = sql.SQL("copy {} (id, embedding, document, metadata) from stdin (format binary)").format(self._table)
            with cursor.copy(copy) as sink:
                sink.set_types(["text", "vector", "text", "jsonb"])
                rows = zip(records.ids, records.vectors, records.documents, records.metadatas, strict=True)
                for record_id, vector, document, metadata in rows:
                    sink.write_row((record_id, vector, document, Jsonb(metadata)))

    def query(self, vector: np.ndarray, k: int) -> Any:
        return self._select("", (), vector, k)

    def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        return self._select("where (metadata->'year')::int >= %s", (2010,), vector, k)

    def _select(self, where: str, values: tuple[object, ...], vector: np.ndarray, k: int) -> Any:
        statement = sql.SQL(
            "select id, document, metadata, embedding <-> %b as d from {} " + where + " order by d limit %s"
        ).format(self._table)
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            return cursor.execute(statement, (Vector(vector), *values, k), prepare=True).fetchall()

    def scan(self) -> int:
        """Pages by key, binary."""
        return sum(len(np.stack([row[1] for row in page])) for page in self._pages())

    def _pages(self) -> Iterator[list[Any]]:
        after = ""
        statement = sql.SQL(
            "select id, embedding, document, metadata from {} where id > %s order by id limit {}"
        ).format(self._table, sql.Literal(PAGE))
        while True:
            with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
                page = cursor.execute(statement, (after,)).fetchall()
            if not page:
                return
            after = page[-1][0]
            yield page

    def drop(self, name: str) -> None:
        with self._pool.connection() as connection:
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))

    def close(self) -> None:
        self._pool.close()
