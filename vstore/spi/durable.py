"""Files that are on the disk whole, or not at all, and never behind a link that somebody has planted.

What this library writes beside others' data may stand in a directory that came out of an archive: a link there, a
device or a pipe is refused, and nothing is written through it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from uuid import uuid4

from vstore.errors import InvalidInput

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = [
    "appending",
    "check_links",
    "create",
    "expanded",
    "flush",
    "located",
    "open_regular",
    "prepare",
    "reading",
    "replacing",
    "transaction",
]

# O_NONBLOCK: opening a pipe would wait for its other end
_HANDLE: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINKS: Final = _HANDLE | getattr(os, "O_NOFOLLOW", 0)


def flush(path: Path) -> None:
    """Brings a file to the disk, or a directory, so that a rename in it lasts; Windows does without the latter."""
    if path.is_dir() and os.name == "nt":  # a directory cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def expanded(path: str) -> Path:
    """Return the path, with the home directory of a user for ``~``; ``InvalidInput`` where nobody is called so."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"{path} begins with no user's home directory", hint="Write ./ before the ~.") from error


def located(path: str) -> Path:
    """Return the absolute path of a database, links resolved.

    Raises:
        InvalidInput: A link on the way leads nowhere or to itself: the database would be made where nobody named it.
    """
    named = expanded(path).absolute()
    for part in (named, *named.parents):
        if os.path.islink(part) and not os.path.exists(part):  # noqa: PTH110, PTH114  # they raise nothing
            raise InvalidInput(
                f"{part} is a symbolic link to nothing", hint="Nothing was made: remove it, or name what it leads to."
            )
    return named.resolve()


def check_links(folder: Path) -> None:
    """Raises ``InvalidInput`` where a database's directory holds a link that leads out of it: engines follow them.

    Files of vstore's own, which no engine opens, are looked at where they are used.
    """
    folders = [folder]
    while folders:
        # what cannot be entered no engine enters, and what is gone it has deleted
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_symlink() and not entry.name.startswith(".vstore.") and _leads_out(entry.path, folder):
                    raise InvalidInput(
                        f"{entry.path} is a link that leads out of the directory, and is not followed",
                        hint="Look at it and remove it, or put there what it leads to.",
                    )


def _leads_out(link: str, folder: Path) -> bool:
    return not Path(os.path.realpath(link)).is_relative_to(folder)  # which raises nothing for a link to itself


def open_regular(path: Path, flags: int, *, private: bool = False, links: bool = False) -> int:
    """Return a descriptor of a regular file.

    Args:
        path: Where it is.
        flags: Those of ``os.open``.
        private: Whether a file that is made is for its owner only, 0600.
        links: Whether a link at ``path`` is followed.

    Raises:
        InvalidInput: Something else than a regular file is there.
        OSError: It cannot be opened.
    """
    try:
        handle = os.open(path, flags | (_HANDLE if links else _NO_LINKS), 0o600 if private else 0o666)
    except OSError:
        with suppress(OSError):
            _refuse(path, path.stat() if links else path.lstat())
        raise
    try:
        _refuse(path, os.fstat(handle))
        if not links and not hasattr(os, "O_NOFOLLOW"):
            _refuse(path, path.lstat())
    except BaseException:
        os.close(handle)
        raise
    return handle


def _refuse(path: Path, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    link, folder = stat.S_ISLNK(found.st_mode), stat.S_ISDIR(found.st_mode)
    what = "a symbolic link" if link else "a directory" if folder else "a device, pipe or socket"
    raise InvalidInput(
        f"{path} is {what}, and no regular file",
        hint="Nothing was read or written there: look at it and remove it, or name another file.",
    )


def reading(path: Path) -> BinaryIO:
    """Open a regular file for reading, also through a link; a pipe or a device is ``InvalidInput`` at once."""
    return os.fdopen(open_regular(path, os.O_RDONLY, links=True), "rb")


def create(path: Path, *, private: bool = False) -> BinaryIO:
    """Open a new file for writing; ``FileExistsError`` where anything is there, be it a link to nowhere."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS
    return os.fdopen(os.open(path, flags, 0o600 if private else 0o666), "wb")


def appending(path: Path, *, private: bool = False) -> BinaryIO:
    """Open a file for writing at its end, made if there is none; a link there is ``InvalidInput``."""
    return os.fdopen(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, private=private), "ab")


def prepare(path: Path, *, private: bool = False) -> None:
    """Makes an empty file if there is none, for a program that opens it by name; a link there is ``InvalidInput``.

    A file that is there is not opened: closing it again would release the POSIX locks that SQLite holds on it in this
    process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        create(path, private=private).close()
    except FileExistsError:
        _refuse(path, path.lstat())


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Opens a file that replaces ``path`` once it was written whole, and removes it where writing fails.

    A link at ``path`` is replaced itself: what it points to stays as it is.
    """
    passing = path.with_name(f".{path.name[:200]}.{uuid4().hex}.tmp")
    try:
        with create(passing, private=private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        passing.replace(path)
    except BaseException:
        passing.unlink(missing_ok=True)
        raise
    flush(path.parent)


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
