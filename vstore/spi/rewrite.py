"""The normal form that adapters translate.

Adapters see ``And`` and ``Or`` of at least two operands and never nested in their own kind, ``Not``
directly on a leaf only, and the leaves ``Eq``, ``Order``, ``In`` (two values or more, no two equal),
``ContainsAny`` (one value or more, no two equal), ``Exists``, ``Matches``, ``HasText`` and
``DocumentContains``. No datetime is left in them. A filter that is true, or false, of every record becomes a bool.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from vstore.filters.tree import (
    And,
    ContainsAll,
    ContainsAny,
    Eq,
    Filter,
    In,
    Not,
    Or,
    Order,
)
from vstore.metadata import micros
from vstore.records import Scalar

__all__ = ["normalize"]


def normalize(node: Filter) -> Filter | bool:
    """Return the normal form of a filter, or the bool it always is."""
    return _rewrite(node, negated=False)


def _rewrite(node: Filter, *, negated: bool) -> Filter | bool:
    match node:
        case Not(item):
            return _rewrite(item, negated=not negated)
        case And(items):
            return _join(items, conjunction=not negated, negated=negated)
        case Or(items):
            return _join(items, conjunction=negated, negated=negated)
        case ContainsAll(path, values):
            singles = [ContainsAny(path, (value,)) for value in _distinct(values)]
            return _join(singles, conjunction=not negated, negated=negated)
        case In(path, values) | ContainsAny(path, values) if not values:
            return negated
        case In(path, values):
            distinct = _distinct(values)
            leaf: Filter = Eq(path, distinct[0]) if len(distinct) == 1 else In(path, distinct)
        case ContainsAny(path, values):
            leaf = ContainsAny(path, _distinct(values))
        case Eq(path, datetime() as value):
            leaf = Eq(path, micros(value))
        case Order(path, op, datetime() as value):
            leaf = Order(path, op, micros(value))
        case _:
            leaf = node
    return Not(leaf) if negated else leaf


def _join(items: Iterable[Filter], *, conjunction: bool, negated: bool) -> Filter | bool:
    kind = And if conjunction else Or
    parts: list[Filter] = []
    for item in items:
        part = _rewrite(item, negated=negated)
        if isinstance(part, bool):
            if part is not conjunction:
                return part
        elif isinstance(part, kind):
            parts.extend(part.items)
        else:
            parts.append(part)
    if not parts:
        return conjunction
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _distinct(values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    seen: dict[tuple[bool, Scalar], Scalar] = {}
    for value in values:
        plain = micros(value) if isinstance(value, datetime) else value
        seen.setdefault((isinstance(plain, bool), plain), plain)
    return tuple(seen.values())
