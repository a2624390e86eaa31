"""Collections of Qdrant and Chroma that other clients made: names, vectors, values."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromadb
import pytest
from qdrant_client import QdrantClient, models

import vstore
from tests.servers import chroma_server
from vstore import AlreadyExists, F, InvalidInput, Metric, Mismatch, NotFound, RecordMapping
from vstore.conformance.checks import raises
from vstore.mapping import IdType, MissingVector, Outside

PARAMS = models.VectorParams(size=2, distance=models.Distance.DOT)


@pytest.fixture
def qdrant() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


@pytest.fixture
def store(qdrant: QdrantClient) -> Iterator[vstore.Store]:
    with vstore.connect(client=qdrant) as opened:
        yield opened


def test_one_of_several_vectors_is_chosen(store: vstore.Store, qdrant: QdrantClient) -> None:
    qdrant.create_collection(
        "made",
        vectors_config={
            "title": PARAMS,
            "body": models.VectorParams(size=3, distance=models.Distance.COSINE),
            "far": models.VectorParams(size=2, distance=models.Distance.MANHATTAN),
            "many": models.VectorParams(
                size=2,
                distance=models.Distance.DOT,
                multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            ),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    words = models.SparseVector(indices=[1], values=[1.0])
    vectors: Any = {"title": [1, 2], "body": [3, 0, 4], "far": [1, 1], "many": [[1, 2], [3, 4]], "words": words}
    qdrant.upsert("made", [models.PointStruct(id=1, vector=vectors, payload={"n": 1})])
    title = store.get_collection("made", mapping=RecordMapping(vector="title"))
    assert (title.info.metric, title.info.dimension) == (Metric.DOT, 2)
    assert title.query([1, 1]).scores.tolist() == [3.0]
    body = store.get_collection("made", mapping=RecordMapping(vector="body"))
    assert body.peek().vectors is not None
    assert body.peek().vectors[0].tolist() == pytest.approx([0.6, 0, 0.8]), "Qdrant keeps the direction"  # type: ignore[index]  # not None
    for vector, said in (("far", "Manhattan"), ("many", "multivector"), ("words", "no dense vector"), ("", "no dense")):
        with raises(Mismatch) as caught:
            store.get_collection("made", mapping=RecordMapping(vector=vector))
        assert said in caught.error.message


def test_a_sparse_vector_beside_the_unnamed_one(store: vstore.Store, qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config=PARAMS, sparse_vectors_config={"bm25": models.SparseVectorParams()})
    words = models.SparseVector(indices=[1], values=[1.0])
    vector: Any = {"": [1, 2], "bm25": words}
    qdrant.upsert("made", [models.PointStruct(id=1, vector=vector, payload={})])
    assert store.get_collection("made", mapping="auto").query([1, 1], include=["vectors"])[0].vector is not None


def test_points_without_the_vector(store: vstore.Store, qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config={"a": PARAMS, "b": PARAMS})
    points: list[Any] = [(1, {"a": [1, 0], "b": [1, 1]}), (2, {"b": [1, 1]}), (3, {"a": [0, 1]})]
    qdrant.upsert("made", [models.PointStruct(id=i, vector=vector, payload={"n": i}) for i, vector in points])
    refusing = store.get_collection("made", mapping=RecordMapping(vector="a"))
    assert refusing.count() == 3
    with raises(Mismatch) as caught:
        refusing.peek()
    assert caught.error.ids == ["2"]
    skipping = store.get_collection("made", mapping=RecordMapping(vector="a", missing_vector=MissingVector.SKIP))
    assert skipping.count() == 2
    assert [page.records.ids for page in skipping.scan(batch_size=1)] == [["1"], ["3"]]
    assert skipping.get(["1", "2", "3"]).ids == ["1", "3"]
    assert skipping.query([1, 0], k=5).ids == ["1", "3"]
    assert skipping.count(F("n") >= 2) == 1


def test_points_that_go_and_come_during_a_scan(store: vstore.Store, qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config=PARAMS)

    def put(*ids: int) -> None:
        qdrant.upsert("made", [models.PointStruct(id=i, vector=[1, i], payload={}) for i in ids])

    put(*range(10, 60))
    seen: list[str] = []
    for number, page in enumerate(store.get_collection("made", mapping="auto").scan(batch_size=5)):
        seen += page.records.ids
        if number < 4:
            qdrant.delete("made", models.PointIdsList(points=[int(page.records.ids[-1]), int(page.records.ids[0])]))
            put(number, 100 + number)
    assert sorted(seen, key=int) == [str(i) for i in [*range(10, 60), *range(100, 104)]]


def test_payload_values_outside_the_contract(store: vstore.Store, qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config=PARAMS)
    payload = {
        "empty": [],
        "mixed": [1, "a"],
        "null": None,
        "nested": {"a": {"b": [1.5]}},
        "when": "2024-01-01T00:00:00Z",
    }
    qdrant.upsert("made", [models.PointStruct(id=7, vector=[1, 2], payload=payload)])
    with raises(Mismatch) as caught:
        store.get_collection("made", mapping="auto").peek()
    assert caught.error.ids == ["7"]
    assert "'empty'" in caught.error.message
    texts = store.get_collection("made", mapping=RecordMapping(outside=Outside.TEXT)).peek()
    kept = {"nested": {"a": {"b": [1.5]}}, "when": "2024-01-01T00:00:00Z"}
    assert texts.metadatas == [{"empty": "[]", "mixed": '[1,"a"]', **kept}]
    hidden = store.get_collection("made", mapping=RecordMapping(hidden=("empty", "mixed")))
    assert hidden.peek().metadatas == [kept]
    assert hidden.count(F("nested", "a", "b").has(1.5)) == 1
    assert hidden.count(F("null").exists()) == 0


def test_ids_in_the_payload_match_exactly(store: vstore.Store, qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config=PARAMS)
    names = ["a", "A", "it's", ["b", "c"], "b"]
    qdrant.upsert(
        "made", [models.PointStruct(id=i, vector=[1, i], payload={"key.of": name}) for i, name in enumerate(names)]
    )
    collection = store.get_collection("made", mapping=RecordMapping(id=("key.of",)))
    assert collection.get(["a", "it's", "nobody", "b"]).ids == ["a", "it's", "b"], "not the list that holds a b"
    with raises(Mismatch):
        collection.peek()
    qdrant.delete("made", models.PointIdsList(points=[3]))
    assert collection.peek().ids == ["a", "A", "it's", "b"]
    qdrant.upsert("made", [models.PointStruct(id=3, vector=[1, 2], payload={"key.of": 5})])
    with raises(Mismatch):
        collection.peek()


def test_a_layout_must_be_there(store: vstore.Store, qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config=PARAMS)
    qdrant.upsert("made", [models.PointStruct(id=7, vector=[1, 2], payload={"text": "t", "n": 1})])
    with raises(Mismatch):
        store.get_collection("made", mapping="langchain")
    assert store.propose_mapping("made") == RecordMapping(document=("text",))
    with raises(NotFound):
        store.get_collection("made", mapping=RecordMapping(table=("t",)))
    for change in ({"table": ("public", "made")}, {"dimension": 3}, {"id_type": IdType.INT}):
        with raises(Mismatch):
            store.get_collection("made", mapping=replace(RecordMapping(), **change))  # type: ignore[arg-type]  # fields by name
    with raises(NotFound):
        store.get_collection("nothing", mapping="auto")


def test_points_of_several_are_together(store: vstore.Store, qdrant: QdrantClient) -> None:
    qdrant.create_collection("all", vectors_config=PARAMS)
    for number, team in ((1, "a"), (2, "b"), (3, "a"), (4, ["a"]), (5, "A")):
        payload = {"text": f"t{number}", "team": team, "n": number}
        qdrant.upsert("all", [models.PointStruct(id=number, vector=[number, 2], payload=payload)])
    mapping = RecordMapping(document=("text",), table=("all",), only={"team": "a"})
    ours = store.get_collection("ours", mapping=mapping)
    assert (ours.info.name, ours.count(), ours.count(F("n") > 1)) == ("ours", 3, 2)
    assert [page.records.ids for page in ours.scan(batch_size=2)] == [["1", "3"], ["4"]]
    assert ours.get(["1", "2"]).metadatas == [{"n": 1}], "what they share is no metadata"
    assert ours.query([1, 0], k=9).ids == ours.query([1, 0], k=9, exact=True).ids == ["4", "3", "1"]
    assert not [one for one in ours.omissions() if one.needs_leave]
    ours.upsert(["7"], [[9, 9]], ["new"], [{"n": 7}])
    assert qdrant.retrieve("all", [7])[0].payload == {"text": "new", "n": 7, "team": "a"}
    with raises(AlreadyExists):
        ours.upsert(["7", "2"], [[9, 9], [8, 8]], ["new", "theirs"])
    with raises(InvalidInput):
        ours.upsert(["8"], [[9, 9]], ["new"], [{"team": "b"}])
    ours.delete(["1", "2"])
    ours.clear()
    assert {point.id for point in qdrant.scroll("all")[0]} == {2, 5}


def test_a_server_of_chroma_is_read_by_both_forms(tmp_path: Path) -> None:
    async def read(url: str) -> tuple[list[str], list[str], int]:
        async with vstore.aio.connect(url) as store:
            assert await store.list_foreign_collections() == ["made"]
            collection = await store.get_collection("made", mapping="auto")
            pages = [page.records.ids async for page in collection.scan(batch_size=2)]
            near = await collection.query([0, 1], k=1)
            return [one for page in pages for one in page], near.ids, await collection.count(F("n") > 1)

    with chroma_server(tmp_path) as url:
        host, port = url.removeprefix("chroma://").split(":")
        made = chromadb.HttpClient(host, int(port)).create_collection("made", embedding_function=None)
        made.add(["c", "a", "b"], [[1, 0], [0, 3], [2, 2]], metadatas=[{"n": 1}, {"n": 2}, {"n": 2.5}])
        with vstore.connect(url) as store:
            collection = store.get_collection("made", mapping="auto")
            assert [page.records.ids for page in collection.scan(batch_size=2)] == [["a", "b"], ["c"]]
            assert collection.query([1, 0], where=F("n") > 1).ids == ["b", "a"]
        assert asyncio.run(read(url)) == (["a", "b", "c"], ["c"], 2)


def test_chroma_s_own_fields(tmp_path: Any) -> None:
    client = chromadb.PersistentClient(str(tmp_path))
    made = client.create_collection("made", metadata={"team": "a"}, embedding_function=None)
    with vstore.connect(client=client) as store:
        with raises(Mismatch) as caught:
            store.get_collection("made", mapping="auto")
        assert "dimension" in caught.error.message, "nobody knows it while the collection is empty"
        made.add(["a", "b"], [[1, 0], [0, 3]], metadatas=[{"data": "x", "n": 1}, {"data": "y", "n": 2.0}])
        plain = store.get_collection("made", mapping="langchain")
        assert (plain.info.metric, plain.info.dimension, plain.peek().documents) == (Metric.L2, 2, [None, None])
        guessed = store.get_collection("made", mapping="auto")
        assert guessed.peek().documents == ["x", "y"]
        assert guessed.query([0, 1], where=F("n") == 2).distances.tolist() == [2.0]
        mapping = plain.mapping
        assert mapping is not None
        for change in ({"vector": "v"}, {"id": ("a",)}, {"document": ("text",)}, {"metric": Metric.DOT}):
            with raises(Mismatch):
                store.get_collection("made", mapping=replace(mapping, **change))  # type: ignore[arg-type]  # fields by name
        with raises(NotFound):
            store.propose_mapping("nothing")
