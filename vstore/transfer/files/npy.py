"""Parts in two files: vectors in NumPy's format, mapped into memory, and everything else in JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from vstore.errors import InvalidInput, Mismatch, NotFound
from vstore.omission import Omission
from vstore.records import Include, Records, VectorArray
from vstore.regular import check_regular, shown
from vstore.transfer.files.bounds import check_dimension
from vstore.transfer.files.columns import Columns, as_float32
from vstore.transfer.files.format import naming
from vstore.transfer.files.jsonl import JsonlReader, write_lines

__all__ = ["NpyFormat", "NpyReader"]


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
