"""A directory of collections for Qdrant's engine, which knows one shard at a path and no more.

Each collection is a folder of its name, with ``info.json`` (what it is) and ``shard`` (the engine's files). It
is made under a hidden name and renamed, so that there is a whole one or none; it is deleted the other way round.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from vstore.errors import AlreadyExists, Mismatch, NotFound
from vstore.info import CollectionInfo
from vstore.spi.codec import from_json, info_from_json, info_to_json, to_json
from vstore.spi.dirlock import DirectoryLock, lock_directory
from vstore.spi.durable import create, flush, reading

__all__ = ["Folder"]

_PASSING: Final = ".passing-"
_INFO: Final = "info.json"
_SHARD: Final = "shard"
# a collection whose payloads have a lean shadow; earlier versions wrote what it is and no more, and have full ones
_LAYOUT: Final = 2


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory that this process holds.

    Attributes:
        path: The directory.
        file: The lock by which it is held.
    """

    path: Path
    file: DirectoryLock

    @staticmethod
    def take(path: Path) -> Folder:
        """Takes a directory for this process, and makes it if there is none.

        Raises:
            Unavailable: Another process has it, or it cannot be made.
        """
        file = lock_directory(
            path,
            because="Qdrant's engine serves one process",
            instead="run a Qdrant server and connect both to qdrant://host:port",
        )
        for left in path.glob(f"{_PASSING}*"):  # a process died while it made or deleted it
            shutil.rmtree(left, ignore_errors=True)
        return Folder(path, file)

    def release(self) -> None:
        """Gives the directory back."""
        self.file.release()

    def names(self) -> list[str]:
        """Return the collections that are there."""
        return [one.parent.name for one in self.path.glob(f"*/{_INFO}") if not one.parent.name.startswith(".")]

    def prepare(self) -> Path:
        """Return a hidden folder for a collection to be made in."""
        made = self.path / f"{_PASSING}{uuid4().hex}"
        (made / _SHARD).mkdir(parents=True)
        return made

    def discard(self, made: Path) -> None:
        """Removes a prepared folder that got no name."""
        shutil.rmtree(made, ignore_errors=True)

    def publish(self, made: Path, info: CollectionInfo) -> None:
        """Gives a prepared folder its name."""
        with create(made / _INFO) as file:
            file.write(to_json({"layout": _LAYOUT, "info": info_to_json(info)}).encode())
            file.flush()
            os.fsync(file.fileno())
        self._move(made, self.path / info.name)

    def rename(self, name: str, new: str) -> None:
        """Gives a collection another name; its shard must be closed."""
        self._move(self.path / name, self.path / new)

    def _move(self, source: Path, target: Path) -> None:
        if target.exists():
            raise AlreadyExists(f"{target.name!r} exists", hint="Choose another name, or open the existing collection.")
        source.rename(target)
        flush(self.path)

    def remove(self, name: str) -> None:
        """Deletes a collection; its shard must be closed."""
        gone = self.path / f"{_PASSING}{uuid4().hex}"
        (self.path / name).rename(gone)
        flush(self.path)
        shutil.rmtree(gone)

    def shard(self, name: str) -> Path:
        """Return where the engine's files of a collection are."""
        return self.path / name / _SHARD

    def described(self, name: str) -> tuple[CollectionInfo, bool]:
        """Return what a collection is, and whether its payloads have a lean shadow.

        Raises:
            NotFound: There is none.
            Mismatch: There is a folder of this name, and vstore did not make it, or only a later version did.
        """
        if name not in self.names():
            if any(one.name == name for one in self.path.iterdir()) and not name.startswith("."):
                raise Mismatch.not_created_here(name)
            raise NotFound.of_collection(name)
        with reading(self.path / name / _INFO) as file:
            text = file.read().decode()
        data = from_json(text)
        if "layout" not in data:
            return info_from_json(name, text), False
        if data["layout"] != _LAYOUT:
            raise Mismatch(
                f"{name!r} has layout {data['layout']} of a later version of vstore; this one reads {_LAYOUT}"
            )
        return info_from_json(name, data["info"]), True
