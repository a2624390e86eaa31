"""Metadata and documents: META-1 to META-5 and DOC-1."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest

from vstore import F, InvalidInput, LimitExceeded, Store, Unsupported
from vstore.conformance.checks import names, refusing, rows, scanned, typed
from vstore.conformance.corpus import HOSTILE_KEYS, LISTS, SCALARS, TEXTS
from vstore.conformance.fixtures import New, Supports, clause

BAD_VALUES: dict[str, Any] = {
    "NaN": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "int beyond 64 bits": 2**63,
    "int below 64 bits": -(2**63) - 1,
    "naive datetime": datetime(2024, 1, 1),  # noqa: DTZ001  # it is wrong on purpose
    "date": date(2024, 1, 1),
    "bytes": b"x",
    "tuple": (1, 2),
    "set": {1},
    "NumPy NaN": np.float32("nan"),
    "NumPy int beyond 64 bits": np.uint64(2**63),
    "NumPy day": np.datetime64("2024-02-29"),
    "NumPy moment between microseconds": np.datetime64("2024-02-29T12:00:00.123456789"),
    "NumPy NaT": np.datetime64("NaT", "us"),
    "NumPy duration": np.timedelta64(1, "s"),
    "NumPy bytes": np.bytes_(b"x"),
    "NumPy complex": np.complex64(1),
    "NumPy array": np.ones(2),
    "Decimal": Decimal(1),
    "object": object(),
    "NUL": "a\x00b",
    "lone surrogate": "\ud800",
    "empty list": [],
    "1001 elements": ["x"] * 1001,
    "mixed list": [1, "a"],
    "int and float": [1, 2.0],
    "bool and int": [True, 1],
    "None in a list": ["a", None],
    "list of lists": [[1]],
    "list of dicts": [{"a": 1}],
    "NaN in a list": [1.0, float("nan")],
    "2**63 in a list": [2**63],
    "NUL in a list": ["a\x00"],
    "naive datetime in a list": [datetime(2024, 1, 1)],  # noqa: DTZ001  # likewise
    "datetime beyond the years of UTC": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    "datetime before the years of UTC": [datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))],
    "int too long to print": 10**5000,
}
BAD_KEYS: list[Any] = [
    "",
    "a\x00",
    "a\nb",
    "a\x7f",
    'a"b',
    "a\\b",
    "_vs",
    "_vs_x",
    "$a",
    "#a",
    "x" * 256,
    "é" * 128,
    "\ud800",
    1,
    10**5000,
    None,
]


@clause("META-1")
@pytest.mark.parametrize("kind", BAD_VALUES)
def test_what_is_no_metadata_value_is_refused_and_named(new: New, kind: str) -> None:
    c = new()
    c.add(["a"], rows(1), metadatas=[{"k": 1}])
    wrong = {"fine": 1, "culprit": BAD_VALUES[kind]}
    for call in (
        lambda: c.add(["b", "c"], rows(2), metadatas=[{}, wrong]),
        lambda: c.upsert(["a", "c"], rows(2), metadatas=[{}, wrong]),
    ):
        error = refusing(InvalidInput, c, call)
        assert "metadatas[1]" in str(error)
        assert "culprit" in str(error)
    refusing(InvalidInput, c, lambda: c.update(["a"], metadatas=[wrong]))


class Colour(StrEnum):
    """An enum of str."""

    RED = "red"


class Level(IntEnum):
    """An enum of int."""

    HIGH = 3


STANDING_FOR: dict[str, tuple[Any, Any]] = {
    "float32": (np.float32(0.1), float(np.float32(0.1))),
    "float64": (np.float64(0.1), 0.1),
    "float16": (np.float16(0.5), 0.5),
    "int8": (np.int8(-7), -7),
    "uint64": (np.uint64(2**63 - 1), 2**63 - 1),
    "bool": (np.bool_(True), True),
    "str": (np.str_("é"), "é"),
    "moment": (np.datetime64("2024-02-29T12:30:00.000001"), datetime(2024, 2, 29, 12, 30, 0, 1, UTC)),
    "moment in ns": (np.datetime64("2024-02-29T12:30:00.000001000"), datetime(2024, 2, 29, 12, 30, 0, 1, UTC)),
    "enum of str": (Colour.RED, "red"),
    "enum of int": (Level.HIGH, 3),
    "list": ([np.int64(1), 2, Level.HIGH], [1, 2, 3]),
}


@clause("META-1")
@pytest.mark.parametrize("kind", STANDING_FOR)
def test_what_stands_for_a_python_value_is_taken_as_that_value(new: New, kind: str) -> None:
    given, meant = STANDING_FOR[kind]
    c = new()
    own = [{"k": given, "n": None}, {"k": "other"}]
    c.add([np.str_("a"), "b"], rows(2), metadatas=own)
    assert own[0]["k"] is given
    assert typed(c.get(["a"]).metadatas) == typed([{"k": meant}])
    c.update(["b"], metadatas=[{np.str_("k"): given}])
    assert typed(c.get([np.str_("b")]).metadatas) == typed([{"k": meant}])
    if not isinstance(given, list):
        for where in (F("k") == given, F("k").in_([given]), {"k": {"$eq": given}}):
            assert set(scanned(c, where)) == {"a", "b"}
            assert c.count(where) == 2
        assert c.query(vector=rows(1)[0], k=np.int64(1), where=F(Colour.RED) != given, exact=True).ids == ["a"]  # type: ignore[arg-type]


@clause("META-1")
def test_what_is_no_metadata_key_is_refused(new: New) -> None:
    c = new()
    c.add(["a"], rows(1), metadatas=[{"k": 1}])
    for wrong in BAD_KEYS:
        refusing(InvalidInput, c, lambda wrong=wrong: c.upsert(["a"], rows(1), metadatas=[{wrong: 1}]))  # type: ignore[misc]
        refusing(InvalidInput, c, lambda wrong=wrong: c.update(["a"], metadatas=[{wrong: None}]))  # type: ignore[misc]
    for wrong in ("abc", {"k": 1}, [1], ["x"], [[("k", 1)]], 7):
        refusing(InvalidInput, c, lambda wrong=wrong: c.upsert(["a"], rows(1), metadatas=wrong))  # type: ignore[misc]


@clause("META-1")
def test_metadata_may_reach_its_limits_and_not_exceed_them(store: Store, new: New) -> None:
    limit = store.capabilities.limits.max_metadata_bytes
    assert limit >= 32 * 1024
    size = limit - len(json.dumps({"k": ""}, separators=(",", ":")))
    full: list[dict[str, Any]] = [
        {f"k{place:03}": place for place in range(1000)},
        {"k": ["x" * 10] * 1000},
        {"k": list(range(1000))},
        {"k": "x" * size},
        {"x" * 255: 1, "é" * 127: 2},
    ]
    c = new()
    c.add(names(5), rows(5), metadatas=full)
    assert typed(c.get(names(5)).metadatas) == typed(full)
    for wrong in (
        {f"k{p:04}": p for p in range(1001)},
        {"k": "x" * (size + 1)},
        {"k": "é" * (size // 2 + 1)},
        {"k": ["x" * (size // 1000)] * 1000},
    ):
        refusing(InvalidInput, c, lambda wrong=wrong: c.upsert(["r00000"], rows(1), metadatas=[wrong]))  # type: ignore[misc]
    c.add(["after"], rows(1), metadatas=[{"k": "small"}])
    assert c.count() == 6, "the collection must stay healthy after the largest records"
    assert scanned(c, F("k") == "small") == ["after"]
    assert set(scanned(c, F("k999").exists() | F("k").has(999))) == {"r00000", "r00002"}
    assert len(c.query(vector=rows(1)[0], k=6, exact=True)) == 6
    c.update(["r00000"], metadatas=[{"k000": None}])
    assert len(c.get(["r00000"]).metadatas[0]) == 999  # type: ignore[index]


@clause("META-2")
def test_metadata_comes_back_equal_with_its_types(new: New) -> None:
    values: list[Any] = [*SCALARS, *LISTS]
    ids = names(len(values))
    c = new()
    c.add(ids, rows(len(ids)), metadatas=[{"v": value} for value in values])
    expected = [typed({"v": value}) for value in values]
    expected = [_utc(one) for one in expected]
    for found in (c.get(ids), c.query(vector=rows(1)[0], k=len(ids), exact=True).records.ordered(ids)):
        assert found.metadatas is not None
        for want, got, value in zip(expected, map(typed, found.metadatas), values, strict=True):
            assert got == want, f"{value!r} came back as another"


def _utc(value: Any) -> Any:
    match value:
        case ("datetime", moment, _):
            return ("datetime", moment, timedelta(0))
        case ("list" as kind, items):
            return (kind, [_utc(item) for item in items])
        case ("dict" as kind, items):
            return (kind, {key: _utc(item) for key, item in items.items()})
        case _:
            return value


@clause("META-2")
def test_one_record_keeps_values_that_look_alike_apart(new: New) -> None:
    alike = {
        "i": 1,
        "f": 1.0,
        "b": True,
        "s": "1",
        "li": [1],
        "lf": [1.0],
        "lb": [True],
        "ls": ["1"],
        "z": 0,
        "n": False,
        "e": "",
    }
    c = new()
    c.add(["a", "b"], rows(2), metadatas=[alike, {key: alike[key] for key in reversed(alike)}])
    c.update(["b"], metadatas=[{"i": 1.0, "f": True, "b": "1", "s": 1}])
    found = c.get(["a", "b"]).metadatas
    assert found is not None
    assert typed(found[0]) == typed(alike)
    assert typed(found[1]) == typed(alike | {"i": 1.0, "f": True, "b": "1", "s": 1})


@clause("META-2", "FLT-6")
def test_hostile_keys_come_back_as_they_are(new: New) -> None:
    c = new()
    whole = {key: place for place, key in enumerate(HOSTILE_KEYS)}
    lists = {key: [key] for key in HOSTILE_KEYS}
    moments = {key: datetime(2024, 1, 1, tzinfo=UTC) for key in HOSTILE_KEYS}
    c.add(["a", "b", "c"], rows(3), metadatas=[whole, lists, moments])
    assert typed(c.get(["a", "b", "c"]).metadatas) == typed([whole, lists, moments])
    c.update(["a"], metadatas=[dict.fromkeys(HOSTILE_KEYS[::2])])
    assert typed(c.get(["a"]).metadatas) == typed([{key: whole[key] for key in HOSTILE_KEYS[1::2]}])


@clause("META-3")
def test_none_means_absent(new: New) -> None:
    c = new()
    c.add(["a", "b", "c"], rows(3), metadatas=[{"k": None, "m": 1}, {"k": None}, None])
    assert c.get(["a", "b", "c"]).metadatas == [{"m": 1}, {}, {}]
    assert scanned(c, F("k").exists()) == []
    c.upsert(["a"], rows(1), metadatas=[{"m": None}])
    assert c.get(["a"]).metadatas == [{}]
    c.add(["d"], rows(1))
    assert c.get(["d"]).metadatas == [{}]


@clause("META-4", "CAP-2")
def test_nested_dicts_are_kept_or_refused(new: New, supports: Supports) -> None:
    c = new()
    c.add(["a"], rows(1), metadatas=[{"k": 1}])
    nested = {
        "o": {"a": 1, "b": {"c": [1.0], "d": True, "when": datetime(2024, 1, 1, tzinfo=UTC)}, "empty": {}},
        "k": "x",
    }
    if supports("nested_metadata"):
        c.upsert(["a"], rows(1), metadatas=[nested])
        assert typed(c.get(["a"]).metadatas) == typed([nested])
        c.update(["a"], metadatas=[{"o": {"z": 1, "n": None}}])
        assert typed(c.get(["a"]).metadatas) == typed([{"o": {"z": 1}, "k": "x"}]), (
            "an inner dict is replaced as one value"
        )
        deep: dict[str, Any] = {"x": 1}
        for _ in range(20):
            deep = {"x": deep}
        refusing(InvalidInput, c, lambda: c.upsert(["a"], rows(1), metadatas=[deep]))
    else:
        refusing(Unsupported, c, lambda: c.upsert(["a"], rows(1), metadatas=[nested]))
        refusing(Unsupported, c, lambda: c.add(["b"], rows(1), metadatas=[{"o": {}}]))
        refusing(Unsupported, c, lambda: c.update(["a"], metadatas=[nested]))


@clause("META-5")
def test_a_datetime_comes_back_in_utc_and_filters_as_its_microseconds(new: New) -> None:
    moment = datetime(2024, 2, 29, 12, 30, 15, 123_456, tzinfo=timezone(timedelta(hours=-7)))
    micros = 1_709_235_015_123_456
    c = new()
    c.add(
        ["moment", "int", "later", "list", "str"],
        rows(5),
        metadatas=[
            {"t": moment},
            {"t": micros},
            {"t": moment + timedelta(microseconds=1)},
            {"t": [moment]},
            {"t": moment.isoformat()},
        ],
    )
    found = c.get(["moment", "int", "list"]).metadatas
    assert found is not None
    assert found[0]["t"] == moment
    assert found[0]["t"].utcoffset() == timedelta(0)
    assert typed(found[1]["t"]) == ("int", micros), "an int of microseconds stays an int"
    assert typed(found[2]["t"][0]) == ("datetime", moment, timedelta(0))
    for same in (moment, moment.astimezone(UTC), micros):
        assert set(scanned(c, F("t") == same)) == {"moment", "int"}
        assert set(scanned(c, F("t") <= same)) == {"moment", "int"}
        assert scanned(c, F("t") > same) == ["later"]
        assert scanned(c, F("t").has(same)) == ["list"]
        assert set(scanned(c, F("t").not_in([same]))) == {"later", "list", "str"}
    c.update(["int", "moment"], metadatas=[{"t": moment}, {"t": micros}])
    assert typed(c.get(["int", "moment"]).metadatas) == typed([{"t": moment.astimezone(UTC)}, {"t": micros}])


@clause("DOC-1")
def test_a_document_comes_back_equal(new: New) -> None:
    texts: list[str | None] = [*TEXTS, None, "x" * 65_535, "é" * 32_767, "\U0001f600" * 16_383]
    ids = names(len(texts))
    c = new()
    c.add(ids, rows(len(ids)), documents=texts)
    assert c.get(ids).documents == texts
    assert {r.id: r.document for p in c.scan() for r in p.records} == dict(zip(ids, texts, strict=True))
    assert c.query(vector=rows(1)[0], k=len(ids), exact=True).records.ordered(ids).documents == texts
    c.add(["none"], rows(1))
    assert c.get(["none"]).documents == [None]


@clause("DOC-1")
def test_what_is_no_document_is_refused(new: New) -> None:
    c = new()
    c.add(["a"], rows(1), documents=["x"])
    for wrong in ([1], [b"x"], ["a\x00"], ["\ud800"], ["x", "y"], [], "x", [["x"]], 7):
        refusing(InvalidInput, c, lambda wrong=wrong: c.upsert(["a"], rows(1), documents=wrong))  # type: ignore[misc]
        refusing(InvalidInput, c, lambda wrong=wrong: c.update(["a"], documents=wrong))  # type: ignore[misc]


@clause("DOC-1")
def test_a_document_beyond_the_limit_is_refused(store: Store, new: New) -> None:
    c = new()
    limit = store.capabilities.limits.max_document_bytes
    assert limit >= 65_535
    error = refusing(LimitExceeded, c, lambda: c.add(["a", "b"], rows(2), documents=["x", "x" * (limit + 1)]))
    assert "documents[1]" in str(error)
