"""Directories of old versions of chromadb; ``make test-foreign`` installs each in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import vstore
from tests.foreign import old_chroma
from tests.foreign.test_packages import SET
from vstore import HNSW, RecordMapping

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(SET not in ("", "requirements"), reason="once is enough: its environments are its own"),
]

ROOT = Path(__file__).parents[2]
VERSIONS = ["0.4.24", "0.5.23", "0.6.3", "1.0.20"]
METRICS = {
    "plain": "l2",
    "cosine": "cosine",
    "dot": "dot",
    "told_l2": "l2",
    "settings": "cosine",
    "forgotten": "cosine",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_directory_of_an_old_chroma_is_read_by_the_metric_that_its_engine_follows(
    version: str, tmp_path: Path
) -> None:
    python = ROOT / f".venv-foreign-chroma-{version}" / "bin" / "python"
    command = [str(python), old_chroma.__file__, str(tmp_path / "db")]
    written = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(written.stdout.strip().splitlines()[-1])
    with vstore.connect(f"chroma:{tmp_path}/db") as store:
        assert store.list_foreign_collections() == sorted(METRICS)
        for name, metric in METRICS.items():
            collection = store.get_collection(name, mapping="auto")
            assert collection.info.metric == metric
            for exact in (True, False):
                assert collection.query(old_chroma.QUERY, k=5, exact=exact).ids == found[name]
            usual = RecordMapping(document=("document",), metadata=("metadata",), metric=metric)
            assert store.get_collection(name, mapping=usual).count() == len(old_chroma.IDS)
        index = store.get_collection("settings", mapping="auto").info.index
        assert index == HNSW(m=8, ef_construction=40, ef_search=30)
