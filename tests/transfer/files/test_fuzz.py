"""Whatever a file holds, reading it gives records or an error of vstore that names the file."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tests.transfer.files.data import FORMS, assert_same, at, chunks, everything, export
from vstore import InvalidInput, Mismatch, VStoreError
from vstore.conformance import corpus
from vstore.conformance.fixtures import clause
from vstore.memory.store import CAPABILITIES
from vstore.transfer.files import FileSource, Foreign, open_data_set

pytestmark = clause("MIG-23")

RECORDS = corpus.records(CAPABILITIES)[:30]
N = 20
THEIRS = {
    "id": [f"r{n}" for n in range(N)],
    "vector": pa.array([[float(n), 1.0] for n in range(N)], pa.list_(pa.float32())),
    "document": [f"text {n}" for n in range(N)],
    "tags": [["a", "b"]] * N,
    "metadata": ['{"k": 1}'] * N,
}


def read_or_told(path: str, files: list[Path], foreign: Foreign | None = None) -> str:
    """What is said, or an empty text where it was read."""
    try:
        source = open_data_set(path, foreign=foreign)
        list(source.scan(batch_size=7))
        source.get(["r3", "r0003"])
    except VStoreError as error:
        said = str(error)
        assert any(str(name) in said for name in (*files, Path(path.rpartition(":")[2]))), said
        return said
    return ""


def mutations(data: bytes, number: int) -> Iterator[bytes]:
    """Cut short, with bits turned over, with bytes repeated or taken out."""
    random_ = random.Random(7)
    yield b""
    for place in range(1, len(data), max(1, len(data) // number)):
        yield data[:place]
    for _ in range(number):
        place = random_.randrange(len(data))
        yield data[:place] + bytes([data[place] ^ 1 << random_.randrange(8)]) + data[place + 1 :]
        yield data[:place] + bytes([random_.choice((0, 0x7F, 0xFF))]) * 4 + data[place + 4 :]
        yield data[:place] + data[place + random_.randrange(1, 9) :]
    yield b"PK\x03\x04" + data
    yield data + data


def write_parquet(path: Path) -> None:
    pq.write_table(pa.table(THEIRS), path, row_group_size=8)


def write_arrow(path: Path) -> None:
    feather.write_feather(pa.table(THEIRS), str(path), compression="zstd")


def write_stream(path: Path) -> None:
    table = pa.table(THEIRS)
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=8)


def write_lines(path: Path) -> None:
    rows = pa.table(THEIRS).to_pylist()
    path.write_text("".join(json.dumps(row | {"metadata": {"k": 1}}) + "\n" for row in rows))


WRITERS: dict[str, Callable[[Path], None]] = {
    "x.parquet": write_parquet,
    "x.feather": write_arrow,
    "x.arrows": write_stream,
    "x.jsonl": write_lines,
}


@pytest.mark.parametrize("name", WRITERS)
def test_damaged_files_of_others(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    told = 0
    for data in mutations(path.read_bytes(), 40):
        path.write_bytes(data)
        told += bool(read_or_told(str(path), [path], Foreign(metric="l2")))
    assert told > 40


@pytest.mark.parametrize("form", [*FORMS])
def test_damaged_data_sets(form: str, tmp_path: Path) -> None:
    export(at(tmp_path, form), RECORDS)
    whole = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for path, before in whole.items():
        for data in mutations(before, 12):
            path.write_bytes(data)
            read_or_told(at(tmp_path, form), [*whole])
        path.write_bytes(before)


@pytest.mark.parametrize("name", ["vectors.npy", "records.jsonl"])
def test_damaged_arrays_of_others(name: str, tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", np.ones((N, 3), dtype=np.float64))
    (tmp_path / "records.jsonl").write_text("".join(f'{{"id": "r{n}"}}\n' for n in range(N)))
    path = tmp_path / name
    for data in mutations(path.read_bytes(), 40):
        path.write_bytes(data)
        read_or_told(str(tmp_path), [tmp_path / "vectors.npy", tmp_path / "records.jsonl"], Foreign(metric="l2"))


VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    float("nan"),
    "",
    "x",
    "\ud800",
    "../x",
    [],
    [1],
    {},
    {"x": 1},
    "2",
]


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every field in JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*before, key)
        yield from places(inner, (*before, key))


@pytest.mark.parametrize("form", ["npy:set", "set.parquet"])
def test_every_field_of_a_manifest_with_every_type(form: str, tmp_path: Path) -> None:
    """What it says is told as damaged, or it makes no difference; no field of another type is taken for its own."""
    export(at(tmp_path, form), RECORDS)
    path = tmp_path / "set"
    if form == "set.parquet":
        path = tmp_path / "set.parquet"
        schema = pq.read_schema(path)
        text = schema.metadata[b"vstore"].decode()
        table = pq.read_table(path)

        def write(manifest: str) -> None:
            pq.write_table(table.replace_schema_metadata({"vstore": manifest}), path)
    else:
        text = (path / "manifest.json").read_text()

        def write(manifest: str) -> None:
            (path / "manifest.json").write_text(manifest, errors="surrogatepass")

    told = 0
    for place in places(json.loads(text)):
        for value in [*VALUES, ...]:
            data = json.loads(text)
            inner = data
            for key in place[:-1]:
                inner = inner[key]
            if value is ...:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
            if inner and data != json.loads(text):
                write(json.dumps(data))
                told += bool(read_or_told(at(tmp_path, form), [path]))
    assert told > 500


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": {"k": NaN}}', "not a finite number"),
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": {"k": 1e400}}', "not a finite number"),
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": {"k": %s}}' % ("1" * 5000), "digits"),
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": {"k": 1%s}}' % ("0" * 400), "64-bit"),
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": {"$datetime": 1}}', "not datetime"),
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": {"k": {"$datetime": 1e30}}}', "datetime"),
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": {"k": {"$datetime": "x"}}}', "datetime"),
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": []}', "must be a dict"),
        ('{"id": "r1", "vector": VECTOR, "document": null, "metadata": %s}' % ('{"a":' * 2000), "deeply"),
        ('{"id": "r1", "vector": VECTOR, "document": 5, "metadata": {}}', "int, not a str"),
        ('{"id": 1, "vector": VECTOR, "document": null, "metadata": {}}', "ids"),
        ('{"id": "r1", "vector": [NaN, 1, 1, 1, 1, 1, 1, 1], "document": null, "metadata": {}}', "NaN"),
        ('{"id": "r1", "vector": [1e400, 1, 1, 1, 1, 1, 1, 1], "document": null, "metadata": {}}', "inf"),
        ('{"id": "r1", "vector": [1.0], "document": null, "metadata": {}}', "inhomogeneous"),
        ('{"id": "r1", "vector": "x", "document": null, "metadata": {}}', "inhomogeneous"),
        ('{"id": "r1", "vector": ["1", 1, 1, 1, 1, 1, 1, 1], "document": null, "metadata": {}}', "no list of numbers"),
        ('{"id": "r1", "document": null, "metadata": {}}', "lacks 'vector'"),
        ("\x00", "JSON"),
    ],
)
def test_a_manifest_vouches_for_no_record(line: str, said: str, tmp_path: Path) -> None:
    """Whoever alters a record can alter its checksum too."""
    from hashlib import sha256

    export(f"jsonl:{tmp_path / 'set'}", RECORDS[:2])
    part, manifest = tmp_path / "set" / "part-000000.jsonl", tmp_path / "set" / "manifest.json"
    line = line.replace("VECTOR", json.dumps([1.0] * corpus.DIMENSION))
    part.write_text(f"{part.read_text().splitlines()[0]}\n{line}\n")
    told = json.loads(manifest.read_text())
    [file] = told["parts"][0]["files"]
    file["bytes"], file["sha256"] = part.stat().st_size, sha256(part.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(told))
    found = read_or_told(str(tmp_path / "set"), [part])
    assert said in found, found


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_deeply_nested_json_in_a_column(suffix: str, tmp_path: Path) -> None:
    table = pa.table({**THEIRS, "metadata": ['{"a":' * 5000 + "1" + "}" * 5000] * N})
    path = tmp_path / f"x{suffix}"
    pq.write_table(table, path) if suffix == ".parquet" else feather.write_feather(table, str(path))
    with pytest.raises(InvalidInput, match="not a JSON object"):
        open_data_set(str(path), foreign=Foreign(metric="l2"))


def test_columns_of_an_own_file_that_changed_places(tmp_path: Path) -> None:
    export(str(tmp_path / "set.parquet"), RECORDS)
    table = pq.read_table(tmp_path / "set.parquet")
    for names in (["document", "vector", "id", "metadata"], ["id", "vector", "metadata", "document"]):
        pq.write_table(table.rename_columns(names), tmp_path / "set.parquet")
        assert "set.parquet" in read_or_told(str(tmp_path / "set.parquet"), [])
    for column in (pa.array(range(len(table))), pa.array([b"x"] * len(table)), table["id"].dictionary_encode()):
        changed = table.set_column(0, "id", column)
        pq.write_table(changed, tmp_path / "set.parquet")
        assert "set.parquet" in read_or_told(str(tmp_path / "set.parquet"), [])


LINES = ['{"id": "a", "vector": [1, 2]}', '{"id": "b", "vector": [3, 4]}']


def opened(path: Path) -> FileSource:
    return open_data_set(str(path), foreign=Foreign(metric="l2"))


@pytest.mark.parametrize(
    "data",
    [
        "\ufeff" + "\n".join(LINES),
        "\r\n".join(LINES) + "\r\n",
        "\n".join(LINES) + "\n\n\n",
        "\n\n \t\n" + "\n\n".join(LINES) + "\n \n",
        "\ufeff\n" + "\n".join(LINES),
    ],
    ids=["BOM", "CRLF", "blank at the end", "blank between", "BOM alone"],
)
def test_lines_as_other_programs_write_them(data: str, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(data.encode())
    source = opened(tmp_path / "x.jsonl")
    assert everything(source).ids == ["a", "b"]
    assert source.get(["b", "a"]).ids == ["b", "a"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-16-le", "latin-1"])
def test_another_encoding_is_told(encoding: str, tmp_path: Path) -> None:
    text = '{"id": "ä", "vector": [1, 2]}'
    mark = "\ufeff" if encoding in ("utf-16-be", "utf-16-le") else ""
    (tmp_path / "x.jsonl").write_bytes((mark + text).encode(encoding))
    with pytest.raises(Mismatch, match=r"x\.jsonl") as caught:
        opened(tmp_path / "x.jsonl")
    assert ("UTF-" if encoding != "latin-1" else "utf-8") in caught.value.message


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.arrow", "x.arrows"])
@pytest.mark.parametrize("data", [b"", b"\n", b"PAR1", b"ARROW1", b"\xef\xbb\xbf", b"PK\x03\x04", b"\xff\xff\xff\xff"])
def test_files_with_next_to_nothing(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises((Mismatch, InvalidInput), match=name):
        opened(tmp_path / name)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_file_with_columns_only(suffix: str, tmp_path: Path) -> None:
    table, path = pa.table(THEIRS)[:0], tmp_path / f"x{suffix}"
    pq.write_table(table, path) if suffix == ".parquet" else feather.write_feather(table, str(path))
    with pytest.raises(InvalidInput, match="has no records"):
        opened(path)


def test_a_data_set_restored_without_hidden_files_is_read(tmp_path: Path) -> None:
    export(str(tmp_path / "set"), RECORDS)
    for path in (tmp_path / "set").iterdir():
        assert not path.name.startswith(".")
    assert_same(everything(open_data_set(str(tmp_path / "set"))), RECORDS)
    assert len(chunks(RECORDS, 10)) == 3


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "seteuid"), reason="root reads everything")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("\n".join(LINES))
    (tmp_path / "x.jsonl").chmod(0)
    (tmp_path / "set").mkdir()
    (tmp_path / "set").chmod(0)
    tmp_path.chmod(0o755)
    user = os.geteuid()
    os.seteuid(65534)
    try:
        for name in ("x.jsonl", "set", "set/x.parquet"):
            with pytest.raises(VStoreError, match=name):
                opened(tmp_path / name)
    finally:
        os.seteuid(user)
        (tmp_path / "set").chmod(0o700)
