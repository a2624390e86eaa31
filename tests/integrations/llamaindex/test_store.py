"""LlamaIndex's nodes are kept whole, and its indexes and pipelines work, on every database."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import (
    BaseNode,
    ImageDocument,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery, VectorStoreQueryMode
from llama_index.core.vector_stores.utils import node_to_metadata_dict

import vstore
from tests.integrations.databases import OnDatabase, on_each
from vstore import F, embed
from vstore.conformance.fixtures import unique_name
from vstore.errors import InvalidInput, Mismatch, Unsupported
from vstore.integrations.llamaindex import VStoreVectorStore

LEXICAL = embed.lexical(64)


class Lexical(BaseEmbedding):
    """Embeds without a model: texts that share words are near."""

    def _get_text_embedding(self, text: str) -> list[float]:
        embedded: list[float] = LEXICAL.embed([text])[0].tolist()
        return embedded

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


COMMON: dict[str, Any] = {
    "embedding": [0.5, -1.25, 3.0],
    "metadata": {
        "year": 2020,
        "none": None,
        "nested": {"a": {"b": [1, None, "x"]}},
        "mixed": [1, "a"],
        "empty": [],
        "": "no key",
        "$odd": float("inf"),
        "z": True,
        "a": 1.5,
    },
    "excluded_embed_metadata_keys": ["year"],
    "excluded_llm_metadata_keys": ["none"],
    "relationships": {
        NodeRelationship.SOURCE: RelatedNodeInfo(
            node_id="doc", node_type=ObjectType.DOCUMENT, hash="h", metadata={"m": [1]}
        ),
        NodeRelationship.CHILD: [RelatedNodeInfo(node_id="c1"), RelatedNodeInfo(node_id="c2")],
    },
    "metadata_template": "{key}={value}",
    "metadata_separator": "; ",
}
EVERY_KIND: list[BaseNode] = [
    TextNode(
        id_="text",
        text="a text\n\n 多语言 \U0001f600",
        start_char_idx=3,
        end_char_idx=9,
        text_template="{content}",
        **COMMON,
    ),
    TextNode(id_="empty", text="", **COMMON),
    ImageNode(id_="image", text="seen", image="aGVsbG8=", image_mimetype="image/png", text_embedding=[1.0], **COMMON),
    IndexNode(id_="index", text="an index", index_id="other", obj=TextNode(id_="inner", text="inner"), **COMMON),
    Node(
        id_="node",
        text_resource=MediaResource(text="resource", mimetype="text/markdown", url="http://x.example/"),
        **COMMON,
    ),
    Node(id_="pixels", image_resource=MediaResource(url="http://x.example/a.png", mimetype="image/png"), **COMMON),
    Document(id_="document", text="a document", **COMMON),
    ImageDocument(id_="photo", text="a photo", **COMMON),
]


class Suite(OnDatabase):
    @pytest.fixture
    def store(self, database: str) -> Iterator[VStoreVectorStore]:
        store = VStoreVectorStore(database, unique_name(), metric="l2")
        yield store
        store.close()

    def test_every_kind_of_node_comes_back_whole(self, store: VStoreVectorStore) -> None:
        assert store.add(EVERY_KIND) == [node.node_id for node in EVERY_KIND]
        found = store.get_nodes([node.node_id for node in EVERY_KIND])
        for mine, theirs in zip(found, EVERY_KIND, strict=True):
            assert type(mine) is type(theirs)
            assert mine == theirs
            assert list(mine.metadata) == list(theirs.metadata)
            assert mine.hash == theirs.hash
        hit = store.query(VectorStoreQuery(query_embedding=[0.5, -1.25, 3.0], similarity_top_k=8))
        assert [node.embedding for node in hit.nodes or []] == [None] * 8
        assert hit.similarities == [0.0] * 8

    def test_nodes_are_replaced_deleted_and_cleared(self, store: VStoreVectorStore) -> None:
        def node(node_id: str, ref: str, year: int) -> TextNode:
            source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=ref)}
            return TextNode(
                id_=node_id, text=node_id, embedding=[1.0, year], metadata={"year": year}, relationships=source
            )

        def left() -> list[str]:
            return sorted(found.node_id for found in store.get_nodes())

        def since(year: int) -> MetadataFilters:
            return MetadataFilters(filters=[MetadataFilter(key="year", operator=">=", value=year)])

        assert store.get_nodes() == []
        store.delete("nothing is there yet")
        store.add([node(f"n{i}", f"d{i % 2}", i) for i in range(8)])
        store.add([node("n0", "d0", 100)])
        assert store.get_nodes(["n0"])[0].metadata == {"year": 100}
        assert [found.node_id for found in store.get_nodes(["n5", "none", "n2"])] == ["n5", "n2"]
        assert [found.node_id for found in store.get_nodes(["n5", "n2"], since(3))] == ["n5"]
        store.delete("d1")
        assert left() == ["n0", "n2", "n4", "n6"]
        store.delete_nodes(["n0", "n2", "none"], since(50))
        store.delete_nodes([])
        assert left() == ["n2", "n4", "n6"]
        store.delete_nodes(["n2"])
        store.delete_nodes(filters=since(6))
        assert left() == ["n4"]
        assert store.persist("nowhere") is None
        store.clear()
        assert left() == []

    def test_queries_choose_by_ids_documents_and_mode(self, store: VStoreVectorStore) -> None:
        random = Random(5)
        nodes = [
            TextNode(
                id_=f"n{i:02}",
                embedding=[random.gauss(0, 1) for _ in range(4)],
                metadata={"even": i % 2 == 0},
                relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"d{i % 3}")},
            )
            for i in range(30)
        ]
        cosine = VStoreVectorStore(store._door.target.given, unique_name())
        cosine.add(nodes)
        simple = SimpleVectorStore()
        simple.add(nodes)
        even = MetadataFilters(filters=[MetadataFilter(key="even", value=1)])  # LlamaIndex compares as Python does
        named = [f"n{i:02}" for i in range(0, 30, 3)]
        question = {"query_embedding": [0.3, 0.1, -0.2, 0.9], "similarity_top_k": 4}
        for query, arguments in (
            (VectorStoreQuery(**question), {}),
            (VectorStoreQuery(**question, node_ids=named), {}),
            (VectorStoreQuery(**question, node_ids=named, filters=even), {}),
            (VectorStoreQuery(**question, mode=VectorStoreQueryMode.MMR), {"mmr_threshold": 0.3, "mmr_prefetch_k": 30}),
            (VectorStoreQuery(**question, mode="mmr", node_ids=named, filters=even), {"mmr_threshold": 0.8}),
        ):
            mine, theirs = cosine.query(query, **arguments), simple.query(query, **arguments)
            assert mine.ids == theirs.ids
            assert [node.node_id for node in mine.nodes or []] == mine.ids
            assert mine.similarities == pytest.approx(theirs.similarities, abs=1e-5)
            assert asyncio.run(cosine.aquery(query, **arguments)).ids == mine.ids
        found = cosine.query(VectorStoreQuery(**question, doc_ids=["d1", "d2"], filters=even), exact=True)
        assert {node.ref_doc_id for node in found.nodes or []} <= {"d1", "d2"}
        assert len(found.ids or []) == 4
        cosine.close()

    def test_an_index_and_a_pipeline_work(self, store: VStoreVectorStore, tmp_path: Path) -> None:
        texts = {"cats": "cats sleep all day", "dogs": "dogs guard the house", "rain": "rain falls in autumn"}
        documents = [Document(id_=name, text=text, metadata={"animal": name != "rain"}) for name, text in texts.items()]
        pipeline = IngestionPipeline(transformations=[SentenceSplitter(), Lexical()], vector_store=store)
        assert len(pipeline.run(documents=documents)) == 3
        index = VectorStoreIndex.from_vector_store(store, embed_model=Lexical())
        animals = MetadataFilters(filters=[MetadataFilter(key="animal", operator="==", value=1)])
        (hit,) = index.as_retriever(similarity_top_k=1, filters=animals).retrieve(
            "who will guard the house in the rain"
        )
        assert hit.node.get_content() == texts["dogs"]
        assert hit.node.ref_doc_id == "dogs"
        index.delete_ref_doc("dogs")
        index.insert(Document(id_="fish", text="fish swim"))
        index.storage_context.persist(str(tmp_path))

        async def ask() -> list[str]:
            found = await index.as_retriever(similarity_top_k=3).aretrieve("fish swim")
            return [hit.node.ref_doc_id or "" for hit in found]

        assert asyncio.run(ask())[0] == "fish"
        assert sorted(node.ref_doc_id or "" for node in store.get_nodes()) == ["cats", "fish", "rain"]

    def test_async_forms_do_the_same(self, store: VStoreVectorStore) -> None:
        async def calls() -> None:
            nodes = [TextNode(id_=f"n{i}", text=f"t{i}", embedding=[1.0, i], metadata={"i": i}) for i in range(4)]
            assert await store.aget_nodes() == []
            assert await store.async_add(nodes) == ["n0", "n1", "n2", "n3"]
            assert await store.aget_nodes(["n2"]) == [nodes[2]]
            await store.adelete_nodes(["n1"])
            await store.adelete_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="i", operator=">", value=2)]))
            assert sorted(node.node_id for node in await store.aget_nodes()) == ["n0", "n2"]
            found = await store.aquery(VectorStoreQuery(query_embedding=[1.0, 2.0], similarity_top_k=1))
            assert found.ids == ["n2"]
            await store.adelete("None")
            await store.async_add(nodes)
            await store.aclear()
            assert await store.aget_nodes() == []
            await store.aclose()

        asyncio.run(calls())


globals().update(on_each(Suite))


@pytest.mark.parametrize("mode", ["text_search", "semantic_hybrid", "svm"])
def test_a_mode_that_is_not_there_is_refused_by_name(mode: str) -> None:
    store = VStoreVectorStore("qdrant://127.0.0.1:9")
    with pytest.raises(Unsupported, match=mode.upper()):
        store.query(VectorStoreQuery(query_embedding=[1.0], query_str="text", mode=VectorStoreQueryMode(mode)))


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ({}, {}),
        ({"query_embedding": [1.0]}, {"mmr_threshold": 0.5}),
        ({"query_embedding": [1.0]}, {"where": {}}),
        ({"query_embedding": [1.0], "mode": "mmr"}, {"mmr_threshold": 1.5}),
        ({"query_embedding": [1.0], "mode": "mmr"}, {"mmr_prefetch_factor": 0.5}),
        ({"query_embedding": [1.0], "mode": "mmr"}, {"mmr_prefetch_factor": 2, "mmr_prefetch_k": 9}),
        ({"query_embedding": [1.0], "similarity_top_k": 0}, {}),
    ],
)
def test_a_query_of_no_meaning_is_refused(query: dict[str, Any], arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        VStoreVectorStore("qdrant://127.0.0.1:9").query(VectorStoreQuery(**query), **arguments)


def test_a_node_without_an_embedding_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'n'"):
        VStoreVectorStore("qdrant://127.0.0.1:9").add([TextNode(id_="n", text="t")])


def test_records_of_other_programs_are_text_nodes() -> None:
    with vstore.connect("memory:") as database:
        docs = database.create_collection("docs", dimension=2)
        docs.upsert(["a", "b"], [[1.0, 0.0], [0.0, 1.0]], ["a text", None], [{"year": 2020, "tags": ["x"]}, {}])
        store = VStoreVectorStore(docs)
        expected = TextNode(id_="a", text="a text", metadata={"year": 2020, "tags": ["x"]}, embedding=[1.0, 0.0])
        tagged = MetadataFilters(filters=[MetadataFilter(key="tags", operator="contains", value="x")])
        assert store.get_nodes(filters=tagged) == [expected]
        store.add([TextNode(id_="c", text="c", embedding=[1.0, 1.0], metadata={"year": 2021})])
        assert docs.get(["c"]).documents == ["c"]
        assert docs.count(F("year") == 2021) == 1
        store.close()
        assert docs.count() == 3  # what is borrowed stays open
        docs.update(["c"], metadatas=[{"_node_content": "{"}])
        with pytest.raises(Mismatch, match="_node_content"):
            store.get_nodes()


def test_what_llamaindex_wrote_and_was_copied_opens_as_it_is() -> None:
    with vstore.connect("memory:") as database:
        docs = database.create_collection("docs", dimension=3, metric="l2")
        for node in EVERY_KIND[:5]:
            plain = node.model_copy(update={"metadata": {"year": 2020}})
            row = node_to_metadata_dict(plain, remove_text=True)
            docs.upsert([node.node_id], [node.embedding], [node.get_content(MetadataMode.NONE)], [row])
        store = VStoreVectorStore(docs)
        for node in EVERY_KIND[:5]:
            (found,) = store.get_nodes(
                [node.node_id], MetadataFilters(filters=[MetadataFilter(key="year", value=2020)])
            )
            assert type(found) is type(node)
            assert found.get_content(MetadataMode.NONE) == node.get_content(MetadataMode.NONE)
            assert found.relationships == node.relationships
        store.delete("doc")
        assert docs.count() == 0


def test_a_collection_in_llamaindex_own_layout_is_read_and_not_written(tmp_path: Path) -> None:
    import chromadb

    client = chromadb.PersistentClient(str(tmp_path))
    theirs = client.create_collection("theirs", metadata={"hnsw:space": "cosine"})
    nodes = [TextNode(id_=f"n{i}", text=f"t{i}", embedding=[1.0, i], metadata={"i": i}) for i in range(5)]
    rows = [node_to_metadata_dict(node, remove_text=True, flat_metadata=True) for node in nodes]
    theirs.add([n.node_id for n in nodes], [n.embedding for n in nodes], rows, [n.text for n in nodes])
    with vstore.connect(client=client) as database:
        store = VStoreVectorStore(database.get_collection("theirs", mapping="llamaindex"))
        late = MetadataFilters(filters=[MetadataFilter(key="i", operator=">=", value=2)])
        found = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=2, filters=late))
        assert [(node.node_id, node.get_content(), node.metadata) for node in found.nodes or []] == [
            ("n2", "t2", {"i": 2}),
            ("n3", "t3", {"i": 3}),
        ]
        assert sorted(node.node_id for node in store.get_nodes(filters=late)) == ["n2", "n3", "n4"]
        with pytest.raises(Unsupported, match="read only"):
            store.add(nodes)


def test_a_store_is_not_pickled_and_its_url_is_not_shown() -> None:
    store = VStoreVectorStore("postgresql://me:secret@127.0.0.1:9/db")
    assert "secret" not in repr(store) + str(store.to_dict())
    assert StorageContext.from_defaults(vector_store=store).vector_store is store
    with pytest.raises(InvalidInput):
        pickle.dumps(store)
