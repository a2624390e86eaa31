"""What LangChain's suite does not ask: ids, scores, MMR, metadata, retrievers, indexing, and what is refused."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.indexing import InMemoryRecordManager, aindex, index

import vstore
from tests.integrations.test_metadata import HOSTILE, PLAIN
from vstore import F, embed
from vstore.errors import Closed, InvalidInput, LimitExceeded, Mismatch, Unsupported
from vstore.integrations.langchain import VStoreVectorStore

EMBEDDED = [
    "memory:",
    "chroma:{}",
    "chroma::memory:",
    "qdrant:{}",
    "qdrant::memory:",
    "milvus:{}/data.db",
    "pgvector:{}",
]


class Axes(Embeddings):
    """A text is the vector that it writes out: ``"1 0"``."""

    calls = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        type(self).calls += 1
        return [[float(part) for part in text.split()[:2]] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class AsyncAxes(Axes):
    """The same, refusing to be called from anywhere but the event loop's own coroutines."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise AssertionError("the sync form was called")

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(part) for part in text.split()[:2]] for text in texts]

    async def aembed_query(self, text: str) -> list[float]:
        return (await self.aembed_documents([text]))[0]


TEXTS = ["1 0 east", "0 1 north", "0.9 0.1 east by north", "-1 0 west"]


@pytest.fixture
def store() -> Iterator[VStoreVectorStore]:
    with VStoreVectorStore("memory:", Axes()) as made:
        made.add_texts(TEXTS, [{"n": place} for place in range(4)], ids=list("abcd"))
        yield made


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


@pytest.mark.parametrize(
    ("metric", "distances", "relevances"),
    [
        ("cosine", [0.0, 1.0, 2.0], [1.0, 0.0, -1.0]),
        ("l2", [0.0, math.sqrt(2), 2.0], [1.0, 0.0, 1 - math.sqrt(2)]),
        ("dot", [-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]),
    ],
)
@pytest.mark.filterwarnings("ignore:Relevance scores must be between")
def test_scores_are_distances_and_relevances_similarities(
    metric: str, distances: list[float], relevances: list[float]
) -> None:
    texts = ["1 0", "0 1", "-1 0"]
    with VStoreVectorStore.from_texts(texts, Axes(), ids=list("abc"), store="memory:", metric=metric) as store:
        told = store.similarity_search_with_score("1 0", k=3)
        assert [(one.id, score) for one, score in told] == list(zip("abc", distances, strict=True))
        assert told == store.similarity_search_with_score_by_vector([1.0, 0.0], k=3)
        told = store.similarity_search_with_relevance_scores("1 0", k=3)
        assert [one.id for one, _ in told] == list("abc")
        np.testing.assert_allclose([score for _, score in told], relevances, atol=1e-12)
        told = store.similarity_search_with_relevance_scores("1 0", k=3, score_threshold=0.5)
        assert [one.id for one, _ in told] == ["a"]
    with VStoreVectorStore.from_texts(
        texts, Axes(), store="memory:", relevance_score_fn=lambda d: 1 / (1 + d)
    ) as store:
        assert [score for _, score in store.similarity_search_with_relevance_scores("1 0", k=2)] == [1.0, 0.5]


def test_mmr_in_all_forms(store: VStoreVectorStore) -> None:
    arguments: dict[str, Any] = {"k": 2, "fetch_k": 3, "lambda_mult": 0.2}
    assert ids(store.similarity_search("1 0", k=2)) == ["a", "c"]
    expected = ["a", "b"]
    scored = [("a", 0.0), ("b", 1.0)]
    assert ids(store.max_marginal_relevance_search("1 0", **arguments)) == expected
    assert ids(store.max_marginal_relevance_search_by_vector([1.0, 0.0], **arguments)) == expected
    told = store.max_marginal_relevance_search_with_score("1 0", **arguments)
    assert [(one.id, score) for one, score in told] == scored
    assert told == store.max_marginal_relevance_search_with_score_by_vector([1.0, 0.0], **arguments)
    assert ids(store.max_marginal_relevance_search("1 0", **{**arguments, "lambda_mult": 1.0})) == ["a", "c"]
    assert ids(store.max_marginal_relevance_search("1 0", **arguments, filter=F("n") > 0)) == ["c", "d"]

    async def all_async() -> None:
        assert ids(await store.amax_marginal_relevance_search("1 0", **arguments)) == expected
        assert ids(await store.amax_marginal_relevance_search_by_vector([1.0, 0.0], **arguments)) == expected
        assert await store.amax_marginal_relevance_search_with_score("1 0", **arguments) == told
        assert await store.amax_marginal_relevance_search_with_score_by_vector([1.0, 0.0], **arguments) == told

    asyncio.run(all_async())


