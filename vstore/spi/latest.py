"""What was made of the value that was given last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Latest"]

G = TypeVar("G")
M = TypeVar("M")


class Latest(Generic[G, M]):
    """Calls a function, and not again while the same object is given: most applications ask a filter many times.

    The object is known by identity, so it must be one that cannot change, as a ``Filter`` cannot; what was made of it
    neither, nor may it hang on anything else that changes. One object is held. Threads may share it.

    Args:
        make: The function. What it raises is not held.
    """

    __slots__ = ("_held", "_make")

    def __init__(self, make: Callable[[G], M]) -> None:
        self._make = make
        self._held: tuple[G, M] | None = None

    def __call__(self, given: G) -> M:
        """Return what the function makes of ``given``."""
        held = self._held
        if held is not None and held[0] is given:
            return held[1]
        made = self._make(given)
        self._held = given, made
        return made
