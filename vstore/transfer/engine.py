"""Moves chunks: readers and writers at once over a bounded queue, and the ledger behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from queue import Queue
from threading import Event, Thread
from typing import Final

from vstore.errors import InvalidInput, Mismatch
from vstore.filters.tree import Filter
from vstore.transfer.digest import Digest, digest_ids, measure
from vstore.transfer.endpoint import Sink, Source
from vstore.transfer.ledger import Ledger
from vstore.transfer.pace import Pace
from vstore.transfer.plan import Chunk
from vstore.types import Records

__all__ = ["ANEW", "Interrupted", "SourceChanged", "Transfer"]


ANEW: Final = "What was copied so far stays in the target. A new plan: --restart, with --mode merge or replace."


class Interrupted(Exception):
    """The run was asked to stop; what was read is written, and the ledger says so."""


class SourceChanged(Mismatch):
    """The source no longer has what the plan says."""


class Transfer:
    """Copies the chunks that a ledger has as pending.

    ``workers`` readers read one stretch of the plan each, as one scan; as many writers take chunks from a queue of
    that length. So at most ``3 * workers`` chunks are in memory. No boundary depends on the number of workers.

    Args:
        source: What to read.
        sink: Where to write.
        ledger: The plan, and what of it is done.
        where: The plan's filter.
        rewrite: What is done to records between reading and writing.
        workers: How many readers, and how many writers.
        pace: Makes the calls.
        on_chunk: Called with the number of records and bytes of each chunk that is done.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        ledger: Ledger,
        *,
        where: Filter | None,
        rewrite: Callable[[Records], Records] | None,
        workers: int,
        pace: Pace,
        on_chunk: Callable[[int, int], None],
    ) -> None:
        self._source = source
        self._sink = sink
        self._ledger = ledger
        self._where = where
        self._rewrite = rewrite
        self._workers = workers
        self._pace = pace
        self._on_chunk = on_chunk
        self._queue: Queue[tuple[Chunk, Records] | None] = Queue(workers)
        self._stop = Event()  # nothing more is read; what was read is written
        self._abort = Event()  # nothing more is written
        self._errors: list[BaseException] = []

    def run(self) -> None:
        """Returns when all is done and acknowledged.

        Raises:
            Interrupted: KeyboardInterrupt came: chunks that were read have been written. A second one drops them.
            VStoreError: The first error that retries did not get over.
        """
        pending = self._ledger.pending()
        cuts = [n * len(pending) // self._workers for n in range(self._workers + 1)]
        readers = [self._start("reader", self._read, pending[a:b]) for a, b in pairwise(cuts)]
        writers = [self._start("writer", self._write) for _ in range(self._workers)]
        interrupted = self._join(readers)
        for _ in writers:
            self._queue.put(None)
        interrupted |= self._join(writers)
        if self._errors:
            raise self._errors[0]
        if interrupted and self._ledger.pending():
            raise Interrupted

    def _start(self, name: str, work: Callable[..., None], *arguments: object) -> Thread:
        def guarded() -> None:
            try:
                work(*arguments)
            except BaseException as error:  # noqa: BLE001 (raised again by run)
                self._errors.append(error)
                self._stop.set()
                if work == self._write:
                    self._abort.set()
                    while self._queue.get() is not None:  # so that no reader waits for room
                        pass

        thread = Thread(target=guarded, name=f"vstore {name}", daemon=True)
        thread.start()
        return thread

    def _join(self, threads: Sequence[Thread]) -> bool:
        interrupted = False
        for thread in threads:
            while thread.is_alive():
                try:
                    thread.join()
                except KeyboardInterrupt:
                    if self._stop.is_set() and interrupted:
                        self._abort.set()
                    interrupted = True
                    self._stop.set()
        return interrupted

    def _read(self, chunks: Sequence[Chunk]) -> None:
        for chunk, records in self._stretches(chunks):
            if digest_ids(records.ids) != chunk.ids:
                raise SourceChanged(
                    f"the source has changed since the plan was made: chunk {chunk.number} was to have {chunk.rows:,} "
                    f"records and has {len(records):,}, or others",
                    hint=ANEW,
                )
            self._queue.put((chunk, records))
            if self._stop.is_set():
                return

    def _stretches(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Records]]:
        """Each chunk with the records that are there: chunks that follow one another come from one scan."""
        start = 0
        while start < len(chunks):
            end = start + 1
            while end < len(chunks) and chunks[end].number == chunks[end - 1].number + 1:
                end += 1
            yield from self._stretch(chunks[start:end])
            start = end

    def _stretch(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Records]]:
        first = chunks[0]
        pages = self._pace.scan(self._source, where=self._where, batch_size=first.rows, after=first.after)
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

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._abort.is_set():
                continue
            chunk, records = item
            del item
            written = records if self._rewrite is None else self._rewrite(records)
            if len(set(written.ids)) != len(written):
                raise InvalidInput(f"the transform gave records of chunk {chunk.number} the same id")
            self._ledger.begin_chunk(chunk.number)
            self._pace.call(partial(self._sink.write, chunk.number, written))
            refused = {refusal.id for refusal in self._ledger.refused(chunk.number)}
            if refused:
                written = written.take([place for place, i in enumerate(written.ids) if i not in refused])
            digest, size = (Digest(), 0) if not len(written) else measure(written)
            self._ledger.done(chunk.number, size, digest)
            self._on_chunk(chunk.rows, size)