@pytest.mark.parametrize(
    "where", [(F("n") >= 1) & (F("n") < 3), {"n": {"$gte": 1, "$lt": 3}}, {"n": {"$between": [1, 2]}}], ids=repr
)
def test_a_retriever_takes_every_kind_of_filter(store: VStoreVectorStore, where: object) -> None:
    for kind, more in [
        ("similarity", {}),
        ("mmr", {"fetch_k": 5}),
        ("similarity_score_threshold", {"score_threshold": 0.0}),
    ]:
        retriever = store.as_retriever(search_type=kind, search_kwargs={"k": 4, "filter": where, **more})
        assert set(ids(retriever.invoke("1 0"))) == {"b", "c"}
        assert set(ids(asyncio.run(retriever.ainvoke("1 0")))) == {"b", "c"}
        assert [set(ids(found)) for found in retriever.batch(["1 0", "0 1"])] == [{"b", "c"}] * 2
    assert store.as_retriever().tags == ["VStoreVectorStore", "Axes"]


@pytest.mark.parametrize("url", EMBEDDED)
def test_hostile_metadata_reads_back_everywhere(url: str, tmp_path: Path) -> None:
    given = [{**PLAIN, key: value, "numpy too": np.int64(7)} for key, value in HOSTILE.items() if key != "long"]
    documents = [Document(page_content="1 0", metadata=dict(one)) for one in given if all(type(k) is str for k in one)]
    with VStoreVectorStore(url.format(tmp_path), Axes()) as store:
        written = store.add_documents(documents)
        found = store.get_by_ids(written)
        assert [one.metadata for one in found] == [one.metadata for one in documents]
        assert all(type(one.metadata["numpy too"]) is np.int64 for one in found)
        assert len(store.similarity_search("1 0", k=100, filter={"numpy too": 7, "text": "x"})) == len(documents)


def test_ids_are_taken_made_and_kept(store: VStoreVectorStore) -> None:
    mixed = store.add_documents([Document(page_content="1 1", id="own"), Document(page_content="1 2")])
    assert mixed[0] == "own"
    assert UUID(mixed[1]).version == 4
    assert store.add_documents([Document(page_content="1 1", id="own")], ids=["given"]) == ["given"]
    assert ids(store.get_by_ids(["given", "nowhere", "own", "given"])) == ["given", "own"]
    assert store.add_texts([]) == []
    with pytest.raises(InvalidInput, match="more than once"):
        store.add_texts(["1 0", "0 1"], ids=["x", "x"])
    with pytest.raises(InvalidInput, match="2 rows for 1 texts"):
        store.add_texts(["1 0"], ids=["x", "y"])
    with pytest.raises(InvalidInput, match="1 rows for 2 texts"):
        store.add_texts(["1 0", "0 1"], [{}])
    with pytest.raises(InvalidInput, match="batch_size"):
        store.add_texts(["1 0"], ids=["x"], batch_size=0)
    assert store.get_by_ids(["x"]) == []


def test_a_large_call_in_parts(store: VStoreVectorStore) -> None:
    Axes.calls = 0
    assert store.add_texts(TEXTS, ids=list("efgh"), batch_size=3) == list("efgh")
    assert Axes.calls == 2
    assert [one.page_content for one in store.get_by_ids(list("efgh"))] == TEXTS
    assert asyncio.run(store.aadd_texts(TEXTS, ids=list("ijkl"), batch_size=1)) == list("ijkl")
    assert Axes.calls == 6
    assert len(store.similarity_search("1 0", k=99)) == 12


def test_adding_replaces_the_record_whole(store: VStoreVectorStore) -> None:
    store.add_texts(["0 1"], [{"m": None}], ids=["a"])
    (found,) = store.get_by_ids(["a"])
    assert (found.page_content, found.metadata) == ("0 1", {"m": None})


def test_deleting(store: VStoreVectorStore) -> None:
    for nothing in ({}, {"ids": None}, {"ids": ["a"], "filter": {"n": 1}}):
        with pytest.raises(InvalidInput, match=r"delete_collection\(\)"):
            store.delete(**nothing)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            asyncio.run(store.adelete(**nothing))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="empty"):
        store.delete(filter={})
    assert store.delete([]) is True
    assert len(store.similarity_search("1 0", k=9)) == 4
    assert store.delete(["a", "nowhere"]) is True
    assert asyncio.run(store.adelete(filter={"n": {"$gte": 3}})) is True
    assert set(ids(store.similarity_search("1 0", k=9))) == {"b", "c"}
    store.delete_collection()
    assert store.similarity_search("1 0") == []
    assert store.delete(["a"]) is True
    store.add_texts(["1 0"])
    asyncio.run(store.adelete_collection())
    assert store.get_by_ids(["a"]) == []


