"""Writing files so that they are there whole or not at all, whatever happens when."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from vstore.errors import BackendError
from vstore.regular import shown
from vstore.spi.durable import create, flush

__all__ = ["unfinished", "write_files", "write_text", "writing"]

TEMPORARY: Final = ".tmp"


def write_files(paths: Sequence[Path], write: Callable[[Sequence[BinaryIO]], object]) -> None:
    """Has ``write`` fill files under temporary names, brings them to the disk and only then gives them their names.

    Several files take their names one after the other; the last one completes them. No link is followed.
    """
    hidden = [path.with_name(f".{path.name}{TEMPORARY}") for path in paths]
    with writing(paths[0]):
        try:
            with ExitStack() as opened:
                for path in hidden:
                    path.unlink(missing_ok=True)  # of a write that did not end, or planted
                files = [opened.enter_context(create(path)) for path in hidden]
                write(files)
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
            for temporary, path in zip(hidden, paths, strict=True):
                temporary.replace(path)
        except BaseException:
            for path in hidden:
                path.unlink(missing_ok=True)
            raise
        flush(paths[0].parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what changes files: an error of the disk is a ``BackendError`` that says where."""
    try:
        yield
    except OSError as error:
        raise BackendError(
            f"{shown(path)} cannot be written: {error.strerror or error}",
            hint="Is there room, and may it be written? The same command goes on behind what is there.",
        ) from error


def unfinished(path: Path) -> bool:
    """Whether this is a temporary name, of a write that did not end."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def write_text(path: Path, text: str) -> None:
    """A whole small file."""
    write_files([path], lambda files: files[0].write(text.encode()))
