"""Parts in Arrow IPC.

How large a record batch is when it is decompressed stands in the heads of messages. These are flatbuffers, of which
only what is asked here is read: pyarrow has no call for it.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, Final

from vstore.errors import Mismatch
from vstore.info import CollectionInfo
from vstore.interchange import load, to_arrow
from vstore.records import Include, Records
from vstore.regular import check_regular
from vstore.sparse import SparseArray
from vstore.spi.durable import reading
from vstore.transfer.files.bounds import FOOTER_BYTES, check_growth, rows_at_once, widest
from vstore.transfer.files.columns import Columns
from vstore.transfer.files.format import ROWS, by_part, empty_records, everything, naming
from vstore.transfer.files.manifest import NOTE
from vstore.transfer.files.tables import decoder

__all__ = ["FILE_MAGIC", "ArrowFormat", "ArrowReader", "check_batches"]

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


@contextmanager
def _opened(path: Path, fields: Sequence[int] | None = None) -> Iterator[tuple[Any, bool]]:
    """A reader of the mapped file, of these fields only, and whether it is of the file format."""
    pa, ipc = load("pyarrow"), load("pyarrow.ipc")
    check_regular(path)
    options = ipc.IpcReadOptions(included_fields=None if fields is None else list(fields))
    with pa.memory_map(str(path)) as mapped:
        seekable = mapped.read(len(FILE_MAGIC)) == FILE_MAGIC
        mapped.seek(0)
        opener = ipc.open_file if seekable else ipc.open_stream
        with opener(mapped, options=options) as reader:
            yield reader, seekable


def _from(reader: Any, seekable: bool, first: int) -> Iterator[Any]:
    """The record batches from one on."""
    if seekable:
        yield from (reader.get_batch(place) for place in range(first, reader.num_record_batches))
        return
    yield from (batch for place, batch in enumerate(reader) if place >= first)


class ArrowReader:
    """One Arrow IPC file, mapped into memory. What is decoded to reach a row is its record batch.

    A stream has no table of contents: to reach a row, the headers of all batches before it are read.
    """

    unseen: Set[str] = frozenset()  # a file has the columns that it says it has

    def __init__(self, path: Path, told: CollectionInfo | Columns) -> None:
        self._path = path
        with naming(path):
            with reading(path) as file:
                check_batches(file)
            with _opened(path) as (reader, _):
                self._names: list[str] = reader.schema.names
                self._decoder = decoder(reader.schema, told)
            # the first field alone: a compressed batch is decompressed to be counted
            with _opened(path, [0]) as (reader, seekable):
                self._ends = list(accumulate(len(batch) for batch in _from(reader, seekable, 0)))
        self.rows = self._ends[-1] if self._ends else 0
        self.id_rule = self._decoder.id_rule
        self.notes = self._decoder.notes
        self.omissions = self._decoder.omissions

    def take(self, rows: Sequence[int], include: Include) -> Records:
        """See ``Reader``."""
        found: list[Any] = []
        parts = by_part(rows, self._ends)
        part, inside = next(parts)
        with naming(self._path), _opened(self._path, self._fields(include)) as (reader, seekable):
            for place, batch in enumerate(_from(reader, seekable, part), part):
                if place < part:
                    continue
                batch.validate(full=True)
                found.append(batch.take(load("pyarrow").array(inside)))
                part, inside = next(parts, (-1, []))
                if part < 0:
                    break
            return self._decoder.records(load("pyarrow").Table.from_batches(found), include)

    def batches(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """See ``Reader``."""
        first = bisect_right(self._ends, start)
        row = self._ends[first - 1] if first else 0
        with naming(self._path), _opened(self._path, self._fields(include)) as (reader, seekable):
            for batch in _from(reader, seekable, first):
                batch.validate(full=True)  # what is mapped was written by someone; offsets may point anywhere
                most = min(size, rows_at_once(sum(map(widest, batch.columns)) + self._decoder.width(include)))
                for offset in range(max(0, start - row), len(batch), most):
                    table = load("pyarrow").Table.from_batches([batch.slice(offset, most)])
                    with naming(self._path, f", rows from {row + offset:,}"):
                        records = self._decoder.records(table, include)
                    yield _copied(records)
                row += len(batch)

    def _fields(self, include: Include) -> list[int]:
        return sorted(self._names.index(name) for name in self._decoder.names(include))


def _copied(records: Records) -> Records:
    """Records with vectors of their own: who keeps a view of a mapped file dies when the file is cut short."""
    vectors = None if records.vectors is None else records.vectors.copy()
    fields = {
        name: column if isinstance(column, SparseArray) else column.copy() for name, column in records.fields.items()
    }
    return replace(records, vectors=vectors, fields=fields)


class ArrowFormat:
    """Implements ``Format``. Not compressed, so that every reader can map it; the manifest is in the schema."""

    def suffixes(self, info: CollectionInfo) -> Sequence[str]:
        """See ``Format``."""
        return [".arrow"]

    def write(
        self, files: Sequence[BinaryIO], batches: Iterable[Records], info: CollectionInfo, note: str | None
    ) -> None:
        """See ``Format``."""
        empty = to_arrow(empty_records(info, everything(info)))
        schema = empty.schema if note is None else empty.schema.with_metadata({NOTE: note})
        with load("pyarrow.ipc").new_file(files[0], schema) as writer:
            for records in batches:
                table = to_arrow(records).replace_schema_metadata(schema.metadata)
                writer.write_table(table, max_chunksize=ROWS)

    def note(self, path: Path) -> str | None:
        """See ``Format``."""
        with naming(path), _opened(path) as (reader, _):
            found = (reader.schema.metadata or {}).get(NOTE.encode())
            return None if found is None else found.decode()