def test_what_is_refused_costs_no_embedding(store: VStoreVectorStore) -> None:
    Axes.calls = 0
    with pytest.raises(InvalidInput, match="'fliter'"):
        store.similarity_search("1 0", fliter={"n": 1})  # type: ignore[call-arg]
    with pytest.raises(InvalidInput, match=r"\$near"):
        store.similarity_search("1 0", filter={"n": {"$near": 1}})
    with pytest.raises(InvalidInput, match="'namespace'"):
        store.add_texts(["1 0"], namespace="x")
    with pytest.raises(InvalidInput, match="'namespace'"):
        store.delete(["a"], namespace="x")
    with pytest.raises(InvalidInput, match="more than once"):
        store.add_texts(["1 0", "0 1"], ids=["x", "x"])
    assert Axes.calls == 0
    with pytest.raises((InvalidInput, LimitExceeded)):
        store.similarity_search("1 0", k=0)


def test_exact_and_search_settings_reach_the_query(tmp_path: Path) -> None:
    with VStoreVectorStore(f"chroma:{tmp_path}", Axes(), index=vstore.HNSW(ef_search=5)) as store:
        store.add_texts(TEXTS)
        assert store.similarity_search("1 0", exact=True) == store.similarity_search("1 0", k=4)
        with pytest.raises(InvalidInput, match="search= tunes"):
            store.similarity_search("1 0", exact=True, search=vstore.Search(ef=10))
        with pytest.raises(InvalidInput, match="must be a Search"):
            asyncio.run(store.asimilarity_search("1 0", search=5))  # type: ignore[typeddict-item]


def test_async_is_async_from_one_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No method hands a sync one to LangChain's executor, and every answer is that of the sync form."""

    async def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("run_in_executor was called")

    monkeypatch.setattr("langchain_core.vectorstores.base.run_in_executor", refuse)
    sync = VStoreVectorStore(f"chroma:{tmp_path}", Axes())

    async def main() -> None:
        async with await VStoreVectorStore.afrom_texts(
            TEXTS, AsyncAxes(), [{"n": n} for n in range(4)], ids=list("abcd"), store=f"chroma:{tmp_path}"
        ) as store:
            assert await store.aadd_documents([Document(page_content="0 2", id="e")]) == ["e"]
            await store.adelete(["d"])
            assert await store.aget_by_ids(["a", "e"]) == sync.get_by_ids(["a", "e"])
            assert await store.asimilarity_search("1 0") == sync.similarity_search("1 0")
            by_vector = [1.0, 0.0]
            assert await store.asimilarity_search_by_vector(by_vector) == sync.similarity_search_by_vector(by_vector)
            told = await store.asimilarity_search_with_score("1 0")
            assert told == sync.similarity_search_with_score("1 0")
            assert told == await store.asimilarity_search_with_score_by_vector(by_vector)
            relevant = await store.asimilarity_search_with_relevance_scores("1 0")
            assert relevant == sync.similarity_search_with_relevance_scores("1 0")
            assert await store.asearch("1 0", "mmr") == sync.search("1 0", "mmr")
        made = await VStoreVectorStore.afrom_documents(
            [Document(page_content="1 0", id="z")], AsyncAxes(), store="memory:"
        )
        assert ids(await made.asimilarity_search("1 0")) == ["z"]
        await made.aclose()

    asyncio.run(main())
    sync.close()


def test_many_threads_share_one_store(store: VStoreVectorStore) -> None:
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            store.add_texts([f"{number} 1"], ids=[f"t{number}"])
            assert store.get_by_ids([f"t{number}"])
            assert asyncio.run(store.asimilarity_search("1 0", k=1))
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(store.similarity_search("1 0", k=100)) == 12


def test_an_embedder_of_vstore() -> None:
    embedder = embed.lexical(64)
    with vstore.connect("memory:") as opened:
        store = VStoreVectorStore(opened, embedder, collection_name="texts")
        store.add_texts(["rain in Beijing", "a recipe for bread"], ids=["rain", "bread"])
        assert opened.get_collection("texts").info.embedder == embedder.name
        assert ids(store.similarity_search("will it rain?", k=1)) == ["rain"]
        assert ids(asyncio.run(store.amax_marginal_relevance_search("bread", k=1))) == ["bread"]
        assert store.embeddings is not None
        vector = store.embeddings.embed_query("rain")
        assert vector == store.embeddings.embed_documents(["rain"])[0]
        assert asyncio.run(store.embeddings.aembed_query("rain")) == vector
        assert asyncio.run(store.embeddings.aembed_documents(["rain"])) == [vector]
        with pytest.raises(Mismatch, match="embedder"):
            VStoreVectorStore(opened, embed.lexical(32), collection_name="texts").similarity_search("x")
        own = VStoreVectorStore(opened.get_collection("texts", embedder=embedder))
        assert own.similarity_search("rain") == store.similarity_search("rain")
        bare = VStoreVectorStore(opened.get_collection("texts"))
        assert ids(bare.similarity_search_by_vector(vector, k=1)) == ["rain"]
        assert bare.embeddings is None
        for call in (lambda: bare.similarity_search("rain"), lambda: bare.add_texts(["x"])):
            with pytest.raises(InvalidInput, match="needs an embedding"):
                call()


