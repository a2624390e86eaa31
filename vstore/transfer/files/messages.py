"""What an Arrow IPC file takes when it is decompressed, from its messages' heads alone.

The heads are flatbuffers; of these only what is asked here is read. pyarrow has no call that tells it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from vstore.errors import Mismatch
from vstore.transfer.files.bounds import FOOTER_BYTES, check_growth

__all__ = ["FILE_MAGIC", "check_batches"]

FILE_MAGIC: Final = b"ARROW1"
_CONTINUES: Final = 0xFFFFFFFF
_DICTIONARY, _BATCH = 2, 3


class _Table:
    """One table of a flatbuffer; a field is named by its number."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        self._slots = place - _number("<i", data, place)
        self._size = _number("<H", data, self._slots)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """The outermost one."""
        return cls(data, _number("<I", data, 0))

    def number(self, field: int, form: str) -> int:
        """A number; 0 where it is left out."""
        place = self._at(field)
        return 0 if place is None else _number(form, self._data, place)

    def table(self, field: int) -> _Table | None:
        """A table inside."""
        place = self._at(field)
        return None if place is None else _Table(self._data, place + _number("<I", self._data, place))

    def pairs(self, field: int, form: str) -> Iterator[tuple[int, int]]:
        """Pairs of numbers, of a list of structs that are so long as ``form``."""
        place = self._at(field)
        if place is None:
            return
        start = place + _number("<I", self._data, place)
        for number in range(_number("<I", self._data, start)):
            first, second = struct.unpack_from(form, self._data, start + 4 + number * struct.calcsize(form))
            yield first, second

    def _at(self, field: int) -> int | None:
        slot = 4 + 2 * field
        offset = _number("<H", self._data, self._slots + slot) if slot < self._size else 0
        return self._place + offset if offset else None


def _number(form: str, data: bytes, place: int) -> int:
    if place < 0:
        raise ValueError("the head of an Arrow message cannot be read")
    found: int = struct.unpack_from(form, data, place)[0]
    return found


def check_batches(file: BinaryIO) -> None:
    """Reads the head of every record batch.

    Raises:
        Mismatch: One would grow beyond what is decompressed at once.
        ValueError: A head cannot be read.
    """
    try:
        for number, place in enumerate(_places(file)):
            _check_message(file, place, number)
    except struct.error as error:
        raise ValueError("the head of an Arrow message cannot be read") from error


def _places(file: BinaryIO) -> Iterator[int]:
    """Where messages begin: in a file those that its footer names, in a stream one behind the other."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(FILE_MAGIC)) != FILE_MAGIC:
        place = 0
        while place < size and (following := _next(file, place)):
            yield place
            place = following
        return
    file.seek(max(0, size - 10))
    length = _number("<i", file.read(4), 0)
    if not 0 < length < size or length > FOOTER_BYTES:
        raise Mismatch(f"its footer has {length:,} bytes; at most {FOOTER_BYTES:,} are read")
    file.seek(size - 10 - length)
    footer = _Table.root(file.read(length))
    for field in (2, 3):  # dictionaries, record batches: offset, length of the head, length of the body
        yield from (offset for offset, _ in footer.pairs(field, "<qi12x"))


def _head(file: BinaryIO, place: int) -> tuple[bytes, int]:
    """The flatbuffer of a message and where its body begins; an empty one at the end of a stream."""
    file.seek(place)
    first, second = struct.unpack("<II", file.read(8).ljust(8, b"\0"))
    length, start = (second, place + 8) if first == _CONTINUES else (first, place + 4)
    if length > FOOTER_BYTES:
        raise Mismatch(f"the head of a message has {length:,} bytes; at most {FOOTER_BYTES:,} are read")
    file.seek(start)
    return file.read(length), start + length


def _next(file: BinaryIO, place: int) -> int:
    """Where the next message begins; 0 behind the last."""
    head, body = _head(file, place)
    length = _Table.root(head).number(3, "<q") if head else 0
    if length < 0:
        raise ValueError("the head of an Arrow message cannot be read")
    return body + length if head else 0


def _check_message(file: BinaryIO, place: int, number: int) -> None:
    head, body = _head(file, place)
    message = _Table.root(head)
    kind, inner = message.number(1, "<B"), message.table(2)
    batch = inner.table(1) if inner is not None and kind == _DICTIONARY else inner
    if batch is None or kind not in (_DICTIONARY, _BATCH) or batch.table(3) is None:  # not compressed
        return
    size = stored = 0
    for offset, length in batch.pairs(2, "<qq"):
        if length > 8:
            file.seek(body + offset)
            size += max(_number("<q", file.read(8), 0), 0)  # -1 where it would not have become smaller
            stored += length
    check_growth(f"record batch {number}", size, stored)
