"""Columns to and from PostgreSQL's binary forms."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from vstore.indexing import Flat, Metric
from vstore.info import CollectionInfo
from vstore.records import Include, Records
from vstore_pgvector.binary import pack_array, pack_texts
from vstore_pgvector.codec import decode, encode
from vstore_pgvector.jsonb import decode_metadatas, encode_metadatas, json_text
from vstore_pgvector.vectors import TypeIds, decode_vectors, pack_vector, pack_vectors

PLAIN = CollectionInfo(name="plain", dimension=2, metric=Metric.COSINE, index=Flat())
MOMENT = datetime(2024, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)
MICROS = 1715949015123456


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1.0"),
        (True, "true"),
        ("1", '"1"'),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1e-7, "1e-07"),
        (1e16, "10000000000000000.0"),
        (-1e16, "-10000000000000000.0"),
        (2.0**60, "1152921504606846976.0"),
        (2.0**53 + 2, "9007199254740994.0"),
        (2**63 - 1, "9223372036854775807"),
        (MOMENT, str(MICROS)),
        (MOMENT.astimezone(timezone(timedelta(hours=5))), str(MICROS)),
        ([1e16, 1.5], "[10000000000000000.0,1.5]"),
        ({"é\u2028": [MOMENT]}, f'{{"é\u2028":[{MICROS}]}}'),
        ("see x1e+5", '"see x1e+5"'),
    ],
)
def test_values_as_json(value: object, text: str) -> None:
    assert json_text(value) == text


def test_floats_come_back_as_they_were() -> None:
    random = np.random.default_rng(0)
    bits = random.integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64)
    for value in bits[np.isfinite(bits)].tolist():
        back = json.loads(json_text(value))
        assert type(back) is float
        assert back == value


def test_arrays_have_the_layout_of_array_recv() -> None:
    packed = pack_texts(["a", None, "é"]).data
    assert packed[:20] == struct.pack("!iiIii", 1, 1, 25, 3, 1)
    assert packed[20:] == b"\0\0\0\x01a" + b"\xff\xff\xff\xff" + b"\0\0\0\x02\xc3\xa9"


def test_vectors_are_bit_exact() -> None:
    vectors = np.random.default_rng(0).integers(0, 2**32, (50, 7), dtype=np.uint32).view(np.float32)
    sent = [pack_vector(vector).data for vector in vectors]
    assert decode_vectors(sent, 7).tobytes() == vectors.tobytes()
    array = pack_vectors(vectors, 99).data
    assert array[:20] == struct.pack("!iiIii", 1, 0, 99, 50, 1)
    assert array[20:] == b"".join(struct.pack("!i", len(one)) + one for one in sent)
    assert decode_vectors([], 7).shape == (0, 7)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"a": 1, "t": MOMENT},
        {"t": [MOMENT, MOMENT], "n": [MICROS]},
        {"d": {"t": MOMENT, "n": MICROS, "deep": {"l": [MOMENT]}}, "e": {}},
    ],
)
def test_metadata_comes_back(metadata: dict[str, Any]) -> None:
    encoded = encode(Records(["a"], None, None, [metadata]), PLAIN)
    assert encoded.metadatas is not None
    assert encoded.datetime_keys is not None
    marks = encoded.datetime_keys[0]
    text = encoded.metadatas[0][1:].decode()
    back = decode_metadatas(["{}", text, text], [None, None if marks is None else marks[1:].decode(), None])
    assert (back[0], back[1]) == ({}, metadata)
    assert (marks is None) == (not any(word in repr(metadata) for word in ("datetime",)))


def test_rows_are_written_by_ascending_id() -> None:
    records = Records(["b", "a"], np.array([[1], [2]], dtype=np.float32), ["two", None], [{"n": 1}, {}])
    encoded = encode(records, PLAIN)
    assert encoded.ids == ["a", "b"]
    assert encoded.documents == [None, b"two"]
    assert encoded.metadatas == [b"\x01{}", b'\x01{"n":1}']
    assert encoded.names == ["id", "embedding", "document", "metadata", "moments"]
    assert encoded.arrays(slice(0, 2), TypeIds(9, 10))[1] == pack_vectors(np.array([[2], [1]], dtype=np.float32), 9)


def test_a_merge_names_the_keys_it_touches() -> None:
    encoded = encode(Records(["a"], None, None, [{"gone": None, "n": 1}]), PLAIN, merge=True)
    assert encoded.touched == [b'\x01["gone", "n"]']
    assert encoded.metadatas == [b'\x01{"n":1}']


def test_parts_keep_to_rows_and_bytes() -> None:
    documents: list[str | None] = ["x" * 1000, None, "x" * 1000, "x" * 5000, "y"]
    encoded = encode(Records(list("abcde"), None, documents), PLAIN)
    assert list(encoded.parts(2, 10_000)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(encoded.parts(100, 2_000)) == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5)]
    assert list(encoded.parts(100, 100_000)) == [slice(0, 5)]


def test_rows_become_columns() -> None:
    vector = pack_vector(np.array([1, 2], dtype=np.float32)).data
    rows = [("a", 0.5, 1, 0.0, vector, "doc", '{"t":0}', '{"t":true}')]
    records = decode(rows, Include(vectors=True, documents=True, metadatas=True), PLAIN, start=3)
    assert records.ids == ["a"]
    assert records.documents == ["doc"]
    assert records.metadatas == [{"t": datetime(1970, 1, 1, tzinfo=UTC)}]
    empty = decode([], Include(vectors=True, documents=True, metadatas=True), PLAIN, start=3)
    assert empty.vectors is not None
    assert (empty.ids, empty.vectors.shape, empty.documents, empty.metadatas) == ([], (0, 2), [], [])
    assert decode([("a",)], Include(), PLAIN).vectors is None


def test_the_jsonb_of_many_is_that_of_each() -> None:
    plain: list[dict[str, Any]] = [{"a": 1e16, "s": "e+"}, {}, {"s": ',"\\u0000",', "l": [1.5]}, {"f": 2.0**60}]
    moment: dict[str, Any] = {"t": datetime(2024, 1, 1, tzinfo=UTC)}
    for metadatas in ([], plain, [*plain, moment], [*plain, {"l": ["a", "\0"]}]):
        data, marks = encode_metadatas(metadatas)
        assert data == [b"\x01" + json_text(one).encode() for one in metadatas]
        assert marks == [b'\x01{"t": true}' if one is moment else None for one in metadatas]


def test_an_array_is_what_postgresql_reads() -> None:
    head = bytes.fromhex("00000001 00000001 00000019 00000004 00000001")
    items = bytes.fromhex("00000002 6162 ffffffff 00000000 00000001 63")
    assert pack_array(25, [b"ab", None, b"", memoryview(b"c")]).data == head + items
    assert pack_array(25, [b"x"]).data[4:8] == bytes(4)
