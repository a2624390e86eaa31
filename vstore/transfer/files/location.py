"""A path of files as a location of collections, and a data set there as a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Self

from vstore.errors import AlreadyExists, InvalidInput, NotFound
from vstore.indexing import Index
from vstore.info import CollectionInfo
from vstore.interchange import load
from vstore.keys import check_name
from vstore.mapping import RecordMapping
from vstore.regular import check_inside, shown
from vstore.transfer.collections import CollectionSource
from vstore.transfer.endpoint import Reject, Source
from vstore.transfer.files.format import MANIFEST, TEXT, DataSetPath, Encoding, Reader
from vstore.transfer.files.manifest import Manifest, Origin, sidecar
from vstore.transfer.files.opening import FORMATS, READERS, Foreign, manifest_of, open_data_set, own_source
from vstore.transfer.files.paths import data_set_path, looking, path_of
from vstore.transfer.files.sink import FileSink, staging, unfinished, write_text, writing
from vstore.transfer.files.source import FileSource

__all__ = ["FileLocation", "FileTarget"]


class FileTarget:
    """Implements ``Target``. What stands at the path and is no data set of vstore is never written over.

    Args:
        location: Where.
        name: Of the collection, in the manifest; by default that of the source.

    Raises:
        Unsupported: The package that writes this encoding is not installed.
    """

    capabilities = None  # it takes whatever the contract allows
    merges = False
    is_temporary = False

    def __init__(self, location: DataSetPath, name: str | None = None) -> None:
        if location.encoding in (Encoding.PARQUET, Encoding.ARROW):
            load("pyarrow")  # before a source is read for nothing
        self._location = location
        self._name = name

    def __repr__(self) -> str:
        return f"<FileTarget {self.identity}>"

    @property
    def identity(self) -> str:
        """See ``Target``."""
        return self._location.identity

    @property
    def backend(self) -> str:
        """See ``Target``."""
        return self._location.encoding.value

    def existing(self) -> FileSource | None:
        """See ``Target``. Of a data set that was not finished, the parts that are there.

        Its files are checked when it is first read, so that a damaged one can be replaced.

        Raises:
            AlreadyExists: Something else is there.
        """
        path = self._location.path
        with looking(path):
            return self._existing(path)

    def _existing(self, path: Path) -> FileSource | None:
        begun = self._begun()
        if begun is not None:
            return FileSource(self._location, begun.info, partial(self._whole_parts, begun), notes=["not finished"])
        if not path.exists() or (path.is_dir() and all(map(unfinished, path.iterdir()))):
            return None
        found = None if path.is_dir() is self._location.single else manifest_of(self._location)
        if found is None:
            raise AlreadyExists(
                f"{shown(path)} is there and is no data set that vstore wrote", hint="Name another path."
            )
        return own_source(self._location, found)

    def dry_create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        """See ``Target``: looks at the paths themselves, which may be links."""
        path = self._location.path
        if isinstance(source, FileSource) and path.exists() and path.samefile(source.location.path):
            raise InvalidInput("source and target are the same files", hint="Nothing was changed.")

    def create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        """See ``Target``. The index is kept as that of the source, whatever it is.

        Raises:
            AlreadyExists: Something is there.
        """
        if self.existing() is not None:
            raise AlreadyExists(
                f"{shown(self._location.path)} is there already", hint="--if-exists replace replaces it."
            )
        folder = staging(self._location)
        if folder.is_symlink() and self._location.single:
            raise AlreadyExists(f"{shown(folder)} is a link, and in the way", hint="Remove it, or name another path.")
        if self._location.single and folder.exists():  # it will be deleted when the file is whole
            left = {*_parts(self._location), folder / MANIFEST}
            if strange := [p for p in folder.iterdir() if p not in left]:
                raise AlreadyExists(f"{shown(strange[0])} is in the way", hint="Move it, or name another path.")
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        begun = Manifest(
            encoding=self._location.encoding,
            info=replace(info, name=self._name or info.name),
            origin=_origin(source),
            id_rule=source.id_rule if isinstance(source, FileSource) else TEXT,
            complete=False,
        )
        write_text(folder / MANIFEST, begun.to_json())

    def remove(self) -> None:
        """See ``Target``: deletes the files of the data set, and no others."""
        location = self._location
        if self.existing() is None:
            raise NotFound(f"{shown(location.path)} is not there")
        with writing(location.path):
            if location.single:
                rmtree(staging(location), ignore_errors=True)
                location.path.unlink(missing_ok=True)
                sidecar(location).unlink(missing_ok=True)
                return
            for path in _parts(location):
                path.unlink()
            (location.path / MANIFEST).unlink()

    def sink(self, reject: Reject) -> FileSink:
        """See ``Target``. Files refuse no record.

        Raises:
            NotFound: Nothing was created.
        """
        found = self._begun() or (manifest_of(self._location) if self._location.path.exists() else None)
        if found is None:
            raise NotFound(f"no data set was begun at {shown(self._location.path)}")
        return FileSink(self._location, found)

    def close(self) -> None:
        """See ``Target``."""

    def _begun(self) -> Manifest | None:
        """The manifest of a data set that was begun and is not finished."""
        path = staging(self._location) / MANIFEST
        if not path.exists():
            return None
        check_inside(path, path.parent)
        found = Manifest.load(path)
        if found.encoding is not self._location.encoding:
            raise AlreadyExists(
                f"{shown(self._location.path)} is a data set of {found.encoding}", hint="Name another path."
            )
        return None if found.complete else found

    def _whole_parts(self, begun: Manifest) -> list[Reader]:
        first = FORMATS[begun.encoding].suffixes(begun.info)[0]
        paths = [p for p in _parts(self._location) if p.name == p.name.partition(".")[0] + first]
        return [READERS[begun.encoding](path, begun.info) for path in paths]


def _origin(source: Source) -> Origin:
    version = source.capabilities.server_version if isinstance(source, CollectionSource) else ""
    return Origin(source.identity, source.backend, version)


def _parts(location: DataSetPath) -> list[Path]:
    """The files of parts, whole ones and what was left of others."""
    folder = staging(location)
    return sorted(p for p in folder.iterdir() if p.is_file() and (p.name.startswith("part-") or unfinished(p)))


class FileLocation:
    """Implements ``Location`` of ``vstore.transfer.opening``.

    Args:
        path: A file or a directory; or ``parquet:PATH`` and its like.
        encoding: How the records are kept, where the name does not tell.
        several: Whether several collections are to be written: each in a directory of its name, below ``path``.
        foreign: How to read files that vstore did not write.
    """

    def __init__(
        self, path: str, *, encoding: Encoding | None = None, several: bool = False, foreign: Foreign | None = None
    ) -> None:
        self._path = path
        self._encoding = encoding
        self._several = several
        self._foreign = foreign
        self._opened: dict[str, FileSource] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def identity(self) -> str:
        """See ``Location``."""
        return data_set_path(self._path, self._encoding).identity

    def names(self) -> list[str]:
        """See ``Location``."""
        return self._folders() or [self._source(self._path).info.name]

    def others(self) -> list[str]:
        """See ``Location``."""
        return []

    def source(
        self,
        name: str,
        mapping: RecordMapping | str | None = None,
        dimension: int | None = None,
        ids: Sequence[str] = (),
    ) -> FileSource:
        """See ``Location``."""
        if mapping is not None or ids:
            raise InvalidInput("a mapping is for a collection of a store", hint="vstore import tells columns apart.")
        if folders := self._folders():
            if name not in folders:
                raise NotFound(f"{shown(self._path)} holds no data set {name!r}", hint=f"It holds {folders}.")
            return self._source(f"{self._path}/{name}")
        found = self._source(self._path)
        if found.info.name != name:
            raise NotFound(
                f"{shown(self._path)} is a data set of {found.info.name!r}, not of {name!r}",
                hint="Say its own name, or --all.",
            )
        return found

    def target(
        self,
        name: str,
        layout: RecordMapping | str | None = None,
        like: CollectionInfo | None = None,
        vector_length: int | None = None,
    ) -> FileTarget:
        """See ``Location``."""
        check_name(name)
        if layout is not None:
            raise InvalidInput("--layout is for a target in a database; files have vstore's own formats")
        if not self._several:
            return FileTarget(data_set_path(self._path, self._encoding), name)
        if data_set_path(self._path, self._encoding).single:
            raise InvalidInput(
                f"{shown(self._path)} names one file, and several collections are written to a directory",
                hint="Leave out the suffix; --encoding tells how they are kept.",
            )
        location = data_set_path(f"{self._path}/{name}", self._encoding)
        check_inside(location.path, location.path.parent)
        return FileTarget(location, name)

    def close(self) -> None:
        """See ``Location``: no file is open between calls."""

    def _source(self, path: str) -> FileSource:
        if path not in self._opened:
            self._opened[path] = open_data_set(path, encoding=self._encoding, foreign=self._foreign)
        return self._opened[path]

    def _folders(self) -> list[str]:
        """Names of the data sets below, where the path is none itself."""
        whole = path_of(self._path, self._encoding)
        with looking(whole):
            if not whole.is_dir() or (whole / MANIFEST).exists():
                return []
            found = sorted(inner for inner in whole.iterdir() if (inner / MANIFEST).is_file())
            for inner in found:
                check_inside(inner, whole)
            return [inner.name for inner in found]
