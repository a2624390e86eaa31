"""``vstore load`` holds no more of a file than a few rows, whatever stands in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vstore import InvalidInput
from vstore.load.rows import check_file, count_rows, read_rows

MB = 1 << 20
READ = """
import json, re, sys
from pathlib import Path
from vstore.errors import VStoreError
from vstore.load.rows import read_rows
said, good, bad = "", 0, []
try:
    for row in read_rows(Path(sys.argv[1]), ["id", "text"]):
        good += not row.error
        bad += [row.error] if row.error else []
except VStoreError as error:
    said = f"{type(error).__name__}: {error}"
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
print(json.dumps({"said": said, "good": good, "bad": bad, "peak": peak}))
"""


def read(path: Path) -> dict[str, Any]:
    run = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    assert found["peak"] < 400, found
    return found


def test_a_line_that_is_too_long_is_a_bad_row_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("w") as file:
        file.write('{"id": "a", "text": "x"}\n{"id": "b", "text": "')
        for _ in range(300):
            file.write("x" * MB)
        file.write('"}\n{"id": "c", "text": "x"}\n{"id": "d", "text": [')
        for _ in range(12):
            file.write("[]," * (MB // 2))
        file.write('[]]}\n{"id": "e", "text": "x"}')
    found = read(path)
    assert found["good"] == 3
    assert [("132 MB" in bad, "4 MB" in bad) for bad in found["bad"]] == [(True, False), (False, True)]


def test_a_line_of_csv_that_is_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with path.open("w") as file:
        file.write("id,text\na,b\nc,")
        for _ in range(300):
            file.write("x" * MB)
    assert "line 3 is longer than 64 MB" in read(path)["said"]


@pytest.mark.parametrize(
    "begin", ["id,text\na,b", 'id,text\na,"\n",b', "id,text"], ids=["row", "row of lines", "header"]
)
def test_a_row_of_csv_of_very_many_fields_is_told(begin: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(begin + "," * (60 * MB) + "\n")
    found = read(path)
    assert "more than 1,000,000 commas" in found["said"]
    assert len(found["said"]) < 1_000


def test_commas_are_counted_of_each_row_and_names_are_not_all_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    text = "," * 400_000
    path.write_text("id,text\n" + "".join(f'{n},"{text}\n{text}"\n' for n in range(5)))
    assert [row.error for row in read_rows(path, ["id", "text"])] == [""] * 5
    assert [row.number for row in read_rows(path, ["id", "text"], skip=3)] == [4, 5]
    path.write_text(",".join(f"c{n}" for n in range(500_000)) + "\n")
    with pytest.raises(InvalidInput, match="has no column 'id'") as caught:
        check_file(path, ["id"])
    assert "c49 and 499,950 more" in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_a_text_that_grows_is_told(tmp_path: Path) -> None:
    table = pa.table({"id": ["a", "b"], "text": ["x" * (300 * MB), "y"]})
    pq.write_table(table, tmp_path / "x.parquet", compression="zstd")
    found = read(tmp_path / "x.parquet")
    assert found["said"].startswith("InvalidInput")
    assert "x.parquet" in found["said"]


def test_what_other_programs_write_before_and_behind_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "a"}\r\n\r\n{"id": "b"}\r\n\n\n')
    assert [row.fields for row in read_rows(path, ["id"])] == [{"id": "a"}, {"id": "b"}]
    path.write_bytes(b"")
    assert list(read_rows(path, ["id"])) == []
    assert count_rows(path) == 0
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfid,text\r\na,b\r\n")
    assert [row.fields for row in read_rows(tmp_path / "x.csv", ["id"])] == [{"id": "a"}]
    (tmp_path / "x.csv").write_text("id,text\n")
    assert list(read_rows(tmp_path / "x.csv", ["id"])) == []


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_another_encoding_is_told(suffix: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"".join(text.encode(encoding) for text in ('{"id": "a"}\n', "id,text\n")))
    with pytest.raises(InvalidInput, match="UTF-"):
        check_file(path, ["id"])


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PK\x03\x04" * 9, b"PAR1" + b"\xff" * 50 + b"PAR1"])
def test_what_is_no_parquet_is_told(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=r"x\.parquet"):
        check_file(path, ["id"])


def test_every_damage_of_a_parquet_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": list(map(str, range(50))), "text": ["text"] * 50}), path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        for changed in (whole[:place], whole[:place] + b"\xff\xff" + whole[place + 2 :]):
            path.write_bytes(changed)
            try:
                list(read_rows(path, ["id", "text"]))
            except InvalidInput as error:
                assert "x.parquet" in str(error)  # noqa: PT017 (it may as well be read)
