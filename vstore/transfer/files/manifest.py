"""The manifest: what a data set of files is, in JSON beside or inside the files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

from vstore import __version__
from vstore.codec import from_json, info_from_json, info_to_json, to_json
from vstore.errors import Mismatch, NotFound
from vstore.transfer.files.location import MANIFEST, Encoding, Location, shown
from vstore.transfer.files.summary import Summary
from vstore.types import CollectionInfo

__all__ = ["NOTE", "FileEntry", "Manifest", "Origin", "Part", "entry", "sidecar"]

FORMAT: Final = "vstore-files"
VERSION: Final = 1
NOTE: Final = "vstore"
"""The key under which a single Parquet or Arrow file holds its manifest."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the records came from.

    Attributes:
        identity: The source without secrets, e.g. ``"chroma:/srv/data#docs"``.
        backend: Its kind, e.g. ``"chroma"``.
        server_version: Version of its database, or empty.
    """

    identity: str = ""
    backend: str = ""
    server_version: str = ""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: its name in the directory, its size in bytes and the SHA-256 of them."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """A range of rows, ``first_row`` counted from 0, and the files that hold it (two for NPY)."""

    first_row: int
    rows: int
    files: tuple[FileEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a data set is.

    Attributes:
        encoding: How records are kept.
        info: The collection that it is a copy of.
        origin: Where it came from.
        id_rule: How ids were made: ``"text"`` where they are as they were, or ``"int64 as text"``.
        complete: False while it is being written.
        summary: What the records are, all parts together.
        parts: The files; none in a manifest inside a file.
    """

    encoding: Encoding
    info: CollectionInfo
    origin: Origin = field(default_factory=Origin)
    id_rule: str = "text"
    complete: bool = True
    summary: Summary = field(default_factory=Summary)
    parts: tuple[Part, ...] = ()

    def to_json(self) -> str:
        """The JSON form, one line for each part."""
        head: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "vstore": __version__,
            "complete": self.complete,
            "encoding": self.encoding.value,
            "source": asdict(self.origin),
            "ids": self.id_rule,
            "dtype": "float32",
            "collection": {"name": self.info.name} | json.loads(info_to_json(self.info)),
            **self.summary.to_dict(),
        }
        lines = [json.dumps(asdict(part)) for part in self.parts]
        parts = "".join(f"\n  {line}{',' * (place < len(lines))}" for place, line in enumerate(lines, 1))
        return f'{json.dumps(head, indent=1, ensure_ascii=False)[:-2]},\n "parts": [{parts}]\n}}\n'

    @classmethod
    def from_json(cls, text: str | bytes, name: str) -> Manifest:
        """The inverse of ``to_json``; ``name`` says in an error what was read.

        Raises:
            Mismatch: It is no manifest, a damaged one, or one of a later version.
        """
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise Mismatch(f"{name} is not a manifest of vstore", hint="Name the files themselves to read them.")
            if data["version"] != VERSION:
                raise Mismatch(
                    f"{name} has version {data['version']!r}; this vstore reads {VERSION}", hint="Update vstore."
                )
            collection = from_json(json.dumps(data["collection"]))
            parts = tuple(
                Part(p["first_row"], p["rows"], tuple(FileEntry(**f) for f in p["files"])) for p in data["parts"]
            )
            return cls(
                encoding=Encoding(data["encoding"]),
                info=info_from_json(collection["name"], to_json(collection)),
                origin=Origin(**data["source"]),
                id_rule=data["ids"],
                complete=data["complete"],
                summary=Summary.from_dict(data),
                parts=parts,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Mismatch(
                f"{name} is damaged: {type(error).__name__}", hint="Export again, or restore it from a copy."
            ) from error

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Reads one from a file of its own."""
        return cls.from_json(path.read_bytes(), shown(path))

    def completed(self, parts: Sequence[tuple[Summary, tuple[FileEntry, ...]]]) -> Manifest:
        """The manifest of a data set that has these parts, in this order."""
        total, placed = Summary(), []
        for summary, files in parts:
            placed.append(Part(total.records, summary.records, files))
            total = total + summary
        return replace(self, complete=True, summary=total, parts=tuple(placed))

    def check_files(self, folder: Path) -> None:
        """Reads every file and compares size and SHA-256, at the speed of the disk; memory does not grow.

        Raises:
            NotFound: A file is missing.
            Mismatch: A file was cut short or altered.
        """
        for told in (file for part in self.parts for file in part.files):
            path = folder / told.name
            if path.name != told.name or not path.is_file():
                raise NotFound(
                    f"{shown(path)} is missing, of which the manifest tells", hint="Restore it, or export again."
                )
            if (found := path.stat().st_size) != told.bytes:
                raise Mismatch(
                    f"{shown(path)} has {found:,} bytes, not {told.bytes:,}", hint="Restore it, or export again."
                )
            if entry(path).sha256 != told.sha256:
                raise Mismatch(
                    f"{shown(path)} is damaged: its SHA-256 is not the one in the manifest",
                    hint="Restore it, or export again.",
                )


def entry(path: Path) -> FileEntry:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
        return FileEntry(path.name, file.tell(), sha256)


def sidecar(location: Location) -> Path:
    """Where the manifest stands: in the directory, or beside a file that cannot hold it."""
    if location.single:
        return location.path.with_name(location.path.name + ".manifest.json")
    return location.path / MANIFEST
