"""Files that others name: at the place that was named, and no more of them than is expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vstore.errors import InvalidInput, Mismatch
from vstore.spi.durable import reading

__all__ = ["check_inside", "check_regular", "listed", "read_bounded", "refuse_url", "shown"]

_NAMES: Final = 50
_URL: Final = re.compile(r"(?:\A|:)[A-Za-z][A-Za-z0-9+.-]+:/")  # as a Path it has one of its slashes left


def shown(name: object) -> str:
    """A file's name for a message: control characters, which a file name may hold, are escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(name))


def listed(names: Sequence[object]) -> str:
    """Names for a message, which a file may have by the million."""
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(map(shown, names[:_NAMES])) + more or "none"


def refuse_url(what: str, path: Path | None) -> None:
    """Raises ``InvalidInput`` for a URL where a path is wanted, of which a folder would be made; it is not repeated."""
    if path is not None and ("://" in str(path) or _URL.search(str(path))):
        raise InvalidInput(f"{what} takes a path, not a URL", hint="Name a file or folder of this machine.")


def check_regular(path: Path) -> None:
    """Raises ``InvalidInput`` where something else than a regular file is there, or a link to one."""
    reading(path).close()


def read_bounded(path: Path, most: int) -> bytes:
    """A whole file of at most ``most`` bytes.

    Raises:
        Mismatch: It is larger.
        InvalidInput: It is no regular file.
        OSError: It cannot be read.
    """
    with reading(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Mismatch(f"{shown(path)} is larger than {most >> 20:,} MB, which is the most that is read of its kind")
    return data


def check_inside(path: Path, folder: Path) -> None:
    """Raises ``Mismatch`` where what a folder holds is a link that leads out of it."""
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise Mismatch(
            f"{shown(path)} is a link that leads out of {shown(folder)}",
            hint="Copy the file there, or name it by its own path.",
        )
