"""The stores of LangChain, LlamaIndex, Haystack and mem0 over what vstore has written for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.foreign.writers import DIMENSION, TEXTS, VECTORS, _embeddings, _sqlalchemy

__all__ = ["NAME", "READERS", "Reader"]

NAME = "written"


@dataclass(frozen=True)
class Reader:
    """What a package does with a collection.

    Attributes:
        search: The texts, and the metadata, of the nearest records to a vector.
        where: The texts of the records whose ``topic`` is a text.
        delete: Deletes the record of an id.
        add: Adds a record by id, text and metadata.
        store: The package's store.
    """

    search: Callable[[list[float], int], list[tuple[str, dict[str, Any]]]]
    where: Callable[[str], list[str]]
    delete: Callable[[str], Any]
    add: Callable[[str, str, dict[str, Any]], Any]
    store: Any


def _langchain(store: Any, condition: Callable[[str], dict[str, Any]]) -> Reader:
    def search(vector: list[float], k: int) -> list[tuple[str, dict[str, Any]]]:
        return [(one.page_content, one.metadata) for one in store.similarity_search_by_vector(vector, k=k)]

    def where(topic: str) -> list[str]:
        return [one.page_content for one in store.similarity_search("on retrieval", k=10, **condition(topic))]

    return Reader(
        search,
        where,
        lambda record: store.delete([record]),
        lambda record, text, metadata: store.add_texts([text], [metadata], ids=[record]),
        store,
    )


def langchain_chroma(place: Any) -> Reader:
    from langchain_chroma import Chroma

    return _langchain(Chroma(NAME, _embeddings(), client=place), lambda topic: {"filter": {"topic": topic}})


def langchain_qdrant(place: Any) -> Reader:
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import models

    def condition(topic: str) -> dict[str, Any]:
        match = models.FieldCondition(key="metadata.topic", match=models.MatchValue(value=topic))
        return {"filter": models.Filter(must=[match])}

    return _langchain(QdrantVectorStore(place, NAME, _embeddings()), condition)


def langchain_milvus(place: Any) -> Reader:
    from langchain_milvus import Milvus

    store = Milvus(_embeddings(), collection_name=NAME, connection_args={"uri": place}, enable_dynamic_field=True)
    return _langchain(store, lambda topic: {"expr": f'topic == "{topic}"'})


def langchain_pgvector(place: Any) -> Reader:
    from langchain_postgres import PGVector

    store = PGVector(_embeddings(), connection=_sqlalchemy(place), collection_name=NAME)
    return _langchain(store, lambda topic: {"filter": {"topic": topic}})


def _llamaindex(store: Any) -> Reader:
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.types import ExactMatchFilter, MetadataFilters, VectorStoreQuery

    def asked(vector: list[float], k: int, filters: Any = None) -> list[Any]:
        query = VectorStoreQuery(query_embedding=vector, similarity_top_k=k, filters=filters)
        return list(store.query(query).nodes or [])

    def where(topic: str) -> list[str]:
        filters = MetadataFilters(filters=[ExactMatchFilter(key="topic", value=topic)])
        return [node.get_content() for node in asked([1.0, 0.0, 0.0, 0.0], 10, filters)]

    def add(record: str, text: str, metadata: dict[str, Any]) -> None:
        store.add([TextNode(id_=record, text=text, metadata=metadata, embedding=VECTORS[TEXTS.index(text)])])

    return Reader(
        lambda vector, k: [(node.get_content(), node.metadata) for node in asked(vector, k)],
        where,
        lambda record: store.delete_nodes([record]),
        add,
        store,
    )


def llamaindex_chroma(place: Any) -> Reader:
    from llama_index.vector_stores.chroma import ChromaVectorStore

    return _llamaindex(ChromaVectorStore(chroma_collection=place.get_collection(NAME)))


def llamaindex_qdrant(place: Any) -> Reader:
    from llama_index.vector_stores.qdrant import QdrantVectorStore

    return _llamaindex(QdrantVectorStore(NAME, client=place))


def llamaindex_milvus(place: Any) -> Reader:
    from llama_index.vector_stores.milvus import MilvusVectorStore

    store = MilvusVectorStore(uri=place, collection_name=NAME, dim=DIMENSION, similarity_metric="COSINE")
    # Milvus Lite has nothing loaded when it is opened, and LlamaIndex loads only what it creates (1.2.0)
    store.client.load_collection(NAME)
    return _llamaindex(store)


def llamaindex_pgvector(place: Any) -> Reader:
    from llama_index.vector_stores.postgres import PGVectorStore

    parts = urlsplit(place)
    store = PGVectorStore.from_params(
        host=parts.hostname,
        port=str(parts.port),
        user=parts.username,
        password=parts.password,
        database="postgres",
        table_name=NAME,
        embed_dim=DIMENSION,
    )
    return _llamaindex(store)


def _haystack(store: Any, search: Callable[[list[float], int], list[Any]]) -> Reader:
    from haystack import Document

    def where(topic: str) -> list[str]:
        asked = {"field": "meta.topic", "operator": "==", "value": topic}
        return [document.content for document in store.filter_documents(asked)]

    def add(record: str, text: str, metadata: dict[str, Any]) -> None:
        vector = VECTORS[TEXTS.index(text)]
        store.write_documents([Document(id=record, content=text, meta=metadata, embedding=vector)])

    return Reader(
        lambda vector, k: [(document.content, document.meta) for document in search(vector, k)],
        where,
        lambda record: store.delete_documents([record]),
        add,
        store,
    )


def haystack_chroma(place: Any) -> Reader:
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    store = ChromaDocumentStore(NAME, distance_function="cosine")
    store._ensure_initialized()
    store._client, store._collection = place, place.get_collection(NAME)  # it opens by path alone
    return _haystack(store, lambda vector, k: store.search_embeddings([vector], top_k=k)[0])


def haystack_qdrant(place: Any) -> Reader:
    from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

    store = QdrantDocumentStore(":memory:", index=NAME, embedding_dim=DIMENSION)
    store._client = place  # it opens by location alone
    return _haystack(store, lambda vector, k: store._query_by_embedding(vector, top_k=k))


def haystack_milvus(place: Any) -> Reader:
    from milvus_haystack import MilvusDocumentStore
    from milvus_haystack.milvus_embedding_retriever import MilvusEmbeddingRetriever

    store = MilvusDocumentStore(NAME, connection_args={"uri": place})
    found = MilvusEmbeddingRetriever(store)
    return _haystack(store, lambda vector, k: found.run(vector, top_k=k)["documents"])


def haystack_pgvector(place: Any) -> Reader:
    from haystack.utils import Secret
    from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

    secret = Secret.from_token(place.partition("?")[0])
    store = PgvectorDocumentStore(connection_string=secret, table_name=NAME, embedding_dimension=DIMENSION)
    return _haystack(store, lambda vector, k: store._embedding_retrieval(vector, top_k=k))


def _mem0(store: Any) -> Reader:
    def shown(found: list[Any]) -> list[tuple[str, dict[str, Any]]]:
        return [(one.payload["data"], one.payload) for one in found]

    def add(record: str, text: str, metadata: dict[str, Any]) -> None:
        store.insert([VECTORS[TEXTS.index(text)]], [{**metadata, "data": text, "hash": "h"}], [record])

    return Reader(
        lambda vector, k: shown(store.search("", vector, k)),
        lambda topic: [text for text, _ in shown(_flattened(store.list({"topic": topic})))],
        store.delete,
        add,
        store,
    )


def mem0_chroma(place: Any) -> Reader:
    from mem0.vector_stores.chroma import ChromaDB

    return _mem0(ChromaDB(NAME, client=place))


def mem0_qdrant(place: Any) -> Reader:
    from mem0.vector_stores.qdrant import Qdrant

    store = Qdrant(NAME, DIMENSION, client=place)
    assert store.keyword_search("cooking") is None  # as it says itself of a collection without sparse vectors
    return _mem0(store)


def mem0_pgvector(place: Any) -> Reader:
    from mem0.vector_stores.pgvector import PGVector

    parts = urlsplit(place)
    where = (parts.username, parts.password, parts.hostname, parts.port)
    return _mem0(PGVector("postgres", NAME, DIMENSION, *where, False, True))


def _flattened(found: Any) -> list[Any]:
    return list(found[0]) if found and isinstance(found[0], list | tuple) else list(found)


READERS: dict[str, Callable[[Any], Reader]] = {
    made.__name__: made
    for made in (
        langchain_chroma, langchain_qdrant, langchain_milvus, langchain_pgvector,
        llamaindex_chroma, llamaindex_qdrant, llamaindex_milvus, llamaindex_pgvector,
        haystack_chroma, haystack_qdrant, haystack_milvus, haystack_pgvector,
        mem0_chroma, mem0_qdrant, mem0_pgvector,
    )
}  # fmt: skip
