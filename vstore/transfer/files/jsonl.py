"""Parts in JSON lines, with the vectors in each line or beside them in NumPy's format, mapped into memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from vstore.errors import InvalidInput, LimitExceeded, Mismatch, NotFound
from vstore.jsonlines import LINE_BYTES, behind_mark, too_large
from vstore.omission import Omission
from vstore.records import Include, Records, VectorArray
from vstore.regular import check_regular, shown
from vstore.spi.codec import to_json
from vstore.spi.durable import reading
from vstore.transfer.files.bounds import check_dimension
from vstore.transfer.files.columns import Columns, as_float32
from vstore.transfer.files.format import ALL, naming
from vstore.transfer.files.objects import ForeignObjects, OwnObjects

__all__ = ["JsonlFormat", "JsonlReader", "NpyFormat", "NpyReader", "write_lines"]

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
        columns: What is what in a file that vstore did not write.
        vectors: Whether the lines hold vectors. In the form NPY + JSONL they stand elsewhere.
    """

    def __init__(self, path: Path, columns: Columns | None, *, vectors: bool = True) -> None:
        self._path = path
        self._decoder: OwnObjects | ForeignObjects = OwnObjects(vectors=vectors)
        with naming(path), reading(path) as file:
            self._places = _places(file)
        self.rows = len(self._places)
        if columns is not None:
            first = self._object(next(self._lines(0)), 0, ALL) if self.rows else None
            with naming(path):
                self._decoder = ForeignObjects(columns, first, vectors=vectors)
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
        row = start
        with naming(self._path):
            while batch := list(_first(lines, size)):
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
                hint="A record is one vector, one text, and metadata of at most 32 KB.",
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
            one: dict[str, Any] = {"id": record.id}
            if vectors and record.vector is not None:
                # as float64, which every reader of JSON has: the shortest text of a float32 is shorter by half,
                # but read as float64 and then rounded it can end up one bit beside
                one["vector"] = record.vector.tolist()
            line = to_json(one | {"document": record.document, "metadata": record.metadata or {}}).encode()
            if len(line) >= LINE_BYTES:
                raise LimitExceeded(
                    f"the record {record.id!r} is longer than {LINE_BYTES >> 20} MB as a line of JSON",
                    hint="Parquet and Arrow take it: --encoding parquet.",
                )
            file.write(line)
            file.write(b"\n")


class JsonlFormat:
    """Implements ``Format``. There is no room for a manifest inside."""

    suffixes = (".jsonl",)

    def write(self, files: Sequence[BinaryIO], batches: Iterable[Records], dimension: int, note: str | None) -> None:
        """See ``Format``."""
        write_lines(files[0], batches, vectors=True)

    def note(self, path: Path) -> str | None:
        """See ``Format``."""
        return None


class NpyReader:
    """One pair of files: ``x.npy`` of shape (n, d) with ``x.jsonl``, or ``vectors.npy`` with ``records.jsonl``."""

    def __init__(self, path: Path, columns: Columns | None) -> None:
        self._path = path
        lines = path.with_name("records.jsonl") if path.name == "vectors.npy" else path.with_suffix(".jsonl")
        if not lines.exists():
            raise NotFound(f"{shown(lines)} is missing: {shown(path.name)} holds vectors only")
        self._lines = JsonlReader(lines, columns, vectors=False)
        self._allow = frozenset[str]() if columns is None else columns.allow
        with naming(path):
            vectors = self._mapped()
            if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
                raise InvalidInput(f"it holds {vectors.dtype} of shape {vectors.shape}, not numbers of shape (n, d)")
            check_dimension(vectors.shape[1])
            if len(vectors) != self._lines.rows:
                raise Mismatch(
                    f"it has {len(vectors):,} rows, and {shown(lines.name)} has {self._lines.rows:,}",
                    hint="The two belong together: restore them, or export again.",
                )
        self.rows = self._lines.rows
        self.id_rule = self._lines.id_rule
        self.notes: Sequence[str] = self._lines.notes
        if vectors.dtype not in (np.float16, np.float32):
            change = "rounded to" if "float32" in self._allow else "kept exactly in"
            self.notes = (*self.notes, f"vectors: {vectors.dtype} {change} float32")

    @property
    def omissions(self) -> Sequence[Omission]:
        """See ``Reader``."""
        return self._lines.omissions

    @property
    def unseen(self) -> Set[str]:
        """See ``Reader``."""
        return self._lines.unseen

    def take(self, rows: Sequence[int], include: Include) -> Records:
        """See ``Reader``."""
        found = self._lines.take(rows, include)
        with naming(self._path):
            return replace(found, vectors=as_float32(self._mapped()[rows], self._allow)) if include.vectors else found

    def batches(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """See ``Reader``."""
        row = start
        for records in self._lines.batches(start, size, include):
            with naming(self._path, f", rows from {row:,}"):
                full = replace(records, vectors=self._read(row, len(records))) if include.vectors else records
            yield full
            row += len(records)

    def _read(self, row: int, number: int) -> VectorArray:
        return as_float32(np.ascontiguousarray(self._mapped()[row : row + number]), self._allow)

    def _mapped(self) -> NDArray[Any]:
        check_regular(self._path)
        try:
            array: NDArray[Any] = open_memmap(self._path, mode="r")  # np.load takes a ZIP or a pickle for one as well
        except (SyntaxError, TokenError) as error:
            raise ValueError("its header cannot be read") from error
        return array


class NpyFormat:
    """Implements ``Format``."""

    suffixes = (".npy", ".jsonl")

    def write(self, files: Sequence[BinaryIO], batches: Iterable[Records], dimension: int, note: str | None) -> None:
        """See ``Format``."""
        whole = Records.concat([Records([], np.empty((0, dimension), dtype=np.float32), [], []), *batches])
        np.save(files[0], np.asarray(whole.vectors, dtype="<f4"), allow_pickle=False)
        write_lines(files[1], [whole], vectors=False)

    def note(self, path: Path) -> str | None:
        """See ``Format``."""
        return None
