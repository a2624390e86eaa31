"""What a live connection can do, from the versions the server reports."""

from __future__ import annotations

from typing import Final

from vstore.capabilities import Capabilities, Exactness, Limits, emulated, native, no
from vstore.errors import LimitExceeded, Unsupported
from vstore.fields import MAX_FIELDS, Dense
from vstore.indexing import HNSW, Flat, Quantization
from vstore.info import CollectionInfo
from vstore_pgvector.vectors import MAX_HALVED, MAX_INDEXED, dense_fields, is_binary, max_indexed

__all__ = [
    "BATCH_BYTES",
    "BATCH_ROWS",
    "batch_rows",
    "capabilities",
    "check_index",
    "has_graph",
    "has_iterative_scan",
]

MAX_DIMENSION: Final = 16_000
MAX_SPARSE_VALUES: Final = 16_000
# One statement carries a batch as arrays; 1,000 to 5,000 rows of 384 components take the same 20 µs a row,
# 20,000 take 2.5 times as long (the arrays no longer fit the caches).
BATCH_ROWS: Final = 2_000
BATCH_BYTES: Final = 16 << 20
# One statement must end well within the timeout. Inserting into an HNSW graph took 4 ms a row of 384 components at
# ef_construction 100 (random vectors, busy machine) and grows with both: this is about two seconds of it.
_HNSW_WORK: Final = 20_000_000
_MIN_POSTGRESQL: Final = 130_000
_MIN_PGVECTOR: Final = (0, 7)
_ITERATIVE_SCAN: Final = (0, 8)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def has_iterative_scan(pgvector_version: str) -> bool:
    """Return whether an index scan can go on where it has given too few rows."""
    return _version(pgvector_version) >= _ITERATIVE_SCAN


def has_graph(info: CollectionInfo) -> bool:
    """Return whether a write adds to an HNSW graph, which takes most of its time."""
    return any(isinstance(field.index, HNSW) for field in dense_fields(info).values())


def batch_rows(info: CollectionInfo) -> int:
    """Return the most rows that one statement writes to a collection."""
    graphs = [(field.dimension, field.index) for field in dense_fields(info).values()]
    work = sum(dimension * index.ef_construction for dimension, index in graphs if isinstance(index, HNSW))
    return max(1, min(BATCH_ROWS, _HNSW_WORK // work)) if work else BATCH_ROWS


def check_index(field: Dense) -> None:
    """Raises ``LimitExceeded`` where pgvector cannot build a field's index."""
    most = max_indexed(field.metric)
    if not isinstance(field.index, Flat) and not is_binary(field) and field.dimension > most:
        raise LimitExceeded(
            f"{type(field.index).__name__} takes up to {most:,} dimensions under {field.metric.value}, "
            f"not {field.dimension:,}",
            hint='Use Flat(), or HNSW(quantization="binary").'
            if field.dimension > MAX_HALVED
            else f'Use Flat(), HNSW(quantization="binary"), or cosine, which takes up to {MAX_HALVED:,}.',
        )


def capabilities(
    *, mode: str, server_version: str, server_number: int, pgvector_version: str, client_version: str
) -> Capabilities:
    """Return the capability record.

    Args:
        mode: ``"embedded"`` or ``"server"``.
        server_version: PostgreSQL's version as a text.
        server_number: The same as ``server_version_num``, e.g. 180004.
        pgvector_version: The extension's version.
        client_version: psycopg's version.

    Raises:
        Unsupported: A version is too old.
    """
    if server_number < _MIN_POSTGRESQL:
        raise Unsupported(f"PostgreSQL {server_version} is too old", hint="Version 13 or later is needed.")
    if _version(pgvector_version) < _MIN_PGVECTOR:
        raise Unsupported(
            f"pgvector {pgvector_version} is too old",
            hint="Version 0.7 or later is needed: install it, then ALTER EXTENSION vector UPDATE.",
        )
    return Capabilities(
        backend="pgvector",
        mode=mode,
        server_version=f"PostgreSQL {server_version}, pgvector {pgvector_version}",
        client_version=f"psycopg {client_version}",
        persistent=True,
        cosine_exactness=Exactness.BITS,
        limits=Limits(
            max_dimension=MAX_DIMENSION,
            max_k=100_000,
            max_batch_rows=BATCH_ROWS,
            max_batch_bytes=BATCH_BYTES,
            max_document_bytes=64 << 20,
            max_metadata_bytes=16 << 20,
            max_fields=MAX_FIELDS,
            max_sparse_values=MAX_SPARSE_VALUES,
            max_index_dimension=MAX_INDEXED,
            max_cosine_index_dimension=MAX_HALVED,
            max_binary_index_dimension=MAX_DIMENSION,
        ),
        index_hnsw=native(
            f"up to {MAX_INDEXED:,} dimensions, under cosine up to {MAX_HALVED:,}, of which those above "
            f"{MAX_INDEXED:,} by half precision, compared again with the full vectors; Flat is the default above"
        ),
        index_flat=native(),
        index_ivfflat=native(
            "up to as many dimensions as HNSW; the clusters are chosen when the index is built, that is "
            "while the collection is empty: defer_index and build_index around loading, or REINDEX, or recall is low"
        ),
        index_ivfpq=no("pgvector has HNSW and IVFFlat"),
        index_diskann=no("pgvector has HNSW and IVFFlat"),
        quantization=native(
            "'binary' only: HNSW over the signs of components, at any dimension. max(2 ef, 4 k) candidates are "
            "compared with the full vectors. Where all components of a collection have one sign, recall is nil"
        ),
        quantizations=(Quantization.BINARY,),
        on_disk=native("PostgreSQL keeps tables and indexes on disk and caches them, whatever the setting"),
        search_ef=native(),
        search_probes=native(),
        exact_query=native(),
        filtered_query=(
            native(
                "where the planner expects few records to match, they are compared exactly; else an iterative index "
                "scan, and if it gives up after 20,000 records, the query is repeated exactly"
            )
            if has_iterative_scan(pgvector_version)
            else emulated("where the index gives too few hits the query is repeated without it; pgvector 0.8 scans on")
        ),
        document_contains=native(),
        metadata_contains=native("compares with the text of every record that the rest of the filter leaves"),
        string_ordering=native(),
        matches=no("PostgreSQL's regular expressions and RE2's differ in syntax and meaning"),
        nested_metadata=native(),
        nested_paths=native(),
        int64_ordering=native(),
        atomic_writes=native(),
        rename=native(),
        mapping=emulated(
            "reading only; a filter, a count with one and an exact query read every row, an approximate query asks "
            "the index"
        ),
        named_vectors=native("a column of the type vector each, NULL where a record has none"),
        sparse_vectors=native(
            "five columns of the type sparsevec, for 10⁹ indices each. A query compares with every record that matches "
            "its filter: 1 to 5 ms for 1,000 records of 100 values"
        ),
        partitions=native(
            "a column with an index. A query that is not exact first counts its partition, up to the 10,000 records "
            "within which it then is. A write or a read by id reads the metadata of these ids first: one step against "
            "other such writes of the same store, not against those of other stores and processes. partitions() reads "
            "all metadata"
        ),
    )
