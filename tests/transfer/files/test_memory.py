"""Memory is bounded by a batch, whatever the size of the files; and what needs no pyarrow loads none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.transfer.files.data import at


def peak(path: str, rows: int) -> int:
    run = subprocess.run(
        [sys.executable, "-m", "tests.transfer.files.memory", path, str(rows)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stdout)


@pytest.mark.parametrize(
    "form",
    [
        "parquet:set",
        pytest.param("set.parquet", marks=pytest.mark.nightly),
        pytest.param("npy:set", marks=pytest.mark.nightly),
    ],
)
def test_memory_does_not_grow_with_the_files(form: str, tmp_path: Path) -> None:
    """33 MB of vectors more; what may grow is told in docs/files.md: 24 bytes a record."""
    small, large = peak(at(tmp_path / "small", form), 8_000), peak(at(tmp_path / "large", form), 24_000)
    assert large - small < 20 << 20


_WITHOUT = """
import sys
for name in ("pyarrow", "pandas"):
    sys.modules[name] = None
from tests.transfer.files.data import assert_same, everything, export
from vstore.transfer.files import open_data_set
for path in sys.argv[1:]:
    export(path)
    assert_same(everything(open_data_set(path)))
    assert open_data_set(path).get(["r0003"]).ids == ["r0003"]
from vstore.errors import Unsupported

from vstore.conformance.fixtures import clause

pytestmark = clause("MIG-8", "MIG-23")
try:
    export(sys.argv[1] + ".parquet")
except Unsupported as error:
    assert "vstore-db[arrow]" in str(error)
else:
    raise AssertionError
"""


def test_json_lines_and_npy_need_no_pyarrow(tmp_path: Path) -> None:
    paths = [at(tmp_path, form) for form in ("set.jsonl", "jsonl:lines", "npy:arrays")]
    run = subprocess.run([sys.executable, "-c", _WITHOUT, *paths], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
