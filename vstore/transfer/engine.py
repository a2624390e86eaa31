"""Moves the chunks of a plan: how every engine reads and writes one, and the engine of threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from queue import Queue
from threading import Event, Thread
from typing import Final, Protocol

from vstore.errors import InvalidInput, Mismatch, VStoreError
from vstore.filters.tree import Filter
from vstore.records import Record, Records
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.checkpoint import CopyCheckpoint
from vstore.transfer.endpoint import Reject, Sink, Source, Target
from vstore.transfer.equality import Digest, digest_ids, measure
from vstore.transfer.plan import Chunk, refuse_repeated
from vstore.transfer.transform import Rewrite

__all__ = [
    "NEW_PLAN",
    "Engine",
    "Interrupted",
    "SourceChanged",
    "ThreadEngine",
    "TransferJob",
    "read_chunks",
    "write_chunk",
]

NEW_PLAN: Final = (
    "What was copied so far stays in the target. "
    "For a new plan pass --restart, with --if-exists merge or --if-exists replace."
)


class Interrupted(Exception):
    """The run was asked to stop. The records that were read are written and noted; the cause is an error besides."""


class SourceChanged(Mismatch):
    """The source no longer has the records of the plan."""


@dataclass(frozen=True, slots=True)
class TransferJob:
    """What an engine moves.

    Attributes:
        source: What to read.
        target: Where to write; it is there already.
        checkpoint: The plan, and what of it is done.
        where: The plan's filter.
        rewrites: What is done to records between reading and writing.
        claims: Whether rewrites may change ids, so that no two chunks may write the same one.
        workers: How many readers, and how many writers.
        retry: Makes the calls.
        reject: Takes the records that the target does not.
        on_chunk: Called with the number of records and bytes of each chunk that is done.
        embed: Applied after the rewrites; its list ``refused`` takes the records that it refuses, with the errors.
    """

    source: Source
    target: Target
    checkpoint: CopyCheckpoint
    where: Filter | None
    rewrites: Sequence[Rewrite]
    claims: bool
    workers: int
    retry: RetryPolicy
    reject: Reject
    on_chunk: Callable[[int, int], None]
    embed: Callable[..., Records] | None = None


class Engine(Protocol):
    """Moves the chunks that a checkpoint has as pending."""

    def run(self) -> None:
        """Returns when all is done and acknowledged.

        Raises:
            Interrupted: KeyboardInterrupt came: chunks that were read have been written. A second one drops them. Its
                cause is the error that was met besides, if there was one.
            VStoreError: The first error that remained after all retries.
        """
        ...


def read_chunks(
    source: Source, chunks: Sequence[Chunk], where: Filter | None, retry: RetryPolicy
) -> Iterator[tuple[Chunk, Records]]:
    """Yields each chunk with its records; chunks that follow one another come from one scan.

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
        for chunk, records in _stretch(source, chunks[start:end], where, retry):
            if digest_ids(records.ids) != chunk.ids:
                raise SourceChanged(
                    f"the source has changed since the plan was made: chunk {chunk.number} was planned with "
                    f"{chunk.rows:,} records, and now {len(records):,} records are there, or others",
                    hint=NEW_PLAN,
                )
            yield chunk, records
        start = end


def _stretch(
    source: Source, chunks: Sequence[Chunk], where: Filter | None, retry: RetryPolicy
) -> Iterator[tuple[Chunk, Records]]:
    first = chunks[0]
    pages = retry.scan(source, where=where, batch_size=first.rows, after=first.after)
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


def write_chunk(
    sink: Sink,
    chunk: Chunk,
    records: Records,
    rewrites: Sequence[Rewrite],
    retry: RetryPolicy,
    *,
    claim: Callable[[Sequence[str]], None],
    begin: Callable[[], None],
    rejected: Callable[[], Set[str]],
) -> tuple[Digest, int]:
    """Rewrites and writes the records of a chunk; returns the digest of the acknowledged records, and their bytes.

    Args:
        sink: Where to write.
        chunk: Which chunk.
        records: Its records.
        rewrites: Applied one after the other.
        retry: Makes the calls.
        claim: Called with the ids that will be written, before the first attempt.
        begin: Forgets, before each attempt, the records that an earlier one has rejected: the target may take them now.
        rejected: Returns, after the write, the ids that the sink has rejected.

    Raises:
        Mismatch: The source gives several records one id.
        InvalidInput: A rewrite gives several records one id.
    """
    refuse_repeated(_repeated(records))
    for rewrite in rewrites:
        records = rewrite(records)
    if repeated := _repeated(records):
        raise InvalidInput(
            f"the transform gave records of chunk {chunk.number} the same id {repeated[0]!r}",
            hint="An id names one record: return a different id for each, or None to leave a record out.",
            ids=repeated,
        )
    claim(records.ids)

    def attempt() -> None:
        begin()
        sink.write(chunk.number, records)

    retry.call(attempt)
    if without := rejected():
        records = records.take([place for place, i in enumerate(records.ids) if i not in without])
    return measure(records) if len(records) else (Digest(), 0)


