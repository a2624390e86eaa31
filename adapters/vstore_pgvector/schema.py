"""What a collection is in PostgreSQL: a row of the catalogue, a table and its indexes."""

from __future__ import annotations

from typing import Final, assert_never

from vstore.fields import Dense, Sparse
from vstore.indexing import HNSW, IVFPQ, DiskANN, Flat, IVFFlat, Metric
from vstore.info import CollectionInfo
from vstore_pgvector.compile import PARTITION
from vstore_pgvector.statements import bare, doubled, field_columns, half_unit, literal, signs
from vstore_pgvector.vectors import BAND, dense_fields, is_binary, is_halved

__all__ = ["CATALOGUE", "INDEXES", "create_catalogue", "create_indexes", "create_table", "table_name"]

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
# Bytes of vectors that a row takes, with everything else out of line, such that it fits a page of 8 kB; of which each
# further column may need the size of a pointer.
_ROOM: Final = 6_800
_POINTER: Final = 18
# Bytes of a row beside its vectors for which there is room at least, of a page, and of a row that PostgreSQL by itself
# leaves as it is.
_BESIDE: Final = 1_000
_PAGE: Final = 8_168
_ITEM: Final = 4
_UNTOUCHED: Final = 2_032


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
    columns = (
        'id text collate "C" primary key, '
        f"{_vector_columns(info)}"
        'document text collate "C", '
        "metadata jsonb not null, "
        f"moments jsonb{_partition_column(info)}"
    )
    made = [
        f"create table {name} ({columns})",
        *_storage(name, info),
        *create_indexes(name, info),
    ]
    if info.partition_by is not None:
        made.append(f"create index on {name} ({PARTITION}, id)")
    if metadata_index:
        made.append(f"create index on {name} using gin (metadata jsonb_path_ops)")
    return made


def _vector_columns(info: CollectionInfo) -> str:
    columns = [f"embedding vector({info.dimension:d}) not null, "] if info.dimension else []
    for name, field in info.fields.items():
        kind = f"vector({field.dimension:d})" if isinstance(field, Dense) else f"sparsevec({BAND:d})"
        columns += [f"{column} {kind}, " for column in field_columns(name, field)]
    return "".join(columns)


def _partition_column(info: CollectionInfo) -> str:
    if info.partition_by is None:
        return ""
    value = f"metadata ->> {doubled(literal(info.partition_by))}"
    return f', {PARTITION} text collate "C" not null generated always as ({value}) stored'


def _storage(name: str, info: CollectionInfo) -> list[str]:
    """Return what keeps vectors and metadata in their rows as long as there is room.

    Out of line, where PostgreSQL puts a value as soon as a row passes 2 kB, exact queries are 3 times slower, and
    filters 4 times. Documents leave the row first.
    """
    further = [(column, field) for key, field in info.fields.items() for column in field_columns(key, field)]
    made, room, inside = [], _ROOM - _POINTER * len(further), _BESIDE
    for key, dense in dense_fields(info).items():
        (column,) = field_columns(key, dense)
        fits = 4 * dense.dimension <= room
        room -= 4 * dense.dimension if fits else 0
        inside += 4 * dense.dimension if fits else 0
        made.append((column, "plain" if fits else "external"))
    made += [(column, "main") for column, field in further if isinstance(field, Sparse)]
    made.append(("metadata", "main"))
    statements = [f"alter table {name} alter column {column} set storage {storage}" for column, storage in made]
    whole = (_PAGE // (_PAGE // inside) - _ITEM) // 8 * 8  # of as many rows as a page holds
    if whole > _UNTOUCHED:
        statements.append(f"alter table {name} set (toast_tuple_target = {whole:d})")
    return statements


def create_indexes(name: str, info: CollectionInfo, vector: str = "") -> list[str]:
    """Return the indexes on the vectors of the table ``name``, whose column is called ``vector`` if that is given."""
    made = []
    for key, field in dense_fields(info).items():
        (column,) = [bare(vector)] if vector else field_columns(key, field)
        kind = _OPERATOR_CLASS[field.metric]
        if is_binary(field):
            column, kind = signs(column, field.dimension), "bit_hamming_ops"
        elif is_halved(field):
            column, kind = half_unit(column, field.dimension), "halfvec_cosine_ops"
        match field.index:
            case HNSW(m, ef_construction):
                settings = f"m = {m:d}, ef_construction = {ef_construction:d}"
                made.append(f"create index on {name} using hnsw ({column} {kind}) with ({settings})")
            case IVFFlat(lists):
                made.append(f"create index on {name} using ivfflat ({column} {kind}) with (lists = {lists:d})")
            case Flat() | IVFPQ() | DiskANN() | None:  # two are NO in the capability record; None is not stored
                pass
            case _:
                assert_never(field.index)
    return made
