"""Parts in JSON lines: one object a line with ``id``, ``vector``, ``document`` and ``metadata``."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from pathlib import Path
from typing import Any, Final

from vstore.codec import to_json
from vstore.errors import Mismatch
from vstore.omission import Omission
from vstore.transfer.files.columns import Columns
from vstore.transfer.files.format import naming
from vstore.transfer.files.location import shown
from vstore.transfer.files.objects import ForeignObjects, OwnObjects
from vstore.types import Include, Records

__all__ = ["JsonlFormat", "JsonlReader", "write_lines"]

_ALL: Final = Include(vectors=True, documents=True, metadatas=True)


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
        self._places = array("q")
        self._decoder: OwnObjects | ForeignObjects = OwnObjects(vectors=vectors)
        with naming(path), path.open("rb") as file:
            place = 0
            for line in file:
                if not line.isspace():
                    self._places.append(place)
                place += len(line)
        self.rows = len(self._places)
        if columns is not None:
            first = self._object(next(self._lines(0)), 0, _ALL) if self.rows else None
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
        with naming(self._path), self._path.open("rb") as file:
            objects = []
            for row in rows:
                file.seek(self._places[row])
                objects.append(self._object(file.readline(), row, include))
            return self._decoder.records(objects, include)

    def batches(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """See ``Reader``."""
        lines = self._lines(start)
        row = start
        with naming(self._path):
            while batch := list(islice(lines, size)):
                with naming(self._path, f", rows from {row:,}"):
                    objects = [self._object(line, row + offset, include) for offset, line in enumerate(batch)]
                    records = self._decoder.records(objects, include)
                yield records
                row += len(batch)

    def _lines(self, start: int) -> Iterator[bytes]:
        if start >= self.rows:
            return
        with self._path.open("rb") as file:
            file.seek(self._places[start])
            yield from (line for line in file if not line.isspace())

    def _object(self, line: bytes, row: int, include: Include) -> dict[str, Any]:
        try:
            found = self._decoder.parse(line, include)
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