def _repeated(records: Records) -> list[str]:
    """The ids that several records have."""
    if len(set(records.ids)) == len(records):
        return []
    return sorted(one for one, times in Counter(records.ids).items() if times > 1)


class ThreadEngine:
    """Implements ``Engine`` with threads: readers and writers at once over a bounded queue.

    ``workers`` readers read one stretch of the plan each, as one scan; as many writers take chunks from a queue of
    that length. So at most ``3 * workers`` chunks are in memory. No boundary depends on the number of workers.

    Args:
        job: What to move.
        sink: Where to write.
    """

    def __init__(self, job: TransferJob, sink: Sink) -> None:
        self._job = job
        self._sink = sink
        self._queue: Queue[tuple[Chunk, Records] | None] = Queue(job.workers)
        self._stop = Event()  # nothing more is read; the chunks that were read are written
        self._abort = Event()  # nothing more is written
        self._over = Event()  # all threads have ended
        self._errors: list[BaseException] = []

    def run(self) -> None:
        """See ``Engine``."""
        # this thread only waits, so that an interruption finds it nowhere else
        _start("conductor", self._conduct)
        interrupted = self._wait()
        error = self._errors[0] if self._errors else None
        if interrupted:
            raise Interrupted from error
        if error is not None:
            raise error

    def _wait(self) -> bool:
        """Returns when all threads have ended, with whether somebody has interrupted."""
        interrupted = False
        # not a join: one that is interrupted takes its thread for ended (python/cpython#90882, before 3.13)
        while not self._over.is_set():
            try:
                self._over.wait()
            except KeyboardInterrupt:
                if interrupted:
                    self._abort.set()
                interrupted = True
                self._stop.set()
                self._job.retry.stop_retrying()
        return interrupted

    def _conduct(self) -> None:
        try:
            pending, workers = self._job.checkpoint.pending(), self._job.workers
            cuts = [n * len(pending) // workers for n in range(workers + 1)]
            readers = [_start("reader", partial(self._read, pending[a:b])) for a, b in pairwise(cuts)]
            writers = [_start("writer", self._write) for _ in range(workers)]
            for reader in readers:
                reader.join()
            for _ in writers:
                self._queue.put(None)
            for writer in writers:
                writer.join()
        except BaseException as error:  # noqa: BLE001 (raised again by run)
            self._fail(error)
        finally:
            self._over.set()

    def _fail(self, error: BaseException) -> None:
        self._errors.append(error)
        self._stop.set()

    def _read(self, chunks: Sequence[Chunk]) -> None:
        job = self._job
        try:
            for chunk, records in read_chunks(job.source, chunks, job.where, job.retry):
                self._queue.put((chunk, records))
                if self._stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 (raised again by run)
            self._fail(error)

    def _write(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                if not self._abort.is_set():
                    self._write_one(*item)
                del item
        except BaseException as error:  # noqa: BLE001 (raised again by run)
            self._fail(error)
            self._abort.set()
            while self._queue.get() is not None:  # so that no reader waits for room
                pass

    def _write_one(self, chunk: Chunk, records: Records) -> None:
        job, checkpoint, number = self._job, self._job.checkpoint, chunk.number
        refused: list[tuple[Record, VStoreError]] = []
        rewrites = list(job.rewrites)
        if job.embed is not None:
            rewrites.append(partial(job.embed, refused=refused))

        def begin() -> None:
            checkpoint.begin_chunk(number)
            for record, error in refused:
                job.reject(number, record, error)

        digest, size = write_chunk(
            self._sink,
            chunk,
            records,
            rewrites,
            job.retry,
            claim=partial(checkpoint.claim_ids, number) if job.claims else lambda _: None,
            begin=begin,
            rejected=lambda: {record.id for record in checkpoint.rejected(number)},
        )
        checkpoint.done(number, size, digest)
        job.on_chunk(chunk.rows, size)


def _start(name: str, work: Callable[[], None]) -> Thread:
    thread = Thread(target=work, name=f"vstore {name}", daemon=True)
    thread.start()
    return thread
