"""The rows of a file, one after the other, from any of them on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO, TypeAlias

from vstore.errors import InvalidInput, Mismatch
from vstore.jsonlines import LINE_BYTES, behind_mark, too_large
from vstore.optional import load
from vstore.regular import listed, shown
from vstore.spi.durable import reading
from vstore.transfer.files.format import UNDECODABLE
from vstore.transfer.files.pages import check_footer, rows_of_groups
from vstore.wording import a_type, did_you_mean, sentences

__all__ = ["Row", "check_file", "count_rows", "read_rows"]

_FIELD_BYTES: Final = 64 << 20
_COMMAS: Final = 1_000_000  # of one row: each empty field between them takes sixty bytes
_SHOWN: Final = 1 << 20  # bytes of a line that is no JSON, for the file of rejected rows
_PIECE: Final = 1 << 20
_NAMES: Final = 1000
_PARQUET_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        number: Its place in the file from 1; in JSON lines the number of the line.
        fields: What it holds, by name.
        error: Why it cannot be read, or empty.
    """

    number: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


_Reader: TypeAlias = Callable[[Path, Sequence[str], int, bool], Iterator[Row]]


def read_rows(path: Path, columns: Sequence[str], skip: int = 0, *, everything: bool = False) -> Iterator[Row]:
    """The rows of a file whose name ends in ``.jsonl``, ``.csv`` or ``.parquet``, in order.

    Args:
        path: The file; text is UTF-8.
        columns: What is wanted of each row. A CSV or Parquet file must have all of it.
        skip: Rows (in JSON lines: lines) to leave out at the beginning.
        everything: Whether the other columns come too.

    Raises:
        InvalidInput: Another kind of file, one that cannot be read, or a column that is not there, or there twice.
        Unsupported: Parquet without pyarrow.
    """
    reader = _reader(path)
    try:
        yield from reader(path, columns, skip, everything)
    except UnicodeError as error:
        raise InvalidInput(f"{shown(path)} cannot be read: {error}", hint="Text must be UTF-8.") from error
    except OSError as error:
        raise InvalidInput(f"{shown(path)} cannot be read: {error.strerror or error}") from error


def check_file(path: Path, columns: Sequence[str], *, everything: bool = False) -> None:
    """Raises what ``read_rows`` raises of a file as a whole, or of its first rows, until each column was met.

    Raises:
        InvalidInput: No row has one of the columns, either.
    """
    there: dict[str, None] = {}
    for row in read_rows(path, columns, everything=everything or _reader(path) is _json_lines):
        if not row.error:
            there |= dict.fromkeys(islice(row.fields, _NAMES))
            if there.keys() >= set(columns):
                return
    if missing := [name for name in columns if there and name not in there]:
        raise InvalidInput(
            f"no row of {path.name} has the field {missing[0]!r}",
            hint=sentences(did_you_mean(missing[0], list(there)), f"There is {listed(list(there))}."),
        )


def count_rows(path: Path) -> int | None:
    """How many rows there are, where that is known without reading them; blank lines count."""
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            lines, last = 0, b"\n"
            with reading(path) as file:
                while block := file.read(1 << 20):
                    lines, last = lines + block.count(b"\n"), block[-1:]
            return lines + (last != b"\n")
        case ".parquet":
            with _open_parquet(path) as file:
                return int(file.metadata.num_rows)
    return None


def _reader(path: Path) -> _Reader:
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines
        case ".csv":
            return _csv
        case ".parquet":
            return _parquet
    raise InvalidInput(f"{path.name!r} is no .jsonl, .csv or .parquet", hint="Convert it, or rename it.")


