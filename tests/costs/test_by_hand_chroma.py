"""The floor under Chroma, written by hand, gives vstore's answers: what it leaves out is not worth anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import F

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_it_answers_as_vstore_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from data import queries, workload
    from raw_chroma import ExactChroma

    records = workload(300, 32)
    vectors, metadatas = records.vectors, records.metadatas
    assert vectors is not None
    assert metadatas is not None
    vectors[10:15] = vectors[9]  # come by id
    vectors[20] = 1e-20
    metadatas[1]["year"], metadatas[9]["year"] = "2020", 2012  # a text is in no ordering with a number
    metadatas[2]["year"], metadatas[3]["price"] = 2010.0000000000002, 1 / 3  # what Chroma would change
    del metadatas[4]["year"]
    by_hand: Any = ExactChroma(tmp_path / "hand", 32)
    by_hand.create("docs", m=100, ef=1000)  # so that an index leaves nothing to chance
    by_hand.ingest(records)
    with pytest.raises(ValueError, match="exist already"):
        by_hand.ingest(records[299:])
    with vstore.connect(f"chroma:{tmp_path / 'ours'}") as store:
        ours = store.create_collection("docs", dimension=32, metric="l2", index=vstore.HNSW(100, 1000, 1000))
        ours.add(records.ids, vectors, records.documents, metadatas)
        where = F("year") >= 2010
        for vector in (*queries(8, 32), vectors[9], vectors[2], vectors[20], np.zeros(32, np.float32)):
            for k in (10, 300):
                for found, hits in (
                    (by_hand.query(vector, k), ours.query(vector, k=k)),
                    (by_hand.query_filtered(vector, k), ours.query(vector, k=k, where=where)),
                ):
                    assert found[:3] == (hits.ids, hits.documents, hits.metadatas)
                    np.testing.assert_allclose(found[3], hits.distances, rtol=1e-5)
                    np.testing.assert_array_equal(found[4], -found[3])
    assert by_hand.scan() == 300
    by_hand.close()
