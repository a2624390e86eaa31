"""What a collection is in PostgreSQL: a row of the catalogue, a table and its indexes."""

from __future__ import annotations

from typing import Final, assert_never

from vstore.indexing import HNSW, IVFPQ, DiskANN, Flat, IVFFlat, Metric
from vstore.info import CollectionInfo
from vstore_pgvector.statements import bare

__all__ = ["CATALOGUE", "INDEXES", "create_catalogue", "create_index", "create_table", "table_name"]

# A name that no collection has: portable names begin with a letter.
CATALOGUE: Final = "_vstore_collections"

# The indexes on the vectors of a table, by qualified name.
INDEXES: Final = (
    "select format('%%I.%%I', n.nspname, i.relname) from pg_index x join pg_class i on i.oid = x.indexrelid "
    "join pg_namespace n on n.oid = i.relnamespace join pg_am a on a.oid = i.relam "
    "where x.indrelid = cast(%s::text as regclass) and a.amname in ('hnsw', 'ivfflat')"
)

_OPERATOR_CLASS: Final = {
    Metric.COSINE: "vector_cosine_ops",
    Metric.L2: "vector_l2_ops",
    Metric.DOT: "vector_ip_ops",
}
# Up to here a row with everything else moved out of line fits a page of 8 kB.
_MAX_PLAIN_DIMENSION: Final = 1_700


def table_name(number: int) -> str:
    """Return a table's name, made of a number: it outlives a rename, and never comes back after a deletion."""
    return f"collection_{number}"


def create_catalogue(schema: str, first: int) -> str:
    """Return the table of all collections of a schema; the first one gets the number ``first``."""
    return (
        f"create table if not exists {bare(schema, CATALOGUE)} ("
        f"number bigint generated always as identity (start with {first:d}) primary key, "
        'name text collate "C" not null unique, '
        "info text not null)"
    )


def create_table(schema: str, table: str, info: CollectionInfo, *, metadata_index: bool) -> list[str]:
    """Return the table of one collection and its indexes."""
    name = bare(schema, table)
    # Out of line, where PostgreSQL puts a vector as soon as a row passes 2 kB, exact queries are 3 times slower.
    storage = "plain" if info.dimension <= _MAX_PLAIN_DIMENSION else "external"
    made = [
        (
            f"create table {name} ("
            'id text collate "C" primary key, '
            f"embedding vector({info.dimension}) not null, "
            'document text collate "C", '
            "metadata jsonb not null, "
            "moments jsonb)"
        ),
        f"alter table {name} alter column embedding set storage {storage}",
    ]
    if (index := create_index(name, info)) is not None:
        made.append(index)
    if metadata_index:
        made.append(f"create index on {name} using gin (metadata jsonb_path_ops)")
    return made


def create_index(name: str, info: CollectionInfo) -> str | None:
    """Return the index on the vectors of the table ``name``; None for a collection without one."""
    kind = _OPERATOR_CLASS[info.metric]
    match info.index:
        case HNSW(m, ef_construction):
            return (
                f"create index on {name} using hnsw (embedding {kind}) "
                f"with (m = {m:d}, ef_construction = {ef_construction:d})"
            )
        case IVFFlat(lists):
            return f"create index on {name} using ivfflat (embedding {kind}) with (lists = {lists:d})"
        case Flat() | IVFPQ() | DiskANN():  # the last two are NO in the capability record
            return None
        case _:
            assert_never(info.index)
