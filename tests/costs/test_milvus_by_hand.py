"""What the benchmark writes by hand against pymilvus answers as vstore does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vstore
from tests.milvus_server import milvus_server
from vstore import Collection, F, Flat, Hits, Records

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"


@contextmanager
def _places(kind: str, path: Path) -> Iterator[tuple[str, str]]:
    if kind == "lite":
        yield f"milvus:{path / 'ours.db'}", str(path / "theirs.db")
        return
    with milvus_server() as url:
        yield url, url.replace("milvus", "http", 1)


def _is_the_same(found: Any, expected: Hits) -> None:
    assert [hit[0] for hit in found] == expected.ids
    assert np.allclose([hit[1] for hit in found], expected.distances, rtol=1e-5, atol=1e-6)
    assert [hit[2:] for hit in found] == [(hit.document, hit.metadata) for hit in expected]


async def _compare_async(ours: Collection, theirs: Any, records: Records, asked: list[np.ndarray]) -> None:
    async with theirs:
        await theirs.create("theirs_async")
        theirs.floor.ingest(records)
        for vector in asked:
            _is_the_same(await theirs.query(vector, 10), ours.query(vector, k=10))
            for k in (10, 200):
                _is_the_same(await theirs.query_filtered(vector, k), ours.query(vector, k=k, where=F("year") >= 2010))


@pytest.mark.parametrize("kind", ["lite", pytest.param("server", marks=pytest.mark.nightly)])
def test_by_hand_answers_as_vstore_does(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from data import queries, workload  # type: ignore[import-not-found]
    from exact_milvus_async import AsyncExactMilvus  # type: ignore[import-not-found]
    from raw_milvus import ExactMilvus  # type: ignore[import-not-found]

    records = workload(300, 16)
    records.metadatas[7]["year"], records.metadatas[9]["year"] = "2015", "x"
    del records.metadatas[8]["year"]
    records.vectors[20] = records.vectors[21]
    with _places(kind, tmp_path) as (url, uri), vstore.connect(url) as store:
        ours = store.create_collection("ours", dimension=16, metric="l2", index=Flat())
        ours.add(records.ids, records.vectors, records.documents, records.metadatas)
        theirs = ExactMilvus(uri, 16, hnsw=False)
        theirs.create("theirs")
        theirs.ingest(records)
        asked = [*queries(8, 16), records.vectors[20], records.vectors[20] * np.float32(1.01)]
        for vector in asked:
            for k, where, ask in (
                (10, None, theirs.query),
                (10, F("year") >= 2010, theirs.query_filtered),
                (200, F("year") >= 2010, theirs.query_filtered),
            ):
                expected, found = ours.query(vector, k=k, where=where), ask(vector, k)
                _is_the_same(found, expected)
        assert theirs.scan() == len(records)
        with pytest.raises(ValueError, match="these ids exist"):
            theirs.ingest(records[3:4])
        if kind == "server":
            asyncio.run(_compare_async(ours, AsyncExactMilvus(uri, 16), records, asked))
        theirs.close()
    for name in ("data", "raw_milvus", "exact_milvus_async"):
        sys.modules.pop(name, None)
