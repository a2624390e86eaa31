"""Where a data set of files is and how it is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from vstore.regular import shown

__all__ = ["MANIFEST", "SUFFIXES", "Encoding", "Location"]

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
class Location:
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
        """What names it in a ledger and in reports."""
        return f"{self.encoding}:{shown(self.path)}"
