"""Records to Arrow, Parquet and pandas and back, types and all."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from vstore import InvalidInput, Records
from vstore.spi.codec import to_json

FULL = Records(
    ["a", "é", "c"],
    np.array([[1.5, -0.0], [3e38, 1e-40], [0.1, 7]], dtype=np.float32),
    ["text", None, ""],
    [
        {"int": 1, "float": 1.0, "bool": True, "str": "1", "when": datetime(2024, 5, 1, 12, tzinfo=UTC)},
        {"list": [1.0, 2.0], "times": [datetime(1969, 1, 1, tzinfo=UTC)], "big": 2**63 - 1},
        {},
    ],
)
PARTS = [FULL, Records(["a"]), Records(["a"], documents=["x"]), FULL[:0], FULL[1:]]


def assert_equal(left: Records, right: Records) -> None:
    assert left.ids == right.ids
    assert left.documents == right.documents
    assert (left.vectors is None) == (right.vectors is None)
    if left.vectors is not None and right.vectors is not None:
        assert right.vectors.dtype == np.float32
        assert left.vectors.tobytes() == right.vectors.tobytes()
        assert left.vectors.shape == right.vectors.shape
    assert (left.metadatas is None) == (right.metadatas is None)
    assert [to_json(m) for m in left.metadatas or []] == [to_json(m) for m in right.metadatas or []]


@pytest.mark.parametrize("records", PARTS, ids=["full", "ids", "documents", "empty", "slice"])
def test_round_trips(records: Records, tmp_path: Path) -> None:
    assert_equal(records, Records.from_arrow(records.to_arrow()))
    records.to_parquet(tmp_path / "r.parquet")
    assert_equal(records, Records.from_parquet(tmp_path / "r.parquet"))
    if len(records):
        assert_equal(records, Records.from_pandas(records.to_pandas()))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"name": ["a"]}), "found name"),
        (pa.table({"id": ["a"], "extra": [1]}), "found id, extra"),
        (pa.table({"id": ["a", None]}), "'id' has nulls"),
        (pa.table({"id": ["a"], "vector": [[1.0, 2.0]]}), "not a fixed-size list of float32"),
    ],
)
def test_other_tables_are_refused(table: pa.Table, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Records.from_arrow(table)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1]}, "'id' is int64, not text"),
        ({"id": ["a"], "document": [5]}, "'document' is int64, not text"),
        ({"id": ["a"], "metadata": ["{"]}, r"metadata\[0\] is no JSON"),
        ({"id": ["a"], "metadata": ["[1]"]}, r"metadata\[0\] is no JSON object"),
        ({"id": ["a"], "metadata": ["[" * 5000]}, "nested too deeply"),
        ({"id": ["a"], "metadata": ['{"k": {"$datetime": 1e30}}']}, "no JSON"),
    ],
)
def test_what_no_record_holds_is_refused(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Records.from_arrow(pa.table(columns))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PAR1" + b"\xff" * 99 + b"PAR1"])
def test_what_is_no_parquet_is_told(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(InvalidInput, match=r"x\.parquet"):
        Records.from_parquet(tmp_path / "x.parquet")


def test_vectors_of_several_lengths_are_told() -> None:
    with pytest.raises(InvalidInput, match="one length"):
        Records.from_pandas(pd.DataFrame({"id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}))


def test_parquet_is_written_through_no_link_and_read_from_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("4711")
    (tmp_path / "r.parquet").symlink_to(tmp_path / "keys")
    FULL.to_parquet(tmp_path / "r.parquet")
    assert (tmp_path / "keys").read_text() == "4711"
    assert_equal(FULL, Records.from_parquet(str(tmp_path / "r.parquet")))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["keys", "r.parquet"]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="pipe"):
        Records.from_parquet(tmp_path / "pipe")


def test_a_url_is_no_path_of_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for call in (FULL.to_parquet, Records.from_parquet):
        with pytest.raises(InvalidInput, match="not a URL"):
            call("s3://me:secret@bucket/r.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [None, 1, "table", [[1]], np.array([1]), {"id": ["a"]}, object(), {}])
def test_what_is_no_table_is_refused(given: Any) -> None:
    for read in (Records.from_arrow, Records.from_pandas):
        with pytest.raises(InvalidInput, match="cannot be read"):
            read(given)
    if not isinstance(given, str):
        with pytest.raises(InvalidInput, match="takes a path"):
            Records.from_parquet(given)


@pytest.mark.parametrize("document", [5, 1.5, True, b"text", ["text"], {"a": 1}])
def test_a_document_that_is_no_text_is_not_dropped_in_silence(document: object) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "document": pd.Series(["x", document], dtype=object)})
    with pytest.raises(InvalidInput, match=r"document\[1\] must be a str or missing"):
        Records.from_pandas(frame)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_a_missing_document_of_pandas_is_none(missing: object) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "document": pd.Series(["x", missing], dtype=object)})
    assert Records.from_pandas(frame).documents == ["x", None]


@pytest.mark.parametrize("vectors", [["1.5", "2"], [["1", "2"], ["3", "4"]], [[1j], [2j]], [[True], [False]], [1, 2]])
def test_what_numpy_would_make_vectors_of_is_refused(vectors: list[Any]) -> None:
    with pytest.raises(InvalidInput, match="vectors of one length"):
        Records.from_pandas(pd.DataFrame({"id": ["a", "b"], "vector": pd.Series(vectors, dtype=object)}))


@pytest.mark.parametrize("records", PARTS, ids=["full", "ids", "documents", "empty", "slice"])
def test_polars_and_datasets_bring_back_what_they_were_given(records: Records) -> None:
    assert_equal(records, Records.from_polars(records.to_polars()))
    assert_equal(records, Records.from_datasets(records.to_datasets()))


def address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


MANY = Records([f"r{n}" for n in range(1000)], np.random.default_rng(1).random((1000, 16), dtype=np.float32))


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (Records.to_arrow, Records.from_arrow),
        (Records.to_polars, Records.from_polars),
        (Records.to_datasets, Records.from_datasets),
    ],
    ids=["arrow", "polars", "datasets"],
)
def test_vectors_are_shared_and_not_copied(write: Callable[[Records], Any], read: Callable[[Any], Records]) -> None:
    assert MANY.vectors is not None
    there = write(MANY)
    back = read(there).vectors
    assert back is not None
    assert address(back) == address(MANY.vectors)
    assert np.array_equal(back, MANY.vectors)
    part = read(write(MANY[10:20])).vectors
    assert part is not None
    assert address(part) == address(MANY.vectors[10:])
    assert np.array_equal(part, MANY.vectors[10:20])


def test_rows_of_pandas_and_columns_of_polars_are_the_vectors_themselves() -> None:
    assert MANY.vectors is not None
    assert address(MANY.to_pandas()["vector"].iloc[3]) == address(MANY.vectors[3])
    assert address(MANY.to_polars()["vector"].to_numpy(allow_copy=False)) == address(MANY.vectors)


LIST = pl.List(pl.Float32)


def test_what_others_make_of_polars_and_datasets_is_read() -> None:
    lists = pl.DataFrame({"id": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]]}).cast({"vector": LIST})
    expected = Records(["a", "b"], np.array([[1, 2], [3, 4]], dtype=np.float32))
    assert_equal(expected, Records.from_polars(lists))
    assert_equal(expected, Records.from_polars(pl.concat([lists[:1], lists[1:]], rechunk=False)))
    made = datasets.Dataset.from_dict({"id": ["b", "a"], "vector": np.array([[3, 4], [1, 2]], dtype=np.float32)})
    assert_equal(expected, Records.from_datasets(made.select([1, 0])))
    assert_equal(expected, Records.from_datasets(datasets.concatenate_datasets([made.select([1]), made.select([0])])))


@pytest.mark.parametrize(
    ("read", "given", "said"),
    [
        (Records.from_polars, pl.LazyFrame({"id": ["a"]}), "collect"),
        (Records.from_polars, pl.DataFrame({"id": [1]}), "'id' is int64, not text"),
        (Records.from_polars, pl.DataFrame({"id": ["a"], "x": [1]}), "found id, x"),
        (Records.from_polars, pl.DataFrame({"id": ["a"], "vector": [[1.0]]}), "not a fixed-size list of float32"),
        (
            Records.from_polars,
            pl.DataFrame({"id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}).cast({"vector": LIST}),
            "lists of 1 to 2 numbers",
        ),
        (Records.from_polars, {"id": ["a"]}, "takes a DataFrame"),
        (Records.from_datasets, datasets.DatasetDict(), "Take one split"),
        (Records.from_datasets, datasets.Dataset.from_dict({"id": ["a"]}).to_iterable_dataset(), "not a stream"),
        (Records.from_datasets, datasets.Dataset.from_dict({"id": [None]}), "nulls"),
        (Records.from_datasets, None, "takes a Dataset"),
    ],
)  # fmt: skip
def test_other_frames_and_datasets_are_refused(read: Callable[[Any], Records], given: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(given)
