"""A tour of all databases, of files and back: what comes home is what set out, record by record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.transfer.faulty import source_of
from tests.transfer.test_fields import fielded
from vstore import HNSW, Dense, Records, Sparse, connect
from vstore.capabilities import no
from vstore.conformance.corpus import records as corpus
from vstore.conformance.fixtures import clause
from vstore.memory.store import CAPABILITIES
from vstore.transfer import CollectionSource, CollectionTarget, LossKind, copy, open_location
from vstore.transfer.endpoint import Source
from vstore.transfer.equality import digest_records

STOPS = ["chroma", "milvus", "pgvector", "qdrant", "parquet", "memory"]


def _tour(tmp_path: Path, records: Records, metric: str) -> None:
    begun = source_of(records, metric=metric, index=HNSW(m=8, ef_construction=40), metadata={"owner": "it's me"})
    here: Source = begun
    with ExitStack() as stack:
        for stop in STOPS:
            url = "memory:" if stop == "memory" else f"{stop}:{tmp_path / f'{stop}.db'}"
            target = stack.enter_context(open_location(url, new=True)).target("docs")
            report = copy(here, target, workers=2, queries=2)
            assert report.exit_code == 0, f"{stop}: {report.to_json()}"
            assert report.copied == len(records)
            arrived = target.existing()
            assert arrived is not None
            here = arrived
        home = here.get(records.ids)
    assert here.info == begun.info
    assert home.ids == records.ids
    assert home.documents == records.documents
    assert home.metadatas is not None
    assert records.metadatas is not None
    for ours, theirs in zip(records.metadatas, home.metadatas, strict=True):
        assert theirs == ours
        assert {key: type(value) for key, value in theirs.items()} == {key: type(value) for key, value in ours.items()}
    assert home.vectors is not None
    assert records.vectors is not None
    if metric == "cosine":
        lengths = np.linalg.norm(records.vectors.astype(float), axis=1)
        assert (np.linalg.norm(home.vectors.astype(float) - records.vectors, axis=1) <= 1e-5 * lengths).all()
    else:
        np.testing.assert_array_equal(home.vectors, records.vectors)


def _records(n: int) -> Records:
    return corpus(replace(CAPABILITIES, nested_metadata=no("Chroma has flat metadata")), n)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_tour_of_all_databases_and_files_and_back(tmp_path: Path, metric: str) -> None:
    _tour(tmp_path, _records(2_000 if metric == "l2" else 400), metric)


@pytest.mark.nightly
def test_a_tour_with_20000_records(tmp_path: Path) -> None:
    _tour(tmp_path, _records(20_000), "l2")


def test_nested_metadata_travel_where_they_are_to_be_had(tmp_path: Path) -> None:
    records = corpus(CAPABILITIES, 500)
    here = source_of(records)
    with ExitStack() as stack:
        for stop in ("milvus", "pgvector", "qdrant", "memory"):
            url = "memory:" if stop == "memory" else f"{stop}:{tmp_path / f'{stop}.db'}"
            store = stack.enter_context(connect(url))
            assert copy(here, CollectionTarget(store, "docs"), queries=0).exit_code == 0
            here = CollectionSource(store, store.get_collection("docs"))
        assert here.get(records.ids).metadatas == records.metadatas
        store = stack.enter_context(connect(f"chroma:{tmp_path / 'chroma'}"))
        report = copy(here, CollectionTarget(store, "docs"), queries=0, allow=[LossKind.NESTED])
        assert report.exit_code == 0, report.to_json()
        assert [loss.kind for loss in report.losses] == [LossKind.NESTED]


def _copied(place: Path, source: str, target: str, *, program: Sequence[str]) -> subprocess.CompletedProcess[str]:
    ends = [f"{end}:{place / end}.db" for end in (source, target)]
    return subprocess.run(
        [sys.executable, *program, "copy", *ends, "--collection", "docs", "--chunk-rows", "50"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "XDG_STATE_HOME": str(place / "state")},
    )


@clause("MIG-18", "MIG-19")
def test_named_fields_travel_from_qdrant_to_milvus_and_postgresql_and_back_bit_for_bit(tmp_path: Path) -> None:
    records = replace(fielded(300), vectors=None)
    fields = {"image": Dense(3, "l2"), "sound": Dense(5, "dot"), "terms": Sparse()}
    with connect(f"qdrant:{tmp_path / 'qdrant.db'}") as store:
        store.create_collection("docs", fields=fields).upsert(records)
        begun = store.get_collection("docs").info.fields
    crash = [str(Path(__file__).with_name("crashing.py")), "within a chunk:3"]
    killed = _copied(tmp_path, "qdrant", "milvus", program=crash)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    vstore = ["-c", "from vstore.cli import main; main()"]
    digests = set()
    for here, there in (("qdrant", "milvus"), ("milvus", "pgvector"), ("pgvector", "qdrant")):
        if there == "qdrant":
            (tmp_path / "qdrant.db").rename(tmp_path / "first")
        done = _copied(tmp_path, here, there, program=vstore)
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(done.stdout.splitlines()[-1])
        assert (report["copied"], report["resumed"], report["losses"]) == (300, there == "milvus", [])
        assert report["verification"]["bitwise"]
        digests.add(report["digest"])
    assert digests == {str(digest_records(records))}
    with connect(f"qdrant:{tmp_path / 'qdrant.db'}") as store:
        home = store.get_collection("docs")
        assert home.info.fields == begun
        assert home.get(records.ids) == records
