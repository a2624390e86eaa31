"""Finds a data set of files from what a user names: a path, or ``parquet:PATH`` and its like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vstore.errors import InvalidInput, Mismatch, NotFound
from vstore.keys import encodable
from vstore.regular import check_inside, check_regular, shown
from vstore.spi.durable import expanded, reading
from vstore.spi.urls import names_store
from vstore.transfer.files.format import MANIFEST, SUFFIXES, DataSetPath, Encoding
from vstore.transfer.files.manifest import Manifest

__all__ = ["data_set_path", "files_of", "find", "looking", "names_files", "path_of"]

_FILE_LIKE: Final = re.compile(r"\.([A-Za-z]{2,8}[0-9]?|h5|7z)")  # .csv, .bz2; not .v2
_MAGIC: Final = {b"PAR1": Encoding.PARQUET, b"ARRO": Encoding.ARROW, b"\xff\xff\xff\xff": Encoding.ARROW}
_HINT: Final = (
    "Files end in .parquet, .arrow, .feather or .jsonl; or say parquet:PATH, arrow:PATH, jsonl:PATH, npy:PATH."
)


@contextmanager
def looking(path: object) -> Iterator[None]:
    """Around looking at files: what the system refuses is a ``Mismatch`` that says where."""
    try:
        yield
    except OSError as error:
        raise Mismatch(
            f"{shown(error.filename or path)} cannot be read: {error.strerror or error}", hint="Look at permissions."
        ) from error


def names_files(text: str) -> bool:
    """Whether ``text`` names files rather than a store: ``parquet:PATH`` and its like, or what is no URL.

    A relative path that looks like a URL is written ``./a:b``. What holds ``://`` is never a path.
    """
    return not names_store(text, files=tuple(Encoding))


def _taken_apart(text: str, encoding: Encoding | None) -> tuple[Path, Encoding | None]:
    if "://" in text:  # not repeated: it may hold a password
        raise InvalidInput("a URL names no files", hint=f"A path has no '://'. {_HINT}")
    scheme, colon, rest = text.partition(":")
    if colon and scheme in list(Encoding):
        if encoding not in (None, Encoding(scheme)):
            raise InvalidInput(f"{shown(text)} is {scheme}, not {encoding}")
        text, encoding = rest, Encoding(scheme)
    elif not names_files(text):
        raise InvalidInput(f"{scheme}: names a store, not files", hint="Write ./ before a path with a colon.")
    if not text or "\x00" in text:
        raise InvalidInput("a path is missing", hint="Example: vstore export chroma:./data ./dump --collection docs")
    if not encodable(text):
        raise InvalidInput(f"{shown(text)} is no UTF-8, and Arrow and Parquet take no other names", hint="Rename it.")
    return expanded(text).absolute(), encoding


def path_of(text: str, encoding: Encoding | None = None) -> Path:
    """The path, whatever is there; raises ``InvalidInput`` where there is none."""
    return _taken_apart(text, encoding)[0]


def data_set_path(text: str, encoding: Encoding | None = None) -> DataSetPath:
    """Where a new data set will be: one file if the path ends like one, otherwise a directory, of Parquet by default.

    Raises:
        InvalidInput: No path, or a path and an encoding that contradict each other.
    """
    path, encoding = _taken_apart(text, encoding)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        raise InvalidInput("vectors in .npy need a second file for the rest", hint="Write npy:DIRECTORY.")
    known = SUFFIXES.get(suffix)
    if known is not None and encoding not in (None, known):
        raise InvalidInput(f"{shown(path.name)} is not the name of a file of {encoding}", hint=_HINT)
    if known is None and encoding is None and _FILE_LIKE.fullmatch(suffix) and not path.is_dir():
        raise InvalidInput(
            f"{suffix} is no format that is written",
            hint=f"{_HINT} For a directory of that name write parquet:{shown(path.name)}.",
        )
    return DataSetPath(path, known or encoding or Encoding.PARQUET, known is not None)


def find(text: str, encoding: Encoding | None = None) -> DataSetPath:
    """The data set that is there.

    Raises:
        NotFound: There is nothing; nothing is created.
        Mismatch: What is there cannot be a data set.
        InvalidInput: No path, or nothing tells how it is encoded.
    """
    path, encoding = _taken_apart(text, encoding)
    if path.is_dir():
        return DataSetPath(path, encoding or _of_directory(path), single=False)
    if not path.exists():
        raise NotFound(f"there is no file or directory {shown(path)}", hint="Look at the path; nothing was created.")
    check_regular(path)
    if path.suffix.lower() == ".npy":
        raise InvalidInput(
            "a .npy has vectors only", hint="Name the directory that holds vectors.npy and records.jsonl."
        )
    return DataSetPath(path, encoding or _of_file(path), single=True)


def _of_file(path: Path) -> Encoding:
    if (known := SUFFIXES.get(path.suffix.lower())) is not None:
        return known
    with reading(path) as file:
        magic = file.read(4)
    if magic not in _MAGIC:
        raise InvalidInput(f"nothing tells how {shown(path)} is encoded", hint=_HINT)
    return _MAGIC[magic]


def _of_directory(path: Path) -> Encoding:
    if (path / MANIFEST).exists():
        check_inside(path / MANIFEST, path)
        return Manifest.load(path / MANIFEST).encoding
    if (path / "vectors.npy").exists():
        return Encoding.NPY
    found = {SUFFIXES[p.suffix.lower()] for p in path.iterdir() if p.suffix.lower() in SUFFIXES}
    if not found:
        raise Mismatch(f"{shown(path)} holds no data set", hint=f"A directory has a {MANIFEST}, or files. {_HINT}")
    if len(found) > 1:
        raise InvalidInput(
            f"{shown(path)} holds files of {' and '.join(sorted(found))}", hint="Say which: parquet:PATH, jsonl:PATH."
        )
    return found.pop()


def files_of(location: DataSetPath) -> list[Path]:
    """The files of a data set without a manifest, by name; those that begin with ``.`` or ``_`` are no data."""
    if location.single:
        return [location.path]
    if location.encoding is Encoding.NPY:
        check_inside(location.path / "records.jsonl", location.path)
        check_inside(location.path / "vectors.npy", location.path)
        return [location.path / "vectors.npy"]
    entries = [p for p in sorted(location.path.iterdir()) if not p.name.startswith((".", "_"))]
    if folders := [p.name for p in entries if p.is_dir()]:
        raise InvalidInput(
            f"{shown(location.path)} holds the directory {shown(folders[0])}, and only one level is read",
            hint="Name the directory that holds the files.",
        )
    found = [p for p in entries if SUFFIXES.get(p.suffix.lower()) is location.encoding]
    for path in found:
        check_inside(path, location.path)
    return found
