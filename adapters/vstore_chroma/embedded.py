"""One process at a time in one directory.

Chroma lets two processes open the same directory and then answers queries from stale memory. Within
one process all stores on a directory share one lock, so that reads and writes that belong together
stay together (CON-1).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from vstore.errors import Unavailable
from vstore.spi.dirlock import DirectoryLock, lock_directory
from vstore.spi.forking import in_children

__all__ = ["DATABASE", "Directory"]

DATABASE: Final = "chroma.sqlite3"


@dataclass(slots=True)
class _Held:
    file: DirectoryLock
    writing: Lock = field(default_factory=Lock)
    users: int = 0


_held: dict[str, _Held] = {}
_registry = Lock()


def _leave_to_parent() -> None:
    """Leaves what is held to the parent, in a forked child, with a lock that nobody there can release."""
    global _registry
    _held.clear()
    _registry = Lock()


in_children(_leave_to_parent)


def _writable(file: DirectoryLock, path: Path) -> bool:
    database = path / DATABASE
    return file.writable and (not database.exists() or os.access(database, os.W_OK))


class Directory:
    """A directory held by this process from ``Directory(path)`` to ``release()``.

    Attributes:
        path: The directory.
        writing: The lock that all stores on it share.
    """

    def __init__(self, path: str) -> None:
        """Takes the directory, and makes it if there is none.

        Raises:
            Unavailable: Another process has it, it cannot be made, or nothing can be written there.
        """
        self.path = path
        with _registry:
            held = _held.get(path)
            if held is None:
                file = lock_directory(
                    Path(path),
                    because="Chroma would answer a second one from stale data",
                    instead="start `chroma run --path …` and connect both to chroma://host:port",
                )
                if not _writable(file, Path(path)):
                    file.release()
                    raise Unavailable(
                        f"the directory {path} is read-only, and Chroma writes into every directory that it opens",
                        hint="Open a copy of it, or let this user write there.",
                        retryable=False,
                    )
                held = _Held(file)
                _held[path] = held
            held.users += 1
        self.writing = held.writing
        self._released = False

    def release(self) -> None:
        """Gives the directory back; a second call does nothing."""
        with _registry:
            if self._released:
                return
            self._released = True
            held = _held[self.path]
            held.users -= 1
            if held.users == 0:
                del _held[self.path]
                held.file.release()
