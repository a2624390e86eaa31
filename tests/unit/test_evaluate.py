"""What filters mean, by hand: the one place where the reference itself is checked and not taken as the truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from vstore import F
from vstore.filters import Filter
from vstore.spi.evaluate import predicate

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
MICROS = 1_704_067_200_000_000
ROWS: dict[str, dict[str, Any]] = {
    "none": {},
    "int": {"v": 1},
    "float": {"v": 1.0},
    "half": {"v": 1.5},
    "true": {"v": True},
    "str": {"v": "1"},
    "big": {"v": 2**53 + 1},
    "moment": {"v": MOMENT},
    "micros": {"v": MICROS},
    "ints": {"v": [1, 2]},
    "bools": {"v": [True]},
    "strs": {"v": ["1", "a"]},
    "moments": {"v": [MOMENT]},
    "dict": {"v": {"w": 1, "0": "x"}},
    "dotted": {"v.w": 1},
}
V = F("v")


def selected(where: Filter) -> set[str]:
    test = predicate(where)
    return {name for name, metadata in ROWS.items() if test(metadata, None)}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (V == 1, {"int", "float"}),
        (V == 1.0, {"int", "float"}),
        (V == 1.5, {"half"}),
        (V == True, {"true"}),  # noqa: E712
        (V == "1", {"str"}),
        (V == 2**53 + 1, {"big"}),
        (V == 2.0**53, set()),
        (V == MOMENT, {"moment", "micros"}),
        (V == MICROS, {"moment", "micros"}),
        (MOMENT.astimezone(timezone(timedelta(hours=3))) == V, {"moment", "micros"}),
        (V < 1.5, {"int", "float"}),
        (V <= 1.5, {"int", "float", "half"}),
        (V > 2.0**53, {"big"}),
        (V >= MOMENT, {"big", "moment", "micros"}),
        (V >= "0", {"str"}),
        (V.in_([1, "1"]), {"int", "float", "str"}),
        (V.in_([True]), {"true"}),
        (V.in_([]), set()),
        (V.has(1), {"ints"}),
        (V.has(1.0), {"ints"}),
        (V.has(True), {"bools"}),
        (V.has("1"), {"strs"}),
        (V.has(MICROS), {"moments"}),
        (V.contains_any([2, "a"]), {"ints", "strs"}),
        (V.contains_any([]), set()),
        (V.contains_all([1, 2.0]), {"ints"}),
        (V.contains_all([1, "a"]), set()),
        (V.exists(), set(ROWS) - {"none", "dotted"}),
        (V.matches("^[0-9]$"), {"str"}),
        (F("v", "w") == 1, {"dict"}),
        (F("v", "0") == "x", {"dict"}),
        (F("v.w") == 1, {"dotted"}),
    ],
    ids=lambda value: repr(value) if isinstance(value, Filter) else "-".join(sorted(value)),  # workers must agree
)
def test_leaves_and_their_complements(where: Filter, expected: set[str]) -> None:
    assert selected(where) == expected
    assert selected(~where) == set(ROWS) - expected


def test_documents() -> None:
    test = predicate(F.document.contains("Ab"))
    assert [test({}, text) for text in ("xAbx", "xabx", "", None)] == [True, False, False, False]


def test_the_order_of_strings_is_that_of_code_points() -> None:
    test = predicate(F("s") < "\U0001f600")
    assert [test({"s": text}, None) for text in ("Z", "é", "\uffee", "\U0001f601")] == [True, True, True, False]
