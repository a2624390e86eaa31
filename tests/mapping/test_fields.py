"""Further vectors of collections that vstore did not create are read as named fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pymilvus import DataType, MilvusClient
from qdrant_client import QdrantClient, models

import vstore
from tests.servers import postgres_server
from vstore import (
    RRF,
    Collection,
    Dense,
    Flat,
    InvalidInput,
    Metric,
    Mismatch,
    RecordMapping,
    Sparse,
    SparseArray,
    Store,
    connect,
)
from vstore.conformance.checks import raises
from vstore.transfer import CollectionSource, CollectionTarget, Status, copy

N = 7
VECTORS = np.arange(2 * N, dtype=np.float32).reshape(N, 2) + 1
IMAGES = np.random.default_rng(1).standard_normal((N, 3)).astype(np.float32)
TERMS: list[dict[int, float]] = [{} if n == 3 else {n: 0.1 * (n + 1), 100: 0.3} for n in range(N)]


@pytest.fixture
def qdrant() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


def of_qdrant(client: QdrantClient) -> None:
    """Points of which one lacks the image, and one the terms."""
    client.create_collection(
        "made",
        vectors_config={
            "body": models.VectorParams(size=2, distance=models.Distance.EUCLID),
            "image-vec": models.VectorParams(size=3, distance=models.Distance.DOT),
        },
        sparse_vectors_config={"sparse": models.SparseVectorParams()},
    )
    points = []
    for n in range(N):
        vector: dict[str, Any] = {"body": VECTORS[n].tolist()}
        if n != 2:
            vector["image-vec"] = IMAGES[n].tolist()
        if TERMS[n]:
            vector["sparse"] = models.SparseVector(indices=list(TERMS[n]), values=list(TERMS[n].values()))
        points.append(models.PointStruct(id=n, vector=vector, payload={"n": n}))
    client.upsert("made", points)


def of_milvus(path: str) -> None:
    client = MilvusClient(path)
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("body", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("image_vec", DataType.FLOAT_VECTOR, dim=3)
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    index = MilvusClient.prepare_index_params()
    index.add_index("body", index_type="FLAT", metric_type="L2")
    index.add_index("image_vec", index_type="FLAT", metric_type="IP")
    index.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection("made", schema=schema, index_params=index)
    rows = [
        {"id": n, "body": VECTORS[n], "image_vec": IMAGES[n], "sparse": TERMS[n] or {5: 1.0}, "n": n} for n in range(N)
    ]
    client.insert("made", rows)
    client.close()


def of_postgresql(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as sql:
        sql.execute("create extension if not exists vector with schema public")
        sql.execute(
            "create table public.made (id int primary key, body vector(2), image_vec vector(3), sparse sparsevec(200), "
            "bare vector, half halfvec(2), n int)"
        )
        sql.execute("create index on public.made using hnsw (body vector_l2_ops)")
        sql.execute("create index on public.made using hnsw (image_vec vector_ip_ops)")
        for n in range(N):
            terms = ",".join(f"{index + 1}:{value}" for index, value in TERMS[n].items())
            image = None if n == 2 else str(IMAGES[n].tolist())
            sparse = f"{{{terms}}}/200" if terms else None
            values = (n, str(VECTORS[n].tolist()), image, sparse, "[1,2]", n)
            sql.execute("insert into public.made values (%s, %s, %s, %s, null, %s, %s)", values)


def check(store: Store, name: str, collection: Collection, absent: bool) -> None:
    """Reads, asks and copies the collection, which has the fields ``name`` and ``sparse_vector`` beside its vectors."""
    assert collection.info.fields["sparse_vector"] == Sparse()
    assert collection.info.field(name) == Dense(3, "dot", index=collection.info.fields[name].index)  # type: ignore[union-attr]
    records = collection.get([str(n) for n in range(N)])
    images, terms = IMAGES.copy(), [row if row or absent else {5: 1.0} for row in TERMS]
    if absent:
        images[2] = np.nan
    np.testing.assert_array_equal(records.fields[name], images)  # type: ignore[arg-type]
    assert records.fields["sparse_vector"] == SparseArray.of(terms)
    assert records.metadatas is not None
    assert records.metadatas[1]["n"] == 1
    memory = connect("memory:")
    report = copy(CollectionSource(store, collection), CollectionTarget(memory, "docs"), allow=["other-vectors"])
    assert report.status is Status.VERIFIED, report.to_json()
    reference = memory.get_collection("docs")
    assert reference.get(records.ids).fields.keys() == records.fields.keys()
    for asked in ({name: IMAGES[0]}, {"sparse_vector": {100: 1.0, 4: 1.0}}):
        ours, theirs = (one.query(asked, k=4, where={"n": {"$gte": 1}}, exact=True) for one in (collection, reference))
        assert (ours.ids, ours.scores.tolist()) == (theirs.ids, theirs.scores.tolist())
    hybrid = {"vector": VECTORS[0], name: IMAGES[0], "sparse_vector": {100: 1.0}}
    both = [one.query(hybrid, fuse=RRF(), k=5, exact=True).ids for one in (collection, reference)]
    assert both[0] == both[1]


def test_qdrant_s_named_and_sparse_vectors(qdrant: QdrantClient) -> None:
    of_qdrant(qdrant)
    with connect(client=qdrant) as store:
        proposed = store.propose_mapping("made")
        assert dict(proposed.vectors) == {"image_vec": "image-vec", "sparse_vector": "sparse"}
        assert RecordMapping.from_json(proposed.to_json()) == proposed
        collection = store.get_collection("made", mapping=proposed)
        assert collection.info.omitted == ()
        check(store, "image_vec", collection, absent=True)


def test_a_sparse_vector_beside_qdrant_s_unnamed_one(qdrant: QdrantClient) -> None:
    config = models.VectorParams(size=2, distance=models.Distance.DOT)
    idf = models.SparseVectorParams(modifier=models.Modifier.IDF)
    qdrant.create_collection("made", vectors_config=config, sparse_vectors_config={"bm25": idf})
    vector: Any = {"": [1, 2], "bm25": models.SparseVector(indices=[7, 3], values=[1.0, 0.5])}
    qdrant.upsert("made", [models.PointStruct(id=1, vector=vector, payload={})])
    with connect(client=qdrant) as store:
        collection = store.get_collection("made", mapping="auto")
        [record] = collection.get(["1"])
        assert record.fields["bm25"].to_dict() == {3: 0.5, 7: 1.0}  # type: ignore[union-attr]
        assert record.vector is not None
        assert collection.get(["1"], include=["bm25"])[0].fields.keys() == {"bm25"}
        [left] = collection.info.omitted
        assert (left.kind, left.name, left.needs_leave) == ("collection-settings", "bm25", True)


def test_milvus_s_further_vectors(tmp_path: Path) -> None:
    path = str(tmp_path / "d.db")
    of_milvus(path)
    with connect(f"milvus:{path}") as store:
        check(store, "image_vec", store.get_collection("made", mapping="auto"), absent=False)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


def test_further_columns_of_a_table(server: str) -> None:
    of_postgresql(server)
    with connect(f"{server}?schema=public") as store:
        proposed = store.propose_mapping("made")
        assert dict(proposed.vectors) == {"image_vec": "image_vec", "sparse_vector": "sparse", "half": "half"}
        collection = store.get_collection("made", mapping=proposed)
        assert [(one.kind, one.name) for one in collection.info.omitted] == [("other-vectors", "bare")]
        assert collection.info.fields["half"] == Dense(2, "l2", index=Flat()), "without an index as the vector"
        check(store, "image_vec", collection, absent=True)
        less = {one: column for one, column in proposed.vectors.items() if one != "half"}
        collection = store.get_collection("made", mapping=replace(proposed, vectors=less, hidden=("bare", "half")))
        assert [one.name for one in collection.info.omitted] == ["bare", "half"]
        with pytest.raises(vstore.Unsupported, match="other-vectors"):
            copy(CollectionSource(store, collection), CollectionTarget(connect("memory:"), "docs"))


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ({"x": "body"}, "no further vector 'body'"),
        ({"x": "nothing"}, "no further vector 'nothing'; it has 'image-vec', 'sparse'"),
    ],
)
def test_a_mapping_that_does_not_fit(qdrant: QdrantClient, vectors: dict[str, str], said: str) -> None:
    of_qdrant(qdrant)
    with connect(client=qdrant) as store, raises(Mismatch) as caught:
        store.get_collection("made", mapping=RecordMapping(vector="body", vectors=vectors))
    assert said in caught.error.message


def test_a_vector_outside_the_contract_names_its_record(qdrant: QdrantClient) -> None:
    of_qdrant(qdrant)
    worse: Any = {"body": [1, 1], "sparse": models.SparseVector(indices=[1], values=[-1.0])}
    qdrant.upsert("made", [models.PointStruct(id=77, vector=worse, payload={})])
    with connect(client=qdrant) as store:
        collection = store.get_collection("made", mapping="auto")
        assert len(collection.get(["77"], include=["vectors"])) == 1
        with raises(Mismatch) as caught:
            collection.get(["1", "77"])
        assert caught.error.ids == ["77"]
        assert "Leave 'sparse_vector' out of vectors= in the mapping" in str(caught.error)


@pytest.mark.parametrize("vectors", [{"id": "a"}, {"a-b": "a"}, {"a": 1}, ["a"]])
def test_a_mapping_s_fields_have_legal_names(vectors: Any) -> None:
    with pytest.raises(InvalidInput):
        RecordMapping(vector="v", vectors=vectors, metric=Metric.L2)
