"""One process at a time in one directory, for engines that would lose data or answer wrongly with two.

Needs the package filelock, which the extras of those engines bring.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vstore.errors import Unavailable

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = ["hold"]

_LOCK_NAME: Final = ".vstore.lock"
_OWNER_NAME: Final = ".vstore.pid"


def hold(path: Path, *, because: str, instead: str) -> FileLock:
    """Takes a directory for this process until the lock is released, and makes it if there is none.

    Args:
        path: The directory.
        because: Why there can be no second process, for the error.
        instead: What to do for two processes, for the error.

    Raises:
        Unavailable: Another process has it, or it cannot be made.
    """
    from filelock import FileLock
    from filelock import Timeout as LockTaken

    owner = path / _OWNER_NAME
    try:
        path.mkdir(parents=True, exist_ok=True)
        # one lock for all threads of the process: whichever closes the last store releases it
        file = FileLock(path / _LOCK_NAME, timeout=0, thread_local=False)
        file.acquire()
        owner.write_text(str(os.getpid()))
    except LockTaken:
        name = owner.read_text() if owner.exists() else ""
        who = f"process {name}" if name.isdigit() else "another process"
        raise Unavailable(
            f"the directory {path} is open in {who}, and {because}", hint=f"Close it there, or {instead}."
        ) from None
    except OSError as error:
        raise Unavailable(f"the directory {path} cannot be used: {error.strerror or error}", retryable=False) from error
    return file
