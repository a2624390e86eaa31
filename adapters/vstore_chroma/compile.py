"""Filters in normal form to Chroma's ``where``.

Chroma has no NOT, so a negated leaf is the exact complement of its leaf. ``$ne``, ``$nin`` and
``$not_contains`` are complements already, missing keys included; orderings and the hard numbers need
the markers of ``vstore_chroma.codec``.

Numbers (measured on 1.5.9): an int operand X meets ints as X and floats as float(X); a float operand F
meets floats as F and ints as F truncated towards zero and clipped to 64 bits. Where both readings are
the same number one condition is exact; else ints and floats are asked for one by one, each under its
marker. Floats that Chroma would not keep exactly stand apart, as ints in the same order (``image``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from vstore.errors import LimitExceeded
from vstore.filters.tree import (
    And,
    ContainsAny,
    DocumentContains,
    Eq,
    Exists,
    Filter,
    HasText,
    In,
    Leaf,
    Not,
    Or,
    Order,
    OrderOp,
    leaves,
)
from vstore.records import Scalar
from vstore.spi.batching import batches
from vstore.spi.partial import PartialFilter, split_filter
from vstore_chroma.codec import (
    FLOAT_KINDS,
    INT_KINDS,
    KINDS,
    LIST_KINDS,
    NEGATIVE_ZERO_IMAGE,
    NUMBER_KINDS,
    image,
    images,
    marker,
    stored,
    survives,
)

__all__ = [
    "EVERYTHING",
    "MAX_PATTERN",
    "MAX_VARIABLES",
    "OPS",
    "Question",
    "Where",
    "compile_filter",
    "joined",
    "one_of",
    "pattern_bytes",
    "question",
    "variables",
]

Where: TypeAlias = dict[str, Any]

# SQLite takes 32,766 variables a statement. Chroma sends two for a number of $in, one for a string or
# bool, and at most three for any other condition.
MAX_VARIABLES: Final = 32_000
# A flat $or of 1,000 exceeds SQLite's expression depth (of many more, it crashes the server); where
# clauses nested 64 deep are refused. Groups of 32 keep both low.
_FAN_OUT: Final = 32
# SQLite's limit of a LIKE pattern is 50,000 bytes, wildcards around it and escapes in it included
MAX_PATTERN: Final = 49_990
# Elements to find are one condition each, and the time of n conditions grows with their square: 0.1 s for 500, 23 s for
# 10,000. SQLite answers in one call, which nothing can end. Of more, the metadata is looked at here.
_MAX_ELEMENTS: Final = 500
_SAFE_INT: Final = 1 << 53
_MIN: Final = -(1 << 63)
_MAX: Final = (1 << 63) - 1
OPS: Final[dict[OrderOp, str]] = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_INVERSE: Final[dict[OrderOp, OrderOp]] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True, slots=True)
class Question:
    """What Chroma is asked for a filter.

    Attributes:
        where: Its condition; None for all records.
        partial: What is left to look at here.
    """

    where: Where | None = None
    partial: PartialFilter | None = None


EVERYTHING: Final = Question()


def question(node: Filter | None) -> Question:
    """Return how to answer a filter; None matches every record. Raises as ``compile_filter`` does."""
    if node is None:
        return EVERYTHING
    elements = sum(len(leaf.values) for leaf in leaves(node) if isinstance(leaf, ContainsAny))
    beyond: tuple[type[Leaf], ...] = (HasText, ContainsAny) if elements > _MAX_ELEMENTS else (HasText,)
    found = split_filter(node, lambda leaf: isinstance(leaf, beyond))
    if found is None:
        return Question(compile_filter(node))
    return Question(None if found.asked is None else compile_filter(found.asked), found)


def compile_filter(node: Filter) -> Where:
    """Return Chroma's form of a filter.

    Args:
        node: A filter in normal form (``vstore.spi.rewrite``).

    Raises:
        LimitExceeded: It needs more variables than SQLite takes in one statement.
    """
    where = _compile(node)
    if (number := variables(where)) > MAX_VARIABLES:
        raise LimitExceeded(
            f"the filter needs about {number:,} variables of SQLite; at most {MAX_VARIABLES:,} are possible",
            hint="Ask in parts, with fewer values each: a number of in_ takes two variables, a value of "
            "contains_any up to six.",
        )
    return where


def variables(where: Where) -> int:
    """Return an upper bound of the SQLite variables that a ``where`` needs."""
    ((key, value),) = where.items()
    if key in ("$and", "$or"):
        return sum(variables(part) for part in value)
    ((_, operand),) = value.items()
    if not isinstance(operand, list):
        return 3
    return 1 + sum(1 if isinstance(x, str | bool) else 2 for x in operand)


def pattern_bytes(text: str) -> int:
    """Return how long the pattern is by which SQLite finds a text in documents; ``MAX_PATTERN`` at most."""
    return len(text.encode()) + sum(map(text.count, "%_\\"))


def _compile(node: Filter) -> Where:
    match node:
        case And(items):
            return joined("$and", [_compile(item) for item in items])
        case Or(items):
            return joined("$or", [_compile(item) for item in items])
        case Not(item):
            return _leaf(item, negated=True)
        case _:
            return _leaf(node, negated=False)


def _leaf(node: Filter, *, negated: bool) -> Where:
    match node:
        case Eq((key,), value):
            return _in(key, (value,), negated)
        case In((key,), values):
            return _in(key, values, negated)
        case Order((key,), op, int() | float() as value):
            if not negated:
                return _order(key, op, value)
            return _any(_kind(key, NUMBER_KINDS, negated=True), _order(key, _INVERSE[op], value))
        case ContainsAny((key,), values):
            return _contains(key, values, negated)
        case Exists((key,)):
            return _kind(key, KINDS, negated=negated)
        case DocumentContains(text):
            if (size := pattern_bytes(text)) > MAX_PATTERN:
                raise LimitExceeded(f"the text to find has {size:,} bytes; SQLite searches for {MAX_PATTERN:,} at most")
            return {"#document": {"$not_contains" if negated else "$contains": text}}
        case _:
            raise AssertionError(f"not a leaf of this adapter's normal form: {node!r}")


def joined(operator: str, parts: Sequence[Where]) -> Where:
    """Return one condition of some, joined by ``$and`` or ``$or``; there is at least one."""
    level = list(parts)
    while len(level) > 1:
        groups = list(batches(level, _FAN_OUT))
        level = [{operator: group} if len(group) > 1 else group[0] for group in groups]
    return level[0]


def _all(*parts: Where) -> Where:
    return joined("$and", parts)


def _any(*parts: Where) -> Where:
    return joined("$or", parts)


def one_of(name: str, values: Sequence[Scalar], *, negated: bool = False) -> Where:
    """Return the condition that a value equals one of some of one type, or its complement."""
    if len(values) == 1:
        return {name: {"$ne" if negated else "$eq": values[0]}}
    return {name: {"$nin" if negated else "$in": list(values)}}


def _kind(key: str, kinds: Sequence[str], *, negated: bool = False) -> Where:
    return one_of(marker(key), kinds, negated=negated)


def _in(key: str, values: Iterable[Scalar], negated: bool) -> Where:
    """Return equality with any of ``values``: one condition for each way in which Chroma compares."""
    texts: list[Scalar] = []
    bools: list[Scalar] = []
    both: list[Scalar] = []
    ints: list[Scalar] = []
    floats: list[Scalar] = []
    apart: list[Scalar] = []
    for value in values:
        match value:
            case str():
                texts.append(value)
            case bool():
                bools.append(value)
            case int() | float():
                whole, real = _forms(value)
                exact = real is not None and survives(real)
                if whole is None:
                    (floats if exact else apart).append(value if exact else image(float(value)))
                elif real is None:
                    ints.append(whole)
                else:
                    both.append(whole)
                    if not exact:
                        apart.append(image(real))
            case _:
                raise AssertionError(f"no value of the normal form: {value!r}")
    name = stored(key)
    parts = [one_of(name, same, negated=negated) for same in (texts, bools, both) if same]
    if apart:
        parts.append(one_of(images(key), apart, negated=negated))
    for same, kinds in ((ints, INT_KINDS), (floats, FLOAT_KINDS)):
        if same:
            found = (_kind(key, kinds, negated=negated), one_of(name, same, negated=negated))
            parts.append(_any(*found) if negated else _all(*found))
    return _any(*parts) if not negated else _all(*parts)


def _contains(key: str, values: Iterable[Scalar], negated: bool) -> Where:
    """Return a list with any of ``values``. Elements compare strictly by type: 1 and 1.0 are asked for both."""
    operator = "$not_contains" if negated else "$contains"
    terms: list[Where] = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            terms.append({stored(key): {operator: value}})
            continue
        whole, real = _forms(value)
        if whole is not None:
            terms.append({stored(key): {operator: whole}})
        if real is not None:
            if survives(real):
                terms.append({stored(key): {operator: real}})
            terms.append({images(key): {operator: image(real)}})
            if real == 0.0:
                terms.append({images(key): {operator: NEGATIVE_ZERO_IMAGE}})
    # the marker guards against ghosts: see decode_metadata
    is_list = _kind(key, LIST_KINDS, negated=negated)
    return _any(is_list, _all(*terms)) if negated else _all(is_list, _any(*terms))


def _forms(value: int | float) -> tuple[int | None, float | None]:
    """Return the 64-bit int and the float that equal a number, where they exist."""
    if isinstance(value, int):
        return value, float(value) if int(float(value)) == value else None
    return int(value) if value.is_integer() and _MIN <= value <= _MAX else None, value


def _order(key: str, op: OrderOp, value: int | float) -> Where:
    name = stored(key)
    operator, bound = _float_bound(op, value)
    apart = {images(key): {operator: image(bound)}}
    if abs(value) <= _SAFE_INT and int(value) == value:
        return _any({name: {OPS[op]: int(value)}}, apart)
    parts = [apart]
    match _int_bound(op, value):
        case True:
            parts.append(_kind(key, INT_KINDS))
        case (str() as operator, int() as whole):
            parts.append(_all(_kind(key, INT_KINDS), {name: {operator: whole}}))
        case _:
            pass
    operator, bound = _float_bound(op, value, among=_nearest_surviving(value))
    parts.append(_all(_kind(key, FLOAT_KINDS), {name: {operator: bound}}))
    return _any(*parts)


def _int_bound(op: OrderOp, value: int | float) -> tuple[str, int] | bool:
    """Return the same ordering among 64-bit ints with an int bound; True or False where all or none are in it."""
    below = op in ("<", "<=")
    if value > _MAX:
        return below
    if value < _MIN:
        return not below
    if int(value) == value:
        return OPS[op], int(value)
    return ("$lte", math.floor(value)) if below else ("$gte", math.ceil(value))


def _float_bound(op: OrderOp, value: int | float, among: float | None = None) -> tuple[str, float]:
    """Return the same ordering with the float bound nearest to ``value``, or with ``among``.

    It is exact for floats of which none lies between ``value`` and that bound.
    """
    bound = float(value) if among is None else among
    if bound == value:  # Python compares an int and a float exactly
        return OPS[op], bound
    if op in ("<", "<="):
        return ("$lt" if bound > value else "$lte"), bound
    return ("$gte" if bound > value else "$gt"), bound


def _nearest_surviving(value: int | float) -> float:
    """Return the bound nearest to ``value`` among floats that survive: an operand passes through the same JSON."""
    if abs(value) <= 1e-7:
        return 0.0
    return max(-1e22, min(1e22, float(f"{float(value):.15g}")))
