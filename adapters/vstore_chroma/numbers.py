"""Equality and orderings of numbers, exactly, in Chroma's words. Pure.

Measured on 1.5.9: an int operand X meets ints as X and floats as float(X); a float operand F meets floats as F and ints
as F truncated towards zero and clipped to 64 bits. Where both readings are the same number one condition is exact. Else
a second one takes away, or adds, the numbers of the one type that the first reads wrongly, and none of the other type.
Floats that Chroma would not keep exactly stand apart, as ints in the same order (``image``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from vstore.filters.tree import OrderOp
from vstore.records import Scalar
from vstore_chroma.codec import image, images, stored, survives
from vstore_chroma.where import Where, all_of, any_of, one_of

__all__ = ["equal", "forms", "fractions", "ordered"]

_SAFE_INT: Final = 1 << 53
_MIN: Final = -(1 << 63)
_MAX: Final = (1 << 63) - 1
_OPS: Final[dict[OrderOp, str]] = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


def forms(value: int | float) -> tuple[int | None, float | None]:
    """Return the 64-bit int and the float that equal a number, where they exist."""
    if isinstance(value, int):
        return value, float(value) if int(float(value)) == value else None
    return int(value) if value.is_integer() and _MIN <= value <= _MAX else None, value


def fractions(values: Sequence[Scalar]) -> int:
    """Return how many of some values no int equals."""
    return sum(1 for value in values if type(value) is float and forms(value)[0] is None)


def equal(key: str, values: Sequence[int | float], *, negated: bool) -> list[Where]:
    """Return conditions of which any holds, or all hold where they are negated."""
    name = stored(key)
    both: list[Scalar] = []
    ints: list[int] = []
    floats: list[float] = []
    apart: list[Scalar] = []
    for value in values:
        whole, real = forms(value)
        exact = real is not None and survives(real)
        if whole is None:
            if exact:
                floats.append(float(value))
            else:
                apart.append(image(float(value)))
        elif real is None:
            ints.append(whole)
        else:
            both.append(whole)
            if not exact:
                apart.append(image(real))
    parts = [one_of(name, both, negated=negated)] if both else []
    if apart:
        parts.append(one_of(images(key), apart, negated=negated))
    # what $in meets beside these values: of the ints those that become one of these floats, and the other way about
    others: tuple[tuple[Sequence[Scalar], list[Scalar]], ...] = (
        (ints, [float(x) for x in ints if survives(float(x))]),
        (floats, [_whole(x) for x in floats]),
    )
    for same, met in others:
        if same:
            found = [one_of(name, same, negated=negated)]
            if met:
                found.append(one_of(name, list(dict.fromkeys(met)), negated=not negated))
            parts.append(any_of(*found) if negated else all_of(*found))
    return parts


def ordered(key: str, op: OrderOp, value: int | float) -> Where:
    """Return the numbers of a key that are in an ordering with ``value``."""
    name = stored(key)
    operator, bound = _float_bound(op, value)
    apart = {images(key): {operator: image(bound)}}
    if abs(value) <= _SAFE_INT and int(value) == value:
        return any_of({name: {_OPS[op]: int(value)}}, apart)
    return any_of(_kept(name, op, value), apart)


def _kept(name: str, op: OrderOp, value: int | float) -> Where:
    """Return the same of the ints and of the floats that Chroma keeps exactly."""
    operator, bound = _float_bound(op, value, among=_nearest_surviving(value))
    floats: Where = {name: {operator: bound}}
    step = 1 if op in ("<", "<=") else -1
    strict, inclusive = ("$lt", "$lte") if step > 0 else ("$gt", "$gte")
    last = _last_int(op, value)
    met = _whole(bound) - (step if operator == strict else 0)
    if met == last:
        return floats
    # Both bounds hold the same ints. Of floats the inclusive one meets none that is not wanted, and the strict one all
    # that are; beyond 2**53, where every float is whole and an operand is rounded to one, it is the other way about.
    is_safe = abs(last) < _SAFE_INT
    is_missing = (last - met) * step > 0
    by_itself = _MIN <= last <= _MAX and (is_safe == is_missing or not _MIN <= last + step <= _MAX)
    ints: Where = {name: {inclusive: last} if by_itself else {strict: last + step}}
    return any_of(floats, ints) if is_missing else all_of(floats, ints)


def _last_int(op: OrderOp, value: int | float) -> int:
    """Return the last 64-bit int in an ordering; the one beyond all where there is none."""
    if op in ("<", "<="):
        last = math.floor(value)
        return max(_MIN - 1, min(_MAX, last - 1 if op == "<" and last == value else last))
    first = math.ceil(value)
    return min(_MAX + 1, max(_MIN, first + 1 if op == ">" and first == value else first))


def _whole(value: float) -> int:
    """Return what a float operand is to ints."""
    return max(_MIN, min(_MAX, int(value)))


def _float_bound(op: OrderOp, value: int | float, among: float | None = None) -> tuple[str, float]:
    """Return the same ordering with the float bound nearest to ``value``, or with ``among``.

    It is exact for floats of which none lies between ``value`` and that bound.
    """
    bound = float(value) if among is None else among
    if bound == value:  # Python compares an int and a float exactly
        return _OPS[op], bound
    if op in ("<", "<="):
        return ("$lt" if bound > value else "$lte"), bound
    return ("$gte" if bound > value else "$gt"), bound


def _nearest_surviving(value: int | float) -> float:
    """Return a bound among floats that survive, with none of them between it and ``value``.

    An operand passes through the same JSON.
    """
    if abs(value) <= 1e-7:
        return 0.0
    bound = float(f"{float(value):.15g}")
    if 1e15 <= abs(bound) < 1e16 and not survives(bound):
        bound += 10.0  # the floats of 15 digits are tens there, of which both beside such a one survive
    return max(-1e22, min(1e22, bound))
