"""How fast a transfer asks, and how often it asks again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from time import monotonic, sleep
from typing import Final, TypeVar

from vstore.core._sync.retrying import Retry
from vstore.errors import InvalidInput, VStoreError, brief
from vstore.filters.tree import Filter
from vstore.records import IncludeName, Page
from vstore.transfer.endpoint import EVERYTHING, Source

__all__ = ["Pace"]

DEFAULT_RETRIES: Final = 8
_LONGEST: Final = 600.0  # seconds after which a call is not made again, whatever retries= says
T = TypeVar("T")


class Pace:
    """Makes the calls of a transfer: again after errors that are retryable, and no more than so many a second.

    Args:
        retries: How often one call is made again, after pauses that grow from 0.1 to 10 seconds with jitter.
        max_rps: Most calls a second over all threads; None for no limit.

    Attributes:
        retries: As given.
        max_rps: As given.
        retried: How many calls were made again so far.
    """

    def __init__(self, retries: int = DEFAULT_RETRIES, max_rps: float | None = None) -> None:
        if max_rps is not None and not (type(max_rps) in (int, float) and max_rps > 0):
            raise InvalidInput(f"max_rps must be calls a second above 0, not {brief(max_rps)}")
        if type(retries) is not int or retries < 0:
            raise InvalidInput(f"retries must be an int of at least 0, not {brief(retries)}")
        self.retried = 0
        self.retries = retries
        self.max_rps = max_rps
        self._retry = Retry(retries, _LONGEST, "transfer")
        self._hurry = False
        self._interval = 0.0 if max_rps is None else 1.0 / max_rps
        self._next = 0.0
        self._lock = Lock()

    def call(self, work: Callable[[], T]) -> T:
        """The result of ``work``, which must be safe to repeat, or its last error."""
        attempts = 0

        def attempt() -> T:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                with self._lock:
                    self.retried += 1
            self._wait()
            try:
                return work()
            except VStoreError as error:
                if self._hurry:
                    error.retryable = False
                raise

        return self._retry.call(attempt)

    def hurry(self) -> None:
        """Makes no call again from now on: whoever has interrupted does not wait for a database that is down."""
        self._hurry = True

    def scan(
        self,
        source: Source,
        *,
        where: Filter | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Sequence[IncludeName] = EVERYTHING,
    ) -> Iterator[Page]:
        """``source.scan``, each page fetched by ``call``; a scan that has failed goes on behind its last page."""
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

    def _wait(self) -> None:
        if not self._interval:
            return
        with self._lock:
            now = monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            sleep(turn - now)
