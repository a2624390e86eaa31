"""What ``vstore copy`` and ``vstore verify`` show: a bar on a terminal, JSON lines where a program reads."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic
from types import FrameType
from typing import Any, Final, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vstore.cli.output import console
from vstore.errors import InvalidInput
from vstore.regular import shown
from vstore.spi.durable import appending, replacing
from vstore.transfer import Progress as Told

__all__ = ["ProgressPrinter", "emit_event", "reported", "sigterm_as_interrupt"]

_EVERY: Final = 1.0  # seconds between two lines


def emit_event(event: str, **facts: Any) -> None:
    """One JSON line on standard output; where nobody reads any more, the work goes on without."""
    try:
        line = json.dumps({"event": event, **facts}, ensure_ascii=False, default=str)
        sys.stdout.write(_encodable(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encodable(text: str) -> str:
    """With half characters, of which the name of a file may consist, as JSON escapes them."""
    return text.encode(errors="backslashreplace").decode()


class ProgressPrinter:
    """Shows progress.

    Args:
        collection: What is being transferred.
        as_json: JSON lines, at most one a second and phase, instead of a bar.
    """

    def __init__(self, collection: str, *, as_json: bool) -> None:
        self._collection = collection
        self._json = as_json
        self._lock = Lock()
        self._phase = ""
        self._last = 0.0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rows]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rate]}"),
            console=console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if not self._json:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._json:
            self._bar.stop()

    def __call__(self, told: Told) -> None:
        """Takes in how far it is."""
        with self._lock:
            first = told.phase != self._phase
            self._phase = told.phase
            if self._json:
                self._line(told, first)
            else:
                self._draw(told, first)

    def _line(self, told: Told, first: bool) -> None:
        now = monotonic()
        if first or now - self._last >= _EVERY or told.rows == told.total:
            self._last = now
            rate = told.fresh / told.seconds if told.seconds else None
            emit_event(
                told.phase,
                collection=self._collection,
                rows=told.rows,
                total=told.total,
                seconds=round(told.seconds, 3),
                rows_per_second=None if rate is None else round(rate),
                mb_per_second=round(told.size / told.seconds / 1e6, 2) if told.seconds else None,
                eta_seconds=round((told.total - told.rows) / rate, 1) if rate and told.total is not None else None,
                retries=told.retries,
            )

    def _draw(self, told: Told, first: bool) -> None:
        if first or self._task is None:
            self._task = self._bar.add_task(f"  {told.phase:<6} {self._collection}", total=told.total, rows="", rate="")
        of = "" if told.total is None else f"/{told.total:,}"
        rate = f"{told.size / told.seconds / 1e6:.1f} MB/s" if told.size and told.seconds else ""
        retries = f", {told.retries} retries" if told.retries else ""
        self._bar.update(self._task, completed=told.rows, rows=f"{told.rows:,}{of}", rate=rate + retries)


@contextmanager
def reported(path: Path | None, payload: Callable[[str], dict[str, Any]]) -> Iterator[None]:
    """Writes ``payload(error)`` to a file, however the block ends; the error is empty where it ends well.

    Raises:
        InvalidInput: The file cannot be written; nothing was done.
    """
    if path is None:
        yield
        return
    try:
        appending(path).close()
    except OSError as error:
        raise InvalidInput(f"--report: {shown(path)} cannot be written: {error.strerror}") from error
    told = ""
    try:
        yield
    except BaseException as error:
        told = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        raise
    finally:
        with replacing(path) as file:
            file.write(_encodable(json.dumps(payload(told), indent=2, ensure_ascii=False)).encode())


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a copy or a load as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
