"""The calls of a transfer: retried, held to a rate, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from time import monotonic, sleep
from typing import Final, TypeVar

from vstore.core._sync.retrying import Retry
from vstore.errors import InvalidInput, VStoreError, brief
from vstore.filters.tree import Filter
from vstore.records import IncludeName, Page
from vstore.transfer.endpoint import EVERYTHING, Source

__all__ = ["DEFAULT_RETRIES", "Progress", "ProgressTracker", "RateLimiter", "RetryPolicy"]

DEFAULT_RETRIES: Final = 8
_LONGEST: Final = 600.0  # seconds after which a call is not retried, whatever retries= says
T = TypeVar("T")


class RateLimiter:
    """Lets at most so many calls a second pass, over all threads.

    Args:
        max_rps: Calls a second, above 0; None for no limit.

    Attributes:
        max_rps: As given.

    Raises:
        InvalidInput: ``max_rps`` is no number above 0.
    """

    def __init__(self, max_rps: float | None = None) -> None:
        if max_rps is not None and not (type(max_rps) in (int, float) and max_rps > 0):
            raise InvalidInput(f"max_rps must be calls a second above 0, not {brief(max_rps)}")
        self.max_rps = max_rps
        self._interval = 0.0 if max_rps is None else 1.0 / max_rps
        self._next = 0.0
        self._lock = Lock()

    def wait(self) -> None:
        """Returns when the next call may be made."""
        if not self._interval:
            return
        with self._lock:
            now = monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            sleep(turn - now)


class RetryPolicy:
    """Makes the calls of a transfer, and retries those that failed with a retryable error.

    Args:
        retries: How often one call is retried, after pauses that grow from 0.1 to 10 seconds with jitter.
        max_rps: Most calls a second over all threads; None for no limit.

    Attributes:
        retries: As given.
        limiter: Lets the calls pass.
        retried: How many calls were retried so far.

    Raises:
        InvalidInput: ``retries`` is no int of at least 0, or ``max_rps`` no number above 0.
    """

    def __init__(self, retries: int = DEFAULT_RETRIES, max_rps: float | None = None) -> None:
        if type(retries) is not int or retries < 0:
            raise InvalidInput(f"retries must be an int of at least 0, not {brief(retries)}")
        self.retried = 0
        self.retries = retries
        self.limiter = RateLimiter(max_rps)
        self._retry = Retry(retries, _LONGEST, "transfer")
        self._stopped = False
        self._lock = Lock()

    def call(self, work: Callable[[], T]) -> T:
        """Returns what ``work`` returns, or raises its last error; ``work`` must be idempotent."""
        attempts = 0

        def attempt() -> T:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                with self._lock:
                    self.retried += 1
            self.limiter.wait()
            try:
                return work()
            except VStoreError as error:
                if self._stopped:
                    error.retryable = False
                raise

        return self._retry.call(attempt)

    def stop_retrying(self) -> None:
        """Retries no call from now on: who interrupts a run does not wait for a database that is down."""
        self._stopped = True

    def scan(
        self,
        source: Source,
        *,
        where: Filter | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Sequence[IncludeName] = EVERYTHING,
    ) -> Iterator[Page]:
        """Yields the pages of ``source.scan``, each fetched by ``call``; a failed scan resumes after its last page."""
        pages: Iterator[Page] | None = None

        def following() -> Page | None:
            nonlocal pages
            if pages is None:
                pages = source.scan(where=where, batch_size=batch_size, after=after, include=include)
            try:
                return next(pages, None)
            except Exception:
                pages = None
                raise

        while (page := self.call(following)) is not None:
            after = page.cursor
            yield page


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is.

    Attributes:
        phase: ``"plan"``, ``"copy"`` or ``"verify"``.
        rows: Records done in this phase, those of earlier runs included.
        total: Records of this phase; None where nobody has counted them.
        fresh: Records done in this phase of this run.
        size: Bytes copied in this run.
        seconds: Since the phase began.
        retries: Calls retried so far.
    """

    phase: str
    rows: int
    total: int | None
    fresh: int = 0
    size: int = 0
    seconds: float = 0.0
    retries: int = 0


class ProgressTracker:
    """Counts the records of one phase after another. ``add`` may be called from many threads.

    Args:
        retry: Counts the retried calls.
        on_progress: Called with each change, one call at a time.

    Attributes:
        seconds: How long each phase took.
    """

    def __init__(self, retry: RetryPolicy, on_progress: Callable[[Progress], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._retry = retry
        self._report = on_progress
        self._lock = Lock()
        self._phase = ""
        self._total: int | None = None
        self._done = self._rows = self._size = 0
        self._began = 0.0

    def begin(self, phase: str, total: int | None, *, done: int = 0) -> None:
        """Begins a phase of ``total`` records, of which some are done."""
        self._phase, self._total, self._done, self._began = phase, total, done, monotonic()
        self._rows = self._size = 0
        self.add(0)

    def add(self, rows: int, size: int = 0) -> None:
        """Counts records, and their bytes, as done."""
        with self._lock:
            self._rows += rows
            self._size += size
            seconds = monotonic() - self._began
            rows = self._done + self._rows
            self._report(Progress(self._phase, rows, self._total, self._rows, self._size, seconds, self._retry.retried))

    def end(self) -> None:
        """Ends the phase."""
        self.seconds[self._phase] = round(monotonic() - self._began, 3)
