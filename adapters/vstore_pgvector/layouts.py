"""What other packages write into PostgreSQL: their tables, as statements that create them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Final

from vstore.errors import InvalidInput, Mismatch
from vstore.indexing import HNSW, Flat, Metric
from vstore.info import CollectionInfo
from vstore.mapping import IdType, RecordMapping
from vstore.spi.described import OWN_PROGRAM
from vstore.spi.layouts import DIFY_NAMES, Layout, Part, node
from vstore_pgvector.catalogue import LANGCHAIN_COLLECTIONS, LANGCHAIN_RECORDS, Column
from vstore_pgvector.schema import create_indexes
from vstore_pgvector.statements import bare
from vstore_pgvector.vectors import MAX_INDEXED

__all__ = ["LAYOUTS", "TableLayout", "any_row", "check_columns", "check_length", "known_tables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout(Layout):
    """A layout of PostgreSQL.

    Attributes:
        table: Name of the table of a collection, with the name that it has in the database in place of ``{}``.
        create: Statements that create it. ``{schema}`` and ``{table}`` stand for quoted names, ``{dimension}`` for a
            number, and ``{0}``, ``{1}`` for those of ``names``, quoted.
        index_vectors: Likewise the statement for the index of vectors, where PostgreSQL has one of the dimension, and
            it is not among those.
        names: Names of indexes, with the collection's in place of ``{}``.
        digest: Makes what stands in these names for ``{digest}`` of that of a collection.
        lower: Whether the package writes names in lower case.
        shared: Whether all collections are in that table, and listed in another one.
        column: The column with the name of a row's collection, where all are in that table and listed nowhere.
        own_index: Whether the table has the index that is asked for, as one of vstore's own has it.
    """

    table: str
    create: tuple[str, ...]
    index_vectors: str = ""
    names: tuple[str, ...] = ()
    digest: Callable[[str], str] = str
    lower: bool = False
    shared: bool = False
    column: str = ""
    own_index: bool = False
    quantizes: bool = False  # a mapping's queries ask an index of the full vectors

    def place(self, schema: str, name: str) -> tuple[str, str]:
        """Return schema and table of a collection.

        Raises:
            InvalidInput: PostgreSQL would cut a name that the collection needs.
        """
        table = self.table.format(self.stored_name(name))
        for one in (table, *self._names(name)):
            if len(one.encode()) > _LONGEST:
                raise InvalidInput(f"{one!r} is longer than {_LONGEST} bytes", hint="Pass a shorter name.")
        return schema, table

    def _names(self, name: str) -> list[str]:
        return [one.format(self.stored_name(name), digest=self.digest(name)) for one in self.names]

    def stored_name(self, name: str) -> str:
        """See ``Layout``."""
        made = Layout.stored_name(self, name)  # super() knows no class with slots that a decorator made
        return made.lower() if self.lower else made

    def statements(self, schema: str, info: CollectionInfo) -> list[str]:
        """Return what creates a collection's table."""
        _, table = self.place(schema, info.name)
        names = [bare(one) for one in self._names(info.name)]
        places = {"schema": bare(schema), "table": bare(schema, table), "dimension": info.dimension}
        indexes = create_indexes(bare(schema, table), info) if self.own_index else []
        if self.index_vectors and info.dimension <= MAX_INDEXED:
            indexes.append(self.index_vectors.format(*names, **places))
        return [*(one.format(*names, **places) for one in self.create), *indexes]


def known_tables(name: str, layout: str | None) -> list[str]:
    """Return what the table of a collection may be called: as the collection, or as its package makes it of that."""
    native = None if layout is None else LAYOUTS[layout].native
    if native is not None:
        return [native(name), name]
    return [name, f"data_{name.lower()}"] if layout in (None, "llamaindex") else [name]  # LlamaIndex's prefix


def any_row(place: tuple[str, str], layout: TableLayout) -> str:
    """Return the statement that tells whether a table of all collections has rows of one, its parameter by name."""
    return f"select exists(select from {bare(*place)} where {bare(layout.column)} = %s)"


def check_columns(columns: Sequence[Column], layout: TableLayout) -> None:
    """Raises ``Mismatch`` where a table is not that of a layout, in which all collections are."""
    types = {column.name: column.type for column in columns}
    paths = (layout.mapping.id, layout.mapping.document or (), layout.mapping.metadata or ())
    wanted = [layout.mapping.vector, layout.column, *(path[0] for path in paths if path)]
    if lacking := [name for name in wanted if name not in types]:
        raise Mismatch(f"the table {layout.table!r} is not that of {layout.package}: it has no column {lacking[0]!r}")
    if encrypted := [name for name in wanted if types[name] == "bytea"]:
        raise Mismatch(f"{layout.package} encrypts the column {encrypted[0]!r}, so that no mapping reads it")


