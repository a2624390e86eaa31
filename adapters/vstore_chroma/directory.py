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

from filelock import FileLock
from filelock import Timeout as LockTaken

from vstore.errors import Unavailable

__all__ = ["Directory"]

_LOCK_NAME: Final = ".vstore.lock"
_OWNER_NAME: Final = ".vstore.pid"


@dataclass(slots=True)
class _Held:
    file: FileLock
    writing: Lock = field(default_factory=Lock)
    users: int = 0


_held: dict[str, _Held] = {}
_registry: Final = Lock()


class Directory:
    """A directory held by this process from ``Directory(path)`` to ``release()``.

    Attributes:
        path: The directory.
        writing: The lock that all stores on it share.
    """

    def __init__(self, path: str) -> None:
        """Takes the directory, and makes it if there is none.

        Raises:
            Unavailable: Another process has it, or it cannot be made.
        """
        self.path = path
        with _registry:
            held = _held.get(path)
            if held is None:
                held = _Held(_take(path))
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


def _take(path: str) -> FileLock:
    folder = Path(path)
    owner = folder / _OWNER_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # one lock for all threads of the process: whichever closes the last store releases it
        file = FileLock(folder / _LOCK_NAME, timeout=0, thread_local=False)
        file.acquire()
        owner.write_text(str(os.getpid()))
    except LockTaken:
        name = owner.read_text() if owner.exists() else ""
        who = f"process {name}" if name.isdigit() else "another process"
        raise Unavailable(
            f"the directory {path} is open in {who}, and Chroma would answer a second one from stale data",
            hint="Close it there, or start `chroma run --path …` and connect both to chroma://host:port.",
        ) from None
    except OSError as error:
        raise Unavailable(f"the directory {path} cannot be used: {error.strerror or error}", retryable=False) from error
    return file
