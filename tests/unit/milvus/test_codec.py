"""Records to rows and back, without Milvus."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pymilvus.grpc_gen.schema_pb2 import SearchResultData

from tests.unit.milvus.answered import answered
from vstore.errors import LimitExceeded
from vstore.indexing import Flat, Metric
from vstore.info import CollectionInfo
from vstore.metadata import MAX_METADATA_BYTES, check_metadata
from vstore.records import Include, Records
from vstore_milvus.codec import check_sizes, deleted, encode, to_records
from vstore_milvus.filter_fields import scalar
from vstore_milvus.layout import Layout
from vstore_milvus.messages import shows_records, upserts
from vstore_milvus.vectors import Row

EVERYTHING = Include(vectors=True, documents=True, metadatas=True)
LAYOUT = Layout(CollectionInfo(name="any", dimension=2, metric=Metric.L2, index=Flat()))
OLDER = Layout(LAYOUT.info, numbers=False)
JSON_BYTES = 65_536  # of one field of Milvus 2.3


def back(records: Records) -> Records:
    return to_records(answered(records, LAYOUT), EVERYTHING, LAYOUT)


def test_records_come_back() -> None:
    vectors = np.array([[1, 2], [0.1, 3e38]], dtype=np.float32)
    moment = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    metadatas: list[dict[str, Any]] = [
        {"i": 1, "f": 1.0, "b": True, "s": "1", "big": 2**63 - 1, "tiny": 5e-324, "m": moment, "ms": [moment, moment]},
        {"nested": {"deep": {"m": moment}}, "l": [1, 2]},
    ]
    found = back(Records(["a", "b"], vectors, ["x", None], metadatas))
    assert found.vectors is not None
    assert np.array_equal(found.vectors, vectors)
    assert found.documents == ["x", None]
    assert found.metadatas == metadatas
    assert [type(value) for value in found.metadatas[0].values()] == [type(value) for value in metadatas[0].values()]


@pytest.mark.parametrize(("document", "stored"), [(None, ""), ("", "\x00"), ("a", "a"), (" ", " ")])
def test_no_document_and_an_empty_one_are_apart(document: str | None, stored: str) -> None:
    records = Records(["a"], np.zeros((1, 2), dtype=np.float32), [document], [{}])
    assert encode(records, LAYOUT)["document"] == [stored]
    assert back(records).documents == [document]


def test_filters_are_asked_of_numbers_and_strings_beside_the_metadata() -> None:
    metadata = {
        "n": 5.0,
        "big": -(2**53),
        "s": "x",
        "b": True,
        "l": [1, 1.0, 2],
        "d": {"a": 1},
        "m": datetime(1970, 1, 2, tzinfo=UTC),
    }
    records = Records(["a"], np.zeros((1, 2), dtype=np.float32), None, [metadata])
    (facts,) = encode(records, LAYOUT)["facts"]
    beyond = {"sbig": "n3cbfffffffffffff", "nbig": -1e16}
    strings = {"ss": "sx", "sb": "b1", "ll": ["1", "2"]}
    assert json.loads(facts) == {"nn": 5, **beyond, **strings, "nm": 86_400_000_000}
    (facts,) = encode(records, OLDER)["facts"]
    assert json.loads(facts) == {"sn": "nc014", "sbig": beyond["sbig"], **strings, "sm": scalar(86_400_000_000)}


WORST: list[dict[str, Any]] = [
    {"k": "x" * 32_000},
    {"k": "\x01" * 5_400},
    {f"k{n:03}": n for n in range(1000)},
    {f"{n:03}": 0.1 for n in range(1000)},
    {f"{n:03}{'x' * 7}": 2**53 + 1 + n for n in range(1000)},
    {f"k{n}": list(range(1000)) for n in range(8)},
    {f"{n:03}": list(range(10)) for n in range(1000)},
    {f"k{n}": [m * 1e16 for m in range(1, 901)] for n in range(4)},
    {f"k{n}": [datetime(2024, 1, 1, 0, 0, m // 60, m, tzinfo=UTC) for m in range(950)] for n in range(2)},
]


@pytest.mark.parametrize("metadata", WORST)
def test_what_the_contract_allows_fits_into_a_field(metadata: dict[str, Any]) -> None:
    check_metadata(metadata)
    assert len(str(metadata)) > MAX_METADATA_BYTES // 4
    for layout in (LAYOUT, OLDER):
        cells = encode(Records(["a"], np.zeros((1, 2), dtype=np.float32), None, [metadata]), layout)
        for name in ("metadata", "facts"):
            assert len(cells[name][0]) <= JSON_BYTES, name


def test_only_what_is_included_is_asked_for() -> None:
    assert LAYOUT.columns(Include()) == ["id"]
    assert LAYOUT.columns(EVERYTHING) == ["id", "vector", "document", "metadata"]
    nothing = to_records([{"id": "a"}], Include(), LAYOUT)
    assert (nothing.vectors, nothing.documents, nothing.metadatas) == (None, None, None)
    empty = to_records([], EVERYTHING, LAYOUT)
    assert empty.vectors is not None
    assert empty.vectors.shape == (0, 2)


def test_parts_keep_the_limits() -> None:
    records = Records([str(n) for n in range(10)], np.zeros((10, 2), dtype=np.float32), ["x" * 1000] * 10, None)
    cells = encode(records, LAYOUT)
    for most_rows, most_bytes, expected in (
        (4, 1 << 30, [4, 4, 2]),
        (100, 10_000, [2] * 5),
        (100, 1, [1] * 10),
        (3, 10_000, [2] * 5),
    ):
        parts = list(upserts(records, cells, LAYOUT, most_rows, most_bytes))
        assert [part.message.num_rows for _, part in parts] == [len(part.records) for _, part in parts] == expected
        assert [one for ids, _ in parts for one in ids] == records.ids
        stored = [one for _, part in parts for one in part.message.fields_data[0].scalars.string_data.data]
        assert stored == records.ids


def test_what_a_field_does_not_take_is_named() -> None:
    vectors = np.ones((2, 1), dtype=np.float32)
    room = JSON_BYTES - len('{"sk":"s"}')
    check_sizes(Records(["a", "b"], vectors, None, [{}, {"k": "x" * room}]), LAYOUT, merged=True)
    for value in ("x" * (room + 1), "é" * (room // 2 + 1)):
        with pytest.raises(LimitExceeded) as caught:
            check_sizes(Records(["a", "b"], vectors, None, [{}, {"k": value}]), LAYOUT, merged=True)
        assert caught.value.ids == ["b"]
    check_sizes(Records(["a"], vectors[:1]), LAYOUT, merged=True)


@pytest.mark.parametrize("length", [20, 100, 255])
def test_many_numbers_beyond_2_to_the_53_are_refused_by_name(length: int) -> None:
    number = min(1000, MAX_METADATA_BYTES // (length + 10))
    metadata: dict[str, Any] = {f"{n:03}{'x' * (length - 3)}": -1e16 for n in range(number)}
    check_metadata(metadata)
    records = Records(["a", "b"], np.ones((2, 2), dtype=np.float32), None, [{}, metadata])
    assert len(encode(records, LAYOUT)["facts"][1]) > JSON_BYTES
    with pytest.raises(LimitExceeded) as caught:
        check_sizes(records, LAYOUT, merged=False)
    assert caught.value.ids == ["b"]
    check_sizes(records, OLDER, merged=False)
    few = dict.fromkeys([f"{n:03}{'x' * 252}" for n in range(100)], -1e16)
    records = Records(["a"], np.ones((1, 2), dtype=np.float32), None, [{**few, "s": "x" * 5_000}])
    assert len(encode(records, LAYOUT)["facts"][0]) <= JSON_BYTES, "with few keys it is not looked at"


def test_which_answers_show_a_record() -> None:
    assert shows_records([{"id": "a"}])
    assert shows_records(SearchResultData(topks=[0, 1]))
    for empty in (
        list[Row](),
        [{"count(*)": 0}],
        [{"count(*)": 2}],
        SearchResultData(),
        SearchResultData(topks=[0, 0]),
    ):
        assert not shows_records(empty)


def test_how_many_a_delete_counts() -> None:
    assert [deleted(answer) for answer in ({"delete_count": 2}, {}, ["a"], [])] == [2, 0, 1, 0]
