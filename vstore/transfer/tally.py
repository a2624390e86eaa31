"""Counts what is done and tells it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic

from vstore.transfer.pace import Pace
from vstore.transfer.report import Progress

__all__ = ["Tally"]


class Tally:
    """The progress of one phase after another. ``add`` may be called from many threads.

    Args:
        pace: Knows how many calls were made again.
        on_progress: Is told, one call at a time.

    Attributes:
        seconds: How long each phase took.
    """

    def __init__(self, pace: Pace, on_progress: Callable[[Progress], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._pace = pace
        self._tell = on_progress
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
        """Notes records, and their bytes, as done."""
        with self._lock:
            self._rows += rows
            self._size += size
            seconds = monotonic() - self._began
            rows = self._done + self._rows
            self._tell(Progress(self._phase, rows, self._total, self._rows, self._size, seconds, self._pace.retried))

    def end(self) -> None:
        """Ends the phase."""
        self.seconds[self._phase] = round(monotonic() - self._began, 3)
