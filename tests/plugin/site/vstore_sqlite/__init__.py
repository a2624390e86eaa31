"""An adapter for SQLite: ``sqlite:PATH`` and ``sqlite::memory:``."""

from __future__ import annotations

from pathlib import Path

from vstore.spi import LazyFactory, Option

__all__ = ["adapter"]


def _holds(path: Path) -> bool:
    return path.suffix == ".sqlite" and path.is_file()


adapter = LazyFactory(
    "sqlite",
    1,
    packages=(),
    options={"synchronous": Option(True, "whether a write waits until it is on the disk")},
    module="vstore_sqlite.connect",
    holds=_holds,
)
