"""How large a Parquet file is when it is decoded, from its footer and the headers of its pages alone.

The footer says how large a column is, but the decoder goes by the headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, BinaryIO, Final

import numpy as np

from vstore.errors import Mismatch
from vstore.interchange import load
from vstore.regular import shown
from vstore.transfer.files.bounds import (
    FOOTER_BYTES,
    MAX_DIMENSION,
    MAX_SPARSE,
    MAX_TEXT,
    check_growth,
    grows,
    rows_at_once,
)

__all__ = ["check_footer", "longest_row", "rows_of_groups"]


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


_HEADER: Final = 256  # bytes; statistics make it longer
_MAX_HEADER: Final = 16 << 20
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_DELTA_BYTE_ARRAY: Final = 7  # a value is a piece of the one before, and some bytes
_CODECS: Final = {"UNCOMPRESSED": "", "LZ4": "lz4_raw"}  # the older LZ4 is not looked into
_SLACK: Final = 64 << 10  # bytes of a page that are no values
_WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}


def check_footer(file: BinaryIO) -> None:
    """Raises ``Mismatch`` for a footer that is too large to be read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    length = int.from_bytes(file.read(4), "little")
    if length > FOOTER_BYTES and length < size:
        raise Mismatch(f"its footer has {length:,} bytes; at most {FOOTER_BYTES:,} are read")
    file.seek(0)


def rows_of_groups(
    file: BinaryIO, parquet: Any, names: Sequence[str], vector: str, fields: Mapping[str, int] = MappingProxyType({})
) -> list[int]:
    """For each row group how many rows are decoded at once.

    Args:
        file: The file.
        parquet: The ``pyarrow.parquet.ParquetFile`` of it.
        names: The columns that are read.
        vector: The one of the vectors, all of one length.
        fields: Those of further vectors, by their length; they may be null.

    Raises:
        Mismatch: A value that no record can have, or something that would grow beyond what is decompressed at once.
        ValueError: The headers cannot be read.
    """
    metadata, schema = parquet.metadata, parquet.schema
    kinds = [schema.column(place) for place in range(len(schema))]
    read = [place for place, kind in enumerate(kinds) if any(_belongs(kind.path, name) for name in names)]
    found = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        width = 0.0
        for place in read:
            what = f"row group {number}, the column {shown(kinds[place].path)}"
            is_vector = _belongs(kinds[place].path, vector)
            longest = next((most for name, most in fields.items() if _belongs(kinds[place].path, name)), 0)
            width += _width(file, group.column(place), kinds[place], group.num_rows, what, longest, is_vector=is_vector)
        found.append(rows_at_once(width))
    return found


