"""Columns to requests, without Chroma."""

from __future__ import annotations

from typing import Any

import numpy as np

from vstore_chroma.requests import Columns, requests, spread


def test_columns_are_split_by_rows_and_by_bytes() -> None:
    ids = [f"id{n}" for n in range(10)]
    columns = Columns(ids, np.zeros((10, 4), np.float32), ["x" * 100] * 10, [{"k": 1}] * 10)
    assert [len(part.ids) for part in requests(columns, 4, None)] == [4, 4, 2]
    parts = list(requests(columns, 4, 500))
    assert [i for part in parts for i in part.ids] == ids
    assert max(len(part.ids) for part in parts) == 2
    assert [len(part.ids) for part in requests(columns, 4, 1)] == [1] * 10, "a record beyond the limit goes alone"


def test_columns_without_a_value_are_not_sent() -> None:
    arguments = Columns(["a", "b"], None, [None, None], [{}, {}]).arguments()
    assert arguments == {"ids": ["a", "b"]}
    assert Columns(["a", "b"], None, [None, "x"], [{}, {"k": 1}]).arguments()["metadatas"] == [None, {"k": 1}]


def test_a_record_beyond_one_statement_stands_on_several_rows_of_one_request() -> None:
    large: dict[str, Any] = {f"k{n}": [n] * 1000 for n in range(12)} | dict.fromkeys(f"n{n}" for n in range(9000))
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    columns = Columns(["a", "b", "c"], vectors, ["x", "y", None], [{"k": 1}, large, {}])
    rows = spread(columns)
    assert rows.repeated
    assert [*dict.fromkeys(rows.ids)] == columns.ids
    assert rows.documents is not None
    assert [text for text in rows.documents if text] == ["x", "y"]
    assert rows.embeddings is not None
    merged: dict[str, dict[str, Any]] = {"a": {}, "b": {}, "c": {}}
    for place, (record_id, part) in enumerate(zip(rows.ids, rows.metadatas or [], strict=True)):
        assert part is not None
        assert rows.embeddings[place].tolist() == vectors["abc".index(record_id)].tolist()
        assert not part.keys() & merged[record_id].keys()
        merged[record_id] |= part
        assert len(part) <= 5461
        assert sum(len(value) for value in part.values() if isinstance(value, list)) <= 5461
    assert merged == {"a": {"k": 1}, "b": large, "c": {}}
    for max_bytes in (None, 1, 1 << 20):
        parts = [part.ids for part in requests(rows, 1, max_bytes)]
        assert parts == [["a"], ["b"] * rows.ids.count("b"), ["c"]], "the rows of a record are never parted"
    assert [len(part.ids) for part in requests(rows, 5, None)] == [1 + rows.ids.count("b"), 1]


def test_records_that_one_row_brings_are_left_as_they_are() -> None:
    columns = Columns(["a", "b"], None, None, [{"k": [1] * 1000, "l": "x"}, {}])
    assert spread(columns) is columns
    assert spread(Columns(["a"])).metadatas is None
