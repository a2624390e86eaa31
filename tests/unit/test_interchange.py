"""Records to Arrow, Parquet and pandas and back, types and all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from vstore import InvalidInput, Records
from vstore.codec import to_json

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
