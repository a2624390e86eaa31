"""The strings that scalars become: equal for equal values, ordered as the values are."""

from __future__ import annotations

import itertools
import json
import random
import struct
from datetime import UTC, datetime, timedelta

import pytest

from vstore_milvus.filter_fields import (
    ABOVE_NUMBERS,
    ABOVE_TEXTS,
    BEYOND,
    NUMBERS,
    TEXTS,
    element,
    literal,
    plain,
    scalar,
)

SPECIAL: list[int | float] = [
    0, 0.0, -0.0, 1, 1.0, -1, -1.0, 0.1, -0.1, 1.5, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-7, 1e15, 1e16, 1e22,
    1.7976931348623157e308, -1.7976931348623157e308, 2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, -(2**53), -(2**53) - 1,
    float(2**53), float(2**53) + 2, 2**60, 2**60 + 1, float(2**60), 2**62 - 1, 2**63 - 1, 2**63 - 512, 2**63 - 1024,
    -(2**63), -(2**63) + 1, float(2**63), float(-(2**63)), 10**16, 10**18, 1e18, 10**18 + 1, 255, 256, 255.5, 1000000,
]  # fmt: skip


def numbers() -> list[int | float]:
    chosen = random.Random(7)
    floats: list[int | float] = []
    while len(floats) < 500:
        (value,) = struct.unpack(">d", chosen.randbytes(8))
        if value == value and abs(value) != float("inf"):
            floats.append(value)
    ints = [chosen.choice([-1, 1]) * (chosen.getrandbits(chosen.randint(1, 63))) for _ in range(500)]
    near = [whole + step for whole in ints[:200] for step in (-1, 1) if abs(whole) < 2**62]
    same = [float(whole) for whole in ints[:200]]
    return SPECIAL + floats + ints + near + same


def test_numbers_order_and_equal_as_their_strings_do() -> None:
    ordered = sorted(numbers())
    for left, right in itertools.pairwise(ordered):
        assert (left < right) == (scalar(left) < scalar(right)), (left, right)
        assert (left == right) == (scalar(left) == scalar(right)), (left, right)
        assert (left == right) == (element(left) == element(right)), (left, right)


def test_numbers_stand_as_such_where_json_holds_them_exactly() -> None:
    for number in numbers():
        stands = plain(number)
        assert (stands is None) == (abs(number) >= 2**53)
        if stands is not None:
            assert stands == number
            assert isinstance(stands, int) == (number == int(number))
            assert json.loads(json.dumps(stands)) == stands
            assert abs(stands) < BEYOND
    assert plain(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1_000_000
    assert plain(datetime(2300, 1, 1, tzinfo=UTC)) is None
    assert plain(True) is plain("1") is None


def test_types_stay_apart() -> None:
    for values in ([1, True, "1", "n", "b1"], [0, False, "", "0", "b0"], [1.5, "1.5"]):
        assert len({scalar(value) for value in values}) == len(values)
        assert len({element(value) for value in values}) == len(values)
    for number in SPECIAL:
        assert NUMBERS < scalar(number) < ABOVE_NUMBERS <= TEXTS
    for text in ("", "\x01", "a", "\U0010ffff"):
        assert TEXTS <= scalar(text) < ABOVE_TEXTS
    assert not NUMBERS <= scalar(True) < ABOVE_NUMBERS


def test_a_moment_is_its_microseconds() -> None:
    moment = datetime(2024, 2, 29, 12, 30, 1, 999_999, tzinfo=UTC)
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert scalar(moment) == scalar(micros)
    assert element(moment) == element(micros)


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "nc014"), (0, "n8"), (-0.0, "n8"), (True, "b1"), ("5", "s5"), (2**53 + 1, "nc340000000000000001")],
)
def test_scalars(value: int | float | str, text: str) -> None:
    assert scalar(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (1e16, "1e+16"),
        (10**16, "1e+16"),
        (2**53 + 1, "9007199254740993"),
        (0.1, "0.1"),
    ],
)
def test_elements(value: int | float, text: str) -> None:
    assert element(value) == text


def test_an_element_is_hardly_longer_than_its_json() -> None:
    """32 KB of metadata must fit into the 65,536 bytes of one JSON field."""
    for value in numbers():
        assert len(json.dumps(element(value))) <= len(json.dumps(value)) + 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", '"a"'),
        ('"', '"\\""'),
        ("\\", '"\\\\"'),
        ('\\"', '"\\\\\\""'),
        ("a\nb\rc\td", '"a\\nb\\rc\\td"'),
        ("\x01\x7f\u2028é'%_{}", '"\x01\x7f\u2028é\'%_{}"'),
        ('x"] or id not in ["zz', '"x\\"] or id not in [\\"zz"'),
    ],
)
def test_a_literal_escapes_what_milvus_reads_and_nothing_else(text: str, expected: str) -> None:
    assert literal(text) == expected
