"""The manifest: what a data set of files is, in JSON beside or inside the files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final, TypeVar

from vstore import __version__
from vstore.errors import InvalidInput, Mismatch, NotFound, brief
from vstore.fields import MAX_FIELDS, check_field_name
from vstore.info import CollectionInfo
from vstore.keys import encodable
from vstore.metadata import check_metadata
from vstore.regular import check_inside, check_regular, read_bounded, shown
from vstore.spi.codec import from_json, info_from_json, info_to_json, to_json
from vstore.spi.durable import reading
from vstore.transfer.files.bounds import MANIFEST_BYTES, MAX_DIMENSION
from vstore.transfer.files.format import MANIFEST, DataSetPath, Encoding
from vstore.transfer.files.summary import Summary, natural

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
            data = _parsed(text)
            if data.get("format") != FORMAT:
                raise Mismatch(f"{name} is not a manifest of vstore", hint="Name the files themselves to read them.")
            if data["version"] != VERSION:
                raise Mismatch(
                    f"{name} has version {brief(data['version'])}; this vstore reads {VERSION}", hint="Update vstore."
                )
            found = cls(
                encoding=Encoding(data["encoding"]),
                info=_info(data["collection"]),
                origin=Origin(**{key: _text(value) for key, value in data["source"].items()}),
                id_rule=_text(data["ids"]),
                complete=_of(bool, data["complete"]),
                summary=Summary.from_dict(data),
                parts=tuple(map(_part, _of(list, data["parts"]))),
            )
            found.check_parts()
            return found
        except Mismatch as error:
            if name not in error.message:
                error.message = f"{name}: {error.message}"
                error.args = (error.message,)
            raise
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, InvalidInput) as error:
            raise Mismatch(
                f"{name} is damaged: {type(error).__name__}: {error!s:.100}",
                hint="Export again, or restore it from a copy.",
            ) from error

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Reads one from a file of its own."""
        return cls.from_json(read_bounded(path, MANIFEST_BYTES), shown(path))

    def check_parts(self) -> None:
        """Raises ``ValueError`` where the parts do not follow one another."""
        row = 0
        for part in self.parts:
            if part.first_row != row or not part.files:
                raise ValueError(f"a part begins at {part.first_row}, not at {row}")
            row += part.rows

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
            if path.name != told.name or not path.exists():
                raise NotFound(
                    f"{shown(path)} is missing, of which the manifest tells", hint="Restore it, or export again."
                )
            check_inside(path, folder)
            check_regular(path)
            if (found := path.stat().st_size) != told.bytes:
                raise Mismatch(
                    f"{shown(path)} has {found:,} bytes, not {told.bytes:,}", hint="Restore it, or export again."
                )
            if entry(path).sha256 != told.sha256:
                raise Mismatch(
                    f"{shown(path)} is damaged: its SHA-256 is not the one in the manifest",
                    hint="Restore it, or export again.",
                )


def _parsed(text: str | bytes) -> dict[str, Any]:
    whole = text.encode() if isinstance(text, str) else text
    if len(whole) > MANIFEST_BYTES or whole.count(b"{") + whole.count(b"[") > MANIFEST_BYTES // 32:
        raise ValueError("it is too large")
    try:
        return _of(dict, json.loads(whole))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


_Kind = TypeVar("_Kind")


def _of(kind: type[_Kind], value: object) -> _Kind:
    if type(value) is not kind:
        raise TypeError(f"{value!r:.40} is no {kind.__name__}")
    return value


def _text(value: object) -> str:
    text = _of(str, value)
    if not encodable(text) or "\x00" in text:
        raise ValueError(f"{text!r:.40} is no text")
    return text


def _part(told: Any) -> Part:
    files = tuple(
        FileEntry(_text(one["name"]), natural(one["bytes"]), _of(str, one["sha256"]))
        for one in _of(list, told["files"])
    )
    return Part(natural(told["first_row"]), natural(told["rows"]), files)


def _info(told: Any) -> CollectionInfo:
    collection = from_json(json.dumps(_of(dict, told)))
    fields = _of(dict, collection.get("fields", {}))
    for name, one in fields.items():
        check_field_name(name)
        if one["embedder"] is not None:
            _text(one["embedder"])
    if len(fields) > MAX_FIELDS:
        raise ValueError(f"it has {len(fields):,} fields")
    dimensions = [one["dimension"] for one in fields.values() if one["kind"] != "sparse"]
    for dimension in (*dimensions, *([collection["dimension"]] if collection["dimension"] or not fields else [])):
        if not 1 <= natural(dimension) <= MAX_DIMENSION:
            raise ValueError(f"{dimension} is no dimension")
    if collection["embedder"] is not None:
        _text(collection["embedder"])
    check_metadata(collection["metadata"])
    return info_from_json(_text(collection["name"]), to_json(collection))


def entry(path: Path) -> FileEntry:
    """Size and SHA-256 of a file."""
    with reading(path) as file:
        sha256 = file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it is a BufferedReader
        return FileEntry(path.name, file.tell(), sha256)


def sidecar(location: DataSetPath) -> Path:
    """Where the manifest stands: in the directory, or beside a file that cannot hold it."""
    if location.single:
        return location.path.with_name(location.path.name + ".manifest.json")
    return location.path / MANIFEST
