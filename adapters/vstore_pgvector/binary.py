"""Arrays and texts in PostgreSQL's binary form. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

__all__ = ["INT", "JSONB_OID", "NULL", "TEXT_OID", "Item", "Packed", "pack_array", "pack_texts"]

Item: TypeAlias = bytes | memoryview | None
"""One value in binary form; None is NULL."""

TEXT_OID: Final = 25
JSONB_OID: Final = 3802
INT: Final = Struct("!i")
NULL: Final = b"\xff\xff\xff\xff"
"""What stands for the length of a value that is NULL."""
_ARRAY: Final = Struct("!iiIii")


@dataclass(frozen=True, slots=True)
class Packed:
    """A parameter that is in PostgreSQL's binary form already."""

    data: bytes


def pack_array(oid: int, items: Sequence[Item]) -> Packed:
    """Return a one-dimensional array; layout of ``array_recv`` in PostgreSQL's arrayfuncs.c."""
    lengths = [-1 if item is None else len(item) for item in items]
    packed = {length: INT.pack(length) for length in set(lengths)}  # columns have few lengths
    parts: list[bytes | memoryview] = [b""] * (2 * len(items))
    parts[::2] = [packed[length] for length in lengths]
    parts[1::2] = [item or b"" for item in items]
    return Packed(_ARRAY.pack(1, int(-1 in packed), oid, len(items), 1) + b"".join(parts))


def pack_texts(texts: Sequence[str | None]) -> Packed:
    """Return a ``text[]``."""
    return pack_array(TEXT_OID, [None if text is None else text.encode() for text in texts])