def test_an_embedding_that_answers_wrongly() -> None:
    class Short(Axes):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return super().embed_documents(texts)[1:]

    class Wrong(Axes):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [1.0] * len(texts)  # type: ignore[list-item]

    for embedding in (Short(), Wrong()):
        with pytest.raises(InvalidInput, match="the embedding"):
            VStoreVectorStore.from_texts(["1 0"], embedding, store="memory:")
    with pytest.raises(InvalidInput, match="embedder="):
        VStoreVectorStore("memory:", object())  # type: ignore[arg-type]


def test_a_collection_of_langchains_own_is_read_and_not_written(tmp_path: Path) -> None:
    chromadb = pytest.importorskip("chromadb")
    client = chromadb.PersistentClient(str(tmp_path))
    theirs = client.create_collection("theirs", metadata={"hnsw:space": "cosine"})
    theirs.add(
        ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], documents=["1 0", "0 1"], metadatas=[{"n": 1}, {"n": 2}]
    )
    with vstore.connect(client=client) as opened:
        store = VStoreVectorStore(opened.get_collection("theirs", mapping="langchain"), Axes())
        assert store.similarity_search("1 0", filter={"n": {"$gte": 2}}) == [
            Document(id="b", page_content="0 1", metadata={"n": 2})
        ]
        assert ids(asyncio.run(store.asimilarity_search("1 0", k=1))) == ["a"]
        with pytest.raises(Unsupported, match="read only"):
            store.add_texts(["1 1"])


def test_the_indexing_api_of_langchain(tmp_path: Path) -> None:
    documents = [Document(page_content=text, metadata={"source": text[-4:]}) for text in TEXTS]
    for write in (
        lambda records, store, what: index(what, records, store, cleanup="full", key_encoder="sha256"),
        lambda records, store, what: asyncio.run(aindex(what, records, store, cleanup="full", key_encoder="sha256")),
    ):
        records = InMemoryRecordManager("n")
        records.create_schema()
        with VStoreVectorStore("memory:", Axes()) as store:
            assert write(records, store, documents)["num_added"] == 4
            assert write(records, store, documents)["num_skipped"] == 4
            told = write(records, store, documents[1:])
            assert (told["num_deleted"], told["num_skipped"]) == (1, 3)
            assert len(store.similarity_search("1 0", k=9)) == 3


def test_closing_and_what_is_given() -> None:
    with vstore.connect("memory:") as opened:
        with VStoreVectorStore(opened, Axes()) as store:
            store.add_texts(["1 0"])
        assert opened.list_collections() == ["langchain"]
    store = VStoreVectorStore("memory:", Axes())
    store.close()
    for call in cast_calls(store):
        with pytest.raises(Closed):
            call()
    with pytest.raises(InvalidInput, match="a URL, a store or a collection"):
        VStoreVectorStore(5, Axes())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        VStoreVectorStore.from_texts(["1 0"], Axes(), url="memory:")


def test_names_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vstore.toml").write_text(f'[stores.staging]\nurl = "chroma:{tmp_path}/c"\n')
    with VStoreVectorStore.from_texts(["1 0"], Axes(), ids=["a"], store="staging") as store:
        assert ids(store.similarity_search("1 0")) == ["a"]
    monkeypatch.setenv("VSTORE_URL", f"chroma:{tmp_path}/c")
    with VStoreVectorStore(embedding=Axes()) as store:
        assert ids(store.similarity_search("1 0")) == ["a"]

        async def main() -> None:
            assert ids(await store.asimilarity_search("1 0")) == ["a"]
            await store.aclose()

        asyncio.run(main())


def cast_calls(store: VStoreVectorStore) -> list[Callable[[], object]]:
    return [
        lambda: store.similarity_search("1 0"),
        lambda: store.add_texts(["1 0"]),
        lambda: asyncio.run(store.aget_by_ids(["a"])),
    ]


def test_a_large_batch_of_documents(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(3000)]
    with VStoreVectorStore(f"chroma:{tmp_path}", DeterministicFakeEmbedding(size=8)) as store:
        written = store.add_texts(texts)
        assert len(set(written)) == 3000
        assert [one.page_content for one in store.get_by_ids(written)] == texts
