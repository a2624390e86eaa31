"""Parts with the vectors in NumPy's format, mapped into memory, and the rest in JSON lines.

A dense field without a name is ``x.npy``, the others ``x.NAME.npy``, float32 of shape (n, d), where a row of NaN is an
absent vector. A sparse field is compressed rows: ``x.NAME.indptr.npy``, ``x.NAME.indices.npy``, ``x.NAME.values.npy``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from vstore.columns import Column, dense
from vstore.errors import InvalidInput, Mismatch, NotFound
from vstore.info import CollectionInfo
from vstore.omission import Omission
from vstore.records import Include, Records
from vstore.regular import check_regular, shown
from vstore.sparse import SparseArray
from vstore.transfer.files.bounds import check_dimension, rows_at_once
from vstore.transfer.files.columns import Columns, as_float32
from vstore.transfer.files.format import dimension_of, empty_records, everything, naming
from vstore.transfer.files.jsonl import JsonlReader, write_lines

__all__ = ["NpyFormat", "NpyReader"]

_HINT: Final = "The files of a part belong together: restore them, or export again."
_PARTS: Final = {"indptr": np.dtype("<i8"), "indices": np.dtype("<u4"), "values": np.dtype("<f4")}


class NpyReader:
    """The files of one part, or ``vectors.npy`` with ``records.jsonl``."""

    def __init__(self, path: Path, told: CollectionInfo | Columns) -> None:
        stem = path.name.partition(".")[0]
        lines = path.with_name("records.jsonl" if path.name == "vectors.npy" else f"{stem}.jsonl")
        if not lines.exists():
            raise NotFound(f"{shown(lines)} is missing: {shown(path.name)} holds vectors only")
        self._path = path
        self._lines = JsonlReader(lines, told, vectors=False)
        self.rows = self._lines.rows
        self.id_rule = self._lines.id_rule
        self.notes: Sequence[str] = self._lines.notes
        self._columns: dict[str, _Dense | _Sparse] = {}
        if isinstance(told, Columns):
            self._columns[""] = vectors = _Dense(path, told.allow)
            if vectors.dtype not in (np.float16, np.float32):
                change = "rounded to" if "float32" in told.allow else "kept exactly in"
                self.notes = (*self.notes, f"vectors: {vectors.dtype} {change} float32")
        else:
            for name in _names(told):
                files = [path.with_name(stem + suffix) for suffix in _suffixes(told, name)]
                self._columns[name] = _Dense(files[0]) if len(files) == 1 else _Sparse(files)
        for column in self._columns.values():
            if column.rows != self.rows:
                raise Mismatch(
                    f"{shown(column.path)}: it has {column.rows:,} rows, and {shown(lines.name)} has {self.rows:,}",
                    hint=_HINT,
                )

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
        return self._joined(self._lines.take(rows, include), np.asarray(rows, dtype=np.intp), include)

    def batches(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """See ``Reader``."""
        names = [*([""] if include.vectors else []), *include.fields]
        most = min(size, rows_at_once(sum(self._columns[name].width for name in names)))
        row = start
        for records in self._lines.batches(start, most, include):
            with naming(self._path, f", rows from {row:,}"):
                yield self._joined(records, slice(row, row + len(records)), include)
            row += len(records)

    def _joined(self, records: Records, rows: slice | NDArray[np.intp], include: Include) -> Records:
        vectors = dense(self._columns[""].read(rows)) if include.vectors else None
        return replace(
            records, vectors=vectors, fields={name: self._columns[name].read(rows) for name in include.fields}
        )


class _Dense:
    """Vectors, one a row."""

    def __init__(self, path: Path, allow: frozenset[str] = frozenset()) -> None:
        self.path = path
        self._allow = allow
        with naming(path):
            array = _mapped(path)
            if array.ndim != 2 or array.dtype.kind not in "fiu":
                raise InvalidInput(f"it holds {array.dtype} of shape {array.shape}, not numbers of shape (n, d)")
            check_dimension(array.shape[1])
        self.rows = len(array)
        self.dtype = array.dtype
        self.width = 4 * array.shape[1]

    def read(self, rows: slice | NDArray[np.intp]) -> Column:
        """Some rows, copied."""
        with naming(self.path):
            return as_float32(np.ascontiguousarray(_mapped(self.path)[rows]), self._allow)


class _Sparse:
    """Sparse vectors in compressed rows: the files of where rows begin, of the indices and of the values."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.path = paths[0]
        self._paths = paths
        with naming(paths[0]):
            indptr, indices, values = found = [_mapped(path) for path in paths]
            for path, array, kind in zip(paths, found, _PARTS.values(), strict=True):
                if array.ndim != 1 or array.dtype != kind:
                    raise Mismatch(
                        f"{shown(path)} holds {array.dtype} of shape {array.shape}, not {kind} of shape (n,)"
                    )
            fits = len(indptr) and indptr[0] == 0 and indptr[-1] == len(indices) == len(values)
            if not fits or (indptr[1:] < indptr[:-1]).any():
                raise Mismatch("its rows do not fit the indices and values beside it", hint=_HINT)
            self.rows = len(indptr) - 1
            self.width = 8 * int(np.diff(indptr).max(initial=0))

    def read(self, rows: slice | NDArray[np.intp]) -> Column:
        """Some rows, copied."""
        with naming(self._paths[0]):
            mapped = SparseArray(*(_mapped(path) for path in self._paths))
            return mapped.take(np.arange(len(mapped))[rows])


def _mapped(path: Path) -> NDArray[Any]:
    if not path.exists():
        raise NotFound(f"{shown(path)} is missing", hint=_HINT)
    with naming(path):
        check_regular(path)
        try:
            array: NDArray[Any] = open_memmap(path, mode="r")  # np.load takes a ZIP or a pickle for one as well
        except (SyntaxError, TokenError) as error:
            raise ValueError("its header cannot be read") from error
        return array


def _names(info: CollectionInfo) -> list[str]:
    """The fields, of which the one without a name has an empty one."""
    return [*([""] if info.dimension else []), *info.fields]


def _suffixes(info: CollectionInfo, name: str) -> list[str]:
    """Those of the files of one field; an empty name is the field without one."""
    if not name:
        return [".npy"]
    return [f".{name}.{part}.npy" for part in _PARTS] if dimension_of(info, name) is None else [f".{name}.npy"]


class NpyFormat:
    """Implements ``Format``."""

    def suffixes(self, info: CollectionInfo) -> Sequence[str]:
        """See ``Format``; the lines are the last."""
        return [*(suffix for name in _names(info) for suffix in _suffixes(info, name)), ".jsonl"]

    def write(
        self, files: Sequence[BinaryIO], batches: Iterable[Records], info: CollectionInfo, note: str | None
    ) -> None:
        """See ``Format``."""
        whole = Records.concat([empty_records(info, everything(info)), *batches])
        arrays: list[NDArray[Any]] = [] if whole.vectors is None else [whole.vectors.astype("<f4", copy=False)]
        for name in info.fields:
            column = whole.fields[name]
            if isinstance(column, SparseArray):
                arrays += [getattr(column, part).astype(kind, copy=False) for part, kind in _PARTS.items()]
            else:
                arrays.append(column.astype("<f4", copy=False))
        for file, array in zip(files[:-1], arrays, strict=True):
            np.save(file, array, allow_pickle=False)
        write_lines(files[-1], [whole], vectors=False)

    def note(self, path: Path) -> str | None:
        """See ``Format``."""
        return None
