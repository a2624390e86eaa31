# Generated from adapters/vstore_pgvector/_async/adapter.py by tools/unasync.py: do not edit.
"""One connection to PostgreSQL: the collections of one schema."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from vstore.capabilities import Capabilities
from vstore.errors import AlreadyExists, Mismatch, NotFound, VStoreError
from vstore.indexing import HNSW, Flat, Index, Metric
from vstore.info import CollectionInfo
from vstore.logs import WARNING, log
from vstore.spi.codec import info_from_json, info_to_json
from vstore_pgvector import embedded
from vstore_pgvector._sync._run import run_blocking
from vstore_pgvector._sync.collection import PGCollection
from vstore_pgvector._sync.foreign import PGForeign
from vstore_pgvector._sync.session import Session
from vstore_pgvector.capabilities import capabilities, check_index
from vstore_pgvector.catalogue import EXISTS
from vstore_pgvector.errors import no_extension, translate
from vstore_pgvector.options import Target
from vstore_pgvector.schema import CATALOGUE, create_catalogue, create_table, table_name
from vstore_pgvector.statements import Statements, bare
from vstore_pgvector.vectors import dense_fields, max_indexed

__all__ = ["PGAdapter"]

# CREATE … IF NOT EXISTS races with itself: whoever changes what collections there are holds this lock.
_LOCK = "select pg_advisory_xact_lock(hashtextextended('vstore ' || %s::text, 0))"

_NO_INDEX = (
    "vectors of %s dimensions get no index under %s, since pgvector's take up to %s: every query compares with all "
    "records. "
    "Pass index=Flat() to choose that, or HNSW(quantization='binary'), or take an embedding of fewer dimensions."
)


class PGAdapter:
    """Implements ``Adapter``."""

    def __init__(self, session: Session, target: Target) -> None:
        self._session = session
        self._schema = target.schema
        self._metadata_index = target.metadata_index
        self._build = target.build
        self._folder: Path | None = target.folder
        self._secrets = target.secrets
        self._catalogue = bare(target.schema, CATALOGUE)
        server = session.server
        self._capabilities = capabilities(
            mode="server" if target.folder is None else "embedded",
            server_version=server.version,
            server_number=server.number,
            pgvector_version=server.pgvector,
            client_version=psycopg.__version__,
        )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def native(self) -> object:
        return self._session.native

    @property
    def secrets(self) -> Sequence[str]:
        return self._secrets

    @property
    def foreign(self) -> PGForeign:
        return PGForeign(self._session, self._schema)

    def translate(self, error: Exception) -> VStoreError:
        return translate(error)

    def default_index(self, dimension: int, metric: Metric) -> Index:
        most = max_indexed(metric)
        if dimension <= most:
            return HNSW()
        log("indexes", WARNING, _NO_INDEX, dimension, metric.value, most)
        return Flat()

    def create(self, info: CollectionInfo) -> PGCollection:
        for field in dense_fields(info).values():
            check_index(field)

        def work(connection: Connection[Any]) -> int:
            self._session.fetch(connection, _LOCK, (self._schema,))
            self._prepare(connection)
            rows = self._session.fetch(
                connection,
                f"insert into {self._catalogue} (name, info) values (%s, %s) "
                "on conflict (name) do nothing returning number",
                (info.name, info_to_json(info)),
            )
            if not rows:
                raise AlreadyExists("the collection exists already")
            number: int = rows[0][0]
            for statement in create_table(self._schema, table_name(number), info, metadata_index=self._metadata_index):
                self._session.execute(connection, statement)
            return number

        number = self._session.write(work)
        return self._bind(number, info)

    def open(self, name: str) -> PGCollection:
        def work(connection: Connection[Any]) -> tuple[list[tuple[Any, ...]], bool]:
            if self._exists(connection, CATALOGUE):
                statement = f"select number, info from {self._catalogue} where name = %s"
                if rows := self._session.fetch(connection, statement, (name,)):
                    return rows, True
            return [], self._exists(connection, name)

        rows, exists = self._session.read(work)
        if not rows and exists:
            raise Mismatch.not_created_here(name)
        if not rows:
            raise NotFound.of_collection(name)
        number, text = rows[0]
        return self._bind(number, info_from_json(name, text))

    def names(self) -> list[str]:
        def work(connection: Connection[Any]) -> list[tuple[Any, ...]]:
            if not self._exists(connection, CATALOGUE):
                return []
            return self._session.fetch(connection, f"select name from {self._catalogue}")

        return sorted(name for (name,) in self._session.read(work))

    def drop(self, name: str) -> None:
        def work(connection: Connection[Any]) -> None:
            self._session.fetch(connection, _LOCK, (self._schema,))
            rows: list[tuple[Any, ...]] = []
            if self._exists(connection, CATALOGUE):
                statement = f"delete from {self._catalogue} where name = %s returning number"
                rows = self._session.fetch(connection, statement, (name,))
            if not rows:
                raise NotFound.of_collection(name)
            self._session.execute(connection, f"drop table {bare(self._schema, table_name(rows[0][0]))}")

        self._session.write(work)

    def rename(self, number: int, name: str) -> None:
        """Gives the collection of this number another name; its table has none to change."""

        def work(connection: Connection[Any]) -> int:
            statement = f"update {self._catalogue} set name = %s where number = %s"
            return self._session.execute(connection, statement, (name, number))

        try:
            renamed = self._session.write(work)
        except psycopg.errors.UniqueViolation as error:
            raise AlreadyExists(f"the name {name!r} is taken") from error
        if not renamed:
            raise NotFound("the collection was deleted")

    def ping(self) -> None:
        self._session.read(lambda connection: self._session.fetch(connection, "select 1"))

    def close(self) -> None:
        try:
            self._session.close()
        finally:
            if self._folder is not None:
                run_blocking(embedded.release, self._folder)

    def _bind(self, number: int, info: CollectionInfo) -> PGCollection:
        if self._session.server.types is None:
            self._session.probe()  # the extension was created after this store had connected
        sql = Statements(self._schema, table_name(number), info)
        return PGCollection(self._session, self.rename, number, sql, info, self._build)

    def _exists(self, connection: Connection[Any], table: str) -> bool:
        return bool((self._session.fetch(connection, EXISTS, (self._schema, table)))[0][0])

    def _prepare(self, connection: Connection[Any]) -> None:
        """Creates extension, schema and catalogue where they are missing; what is there needs no permission."""
        if self._session.server.types is None:
            try:
                self._session.execute(connection, "create extension if not exists vector")
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
                raise no_extension(error) from error
        if not self._exists(connection, CATALOGUE):
            there = "select exists(select from pg_catalog.pg_namespace where nspname = %s::text)"
            if not (self._session.fetch(connection, there, (self._schema,)))[0][0]:
                self._session.execute(connection, f"create schema {bare(self._schema)}")
            # A handle of a schema that was dropped must not meet the collections of one that is made anew.
            first = 1 + secrets.randbelow(2**31)
            self._session.execute(connection, create_catalogue(self._schema, first))
