"""What is told of a line of JSON before it is decoded: a line can be made that takes thirty times its size."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LINE_BYTES", "STRUCTURE_BYTES", "behind_mark", "too_large"]

LINE_BYTES: Final = 132 << 20
"""The longest line: twice the longest document of any store, for what JSON escapes, and a vector."""
STRUCTURE_BYTES: Final = 4 << 20
"""Most bytes of a line apart from its texts: a vector of the largest dimension takes 1.6 MB."""
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_UTF8: Final = b"\xef\xbb\xbf"


def too_large(line: bytes) -> str:
    """Why a line is not decoded, in words; empty where nothing speaks against it."""
    if len(line) > LINE_BYTES:
        return f"it is longer than {LINE_BYTES >> 20} MB"
    if len(line) > STRUCTURE_BYTES and len(_TEXT.sub(b"", line)) > STRUCTURE_BYTES:
        return f"it has more than {STRUCTURE_BYTES >> 20} MB besides its texts"
    return ""


def behind_mark(head: bytes) -> tuple[int, str]:
    """Where a text begins that a mark of its encoding stands before, and the encoding if it is not UTF-8."""
    other = next((name for mark, name in _MARKS if head.startswith(mark)), "")
    return len(_UTF8) if head.startswith(_UTF8) else 0, other
