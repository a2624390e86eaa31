"""The floor of the benchmark answers as vstore does: it has the same guarantees."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import HNSW, F, Flat
from vstore.indexing import Index

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
DIMENSION = 16


@pytest.mark.parametrize("index", [Flat(), HNSW()], ids=["flat", "hnsw"])
def test_the_floor_answers_alike(
    server: str, store: vstore.Store, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    data, exact = import_module("data"), import_module("exact_pgvector")
    records = data.workload(300, DIMENSION)
    records.metadatas[0]["year"], records.metadatas[2]["year"] = "2015", [2015]
    del records.metadatas[1]["year"]
    if isinstance(index, Flat):  # an index picks any of those that tie for the last place
        records.vectors[20:30] = records.vectors[20]
    docs = store.create_collection("docs", dimension=DIMENSION, metric="l2", index=index)
    docs.add(records)
    floor: Any = exact.ExactPgvector(server, DIMENSION, hnsw=isinstance(index, HNSW))
    try:
        floor.create("by_hand")
        floor.ingest(records)
        queries = [*data.queries(20, DIMENSION), *records.vectors[[0, 1, 2, 20]], records.vectors[3] * 1e-20]
        for vector in queries:
            for k in (10, 290):  # of 290 fewer match
                plain = (docs.query(vector, k=k), floor.query(vector, k))
                filtered = (docs.query(vector, k=k, where=F("year") >= 2010), floor.query_filtered(vector, k))
                for hits, (ids, distances, documents, metadatas) in (plain, filtered):
                    assert hits.ids == ids
                    np.testing.assert_allclose(hits.distances, distances, rtol=1e-5, atol=1e-6)
                    assert hits.documents == documents
                    assert hits.metadatas == metadatas
        assert floor.scan() == 300
        with pytest.raises(Exception, match="by_hand_pkey"):
            floor.ingest(records[:1])
    finally:
        floor.drop("by_hand")
        floor.close()


def test_the_async_floor_answers_as_the_other_one(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    data, exact = import_module("data"), import_module("exact_pgvector_async")
    records = data.workload(300, DIMENSION)
    records.metadatas[0]["year"] = "2015"
    queries = [*data.queries(10, DIMENSION), *records.vectors[[0, 1]], records.vectors[3] * 1e-20]

    async def ask() -> list[tuple[Any, Any]]:
        async with exact.AsyncExactPgvector(server, DIMENSION) as client:
            floor = client.floor
            floor.create("by_hand_async")
            floor.ingest(records)
            pairs = [
                *[(await client.query(vector, k), floor.query(vector, k)) for vector in queries for k in (10, 290)],
                *[(await client.query_filtered(vector, 200), floor.query_filtered(vector, 200)) for vector in queries],
            ]
            floor.drop("by_hand_async")
            return pairs

    for found, expected in asyncio.run(ask()):
        for column, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(column, other)
