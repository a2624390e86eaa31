"""Opens a data set to read it, and finds every fault that could stop a copy midway before anything is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vstore.errors import InvalidInput, Mismatch
from vstore.indexing import HNSW, Index, Metric
from vstore.info import CollectionInfo
from vstore.regular import check_inside, shown
from vstore.transfer.equality import Digest, digest_records
from vstore.transfer.files.columns import Columns
from vstore.transfer.files.format import ALL, TEXT, DataSetPath, Encoding, Format, Reader, everything, naming
from vstore.transfer.files.ipc import ArrowFormat, ArrowReader
from vstore.transfer.files.jsonl import JsonlFormat, JsonlReader
from vstore.transfer.files.manifest import Manifest, sidecar
from vstore.transfer.files.npy import NpyFormat, NpyReader
from vstore.transfer.files.parquet import ParquetFormat, ParquetReader
from vstore.transfer.files.paths import files_of, find, looking
from vstore.transfer.files.source import BATCH, FileSource, checked
from vstore.transfer.files.summary import Summary

__all__ = ["FORMATS", "READERS", "Foreign", "manifest_of", "open_data_set", "own_source", "read_manifest"]

FORMATS: Final[dict[Encoding, Format]] = {
    Encoding.PARQUET: ParquetFormat(),
    Encoding.ARROW: ArrowFormat(),
    Encoding.JSONL: JsonlFormat(),
    Encoding.NPY: NpyFormat(),
}
READERS: Final[dict[Encoding, Callable[[Path, CollectionInfo | Columns], Reader]]] = {
    Encoding.PARQUET: ParquetReader,
    Encoding.ARROW: ArrowReader,
    Encoding.JSONL: JsonlReader,
    Encoding.NPY: NpyReader,
}


@dataclass(frozen=True, slots=True)
class Foreign:
    """What files without a manifest do not tell of themselves.

    Attributes:
        metric: How nearness is measured; needed.
        columns: What is what in them.
        name: The collection's name; by default made from that of the file.
        index: Index settings for the target.
        embedder: Name of the model that made the vectors, if known.
        metadata: The user's own metadata of the collection.
    """

    metric: Metric | str | None = None
    columns: Columns = field(default_factory=Columns)
    name: str | None = None
    index: Index = field(default_factory=HNSW)
    embedder: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def open_data_set(
    path: str,
    *,
    encoding: Encoding | None = None,
    foreign: Foreign | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> FileSource:
    """Opens a data set and checks all of it.

    With a manifest every file is read once, for its SHA-256 (a single file is decoded and its records are hashed
    instead). Without one every record is read once and validated. Either takes one more pass over the files, and
    memory does not grow with them; an index of the ids takes 16 bytes a record where there is no manifest.

    Args:
        path: A file or a directory; or ``parquet:PATH`` and its like.
        encoding: How the records are kept, where the name does not tell.
        foreign: How to read files that vstore did not write; refused where there is a manifest.
        on_rows: Called with numbers of records as they are checked.

    Raises:
        NotFound: There is nothing, or a file of it is missing; nothing is created.
        Mismatch: A file is damaged, cut short or does not belong to it; or an id stands twice.
        InvalidInput: A record that breaks the contract, or something that must be said: a column, the metric.
        Unsupported: pyarrow is needed and not installed.
    """
    with looking(path):
        location = find(path, encoding)
        manifest = manifest_of(location)
        if manifest is None:
            return _open_foreign(location, foreign or Foreign(), on_rows)
        if foreign is not None and foreign != Foreign():
            raise InvalidInput(
                f"{shown(location.path)} has a manifest, which tells columns, metric and index",
                hint="Leave these options out.",
            )
        if not manifest.complete:
            raise Mismatch(
                f"{shown(location.path)} is a data set that was not finished",
                hint="Run the command that began it again: it resumes.",
            )
        source = own_source(location, manifest, on_rows)
        source.open()
        return source


def read_manifest(path: str) -> Manifest | None:
    """The manifest of the data set that is there, unchecked against its files; None if it has none."""
    with looking(path):
        return manifest_of(find(path))


def manifest_of(location: DataSetPath) -> Manifest | None:
    """The manifest in the directory, inside of the file or beside it."""
    if location.single:
        note = FORMATS[location.encoding].note(location.path)
        if note is not None:
            return Manifest.from_json(note, f"the manifest in {shown(location.path)}")
    beside = sidecar(location)
    if not beside.exists():
        return None
    check_inside(beside, beside.parent)
    found = Manifest.load(beside)
    if found.encoding is not location.encoding:
        raise Mismatch(f"{shown(beside)} tells of {found.encoding}, not of {location.encoding}")
    return found


def own_source(
    location: DataSetPath, manifest: Manifest, on_rows: Callable[[int], None] = lambda _: None
) -> FileSource:
    """A complete data set that vstore wrote; its files are checked when it is first read."""

    def parts() -> list[Reader]:
        folder = location.path.parent if location.single else location.path
        manifest.check_files(folder)
        if not location.single:
            _refuse_strangers(location, manifest)
        paths = [folder / part.files[0].name for part in manifest.parts] or [location.path] * location.single
        readers = [READERS[location.encoding](path, manifest.info) for path in paths]
        found = sum(reader.rows for reader in readers)
        if found != manifest.summary.records:
            raise Mismatch(
                f"{shown(location.path)} has {found:,} records, not the {manifest.summary.records:,} of its manifest",
                hint="Restore it, or export again.",
            )
        if location.single and not manifest.parts:
            _check_digest(location, readers[0], manifest, on_rows)
        return readers

    notes = [] if manifest.id_rule == TEXT else [f"ids: {manifest.id_rule}"]
    return FileSource(location, manifest.info, parts, id_rule=manifest.id_rule, notes=notes)


def _refuse_strangers(location: DataSetPath, manifest: Manifest) -> None:
    suffixes = {Path(suffix).suffix or suffix for suffix in FORMATS[location.encoding].suffixes(manifest.info)}
    known = {file.name for part in manifest.parts for file in part.files}
    for path in sorted(location.path.iterdir()):
        if path.suffix in suffixes and path.name not in known:
            raise Mismatch(
                f"{shown(path)} does not belong to the data set: its manifest knows nothing of it",
                hint="Move it away, or read it by its own name.",
            )


def _check_digest(location: DataSetPath, reader: Reader, manifest: Manifest, on_rows: Callable[[int], None]) -> None:
    found = Digest()
    for records in reader.batches(0, BATCH, everything(manifest.info)):
        found += digest_records(records)
        on_rows(len(records))
    if found != manifest.summary.digest:
        raise Mismatch(
            f"{shown(location.path)} is damaged: its records are not those of its manifest",
            hint="Restore it, or export again.",
        )


def _open_foreign(location: DataSetPath, foreign: Foreign, on_rows: Callable[[int], None]) -> FileSource:
    paths = files_of(location)
    if not paths:
        raise Mismatch(f"{shown(location.path)} holds no files of {location.encoding}")
    readers = [READERS[location.encoding](path, foreign.columns) for path in paths]
    if foreign.metric not in [m.value for m in Metric]:
        raise InvalidInput(
            f"nothing tells by which metric {shown(location.path)} is searched"
            if foreign.metric is None
            else f"metric must be 'cosine', 'l2' or 'dot', not {foreign.metric!r}",
            hint="Say --metric cosine, l2 or dot: the one of the model that made the vectors.",
        )
    metric = Metric(foreign.metric)
    filled = [reader for reader in readers if reader.rows]
    if len({reader.id_rule for reader in filled}) > 1:
        raise InvalidInput(f"{shown(location.path)} has ids that are text and ids that are integers")
    dimension, summary = 0, Summary()
    for path, reader in zip(paths, readers, strict=True):
        found_dimension, found = _survey(path, reader, metric, dimension, on_rows)
        dimension, summary = found_dimension or dimension, summary + found
    if nowhere := set.intersection(*(set(reader.unseen) for reader in readers)):
        raise InvalidInput(
            f"no record of {shown(location.path)} has {sorted(nowhere)[0]!r}", hint="Look at the names of the keys."
        )
    if not summary.records:
        raise InvalidInput(f"{shown(location.path)} has no records, and nothing tells the dimension")
    info = CollectionInfo(
        name=foreign.name or _name_from(location.path),
        dimension=dimension,
        metric=metric,
        index=foreign.index,
        metadata=dict(foreign.metadata),
        embedder=foreign.embedder,
    )
    notes = list(dict.fromkeys(note for reader in filled for note in reader.notes))
    if summary.nulls:
        notes.append(f"metadata: {summary.nulls:,} values are null, which means absent")
    id_rule = filled[0].id_rule
    source = FileSource(location, info, lambda: readers, id_rule=id_rule, notes=notes)
    source.index()
    return source


def _survey(
    path: Path, reader: Reader, metric: Metric, dimension: int, on_rows: Callable[[int], None]
) -> tuple[int, Summary]:
    """Validates every record of a part as a write would; returns the dimension and what there is."""
    row, total = 0, Summary()
    for records in reader.batches(0, BATCH, ALL):
        with naming(path, f", rows from {row:,}"):
            assert records.vectors is not None
            dimension = dimension or records.vectors.shape[1]
            clean = checked(records, CollectionInfo(name="", dimension=dimension, metric=metric, index=HNSW()))
        total = total + Summary.of(clean, records.metadatas)
        row += len(records)
        on_rows(len(records))
    return dimension, total


def _name_from(path: Path) -> str:
    """A portable collection name that looks like the file's."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", path.name.partition(".")[0]).strip("_")
    name = name if name[:1].isalpha() else f"c_{name}"
    return name[:48].rstrip("_").ljust(3, "0")
