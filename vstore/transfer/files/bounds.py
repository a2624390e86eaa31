"""How much of a file is decoded at once. A small file can be made that grows a thousandfold when it is read."""

from __future__ import annotations

from typing import Final

from vstore.errors import Mismatch
from vstore.memory.store import CAPABILITIES

__all__ = [
    "AT_ONCE",
    "FOOTER_BYTES",
    "MANIFEST_BYTES",
    "MAX_DIMENSION",
    "MAX_TEXT",
    "check_dimension",
    "check_growth",
    "grows",
    "rows_at_once",
]

MAX_TEXT: Final = CAPABILITIES.limits.max_document_bytes
"""Bytes of the longest text: the longest document that any store takes."""
MAX_DIMENSION: Final = CAPABILITIES.limits.max_dimension
AT_ONCE: Final = 32 << 20
"""Bytes of rows that are decoded at once, where more than one row is."""
MANIFEST_BYTES: Final = 16 << 20
FOOTER_BYTES: Final = 64 << 20
"""Bytes of what a Parquet or Arrow file says of itself."""
_GROWN: Final = 256 << 20
_GROWTH: Final = 20


def grows(size: int, stored: int) -> bool:
    """Whether so many bytes are more than is decompressed at once of so many in a file."""
    return size > _GROWN and size > _GROWTH * stored


def check_growth(what: str, size: int, stored: int) -> None:
    """Raises ``Mismatch`` for something that is decompressed at once, is large and was very much smaller.

    Args:
        what: Names it.
        size: Bytes it will have.
        stored: Bytes it has in the file.
    """
    if grows(size, stored):
        raise Mismatch(
            f"{what} holds {size >> 20:,} MB in {stored:,} bytes: more than {_GROWN >> 20} MB are not decompressed at "
            f"once where they are more than {_GROWTH} times what the file holds",
            hint="Write it again with smaller pages, row groups or batches, or without compression.",
        )


def check_dimension(dimension: int) -> None:
    """Raises ``Mismatch`` for vectors longer than any store takes."""
    if dimension > MAX_DIMENSION:
        raise Mismatch(f"its vectors have {dimension:,} numbers; at most {MAX_DIMENSION:,} are read")


def rows_at_once(width: float) -> int:
    """How many rows are decoded at once, of which each may have so many bytes."""
    return max(1, int(AT_ONCE // max(width, 1.0)))