def _json_lines(path: Path, columns: Sequence[str], skip: int, everything: bool) -> Iterator[Row]:
    with reading(path) as file:
        for number, line in enumerate(islice(_lines(file), skip, None), skip + 1):
            begin, other = behind_mark(line[:4]) if number == 1 else (0, "")
            if other:
                raise InvalidInput(f"{shown(path)} is {other}", hint=f"Convert it: iconv -f {other} -t UTF-8.")
            text = line[begin:]
            if not text.strip():
                continue
            if reason := too_large(text):
                yield Row(number, {}, f"the line is not read: {reason}")
                continue
            try:
                found = json.loads(text, parse_constant=_refuse)
            except (ValueError, RecursionError) as error:  # of which UnicodeDecodeError is one
                yield Row(number, {"line": text[:_SHOWN].decode(errors="replace").rstrip()}, f"it is not JSON: {error}")
                continue
            if isinstance(found, dict):
                yield Row(number, found if everything else {name: found[name] for name in columns if name in found})
            else:
                yield Row(number, {"line": found}, f"it is no object but {a_type(type(found))}")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines; of one that is too long only the beginning is ever held."""
    while line := file.readline(LINE_BYTES + 1):
        rest = line if len(line) > LINE_BYTES else b"\n"
        while not rest.endswith(b"\n") and (rest := file.readline(_PIECE)):
            pass
        yield line


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _csv(path: Path, columns: Sequence[str], skip: int, everything: bool) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_BYTES))
    with TextIOWrapper(reading(path), encoding="utf-8-sig", newline="") as file:
        lines = _ShortLines(path, file)
        reader = csv.DictReader(lines, strict=True)
        try:
            columns = _check_columns(path, columns, reader.fieldnames or (), everything)
            for number, found in enumerate(lines.rows(reader), 1):
                if number <= skip:
                    continue
                if None in found or None in found.values():
                    yield Row(number, {str(k): v for k, v in found.items()}, "it has not as many fields as the header")
                else:
                    yield Row(number, {name: found[name] for name in columns})
        except csv.Error as error:  # where the next row begins is not known
            raise InvalidInput(
                f"{shown(path)} cannot be read at line {reader.reader.line_num}: {error}",
                hint='A field that holds quotes stands in quotes, and they are doubled: "a ""word"" more".',
            ) from error


class _ShortLines:
    """The lines of a CSV, each and the row that it belongs to bounded before they are taken apart."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._file = file
        self._number = self._commas = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(_FIELD_BYTES + 1):
            self._number += 1
            self._commas += line.count(",")
            reason = ""
            if len(line) > _FIELD_BYTES:
                reason = f"line {self._number:,} is longer than {_FIELD_BYTES >> 20} MB"
            elif self._commas > _COMMAS:
                reason = f"the row at line {self._number:,} has more than {_COMMAS:,} commas"
            if reason:
                raise InvalidInput(f"{shown(self._path)} cannot be read: {reason}")
            yield line

    def rows(self, reader: Iterable[dict[Any, Any]]) -> Iterator[dict[Any, Any]]:
        """What a reader makes of the lines."""
        self._commas = 0  # those of the header
        for row in reader:
            self._commas = 0
            yield row


def _parquet(path: Path, columns: Sequence[str], skip: int, everything: bool) -> Iterator[Row]:
    with _open_parquet(path) as file:
        columns = _check_columns(path, columns, file.schema_arrow.names, everything)
        passed = 0
        try:
            for batch in _batches(path, file, list(columns)):
                left_out = min(max(skip - passed, 0), len(batch))
                rows = _in_micros(batch.slice(left_out)).to_pylist()
                for place, found in enumerate(rows, passed + left_out + 1):
                    yield Row(place, found)
                passed += len(batch)
        except (*UNDECODABLE, Mismatch) as error:  # such as a moment finer than a microsecond
            raise InvalidInput(f"{shown(path)} cannot be read behind row {passed:,}: {error!s:.200}") from error


def _batches(path: Path, parquet: Any, columns: list[str]) -> Iterator[Any]:
    with reading(path) as file:
        bounds = rows_of_groups(file, parquet, columns, vector="")
    for group, most in enumerate(bounds):
        yield from parquet.iter_batches(min(_PARQUET_ROWS, most), row_groups=[group], columns=columns)


def _in_micros(batch: Any) -> Any:
    """The batch with moments in microseconds, as Python and the contract have them; none is rounded."""
    arrow = load("pyarrow", "arrow")
    for place, field_ in enumerate(batch.schema):
        if arrow.types.is_timestamp(field_.type) and field_.type.unit == "ns":  # as pandas writes them
            column = batch.column(place).cast(arrow.timestamp("us", field_.type.tz))
            batch = batch.set_column(place, field_.name, column)
    return batch


def _open_parquet(path: Path) -> Any:
    parquet = load("pyarrow.parquet", "arrow")
    try:
        with reading(path) as file:
            check_footer(file)
        return parquet.ParquetFile(path)
    except OSError:
        raise
    except (*UNDECODABLE, Mismatch) as error:
        raise InvalidInput(f"{shown(path)} is no Parquet file: {error!s:.200}") from error


def _check_columns(path: Path, columns: Sequence[str], there: Sequence[str], everything: bool) -> Sequence[str]:
    """Return the columns to read."""
    if missing := [name for name in columns if name not in there]:
        raise InvalidInput(f"{path.name} has no column {missing[0]!r}", hint=f"It has {listed(there)}.")
    if everything:
        columns = there
        if not all(there):
            raise InvalidInput(f"{path.name} has a column without a name", hint="Name those to keep with --metadata.")
    if twice := [name for name in columns if there.count(name) > 1]:
        raise InvalidInput(f"{path.name} has several columns {twice[0]!r}", hint="Rename all but one of them.")
    return columns
