"""Moves chunks with threads: readers and writers at once over a bounded queue, and the ledger behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from queue import Queue
from threading import Event, Thread

from vstore.filters.tree import Filter
from vstore.records import Records
from vstore.transfer.endpoint import Sink, Source
from vstore.transfer.ledger import Ledger
from vstore.transfer.moving import Interrupted, deliver, read_chunks
from vstore.transfer.pace import Pace
from vstore.transfer.plan import Chunk
from vstore.transfer.transform import Rewrite

__all__ = ["Transfer"]


class Transfer:
    """Copies the chunks that a ledger has as pending.

    ``workers`` readers read one stretch of the plan each, as one scan; as many writers take chunks from a queue of
    that length. So at most ``3 * workers`` chunks are in memory. No boundary depends on the number of workers.

    Args:
        source: What to read.
        sink: Where to write.
        ledger: The plan, and what of it is done.
        where: The plan's filter.
        rewrites: What is done to records between reading and writing.
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
        rewrites: Sequence[Rewrite],
        workers: int,
        pace: Pace,
        on_chunk: Callable[[int, int], None],
    ) -> None:
        self._source = source
        self._sink = sink
        self._ledger = ledger
        self._where = where
        self._rewrites = rewrites
        self._workers = workers
        self._pace = pace
        self._on_chunk = on_chunk
        self._queue: Queue[tuple[Chunk, Records] | None] = Queue(workers)
        self._stop = Event()  # nothing more is read; what was read is written
        self._abort = Event()  # nothing more is written
        self._over = Event()  # all threads have ended
        self._errors: list[BaseException] = []

    def run(self) -> None:
        """Returns when all is done and acknowledged.

        Raises:
            Interrupted: KeyboardInterrupt came: chunks that were read have been written. A second one drops them. Its
                cause is the error that was met besides, if there was one.
            VStoreError: The first error that retries did not get over.
        """
        # this thread only waits, so that an interruption finds it nowhere else
        self._start("conductor", self._conduct)
        interrupted = self._wait()
        error = self._errors[0] if self._errors else None
        if interrupted:
            raise Interrupted from error
        if error is not None:
            raise error

    def _conduct(self) -> None:
        pending = self._ledger.pending()
        cuts = [n * len(pending) // self._workers for n in range(self._workers + 1)]
        readers = [self._start("reader", self._read, pending[a:b]) for a, b in pairwise(cuts)]
        writers = [self._start("writer", self._write) for _ in range(self._workers)]
        for reader in readers:
            reader.join()
        for _ in writers:
            self._queue.put(None)
        for writer in writers:
            writer.join()

    def _wait(self) -> bool:
        """Returns when all threads have ended; tells whether somebody has interrupted."""
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
                self._pace.hurry()
        return interrupted

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
            finally:
                if work == self._conduct:
                    self._over.set()

        thread = Thread(target=guarded, name=f"vstore {name}", daemon=True)
        thread.start()
        return thread

    def _read(self, chunks: Sequence[Chunk]) -> None:
        for chunk, records in read_chunks(self._source, chunks, self._where, self._pace):
            self._queue.put((chunk, records))
            if self._stop.is_set():
                return

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._abort.is_set():
                continue
            chunk, records = item
            del item
            number = chunk.number

            def refused(number: int = number) -> set[str]:
                return {refusal.id for refusal in self._ledger.refused(number)}

            begin = partial(self._ledger.begin_chunk, number)
            digest, size = deliver(self._sink, chunk, records, self._rewrites, self._pace, begin, refused)
            self._ledger.done(number, size, digest)
            self._on_chunk(chunk.rows, size)
