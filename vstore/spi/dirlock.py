"""One process at a time in one directory, for engines that would lose data or answer wrongly with two.

The lock is on the file ``.vstore.lock``, which holds the number of the process and is there only as long as the lock: a
directory that was read is left as it was. In a directory that nobody may write there is none.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from errno import EACCES, EPERM, EROFS
from pathlib import Path
from typing import Final

from vstore.errors import InvalidInput, Unavailable
from vstore.spi.durable import check_links, open_regular
from vstore.spi.forking import Home, in_children

__all__ = ["DirectoryLock", "lock_directory"]

_LOCK_NAME: Final = ".vstore.lock"
_MOST_DIGITS: Final = 20
_READ_ONLY: Final = (EACCES, EPERM, EROFS)

if sys.platform == "win32":
    import msvcrt

    _BEHIND: Final = 1 << 30  # what is locked cannot be read there

    def _lock(handle: int) -> None:
        os.lseek(handle, _BEHIND, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error

    def _unlock(handle: int) -> None:
        os.lseek(handle, _BEHIND, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)


# The descriptors of a forked child stand for the same locks: its own would keep them when this process has died.
_held: dict[int, DirectoryLock] = {}


def _let_go() -> None:
    for handle in _held:
        os.close(handle)
    _held.clear()


in_children(_let_go)


class DirectoryLock:
    """A directory that this process holds until ``release``; made by ``lock_directory``.

    Attributes:
        writable: Whether this process may make files in the directory.
    """

    def __init__(self, file: Path, handle: int | None, *, made: bool) -> None:
        self.writable = os.access(file.parent, os.W_OK)
        self._file, self._handle, self._made = file, handle, made
        self._home = Home()
        if handle is not None:
            _held[handle] = self

    def release(self) -> None:
        """Gives the directory back. A second call does nothing, nor does one in a forked child."""
        handle, self._handle = self._handle, None
        if handle is None or not self._home.is_here():
            return
        del _held[handle]
        with suppress(OSError):  # the directory may have been deleted, or moved, meanwhile
            if self._made and _is(self._file, handle):
                self._file.unlink()
        _unlock(handle)  # closing does not unlock while a child has it too
        os.close(handle)


def lock_directory(path: Path, *, because: str, instead: str) -> DirectoryLock:
    """Takes a directory for this process until the lock is released, and makes it if there is none.

    Args:
        path: The directory.
        because: Why there can be no second process, for the error.
        instead: What to do for two processes, for the error.

    Raises:
        Unavailable: Another process has it, it cannot be made, something else stands where the lock should be, or a
            link in it leads out of it.
    """
    try:
        if not path.is_dir():
            path.mkdir(parents=True)
        check_links(path)
        while (taken := _take(path / _LOCK_NAME)) is None:
            pass
        return taken
    except _Taken as other:
        who = f"process {other}" if str(other) else "another process"
        raise Unavailable(
            f"the directory {path} is open in {who}, and {because}", hint=f"Close it there, or {instead}."
        ) from None
    except InvalidInput as error:
        raise Unavailable(error.message, hint=error.hint, retryable=False) from None
    except OSError as error:
        raise Unavailable(f"the directory {path} cannot be used: {error.strerror or error}", retryable=False) from error


class _Taken(Exception):
    """Another process has the lock; the text is its number, or empty."""


def _take(file: Path) -> DirectoryLock | None:
    """Return the lock; None where the process that had it removed the file between two steps."""
    try:
        handle, made = open_regular(file, os.O_RDWR | os.O_CREAT | os.O_EXCL), True
    except FileExistsError:
        try:
            handle, made = _open(file), False
        except FileNotFoundError:
            return None
    except OSError as error:
        if error.errno in _READ_ONLY:  # and there is no lock
            return DirectoryLock(file, None, made=False)
        raise
    try:
        try:
            _lock(handle)
        except BlockingIOError:
            raise _Taken(_number(handle) or "") from None
        if not _is(file, handle):
            os.close(handle)
            return None
        if _number(handle) is None or os.fstat(handle).st_nlink > 1:
            raise InvalidInput(f"{file} is no lock of vstore, and was left as it is", hint="Look at it and remove it.")
        with suppress(OSError):  # opened for reading only; the number is a courtesy
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, str(os.getpid()).encode())
    except BaseException:
        os.close(handle)
        raise
    return DirectoryLock(file, handle, made=made)


def _open(file: Path) -> int:
    try:
        return open_regular(file, os.O_RDWR)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        return open_regular(file, os.O_RDONLY)


def _is(file: Path, handle: int) -> bool:
    try:
        return os.path.samestat(file.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _number(handle: int) -> str | None:
    """Return the process that the lock file names, empty where it names none yet; None where it holds anything else."""
    os.lseek(handle, 0, os.SEEK_SET)
    text = os.read(handle, _MOST_DIGITS + 1)
    return text.decode() if len(text) <= _MOST_DIGITS and (not text or text.isdigit()) else None
