"""How long the rows of a Parquet column of lists are, from its repetition levels alone: 0 where a row begins, else 1.

They are runs: of one value, so many times, or of eight values a byte
(https://parquet.apache.org/docs/file-format/data-pages/encodings/, RLE = 3).
"""

from __future__ import annotations

import numpy as np

__all__ = ["longest_row"]


def longest_row(levels: bytes, values: int, begun: int) -> tuple[int, int]:
    """The longest row, and how long the last one is so far.

    Args:
        levels: Those of one page, of one bit each.
        values: How many there are.
        begun: How long the row is that the page before ended in.

    Raises:
        ValueError: The levels end before.
    """
    longest, place, left = begun, 0, values
    while left > 0:
        head = shift = 0
        while True:
            byte = _byte(levels, place)
            place += 1
            head |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        number = head >> 1
        if head & 1:
            begun, longest = _packed(levels[place : place + number], min(8 * number, left), begun, longest)
            place += number
            number *= 8
        elif _byte(levels, place):
            begun += min(number, left)
            place += 1
        else:
            begun = 1 if number else begun
            place += 1
        if not number:
            raise ValueError("the levels of a page of Parquet cannot be read")
        longest = max(longest, begun)
        left -= number
    return longest, begun


def _byte(levels: bytes, place: int) -> int:
    if place >= len(levels):
        raise ValueError("the levels of a page of Parquet cannot be read")
    return levels[place]


def _packed(packed: bytes, values: int, begun: int, longest: int) -> tuple[int, int]:
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=values, bitorder="little")
    begins = np.flatnonzero(bits == 0)
    if not len(begins):
        return begun + values, longest
    between = int(np.diff(begins).max(initial=0))
    return values - int(begins[-1]), max(longest, begun + int(begins[0]), between)
