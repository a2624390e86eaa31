"""How long vstore itself may compute on the records that one request has brought: as long as the request may take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Thread
from time import monotonic
from typing import Final, TypeVar

from vstore.errors import Timeout

__all__ = ["SECONDS", "Deadline", "bounding"]

T = TypeVar("T")

# of the store whose call this is; it goes along into worker threads
SECONDS: Final[ContextVar[float]] = ContextVar("vstore_seconds", default=math.inf)


@contextmanager
def bounding(seconds: float) -> Iterator[None]:
    """Has every ``Deadline`` that is made inside end after ``seconds``."""
    before = SECONDS.get()
    SECONDS.set(seconds)
    try:
        yield
    finally:
        SECONDS.set(before)


class Deadline:
    """The end of a computation, the store's timeout from now."""

    __slots__ = ("_end", "_seconds")

    def __init__(self) -> None:
        self._seconds = SECONDS.get()
        self._end = monotonic() + self._seconds

    def check(self) -> None:
        """Raises ``Timeout`` when it is over."""
        if monotonic() > self._end:
            raise self._over()

    def wait_for(self, work: Callable[[], T]) -> T:
        """Return the result of a computation that nothing can interrupt; raises ``Timeout`` when it takes too long.

        It runs in a thread of its own, which is left behind then: it must let go of the interpreter's lock, hold no
        other, and change nothing.
        """
        self.check()
        if math.isinf(self._seconds):
            return work()
        found, failed, done = list[T](), list[BaseException](), Event()

        def run() -> None:
            try:
                found.append(work())
            except BaseException as error:  # noqa: BLE001  # it is the caller's, who waits
                failed.append(error)
            done.set()

        Thread(target=run, name="vstore-computing", daemon=True).start()
        if not done.wait(max(0.0, self._end - monotonic())):
            raise self._over()
        if failed:
            raise failed[0]
        return found[0]

    def _over(self) -> Timeout:
        return Timeout(
            f"looking at the records took longer than the timeout of {self._seconds:g} seconds",
            hint="Raise timeout=, or ask with a simpler filter or fewer vectors.",
        )
