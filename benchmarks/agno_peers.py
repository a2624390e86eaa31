"""A vstore collection against agno's own store for each database: ingest, query, filtered query; interleaved.

``python benchmarks/agno_peers.py [--rows 5000] [--dimension 384] [--rounds 2] [--only chroma]`` needs the extra
``peers``. vstore has no store for agno, so this is what an application gets that asks vstore in its place. agno filters
by equality alone on most databases: the filter is one language of four.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from agno.knowledge.document import Document
from agno.knowledge.embedder import Embedder
from agno.vectordb.base import VectorDb
from agno.vectordb.distance import Distance
from peers import Case, K, Side, compare

from vstore import HNSW, Collection, F, Flat, Records, Store, connect
from vstore.indexing import Index


@dataclass
class Known(Embedder):
    """Gives the vectors that it was told: those of texts, and that of the question."""

    vectors: dict[str, list[float]] = field(default_factory=dict)
    asked: list[float] = field(default_factory=list)

    def get_embedding(self, text: str) -> list[float]:
        return self.asked

    def get_embedding_and_usage(self, text: str) -> tuple[list[float], None]:
        return self.vectors[text], None


def their_side(store: VectorDb, known: Known) -> Side:
    """A store of agno's."""
    store.create()

    def add(records: Records) -> None:
        assert records.vectors is not None
        texts = [one.document or "" for one in records]
        known.vectors = dict(zip(texts, records.vectors.tolist(), strict=True))
        documents = [
            Document(id=one.id, content=text, meta_data=dict(one.metadata or {}))
            for one, text in zip(records, texts, strict=True)
        ]
        store.insert(records.ids[0], documents)

    def query(vector: list[float], filters: dict[str, Any] | None = None) -> None:
        known.asked = vector
        assert len(store.search("", K, filters)) == K

    return Side(add, query, lambda vector: query(vector, {"lang": "en"}))


def our_side(store: Store, dimension: int, index: Index) -> Side:
    """A collection of this library."""
    made: Collection = store.create_collection("docs", dimension=dimension, metric="cosine", index=index)
    english = F("lang") == "en"

    def query(vector: list[float], where: Any = None) -> None:
        assert len(made.query(np.asarray(vector, np.float32), k=K, where=where)) == K

    return Side(
        lambda records: made.add(records.ids, records.vectors, records.documents, records.metadatas),
        query,
        lambda vector: query(vector, english),
    )


@contextmanager
def chroma(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded Chroma, each side in a directory of its own."""
    from agno.vectordb.chroma import ChromaDb

    known = Known(dimensions=dimension)
    theirs = ChromaDb("docs", embedder=known, path=str(folder / "theirs"), persistent_client=True)
    with connect(f"chroma:{folder / 'ours'}") as store:
        yield [Case("Chroma embedded, HNSW", our_side(store, dimension, HNSW()), their_side(theirs, known))]


@contextmanager
def postgres(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """One PostgreSQL over TCP, without an index."""
    from agno.vectordb.pgvector import PgVector

    from tests.servers import postgres_server

    known = Known(dimensions=dimension)
    with postgres_server() as url:
        theirs = PgVector("docs", db_url=url.replace("postgresql", "postgresql+psycopg", 1), embedder=known)
        with connect(url) as store:
            yield [Case("PostgreSQL, no index", our_side(store, dimension, Flat()), their_side(theirs, known))]


@contextmanager
def qdrant(folder: Path, dimension: int) -> Iterator[Iterator[Case]]:
    """Qdrant in this process: theirs is the client's local mode, ours on a path is the engine."""
    from agno.vectordb.qdrant import Qdrant

    def cases() -> Iterator[Case]:
        for name, url, place in (
            (
                "Qdrant on a path, engine against local mode",
                f"qdrant:{folder / 'ours'}",
                {"path": str(folder / "theirs")},
            ),
            ("Qdrant in memory, local mode", "qdrant::memory:", {"location": ":memory:"}),
        ):
            known = Known(dimensions=dimension)
            theirs = Qdrant("docs", embedder=known, **place)
            with connect(url) as store:
                yield Case(name, our_side(store, dimension, Flat()), their_side(theirs, known))

    yield cases()


@contextmanager
def milvus(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Milvus Lite, each side in a file of its own."""
    from agno.vectordb.milvus import Milvus

    known = Known(dimensions=dimension)
    theirs = Milvus("docs", embedder=known, distance=Distance.cosine, uri=str(folder / "theirs.db"))
    with connect(f"milvus:{folder / 'ours.db'}") as store:
        yield [Case("Milvus Lite, Flat", our_side(store, dimension, Flat()), their_side(theirs, known))]


if __name__ == "__main__":
    logging.getLogger("agno").setLevel(logging.ERROR)
    compare("agno", {"chroma": chroma, "postgres": postgres, "qdrant": qdrant, "milvus": milvus})
