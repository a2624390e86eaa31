"""The capability record of one live connection."""

from __future__ import annotations

from typing import Final, Literal

from vstore.capabilities import PARTITIONS, Capabilities, Feature, Limits, emulated, native, no
from vstore.fields import MAX_FIELDS

__all__ = ["MAX_BATCH_BYTES", "MAX_BATCH_ROWS", "capabilities"]

# the server refuses REST bodies above 32 MB, where it is not told otherwise
MAX_BATCH_BYTES: Final = 8_000_000
MAX_BATCH_ROWS: Final = 1000

_TENANTS: Final = (
    "a tenant index on the key. Writes and reads by id read the metadata of these ids first: one step against other "
    "such writes of the same store, not against those of other stores and processes. partitions() reads all metadata"
)
_UNUSED: Final = "local mode keeps the setting and compares with every record: time grows with the collection"


def capabilities(
    *,
    kind: Literal["local", "engine", "server"],
    server_version: str,
    client_version: str,
    persistent: bool,
    substring: bool,
) -> Capabilities:
    """Return what a connection of this kind can do.

    Args:
        kind: qdrant_client's local mode, the engine of qdrant_edge, or a server.
        server_version: The version of the server, or of the library in its place.
        client_version: The version of the client package.
        persistent: Whether data outlives the store.
        substring: Whether it has the condition ``MatchSubstring``.
    """
    local = kind == "local"
    graph: Feature = emulated(_UNUSED) if local else native()
    return Capabilities(
        backend="qdrant",
        mode="server" if kind == "server" else "embedded",
        server_version=server_version,
        client_version=client_version,
        persistent=persistent,
        limits=Limits(
            max_dimension=65_536,
            max_k=16_384,
            max_batch_rows=MAX_BATCH_ROWS,
            max_batch_bytes=MAX_BATCH_BYTES,
            max_document_bytes=2 << 20,
            max_metadata_bytes=2 << 20,
            max_fields=MAX_FIELDS,
            max_sparse_values=65_536,
        ),
        index_hnsw=graph,
        index_flat=native(),
        index_ivfflat=no("Qdrant has HNSW only"),
        index_ivfpq=no("Qdrant has HNSW only, whose vectors can be quantized: HNSW(quantization=…)"),
        index_diskann=no("Qdrant has HNSW only, which can stay on disk: HNSW(on_disk=True)"),
        quantization=no("local mode keeps full vectors only") if local else native("hits are scored with full vectors"),
        on_disk=no("local mode keeps everything in memory") if local else native(),
        search_ef=emulated(_UNUSED) if local else native(),
        search_probes=no("Qdrant has HNSW only"),
        exact_query=native("float32 scores order the candidates; those near the last place are compared in float64"),
        filtered_query=native("equality, in_ and contains are answered by one keyword index")
        if not local
        else native(),
        document_contains=native("compares with every document that the rest of the filter leaves")
        if substring
        else emulated(
            "Qdrant has a substring condition from version 1.20; before, the documents that the rest of the filter "
            "leaves are read and looked at here, and a query compares their vectors one by one"
        ),
        metadata_contains=emulated(
            "the metadata of every record that the rest of the filter leaves is read and looked at here, and a query "
            "compares their vectors one by one: time grows with their number"
        ),
        string_ordering=no("Qdrant orders numbers only"),
        matches=no("Qdrant has no regular expressions"),
        nested_metadata=native(),
        nested_paths=native(),
        int64_ordering=native("every number is kept in two halves that order exactly"),
        atomic_writes=no(
            "a call beyond one batch is several requests. Reads that a write needs (existing ids; of an update the "
            "old record) and the write itself are one step against all other calls of this store, not against other "
            "processes that write the same ids through the same server at the same moment"
            if kind == "server"
            else "a call beyond one batch is several writes, and Qdrant cannot roll back"
        ),
        rename=native() if kind == "engine" else no("Qdrant does not rename collections"),
        mapping=no(
            "the directory holds collections of vstore only; local mode's opens with client=QdrantClient(path=…)"
        )
        if kind == "engine"
        else emulated(
            "reading only; a filter, a count with one and an exact query read every point, an approximate query asks "
            "the index"
        ),
        named_vectors=native(),
        sparse_vectors=native("Qdrant's float32 scores order the candidates, which are compared again in float64"),
        partitions=PARTITIONS if local else native(_TENANTS),
    )
