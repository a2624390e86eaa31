"""The encodings by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from vstore.transfer.files.columns import Columns
from vstore.transfer.files.format import Format, Reader
from vstore.transfer.files.ipc import ArrowFormat, ArrowReader
from vstore.transfer.files.jsonl import JsonlFormat, JsonlReader
from vstore.transfer.files.location import Encoding
from vstore.transfer.files.npy import NpyFormat, NpyReader
from vstore.transfer.files.parquet import ParquetFormat, ParquetReader

__all__ = ["FORMATS", "READERS"]

FORMATS: Final[dict[Encoding, Format]] = {
    Encoding.PARQUET: ParquetFormat(),
    Encoding.ARROW: ArrowFormat(),
    Encoding.JSONL: JsonlFormat(),
    Encoding.NPY: NpyFormat(),
}
READERS: Final[dict[Encoding, Callable[[Path, Columns | None], Reader]]] = {
    Encoding.PARQUET: ParquetReader,
    Encoding.ARROW: ArrowReader,
    Encoding.JSONL: JsonlReader,
    Encoding.NPY: NpyReader,
}
