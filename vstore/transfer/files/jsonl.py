"""Parts in JSON lines: one object a line with ``id``, ``vector``, ``document`` and ``metadata``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from pathlib import Path
from typing import Any, Final

from vstore.codec import to_json
from vstore.errors import Mismatch
from vstore.transfer.files.columns import Columns
from vstore.transfer.files.format import naming
from vstore.transfer.files.location import shown
from vstore.transfer.files.objects import ForeignObjects, OwnObjects
from vstore.types import Include, Records

__all__ = ["JsonlFormat", "JsonlReader", "write_lines"]

_STRIDE: Final = 256  # lines from one remembered place of the file to the next


class JsonlReader:
    """One file of JSON lines. What is read to reach a line is at most 256 lines; empty lines are no records.

    Opening it reads it once, to count the lines; it keeps 8 bytes for every 256 of them.

    Args:
        path: The file.
        columns: What is what in a file that vstore did not write.
        vectors: Whether the lines hold vectors. In the form NPY + JSONL they stand elsewhere.
    """

    def __init__(self, path: Path, columns: Columns | None, *, vectors: bool = True) -> None:
        self._path = path
        self._places: list[int] = []
        self._decoder: OwnObjects | ForeignObjects = OwnObjects(vectors=vectors)
        self.rows = 0
        with naming(path), path.open("rb") as file:
            place = 0
            for line in file:
                if not line.isspace():
                    if self.rows % _STRIDE == 0:
                        self._places.append(place)
                    self.rows += 1
                place += len(line)
        if columns is not None:
            first = self._object(next(self._lines(0)), 0) if self.rows else None
            with naming(path):
                self._decoder = ForeignObjects(columns, first, vectors=vectors)
        self.id_rule = self._decoder.id_rule
        self.notes = self._decoder.notes

    @property
    def unseen(self) -> Set[str]:
        """See ``Reader``."""
        return self._decoder.unseen

    def block(self, row: int) -> range:
        """See ``Reader``."""
        first = row - row % _STRIDE
        return range(first, min(self.rows, first + _STRIDE))

    def batches(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """See ``Reader``."""
        lines = self._lines(start)
        row = start
        while batch := list(islice(lines, size)):
            with naming(self._path, f", rows from {row:,}"):
                objects = [self._object(line, row + offset) for offset, line in enumerate(batch)]
                records = self._decoder.records(objects, include)
            yield records
            row += len(batch)

    def _lines(self, start: int) -> Iterator[bytes]:
        if start >= self.rows:
            return
        with self._path.open("rb") as file:
            file.seek(self._places[start // _STRIDE])
            yield from islice((line for line in file if not line.isspace()), start % _STRIDE, None)

    def _object(self, line: bytes, row: int) -> dict[str, Any]:
        try:
            found = self._decoder.parse(line)
        except (ValueError, RecursionError, OverflowError) as error:
            raise Mismatch(
                f"{shown(self._path)}, row {row:,}: the line is damaged or no JSON: {error!s:.200}",
                hint="Restore the file, or repair the line.",
            ) from error
        if not isinstance(found, dict):
            raise Mismatch(f"{shown(self._path)}, row {row:,}: the line is no JSON object", hint="Repair the line.")
        return found


def write_lines(path: Path, batches: Iterable[Records], *, vectors: bool) -> None:
    """Writes records as lines. A float32 is written so that it reads back bit for bit, in Python and elsewhere."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for records in batches:
            for record in records:
                one: dict[str, Any] = {"id": record.id}
                if vectors and record.vector is not None:
                    # as float64, which every reader of JSON has: the shortest text of a float32 is shorter by half,
                    # but read as float64 and then rounded it can end up one bit beside
                    one["vector"] = record.vector.tolist()
                file.write(to_json(one | {"document": record.document, "metadata": record.metadata or {}}))
                file.write("\n")


class JsonlFormat:
    """Implements ``Format``. There is no room for a manifest inside."""

    suffixes = (".jsonl",)

    def write(self, paths: Sequence[Path], batches: Iterable[Records], dimension: int, note: str | None) -> None:
        """See ``Format``."""
        write_lines(paths[0], batches, vectors=True)

    def note(self, path: Path) -> str | None:
        """See ``Format``."""
        return None
