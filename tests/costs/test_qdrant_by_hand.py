"""The hand-written floor under Qdrant's engine answers as vstore does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import vstore
from vstore import HNSW, RRF, Dense, F, Records, Sparse, SparseArray

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
YEARS: list[Any] = ["2015", [2015], datetime(2015, 1, 1, tzinfo=UTC), 2**53 + 1, 2009.9999999999998, True, 2010.5]


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from data import workload

    made = workload(300, 16)
    metadatas = list(made.metadatas or ())
    for place, year in enumerate(YEARS):
        metadatas[place * 20] = {**metadatas[place * 20], "year": year}
    metadatas[299] = {"lang": "en"}
    assert made.vectors is not None
    made.vectors[7] = made.vectors[3]  # a tie
    return replace(made, metadatas=metadatas)


@pytest.fixture
def by_hand(tmp_path: Path, records: Records) -> Iterator[Any]:
    from exact_qdrant_edge import ExactQdrantEdge

    (tmp_path / "hand").mkdir()
    made = ExactQdrantEdge(tmp_path / "hand", 16)
    made.create("docs")
    yield made
    made.drop("docs")


def test_it_answers_as_vstore_does(records: Records, by_hand: Any, tmp_path: Path) -> None:
    from data import queries

    by_hand.ingest(records)
    asked = [*queries(10, 16), *(records.vectors if records.vectors is not None else [])[:10]]
    where = F("year") >= 2010
    with vstore.connect(f"qdrant:{tmp_path / 'ours'}") as store:
        docs = store.create_collection("docs", dimension=16, metric="l2", index="hnsw")
        docs.add(records)
        for vector in asked:
            for hits, found in (
                (docs.query(vector, k=10), by_hand.query(vector, 10)),
                (docs.query(vector, k=10, where=where), by_hand.query_filtered(vector, 10)),
                (docs.query(vector * 1e-20, k=10), by_hand.query(vector * 1e-20, 10)),
            ):
                assert [(hit.id, hit.document, hit.metadata) for hit in hits] == [one for one, _, _ in found]
                assert [(hit.distance, hit.score) for hit in hits] == [(near, score) for _, near, score in found]
    assert by_hand.scan() == 300


def test_it_refuses_what_vstore_refuses(records: Records, by_hand: Any) -> None:
    by_hand.ingest(records)
    with pytest.raises(ValueError, match="exists"):
        by_hand.ingest(records[:1])
    assert records.vectors is not None
    for changed in (
        {"ids": ["a", "a"]},
        {"ids": ["a", ""]},
        {"vectors": records.vectors[:2] * float("inf")},
        {"documents": ["x\0", None]},
        {"metadatas": [{"$k": 1}, {}]},
        {"metadatas": [{"k": float("nan")}, {}]},
    ):
        with pytest.raises(ValueError, match=r"."):
            by_hand.ingest(replace(replace(records[:2], ids=["x", "y"]), **changed))
    assert by_hand.scan() == 300


def test_sparse_hybrid_and_tenants_are_answered_as_vstore_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from data import queries
    from exact_fields import ExactQdrantEdgeFields
    from fields import DIMENSIONS, content, terms

    made = content(300)
    words = made.fields["terms"]
    assert isinstance(words, SparseArray)
    tied = list(words)
    tied[10:40] = [tied[3]] * 30  # more of one score than come beyond k
    metadatas = [one | {"tenant": f"tenant-{place % 20}"} for place, one in enumerate(made.metadatas or ())]
    records = replace(made, metadatas=metadatas, fields=made.fields | {"terms": SparseArray.stack(tied)})
    by_hand = ExactQdrantEdgeFields(tmp_path / "hand", DIMENSIONS)
    by_hand.create("docs")
    by_hand.ingest(records)
    fields = {"image": Dense(DIMENSIONS["image"], "l2", index=HNSW()), "terms": Sparse()}
    with vstore.connect(f"qdrant:{tmp_path / 'ours'}") as store:
        docs = store.create_collection(
            "docs", dimension=DIMENSIONS["vector"], metric="l2", index="hnsw", fields=fields, partition_by="tenant"
        )
        docs.add(records)
        asked = zip(
            queries(6, DIMENSIONS["vector"]),
            queries(6, DIMENSIONS["image"]),
            [*terms(4, 6, 5), tied[3], tied[3]],
            strict=True,
        )
        for place, (vector, image, sparse) in enumerate(asked):
            tenant = f"tenant-{place}"
            for hits, found in (
                (docs.query(sparse=sparse, k=10), by_hand.sparse(sparse, 10)),
                (docs.query({"image": image}, k=10), by_hand.dense(image, 10)),
                (docs.partition(tenant).query(vector, k=10), by_hand.inside(tenant, vector, 10)),
                (docs.query(vector, sparse=sparse, k=10, fuse=RRF()), by_hand.hybrid(vector, sparse, 10)),
            ):
                assert [(hit.id, hit.document, hit.metadata) for hit in hits] == [one for one, *_ in found]
                assert [(hit.distance, hit.score) for hit in hits] == [(near, score) for _, near, score, *_ in found]
                legs = [{name: (leg.rank, leg.score) for name, leg in hit.legs.items()} for hit in hits]
                assert legs == [rest[0] if rest else {} for _, _, _, *rest in found]
    by_hand.drop("docs")
