"""``VStoreVectorStore`` against LangChain's own store for each database: ingest, query, filtered query; interleaved.

``python benchmarks/langchain_peers.py [--rows 5000] [--dimension 384] [--rounds 2] [--only chroma]`` needs the extra
``peers``. Vectors are looked up and not computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from peers import YEAR, Case, K, Side, compare

from vstore import Flat, Records
from vstore.integrations.langchain import VStoreVectorStore

SINCE = {"filter": {"year": {"$gte": YEAR}}}


class Known(Embeddings):
    """Vectors that were computed before, by text."""

    def __init__(self, dimension: int) -> None:
        self.vectors = {"dummy_text": [1.0] * dimension}  # which langchain-qdrant asks for

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vectors[text]


def side(store: VectorStore, known: Known, since: dict[str, Any]) -> Side:
    """A store with its form of the same filter."""
    if isinstance(store, VStoreVectorStore):
        store.get_by_ids(["a"])  # which connects, as the others did when they were made

    def add(records: Records) -> None:
        assert records.vectors is not None
        texts = [one.document or "" for one in records]
        known.vectors.update(zip(texts, records.vectors.tolist(), strict=True))
        ids = [str(uuid5(NAMESPACE_OID, one)) for one in records.ids]  # Qdrant's own store takes UUIDs only
        columns = zip(texts, records.metadatas or [], strict=True)
        store.add_documents([Document(page_content=text, metadata=metadata) for text, metadata in columns], ids=ids)

    def query(vector: list[float], how: dict[str, Any]) -> None:
        assert len(store.similarity_search_by_vector(vector, k=K, **how)) == K

    return Side(add, lambda vector: query(vector, {}), lambda vector: query(vector, since))


@contextmanager
def chroma(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded Chroma, each side in a directory of its own."""
    from langchain_chroma import Chroma

    known = Known(dimension)
    theirs = Chroma("langchain", known, str(folder / "theirs"), collection_metadata={"hnsw:space": "cosine"})
    with VStoreVectorStore(f"chroma:{folder / 'ours'}", known) as ours:
        yield [Case("Chroma embedded, HNSW", side(ours, known, SINCE), side(theirs, known, SINCE))]


@contextmanager
def postgres(_folder: Path, dimension: int) -> Iterator[list[Case]]:
    """One PostgreSQL over TCP; LangChain's store makes no index."""
    from langchain_postgres import PGVector

    from tests.servers import postgres_server

    known = Known(dimension)
    with postgres_server() as url:
        theirs = PGVector(known, connection=url.replace("postgresql", "postgresql+psycopg"), use_jsonb=True)
        with VStoreVectorStore(url, known, index=Flat()) as ours:
            yield [Case("PostgreSQL, no index", side(ours, known, SINCE), side(theirs, known, SINCE))]
        theirs._engine.dispose()


@contextmanager
def qdrant(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Qdrant in this process: theirs is the client's local mode, ours on a path is the engine."""
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient, models

    known = Known(dimension)
    since = {"filter": models.Filter(must=[models.FieldCondition(key="metadata.year", range=models.Range(gte=YEAR))])}
    cases = []
    for name, url, client in (
        ("Qdrant on a path, engine", f"qdrant:{folder / 'ours'}", QdrantClient(path=str(folder / "theirs"))),
        ("Qdrant in memory, local mode", "qdrant::memory:", QdrantClient(":memory:")),
    ):
        client.create_collection("langchain", models.VectorParams(size=dimension, distance=models.Distance.COSINE))
        theirs = QdrantVectorStore(client, "langchain", known)
        cases.append(Case(name, side(VStoreVectorStore(url, known), known, SINCE), side(theirs, known, since)))
    yield cases


@contextmanager
def milvus(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Milvus Lite, each side in a file of its own, compared with every vector."""
    from langchain_milvus import Milvus

    known = Known(dimension)
    index = {"index_type": "FLAT", "metric_type": "COSINE"}
    theirs = Milvus(known, connection_args={"uri": str(folder / "theirs.db")}, index_params=index, auto_id=False)
    since = {"expr": f"year >= {YEAR}"}
    with VStoreVectorStore(f"milvus:{folder / 'ours.db'}", known, index=Flat()) as ours:
        yield [Case("Milvus Lite, Flat", side(ours, known, SINCE), side(theirs, known, since))]


if __name__ == "__main__":
    compare("LangChain", {"chroma": chroma, "postgres": postgres, "qdrant": qdrant, "milvus": milvus})
