"""Files to be read: regular ones, at the place that was named, and no more of them than is expected."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from vstore.errors import InvalidInput, Mismatch

__all__ = ["check_inside", "check_regular", "open_regular", "read_bounded", "shown"]

_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def shown(name: object) -> str:
    """A file's name for a message: control characters, which a file name may hold, are escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(name))


def check_regular(path: Path) -> None:
    """Raises unless a regular file, or a link to one, is there. It is not opened: opening a FIFO waits for a writer.

    Raises:
        InvalidInput: A directory, device, FIFO or socket.
        OSError: It cannot be looked at, as where there is nothing.
    """
    _check_mode(path, path.stat().st_mode)


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((word for check, word in _KINDS if check(mode)), "something else")
        raise InvalidInput(f"{shown(path)} is {kind}, not a file", hint="Write what it holds to a file.")


def open_regular(path: Path) -> BinaryIO:
    """A regular file, open for reading; raises what ``check_regular`` raises."""
    check_regular(path)
    handle = os.open(path, _READ)
    try:
        _check_mode(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bounded(path: Path, most: int) -> bytes:
    """A whole file of at most ``most`` bytes.

    Raises:
        Mismatch: It is larger.
        OSError: It cannot be read; and what ``check_regular`` raises.
    """
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Mismatch(f"{shown(path)} is larger than {most >> 20:,} MB, which is the most that is read of its kind")
    return data


def check_inside(path: Path, folder: Path) -> None:
    """Raises ``Mismatch`` where a file of a folder is a link that leads out of it."""
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise Mismatch(
            f"{shown(path)} is a link that leads out of {shown(folder)}",
            hint="Copy the file there, or name it by its own path.",
        )