def _belongs(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _width(file: BinaryIO, chunk: Any, kind: Any, rows: int, what: str, most: int, *, is_vector: bool) -> float:
    """Bytes of one row of a column, when it is decoded; ``most`` is the length of vectors that may be null, or 0."""
    texts = kind.physical_type == "BYTE_ARRAY"
    fixed = _WIDTHS.get(kind.physical_type, max(kind.length, 1))
    width, values, stored = float(fixed), 0, 0
    for page in _pages(file, chunk):
        if texts and page.size > page.values * (MAX_TEXT + 4) + _SLACK:
            raise Mismatch(f"{what} holds a text of more than {MAX_TEXT:,} bytes")
        check_growth(f"{what}, a page", page.size, page.stored)
        stored += page.stored
        values += 0 if page.dictionary else page.values
        if texts:
            any_value = page.dictionary or page.encoding == _DELTA_BYTE_ARRAY
            width = max(width, page.size / (1 if any_value else max(page.values, 1)))
    if kind.max_repetition_level == 0:
        return width
    limit = MAX_DIMENSION if is_vector or most else MAX_SPARSE
    if values > rows * limit:
        raise Mismatch(f"{what} has {values:,} values in {rows:,} rows; at most {limit:,} a row are read")
    if not is_vector and not most:
        check_growth(what, values * fixed, stored)
    elif is_vector and values % max(rows, 1):
        raise Mismatch(f"{what} has {values:,} numbers in {rows:,} rows, so its vectors are not of one length")
    elif grows(values * fixed, stored) and _longest(file, chunk, kind, what) > (most or values // max(rows, 1)):
        raise Mismatch(f"{what} has a vector that is longer than others, so its vectors are not of one length")
    return (width + 4) * values / max(rows, 1)


def _longest(file: BinaryIO, chunk: Any, kind: Any, what: str) -> int:
    """The longest row of a column of lists that is worth decompressing: it would grow, as one with one huge row does.

    Raises:
        Mismatch: It is not known how to decompress it, or its lists are inside of others.
    """
    longest = begun = 0
    try:
        name = _CODECS.get(chunk.compression, chunk.compression.lower())
        codec = load("pyarrow").Codec(name) if name else None
        if kind.max_repetition_level > 1:
            raise ValueError("lists inside of lists")
        for page in _pages(file, chunk):
            if page.dictionary:
                continue
            file.seek(page.place)
            if page.levels is None:
                body = file.read(page.stored)
                whole = memoryview(body if codec is None else codec.decompress(body, page.size))
                levels = bytes(whole[4 : 4 + int.from_bytes(whole[:4], "little")])
            else:
                levels = file.read(page.levels)
            found, begun = longest_row(levels, page.values, begun)
            longest = max(longest, found)
    except (ValueError, LookupError, NotImplementedError, OSError) as error:
        raise Mismatch(
            f"{what} is much larger than what the file holds of it, and cannot be looked into: {error!s:.200}",
            hint="Write it again with smaller row groups, or without compression.",
        ) from error
    return longest


@dataclass(frozen=True, slots=True)
class _Page:
    """A header: bytes decompressed and in the file, how many values, how they are encoded.

    ``place`` is where the page begins behind it, with as many bytes of ``levels``; None where these are compressed too.
    """

    size: int
    stored: int
    values: int
    encoding: int
    dictionary: bool
    place: int
    levels: int | None


def _pages(file: BinaryIO, chunk: Any) -> Iterator[_Page]:
    """The headers of a column chunk, which is read from one to the next."""
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < (chunk.dictionary_page_offset or 0) < start:
        start = chunk.dictionary_page_offset
    place, values, end = start, 0, start + chunk.total_compressed_size
    while place < end and values < chunk.num_values:
        header, length = _header(file, place)
        kind, size, stored = header[1], header[2], header[3]
        if min(size, stored) < 0:
            raise ValueError("a page of Parquet has a negative size")
        told = header.get({_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}.get(kind, 0))
        if told is not None:
            encoding = told[4 if kind == _DATA_V2 else 2]
            values += 0 if kind == _DICTIONARY else told[1]
            levels = told.get(6, 0) if kind == _DATA_V2 else None
            yield _Page(size, stored, told[1], encoding, kind == _DICTIONARY, place + length, levels)
        place += length + stored


def _header(file: BinaryIO, place: int) -> tuple[dict[int, Any], int]:
    size = _HEADER
    while True:
        file.seek(place)
        data = file.read(size)
        reader = _Compact(data)
        try:
            return reader.struct(), reader.place
        except IndexError:
            if len(data) < size or size >= _MAX_HEADER:
                raise ValueError("the header of a page of Parquet cannot be read") from None
        size *= 16


class _Compact:
    """Thrift's compact protocol, in which headers are written. What is not known is read as well, and passed over."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The fields by number; raises ``IndexError`` where the data ends before."""
        if depth > 16:
            raise ValueError("the header of a page of Parquet cannot be read")
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            found[number] = self._value(head & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                return self._skip(8)
            case 8:
                return self._skip(self._unsigned())
            case 9 | 10:
                head = self._byte()
                for _ in range(head >> 4 if head >> 4 < 15 else self._unsigned()):
                    self._element(head & 15, depth)
                return None
            case 12:
                return self.struct(depth + 1)
        raise ValueError("the header of a page of Parquet cannot be read")

    def _element(self, kind: int, depth: int) -> None:
        if kind in (1, 2):
            self._byte()
        else:
            self._value(kind, depth)

    def _skip(self, length: int) -> None:
        self.place += length
        if self.place > len(self._data):
            raise IndexError(self.place)

    def _byte(self) -> int:
        found = self._data[self.place]
        self.place += 1
        return found

    def _unsigned(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7

    def _signed(self) -> int:
        found = self._unsigned()
        return (found >> 1) ^ -(found & 1)
