"""Files that vstore did not write, made with other tools, are read exactly or refused by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tests.transfer.files.data import everything
from vstore import HNSW, Flat, InvalidInput, Metric, Mismatch, Records, Unsupported, VStoreError
from vstore.conformance.fixtures import clause
from vstore.transfer.files import Columns, FileSource, Foreign, open_data_set

pytestmark = clause("MIG-5", "MIG-23")

N = 7
VECTORS = np.random.default_rng(4).normal(size=(N, 3)).astype(np.float32)
IDS = [f"r{n}" for n in range(N)]


def as_lists(kind: pa.DataType, values: Any = VECTORS) -> pa.Array:
    return pa.array([list(map(float, row)) for row in values], kind)


def write(table: pa.Table, folder: Path, suffix: str = ".parquet") -> str:
    path = folder / f"dump-2024{suffix}"
    match suffix:
        case ".parquet":
            pq.write_table(table, path, row_group_size=3)
        case ".feather":
            feather.write_feather(table, path, compression="lz4", chunksize=3)
        case ".arrows":
            with pa.ipc.new_stream(str(path), table.schema) as writer:
                writer.write_table(table, max_chunksize=3)
        case ".arrow":
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table, max_chunksize=3)
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    return str(path)


def read(path: str, metric: str | None = "cosine", **columns: Any) -> FileSource:
    return open_data_set(path, foreign=Foreign(metric=metric, columns=Columns(**columns)))


def refused(kind: type[VStoreError], match: str, path: str, **columns: Any) -> VStoreError:
    with pytest.raises(kind, match=match) as caught:
        read(path, **columns)
    assert Path(path).name in str(caught.value) or kind is Mismatch
    assert caught.value.hint or "float32" in match or "vectors[" in str(caught.value)
    return caught.value


def assert_vectors(source: FileSource) -> Records:
    records = everything(source, batch_size=4)
    assert records.vectors is not None
    assert records.vectors.tobytes() == VECTORS.tobytes()
    return records


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrows", ".arrow", ".jsonl"])
@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float32(), 3),
        pa.list_(pa.float64()),
        pa.list_(pa.float64(), 3),
        pa.large_list(pa.float32()),
    ],
    ids=str,
)
def test_lists_of_numbers_are_vectors(kind: pa.DataType, suffix: str, tmp_path: Path) -> None:
    table = pa.table({"key": IDS, "emb": as_lists(kind), "text": ["a", None, "", "b", "c", "d", "e"], "n": range(N)})
    source = read(write(table, tmp_path, suffix), id="key", vector="emb", document="text")
    records = assert_vectors(source)
    assert records.ids == IDS
    assert records.documents == ["a", None, "", "b", "c", "d", "e"]
    assert records.metadatas == [{"n": n} for n in range(N)]
    assert (source.info.dimension, source.info.metric, source.info.index) == (3, Metric.COSINE, HNSW())
    assert source.info.name == "dump_2024"
    assert source.count({"n": {"$gte": 5}}) == 2
    assert source.get(["r6", "r1"], include=["metadatas"]).metadatas == [{"n": 6}, {"n": 1}]


def test_the_way_polars_writes(tmp_path: Path) -> None:
    """Large strings and large lists; categories as dictionaries; views of strings from version 1 on."""
    text = pa.string_view() if hasattr(pa, "string_view") else pa.large_string()
    table = pa.table(
        {
            "id": pa.array(IDS, pa.large_string()),
            "vector": as_lists(pa.large_list(pa.float32())),
            "document": pa.array(["x"] * N, text),
            "kind": pa.array(["a", "b", None, "a", "b", "a", "a"]).dictionary_encode(),
            "tags": pa.array([["x"], ["x", "y"], None, ["z"], ["x"], ["x"], ["x"]], pa.large_list(pa.large_string())),
            "when": pa.array([datetime(2024, 1, 1, 12, 30, tzinfo=UTC)] * N, pa.timestamp("ms", "Europe/Berlin")),
        }
    )
    source = read(write(table, tmp_path, ".arrow"))
    records = assert_vectors(source)
    assert records.metadatas is not None
    moment = datetime(2024, 1, 1, 12, 30, tzinfo=UTC)
    assert records.metadatas[1] == {"kind": "b", "tags": ["x", "y"], "when": moment}
    assert records.metadatas[2] == {"when": moment}
    assert "metadata: 2 values are null, which means absent" in source.notes


def test_the_way_pandas_writes(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": range(100, 100 + N),
            "vector": list(VECTORS.astype(np.float64)),
            "price": [1.5, None, 2.0, 3.0, 4.0, 5.0, 6.0],
            "year": pd.array([2020, None, 2021, 1, 2, 3, 4], dtype="Int64"),
            "flag": [True] * N,
        },
        index=list("abcdefg"),
    )
    frame.to_parquet(tmp_path / "frame.parquet")
    source = read(str(tmp_path / "frame.parquet"))
    records = assert_vectors(source)
    assert records.ids == [str(n) for n in range(100, 107)]
    assert records.metadatas is not None
    assert records.metadatas[:3] == [
        {"price": 1.5, "year": 2020, "flag": True},
        {"flag": True},
        {"price": 2.0, "year": 2021, "flag": True},
    ]
    assert type(records.metadatas[0]["year"]) is int
    assert "ids: int64 as text" in source.notes
    assert "not read: __index_level_0__" in source.notes
    assert "vectors: double kept exactly in float32" in source.notes


def test_metadata_in_one_column(tmp_path: Path) -> None:
    texts = ['{"a": 1, "n": null, "when": {"$datetime": 1}}', None, "{}", '{"a": 1.0}', '{"o": {"x": [1]}}', "{}", "{}"]
    expected = [{"a": 1, "when": datetime(1970, 1, 1, 0, 0, 0, 1, UTC)}, {}, {}, {"a": 1.0}, {"o": {"x": [1]}}, {}, {}]
    table = pa.table({"id": IDS, "vector": as_lists(pa.list_(pa.float32())), "metadata": texts})
    source = read(write(table, tmp_path))
    assert everything(source).metadatas == expected
    assert "metadata: 1 values are null, which means absent" in source.notes
    plain = read(write(table, tmp_path), metadata=("metadata",))
    assert everything(plain).metadatas == [{} if text is None else {"metadata": text} for text in texts]
    structs = pa.array([{"a": 1, "b": None}] * N, pa.struct([("a", pa.int32()), ("b", pa.string())]))
    other = pa.table({"id": IDS, "vector": as_lists(pa.list_(pa.float32())), "payload": structs, "c": ["x"] * N})
    assert everything(read(write(other, tmp_path), object="payload")).metadatas == [{"a": 1, "c": "x"}] * N
    assert everything(read(write(other, tmp_path))).metadatas == [{"payload": {"a": 1}, "c": "x"}] * N


def test_columns_that_are_not_asked_for_are_named(tmp_path: Path) -> None:
    table = pa.table({"id": IDS, "vector": as_lists(pa.list_(pa.float32())), "a": range(N), "b": range(N)})
    source = read(write(table, tmp_path), metadata=("b",))
    assert everything(source).metadatas == [{"b": n} for n in range(N)]
    assert source.notes == ["not read: a"]


TOO_FINE = VECTORS.astype(np.float64) + 1e-12


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl"])
def test_a_number_that_float32_cannot_hold_is_refused(suffix: str, tmp_path: Path) -> None:
    values = VECTORS.astype(np.float64)
    values[5, 1] += 1e-12
    path = write(pa.table({"id": IDS, "vector": as_lists(pa.list_(pa.float64()), values)}), tmp_path, suffix)
    error = refused(InvalidInput, "which float32 cannot", path)
    assert "--allow float32" in error.hint
    assert f"holds {values[5, 1]}" in error.message
    assert_vectors(read(path, allow=frozenset({"float32"})))


def test_decimal_text_of_a_float32_is_that_float32(tmp_path: Path) -> None:
    for form in (str, lambda x: f"{x:.9g}", lambda x: repr(float(x))):
        lines = [f'{{"id": "{i}", "vector": [{", ".join(map(form, row))}]}}' for i, row in zip(IDS, VECTORS)]  # noqa: B905
        path = tmp_path / "x.jsonl"
        path.write_text("\n".join(lines))
        assert_vectors(read(str(path)))


@pytest.mark.parametrize(
    ("dtype", "exact"), [(np.float16, True), (np.float64, False), (np.int64, False), (np.int8, True)]
)
def test_vectors_in_npy(dtype: type, exact: bool, tmp_path: Path) -> None:
    vectors = np.asfortranarray(np.arange(1, 22).reshape(N, 3).astype(dtype))
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "records.jsonl").write_text("".join(f'{{"id": {n}, "document": "d", "k": {n}}}\n' for n in range(N)))
    source = read(f"npy:{tmp_path}", metric="l2")
    records = everything(source, batch_size=4)
    assert records.vectors is not None
    assert records.vectors.tolist() == vectors.tolist()
    assert records.metadatas == [{"k": n} for n in range(N)]
    assert "ids: int as text" in source.notes
    if not exact:
        vectors[3, 1] = 2**24 + 1
        np.save(tmp_path / "vectors.npy", vectors)
        with pytest.raises(InvalidInput, match=r"vectors\[3\] holds 16777217"):
            read(f"npy:{tmp_path}", metric="l2")
    np.save(tmp_path / "vectors.npy", vectors[1:])
    with pytest.raises(Mismatch, match=r"6 rows, and records\.jsonl has 7"):
        read(f"npy:{tmp_path}", metric="l2")


def test_an_array_of_objects_is_not_loaded(tmp_path: Path) -> None:
    """Python's pickles, which it would hold, can run anything."""
    np.save(tmp_path / "vectors.npy", np.array([{"a": 1}] * N), allow_pickle=True)
    (tmp_path / "records.jsonl").write_text("".join(f'{{"id": "{n}"}}\n' for n in range(N)))
    with pytest.raises(Mismatch, match=r"vectors\.npy.*objects"):
        read(str(tmp_path))


