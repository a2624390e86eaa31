"""The adapter for Chroma: in memory, in a directory, or over HTTP."""

from __future__ import annotations

from pathlib import Path

from vstore.spi.factory import LazyFactory
from vstore_chroma.embedded import DATABASE
from vstore_chroma.options import OPTIONS

__all__ = ["adapter"]


def _holds(path: Path) -> bool:
    return (path / DATABASE).is_file()


adapter = LazyFactory(
    "chroma",
    1,
    packages=("chromadb",),
    options=OPTIONS,
    module="vstore_chroma.connect",
    holds=_holds,
)
