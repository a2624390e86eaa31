"""Where a data set of files goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from vstore.errors import AlreadyExists, InvalidInput, NotFound
from vstore.indexing import Index
from vstore.info import CollectionInfo
from vstore.interchange import load
from vstore.regular import check_inside, shown
from vstore.transfer.collections import CollectionSource
from vstore.transfer.endpoint import Refuse, Source
from vstore.transfer.files.durable import unfinished, write_text, writing
from vstore.transfer.files.finding import looking
from vstore.transfer.files.format import TEXT, Reader
from vstore.transfer.files.formats import FORMATS, READERS
from vstore.transfer.files.location import MANIFEST, Encoding, Location
from vstore.transfer.files.manifest import Manifest, Origin, sidecar
from vstore.transfer.files.opening import manifest_of, own_source
from vstore.transfer.files.sink import FileSink, staging
from vstore.transfer.files.source import FileSource

__all__ = ["FileTarget"]


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
    stand_in = False

    def __init__(self, location: Location, name: str | None = None) -> None:
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

    def lacks(self, info: CollectionInfo) -> str:
        """See ``Target``: the index is only noted."""
        return ""

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
            return FileSource(self._location, begun.info, self._whole_parts, notes=["not finished"])
        if not path.exists() or (path.is_dir() and all(map(unfinished, path.iterdir()))):
            return None
        found = None if path.is_dir() is self._location.single else manifest_of(self._location)
        if found is None:
            raise AlreadyExists(
                f"{shown(path)} is there and is no data set that vstore wrote", hint="Name another path."
            )
        return own_source(self._location, found)

    def rehearse(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
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
            raise AlreadyExists(f"{shown(self._location.path)} is there already", hint="--mode replace replaces it.")
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

    def sink(self, refuse: Refuse) -> FileSink:
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

    def _whole_parts(self) -> list[Reader]:
        first = FORMATS[self._location.encoding].suffixes[0]
        paths = [p for p in _parts(self._location) if p.suffix == first]
        return [READERS[self._location.encoding](path, None) for path in paths]


def _origin(source: Source) -> Origin:
    version = source.capabilities.server_version if isinstance(source, CollectionSource) else ""
    return Origin(source.identity, source.backend, version)


def _parts(location: Location) -> list[Path]:
    """The files of parts, whole ones and what was left of others."""
    folder = staging(location)
    return sorted(p for p in folder.iterdir() if p.is_file() and (p.name.startswith("part-") or unfinished(p)))
