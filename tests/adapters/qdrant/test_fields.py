"""Named and sparse vectors: what Qdrant keeps of them, and its traps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import qdrant_edge as edge
from qdrant_client import QdrantClient, models

import vstore
from tests.qdrant_double import Double
from vstore import HNSW, Dense, F, Flat, Sparse
from vstore.indexing import Quantization

New = Callable[..., vstore.Collection]
FIELDS = {"image": Dense(3, "cosine"), "title": Dense(2, "dot"), "terms": Sparse()}


def ones(n: int, dimension: int = 2) -> np.ndarray:
    return np.arange(1, n * dimension + 1, dtype=np.float32).reshape(n, dimension)


def test_the_engine_validates_no_sparse_vector(tmp_path: Path) -> None:
    """Why only vectors in order are sent: should this fail, Qdrant refuses what it cannot rank."""
    config = edge.EdgeConfig(sparse_vectors={"terms": edge.EdgeSparseVectorParams()})
    shard = edge.EdgeShard.create(str(tmp_path), config)
    twice = edge.SparseVector([5, 5], [1.0, float("nan")])
    shard.update(edge.UpdateOperation.upsert_points([edge.Point(id=1, vector={"terms": twice}, payload={})]))
    assert shard.retrieve([1], False, True)[0].vector
    shard.close()


def test_a_record_that_is_replaced_keeps_no_vector_of_its_old_self(new: New) -> None:
    c = new(fields=FIELDS)
    both = {"image": [[1, 2, 3]], "terms": [{7: 1.0}]}
    for write in (c.upsert, c.add):
        c.clear()
        c.upsert(["a"], ones(1), fields=both)
        if write == c.add:
            c.delete(["a"])
        write(["a"], ones(1), fields={"title": [[1, 0]]})
        record = c.get(["a"])[0]
        assert [record.fields[name] is None for name in FIELDS] == [True, False, True]
        for exact in (True, False):
            assert c.query({"image": [1, 2, 3]}, exact=exact).ids == []
            assert c.query(sparse={7: 1.0}, exact=exact).ids == []
            assert c.query({"title": [1, 1]}, exact=exact).ids == ["a"]


def test_a_long_record_without_the_field_is_not_looked_at_under_dot(new: New) -> None:
    c = new(2, "dot", fields={"title": Dense(2, "dot")})
    n = 300
    titles: list[list[float] | None] = [None] * n
    for place in range(0, n, 3):
        titles[place] = [1.0, place / n]
    titles[0] = [1e6, -1e6]
    c.add([f"{place:03}" for place in range(n)], ones(n) * 1e9, fields={"title": titles})
    hits = c.query({"title": [1.0, 1.0]}, k=5, exact=True)
    assert hits.ids == ["297", "294", "291", "288", "285"]


def test_a_field_has_a_metric_an_index_and_a_quantization_of_its_own(double: Double) -> None:
    fields = {
        "image": Dense(32, "dot", index=HNSW(m=8, ef_construction=50, quantization=Quantization.INT8)),
        "title": Dense(4, "l2", index=Flat()),
        "terms": Sparse(),
    }
    with vstore.connect(double.url) as store:
        c = store.create_collection("own_settings", dimension=2, index=HNSW(m=20), fields=fields)
        assert store.get_collection("own_settings").info.fields == fields
        kept = double.client.get_collection("own_settings").config.params
        assert isinstance(kept.vectors, dict)
        assert list(kept.vectors) == ["vector", "image", "title"]
        assert list(kept.sparse_vectors or {}) == ["terms"]
        image = kept.vectors["image"]
        assert image.distance == models.Distance.DOT
        assert image.hnsw_config is not None
        assert (image.hnsw_config.m, image.hnsw_config.ef_construct) == (8, 50)
        assert isinstance(image.quantization_config, models.ScalarQuantization)
        title, unnamed = kept.vectors["title"], kept.vectors["vector"]
        assert title.hnsw_config is not None
        assert title.hnsw_config.m == 0
        assert title.quantization_config is None
        assert unnamed.hnsw_config is not None
        assert unnamed.hnsw_config.m == 20
        store.delete_collection(c.name)


def test_a_sparse_query_is_one_request(double: Double) -> None:
    with vstore.connect(double.url) as store:
        c = store.create_collection("requests", fields={"terms": Sparse()})
        c.add([f"{n:03}" for n in range(200)], sparse=[{n % 7: 1.0 + n} for n in range(200)])
        for asked, path in (([{3: 1.0}], "query"), ([{n: 1.0} for n in range(7)], "query/batch")):
            double.requests.clear()
            assert all(len(hits) == 5 for hits in c.query_many(sparse=asked, k=5))
            assert [seen for _, seen in double.requests] == [f"/collections/requests/points/{path}"]
        store.delete_collection("requests")


def test_a_vector_that_is_wanted_alone_comes_alone(double: Double) -> None:
    with vstore.connect(double.grpc_url) as store:
        c = store.create_collection("alone", dimension=2, fields=FIELDS)
        c.add(["a", "b"], ones(2), fields={"image": [[3, 4, 0], None], "terms": [None, {2**32 - 3: 0.1}]})
        seen: list[object] = []
        retrieve = double.client.retrieve

        def watched(*arguments: object, **options: object) -> object:
            seen.append((options["with_payload"], options["with_vectors"]))
            return retrieve(*arguments, **options)  # type: ignore[arg-type]

        double.client.retrieve = watched  # type: ignore[method-assign, assignment]
        try:
            found = c.get(["a", "b"], include=["image"])
        finally:
            double.client.retrieve = retrieve  # type: ignore[method-assign]
        assert seen == [(["id", "norms", "creation"], ["image"])]
        assert found.fields.keys() == {"image"}
        np.testing.assert_allclose(found.fields["image"][0], [3, 4, 0], rtol=1e-6)  # type: ignore[index]
        store.delete_collection("alone")


def test_other_clients_find_the_vectors_by_the_names_of_the_fields(tmp_path: Path) -> None:
    client = QdrantClient(path=str(tmp_path))
    with vstore.connect(client=client) as store:
        c = store.create_collection("shared", dimension=2, metric="l2", fields=FIELDS)
        c.add(["a", "b"], ones(2), fields={"title": [[1, 2], None], "terms": [{9: 2.0, 3: 1.0}, None]})
        points, _ = client.scroll("shared", with_vectors=True)
        found = {point.payload["id"]: point.vector for point in points if point.payload}
        terms = models.SparseVector(indices=[3, 9], values=[1.0, 2.0])
        assert found == {"a": {"vector": [1, 2], "title": [1, 2], "terms": terms}, "b": {"vector": [3, 4]}}
    client.close()


def test_long_sparse_vectors_are_split_by_their_bytes(double: Double) -> None:
    with vstore.connect(double.url) as store:
        most = store.capabilities.limits.max_sparse_values
        double.max_body = 12 << 20
        c = store.create_collection("long", fields={"terms": Sparse()})
        indices, values = np.arange(most) * 65_000, np.full(most, 1 / 3)
        c.add([str(n) for n in range(12)], sparse=[(indices + n, values) for n in range(12)])
        assert c.count() == 12
        assert c.query(sparse={65_003: 1.0}).ids == ["3"]
        store.delete_collection("long")


def test_the_index_of_a_field_is_built_and_searched(tmp_path: Path) -> None:
    n, dimension = 9_000, 512
    rng = np.random.default_rng(1)
    images = rng.normal(size=(n, dimension)).astype(np.float32)
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        fields = {"image": Dense(dimension, "dot", index=HNSW(ef_search=400)), "terms": Sparse()}
        c = store.create_collection("built", fields=fields)
        c.add(
            [f"{place:05}" for place in range(n)],
            metadatas=[{"n": place % 3} for place in range(n)],
            fields={"image": images, "terms": [{place % 50: 1.0 + place} for place in range(n)]},
        )
        assert store.native.shards["built"].info().indexed_vectors_count > n, "only the sparse ones are"
        query = {"image": rng.normal(size=dimension).astype(np.float32)}
        for where in (None, F("n") == 1):
            true = c.query(query, k=10, where=where, exact=True)
            found = c.query(query, k=10, where=where, include=["terms"])
            assert len(set(found.ids) & set(true.ids)) >= 7
        assert c.query(sparse={7: 1.0}, k=2).ids == ["08957", "08907"]
        c.update(["00007"], fields={"image": [None], "terms": [{7: 1e9}]})
        assert c.query(sparse={7: 1.0}, k=1).ids == ["00007"]
        assert "00007" not in c.query({"image": images[7]}, k=50).ids
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        again = store.get_collection("built")
        assert again.get(["00007"]).fields["terms"][0].to_dict() == {7: 1e9}  # type: ignore[union-attr]
        assert again.query(sparse={7: 1.0}, k=1).ids == ["00007"]
