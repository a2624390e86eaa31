"""Parts in Parquet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, BinaryIO, Final

from vstore.info import CollectionInfo
from vstore.interchange import as_lists, load, parquet_settings, to_arrow
from vstore.records import Include, Records
from vstore.spi.durable import reading
from vstore.transfer.files.bounds import rows_at_once
from vstore.transfer.files.columns import Columns
from vstore.transfer.files.format import ROWS, by_part, empty_records, everything, naming
from vstore.transfer.files.manifest import NOTE
from vstore.transfer.files.pages import check_footer, rows_of_groups
from vstore.transfer.files.tables import decoder

__all__ = ["ParquetFormat", "ParquetReader"]

_WINDOW: Final = 16 * ROWS  # most rows decoded at once, of a row group of any length
_BUFFER: Final = 1 << 20  # bytes; with a buffer, and none filled beforehand, a row group is read as it is decoded


class ParquetReader:
    """One Parquet file. What is decoded to reach a row is its row group, from the beginning."""

    unseen: Set[str] = frozenset()  # a file has the columns that it says it has

    def __init__(self, path: Path, told: CollectionInfo | Columns) -> None:
        self._path = path
        with naming(path), self._opened() as file:
            groups = [file.metadata.row_group(place).num_rows for place in range(file.metadata.num_row_groups)]
            self._decoder = decoder(file.schema_arrow, told)
            with reading(path) as raw:
                names = self._decoder.names(self._decoder.all)
                bounds = rows_of_groups(raw, file, names, self._decoder.vector, self._decoder.dimensions)
        most_dense = rows_at_once(self._decoder.width(self._decoder.all))
        self._most = [min(_WINDOW, most_dense, most) for most in bounds]
        self._ends = list(accumulate(groups))
        self.rows = self._ends[-1] if self._ends else 0
        self.id_rule = self._decoder.id_rule
        self.notes = self._decoder.notes
        self.omissions = self._decoder.omissions

    def take(self, rows: Sequence[int], include: Include) -> Records:
        """See ``Reader``."""
        found: list[Any] = []
        names = self._decoder.names(include)
        with naming(self._path), self._opened() as file:
            for group, inside in by_part(rows, self._ends):
                first = 0
                for batch in file.iter_batches(self._most[group], row_groups=[group], columns=names):
                    if here := [row - first for row in inside if first <= row < first + len(batch)]:
                        found.append(batch.take(here))
                    first += len(batch)
                    if first > inside[-1]:
                        break
            return self._decoder.records(load("pyarrow").Table.from_batches(found), include)

    def batches(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """See ``Reader``."""
        group = bisect_right(self._ends, start)
        skip = start - (self._ends[group - 1] if group else 0)
        if start >= self.rows:
            return
        names = self._decoder.names(include)
        with naming(self._path), self._opened() as file:
            row = start - skip
            for groups, most in self._runs(group):
                for batch in file.iter_batches(min(size, most), row_groups=groups, columns=names):
                    row += len(batch)
                    if skip >= len(batch):
                        skip -= len(batch)
                        continue
                    table = load("pyarrow").Table.from_batches([batch.slice(skip)])
                    skip = 0
                    with naming(self._path, f", rows from {row - len(table):,}"):
                        records = self._decoder.records(table, include)
                    yield records

    def _runs(self, first: int) -> Iterator[tuple[list[int], int]]:
        """The row groups from one on, those together of which as many rows are decoded at once."""
        places = range(first, len(self._most))
        for most, run in groupby(places, self._most.__getitem__):
            yield list(run), most

    def _opened(self) -> Any:
        with reading(self._path) as file:
            check_footer(file)
        return load("pyarrow.parquet").ParquetFile(
            self._path, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True
        )


class ParquetFormat:
    """Implements ``Format``. The manifest is in the file's key-value metadata."""

    def suffixes(self, info: CollectionInfo) -> Sequence[str]:
        """See ``Format``."""
        return [".parquet"]

    def write(
        self, files: Sequence[BinaryIO], batches: Iterable[Records], info: CollectionInfo, note: str | None
    ) -> None:
        """See ``Format``."""
        empty = as_lists(to_arrow(empty_records(info, everything(info))))
        schema = empty.schema if note is None else empty.schema.with_metadata({NOTE: note})
        writer = load("pyarrow.parquet").ParquetWriter(
            files[0], schema, write_page_checksum=True, **parquet_settings(schema)
        )
        with writer:
            for records in batches:
                if len(records):
                    table = as_lists(to_arrow(records)).replace_schema_metadata(schema.metadata)
                    writer.write_table(table, row_group_size=ROWS)

    def note(self, path: Path) -> str | None:
        """See ``Format``."""
        with naming(path):
            with reading(path) as file:
                check_footer(file)
            found = (load("pyarrow.parquet").read_schema(path).metadata or {}).get(NOTE.encode())
            return None if found is None else found.decode()
