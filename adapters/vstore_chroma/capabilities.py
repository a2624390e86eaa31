"""The capability record of one live connection."""

from __future__ import annotations

from typing import Final

from vstore.capabilities import PARTITIONS, Capabilities, Exactness, Limits, emulated, native, no
from vstore.fields import MAX_FIELDS

__all__ = ["MAX_K", "MAX_REQUEST_BYTES", "capabilities"]

# The server refuses bodies somewhere between 21 and 32 MB (1.5.9)
MAX_REQUEST_BYTES: Final = 16_000_000
MAX_K: Final = 16_384

_FIELDS: Final = (
    "packed text in the record's metadata: a query reads it of all records that the filter leaves and compares here, "
    "whatever index the field has. Reads of metadata bring it too"
)


def capabilities(
    *, server_version: str, client_version: str, mode: str, persistent: bool, max_rows: int
) -> Capabilities:
    """Return what a connection of this kind can do.

    Args:
        server_version: Chroma's version; embedded, the library's own.
        client_version: The version of the package chromadb.
        mode: ``"embedded"`` or ``"server"``.
        persistent: Whether data outlives the store.
        max_rows: What the connection reports as its largest batch.
    """
    return Capabilities(
        backend="chroma",
        mode=mode,
        server_version=server_version,
        client_version=client_version,
        persistent=persistent,
        cosine_exactness=Exactness.ULP,
        limits=Limits(
            max_dimension=16_384,
            max_k=MAX_K,
            max_batch_rows=max_rows,
            max_batch_bytes=MAX_REQUEST_BYTES,
            max_document_bytes=2 << 20,
            max_fields=MAX_FIELDS,
            max_sparse_values=65_536,
        ),
        index_hnsw=native(
            "dot: the index compares 1 - q·x in float32; where all hits are below 1e-4 it cannot tell them apart "
            "and the query is answered as exact_query does"
        ),
        index_flat=no("Chroma always builds an HNSW index; query(exact=True) compares with every record"),
        index_ivfflat=no("Chroma has HNSW only"),
        index_ivfpq=no("Chroma has HNSW only"),
        index_diskann=no("Chroma has HNSW only"),
        quantization=no("Chroma's index holds full vectors"),
        on_disk=no("Chroma's index is loaded into memory"),
        search_ef=no("ef_search is a setting of the collection: HNSW(ef_search=…)"),
        search_probes=no("Chroma has HNSW only"),
        exact_query=emulated("reads the vectors of all matching records, in chunks: time grows with their number"),
        filtered_query=emulated(
            "up to 256 matches are read and compared one by one, after a request for their ids. Of more the index is "
            "asked; where it gives fewer than k hits the matches are counted and, if there are more, read and "
            "compared one by one"
        ),
        document_contains=native(),
        metadata_contains=emulated(
            "the metadata of every record that the rest of the filter leaves is read and looked at here. A query looks "
            "at some of the index's nearest first; where fewer than k of them match it reads them all and compares "
            "their vectors one by one: time grows with their number"
        ),
        string_ordering=no("Chroma orders numbers only"),
        matches=no("Chroma has regular expressions for documents only"),
        nested_metadata=no("Chroma's metadata is flat"),
        nested_paths=no("Chroma's metadata is flat"),
        int64_ordering=native("one or two conditions for each type, since Chroma cuts an operand that meets ints"),
        atomic_writes=no(
            "a call beyond one batch is several requests. Reads that a write needs (old keys, existing ids) and "
            "the write itself are one step against all other calls of this store, not against other processes "
            "that write the same ids through the same server at the same moment"
        ),
        rename=native(),
        mapping=emulated(
            "reading only; a filter, a count with one and an exact query read every record, an approximate query asks "
            "the index"
        ),
        named_vectors=emulated(_FIELDS),
        sparse_vectors=emulated(_FIELDS),
        partitions=PARTITIONS,
    )
