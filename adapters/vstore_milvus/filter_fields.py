"""What filters compare: numbers, and one string for every other scalar.

**Numbers** within ±(2**53 - 1) stand in JSON as such, whole ones as integers: there all versions of Milvus compare them
as the contract says, and in two thirds of the time that a string takes. Of numbers beyond there stands which side they
are on, and their string beside. Collections of earlier versions have strings alone.

**Strings** compare as the contract says values do.

The first letter is the type: ``b`` bool, ``n`` number (a datetime is one), ``s`` str. Milvus's versions
disagree on what JSON numbers, bools and nulls mean in a filter (``true == 1``, 2**53 + 1 == 2**53, missing
paths under ``!=``); all compare strings by their bytes, which for UTF-8 is the order of code points.

A number's string orders like the number, and equal numbers have equal strings: the bits of the float at or
below it, turned so that they order as unsigned, in hexadecimal without the zeros at the end; after all
sixteen digits what an integer has above that float (at most 1,023, since a float near 2**63 is 1,024 apart).
"""

from __future__ import annotations

import math
import struct
from datetime import datetime
from typing import Final

from vstore.metadata import micros
from vstore.records import Scalar

__all__ = [
    "ABOVE_NUMBERS",
    "ABOVE_TEXTS",
    "BEYOND",
    "LISTS",
    "NUMBERS",
    "PLAIN",
    "SCALARS",
    "TEXTS",
    "element",
    "literal",
    "plain",
    "scalar",
]

# before a key: its value is a scalar, a list, or a number
SCALARS: Final = "s"
LISTS: Final = "l"
PLAIN: Final = "n"

BEYOND: Final = 1e16  # stands for all numbers above those that stand as such, and its negative for all below
_MOST: Final = (1 << 53) - 1

NUMBERS: Final = "n"
ABOVE_NUMBERS: Final = "o"
TEXTS: Final = "s"
ABOVE_TEXTS: Final = "t"
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def plain(value: Scalar) -> int | float | None:
    """Return a number, or moment, as JSON holds it exactly, equal for equal values; None for any other scalar."""
    if isinstance(value, str | bool):
        return None
    number = micros(value) if isinstance(value, datetime) else value
    if not -_MOST <= number <= _MOST:
        return None
    return int(number) if isinstance(number, float) and number.is_integer() else number


def scalar(value: Scalar) -> str:
    """Return the string of a scalar; strings order as scalars of one type do."""
    match value:
        case str():
            return TEXTS + value
        case bool():
            return "b1" if value else "b0"
        case datetime():
            return NUMBERS + _ordered(micros(value))
        case _:
            return NUMBERS + _ordered(value)


def element(value: Scalar) -> str:
    """Return the string of an element of a list: equal for equal ones; shorter than ``scalar``, and in no order.

    A list holds a thousand of them, and Milvus takes 65,536 bytes of JSON in a field.
    """
    match value:
        case str():
            return TEXTS + value
        case bool():
            return "b1" if value else "b0"
        case datetime():
            return str(micros(value))
        case _:
            return _shortest(value)


def _shortest(value: int | float) -> str:
    if isinstance(value, float) and not value.is_integer():
        return repr(value)
    whole = int(value)
    real = repr(float(whole)) if int(float(whole)) == whole else ""
    return real if real and len(real) < len(str(whole)) else str(whole)


def _ordered(value: int | float) -> str:
    floor = float(value)
    if floor > value:  # Python compares an int with a float exactly
        floor = math.nextafter(floor, -math.inf)
    above = value - int(floor) if isinstance(value, int) else 0
    (bits,) = struct.unpack(">Q", struct.pack(">d", floor + 0.0))  # -0.0 + 0.0 is 0.0
    digits = f"{bits ^ _ALL if bits & _SIGN else bits | _SIGN:016x}"
    return f"{digits}{above:03x}" if above else digits.rstrip("0")


def literal(text: str) -> str:
    r"""Return a string as it stands in a filter of Milvus.

    Only ``\``, ``"``, line feed, carriage return and tab are escaped: the server and Milvus Lite read
    everything else as it is, and neither knows all escapes that JSON has.
    """
    return f'"{text.translate(_ESCAPES)}"'