def test_what_must_be_said_is_asked_for(tmp_path: Path) -> None:
    table = pa.table({"key": IDS, "emb": as_lists(pa.list_(pa.float32())), "text": ["t"] * N})
    path = write(table, tmp_path)
    assert "Say --id; there are: key, emb, text" in refused(InvalidInput, "no column 'id'", path).hint
    assert "lists of numbers: emb" in refused(InvalidInput, "no column 'vector'", path, id="key").hint
    refused(InvalidInput, "no column 'body'", path, id="key", vector="emb", document="body")
    refused(InvalidInput, "no column 'meta'", path, id="key", vector="emb", object="meta")
    refused(InvalidInput, "no column 'x' for metadata", path, id="key", vector="emb", metadata=("x",))
    refused(InvalidInput, "'text' is string, not lists of numbers", path, id="key", vector="text")
    refused(InvalidInput, "not a JSON object", path, id="text", vector="emb", object="key")
    with pytest.raises(InvalidInput, match="by which metric") as caught:
        read(path, metric=None, id="key", vector="emb")
    assert "--metric" in caught.value.hint
    with pytest.raises(InvalidInput, match="'manhattan'"):
        read(path, metric="manhattan", id="key", vector="emb")
    with pytest.raises(InvalidInput, match="named for two purposes"):
        Columns(id="a", vector="a")
    with pytest.raises(InvalidInput, match="nothing to allow is called 'all'"):
        Columns(allow=frozenset({"all"}))


NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001 (what is tested)
GOOD: dict[str, Any] = {"id": IDS, "vector": as_lists(pa.list_(pa.float32()))}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [*IDS[:5], None, "x"]}, r"ids\[5\] is null|ids\[2\] is null"),
        ({"id": [1.0] * N}, "'id' is double; ids are text or integers"),
        ({"id": [*IDS[:6], ""]}, r"ids\[6\] is not 1 to 512 bytes"),
        ({"vector": pa.array([[1.0, 2.0, 3.0]] * 6 + [None], pa.list_(pa.float32()))}, r"vectors\[\d\] is null"),
        (
            {"vector": pa.array([[1.0, 2.0, 3.0]] * 6 + [[1.0]])},
            r"vectors\[6\] has 1 numbers, and vectors\[0\] has 3",
        ),
        ({"vector": pa.array([[1.0, 2.0, 3.0]] * 6 + [[1.0, None, 2.0]])}, r"vectors\[\d\] holds a null"),
        ({"vector": as_lists(pa.list_(pa.float32()), [[np.nan, 1, 2]] * N)}, "contains NaN"),
        ({"vector": as_lists(pa.list_(pa.float32()), [[0, 0, 0]] * N)}, "is zero, which has no direction"),
        ({"document": range(N)}, "'document' is int64, not text"),
        ({"when": pa.array([NAIVE] * N, pa.timestamp("us"))}, "without a time zone"),
        ({"when": pa.array([1] * N, pa.timestamp("ns", "UTC"))}, "'when' holds what metadata cannot"),
        ({"raw": [b"x"] * N}, "'raw' is binary, which metadata cannot hold"),
        ({"n": pa.array([2**63] * N, pa.uint64())}, "outside the 64-bit integers"),
        ({"n": [float("nan")] * N}, "'n': nan is not a finite number"),
        ({"tags": pa.array([[]] * N, pa.list_(pa.string()))}, "the list has 0 elements"),
        ({"tags": pa.array([["a", None]] * N)}, "'tags': a list holds elements of one type"),
        ({"$set": range(N)}, "reserved prefix"),
        ({"metadata": ["[1]"] * N}, "not a JSON object"),
        ({"metadata": ['{"a": 1, "a": 2}'] * N}, "not a JSON object"),
        ({"metadata": ['{"a": 1}'] * N, "a": range(N)}, "the key 'a' stands in the object and is a column"),
        ({"metadata": range(N)}, "'metadata' is int64, neither a struct nor JSON text"),
    ],
)
def test_a_value_that_no_record_can_have_is_refused(columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(pa.table(GOOD | columns), tmp_path)
    with pytest.raises(InvalidInput, match=message) as caught:
        read(path)
    assert path in caught.value.message


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("naive-utc", pa.array([NAIVE] * N, pa.timestamp("ns")), datetime(2024, 1, 1, tzinfo=UTC)),
        ("nan-as-missing", pa.array([float("nan")] * N), None),
        ("empty-as-missing", pa.array([[]] * N, pa.list_(pa.string())), None),
    ],
)
def test_what_may_change_is_allowed_by_name(name: str, column: pa.Array, value: Any, tmp_path: Path) -> None:
    path = write(pa.table(GOOD | {"k": column}), tmp_path)
    with pytest.raises(InvalidInput):
        read(path)
    found = everything(read(path, allow=frozenset({name}))).metadatas
    assert found == [{} if value is None else {"k": value}] * N


