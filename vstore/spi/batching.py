"""Sequences in parts that a database takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

__all__ = ["batches", "slices"]


class _Sliced(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


S = TypeVar("S", bound=_Sliced)


def batches(items: S, size: int) -> Iterator[S]:
    """Yields items in their order, in parts of at most ``size``.

    Args:
        items: A list, an array of shape (n, …), ``Records``, or anything else that has a length and can be sliced.
        size: Most items of one part, at least 1.

    Example:
        ``list(batches([1, 2, 3], 2))`` is ``[[1, 2], [3]]``.
    """
    for rows in slices(len(items), size):
        yield items[rows]


def slices(total: int, size: int) -> Iterator[slice]:
    """Yields the slices that cut ``total`` items into parts of at most ``size``, for columns that are cut alike."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
