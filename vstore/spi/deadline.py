"""How long vstore itself may compute on the records that one request has brought: as long as the request may take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Final

from vstore.errors import Timeout

__all__ = ["Deadline", "bounding"]

# of the store whose call this is; it goes along into worker threads
_SECONDS: Final[ContextVar[float]] = ContextVar("vstore_seconds", default=math.inf)


@contextmanager
def bounding(seconds: float) -> Iterator[None]:
    """Has every ``Deadline`` that is made inside end after ``seconds``."""
    before = _SECONDS.get()
    _SECONDS.set(seconds)
    try:
        yield
    finally:
        _SECONDS.set(before)


class Deadline:
    """The end of a computation, the store's timeout from now."""

    __slots__ = ("_end", "_seconds")

    def __init__(self) -> None:
        self._seconds = _SECONDS.get()
        self._end = monotonic() + self._seconds

    def check(self) -> None:
        """Raises ``Timeout`` when it is over."""
        if monotonic() > self._end:
            raise Timeout(
                f"looking at the records took longer than the timeout of {self._seconds:g} seconds",
                hint="Raise timeout=, or ask with a simpler filter or fewer vectors.",
            )
