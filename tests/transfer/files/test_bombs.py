"""A file is refused before it is decoded where it would grow, and what is no file is not opened."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tests.transfer.files.data import export
from vstore import InvalidInput, Mismatch
from vstore.conformance.fixtures import clause
from vstore.transfer.files import Foreign, open_data_set

pytestmark = clause("MIG-23")

MB = 1 << 20
MOST = 400


def read(path: Path | str, most: int = MOST) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "tests.transfer.files.reading", str(path)], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    assert found["peak"] < most, found
    return found


def table(rows: int = 1, **columns: Any) -> pa.Table:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(2 * rows, dtype=np.float32)), 2)
    return pa.table({"id": [str(n) for n in range(rows)], "vector": vectors} | columns)


def shared(rows: int, size: int) -> pa.DictionaryArray:
    """One long text that every row has."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * size]))


def long_vector(length: int) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, length], pa.int32()), pa.array(np.zeros(length, dtype=np.float32)))


def one_document(path: Path) -> None:
    pq.write_table(table(document=["x" * (120 * MB)]), path, compression="zstd", use_dictionary=False)


def one_document_among_others(path: Path) -> None:
    pq.write_table(table(1000, document=["x" * (300 * MB), *["y"] * 999]), path, compression="zstd")


def one_document_in_a_dictionary(path: Path) -> None:
    pq.write_table(table(1000, document=["x" * (300 * MB)] * 2 + ["y"] * 998), path, dictionary_pagesize_limit=1 << 30)


def one_vector(path: Path) -> None:
    columns = {"id": ["a"], "vector": long_vector(30_000_000)}
    pq.write_table(pa.table(columns), path, compression="zstd")


def one_vector_among_others(path: Path, long: int = 100_000_002) -> None:
    rows = 20_000
    ends = pa.array([0, *range(long, long + rows)], pa.int32())
    vectors = pa.ListArray.from_arrays(ends, pa.array(np.zeros(long + rows, dtype=np.float32)))
    pq.write_table(pa.table({"id": list(map(str, range(rows))), "vector": vectors}), path, compression="zstd")


def a_list_of_metadata(path: Path) -> None:
    rows, long = 20_000, 100_000_000
    ends = pa.array([0, *range(long, long + rows)], pa.int32())
    numbers = pa.ListArray.from_arrays(ends, pa.array(np.zeros(long + rows, dtype=np.int8)))
    pq.write_table(table(rows, numbers=numbers), path, compression="zstd")


def batch_compressed(path: Path) -> None:
    feather.write_feather(table(document=["x" * (300 * MB)]), str(path), compression="zstd")