def lines(folder: Path, *rows: str) -> str:
    path = folder / "x.jsonl"
    path.write_text("\n".join(rows))
    return str(path)


GOOD_LINE = '{"id": "a", "vector": [1, 2.5]}'


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ('{"id": "b", "vector": [1, 2', Mismatch, "row 1: the line is damaged"),
        ('{"id": "b", "id": "c", "vector": [1, 2]}', Mismatch, "a key stands twice"),
        ("[1]", Mismatch, "no JSON object"),
        ('{"id": 1, "vector": [1, 2]}', InvalidInput, r"ids\[1\] is 1, and the first one is of type str"),
        ('{"vector": [1, 2]}', InvalidInput, r"ids\[1\] is None"),
        ('{"id": "b", "vector": [1, "2"]}', InvalidInput, "no list of numbers"),
        ('{"id": "b", "vector": [1, true]}', InvalidInput, "no list of numbers"),
        ('{"id": "b", "vector": [1, 2, 3]}', InvalidInput, r"vectors\[1\] has 3 numbers"),
        ('{"id": "b", "vector": [1, 9007199254740993]}', InvalidInput, "beyond 2\\*\\*53"),
        ('{"id": "b", "vector": [1, NaN]}', InvalidInput, "contains NaN"),
        ('{"id": "b", "vector": [1, 1e300]}', InvalidInput, "which float32 cannot"),
        ('{"id": "b", "vector": [1, 2], "document": 5}', InvalidInput, "an int, not a str or None"),
        ('{"id": "b", "vector": [1, 2], "metadata": 5}', InvalidInput, "no JSON object: 5"),
        ('{"id": "b", "vector": [1, 2], "k": 123456789012345678901}', InvalidInput, "outside the 64-bit"),
        ('{"id": "b", "vector": [1, 2], "k": [1, "a"]}', InvalidInput, "one type"),
        ('{"id": "a", "vector": [1, 2]}', Mismatch, "'a' stands twice"),
    ],
)
def test_a_line_that_is_no_record_is_refused(row: str, kind: type[VStoreError], message: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=message):
        read(lines(tmp_path, GOOD_LINE, row))


