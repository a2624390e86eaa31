"""``VStoreDocumentStore`` against Haystack's own store for each database: ingest, query, filtered query; interleaved.

``python benchmarks/haystack_peers.py [--rows 5000] [--dimension 384] [--rounds 2] [--only chroma]`` needs
the extra ``peers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from haystack import Document
from haystack.document_stores.types import DocumentStore, DuplicatePolicy
from haystack.utils import Secret
from peers import YEAR, Case, K, Side, compare

from vstore import Flat, Records
from vstore.integrations.haystack import VStoreDocumentStore, VStoreEmbeddingRetriever

SINCE = {"field": "meta.year", "operator": ">=", "value": YEAR}


def side(store: DocumentStore, retrieve: Callable[..., dict[str, Any]]) -> Side:
    """A document store with its retriever's ``run``."""

    def add(records: Records) -> None:
        assert records.vectors is not None
        vectors = records.vectors.tolist()
        documents = [
            Document(id=one.id, content=one.document, meta=one.metadata or {}, embedding=vector)
            for one, vector in zip(records, vectors, strict=True)
        ]
        store.write_documents(documents, DuplicatePolicy.OVERWRITE)

    def query(vector: list[float], filters: dict[str, Any] | None = None) -> None:
        assert len(retrieve(query_embedding=vector, filters=filters, top_k=K)["documents"]) == K

    return Side(add, query, lambda vector: query(vector, SINCE))


def our_side(store: VStoreDocumentStore) -> Side:
    """A store of this library."""
    return side(store, VStoreEmbeddingRetriever(document_store=store).run)


@contextmanager
def chroma(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded Chroma, each side in a directory of its own."""
    from haystack_integrations.components.retrievers.chroma import ChromaEmbeddingRetriever
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    theirs = ChromaDocumentStore(persist_path=str(folder / "theirs"), distance_function="cosine")
    with VStoreDocumentStore(f"chroma:{folder / 'ours'}") as ours:
        yield [Case("Chroma embedded, HNSW", our_side(ours), side(theirs, ChromaEmbeddingRetriever(theirs).run))]


@contextmanager
def postgres(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """One PostgreSQL over TCP, without an index."""
    from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever
    from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

    from tests.servers import postgres_server

    with postgres_server() as url:
        theirs = PgvectorDocumentStore(connection_string=Secret.from_token(url), embedding_dimension=dimension)
        retriever = PgvectorEmbeddingRetriever(document_store=theirs)
        with VStoreDocumentStore(url, index=Flat()) as ours:
            yield [Case("PostgreSQL, no index", our_side(ours), side(theirs, retriever.run))]


@contextmanager
def qdrant(folder: Path, dimension: int) -> Iterator[Iterator[Case]]:
    """Qdrant in this process: theirs is the client's local mode, ours on a path is the engine."""
    from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
    from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

    def cases() -> Iterator[Case]:
        for name, url, place in (
            (
                "Qdrant on a path, engine against local mode",
                f"qdrant:{folder / 'ours'}",
                {"path": str(folder / "theirs")},
            ),
            ("Qdrant in memory, local mode", "qdrant::memory:", {"location": ":memory:"}),
        ):
            theirs = QdrantDocumentStore(**place, embedding_dim=dimension, progress_bar=False)
            with VStoreDocumentStore(url) as ours:
                retriever = QdrantEmbeddingRetriever(document_store=theirs)
                yield Case(name, our_side(ours), side(theirs, retriever.run))

    yield cases()


if __name__ == "__main__":
    compare("Haystack", {"chroma": chroma, "postgres": postgres, "qdrant": qdrant})
