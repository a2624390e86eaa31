"""Partitions: the tenant index, and queries of one partition that are exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models

import vstore
from tests.qdrant_double import Double
from vstore import HNSW, F
from vstore.indexing import Quantization

New = Callable[..., vstore.Collection]


@pytest.mark.parametrize("protocol", ["url", "grpc_url"])
@pytest.mark.parametrize(("key", "path"), [("tenant", "metadata.tenant"), ("a.b c", 'metadata."a.b c"')])
def test_the_key_has_a_tenant_index_that_is_made_once(double: Double, protocol: str, key: str, path: str) -> None:
    with vstore.connect(getattr(double, protocol)) as store:
        c = store.create_collection("tenants", dimension=2, partition_by=key)
        assert set(double.client.indexes["tenants"]) == {"terms", path}
        made = double.client.indexes["tenants"][path]
        assert isinstance(made.params, models.KeywordIndexParams)
        assert made.params.is_tenant
        double.client.indexes["tenants"] = {"terms": double.client.indexes["tenants"]["terms"]}
        store.get_collection(c.name)
        assert set(double.client.indexes["tenants"]) == {"terms", path}
        double.requests.clear()
        store.get_collection(c.name)
        assert not [path for _, path in double.requests if "index" in path]
        store.delete_collection(c.name)


def test_a_query_of_a_partition_is_one_request(double: Double) -> None:
    with vstore.connect(double.url) as store:
        c = store.create_collection("asked", dimension=2, partition_by="tenant")
        for tenant in "ab":
            c.partition(tenant).add([tenant + str(n) for n in range(9)], np.eye(9, 2) + 1)
        part = c.partition("a")
        for where in (None, ~(F("n") == 5)):
            double.requests.clear()
            assert len(part.query([1, 0], k=5, where=where)) == 5
            assert [path.rpartition("/")[2] for _, path in double.requests] == ["query"]
        store.delete_collection("asked")


def test_partitions_that_look_alike_are_told_apart(new: New) -> None:
    c = new(partition_by="a.b")
    values = ["a", "A", "a ", 'a"', "a\\", "*", "ä", "x" * 255, "1"]
    for place, value in enumerate(values):
        c.partition(value).add([str(place)], [[1, 1]], metadatas=[{"a": {"b": value}}])
    for place, value in enumerate(values):
        assert c.partition(value).query([1, 1]).ids == [str(place)]
        assert c.count(F("a.b") == value) == 1
        assert c.count(~(F("a.b") == value)) == len(values) - 1


@pytest.mark.parametrize("quantization", [None, Quantization.BINARY])
def test_ten_thousand_records_of_a_partition_have_a_recall_of_1(
    tmp_path: Path, quantization: Quantization | None
) -> None:
    big, others, dimension = 10_000, 6_000, 288  # 11.5 MB: more than Qdrant compares one by one if it is told nothing
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(big + others, dimension)).astype(np.float32)
    tenants = ["big"] * big + [f"t{place % 20}" for place in range(others)]
    ids = [f"{place:05}" for place in range(big + others)]
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        c = store.create_collection(
            "recall",
            dimension=dimension,
            metric="l2",
            index=HNSW(m=4, ef_construction=16, ef_search=10, quantization=quantization),
            partition_by="tenant",
        )
        c.add(ids, vectors, metadatas=[{"tenant": tenant, "n": n % 2} for n, tenant in enumerate(tenants)])
        assert store.native.shards["recall"].info().indexed_vectors_count
        whole = 0
        for query in rng.normal(size=(8, dimension)).astype(np.float32):
            for tenant, where in (("big", None), ("big", F("n") == 1), ("t3", None)):
                part = c.partition(tenant)
                assert part.query(query, k=10, where=where).ids == part.query(query, k=10, where=where, exact=True).ids
            whole += len(set(c.query(query, k=10).ids) & set(c.query(query, k=10, exact=True).ids))
        assert whole < 80, "the index alone would do"
