"""Encodings of files: their names, the paths of data sets, and what each implements to read and write a part."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import numpy as np

from vstore.columns import absent
from vstore.errors import Mismatch, VStoreError
from vstore.fields import Dense
from vstore.info import CollectionInfo
from vstore.omission import Omission
from vstore.records import Include, Records
from vstore.regular import shown

__all__ = [
    "ALL",
    "MANIFEST",
    "ROWS",
    "SUFFIXES",
    "TEXT",
    "UNDECODABLE",
    "DataSetPath",
    "Encoding",
    "Format",
    "Reader",
    "by_part",
    "dense_bytes",
    "dimension_of",
    "empty_records",
    "everything",
    "naming",
]

MANIFEST: Final = "manifest.json"


class Encoding(StrEnum):
    """How records are kept in files."""

    PARQUET = "parquet"
    ARROW = "arrow"
    JSONL = "jsonl"
    NPY = "npy"
    """Vectors in ``.npy``, everything else in JSON lines."""


SUFFIXES: Final = {
    ".parquet": Encoding.PARQUET,
    ".pq": Encoding.PARQUET,
    ".arrow": Encoding.ARROW,
    ".arrows": Encoding.ARROW,
    ".feather": Encoding.ARROW,
    ".ipc": Encoding.ARROW,
    ".jsonl": Encoding.JSONL,
    ".ndjson": Encoding.JSONL,
}


@dataclass(frozen=True, slots=True)
class DataSetPath:
    """A data set on this machine.

    Attributes:
        path: Absolute; a file or a directory.
        encoding: How the records are kept.
        single: Whether it is one file.
    """

    path: Path
    encoding: Encoding
    single: bool

    @property
    def identity(self) -> str:
        """What names it in a checkpoint and in reports."""
        return f"{self.encoding}:{shown(self.path)}"


ROWS: Final = 4096
"""Rows of a row group or record batch that is written: what has to be read to reach one record."""
ALL: Final = Include(vectors=True, documents=True, metadatas=True)
"""What a file has that vstore did not write."""
TEXT: Final = "text"
"""The id rule of ids that are text in the file."""


def everything(info: CollectionInfo) -> Include:
    """All columns that the records of a collection have."""
    return Include(vectors=info.dimension > 0, documents=True, metadatas=True, fields=tuple(info.fields))


def empty_records(info: CollectionInfo, include: Include) -> Records:
    """No records, with these columns."""
    return Records(
        [],
        np.empty((0, info.dimension), dtype=np.float32) if include.vectors else None,
        [] if include.documents else None,
        [] if include.metadatas else None,
        {name: absent(0, dimension_of(info, name)) for name in include.fields},
    )


def dimension_of(info: CollectionInfo, name: str) -> int | None:
    """The dimension of a named field; None of a sparse one."""
    field = info.fields[name]
    return field.dimension if isinstance(field, Dense) else None


def dense_bytes(info: CollectionInfo, include: Include) -> int:
    """Bytes of the dense vectors of one record, absent ones too: in a file these take next to nothing."""
    named = sum(dimension_of(info, name) or 0 for name in include.fields)
    return 4 * (named + (info.dimension if include.vectors else 0))


class Reader(Protocol):
    """One part: rows in an order that stays. It keeps no records, and may be used from many threads at once."""

    @property
    def rows(self) -> int:
        """How many."""
        ...

    @property
    def id_rule(self) -> str:
        """``"text"``, or how the ids of the file became text, e.g. ``"int64 as text"``."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What of the file is converted or left out, in words."""
        ...

    @property
    def omissions(self) -> Sequence[Omission]:
        """Columns and keys that become no part of a record, as far as it was read."""
        ...

    @property
    def unseen(self) -> Set[str]:
        """Names of columns that were asked for and that no record read so far has had."""
        ...

    def take(self, rows: Sequence[int], include: Include) -> Records:
        """The records in these rows, of which there is at least one; ``rows`` is ascending."""
        ...

    def batches(self, start: int, size: int, include: Include) -> Iterator[Records]:
        """The rows from ``start`` on, in batches of at most ``size``. Metadata of a foreign file may hold None."""
        ...


class Format(Protocol):
    """One encoding."""

    def suffixes(self, info: CollectionInfo) -> Sequence[str]:
        """Those of the files of one part of a collection."""
        ...

    def write(
        self, files: Sequence[BinaryIO], batches: Iterable[Records], info: CollectionInfo, note: str | None
    ) -> None:
        """Writes one part into new files, one for each suffix.

        Args:
            files: The files, open.
            batches: The records, with all columns of the collection.
            info: What the collection is; there may be no records.
            note: The manifest to keep inside, where the encoding has room for it.
        """
        ...

    def note(self, path: Path) -> str | None:
        """The manifest kept inside of a file, if there is one."""
        ...


def by_part(rows: Sequence[int], ends: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Ascending rows of a whole whose parts end at ``ends``: part by part, counted from the part's beginning."""
    done = 0
    while done < len(rows):
        part = bisect_right(ends, rows[done])
        stop = bisect_left(rows, ends[part], done)
        first = ends[part - 1] if part else 0
        yield part, [row - first for row in rows[done:stop]]
        done = stop


# what pyarrow, NumPy and json raise for bytes they cannot decode; Arrow's own kinds are among them, such as KeyError
UNDECODABLE: Final = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,
    MemoryError,
)


@contextmanager
def naming(path: Path, what: str = "") -> Iterator[None]:
    """Around the reading of a file: every error says which, and what cannot be decoded is a ``Mismatch``."""
    place = f"{shown(path)}{what}"
    try:
        yield
    except VStoreError as error:
        if shown(path) not in error.message:  # an inner place is the more exact one
            error.message = f"{place}: {error.message}"
            error.args = (error.message,)
        raise
    except UNDECODABLE as error:
        raise Mismatch(
            f"{place}: it is damaged, or not what its name says: {type(error).__name__}: {error!s:.200}",
            hint="Restore it, or export again.",
        ) from error
