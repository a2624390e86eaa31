"""What was found out a moment ago, for choices in which it may be a little out of date."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic
from typing import Final, Generic, TypeVar

__all__ = ["Recent"]

T = TypeVar("T")

SECONDS: Final = 10.0
_MOST: Final = 1_000


class Recent(Generic[T]):
    """Holds values for ten seconds, and by the hash of their keys: where two keys meet, one has the other's value.

    It is for estimates that choose how to search and never what the answer is. Threads may share it.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[float, T]] = {}

    def get(self, key: Hashable) -> T | None:
        """Return the value of a key, or None where it is not known or too old."""
        kept = self._kept.get(hash(key))
        return kept[1] if kept is not None and monotonic() - kept[0] <= SECONDS else None

    def keep(self, key: Hashable, value: T) -> T:
        """Keep a value from now on; return it."""
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[hash(key)] = monotonic(), value
        return value
