"""The adapter for PostgreSQL with pgvector: ``postgresql://…``, ``pgvector://…`` and, embedded, ``pgvector:PATH``."""

from __future__ import annotations

from pathlib import Path

from vstore.spi.factory import LazyFactory
from vstore_pgvector.options import OPTIONS

__all__ = ["adapter"]


def _holds(path: Path) -> bool:
    return (path / "PG_VERSION").is_file()


adapter = LazyFactory(
    "pgvector",
    1,
    system_name="postgresql",
    packages=("psycopg", "psycopg_pool"),
    options=OPTIONS,
    module="vstore_pgvector.connect",
    holds=_holds,
)
