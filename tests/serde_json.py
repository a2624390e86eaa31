"""JSON as a Qdrant server reads it: ``serde_json`` without its feature ``float_roundtrip``.

Its fast path takes the digits as one integer, rounds that to float64, and multiplies or divides by powers of ten that
are themselves rounded: the last place is wrong where the digits are no exact float64, or the exponent is above 22.
Written after ``de.rs`` of serde_json 1.0.154 and compared with it, bit for bit, over four million numbers.
"""

from __future__ import annotations

import json
import re
from math import inf
from typing import Any, Final

__all__ = ["load", "read_float"]

_U64: Final = (1 << 64) - 1
_LARGEST: Final = 308
_NUMBER: Final = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")


def load(body: bytes | str) -> Any:
    """What a body says, every number that is no integer read as the server reads it."""
    return json.loads(body, parse_float=read_float)


def read_float(text: str) -> float:
    """A number with a fraction or an exponent.

    Raises:
        ValueError: It is out of range, or no number.
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"invalid number: {text}")
    sign, whole, fraction, power = found.groups("")
    digits, taken = _fitting(whole, 0)
    exponent = int(power or 0) + len(whole) - taken
    digits, taken = _fitting(fraction, digits)
    value = _scaled(float(digits), exponent - taken)
    return -value if sign else value


def _fitting(text: str, start: int) -> tuple[int, int]:
    """The integer of as many digits as 64 bits hold, and how many of the text's those are."""
    whole = start * 10 ** len(text) + int(text or 0)
    if whole <= _U64:
        return whole, len(text)
    for place, digit in enumerate(text):
        longer = start * 10 + int(digit)
        if longer > _U64:
            return start, place
        start = longer
    return start, len(text)


def _scaled(value: float, exponent: int) -> float:
    while value and exponent < -_LARGEST:
        value /= 1e308
        exponent += _LARGEST
    if value and exponent > _LARGEST:
        raise ValueError("number out of range")
    if value:
        value = value * float(f"1e{exponent}") if exponent >= 0 else value / float(f"1e{-exponent}")
    if value == inf:
        raise ValueError("number out of range")
    return value