def stream_compressed(path: Path) -> None:
    data = table(document=["x" * (300 * MB)])
    with pa.ipc.new_stream(str(path), data.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(data)


def long_line(path: Path) -> None:
    with path.open("w") as file:
        file.write('{"id": "a", "vector": [1.0]}\n{"id": "b", "vector": [1.0], "document": "')
        for _ in range(300):
            file.write("x" * MB)
        file.write('"}\n')


def many_brackets(path: Path) -> None:
    with path.open("w") as file:
        file.write('{"id": "a", "vector": [1.0], "more": [')
        for _ in range(30):
            file.write("[]," * (MB // 3))
        file.write("[]]}\n")


def no_line(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50_000 * MB)


def npy(path: Path, shape: tuple[int, ...]) -> None:
    path.mkdir()
    (path / "records.jsonl").write_text('{"id": "a"}\n')
    with (path / "vectors.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})  # type: ignore[arg-type]
        file.truncate(file.tell() + 4 * int(np.prod(shape)))


BOMBS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a.parquet": (one_document, "a text of more than 67,108,864 bytes"),
    "b.parquet": (one_document_among_others, "row group 0, the column document"),
    "c.parquet": (one_document_in_a_dictionary, "row group 0, the column document"),
    "d.parquet": (one_vector, "at most 65,536 a row"),
    "e.parquet": (one_vector_among_others, "are not of one length"),
    "f.parquet": (a_list_of_metadata, "more than 256 MB are not decompressed"),
    "g.feather": (batch_compressed, "more than 256 MB are not decompressed"),
    "h.arrows": (stream_compressed, "more than 256 MB are not decompressed"),
    "i.jsonl": (long_line, "line 2 is longer than 132 MB"),
    "j.jsonl": (many_brackets, "4 MB besides its texts"),
    "k.jsonl": (no_line, "line 1 is longer than 132 MB"),
    # 100,020,000 numbers are 5,001 a row
    "m.parquet": (lambda path: one_vector_among_others(path, 100_000_001), "a vector that is longer than others"),
    "l": (lambda path: npy(path, (1, 100_000_000)), "100,000,000 numbers"),
}


FORMS: list[dict[str, Any]] = [
    {"compression": compression, "data_page_version": version, "use_dictionary": dictionary}
    for compression in ("none", "snappy", "zstd", "gzip", "brotli", "lz4")
    for version in ("1.0", "2.0")
    for dictionary in (True, False)
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_lengths_of_vectors_are_told_by_levels_alone(
    form: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vstore.transfer.files.pages.grows", lambda size, stored: True)
    monkeypatch.setattr("vstore.transfer.files.pages.check_growth", lambda what, size, stored: None)
    rows = 3_000
    for width in (1, 2, 7, 300):
        lengths = np.full(rows, width)
        for bad in (False, True):
            if bad and width > 1:
                lengths[1_700:1_703] = [2 * width, 1, width - 1]  # of as many numbers as the others have
            ends = pa.array(np.concatenate([[0], lengths.cumsum()]).astype(np.int32))
            vectors = pa.ListArray.from_arrays(ends, pa.array(np.ones(int(lengths.sum()), dtype=np.float32)))
            columns = pa.table({"id": list(map(str, range(rows))), "vector": vectors})
            pq.write_table(columns, tmp_path / "a.parquet", data_page_size=4_000, **form)
            if bad and width > 1:
                with pytest.raises(Mismatch, match="a vector that is longer than others"):
                    open_data_set(str(tmp_path / "a.parquet"), foreign=Foreign(metric="l2"))
            else:
                assert open_data_set(str(tmp_path / "a.parquet"), foreign=Foreign(metric="l2")).rows == rows


OFTEN = ("a.parquet", "d.parquet", "g.feather", "i.jsonl", "k.jsonl", "l")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.nightly) for name in BOMBS]
)
def test_what_would_grow_is_refused_before_it_does(name: str, tmp_path: Path) -> None:
    make, message = BOMBS[name]
    make(tmp_path / name)
    found = read(tmp_path / name)
    assert message in found["said"]
    assert str(tmp_path / name) in found["said"]


def dictionary_of_parquet(path: Path) -> None:
    pq.write_table(table(20, document=["x" * (10 * MB)] * 20), path, dictionary_pagesize_limit=1 << 30)


def dictionary_of_arrow(path: Path) -> None:
    feather.write_feather(table(20, document=shared(20, 10 * MB)), str(path), compression="uncompressed")


def prefixes(path: Path) -> None:
    texts = ["x" * (10 * MB) + str(n) for n in range(20)]
    pq.write_table(
        table(20, document=texts), path, use_dictionary=False, column_encoding={"document": "DELTA_BYTE_ARRAY"}
    )


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.parquet", dictionary_of_parquet),
        pytest.param("b.arrow", dictionary_of_arrow, marks=pytest.mark.nightly),
        pytest.param("c.parquet", prefixes, marks=pytest.mark.nightly),
    ],
)
def test_what_is_shared_in_the_file_is_decoded_a_few_rows_at_once(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    """Legal records: 20 documents of 10 MB, of which the file holds one."""
    make(tmp_path / name)
    path = tmp_path / name
    assert read(path, 500)["rows"] == 20  # 32 MB of rows, a few times over; 200 MB of them would be 1,500


def largest_parquet(path: Path) -> None:
    pq.write_table(table(document=["x" * (64 * MB)]), path, compression="zstd")


def largest_arrow(path: Path) -> None:
    feather.write_feather(table(document=["x" * (64 * MB)]), str(path), compression="zstd")


def largest_line(path: Path) -> None:
    path.write_text(json.dumps({"id": "a", "vector": [1.0], "document": "\n" * (64 * MB)}))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.parquet", largest_parquet),
        pytest.param("b.arrow", largest_arrow, marks=pytest.mark.nightly),
        pytest.param("c.jsonl", largest_line, marks=pytest.mark.nightly),
    ],
)
def test_the_largest_document_is_legal(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / name)
    assert open_data_set(str(tmp_path / name), foreign=Foreign(metric="l2")).rows == 1


@pytest.mark.nightly
def test_the_largest_vectors_are_legal(tmp_path: Path) -> None:
    rows, length = 1100, 65_536
    flat = pa.array(np.ones(rows * length, dtype=np.float32))
    vectors = pa.ListArray.from_arrays(pa.array(range(0, rows * length + 1, length), pa.int32()), flat)
    pq.write_table(pa.table({"id": list(map(str, range(rows))), "vector": vectors}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")["rows"] == rows


@pytest.mark.parametrize("bomb", ["large", "deep", "brackets"])
def test_a_manifest_that_would_grow_is_refused(bomb: str, tmp_path: Path) -> None:
    export(str(tmp_path / "own"))
    with (tmp_path / "own" / "manifest.json").open("wb") as file:
        match bomb:
            case "large":
                file.truncate(3000 * MB)
            case "deep":
                file.write(b"[" * 100_000)
            case "brackets":
                file.write(b"[" + b"[]," * (5 * MB) + b"[]]")
    found = read(tmp_path / "own")
    assert "manifest.json" in found["said"]
    assert found["said"].startswith("Mismatch")


@contextmanager
def nothing_to_read(kind: str, path: Path) -> Iterator[None]:
    match kind:
        case "device":
            path.symlink_to("/dev/zero")
        case "FIFO":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "socket":
            here = Path.cwd()
            os.chdir(path.parent)  # the path of a socket is short
            try:
                with socket.socket(socket.AF_UNIX) as listening:
                    listening.bind(path.name)
                    yield
            finally:
                os.chdir(here)
            return
    yield


@pytest.mark.parametrize("kind", ["device", "FIFO", "socket"])
@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.arrow", "x"])
def test_what_is_no_file_is_not_opened(kind: str, name: str, tmp_path: Path) -> None:
    said = f"{name} is a device, pipe or socket"
    with nothing_to_read(kind, tmp_path / name), pytest.raises(InvalidInput, match=said):
        open_data_set(str(tmp_path / name))


@pytest.mark.parametrize("kind", ["device", "FIFO", "socket", "directory"])
@pytest.mark.parametrize("name", ["manifest.json", "part-000000.npy", "part-000000.jsonl"])
def test_what_is_no_file_is_not_opened_in_a_data_set(kind: str, name: str, tmp_path: Path) -> None:
    export(f"npy:{tmp_path / 'set'}")
    (tmp_path / "set" / name).unlink()
    with nothing_to_read(kind, tmp_path / "set" / name), pytest.raises((InvalidInput, Mismatch), match=name):
        open_data_set(str(tmp_path / "set"))
