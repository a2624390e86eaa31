"""Filters in normal form to conditions of Qdrant: pure.

Every leaf is two-valued over every record, so that a negation is the exact complement.

Beside a lean shadow (see ``codec.py``) a leaf asks the metadata's own values, of all records without the term of that
key, and the shadow of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from vstore.errors import Unsupported
from vstore.filters.tree import (
    And,
    ContainsAll,
    ContainsAny,
    DocumentContains,
    Eq,
    Exists,
    Filter,
    HasText,
    In,
    Matches,
    Not,
    Or,
    Order,
    OrderOp,
    Path,
)
from vstore.metadata import micros
from vstore_qdrant.conditions import (
    All,
    AnyOf,
    Bound,
    Condition,
    Flag,
    NoneOf,
    Number,
    OneOf,
    Present,
    Split,
    Tenant,
    Terms,
    Text,
)
from vstore_qdrant.filter_fields import LEAST, element_term, halves, is_plain, key_term, scalar_term

__all__ = ["compile_filter"]

# below this every int is its own double, and the second half of a number is never below 0
_EXACT: Final = 1 << 52
_BRANCHES: Final = 16


def compile_filter(node: Filter, partition_by: str | None = None, *, lean: bool = False) -> Condition:
    """Return the condition that is true of the same records.

    Args:
        node: The filter.
        partition_by: The key that parts the collection, whose texts have an index of their own.
        lean: Whether the records have a lean shadow.
    """
    match node:
        case And(items):
            return All(tuple(compile_filter(item, partition_by, lean=lean) for item in items))
        case Or(items):
            return AnyOf(tuple(compile_filter(item, partition_by, lean=lean) for item in items))
        case Not(item):
            return NoneOf(compile_filter(item, partition_by, lean=lean))
        case Eq((key,), str() as value) if key == partition_by:
            return Tenant(key, value)
        case _:
            return _lean_leaf(node) if lean else _leaf(node)


def _lean_leaf(node: Filter) -> Condition:
    """Return the condition of a leaf on records with a lean shadow."""
    match node:
        case Eq(path, value):
            return _equal(path, (value,))
        case In(path, values):
            return _equal(path, values)
        case Exists(path):
            return Present(path)
        case Order(path, op, int() | float() as value):
            return Split(key_term(path), Bound(path, op, float(value)), _leaf(node))
        case _:
            return _leaf(node)


def _equal(path: Path, values: Sequence[object]) -> Condition:
    """Return the condition that a scalar equals one of these; there is at least one."""
    texts = tuple(value for value in values if type(value) is str)
    own: list[Condition] = [OneOf(path, texts)] if texts else []
    own += [Flag(path, value) for value in values if type(value) is bool]
    numbers = [value for value in values if type(value) is not bool and isinstance(value, int | float)]
    # a float that the parser reads wrong may equal an int, which it reads right
    if bounds := sorted({float(value) for value in numbers if is_plain(value) or is_plain(_whole(value))}):
        own.append(_equal_number(path, bounds))
    # a datetime is kept in the shadow and equals a number of any size
    shadow = Terms(tuple(scalar_term(path, value) for value in numbers)) if numbers else None
    if not own:
        assert shadow is not None
        return shadow
    return Split(key_term(path), own[0] if len(own) == 1 else AnyOf(tuple(own)), shadow)


def _whole(value: int | float) -> int | float:
    return int(value) if float(value).is_integer() else value


def _equal_number(path: Path, bounds: Sequence[float]) -> Condition:
    """Return the condition that a number equals one of these, which ascend: a tree, since Qdrant tries one by one."""
    if len(bounds) == 1:
        return Bound(path, "==", bounds[0])
    if len(bounds) <= _BRANCHES:
        return AnyOf(tuple(Bound(path, "==", bound) for bound in bounds))
    size = -(-len(bounds) // _BRANCHES)
    parts = [bounds[start : start + size] for start in range(0, len(bounds), size)]
    return AnyOf(
        tuple(
            All((Bound(path, ">=", part[0]), Bound(path, "<=", part[-1]), _equal_number(path, part))) for part in parts
        )
    )


def _leaf(node: Filter) -> Condition:
    """Return the condition of a leaf on records with a full shadow."""
    match node:
        case Eq(path, value):
            return Terms((scalar_term(path, value),))
        case In(path, values):
            return Terms(tuple(scalar_term(path, value) for value in values))
        case ContainsAny(path, values):
            return Terms(tuple(element_term(path, value) for value in values))
        case ContainsAll(path, values):
            return All(tuple(Terms((element_term(path, value),)) for value in values))
        case Exists(path):
            # a number is told by its upper half, and a bool by its value: every term costs 3 % of an ingest
            told = Terms((key_term(path), scalar_term(path, False), scalar_term(path, True)))
            return AnyOf((told, Number(path, "high", ">=", LEAST)))
        case Order(path, op, value):
            if isinstance(value, str):
                raise Unsupported("Qdrant orders numbers only")
            return _order(path, op, value if isinstance(value, int | float) else micros(value))
        case DocumentContains(text):
            return Text(text)
        case Matches():
            raise Unsupported("Qdrant has no regular expressions")
        case HasText():
            raise AssertionError(f"a leaf that the adapter looks at itself: {node!r}")
        case _:
            assert_never(node)  # type: ignore[arg-type]  # Filter is open to mypy, closed in fact


def _order(path: Path, op: OrderOp, value: int | float) -> Condition:
    """Return an ordering by the upper halves, and within the same upper half by the lower ones."""
    high, low = halves(value)
    if low == 0 and abs(value) < _EXACT and op in (">=", "<"):
        return Number(path, "high", op, high)
    same = Number(path, "high", "==", high)
    within = _low(path, op, low)
    return AnyOf((Number(path, "high", ">" if op in (">", ">=") else "<", high), All((same, within))))


def _low(path: Path, op: OrderOp, bound: int) -> Condition:
    """Return the ordering by the lower halves, which are not stored where they are 0."""
    match op:
        case ">":
            return Number(path, "low", ">", bound) if bound >= 0 else NoneOf(Number(path, "low", "<=", bound))
        case ">=":
            return Number(path, "low", ">=", bound) if bound > 0 else NoneOf(Number(path, "low", "<", bound))
        case "<":
            return NoneOf(_low(path, ">=", bound))
        case "<=":
            return NoneOf(_low(path, ">", bound))
