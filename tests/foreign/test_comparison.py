"""What README.md says of LangChain's and LlamaIndex's stores is what they do, in the versions that it names.

They are installed by ``make test-foreign`` only.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.servers import postgres_server

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        os.environ.get("VSTORE_FOREIGN", "") not in ("", "requirements"), reason="another set of packages"
    ),
]
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ID = "00000000-0000-0000-0000-00000000000{}"  # Qdrant takes UUIDs only


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url.removeprefix("postgresql")


def _outcome(call: Callable[[], object]) -> str:
    """The error's name, or nothing."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  # any kind is an answer
        return type(error).__name__
    return ""


@pytest.mark.parametrize("framework", ["langchain", "llama-index-vector-stores"])
def test_the_versions_are_those_of_the_readme(framework: str) -> None:
    shown = re.findall(r"LangChain: ([^|]*) \| LlamaIndex: ([^|]*) \|", README)[0][framework != "langchain"]
    for name, stated in (one.split() for one in shown.split(", ")):
        assert version(f"{framework}-{name}") == stated
    assert f"langchain-community {version('langchain-community')}" in README


def test_langchain_community_has_as_many_stores() -> None:
    from langchain_community import vectorstores

    modules = set(vectorstores._module_lookup.values())
    assert f"{len(modules)} modules in langchain-community" in README


