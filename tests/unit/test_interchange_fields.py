"""Named fields to Arrow, Parquet, Polars, datasets and pandas and back, absent vectors and all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vstore import InvalidInput, Records, SparseArray

ABSENT = [np.nan, np.nan, np.nan]
IMAGES = np.array([[1, -0.0, 1e-40], ABSENT, [3e38, 0.1, 7], ABSENT], dtype=np.float32)
TERMS = SparseArray.of([{4_294_967_293: 1e-15, 0: 0.1}, {7: 1e15}, None, None])
FULL = Records(
    ["a", "b", "c", "d"],
    np.arange(8, dtype=np.float32).reshape(4, 2),
    ["x", None, "", "y"],
    [{}] * 4,
    {"terms": TERMS, "image": IMAGES},
)
PARTS = [FULL, FULL[1:3], FULL[3:], FULL[:0], FULL.take([2, 0]), Records(["a"], fields={"terms": TERMS[:1]})]
LABELS = ["full", "slice", "absent", "empty", "taken", "alone"]


def assert_same(found: Records, wanted: Records) -> None:
    assert found == wanted
    assert list(found.fields) == list(wanted.fields)
    for name, column in wanted.fields.items():
        other = found.fields[name]
        if isinstance(column, SparseArray):
            assert isinstance(other, SparseArray)
            assert [one.dtype for one in (other.indptr, other.indices, other.values)] == [
                np.int64,
                np.uint32,
                np.float32,
            ]
            assert other.values.tobytes() == column.values.tobytes()
        else:
            assert isinstance(other, np.ndarray)
            assert other.dtype == np.float32
            assert other.tobytes() == column.tobytes()


@pytest.mark.parametrize("records", PARTS, ids=LABELS)
def test_fields_come_back_bit_for_bit(records: Records, tmp_path: Path) -> None:
    records.to_parquet(tmp_path / "r.parquet")
    assert_same(Records.from_parquet(tmp_path / "r.parquet"), records)
    assert_same(Records.from_arrow(records.to_arrow()), records)
    assert_same(Records.from_polars(records.to_polars()), records)
    assert_same(Records.from_datasets(records.to_datasets()), records)
    if len(records):
        assert_same(Records.from_pandas(records.to_pandas()), records)


def test_the_columns_are_those_that_others_write(tmp_path: Path) -> None:
    table = FULL.to_arrow()
    assert table.column_names == ["id", "vector", "terms", "image", "document", "metadata"]
    assert table.schema.field("image").type == pa.list_(pa.float32(), 3)
    sparse = pa.struct([("indices", pa.list_(pa.uint32())), ("values", pa.list_(pa.float32()))])
    assert table.schema.field("terms").type == sparse
    assert table["terms"].to_pylist() == FULL.to_pandas().pipe(
        lambda frame: [one and {key: list(value) for key, value in one.items()} for one in frame["terms"]]
    )
    FULL.to_parquet(tmp_path / "r.parquet")
    image = pq.read_schema(tmp_path / "r.parquet").field("image")
    assert image.type == pa.large_list(pa.float32())  # a fixed-size list with nulls is not read from Parquet by most
    assert image.metadata[b"dimension"] == b"3"
    pd.read_parquet(tmp_path / "r.parquet").to_parquet(tmp_path / "again.parquet")
    assert_same(Records.from_parquet(tmp_path / "again.parquet"), FULL)


def test_vectors_of_a_field_are_shared_and_not_copied() -> None:
    whole = Records(["a", "b"], fields={"image": IMAGES[[0, 2]], "terms": TERMS[:2]})
    found = Records.from_arrow(whole.to_arrow()).fields["image"]
    assert isinstance(found, np.ndarray)
    assert np.shares_memory(found, whole.fields["image"])


SPARSE = pa.struct([("indices", pa.list_(pa.int64())), ("values", pa.list_(pa.float32()))])
DENSE = pa.list_(pa.float32())


def test_any_order_and_width_of_indices_is_taken() -> None:
    column = pa.array([{"indices": [9, 2], "values": [1.0, 2.0]}, {"indices": [], "values": []}], SPARSE)
    found = Records.from_arrow(pa.table({"id": ["a", "b"], "terms": column})).sparse
    assert found == SparseArray.of([{2: 2.0, 9: 1.0}, None])


@pytest.mark.parametrize(
    ("name", "given", "kind", "said"),
    [
        ("terms", [None, {"indices": [1, 1], "values": [1.0, 2.0]}], SPARSE, r"terms\[1\] has the index 1 twice"),
        ("terms", [{"indices": [1], "values": [float("nan")]}], SPARSE, r"terms\[0\] contains NaN"),
        ("terms", [{"indices": [1], "values": [-1.0]}], SPARSE, r"terms\[0\] has the value -1"),
        ("terms", [{"indices": [2**32 - 2], "values": [1.0]}], SPARSE, r"terms\[0\] has an index outside"),
        ("terms", [{"indices": [-1], "values": [1.0]}], SPARSE, r"terms\[0\] has an index outside"),
        ("terms", [None, {"indices": [1, 2], "values": [1.0]}], SPARSE, r"terms\[1\] has 2 indices and 1 values"),
        ("terms", [{"indices": None, "values": [1.0]}], SPARSE, r"terms\[0\] has 0 indices and 1 values"),
        ("terms", [{"indices": [None], "values": [1.0]}], SPARSE, "a null inside"),
        ("terms", [{"indices": [1.5], "values": [1.0]}], None, "not indices of uint32 and values of float32"),
        ("image", [[1.0], [1.0, 2.0]], DENSE, "lists of 1 to 2 numbers"),
        ("image", [[1.0, None]], DENSE, "a null inside"),
        ("image", [[1.0]], None, "not a fixed-size list of float32"),
        ("image", [None, [float("nan"), 1.0]], DENSE, r"image\[1\] begins with NaN"),
        ("image", [[]], DENSE, "vectors of no numbers"),
        ("image", [None], DENSE, "no vector that tells"),
        ("image", ["text"], None, "found id, image"),
        ("image", [{"a": 1}], None, "found id, image"),
        ("score", [[1.0]], DENSE, "cannot be called 'score'"),
        ("1st", [[1.0]], DENSE, "the name of a field"),
    ],
)
def test_columns_that_are_no_field_are_refused(name: str, given: list[Any], kind: Any, said: str) -> None:
    table = pa.table({"id": [str(row) for row in range(len(given))], name: pa.array(given, kind)})
    with pytest.raises(InvalidInput, match=said):
        Records.from_arrow(table)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"indices": [1, 1], "values": [1.0, 2.0]}, None], r"field\[0\] has the index 1 twice"),
        ([None, {"indices": [1]}], r"field\[1\] are no list of integers"),
        ([{5: 1.0}, [1.0, 2.0, 3.0]], r"field\[1\] is no sparse vector"),
        ([[1.0, 2.0], [1.0]], "vectors of one length"),
        ([[1.0, 2.0], {5: 1.0}], "vectors of one length"),
        ([[np.nan, 2.0], None], r"field\[0\] begins with NaN"),
        (["text", None], "found id, field"),
        ([None, None], "found id, field"),
    ],
)
def test_cells_of_pandas_that_are_no_vectors_are_refused(given: list[Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Records.from_pandas(pd.DataFrame({"id": ["a", "b"], "field": pd.Series(given, dtype=object)}))


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_what_pandas_has_missing_is_absent(missing: object) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "terms": pd.Series([missing, {3: 0.5}], dtype=object)})
    assert Records.from_pandas(frame).sparse == SparseArray.of([None, {3: 0.5}])


@pytest.mark.parametrize("read", [lambda made: made, lambda made: made.select([1, 0]).select([1, 0])])
def test_datasets_of_others_are_read(read: Callable[[Any], Any]) -> None:
    lists = pl.DataFrame({"id": ["a", "b"], "image": [None, [1.0, 2.0]]}).cast({"image": pl.List(pl.Float32)})
    wanted = np.array([[np.nan, np.nan], [1, 2]], dtype=np.float32)
    assert np.array_equal(Records.from_polars(lists).column("image"), wanted, equal_nan=True)  # type: ignore[arg-type]
    made = datasets.Dataset(lists.to_arrow())
    assert np.array_equal(Records.from_datasets(read(made)).column("image"), wanted, equal_nan=True)  # type: ignore[arg-type]
