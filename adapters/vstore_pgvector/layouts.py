"""What other packages write into PostgreSQL: their tables, as statements that create them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vstore.errors import InvalidInput
from vstore.indexing import HNSW, Flat, Metric
from vstore.info import CollectionInfo
from vstore.mapping import IdType, RecordMapping
from vstore.spi.layouts import Layout, Part, node
from vstore_pgvector.catalogue import LANGCHAIN_COLLECTIONS, LANGCHAIN_RECORDS
from vstore_pgvector.schema import create_indexes
from vstore_pgvector.statements import bare

__all__ = ["LAYOUTS", "TableLayout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout(Layout):
    """A layout of PostgreSQL.

    Attributes:
        table: Name of the table of a collection, with its name in place of ``{}``.
        create: Statements that create it. ``{schema}`` and ``{table}`` stand for quoted names, ``{dimension}`` for a
            number, and ``{0}``, ``{1}`` for those of ``names``, quoted.
        names: Names of indexes, with the collection's in place of ``{}``.
        lower: Whether the package writes names in lower case.
        shared: Whether all collections are in that table, and listed in another one.
        own_index: Whether the table has the index that is asked for, as one of vstore's own has it.
    """

    table: str
    create: tuple[str, ...]
    names: tuple[str, ...] = ()
    lower: bool = False
    shared: bool = False
    own_index: bool = False

    def place(self, schema: str, name: str) -> tuple[str, str]:
        """Return schema and table of a collection.

        Raises:
            InvalidInput: PostgreSQL would cut a name that the collection needs.
        """
        own = name.lower() if self.lower else name
        for one in (self.table, *self.names):
            if len(one.format(own).encode()) > _LONGEST:
                raise InvalidInput(f"{one.format(own)!r} is longer than {_LONGEST} bytes", hint="Pass a shorter name.")
        return schema, self.table.format(own)

    def statements(self, schema: str, info: CollectionInfo) -> list[str]:
        """Return what creates a collection's table."""
        _, table = self.place(schema, info.name)
        own = info.name.lower() if self.lower else info.name
        names = [bare(one.format(own)) for one in self.names]
        places = {"schema": bare(schema), "table": bare(schema, table), "dimension": info.dimension}
        indexes = create_indexes(bare(schema, table), info) if self.own_index else []
        return [*(one.format(*names, **places) for one in self.create), *indexes]


_LONGEST: Final = 63
_PLAIN: Final = (
    "create table {table} (id text primary key, embedding vector({dimension}) not null, document text, "
    "metadata jsonb not null)"
)
LAYOUTS: Final[Mapping[str, TableLayout]] = {
    # of its two stores PGVector; the table has no index on vectors, and does not say what they are compared by
    "langchain": TableLayout(
        package="langchain-postgres",
        mapping=RecordMapping(id=("id",), vector="embedding", document=("document",), metadata=("cmetadata",)),
        table=LANGCHAIN_RECORDS,
        shared=True,
        create=(
            (
                f"create table if not exists {{schema}}.{LANGCHAIN_COLLECTIONS} "
                "(uuid uuid not null primary key, name varchar not null unique, cmetadata json)"
            ),
            (
                "create table if not exists {table} (id varchar not null primary key, "
                f"collection_id uuid references {{schema}}.{LANGCHAIN_COLLECTIONS} (uuid) on delete cascade, "
                "embedding vector, document varchar, cmetadata jsonb)"
            ),
            "create index if not exists ix_cmetadata_gin on {table} using gin (cmetadata jsonb_path_ops)",
        ),
        index=Flat(),
        keeps_settings=True,
        tells_metric=False,
    ),
    "llamaindex": TableLayout(
        package="llama-index-vector-stores-postgres",
        mapping=RecordMapping(id=("node_id",), vector="embedding", document=("text",), metadata=("metadata_",)),
        table="data_{}",
        names=("{}_idx_1",),
        lower=True,
        create=(
            (
                "create table {table} (id bigserial not null primary key, text varchar not null, metadata_ json, "
                "node_id varchar, embedding vector({dimension}))"
            ),
            "create index {0} on {table} using btree ((metadata_ ->> 'ref_doc_id'))",
        ),
        derived=node(""),
        index=Flat(),
        tells_metric=False,
    ),
    "haystack": TableLayout(
        package="pgvector-haystack",
        mapping=RecordMapping(id=("id",), vector="embedding", document=("content",), metadata=("meta",)),
        table="{}",
        create=(
            (
                "create table {table} (id varchar(128) primary key, embedding vector({dimension}), content text, "
                "blob_data bytea, blob_meta jsonb, blob_mime_type varchar(255), meta jsonb)"
            ),
            "create index if not exists haystack_keyword_index on {table} using gin (to_tsvector('english', content))",
        ),
        index=Flat(),
        needs_document=False,
        tells_metric=False,
    ),
    "mem0": TableLayout(
        package="mem0ai",
        mapping=RecordMapping(id=("id",), vector="vector", document=("payload", "data"), metadata=("payload",)),
        id_type=IdType.UUID,
        table="{}",
        names=("{}_hnsw_idx", "{}_text_lemmatized_idx"),
        create=(
            "create table {table} (id uuid primary key, vector vector({dimension}), payload jsonb)",
            "create index {0} on {table} using hnsw (vector vector_cosine_ops)",
            "create index {1} on {table} using gin (to_tsvector('simple', payload ->> 'text_lemmatized'))",
        ),
        derived={"hash": Part.MD5},
        index=HNSW(m=16, ef_construction=64),
        metrics=(Metric.COSINE,),
        needs_document=False,
    ),
    "plain": TableLayout(
        package="a program of one's own",
        mapping=RecordMapping(id=("id",), vector="embedding", document=("document",), metadata=("metadata",)),
        table="{}",
        create=(_PLAIN,),
        own_index=True,
        needs_document=False,
        tells_metric=False,
    ),
}
