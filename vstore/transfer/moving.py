"""Reads chunks as the plan has them, and writes them: what every engine does, wherever it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Final

from vstore.errors import InvalidInput, Mismatch
from vstore.filters.tree import Filter
from vstore.records import Records
from vstore.transfer.digest import Digest, digest_ids, measure
from vstore.transfer.endpoint import Sink, Source
from vstore.transfer.pace import Pace
from vstore.transfer.plan import Chunk
from vstore.transfer.repeats import refuse_repeated
from vstore.transfer.transform import Rewrite

__all__ = ["ANEW", "Interrupted", "SourceChanged", "deliver", "read_chunks"]

ANEW: Final = "What was copied so far stays in the target. A new plan: --restart, with --mode merge or replace."


class Interrupted(Exception):
    """The run was asked to stop; what was read is written, and the ledger says so. The cause is what failed besides."""


class SourceChanged(Mismatch):
    """The source no longer has what the plan says."""


def read_chunks(
    source: Source, chunks: Sequence[Chunk], where: Filter | None, pace: Pace
) -> Iterator[tuple[Chunk, Records]]:
    """Each chunk with its records; chunks that follow one another come from one scan.

    Raises:
        SourceChanged: There are other ids than in the plan.
    """
    start = 0
    while start < len(chunks):
        end = start + 1
        while end < len(chunks) and chunks[end].number == chunks[end - 1].number + 1:
            if 2 * chunks[end].rows <= chunks[start].rows and end + 1 < len(chunks):
                break  # larger records: in a page for the first chunk there would be too many of them
            end += 1
        for chunk, records in _stretch(source, chunks[start:end], where, pace):
            if digest_ids(records.ids) != chunk.ids:
                raise SourceChanged(
                    f"the source has changed since the plan was made: chunk {chunk.number} was to have {chunk.rows:,} "
                    f"records and has {len(records):,}, or others",
                    hint=ANEW,
                )
            yield chunk, records
        start = end


def _stretch(
    source: Source, chunks: Sequence[Chunk], where: Filter | None, pace: Pace
) -> Iterator[tuple[Chunk, Records]]:
    first = chunks[0]
    pages = pace.scan(source, where=where, batch_size=first.rows, after=first.after)
    held: list[Records] = []  # a page may be smaller than it was in the plan: then chunks begin within pages
    rows = 0
    for chunk in chunks:
        while rows < chunk.rows and (page := next(pages, None)) is not None:
            held.append(page.records)
            rows += len(page.records)
        whole = Records.concat(held)
        held = [whole[chunk.rows :]] if rows > chunk.rows else []
        rows = max(0, rows - chunk.rows)
        yield chunk, whole[: chunk.rows]


def deliver(
    sink: Sink,
    chunk: Chunk,
    records: Records,
    rewrites: Sequence[Rewrite],
    pace: Pace,
    begin: Callable[[], None],
    refused: Callable[[], Set[str]],
) -> tuple[Digest, int]:
    """Rewrites and writes the records of a chunk; returns the digest of what the target acknowledged, and its bytes.

    Args:
        sink: Where to write.
        chunk: Which chunk.
        records: Its records.
        rewrites: Applied one after the other.
        pace: Makes the calls.
        begin: Forgets, before each attempt, what an earlier one had refused: the target may take it now.
        refused: Tells, behind the write, the ids that the sink has refused.
    """
    refuse_repeated(_twice(records))
    for rewrite in rewrites:
        records = rewrite(records)
    if twice := _twice(records):
        raise InvalidInput(f"the transform gave records of chunk {chunk.number} the same id {twice[0]!r}", ids=twice)

    def attempt() -> None:
        begin()
        sink.write(chunk.number, records)

    pace.call(attempt)
    if without := refused():
        records = records.take([place for place, i in enumerate(records.ids) if i not in without])
    return measure(records) if len(records) else (Digest(), 0)


def _twice(records: Records) -> list[str]:
    """The ids that stand more than once."""
    if len(set(records.ids)) == len(records):
        return []
    return sorted(one for one, times in Counter(records.ids).items() if times > 1)
