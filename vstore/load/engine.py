"""Rows to records, batch after batch: embedded, written, and noted in the checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vstore.core._sync.collection import Collection
from vstore.core.field_input import unknown_field
from vstore.embedding import Embedder
from vstore.errors import InvalidInput, LimitExceeded, Mismatch, Unsupported, VStoreError
from vstore.keys import encodable
from vstore.load.checkpoint import LoadCheckpoint, RejectedRow
from vstore.load.fields import Fields
from vstore.load.rows import Row, check_file, read_rows
from vstore.records import Record
from vstore.regular import shown

__all__ = ["Report", "embed_first", "load"]


@dataclass(frozen=True, slots=True)
class Report:
    """How a load ended.

    Attributes:
        loaded: Rows in the collection, of this run and those before.
        rejected: Rows that were rejected, likewise.
        resumed: Rows of the file that were done before this run.
        stopped: Whether it ended early because too many rows were rejected.
    """

    loaded: int
    rejected: int
    resumed: int
    stopped: bool


def load(
    path: Path,
    collection: Collection,
    fields: Fields,
    checkpoint: LoadCheckpoint,
    *,
    target: str,
    batch_size: int = 256,
    max_errors: int = 100,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Loads the rows of a file into a collection that was opened with an embedder; a row's id says its record.

    Each batch is embedded, upserted and noted, in this order. What a row alone is to blame for (no id, no text, an id
    that an earlier row has, a text or value that is rejected) is noted with its reason and does not stop the others.

    Args:
        path: The file, see ``read_rows``.
        collection: Where to.
        fields: Which fields become what.
        checkpoint: How far earlier runs came.
        target: Names the collection's database, for the checkpoint.
        batch_size: Rows embedded and written at once.
        max_errors: Rows that may be rejected before the run ends.
        on_progress: Called with the number of rows done, after each batch.

    Raises:
        InvalidInput: The file cannot be read, or the collection lacks a named field.
        Mismatch: The file, the fields, the embedder or the collection is another than when the load began.
        VStoreError: What the embedder or the database raises. The checkpoint keeps what is done.
    """
    for one in fields.vectors:
        if one.name not in collection.info.fields:
            raise unknown_field(one.name, collection.info.fields)
    check_file(path, fields.columns, everything=fields.everything)  # what is mistyped binds no checkpoint
    resumed = checkpoint.begin(_job(path, collection, fields, target))
    loaded, rejected = checkpoint.counts()
    if loaded and not collection.count():
        raise Mismatch(
            f"{loaded:,} rows were loaded, but the collection is empty",
            hint="It was cleared or made anew: load from the beginning with --restart.",
        )
    rows = read_rows(path, fields.columns, resumed, everything=fields.everything)
    on_progress(resumed)
    while rejected <= max_errors and (batch := list(islice(rows, batch_size))):
        written, bad = _load(batch, collection, fields, checkpoint)
        checkpoint.advance(batch[-1].number, written, bad)
        rejected += len(bad)
        on_progress(batch[-1].number)
    return Report(*checkpoint.counts(), resumed, stopped=rejected > max_errors)


def embed_first(path: Path, fields: Fields, embedder: Embedder, *, batch_size: int = 256) -> None:
    """Embeds the texts of the first batch, before there is a collection: it is made with the embedder's dimension.

    With a cache before the embedder ``load`` does not ask for them again.

    Raises:
        VStoreError: What the embedder raises, but for what it says of a text: ``load`` tells that of the row.
    """
    texts: list[str] = []
    for row in islice(read_rows(path, fields.columns, everything=fields.everything), batch_size):
        try:
            texts.append(fields.record(row).document or "")
        except InvalidInput:
            continue
    with suppress(InvalidInput, LimitExceeded):
        embedder.embed([text for text in texts if encodable(text)])


def _job(path: Path, collection: Collection, fields: Fields, target: str) -> dict[str, str]:
    state = path.stat()
    vectors = "".join(f"; {one.name} {one.kind or ''} in {one.column}" for one in fields.vectors)
    columns = [f"{name}:{fields.types[name]}" if name in fields.types else name for name in fields.columns]
    return {
        "the file": f"{shown(path.resolve())} of {state.st_size:,} bytes, changed at {state.st_mtime_ns}",
        "the target": f"{target} {collection.name}",
        "the embedder": str(collection.embedder and collection.embedder.name),
        "the choice of fields": f"id {fields.id}, text {fields.text}, of {', '.join(columns)}"
        + (" and all others" if fields.everything else "")
        + vectors,
    }


def _load(
    batch: list[Row], collection: Collection, fields: Fields, checkpoint: LoadCheckpoint
) -> tuple[dict[str, int], list[RejectedRow]]:
    """Writes one batch; returns the ids written with their rows, and the rows rejected."""
    bad: list[RejectedRow] = []
    good: list[tuple[Row, Record]] = []
    for row in batch:
        try:
            good.append((row, fields.record(row)))
        except InvalidInput as error:
            bad.append(_rejected(row, error))
    places = checkpoint.places([record.id for _, record in good if encodable(record.id)])
    written: dict[str, int] = {}
    while good:  # again for the rows whose id an earlier one has: it may be rejected, and theirs be the record
        fresh: dict[str, tuple[Row, Record]] = {}
        later: list[tuple[Row, Record]] = []
        for row, record in good:
            if (place := places.get(record.id, written.get(record.id))) is not None:
                reason = f"the id {record.id!r:.80} stands in row {place:,} already"
                bad.append(_rejected(row, InvalidInput(reason)))
            elif record.id in fresh:
                later.append((row, record))
            else:
                fresh[record.id] = row, record
        rejected = list(_write(list(fresh.values()), collection))
        bad += rejected
        lost = {one.number for one in rejected}
        written |= {one: row.number for one, (row, _) in fresh.items() if row.number not in lost}
        good = later
    return written, sorted(bad, key=lambda one: one.number)


def _write(rows: list[tuple[Row, Record]], collection: Collection) -> Iterator[RejectedRow]:
    """Upserts; where something in it is rejected, halves are tried until single rows are left to blame."""
    if not rows:
        return
    records = [record for _, record in rows]
    try:
        collection.upsert(
            [record.id for record in records],
            documents=[record.document for record in records],
            metadatas=[record.metadata for record in records],
            fields={name: [record.fields[name] for record in records] for name in records[0].fields} or None,
        )
    except (InvalidInput, LimitExceeded, Unsupported) as error:
        if len(rows) == 1:
            yield _rejected(rows[0][0], error)
            return
        half = len(rows) // 2
        yield from _write(rows[:half], collection)
        yield from _write(rows[half:], collection)


def _rejected(row: Row, error: VStoreError) -> RejectedRow:
    return RejectedRow(row.number, f"{type(error).__name__}: {error}", row.fields)
