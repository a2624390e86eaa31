"""The adapter for Milvus: a server, or Milvus Lite over a file."""

from __future__ import annotations

from pathlib import Path

from vstore.spi.factory import LazyFactory
from vstore_milvus.options import OPTIONS

__all__ = ["adapter"]


def _holds(path: Path) -> bool:
    return path.is_file() or (path / "collections").is_dir()


adapter = LazyFactory(
    "milvus",
    1,
    packages=("pymilvus",),
    options=OPTIONS,
    module="vstore_milvus.connect",
    holds=_holds,
)
