"""Writes a data set of files: one part a chunk, each whole or not at all, and the manifest last."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO, Final

from vstore.columns import absent
from vstore.errors import BackendError, InvalidInput, LimitExceeded, Mismatch, Unsupported
from vstore.records import Records
from vstore.regular import shown
from vstore.sparse import SparseArray
from vstore.spi.durable import create, flush
from vstore.transfer.files.format import MANIFEST, ROWS, DataSetPath, dimension_of, everything
from vstore.transfer.files.manifest import FileEntry, Manifest, entry, sidecar
from vstore.transfer.files.opening import FORMATS, READERS
from vstore.transfer.files.source import FileSource
from vstore.transfer.files.summary import Summary

__all__ = ["FileSink", "staging", "unfinished", "write_files", "write_text", "writing"]

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
            hint="Check free space and permissions, then run the same command again: it resumes.",
        ) from error


def unfinished(path: Path) -> bool:
    """Whether this is a temporary name, of a write that did not end."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def write_text(path: Path, text: str) -> None:
    """A whole small file."""
    write_files([path], lambda files: files[0].write(text.encode()))


_PART: Final = re.compile(r"part-(\d{6})\.[a-z]+")
_MOST_PARTS: Final = 40_000  # of which the manifest can tell


def staging(location: DataSetPath) -> Path:
    """Where parts are until they are all there: the directory itself, or one beside the file they become."""
    return location.path.with_name(location.path.name + ".parts") if location.single else location.path


class FileSink:
    """Implements ``Sink``. A part that ``write`` has returned from is on the disk, under its name and whole.

    The parts of a single file stand in a directory beside it until ``finish`` puts them together; so it is written
    twice, and takes its name in one step. What an earlier process wrote is read again by ``finish``, and the manifest
    tells what is on the disk.

    Args:
        location: Where.
        manifest: What it will be; as it was begun.
    """

    def __init__(self, location: DataSetPath, manifest: Manifest) -> None:
        self._location = location
        self._manifest = manifest
        self._folder = staging(location)
        self._format = FORMATS[location.encoding]
        self._written: dict[int, tuple[Summary, tuple[FileEntry, ...]]] = {}

    def __repr__(self) -> str:
        return f"<FileSink {self.identity}>"

    @property
    def identity(self) -> str:
        """See ``Sink``."""
        return self._location.identity

    @property
    def backend(self) -> str:
        """See ``Sink``."""
        return self._location.encoding.value

    def write(self, chunk: int, records: Records) -> None:
        """See ``Sink``."""
        if self._manifest.complete:
            raise Unsupported(
                f"{shown(self._location.path)} is complete, and a data set of files is written only once",
                hint="Write another one, or replace it whole: --if-exists replace.",
            )
        if not 0 <= chunk < _MOST_PARTS:
            raise LimitExceeded(f"a data set of files has at most {_MOST_PARTS:,} parts", hint="Use larger chunks.")
        whole = self._whole(records)
        paths = self._paths(chunk)
        write_files(paths, lambda files: self._format.write(files, [whole], self._manifest.info, None))
        self._written[chunk] = Summary.of(whole), tuple(map(entry, paths))

    def _whole(self, records: Records) -> Records:
        """The records with all columns of the collection, in its order; a field that is not given is absent."""
        info, vectors = self._manifest.info, records.vectors
        if (vectors is None and info.dimension) or records.documents is None or records.metadatas is None:
            raise InvalidInput("files need all columns")
        if vectors is not None and vectors.shape[1] != info.dimension:
            raise InvalidInput(f"vectors have {vectors.shape[1]} dimensions; the data set has {info.dimension}")
        if unknown := records.fields.keys() - info.fields.keys():
            raise InvalidInput(f"the data set has no field {min(unknown)!r}")
        fields = {}
        for name in info.fields:
            dimension = dimension_of(info, name)
            column = records.fields.get(name, absent(len(records), dimension))
            if dimension != (None if isinstance(column, SparseArray) else column.shape[1]):
                raise InvalidInput(f"the field {name!r} is another one than that of the data set")
            fields[name] = column
        return replace(records, fields=fields)

    def finish(self) -> None:
        """See ``Sink``.

        Raises:
            Mismatch: A part is missing, or an id stands in two of them.
        """
        if self._manifest.complete:
            if self._location.single:  # an earlier process may have ended while it cleared away
                rmtree(self._folder, ignore_errors=True)
            return
        chunks = range(self._count())
        if not self._written.keys() >= set(chunks):  # an earlier process had a plan of its own, perhaps another one
            self._refuse_twins(chunks)
        complete = self._manifest.completed([self._part(chunk) for chunk in chunks])
        with writing(self._folder):
            for leftover in filter(unfinished, list(self._folder.iterdir())):
                leftover.unlink()
        if self._location.single:
            complete = self._put_together(complete)
        else:
            write_text(self._folder / MANIFEST, complete.to_json())
        self._manifest = complete

    def close(self) -> None:
        """See ``Sink``: no file is open between calls."""

    def _paths(self, chunk: int) -> list[Path]:
        return [self._folder / f"part-{chunk:06}{suffix}" for suffix in self._format.suffixes(self._manifest.info)]

    def _count(self) -> int:
        """How many parts there are; raises ``Mismatch`` if one before the last is missing."""
        suffix = self._format.suffixes(self._manifest.info)[-1]
        found = {int(m[1]) for p in self._folder.glob(f"*{suffix}") if (m := _PART.fullmatch(p.name))}
        if missing := set(range(len(found))) - found:
            raise Mismatch(
                f"part {min(missing)} of {shown(self._folder)} is missing", hint="Begin again with --if-exists replace."
            )
        return len(found)

    def _refuse_twins(self, chunks: range) -> None:
        info = self._manifest.info
        readers = [READERS[self._location.encoding](self._paths(chunk)[0], info) for chunk in chunks]
        FileSource(self._location, info, lambda: readers).index()

    def _part(self, chunk: int) -> tuple[Summary, tuple[FileEntry, ...]]:
        if chunk not in self._written:
            paths = self._paths(chunk)
            total = Summary()
            for records in self._read(chunk):
                total = total + Summary.of(records)
            self._written[chunk] = total, tuple(map(entry, paths))
        return self._written[chunk]

    def _read(self, chunk: int) -> Iterator[Records]:
        info = self._manifest.info
        return READERS[self._location.encoding](self._paths(chunk)[0], info).batches(0, ROWS, everything(info))

    def _put_together(self, complete: Manifest) -> Manifest:
        chunks = range(len(complete.parts))
        inside = replace(complete, parts=())
        whole = (records for chunk in chunks for records in self._read(chunk))

        path = self._location.path
        write_files([path], lambda files: self._format.write(files, whole, complete.info, inside.to_json()))
        if self._format.note(path) is None:  # no room inside
            beside = inside.completed([(complete.summary, (entry(path),))])
            write_text(sidecar(self._location), beside.to_json())
        with writing(self._folder):
            (self._folder / MANIFEST).unlink()  # first: with it, parts that are left would be a data set in making
            rmtree(self._folder)
        return inside
