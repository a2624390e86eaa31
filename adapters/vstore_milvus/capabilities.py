"""The capability record of one live connection."""

from __future__ import annotations

import re
from typing import Final

from vstore.capabilities import Capabilities, Exactness, Feature, Limits, emulated, native, no
from vstore.fields import MAX_FIELDS
from vstore.filters.regex import where_installed
from vstore_milvus.vectors import MAX_PACKED_VALUES

__all__ = ["LITE_PREFIX", "MAX_ROWS", "MAX_WINDOW", "capabilities"]

LITE_PREFIX: Final = "milvus_lite-"
# of a search or query: offset + limit, and the number of query vectors
MAX_WINDOW: Final = 16_384
# what the server's proxy takes in one message is 64 MB, and larger batches are no faster
MAX_ROWS: Final = 5_000
_MAX_BYTES: Final = 32_000_000
_SEVERAL_VECTORS: Final = (2, 4)
_BM25: Final = (2, 5)
_MAX_FIELDS: Final = 3  # a server has four fields of vectors, unless its proxy.maxVectorFieldNum says otherwise
_MAX_SPARSE_VALUES: Final = 100_000
_PACKED: Final = (
    "text in a column; Milvus has named and sparse vectors from 2.4 on. A query reads this column of all records that "
    "match and compares them here: time grows with their number"
)
_UNTESTED: Final = "as the documentation and the client have it: the adapter is not tested on servers from 2.4 on"
_PARTITIONS: Final = (
    "a column of its own, which every filter on the partition asks. Where the field has an index, a query counts its "
    "partition first, and reads and compares up to 10,000 records here. Writes and reads by id read the metadata of "
    "these ids first: one step against other such writes of the same store, not against those of other stores and "
    "processes. partitions() reads all metadata"
)
_INTERIM: Final = (
    "until their segment is sealed and indexed, which takes minutes or native.flush(), records are searched through "
    "the server's interim index: recall .5 of random vectors on 2.3.5, exact with the server's setting "
    "queryNode.segcore.interimIndex.enableIndex=false"
)


def has_bm25(version: str) -> bool:
    """Return whether a version, with or without the name of Milvus Lite, makes sparse vectors of texts itself."""
    return _version(version) >= _BM25


def _version(reported: str) -> tuple[int, ...]:
    """Return major and minor of a version such as ``v2.3.5`` or ``2.6.0-rc1``."""
    return tuple(int(part) for part in re.findall(r"\d+", reported)[:2])


def _filtered_here(column: str) -> Feature:
    return emulated(
        f"the {column} of every record that the rest of the filter leaves is read and looked at here, and a query "
        "compares their vectors one by one: time grows with their number"
    )


def capabilities(*, reported: str, client_version: str) -> Capabilities:
    """Return what a connection can do.

    Args:
        reported: The version as the server reports it: ``v2.3.5``, or ``milvus_lite-3.2.2``.
        client_version: The version of the package pymilvus.
    """
    lite = reported.startswith(LITE_PREFIX)
    packs = not lite and _version(reported) < _SEVERAL_VECTORS
    indexed = native("FAISS, in this process" if lite else _INTERIM)
    local = emulated("filters are answered from the metadata of all records, read for each") if lite else None
    return Capabilities(
        backend="milvus",
        mode="embedded" if lite else "server",
        server_version=reported.removeprefix(LITE_PREFIX),
        client_version=client_version,
        persistent=True,
        cosine_exactness=Exactness.BITS,
        limits=Limits(
            max_dimension=32_768,
            max_k=MAX_WINDOW,
            max_batch_rows=MAX_ROWS,
            max_batch_bytes=_MAX_BYTES,
            max_document_bytes=65_535,
            max_fields=MAX_FIELDS if lite or packs else _MAX_FIELDS,
            max_sparse_values=MAX_PACKED_VALUES if packs else _MAX_SPARSE_VALUES,
        ),
        index_hnsw=indexed,
        index_flat=native(),
        index_ivfflat=indexed,
        index_ivfpq=no("Milvus Lite has none") if lite else indexed,
        index_diskann=no(
            "Milvus Lite has none" if lite else "the servers of the PyPI package milvus take it and never build it"
        )
        if lite or reported.endswith("-lite")
        else native("the server must have it enabled: queryNode.enableDisk; not tested"),
        quantization=no("HNSW_SQ and HNSW_PQ came with Milvus 2.6, on which this adapter is not tested"),
        on_disk=no("Milvus maps files into memory by a setting of the server or the collection"),
        search_ef=native(),
        search_probes=native(),
        exact_query=emulated(
            "with Flat() Milvus compares every record; with any other index the vectors of all matching records "
            "are read, in chunks, and compared one by one: time grows with their number"
        ),
        filtered_query=emulated(
            "where the index gives fewer than k hits the matches are counted and, if there are more, read and "
            "compared one by one"
        ),
        document_contains=local or _filtered_here("document"),
        metadata_contains=local or _filtered_here("metadata"),
        string_ordering=local or native("by UTF-8 bytes, which is the order of code points"),
        matches=where_installed(local or _filtered_here("metadata")),
        nested_metadata=native() if lite else no("the strings that filters ask for stand beside flat metadata"),
        nested_paths=local or no("the strings that filters ask for stand beside flat metadata"),
        int64_ordering=local or native("through strings that order as numbers do"),
        atomic_writes=no(
            "a call beyond one batch is several requests, and Milvus has no transactions. Reads that a write needs "
            "(existing ids, old columns) and the write itself are one step against all other calls of this store, "
            "not against other processes that write the same ids at the same moment. A read that meets another "
            "process's upsert half done may see a record twice, or not at all"
        ),
        rename=native(),
        mapping=emulated(
            "reading only; a filter, a count with one and an exact query read every entity, an approximate query asks "
            "the index. Opening a collection loads it"
        ),
        named_vectors=emulated(_PACKED) if packs else native("" if lite else _UNTESTED),
        sparse_vectors=emulated(_PACKED) if packs else native("" if lite else _UNTESTED),
        partitions=native(_PARTITIONS),
    )
