"""``VStoreVectorStore`` against LangChain's own store for each database: ingest, query and filtered query, interleaved.

``python benchmarks/langchain_peers.py [--rows 5000] [--dimension 384] [--rounds 3] [--only chroma]`` prints for each
database the median times of both and the ratio theirs / ours (above 1 ours is faster). It needs the extra ``peers``.
Both sides get the same documents, whose vectors are looked up and not computed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from data import queries, workload
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from rich.console import Console
from rich.table import Table

from vstore import HNSW, Flat
from vstore.integrations.langchain import VStoreVectorStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for the tests' own servers

BATCH = 500
QUERIES = 100
WARM_UP = 10
K = 10
YEAR = 2000


class Known(Embeddings):
    """Vectors that were computed before, by text."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self.vectors = {**vectors, "dummy_text": next(iter(vectors.values()))}  # which langchain-qdrant asks for
        self.dimension = len(next(iter(vectors.values())))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vectors[text]


@dataclass(frozen=True)
class Case:
    """One database: ours and theirs, side by side, with the same question in the language of each.

    Attributes:
        name: What is shown.
        ours: The store of this library.
        theirs: LangChain's own.
        filtered: The arguments of their filtered search.
    """

    name: str
    ours: VStoreVectorStore
    theirs: VectorStore
    filtered: dict[str, Any]


@contextmanager
def chroma(folder: Path, embedding: Known) -> Iterator[list[Case]]:
    """Embedded Chroma, each side in a directory of its own."""
    from langchain_chroma import Chroma

    theirs = Chroma("langchain", embedding, str(folder / "theirs"), collection_metadata={"hnsw:space": "cosine"})
    with VStoreVectorStore(f"chroma:{folder / 'ours'}", embedding) as ours:
        yield [Case("Chroma embedded, HNSW", ours, theirs, {"filter": {"year": {"$gte": YEAR}}})]


@contextmanager
def postgres(_folder: Path, embedding: Known) -> Iterator[list[Case]]:
    """One PostgreSQL over TCP; LangChain's store makes no index."""
    from langchain_postgres import PGVector

    from tests.servers import postgres_server

    with postgres_server() as url:
        theirs = PGVector(embedding, connection=url.replace("postgresql", "postgresql+psycopg"), use_jsonb=True)
        with VStoreVectorStore(url, embedding, index=Flat()) as ours:
            yield [Case("PostgreSQL, no index", ours, theirs, {"filter": {"year": {"$gte": YEAR}}})]
        theirs._engine.dispose()


@contextmanager
def qdrant(folder: Path, embedding: Known) -> Iterator[list[Case]]:
    """Qdrant in this process: theirs is the client's local mode, ours on a path is the engine."""
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient, models

    condition = models.FieldCondition(key="metadata.year", range=models.Range(gte=YEAR))
    cases = []
    for name, ours, client in (
        (
            "Qdrant on a path, engine against local mode",
            f"qdrant:{folder / 'ours'}",
            QdrantClient(path=folder / "theirs"),
        ),
        ("Qdrant in memory, local mode", "qdrant::memory:", QdrantClient(":memory:")),
    ):
        client.create_collection(
            "langchain", models.VectorParams(size=embedding.dimension, distance=models.Distance.COSINE)
        )
        theirs = QdrantVectorStore(client, "langchain", embedding)
        index = HNSW() if "engine" in name else None
        made = VStoreVectorStore(ours, embedding, index=index)
        cases.append(Case(name, made, theirs, {"filter": models.Filter(must=[condition])}))
    yield cases
    for case in cases:
        case.ours.close()


@contextmanager
def milvus(folder: Path, embedding: Known) -> Iterator[list[Case]]:
    """Milvus Lite, each side in a file of its own, compared with every vector."""
    from langchain_milvus import Milvus

    index = {"index_type": "FLAT", "metric_type": "COSINE"}
    theirs = Milvus(embedding, connection_args={"uri": str(folder / "theirs.db")}, index_params=index, auto_id=False)
    with VStoreVectorStore(f"milvus:{folder / 'ours.db'}", embedding, index=Flat()) as ours:
        yield [Case("Milvus Lite, Flat", ours, theirs, {"expr": f"year >= {YEAR}"})]


BACKENDS = {"chroma": chroma, "postgres": postgres, "qdrant": qdrant, "milvus": milvus}


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    started = perf_counter()
    work()
    return perf_counter() - started


def ingest(store: VectorStore, documents: list[Document]) -> None:
    """Adds the documents batch by batch, with ids, as an application does."""
    for start in range(0, len(documents), BATCH):
        part = documents[start : start + BATCH]
        store.add_documents(part, ids=[document.id for document in part])


def measure(case: Case, documents: list[Document], asked: list[str], rounds: int) -> dict[str, tuple[float, float]]:
    """Median seconds of ours and theirs for each kind of call; they take turns."""
    sides: list[tuple[VectorStore, dict[str, Any]]] = [
        (case.ours, {"filter": {"year": {"$gte": YEAR}}}),
        (case.theirs, case.filtered),
    ]
    for store, _ in sides:  # which connects, and makes the collection
        ingest(store, documents[:1])
        store.delete([documents[0].id or ""])
    times: dict[str, list[list[float]]] = {
        "ingest": [[seconds(partial(ingest, store, documents))] for store, _ in sides],
        "query": [[], []],
        "query, filtered": [[], []],
    }
    for turn in range(rounds * len(asked) + WARM_UP):
        text = asked[turn % len(asked)]
        for place, (store, condition) in enumerate(sides):
            for kind, how in (("query", {}), ("query, filtered", condition)):
                took = seconds(partial(store.similarity_search, text, k=K, **how))
                if turn >= WARM_UP:
                    times[kind][place].append(took)
    return {kind: (median(ours), median(theirs)) for kind, (ours, theirs) in times.items()}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=BACKENDS)
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    records = workload(wanted.rows, wanted.dimension)
    assert records.vectors is not None
    assert records.documents is not None
    assert records.metadatas is not None
    texts = [text or "" for text in records.documents]
    asked = [f"question {number}" for number in range(QUERIES)]
    vectors = np.concatenate([records.vectors, queries(QUERIES, wanted.dimension)]).tolist()
    embedding = Known(dict(zip(texts + asked, vectors, strict=True)))
    columns = zip(texts, records.ids, records.metadatas, strict=True)
    documents = [  # Qdrant's own store takes UUIDs only
        Document(page_content=text, id=str(uuid5(NAMESPACE_OID, one)), metadata=metadata)
        for text, one, metadata in columns
    ]
    table = Table("database", "what", "LangChain's own", "vstore", "theirs / ours")
    for name, backend in BACKENDS.items():
        if wanted.only in (None, name):
            with tempfile.TemporaryDirectory() as folder, backend(Path(folder), embedding) as cases:
                for case in cases:
                    for row in measured(case, documents, asked, wanted.rounds):
                        print(*row, sep="; ", flush=True)  # what is there, where a later database fails
                        table.add_row(*row)
    Console(width=120).print(table)


def measured(case: Case, documents: list[Document], asked: list[str], rounds: int) -> Iterator[list[str]]:
    """Yields the rows of the table."""
    for kind, (ours, theirs) in measure(case, documents, asked, rounds).items():
        scale, unit = (1, "s") if kind == "ingest" else (1000, "ms")
        yield [case.name, kind, *(f"{one * scale:.3g} {unit}" for one in (theirs, ours)), f"{theirs / ours:.2f}"]


if __name__ == "__main__":
    main()
