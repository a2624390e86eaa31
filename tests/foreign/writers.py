"""What LangChain, LlamaIndex, Haystack and mem0 write, written by the packages themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

__all__ = [
    "DIMENSION",
    "IDS",
    "METADATAS",
    "TEXTS",
    "VECTORS",
    "WRITERS",
    "Written",
    "haystack_qdrant_dense",
    "langchain_milvus_dynamic",
    "mem0_qdrant_without_bm25",
]

DIMENSION = 4
TEXTS = ["on retrieval", "on cooking", 'it\'s "quoted"', "naïve 日本語"]
VECTORS = [[1.0, 0.0, 0.2, 0.0], [0.1, 1.0, 0.0, 0.5], [0.0, 0.5, 1.0, 0.25], [0.3, 0.3, 0.3, -1.0]]
METADATAS: list[dict[str, Any]] = [
    {"year": 2024, "score": 0.5, "topic": "rag", "good": True},
    {"year": 2019, "score": 1.0, "topic": "food", "good": False},
    {"year": 2021, "score": -2.25, "topic": "it's", "good": True},
    {"year": 2000, "score": 100.0, "topic": "日本", "good": False},
]
IDS = [str(uuid5(UUID(int=0), text)) for text in TEXTS]


@dataclass(frozen=True)
class Written:
    """Where a package has written the records.

    Attributes:
        connect: What ``vstore.connect`` takes.
        name: The collection.
        close: Closes the package's own client, where it must stay open until then.
    """

    connect: dict[str, Any]
    name: str
    close: Callable[[], Any] = lambda: None


class Vectors:
    """An embedding model that knows the texts."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        # a package may try it on a text of its own, to see the dimension
        return [VECTORS[TEXTS.index(text)] if text in TEXTS else VECTORS[0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def _embeddings() -> Any:
    from langchain_core.embeddings import Embeddings

    return type("Known", (Vectors, Embeddings), {})()


def langchain_chroma(folder: Path, url: str) -> Written:
    from langchain_chroma import Chroma

    client = _chroma(folder)
    Chroma("made", _embeddings(), client=client).add_texts(TEXTS, METADATAS, ids=IDS)
    return Written({"client": client}, "made")


def _chroma(folder: Path) -> Any:
    import chromadb

    return chromadb.PersistentClient(str(folder / "chroma"))


def langchain_qdrant(folder: Path, url: str) -> Written:
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    params = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
    client.create_collection("made", vectors_config=params)
    QdrantVectorStore(client, "made", _embeddings()).add_texts(TEXTS, METADATAS, ids=IDS)
    return Written({"client": client}, "made", client.close)


def langchain_milvus(folder: Path, url: str) -> Written:
    from langchain_milvus import Milvus

    path = str(folder / "milvus.db")
    store = Milvus(_embeddings(), collection_name="made", connection_args={"uri": path}, index_params=_flat("COSINE"))
    store.add_texts(TEXTS, METADATAS, ids=IDS)
    store.client.close()
    return Written({"url": f"milvus:{path}"}, "made")


def langchain_milvus_dynamic(folder: Path, url: str) -> Written:
    from langchain_milvus import Milvus

    path = str(folder / "milvus.db")
    where = {"uri": path}
    params = _flat("COSINE")
    store = Milvus(
        _embeddings(), collection_name="made", connection_args=where, index_params=params, enable_dynamic_field=True
    )
    store.add_texts(TEXTS, METADATAS, ids=IDS)
    store.client.close()
    return Written({"url": f"milvus:{path}"}, "made")


def langchain_milvus_auto_id(folder: Path, url: str) -> Written:
    from langchain_milvus import Milvus

    path = str(folder / "milvus.db")
    store = Milvus(
        _embeddings(),
        collection_name="made",
        connection_args={"uri": path},
        index_params=_flat("L2"),
        auto_id=True,
        enable_dynamic_field=True,
    )
    store.add_texts(TEXTS, METADATAS)
    store.client.close()
    return Written({"url": f"milvus:{path}"}, "made")


def _flat(metric: str) -> dict[str, Any]:
    return {"index_type": "FLAT", "metric_type": metric, "params": {}}


def langchain_pgvector(folder: Path, url: str) -> Written:
    from langchain_postgres import PGVector

    PGVector(_embeddings(), connection=_sqlalchemy(url), collection_name="another").add_texts(TEXTS[:1], ids=["other"])
    PGVector(_embeddings(), connection=_sqlalchemy(url), collection_name="made").add_texts(TEXTS, METADATAS, ids=IDS)
    return Written({"url": url}, "made")


def langchain_community_pgvector(folder: Path, url: str) -> Written:
    from langchain_community.vectorstores import PGVector

    where = _sqlalchemy(url).replace("+psycopg:", "+psycopg2:")
    for name, texts in (("another", TEXTS[:1]), ("made", TEXTS)):
        store = PGVector(where, _embeddings(), collection_name=name, use_jsonb=True)
        store.add_texts(texts, METADATAS[: len(texts)], ids=IDS[: len(texts)])
    return Written({"url": url}, "made")


def langchain_pgvectorstore(folder: Path, url: str) -> Written:
    from langchain_postgres import Column, PGEngine, PGVectorStore

    engine = PGEngine.from_connection_string(_sqlalchemy(url))
    engine.init_vectorstore_table("made", DIMENSION, metadata_columns=[Column("topic", "TEXT")])
    store = PGVectorStore.create_sync(engine, _embeddings(), "made", metadata_columns=["topic"])
    store.add_texts(TEXTS, METADATAS, ids=IDS)
    return Written({"url": url}, "made")


def _sqlalchemy(url: str) -> str:
    return url.partition("?")[0].replace("postgresql://", "postgresql+psycopg://")


def _nodes() -> list[Any]:
    from llama_index.core.schema import TextNode

    return [
        TextNode(id_=i, text=text, metadata=metadata, embedding=vector)
        for i, text, metadata, vector in zip(IDS, TEXTS, METADATAS, VECTORS, strict=True)
    ]


def llamaindex_chroma(folder: Path, url: str) -> Written:
    from llama_index.vector_stores.chroma import ChromaVectorStore

    client = _chroma(folder)
    ChromaVectorStore(chroma_collection=client.create_collection("made")).add(_nodes())
    return Written({"client": client}, "made")


def llamaindex_qdrant(folder: Path, url: str) -> Written:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    QdrantVectorStore("made", client=client).add(_nodes())
    return Written({"client": client}, "made", client.close)


def llamaindex_milvus(folder: Path, url: str) -> Written:
    from llama_index.vector_stores.milvus import MilvusVectorStore

    path = str(folder / "milvus.db")
    store = MilvusVectorStore(uri=path, collection_name="made", dim=DIMENSION, similarity_metric="COSINE")
    store.add(_nodes())
    store.client.close()
    return Written({"url": f"milvus:{path}"}, "made")


def llamaindex_pgvector(folder: Path, url: str) -> Written:
    from llama_index.vector_stores.postgres import PGVectorStore

    parts = urlsplit(url)
    PGVectorStore.from_params(
        host=parts.hostname,
        port=str(parts.port),
        user=parts.username,
        password=parts.password,
        database="postgres",
        table_name="made",
        embed_dim=DIMENSION,
    ).add(_nodes())
    return Written({"url": url}, "made")


def _documents() -> list[Any]:
    from haystack import Document

    return [
        Document(id=i, content=text, meta=metadata, embedding=vector)
        for i, text, metadata, vector in zip(IDS, TEXTS, METADATAS, VECTORS, strict=True)
    ]


def haystack_chroma(folder: Path, url: str) -> Written:
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    store = ChromaDocumentStore("made", persist_path=str(folder / "chroma"), distance_function="cosine")
    store.write_documents(_documents())
    return Written({"client": store._client}, "made")


def haystack_qdrant(folder: Path, url: str) -> Written:
    from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

    store = QdrantDocumentStore(":memory:", index="made", embedding_dim=DIMENSION, use_sparse_embeddings=True)
    store.write_documents(_documents())
    return Written({"client": store._client}, "made", store._client.close)


def haystack_qdrant_dense(folder: Path, url: str) -> Written:
    from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

    store = QdrantDocumentStore(":memory:", index="made", embedding_dim=DIMENSION)
    store.write_documents(_documents())
    return Written({"client": store._client}, "made", store._client.close)


def haystack_milvus(folder: Path, url: str) -> Written:
    from milvus_haystack import MilvusDocumentStore

    path = str(folder / "milvus.db")
    store = MilvusDocumentStore("made", connection_args={"uri": path}, index_params=_flat("COSINE"))
    store.write_documents(_documents())
    store.client.close()
    return Written({"url": f"milvus:{path}"}, "made")


def haystack_pgvector(folder: Path, url: str) -> Written:
    from haystack.utils import Secret
    from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

    secret = Secret.from_token(url.partition("?")[0])
    store = PgvectorDocumentStore(connection_string=secret, table_name="made", embedding_dimension=DIMENSION)
    store.write_documents(_documents())
    return Written({"url": url}, "made")


def _memories() -> dict[str, Any]:
    payloads = [{**metadata, "data": text, "hash": "h"} for text, metadata in zip(TEXTS, METADATAS, strict=True)]
    return {"vectors": VECTORS, "payloads": payloads, "ids": IDS}


def mem0_chroma(folder: Path, url: str) -> Written:
    from mem0.vector_stores.chroma import ChromaDB

    client = _chroma(folder)
    ChromaDB("made", client=client).insert(**_memories())
    return Written({"client": client}, "made")


def mem0_qdrant(folder: Path, url: str) -> Written:
    from mem0.vector_stores.qdrant import Qdrant
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    store = Qdrant("made", DIMENSION, client=client)
    store._has_bm25_slot = False  # its sparse vectors need a model from the network; they are not read
    store.insert(**_memories())
    return Written({"client": client}, "made", client.close)


def mem0_qdrant_without_bm25(folder: Path, url: str) -> Written:
    from mem0.vector_stores.qdrant import Qdrant
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    # as its earlier versions made it
    params = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE, on_disk=False)
    client.create_collection("made", vectors_config=params)
    Qdrant("made", DIMENSION, client=client).insert(**_memories())
    return Written({"client": client}, "made", client.close)


def mem0_milvus(folder: Path, url: str) -> Written:
    from mem0.configs.vector_stores.milvus import MetricType
    from mem0.vector_stores.milvus import MilvusDB

    path = str(folder / "milvus.db")
    store = MilvusDB(path, "", "made", DIMENSION, MetricType.COSINE, "")
    store.insert(**_memories())
    store.client.close()
    return Written({"url": f"milvus:{path}"}, "made")


def mem0_pgvector(folder: Path, url: str) -> Written:
    from mem0.vector_stores.pgvector import PGVector

    parts = urlsplit(url)
    store = PGVector(
        "postgres", "made", DIMENSION, parts.username, parts.password, parts.hostname, parts.port, False, True
    )
    store.insert(**_memories())
    return Written({"url": url}, "made")


WRITERS: dict[str, Callable[[Path, str], Written]] = {
    made.__name__: made
    for made in (
        langchain_chroma, langchain_qdrant, langchain_milvus, langchain_milvus_dynamic, langchain_milvus_auto_id,
        langchain_pgvector, langchain_community_pgvector, langchain_pgvectorstore,
        llamaindex_chroma, llamaindex_qdrant, llamaindex_milvus, llamaindex_pgvector,
        haystack_chroma, haystack_qdrant, haystack_qdrant_dense, haystack_milvus, haystack_pgvector,
        mem0_chroma, mem0_qdrant, mem0_qdrant_without_bm25, mem0_milvus, mem0_pgvector,
    )
}  # fmt: skip
