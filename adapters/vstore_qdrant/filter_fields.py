"""What filters are answered from: a term for every fact about a record, and two halves of every number. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

from vstore.metadata import micros

__all__ = ["LEAST", "element_term", "halves", "is_plain", "key_term", "scalar_term", "survives", "value_text"]

# no number's upper half is below this
LEAST: Final = -(1 << 52)
_INT: Final = struct.Struct("<q")
_DOUBLE: Final = struct.Struct("<d")
_MAGNITUDE: Final = (1 << 63) - 1
_LOW_BITS: Final = 12
_LOW_MASK: Final = (1 << _LOW_BITS) - 1
# an int and the double nearest to it differ by 512 at most
_EXTRA_BITS: Final = 11
_INT64: Final = float(1 << 63)
_LONG_TEXT: Final = 64
_PLAIN: Final = 1 << 53


def is_plain(value: object) -> bool:
    """Return whether Qdrant's own conditions tell a scalar from all others: texts, bools, and most numbers.

    Numbers are those that its JSON parser reads right and float64 tells from every other.
    """
    kind = type(value)
    if kind is str or kind is bool:
        return True
    if kind is int:
        return -_PLAIN < value < _PLAIN  # type: ignore[operator]  # an int
    return kind is float and -_PLAIN < value < _PLAIN and survives(value)  # type: ignore[operator,arg-type]  # a float


def survives(value: float) -> bool:
    """Return whether serde_json's fast parser reads a float back: at most 15 digits and no far exponent.

    It counts every digit, and those of 4e15 are 17: ``4000000000000000.0``. From 1e16 on they are ``1e16``.
    """
    size = abs(value)
    return value == 0.0 or ((1e-7 < size < 1e15 or 1e16 <= size < 1e22) and float(f"{value:.15g}") == value)


def halves(value: int | float) -> tuple[int, int]:
    """Return two integers whose pairs order as all 64-bit ints and finite floats do among each other.

    The first has the upper 52 bits of the double nearest to the value, mirrored below zero; the second has its
    other 12 bits and, for an int, what it differs from that double. Both stand exactly in float64, in which
    Qdrant compares, and in JSON.
    """
    double = float(value)
    bits: int = _INT.unpack(_DOUBLE.pack(double))[0]
    image = bits if bits >= 0 else -(bits & _MAGNITUDE)
    extra = value - int(double) if type(value) is int else 0
    return image >> _LOW_BITS, ((image & _LOW_MASK) << _EXTRA_BITS) + extra


def key_term(path: Sequence[str]) -> str:
    """Return the term of a str, list or dict at ``path``. No key has a backslash or a double quote (META-1)."""
    return "\\".join(path)


def value_text(value: object) -> str:
    """Return a text that is equal for equal scalars only; its letter is the kind."""
    if type(value) is str:
        if len(value) <= _LONG_TEXT:
            return f"s{value}"
        return f"S{blake2b(value.encode(), digest_size=16).hexdigest()}"
    if type(value) is bool:
        return "b1" if value else "b0"
    if isinstance(value, datetime):
        return f"n{micros(value)}"
    if isinstance(value, float):
        return f"n{int(value)}" if value.is_integer() and -_INT64 <= value < _INT64 else f"n{value!r}"
    return f"n{value}"


def scalar_term(path: Sequence[str], value: object) -> str:
    """Return the term of a scalar at ``path``."""
    return f'{key_term(path)}"{value_text(value)}'


def element_term(path: Sequence[str], value: object) -> str:
    """Return the term of one element of the list at ``path``."""
    return f'{key_term(path)}"["{value_text(value)}'
