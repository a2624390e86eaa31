"""The stores of LangChain, LlamaIndex, Haystack and mem0 over what vstore has written for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.foreign.writers import _embeddings, _sqlalchemy

__all__ = ["NAME", "READERS", "Reader"]

NAME = "written"


@dataclass(frozen=True)
class Reader:
    """What a package does with a collection.

    Attributes:
        search: The texts, and the metadata, of the nearest records to a vector.
        where: The texts of the records whose ``topic`` is a text.
        delete: Deletes the record of an id.
        add: Adds a record by id, text and metadata; None where the package embeds in its own way.
    """

    search: Callable[[list[float], int], list[tuple[str, dict[str, Any]]]]
    where: Callable[[str], list[str]]
    delete: Callable[[str], Any]
    add: Callable[[str, str, dict[str, Any]], Any] | None = None


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


READERS: dict[str, Callable[[Any], Reader]] = {
    made.__name__: made for made in (langchain_chroma, langchain_qdrant, langchain_milvus, langchain_pgvector)
}
