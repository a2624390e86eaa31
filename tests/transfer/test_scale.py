"""Memory does not grow with the collection: point 8 of what moving data must be."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from tests.transfer.endless import Endless
from vstore.conformance.fixtures import clause
from vstore.transfer import Status, copy


def _peak(rows: int) -> int:
    tracemalloc.start()
    try:
        report = copy(Endless(rows), Endless(rows), chunk_rows=200, workers=2)
        assert report.status is Status.VERIFIED
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@clause("MIG-8")
def test_ten_times_the_records_need_no_more_memory() -> None:
    _peak(1_000)  # what is loaded once
    small, large = _peak(2_000), _peak(20_000)
    # 3 MB both, by a quarter more or less as threads happen to overlap; a record is 600 bytes, and all of them 12 MB
    assert large < 1.5 * small


@clause("MIG-8")
@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_a_million_records_need_the_memory_of_ten_thousand(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    peaks = []
    for rows in (10_000, 1_000_000):
        done = subprocess.run(
            [sys.executable, "-m", "tests.transfer.endless", str(rows), f"pgvector:{tmp_path / 'pg'}"],
            capture_output=True,
            text=True,
            cwd=root,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    assert peaks[1] <= 1.2 * peaks[0], peaks
