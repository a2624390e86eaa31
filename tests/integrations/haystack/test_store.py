"""Documents are kept whole, and Haystack's policies, retrievers and files of pipelines work, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from haystack import Document, Pipeline, component
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy, FilterPolicy
from haystack.utils import Secret

import vstore
from tests.integrations.databases import OnDatabase, on_each
from vstore import HNSW, F
from vstore.conformance.fixtures import unique_name
from vstore.errors import InvalidInput, Mismatch, Unsupported
from vstore.integrations.haystack import VStoreDocumentStore, VStoreEmbeddingRetriever

META: dict[str, Any] = {
    "year": 2020,
    "ratio": 1.0,
    "yes": True,
    "none": None,
    "empty": [],
    "mixed": [1, "a", None],
    "pair": (1, 2),
    "nested": {"a": {"b": [1, {"c": None}]}, "$tuple": [1]},
    "day": datetime(2024, 1, 1, 12, tzinfo=UTC),
    "a.b": 1,
    "$odd": 2**70,
    "": b"bytes",
    "vstore_wall:meta.year": "of the document's own",
    "vstore_json": "{",
    "scalar": np.int64(5),
}
DOCUMENTS = [
    Document(id="meta", content="多语言 \U0001f600\n", meta=META, embedding=[0.5, -1.25, 3.0], score=0.25),
    Document(id="blob", blob=ByteStream(b"\x00\xff", {"a": 1}, "image/png"), embedding=[1.0, 0.0, 0.0]),
    Document(id="sparse", content="", sparse_embedding=SparseEmbedding([1, 5], [0.5, 2.0]), embedding=[0.0, 1.0, 0.0]),
    Document(id="blank", content="without an embedding", meta={"year": 2021}),
]


def same(received: list[Document], expected: list[Document]) -> None:
    by_id = {document.id: document for document in received}
    assert len(received) == len(expected)
    for document in expected:
        found = by_id[document.id]
        if document.embedding is not None:
            assert found.embedding == pytest.approx(document.embedding, rel=1e-6)
        assert replace(found, embedding=document.embedding) == document
        assert {key: type(value) for key, value in found.meta.items()} == {k: type(v) for k, v in document.meta.items()}


class Suite(OnDatabase):
    @pytest.fixture
    def store(self, database: str) -> Iterator[VStoreDocumentStore]:
        store = VStoreDocumentStore(database, unique_name())
        yield store
        store.close()

    def test_documents_come_back_whole(self, store: VStoreDocumentStore) -> None:
        assert store.write_documents(DOCUMENTS) == 4
        same(store.filter_documents(), DOCUMENTS)
        same(asyncio.run(store.filter_documents_async()), DOCUMENTS)

    def test_policies(self, store: VStoreDocumentStore) -> None:
        one, other, new = (
            Document(id=name, content=text, embedding=[1.0]) for name, text in (("a", "1"), ("a", "2"), ("b", "3"))
        )
        store.write_documents([one])
        for policy in (DuplicatePolicy.FAIL, DuplicatePolicy.NONE):
            with pytest.raises(DuplicateDocumentError, match="a"):
                store.write_documents([new, other], policy)
            with pytest.raises(DuplicateDocumentError, match="b"):
                store.write_documents([new, new], policy)
        same(store.filter_documents(), [one])
        assert store.write_documents([other, new, replace(new, content="4")], DuplicatePolicy.SKIP) == 1
        same(store.filter_documents(), [one, new])
        assert store.write_documents([other, one, other], DuplicatePolicy.OVERWRITE) == 3
        same(store.filter_documents(), [other, new])
        assert store.write_documents([]) == 0

    def test_the_nearest_are_those_of_the_in_memory_store(self, store: VStoreDocumentStore) -> None:
        random = np.random.default_rng(7)
        documents = [
            Document(
                id=f"d{i:02}",
                meta={"even": i % 2 == 0},
                embedding=None if i % 5 == 0 else random.normal(size=4).tolist(),
            )
            for i in range(40)
        ]
        store.write_documents(documents)
        reference = InMemoryDocumentStore(embedding_similarity_function="cosine")
        reference.write_documents(documents)
        first = [1.0, 0.0, 0.0, 0.0]  # what stands for a missing embedding
        for query, filters in (
            (first, None),
            (first, {"field": "meta.even", "operator": "==", "value": True}),
            ([0.1, -0.7, 0.2, 0.3], {"field": "meta.even", "operator": "!=", "value": True}),
        ):
            theirs = reference.embedding_retrieval(query, filters=filters, top_k=6)
            mine = store.embedding_retrieval(query, filters=filters, top_k=6, exact=True)
            assert [document.id for document in mine] == [document.id for document in theirs]
            assert [document.score for document in mine] == pytest.approx(
                [document.score for document in theirs], abs=1e-6
            )
            assert all(document.embedding is None for document in mine)
            async_found = asyncio.run(
                store.embedding_retrieval_async(query, filters=filters, top_k=6, return_embedding=True)
            )
            assert [document.id for document in async_found] == [document.id for document in mine]
            assert all(document.embedding is not None for document in async_found)
        assert len(store.embedding_retrieval(first, top_k=40)) == 32

    def test_meta_are_updated_and_embeddings_stay(self, store: VStoreDocumentStore) -> None:
        store.write_documents(DOCUMENTS)
        changes = {"year": None, "new": [1, "a"], "nested": {"a": {"b": 7}}}
        asked = {"field": "meta.year", "operator": "!=", "value": None}
        assert store.update_by_filter(asked, changes) == 2
        same(store.filter_documents(), [replace(d, meta={**d.meta, **changes}) if d.meta else d for d in DOCUMENTS])
        inner = {"field": "meta.nested.a.b", "operator": "==", "value": 7}
        assert store.count_documents_by_filter(inner) == 2
        assert {document.id for document in store.embedding_retrieval([1.0, 0.0, 0.0], filters=inner)} == {"meta"}


globals().update(on_each(Suite))


@component
class Question:
    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        return {"embedding": [float(len(text)), 1.0]}


def test_a_retriever_runs_in_a_pipeline_and_applies_its_policy() -> None:
    store = VStoreDocumentStore("memory:")
    store.write_documents([Document(id=f"d{i}", meta={"n": i, "k": i % 2}, embedding=[1.0, i]) for i in range(6)])
    at_least = {"field": "meta.n", "operator": ">=", "value": 2}
    odd = {"field": "meta.k", "operator": "==", "value": 1}

    def ids(policy: str | FilterPolicy, filters: dict[str, Any] | None, top_k: int | None = None) -> list[str]:
        retriever = VStoreEmbeddingRetriever(document_store=store, filters=at_least, top_k=3, filter_policy=policy)
        pipeline = Pipeline()
        pipeline.add_component("question", Question())
        pipeline.add_component("retriever", retriever)
        pipeline.connect("question.embedding", "retriever.query_embedding")
        data = {"question": {"text": ""}, "retriever": {"filters": filters, "top_k": top_k}}
        found = pipeline.run(data)["retriever"]["documents"]
        assert asyncio.run(retriever.run_async([0.0, 1.0], filters, top_k))["documents"] == found
        return [document.id for document in found]

    assert ids("replace", None) == ["d5", "d4", "d3"]
    assert ids(FilterPolicy.REPLACE, odd, 9) == ["d5", "d3", "d1"]
    assert ids("merge", odd) == ["d5", "d3"]
    with pytest.raises(InvalidInput, match="InMemoryDocumentStore"):
        VStoreEmbeddingRetriever(document_store=InMemoryDocumentStore())  # type: ignore[arg-type]


def test_a_pipeline_goes_to_yaml_and_back_with_its_secrets_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSTORE_URL", "memory:")
    monkeypatch.setenv("MY_TOKEN", "secret token")
    stores = [
        VStoreDocumentStore(),
        VStoreDocumentStore(
            Secret.from_env_var("VSTORE_URL"),
            "docs",
            embedding_dimension=2,
            metric="l2",
            index=HNSW(m=8),
            timeout=5.0,
            retries=2,
        ),
        VStoreDocumentStore("prod", "docs"),
        VStoreDocumentStore(None),
        VStoreDocumentStore("chroma://127.0.0.1:9", options={"token": Secret.from_env_var("MY_TOKEN"), "tenant": "t"}),
    ]
    for store in stores:
        pipeline = Pipeline()
        pipeline.add_component(
            "retriever", VStoreEmbeddingRetriever(document_store=store, top_k=7, filter_policy="merge")
        )
        text = pipeline.dumps()
        assert "secret token" not in text
        again = Pipeline.loads(text, allowed_modules=["vstore.integrations"])
        assert again.dumps() == text
        found = again.get_component("retriever").document_store
        assert yaml.safe_load(text)["components"]["retriever"]["init_parameters"]["top_k"] == 7
        assert (found.store, found.options, found.index, found.metric) == (
            store.store,
            store.options,
            store.index,
            store.metric,
        )
    stores[1].write_documents([Document(embedding=[1.0, 2.0])])
    assert stores[1].count_documents() == 1


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ("postgresql://me:secret@127.0.0.1:9/db", {}),
        ("chroma://127.0.0.1:9?token=secret", {}),
        ("chroma://127.0.0.1:9", {"token": "secret"}),
        (Secret.from_env_var("VSTORE_URL"), {"token": "secret"}),
        (Secret.from_token("memory:"), {}),
    ],
)
def test_a_secret_that_is_not_named_is_not_serialised(given: Any, options: dict[str, Any]) -> None:
    store = VStoreDocumentStore(given, options=options)
    with pytest.raises((ValueError, InvalidInput)) as caught:  # Haystack's own refusal of a token, or ours
        store.to_dict()
    assert "secret@" not in str(caught.value)


def test_a_store_that_was_given_is_borrowed_and_not_serialised() -> None:
    with vstore.connect("memory:") as database:
        store = VStoreDocumentStore(database, "docs", metric="dot")
        assert store.count_documents() == 0
        assert not database.has_collection("docs")  # it is made by the first write
        store.write_documents([Document(id="a", content="c", meta={"year": 2020}, embedding=[2.0, 0.0])])
        docs = database.get_collection("docs")
        assert docs.info.metric == "dot"
        assert docs.get(["a"]).documents == ["c"]
        assert docs.count(F("year") == 2020) == 1
        assert [document.score for document in store.embedding_retrieval([3.0, 0.0])] == [6.0]
        with pytest.raises(InvalidInput, match="URL"):
            store.to_dict()
        store.close()
        assert docs.count() == 1
        docs.update(["a"], metadatas=[{"vstore_document": "{"}])
        with pytest.raises(Mismatch, match="vstore_document"):
            store.filter_documents()


def test_a_collection_in_haystacks_own_layout_is_read_and_not_written(tmp_path: Path) -> None:
    import chromadb

    client = chromadb.PersistentClient(str(tmp_path))
    theirs = client.create_collection("theirs", metadata={"hnsw:space": "cosine"})
    theirs.add(["a", "b"], [[1.0, 0.0], [1.0, 1.0]], [{"n": 1}, {"n": 2}], ["one", "two"])
    with vstore.connect(client=client) as database:
        store = VStoreDocumentStore(database.get_collection("theirs", mapping="haystack"))
        same(
            store.filter_documents(),
            [
                Document(id="a", content="one", meta={"n": 1}, embedding=[1.0, 0.0]),
                Document(id="b", content="two", meta={"n": 2}, embedding=[1.0, 1.0]),
            ],
        )
        asked = {"field": "meta.n", "operator": ">", "value": 1}
        assert [document.content for document in store.embedding_retrieval([1.0, 0.0], filters=asked)] == ["two"]
        with pytest.raises(Unsupported, match="read only"):
            store.write_documents([Document(embedding=[1.0, 0.0])])


def test_what_cannot_be_kept_is_refused_whole() -> None:
    store = VStoreDocumentStore("memory:")
    with pytest.raises(InvalidInput, match="embedding_dimension"):
        store.write_documents([Document(content="blank")])
    with pytest.raises(InvalidInput, match="'wrong'"):
        store.write_documents([Document(embedding=[1.0, 2.0]), Document(id="wrong", embedding=[1.0])])
    with pytest.raises(InvalidInput):
        store.write_documents([Document(id="a", meta={"call": print}, embedding=[1.0, 2.0])])
    assert store.count_documents() == 0
    with pytest.raises(InvalidInput):
        VStoreDocumentStore(5)  # type: ignore[arg-type]


def test_a_collection_made_anew_keeps_its_settings() -> None:
    with vstore.connect("memory:") as database:
        store = VStoreDocumentStore(database, "docs", metric="l2", index=HNSW(m=8))
        store.write_documents([Document(embedding=[1.0, 2.0])])
        store.delete_all_documents(recreate_collection=True)
        info = database.get_collection("docs").info
        assert (info.metric, info.index, info.dimension) == ("l2", HNSW(m=8), 2)
        with pytest.raises(InvalidInput, match="metric"):
            VStoreDocumentStore(database, "docs").delete_all_documents(recreate_collection=True)