def check_length(columns: Sequence[Column], layout: TableLayout, dimension: int) -> None:
    """Raises ``Mismatch`` where a table of all collections is there, and has vectors of another length."""
    if not columns:
        return
    check_columns(columns, layout)
    [length] = [column.typmod for column in columns if column.name == layout.mapping.vector]
    if length != dimension:
        raise Mismatch(f"the table {layout.table!r} has vectors of {length:,} dimensions, not {dimension:,}")


def _dify_table(name: str) -> str:
    """Return the table of one of dify's collections: PostgreSQL folds a name without quotes, and cuts a long one."""
    return f"embedding_{name}".lower().encode()[:_LONGEST].decode(errors="ignore")


def _dify_digest(name: str) -> str:
    return md5(f"embedding_{name}".encode(), usedforsecurity=False).hexdigest()[:8]


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
        whole=RecordMapping(
            id=("id",), vector="embedding", metadata=None, fields=("collection_id",), table=(LANGCHAIN_RECORDS,)
        ),
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
    # retrieval/vector/dbs/pgvector.py of open-webui 0.12.4, as PGVECTOR_… are by default. It makes its own index of
    # vectors when it starts, and only of a table that has enough rows.
    "open-webui": TableLayout(
        package="open-webui",
        mapping=RecordMapping(id=("id",), vector="vector", document=("text",), metadata=("vmetadata",)),
        table="document_chunk",
        column="collection_name",
        whole=RecordMapping(
            id=("id",), vector="vector", metadata=None, fields=("collection_name",), table=("document_chunk",)
        ),
        create=(
            (
                "create table if not exists {table} (id text not null primary key, vector vector({dimension}), "
                "collection_name text not null, text text, vmetadata jsonb)"
            ),
            (
                "create index if not exists idx_document_chunk_text_search on {table} "
                "using gin (to_tsvector('simple', coalesce(text, '')))"
            ),
            "create index if not exists idx_document_chunk_collection_name on {table} (collection_name)",
        ),
        index=Flat(),
        index_told="open-webui makes its own when it starts, once the table has 5,000 rows",
        metrics=(Metric.COSINE,),
        nested=False,
        by_rows=True,
        resizes=True,
        vector_length=1536,
        max_dimension=2000,
    ),
    # vdb-pgvector of dify 1.13, without PGVECTOR_PG_BIGM
    "dify": TableLayout(
        package="dify",
        mapping=RecordMapping(id=("id",), vector="embedding", document=("text",), metadata=("meta",)),
        id_type=IdType.UUID,
        table="{}",
        native=_dify_table,
        named=DIFY_NAMES,
        names=("embedding_cosine_v1_idx_{digest}",),
        digest=_dify_digest,
        create=(
            (
                "create table {table} (id uuid primary key, text text not null, meta jsonb not null, "
                "embedding vector({dimension}) not null) using heap"
            ),
        ),
        index_vectors="create index {0} on {table} using hnsw (embedding vector_cosine_ops) "
        "with (m = 16, ef_construction = 64)",
        derived={"doc_id": Part.ID},
        index=HNSW(m=16, ef_construction=64),
        index_told="dify makes HNSW(m=16, ef_construction=64) up to 2,000 dimensions, and beyond them none",
        metrics=(Metric.COSINE,),
    ),
    # VectorStorePGVector of n8n's nodes-langchain 2.41.1, as its columns are by default
    "n8n": TableLayout(
        package="n8n",
        mapping=RecordMapping(id=("id",), vector="embedding", document=("text",), metadata=("metadata",)),
        id_type=IdType.UUID,
        table="{}",
        create=(
            (
                "create table {table} (id uuid not null default gen_random_uuid() primary key, text text, "
                "metadata jsonb, embedding vector)"
            ),
        ),
        index=Flat(),
        index_told="n8n makes no index of vectors",
        tells_metric=False,
    ),
    "plain": TableLayout(
        package=OWN_PROGRAM,
        mapping=RecordMapping(id=("id",), vector="embedding", document=("document",), metadata=("metadata",)),
        table="{}",
        create=(_PLAIN,),
        own_index=True,
        needs_document=False,
        tells_metric=False,
    ),
}
