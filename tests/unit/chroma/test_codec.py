"""Records to and from Chroma's form, without Chroma."""

from __future__ import annotations

import itertools
import math
import random
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vstore.indexing import Flat, Metric
from vstore.info import CollectionInfo
from vstore.records import Include
from vstore_chroma.codec import (
    NO_DOCUMENT,
    decode_metadata,
    encode_changes,
    encode_metadata,
    image,
    replacing,
    survives,
    to_records,
)

MOMENT = datetime(2024, 2, 29, 12, 0, 0, 123_456, tzinfo=UTC)


def typed(value: Any) -> Any:
    """Equal only for equal values of equal types, the sign of zero included."""
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    return type(value), repr(value)


@pytest.mark.parametrize(
    "value",
    [
        1, 1.0, True, False, "1", "", 2**63 - 1, -(2**63), 2**53 + 1, -0.0, 0.0, 0.1 + 0.2, 5e-324, 1.7e308, 1e22,
        -1e-7, MOMENT, [1], [1.0], [True], ["a"], [MOMENT], [0.1 + 0.2, 1.0], [-0.0], [-0.0, 0.1 + 0.2], [2**53 + 1],
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["k", "a.b", "chroma:document", "chroma:", "ключ", "it's"])
@pytest.mark.parametrize("marked", [False, True])
def test_metadata_comes_back_with_its_types(key: str, value: Any, marked: bool) -> None:
    assert typed(decode_metadata(encode_metadata({key: value}, marked=marked))) == typed({key: value})


def test_values_whose_type_chroma_tells_stand_alone() -> None:
    plain = {"s": "a", "i": 1, "f": 1.5, "b": True}
    assert encode_metadata(plain) == plain
    marked = {"_vs.s": "s", "_vs.i": "i", "_vs.f": "f", "_vs.b": "b"}
    assert encode_metadata(plain, marked=True) == plain | marked
    assert encode_metadata(plain | {"x": 1 / 3, "chroma:k": 2}) == plain | {"_vs~x": image(1 / 3), "_vs=chroma:k": 2}
    assert encode_metadata(plain | {"l": [1], "z": -0.0}) == plain | {"l": [1], "_vs.l": "l", "z": 0.0, "_vs.z": "z"}


def test_chroma_is_sent_no_key_that_it_drops_and_no_type_that_it_lacks() -> None:
    sent = encode_metadata({"chroma:x": MOMENT, "f": 0.1 + 0.2, "l": [0.1 + 0.2], "t": [MOMENT]})
    assert not [name for name in sent if name.startswith("chroma:")]
    for value in sent.values():
        for one in value if isinstance(value, list) else [value]:
            assert type(one) in (str, int)


def test_a_datetime_comes_back_in_utc() -> None:
    elsewhere = MOMENT.astimezone(tz=datetime.now().astimezone().tzinfo)
    found = decode_metadata(encode_metadata({"t": elsewhere}))["t"]
    assert found == MOMENT
    assert found.utcoffset() == timedelta(0)


def test_floats_that_serde_json_reads_exactly_survive_and_others_do_not() -> None:
    for value in (
        0.0,
        1.0,
        -2.5,
        0.1,
        123456789.125,
        1e15,
        999999999999999.0,
        1e-6,
        9.99e21,
        4000000000000020.0,
        1.5e16,
    ):
        assert survives(value), value
    for value in (
        0.1 + 0.2,
        1 / 3,
        1e22,
        1e300,
        5e-324,
        1e-7,
        float(2**53),
        1e-300,
        4236034431487910.0,
        -7668171669245900.0,
    ):
        assert not survives(value), value


def test_images_order_as_the_floats_do() -> None:
    rng = random.Random(1)
    drawn = [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(2000)]
    floats = sorted([x for x in drawn if math.isfinite(x)] + [0.0, 1.0, -1.0, 5e-324, -5e-324, 1.7e308])
    images = [image(x) for x in floats]
    assert images == sorted(images)
    assert len(set(images)) == len(set(floats))
    assert image(-0.0) == image(0.0)


def test_a_list_without_a_marker_is_a_ghost_of_a_dropped_collection() -> None:
    assert decode_metadata({"k": 1, "_vs.k": "i", "ghost": ["a"], "_vs=chroma:x": [1], "_vs~k": [7]}) == {"k": 1}
    assert decode_metadata({"native": "text"}) == {"native": "text"}
    assert decode_metadata(None) == {}


def test_a_change_leaves_no_other_form_of_its_key() -> None:
    for marked, value in itertools.product((False, True), (5, 0.1 + 0.2, [0.1 + 0.2], "text", MOMENT, None)):
        before = encode_metadata({"k": 0.1 + 0.2, "other": 1}, marked=marked)
        changed = {**before, **encode_changes({"k": value}, marked=marked)}
        expected = {"other": 1} if value is None else {"other": 1, "k": value}
        assert {k: one for k, one in changed.items() if one is not None} == encode_metadata(expected, marked=marked)


def test_replacing_removes_every_old_name() -> None:
    assert replacing({"a": 1, "_vs.a": "i"}, {"b": 2}) == {"a": None, "_vs.a": None, "b": 2}
    assert replacing(None, {"b": 2}) == {"b": 2}


def test_a_result_has_the_columns_that_were_asked() -> None:
    found = {"ids": ["a", "b"], "embeddings": None, "documents": [NO_DOCUMENT, "x"], "metadatas": None}
    records = to_records(
        found, Include(documents=True), CollectionInfo(name="c", dimension=2, metric=Metric.L2, index=Flat())
    )
    assert (records.vectors, records.documents, records.metadatas) == (None, [None, "x"], None)