def _embedding() -> Any:
    from langchain_core.embeddings import Embeddings

    class Lengths(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[float(len(text)), 1.0, 0.0] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    return Lengths()


def _langchain(name: str, url: str) -> Any:
    """A store with two documents, of which one has the key ``n``."""
    if name == "chroma":
        import chromadb
        from langchain_chroma import Chroma

        client = chromadb.EphemeralClient()
        for one in client.list_collections():
            client.delete_collection(one.name)
        store: Any = Chroma("docs", _embedding(), client=client)
    elif name == "qdrant":
        from langchain_qdrant import QdrantVectorStore
        from qdrant_client import QdrantClient, models

        client = QdrantClient(":memory:")
        client.create_collection("docs", vectors_config=models.VectorParams(size=3, distance=models.Distance.COSINE))
        store = QdrantVectorStore(client, "docs", _embedding())
    else:
        from langchain_postgres import PGVector

        connection = f"postgresql+psycopg{url}"
        store = PGVector(_embedding(), connection=connection, embedding_length=3, pre_delete_collection=True)
    store.add_texts(["aaaa", "bb"], [{"n": 1}, {}], ids=[ID.format("a"), ID.format("b")])
    return store


@pytest.mark.parametrize(
    ("name", "best", "not_one", "without_ids"),
    [("chroma", 0.0, ["b"], "ValueError"), ("qdrant", 1.0, None, "ValueError"), ("postgres", 0.0, [], "")],
)
def test_langchain(name: str, best: float, not_one: list[str] | None, without_ids: str, postgres: str) -> None:
    store = _langchain(name, postgres)
    found = store.similarity_search_with_score("aaaa", k=2)
    assert [score for _, score in found] == pytest.approx([best, found[1][1]])
    assert found[1][1] != pytest.approx(best)
    if not_one is None:
        assert _outcome(lambda: store.similarity_search("aaaa", filter={"n": {"$ne": 1}})) == "AttributeError"
    else:
        hits = store.similarity_search("aaaa", filter={"n": {"$ne": 1}})
        assert [hit.page_content for hit in hits] == [{"b": "bb"}[one] for one in not_one]
    assert _outcome(store.delete) == without_ids
    assert len(store.similarity_search("aaaa", k=5)) == 2
    store.add_texts(["aaaaa"], [{"m": 2}], ids=[ID.format("a")])
    (again,) = [hit for hit in store.similarity_search("aaaaa", k=5) if hit.page_content == "aaaaa"]
    assert ("n" in again.metadata) == (name == "chroma")


def test_langchain_s_async_is_in_threads_but_on_postgresql() -> None:
    from langchain_chroma import Chroma
    from langchain_core.vectorstores import VectorStore
    from langchain_postgres import PGVector
    from langchain_qdrant import QdrantVectorStore

    assert "run_in_executor" in inspect.getsource(VectorStore.adelete)
    for kind in (Chroma, QdrantVectorStore):
        assert not {"aadd_texts", "adelete", "asimilarity_search"} & set(vars(kind))
    assert {"adelete", "asimilarity_search"} <= set(vars(PGVector))


def _nodes(text: str = "a") -> list[Any]:
    from llama_index.core.schema import TextNode

    metadata: dict[str, dict[str, Any]] = {"a": {"n": 1}, "b": {}}
    return [
        TextNode(id_=ID.format(one), text=text, embedding=[float(one == "a"), float(one == "b"), 0.0], metadata=found)
        for one, found in metadata.items()
    ]


def _llamaindex(name: str, url: str) -> Any:
    if name == "chroma":
        import chromadb
        from llama_index.vector_stores.chroma import ChromaVectorStore

        client = chromadb.EphemeralClient()
        for one in client.list_collections():
            client.delete_collection(one.name)
        store: Any = ChromaVectorStore(chroma_collection=client.create_collection("docs"))
    elif name == "qdrant":
        from llama_index.vector_stores.qdrant import QdrantVectorStore
        from qdrant_client import QdrantClient

        store = QdrantVectorStore("docs", client=QdrantClient(":memory:"))
    else:
        from llama_index.vector_stores.postgres import PGVectorStore

        store = PGVectorStore(
            connection_string=f"postgresql+psycopg2{url}",
            async_connection_string=f"postgresql+asyncpg{url}",
            table_name="docs",
            embed_dim=3,
        )
    store.add(_nodes())
    return store


@pytest.mark.parametrize(
    ("name", "last", "not_one", "contains", "again", "without_ids", "left"),
    [
        ("chroma", 0.1353352832366127, ["b"], "ValueError", ["a", "a"], "ValueError", 2),
        ("qdrant", 0.0, [], "NotImplementedError", ["c", "c"], "", 0),
        ("postgres", 0.0, [], "", ["a", "a", "c", "c"], "", 4),
    ],
)
def test_llamaindex(
    name: str,
    last: float,
    not_one: list[str],
    contains: str,
    again: list[str],
    without_ids: str,
    left: int,
    postgres: str,
) -> None:
    from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters, VectorStoreQuery

    store = _llamaindex(name, postgres)

    def asked(operator: FilterOperator | None = None) -> Any:
        filters = None
        if operator is not None:
            filters = MetadataFilters(filters=[MetadataFilter(key="n", value=1, operator=operator)])
        return store.query(VectorStoreQuery(query_embedding=[1.0, 0.0, 0.0], similarity_top_k=5, filters=filters))

    assert asked().similarities == pytest.approx([1.0, last])
    assert [one[-1] for one in asked(FilterOperator.NE).ids] == not_one
    assert _outcome(lambda: asked(FilterOperator.CONTAINS)) == contains
    store.add(_nodes("c"))
    assert sorted(node.text for node in asked().nodes) == again
    assert _outcome(store.delete_nodes) == without_ids
    assert len(asked().ids) == left


def test_llamaindex_s_async_blocks_the_loop_on_chroma() -> None:
    from llama_index.core.vector_stores.types import BasePydanticVectorStore
    from llama_index.vector_stores.chroma import ChromaVectorStore
    from llama_index.vector_stores.postgres import PGVectorStore
    from llama_index.vector_stores.qdrant import QdrantVectorStore

    assert "return self.query(" in inspect.getsource(BasePydanticVectorStore.aquery)
    assert "aquery" not in vars(ChromaVectorStore)
    for kind in (PGVectorStore, QdrantVectorStore):
        assert "aquery" in vars(kind)
