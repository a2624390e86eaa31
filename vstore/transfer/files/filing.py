"""Where data sets of files are: one at a path, or several in a directory, each in one of its own."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from vstore.errors import InvalidInput, NotFound
from vstore.keys import check_name
from vstore.mapping import RecordMapping
from vstore.regular import check_inside, shown
from vstore.transfer.files.finding import looking, path_of, place
from vstore.transfer.files.location import MANIFEST, Encoding
from vstore.transfer.files.opening import Foreign, open_data_set
from vstore.transfer.files.source import FileSource
from vstore.transfer.files.target import FileTarget

__all__ = ["FilePlace"]


class FilePlace:
    """Implements ``Place`` of ``vstore.transfer.opening``.

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

    def names(self) -> list[str]:
        """See ``Place``."""
        return self._folders() or [self._source(self._path).info.name]

    def others(self) -> list[str]:
        """See ``Place``."""
        return []

    def source(self, name: str, mapping: RecordMapping | str | None = None) -> FileSource:
        """See ``Place``."""
        if mapping is not None:
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

    def target(self, name: str) -> FileTarget:
        """See ``Place``."""
        check_name(name)
        if not self._several:
            return FileTarget(place(self._path, self._encoding), name)
        if place(self._path, self._encoding).single:
            raise InvalidInput(
                f"{shown(self._path)} names one file, and several collections are written to a directory",
                hint="Leave out the suffix; --encoding tells how they are kept.",
            )
        location = place(f"{self._path}/{name}", self._encoding)
        check_inside(location.path, location.path.parent)
        return FileTarget(location, name)

    def close(self) -> None:
        """See ``Place``: no file is open between calls."""

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
