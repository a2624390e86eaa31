"""Parts in Arrow IPC: the file format (Feather 2), and to read the stream format too."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vstore.interchange import load, to_arrow
from vstore.records import Include, Records
from vstore.regular import check_regular
from vstore.spi.durable import reading
from vstore.transfer.files.bounds import rows_at_once
from vstore.transfer.files.columns import Columns
from vstore.transfer.files.format import ROWS, by_part, naming
from vstore.transfer.files.manifest import NOTE
from vstore.transfer.files.messages import FILE_MAGIC, check_batches
from vstore.transfer.files.tables import decoder
from vstore.transfer.files.widths import widest

__all__ = ["ArrowFormat", "ArrowReader"]


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

    def __init__(self, path: Path, columns: Columns | None) -> None:
        self._path = path
        with naming(path):
            with reading(path) as file:
                check_batches(file)
            with _opened(path) as (reader, _):
                self._names: list[str] = reader.schema.names
                self._decoder = decoder(reader.schema, columns)
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
                most = min(size, rows_at_once(sum(map(widest, batch.columns))))
                for offset in range(max(0, start - row), len(batch), most):
                    table = load("pyarrow").Table.from_batches([batch.slice(offset, most)])
                    with naming(self._path, f", rows from {row + offset:,}"):
                        records = self._decoder.records(table, include)
                    # a copy: who keeps a view of a mapped file dies when the file is cut short
                    yield records if records.vectors is None else replace(records, vectors=records.vectors.copy())
                row += len(batch)

    def _fields(self, include: Include) -> list[int]:
        return sorted(self._names.index(name) for name in self._decoder.names(include))


class ArrowFormat:
    """Implements ``Format``. Not compressed, so that every reader can map it; the manifest is in the schema."""

    suffixes = (".arrow",)

    def write(self, files: Sequence[BinaryIO], batches: Iterable[Records], dimension: int, note: str | None) -> None:
        """See ``Format``."""
        empty = to_arrow(Records([], np.empty((0, dimension), dtype=np.float32), [], []))
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
