"""What is on the disk whole, or not at all, when the process or the machine dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["flush", "transaction"]


def flush(path: Path) -> None:
    """Brings a file to the disk, or a directory, so that a rename in it lasts; Windows does without the latter."""
    if path.is_dir() and os.name == "nt":  # a directory cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def transaction(database: Connection) -> Iterator[None]:
    """Around statements of SQLite that are done together or not at all; the connection commits by itself elsewhere."""
    database.execute("begin immediate")
    try:
        yield
        database.execute("commit")
    except BaseException:
        if database.in_transaction:  # a full disk has ended it already
            database.execute("rollback")
        raise