def test_lines_may_have_keys_of_their_own(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        '{"id": "a", "vector": [1, 2], "year": 2020, "metadata": {"x": {"y": 1}}}',
        "",
        '{"id": "b", "vector": [1, 2], "document": "d", "tag": ["t"], "none": null, "metadata": null}',
    )
    source = read(path)
    records = everything(source)
    assert records.metadatas == [{"x": {"y": 1}, "year": 2020}, {"tag": ["t"]}]
    assert records.documents == [None, "d"]
    assert "metadata: 1 values are null, which means absent" in source.notes
    assert everything(read(path, metadata=("year",), object="none")).metadatas == [{"year": 2020}, {}]
    for typo in ({"document": "text"}, {"object": "meta"}, {"metadata": ("year", "yaer")}):
        with pytest.raises(InvalidInput, match=r"no record of .*x\.jsonl has '(text|meta|yaer)'"):
            read(path, **typo)


def test_ids_that_are_text_in_one_file_and_integers_in_another_are_refused(tmp_path: Path) -> None:
    for name, ids in (("a", ["1"]), ("b", [1])):
        pq.write_table(pa.table({"id": ids, "vector": [[1.0]]}), tmp_path / f"{name}.parquet")
    with pytest.raises(InvalidInput, match="ids that are text and ids that are integers"):
        read(str(tmp_path))


def test_a_folder_of_files(tmp_path: Path) -> None:
    for name, start in (("b", 3), ("a", 0)):
        table = pa.table({"id": IDS, "vector": as_lists(pa.list_(pa.float32()))}).slice(start, 3 if name == "a" else 4)
        pq.write_table(table, tmp_path / f"{name}.parquet")
    (tmp_path / "_SUCCESS").touch()
    source = open_data_set(
        str(tmp_path), foreign=Foreign("l2", name="mine", index=Flat(), embedder="m", metadata={"a": 1})
    )
    assert assert_vectors(source).ids == IDS
    assert (source.info.name, source.info.index, source.info.embedder) == ("mine", Flat(), "m")
    assert source.info.metadata == {"a": 1}
    (tmp_path / "year=2024").mkdir()
    with pytest.raises(InvalidInput, match="only one level is read"):
        read(str(tmp_path))


def test_an_id_that_stands_twice_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for name in "ab":
        pq.write_table(pa.table({"id": IDS, "vector": as_lists(pa.list_(pa.float32()))}), tmp_path / f"{name}.parquet")
    with pytest.raises(Mismatch, match="'r0' stands twice, in rows 0 and 7"):
        read(str(tmp_path))


def test_options_for_foreign_files_do_not_change_what_a_manifest_says(tmp_path: Path) -> None:
    from tests.transfer.files.data import export

    export(str(tmp_path / "set"))
    with pytest.raises(InvalidInput, match="has a manifest"):
        read(str(tmp_path / "set"), metric="dot")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_without_pyarrow_it_says_what_to_install(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(pa.table(GOOD), tmp_path, suffix)
    for name in ("pyarrow", "pyarrow.parquet", "pyarrow.ipc", "pyarrow.compute"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(Unsupported, match="pyarrow cannot be imported") as caught:
        read(path)
    assert "vstore-db[arrow]" in caught.value.hint


def test_a_row_group_as_large_as_the_file_is_read_in_pieces(tmp_path: Path) -> None:
    n = 70_000
    vectors = np.arange(1, n + 1, dtype=np.float32).reshape(n, 1)
    table = pa.table({"id": pa.array(range(n)), "vector": pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), 1)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=n)
    source = read(str(tmp_path / "x.parquet"), metric="dot")
    wanted = [69_999, 3, 65_536, 65_535, 0]
    found = source.get([str(row) for row in wanted])
    assert found.vectors is not None
    assert found.vectors.reshape(-1).tolist() == [row + 1 for row in wanted]
    page = next(source.scan(after="parquet:66001", batch_size=2))
    assert page.records.ids == ["66001", "66002"]


@pytest.mark.timeout(60)
def test_very_many_keys_are_told_in_short(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({f"k{n}": [1] for n in range(100_000)}) + "\n")
    with pytest.raises(InvalidInput, match="no column 'id'") as caught:
        open_data_set(str(path), foreign=Foreign(metric="l2"))
    assert "and 99,950 more" in str(caught.value)
    assert len(str(caught.value)) < 2_000
