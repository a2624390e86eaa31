"""The floor under Chroma, written by hand, gives vstore's answers: what it leaves out is not worth anything."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

import vstore
from tests.servers import chroma_server
from vstore import HNSW, F, Hits, Records

WHERE = F("year") >= 2010
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def _records() -> Records:
    from data import workload

    records: Records = workload(300, 32)
    vectors, metadatas = records.vectors, records.metadatas
    assert vectors is not None
    assert metadatas is not None
    vectors[10:15] = vectors[9]  # come by id
    vectors[20] = 1e-20
    metadatas[1]["year"], metadatas[9]["year"] = "2020", 2012  # a text is in no ordering with a number
    metadatas[2]["year"], metadatas[3]["price"] = 2010.0000000000002, 1 / 3  # what Chroma would change
    del metadatas[4]["year"]
    return records


def _queries(records: Records) -> list[np.ndarray]:
    from data import queries

    assert records.vectors is not None
    return [*queries(8, 32), *records.vectors[[9, 2, 20]], np.zeros(32, np.float32)]


def _is_the_same(found: Any, hits: Hits) -> None:
    assert found[:3] == (hits.ids, hits.documents, hits.metadatas)
    np.testing.assert_allclose(found[3], hits.distances, rtol=1e-5)
    np.testing.assert_array_equal(found[4], -found[3])


def test_it_answers_as_vstore_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from raw_chroma import ExactChroma

    records = _records()
    by_hand: Any = ExactChroma(tmp_path / "hand", 32)
    by_hand.create("docs", m=100, ef=1000)  # so that an index leaves nothing to chance
    by_hand.ingest(records)
    with pytest.raises(ValueError, match="exist already"):
        by_hand.ingest(records[299:])
    with vstore.connect(f"chroma:{tmp_path / 'ours'}") as store:
        ours = store.create_collection("docs", dimension=32, metric="l2", index=HNSW(100, 1000, 1000))
        ours.add(records)
        for vector in _queries(records):
            for k in (10, 300):
                _is_the_same(by_hand.query(vector, k), ours.query(vector, k=k))
                _is_the_same(by_hand.query_filtered(vector, k), ours.query(vector, k=k, where=WHERE))
    assert by_hand.scan() == 300
    by_hand.close()


def test_async_it_answers_as_vstore_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from exact_chroma_async import AsyncExactChroma

    async def compare(url: str) -> None:
        records, address = _records(), urlsplit(url)
        by_hand = AsyncExactChroma(address.hostname or "", address.port or 0, 32)
        await by_hand.create("hand", m=100, ef=1000)
        await by_hand.ingest(records)
        async with vstore.aio.connect(url) as store:
            ours = await store.create_collection("docs", dimension=32, metric="l2", index=HNSW(100, 1000, 1000))
            await ours.add(records)
            for vector in _queries(records):
                for k in (10, 300):
                    _is_the_same(await by_hand.query(vector, k), await ours.query(vector, k=k))
                    found = await by_hand.query_filtered(vector, k)
                    _is_the_same(found, await ours.query(vector, k=k, where=WHERE))

    with chroma_server(tmp_path) as url:
        asyncio.run(compare(url))
