"""``VStoreVectorStore`` against LlamaIndex's own store for each database: ingest, query, filtered query; interleaved.

``python benchmarks/llamaindex_peers.py [--rows 5000] [--dimension 384] [--rounds 2] [--only chroma]`` needs
the extra ``peers``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from peers import YEAR, Case, K, Side, compare

from vstore import Flat, Records
from vstore.integrations.llamaindex import VStoreVectorStore

SINCE = MetadataFilters(filters=[MetadataFilter(key="year", operator=FilterOperator.GTE, value=YEAR)])


def side(store: BasePydanticVectorStore) -> Side:
    """A store of LlamaIndex's kind."""

    def add(records: Records) -> None:
        assert records.vectors is not None
        vectors = records.vectors.tolist()
        store.add(
            [
                TextNode(
                    id_=str(uuid5(NAMESPACE_OID, one.id)),  # Qdrant takes no other
                    text=one.document or "",
                    metadata=one.metadata or {},
                    embedding=vector,
                )
                for one, vector in zip(records, vectors, strict=True)
            ]
        )

    def query(vector: list[float], filters: MetadataFilters | None = None) -> None:
        found = store.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=K, filters=filters))
        assert len(found.nodes or []) == K

    return Side(add, query, lambda vector: query(vector, SINCE))


@contextmanager
def chroma(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded Chroma, each side in a directory of its own."""
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    client = chromadb.PersistentClient(str(folder / "theirs"))
    theirs = ChromaVectorStore(client.create_collection("docs", metadata={"hnsw:space": "cosine"}))
    with VStoreVectorStore(f"chroma:{folder / 'ours'}") as ours:
        yield [Case("Chroma embedded, HNSW", side(ours), side(theirs))]


@contextmanager
def postgres(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """One PostgreSQL over TCP, without an index."""
    from llama_index.vector_stores.postgres import PGVectorStore

    from tests.servers import postgres_server

    with postgres_server() as url:
        theirs = PGVectorStore.from_params(
            connection_string=url.replace("postgresql", "postgresql+psycopg2"),
            async_connection_string=url.replace("postgresql", "postgresql+asyncpg"),
            embed_dim=dimension,
            use_jsonb=True,
        )
        with VStoreVectorStore(url, index=Flat()) as ours:
            yield [Case("PostgreSQL, no index", side(ours), side(theirs))]


@contextmanager
def qdrant(folder: Path, dimension: int) -> Iterator[Iterator[Case]]:
    """Qdrant in this process: theirs is the client's local mode, ours on a path is the engine."""
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    def cases() -> Iterator[Case]:
        for name, url, client in (
            (
                "Qdrant on a path, engine against local mode",
                f"qdrant:{folder / 'ours'}",
                QdrantClient(path=str(folder / "theirs")),
            ),
            ("Qdrant in memory, local mode", "qdrant::memory:", QdrantClient(":memory:")),
        ):
            with VStoreVectorStore(url) as ours:
                yield Case(name, side(ours), side(QdrantVectorStore("docs", client=client)))

    yield cases()


if __name__ == "__main__":
    compare("LlamaIndex", {"chroma": chroma, "postgres": postgres, "qdrant": qdrant})
