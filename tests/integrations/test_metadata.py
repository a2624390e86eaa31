"""Whatever a framework writes is read back as it was, and what META-1 has stays there for filters."""

from __future__ import annotations

import json
import math
from collections import namedtuple
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vstore
from vstore.errors import InvalidInput, Mismatch
from vstore.integrations.metadata import KEY, filterable, pack, pack_all, unpack
from vstore.metadata import check_metadata


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Plain(Enum):
    ONE = 1


Point = namedtuple("Point", "x y")  # as programs have them

PLAIN: dict[str, Any] = {
    "text": "x",
    "number": 1,
    "flag": True,
    "float": 1.0,
    "moment": datetime(2024, 1, 1, tzinfo=UTC),
    "list": ["a", "b"],
}
HOSTILE: dict[Any, Any] = {
    "none": None,
    "nested": {"a": {"b": [1, None, {"c": (1, 2)}]}},
    "empty list": [],
    "empty dict": {},
    "mixed": [1, "1", 1.0, True, None],
    "lists": [[1], [2, 3]],
    "long": list(range(1001)),
    "tuple": (1, (2, 3)),
    "set": {1, 2, 3},
    "frozenset": frozenset({"a", ("b", 1)}),
    "bytes": b"\x00\xff",
    "big": 1 << 70,
    "uuid": UUID(int=7),
    "decimal": Decimal("1.10"),
    "date": date(2024, 2, 29),
    "naive": datetime(2024, 1, 1, 12, 30),  # noqa: DTZ001  # without a zone on purpose
    "time": time(1, 2, 3, 4),
    "span": timedelta(days=-1, microseconds=1),
    "complex": 1 - 2j,
    "inf": math.inf,
    "nul": "a\x00b",
    "surrogate": "\ud800",
    "numpy": np.float32(0.1),
    "numpy date": np.datetime64("2024-01-01"),
    "k" * 256: "a long key",
    "": "an empty key",
    'a"quote': 1,
    "$eq": 2,
    "_vs": 3,
    7: "a key that is no str",
    (1, 2): "nor this",
    "looks like a tag": {"$tuple": [1]},
    KEY: "the key itself",
}


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("key", HOSTILE, ids=lambda key: repr(key)[:20])
def test_a_value_outside_the_contract_reads_back_with_its_type(key: Any, nested: bool) -> None:
    given = {**PLAIN, key: HOSTILE[key]}
    packed = pack(given, nested=nested)
    assert check_metadata(packed, nested=nested) is packed
    assert {name: packed[name] for name in PLAIN} == PLAIN
    read = unpack(packed)
    assert read == given
    assert type(read[key]) is type(given[key])


def test_what_the_contract_has_is_not_touched() -> None:
    assert pack(PLAIN, nested=False) is PLAIN
    assert unpack(PLAIN) == PLAIN
    nested = {"a": {"b": 1}}
    assert pack(nested, nested=True) is nested
    assert json.loads(pack(nested, nested=False)[KEY]) == nested


def test_what_stands_for_a_plain_value_can_be_filtered_by_it() -> None:
    given = {
        "year": np.int64(2024),
        "tags": ("a", "b"),
        "weights": [np.float64(0.5)],
        "flag": np.bool_(True),
        "colour": Colour.RED,
        "level": Level.HIGH,
        "point": Point(1, 2),
        "seen": pd.Timestamp("2024-01-01", tz="Asia/Shanghai"),
    }
    packed = pack(given, nested=False)
    assert {key: packed[key] for key in given} == {key: filterable(value) for key, value in given.items()}
    assert packed["year"] == 2024
    assert type(packed["year"]) is int
    assert packed["tags"] == ["a", "b"]
    assert packed["seen"] == datetime(2023, 12, 31, 16, tzinfo=UTC)
    read = unpack(packed)
    assert read == given
    assert [type(read[key]) for key in ("year", "tags", "flag")] == [np.int64, tuple, np.bool_]
    assert type(read["weights"][0]) is np.float64


def test_keys_come_in_order() -> None:
    assert list(unpack({"b": 1, "a": 2, "c": 3})) == ["a", "b", "c"]
    assert list(unpack(pack({"b": None, 5: 1, "a": 2, "c": ()}, nested=False))) == [5, "a", "b", "c"]


def test_a_change_beside_the_json_counts() -> None:
    packed = pack({"year": np.int64(2024), "tags": ("a", "b"), "note": None, "kept": (1, 2)}, nested=False)
    changed = {**packed, "year": 2025, "note": "now"}
    del changed["tags"]
    assert unpack(changed) == {"year": 2025, "note": "now", "kept": (1, 2)}


@pytest.mark.parametrize(
    "value",
    [print, Plain.ONE, object(), pd.NaT, pd.Timestamp("2024-01-01 00:00:00.000000001"), np.array([None])],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_json_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"'here'|NaT|Timestamp"):
        pack_all([{}, {"deep": {"here": value}, "here": value}], nested=False)


def test_an_error_names_the_record() -> None:
    with pytest.raises(InvalidInput, match=r"metadatas\[1\]: 'f'"):
        pack_all([{}, {"f": print}], nested=False)


def test_values_that_are_nested_without_end_are_refused() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(InvalidInput, match="deeper"):
        pack(endless, nested=False)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"$odd": 1}', '{"a": {"$uuid": 1}}', '{"a": {"$numpy": ["|O", ""]}}', 5, ["a"]]
)
def test_json_of_others_is_told(text: Any) -> None:
    with pytest.raises(Mismatch, match=KEY):
        unpack({KEY: text})


def test_the_json_is_canonical() -> None:
    one = pack({"b": None, "a": {3, 1, 2}}, nested=False)
    other = pack({"a": {2, 3, 1}, "b": None}, nested=False)
    assert one == other == {KEY: '{"a":{"$set":[1,2,3]},"b":null}'}
    assert pack({"é": None}, nested=False) == {KEY: '{"é":null}'}


moments = st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=8))]))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(codec=None), max_size=5),
    st.binary(max_size=3),
    moments,
    st.dates(),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.sampled_from([np.int8(1), np.float64(0.1), np.bool_(False), np.uint64(2**64 - 1)]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(st.characters(codec=None), max_size=3), inner, max_size=3),
        st.dictionaries(scalars, inner, max_size=3),
        st.frozensets(scalars, max_size=3),
    ),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, types included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping):
        return list(map(type, sorted(one, key=repr))) == list(map(type, sorted(other, key=repr))) and all(
            same(value, other[key]) for key, value in one.items()
        )
    return bool(one == other)


@given(st.dictionaries(st.text(st.characters(codec=None), max_size=8), values, max_size=4), st.booleans())
def test_everything_reads_back(metadata: dict[str, Any], nested: bool) -> None:
    packed = pack(metadata, nested=nested)
    check_metadata(packed, nested=nested)
    assert same(unpack(packed), metadata)


@pytest.mark.parametrize("store", ["memory:", "chroma::memory:", "qdrant::memory:"])
def test_through_a_database(store: str) -> None:
    with vstore.connect(store) as opened:
        docs = opened.create_collection("docs", dimension=1)
        nested = bool(docs.capabilities.nested_metadata)
        given = [{**PLAIN, key: value} for key, value in HOSTILE.items() if key != "long"]
        ids = [f"r{place}" for place in range(len(given))]
        docs.upsert(ids, [[1.0]] * len(ids), metadatas=pack_all(given, nested=nested))
        found = docs.get(ids).metadatas
        assert found is not None
        assert [unpack(one) for one in found] == given
        assert docs.count(where={"number": 1}) == len(ids)
