"""Parts in JSON lines."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from vstore.errors import LimitExceeded, Mismatch
from vstore.info import CollectionInfo
from vstore.jsonlines import LINE_BYTES, behind_mark, too_large
from vstore.omission import Omission
from vstore.records import Include, Record, Records
from vstore.regular import shown
from vstore.sparse import SparseVector
from vstore.spi.codec import to_json
from vstore.spi.durable import reading
from vstore.transfer.files.bounds import rows_at_once
from vstore.transfer.files.columns import Columns
from vstore.transfer.files.format import ALL, naming
from vstore.transfer.files.objects import ForeignObjects, OwnObjects

__all__ = ["JsonlFormat", "JsonlReader", "write_lines"]

_PIECE: Final = 1 << 20
_BATCH_BYTES: Final = (
    8 << 20
)  # of lines that are decoded at once: as Python objects they take up to thirty times as much


def _places(file: BinaryIO) -> array[int]:
    """Where each line begins that is not empty.

    Raises:
        Mismatch: A line is too long to be decoded, or the text is not UTF-8.
    """
    places = array("q")
    begin = _behind_mark(file)
    length, number, filled = 0, 1, False
    while piece := file.readline(_PIECE):
        length += len(piece)
        filled = filled or not piece.isspace()
        if length > LINE_BYTES:
            raise Mismatch(
                f"line {number:,} is longer than {LINE_BYTES >> 20} MB",
                hint="One record is one line; Parquet has no lines.",
            )
        if piece.endswith(b"\n") or len(piece) < _PIECE:
            if filled:
                places.append(begin)
            begin, length, number, filled = begin + length, 0, number + 1, False
    if filled:  # the last piece of a file that does not end a line was full
        places.append(begin)
    return places


def _behind_mark(file: BinaryIO) -> int:
    """Where the text begins: some editors and spreadsheets write a mark of its encoding before it."""
    begin, other = behind_mark(file.read(4))
    if other:
        raise Mismatch(f"it is {other}, not UTF-8", hint=f"Convert it: iconv -f {other} -t UTF-8.")
    return file.seek(begin)


class JsonlReader:
    """One file of JSON lines; empty ones are no records.

    Opening it reads it once, for the places of the lines, of which it keeps 8 bytes a record.

    Args:
        path: The file.
        told: The collection whose records they are, or what is what in a file that vstore did not write.
        vectors: Whether the lines hold vectors. In the form NPY + JSONL they stand elsewhere.
    """

    def __init__(self, path: Path, told: CollectionInfo | Columns, *, vectors: bool = True) -> None:
        self._path = path
        with naming(path), reading(path) as file:
            self._places = _places(file)
        self.rows = len(self._places)
        self._decoder: OwnObjects | ForeignObjects
        if isinstance(told, Columns):
            self._decoder = ForeignObjects(told, None, vectors=vectors)
            first = self._object(next(self._lines(0)), 0, ALL) if self.rows else None
            with naming(path):
                self._decoder = ForeignObjects(told, first, vectors=vectors)
        else:
            self._decoder = OwnObjects(told, vectors=vectors)
        self.all = self._decoder.all
        self.id_rule = self._decoder.id_rule
        self.notes = self._decoder.notes

    @property
    def omissions(self) -> Sequence[Omission]:
        """See ``Reader``."""
        return self._decoder.omissions

    @property
    def unseen(self) -> Set[str]:
        """See ``Reader``."""
        return self._decoder.unseen

    def take(self, rows: Sequence[int], include: Include) -> Records:
        """See ``Reader``."""
        with naming(self._path), reading(self._path) as file:
            objects = []
            for row in rows:
                file.seek(self._places[row])
                objects.append(self._object(file.readline(LINE_BYTES), row, include))
            return self._decoder.records(objects, include)

    def batches(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """See ``Reader``."""
        lines = self._lines(start)
        row, most = start, min(size, rows_at_once(self._decoder.width(include)))
        with naming(self._path):
            while batch := list(_first(lines, most)):
                with naming(self._path, f", rows from {row:,}"):
                    objects = [self._object(line, row + offset, include) for offset, line in enumerate(batch)]
                    records = self._decoder.records(objects, include)
                yield records
                row += len(batch)

    def _lines(self, start: int) -> Iterator[bytes]:
        if start >= self.rows:
            return
        with reading(self._path) as file:
            file.seek(self._places[start])
            while line := file.readline(LINE_BYTES):
                if not line.isspace():
                    yield line

    def _object(self, line: bytes, row: int, include: Include) -> dict[str, Any]:
        if reason := too_large(line):
            raise Mismatch(
                f"{shown(self._path)}, row {row:,}: {reason}",
                hint="A record is one vector, one text, and metadata.",
            )
        try:
            found = self._decoder.parse(line, include)
        except ValueError as error:
            raise Mismatch(
                f"{shown(self._path)}, row {row:,}: the line is damaged or no JSON: {error!s:.200}",
                hint="Restore the file, or repair the line.",
            ) from error
        if not isinstance(found, dict):
            raise Mismatch(f"{shown(self._path)}, row {row:,}: the line is no JSON object", hint="Repair the line.")
        return found


def _first(lines: Iterator[bytes], most: int) -> Iterator[bytes]:
    """The next lines: at most so many, and not many more bytes than are decoded at once."""
    size = 0
    for line in islice(lines, most):
        yield line
        size += len(line)
        if size > _BATCH_BYTES:
            return


def write_lines(file: BinaryIO, batches: Iterable[Records], *, vectors: bool) -> None:
    """Writes records as lines. A float32 is written so that it reads back bit for bit, in Python and elsewhere.

    Raises:
        LimitExceeded: A line would be longer than is read again.
    """
    for records in batches:
        for record in records:
            told = _vectors(record) if vectors else {}
            line = to_json({"id": record.id, **told, "document": record.document, "metadata": record.metadata or {}})
            data = line.encode() + b"\n"
            if reason := too_large(data):
                raise LimitExceeded(
                    f"the record {record.id!r} as a line of JSON: {reason}",
                    hint="Parquet and Arrow take it: --encoding parquet.",
                )
            file.write(data)


def _vectors(record: Record) -> dict[str, Any]:
    """The vectors as float64, which every reader of JSON has.

    The shortest text of a float32 is shorter by half. Read as float64 and then rounded, it can end up one bit beside.
    """
    told: dict[str, Any] = {} if record.vector is None else {"vector": record.vector.tolist()}
    for name, vector in record.fields.items():
        if isinstance(vector, SparseVector):
            told[name] = {"indices": vector.indices.tolist(), "values": vector.values.tolist()}
        else:
            told[name] = None if vector is None else vector.tolist()
    return told


class JsonlFormat:
    """Implements ``Format``. There is no room for a manifest inside."""

    def suffixes(self, info: CollectionInfo) -> Sequence[str]:
        """See ``Format``."""
        return [".jsonl"]

    def write(
        self, files: Sequence[BinaryIO], batches: Iterable[Records], info: CollectionInfo, note: str | None
    ) -> None:
        """See ``Format``."""
        write_lines(files[0], batches, vectors=True)

    def note(self, path: Path) -> str | None:
        """See ``Format``."""
        return None
