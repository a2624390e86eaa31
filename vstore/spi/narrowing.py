"""What of a filter a database can rule out on its own, where the filter itself is evaluated on the records: pure.

A *necessary condition* is true of every record that the filter is true of, and may be true of others. It needs no
exactness: what it lets through too much, the filter leaves out. So a part that a database cannot say is let through,
and only parts that keep this under And and Or are asked: a negation is let through whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias, TypeVar

from vstore.filters.tree import (
    And,
    ContainsAll,
    ContainsAny,
    Eq,
    Filter,
    HasText,
    In,
    Leaf,
    Matches,
    Not,
    Or,
    Order,
    OrderOp,
    leaves,
)
from vstore.mapping import ALL, Path, RecordMapping

__all__ = [
    "Interval",
    "asks_texts",
    "beyond",
    "compared",
    "containers",
    "intervals",
    "necessary",
    "numbers",
]

T = TypeVar("T")
Interval: TypeAlias = tuple[int | float, int | float]
"""A closed interval of numbers; its ends may be infinite."""

# each interval is two comparisons a row
_FEW: Final = 64


def necessary(
    node: Filter,
    leaf: Callable[[Leaf], T | None],
    every: Callable[[Sequence[T]], T],
    any_of: Callable[[Sequence[T]], T],
) -> T | None:
    """Return a necessary condition of a filter; None where nothing can be ruled out.

    Args:
        node: The filter, in normal form.
        leaf: Makes a necessary condition of a leaf; None for what can be anything.
        every: Joins one condition or more by And.
        any_of: Joins one condition or more by Or.
    """
    match node:
        case And(items):
            parts = [part for item in items if (part := necessary(item, leaf, every, any_of)) is not None]
            return every(parts) if parts else None
        case Or(items):
            parts = [part for item in items if (part := necessary(item, leaf, every, any_of)) is not None]
            return any_of(parts) if len(parts) == len(items) else None
        case Not():
            return None
        case _:
            (one,) = leaves(node)
            return leaf(one)


def compared(leaf: Leaf) -> tuple[object, ...]:
    """Return the values that a leaf compares with: none for presence, documents and parts of texts."""
    match leaf:
        case Eq(_, value) | Order(_, _, value):
            return (value,)
        case In(_, values) | ContainsAny(_, values) | ContainsAll(_, values):
            return values
        case _:
            return ()


def asks_texts(leaf: Leaf) -> bool:
    """Return whether a value that is a text can make a leaf true, by its being that text."""
    match leaf:
        case Matches() | HasText():
            return True
        case Eq() | In() | Order():
            return any(isinstance(value, str) for value in compared(leaf))
        case _:
            return False


def numbers(values: Iterable[object]) -> list[int | float]:
    """Return those that are numbers, which a bool is not."""
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


def intervals(values: Iterable[object], margin: float = 0.0, few: int = _FEW) -> list[Interval]:
    """Return intervals that the numbers among some values are in; few intervals, whatever their number.

    Args:
        values: Values of which some may be numbers.
        margin: How far a database may misread or misplace a number, relative to it.
        few: Most intervals; of more numbers the interval around all of them is returned.
    """
    found = [_around(value, margin) for value in numbers(values)]
    return found if len(found) <= few else [(min(low for low, _ in found), max(high for _, high in found))]


def beyond(op: OrderOp, value: int | float, margin: float = 0.0) -> Interval:
    """Return the interval of the numbers that are in an order to one; ``margin`` is that of ``intervals``."""
    low, high = _around(value, margin)
    return (-math.inf, high) if op in ("<", "<=") else (low, math.inf)


def containers(key: str, mapping: RecordMapping) -> list[Path]:
    """Return the paths of the objects in which the metadata's ``key`` may be; that of a row's own fields is empty."""
    found = [mapping.metadata] if mapping.metadata else []
    own = mapping.metadata == () or mapping.fields == ALL or key in mapping.fields
    return [*found, ()] if own else found


def _around(value: int | float, margin: float) -> Interval:
    """Return the ends of a closed interval with every decimal that is read as an int or a float64 equal to a number.

    The ends are the next float64 on either side, so that rounding one of them once more still leaves nothing out.
    """
    near = float(value)
    beside = abs(near) * margin
    return min(value, math.nextafter(near - beside, -math.inf)), max(value, math.nextafter(near + beside, math.inf))
