"""The adapter for Qdrant: in memory, in a directory, or a server."""

from __future__ import annotations

from pathlib import Path

from vstore.spi.factory import LazyFactory
from vstore_qdrant.options import OPTIONS

__all__ = ["adapter"]


def _holds(path: Path) -> bool:
    return path.is_dir() and ((path / "meta.json").is_file() or any(path.glob("*/info.json")))


adapter = LazyFactory(
    "qdrant",
    1,
    packages=("qdrant_client", "vstore_qdrant"),
    options=OPTIONS,
    module="vstore_qdrant.connect",
    holds=_holds,
)
