"""A condition that every record fulfils of which a filter is true: for collections that vstore did not create. Pure.

It may hold for other records too (``vstore.spi.narrowing``), and is Chroma's ``where``. Only what is plain in Chroma is
asked: equal scalars, orders of numbers, texts and whole numbers in a list, and texts in a document. There is neither an
order of texts nor a question for a key, and ``$contains`` finds no part of a text in the metadata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from vstore.filters.tree import ContainsAny, DocumentContains, Eq, Filter, In, Leaf, Order
from vstore.mapping import Outside, RecordMapping
from vstore.records import Scalar
from vstore.spi.narrowing import Interval, asks_texts, beyond, compared, containers, intervals, necessary, numbers
from vstore_chroma.compile import MAX_PATTERN, pattern_bytes
from vstore_chroma.where import MAX_VARIABLES, Where, all_of, any_of, one_of, variables

__all__ = ["narrowed"]

_OPS: Final = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_FIELDS: Final = ("document", "metadata", "uri")
# Chroma keeps numbers to 15 digits, and not all that are very large or small
_MARGIN: Final = 1e-12
_LARGE: Final = 1e21
_SMALL: Final = 1e-6
_WHOLE: Final = 1 << 53
# elements to find take a time that grows with the square of their number
_MOST_ELEMENTS: Final = 50
_LARGEST: Final = 8 << 20


def narrowed(node: Filter, mapping: RecordMapping) -> Where | None:
    """Return Chroma's condition; None where no record can be ruled out, or where Chroma would not take it.

    Args:
        node: The filter, in normal form.
        mapping: How the records are read.
    """

    def leaf(one: Leaf) -> Where | None:
        if isinstance(one, DocumentContains):
            plain = mapping.document == ("document",) and pattern_bytes(one.text) <= MAX_PATTERN
            return {"#document": {"$contains": one.text}} if plain else None
        # a value outside the contract may be told as a text of its JSON, which no condition here can know
        if one.path[0] in mapping.hidden or (mapping.outside is Outside.TEXT and asks_texts(one)):
            return None
        paths = [(*above, *one.path) for above in containers(one.path[0], mapping)]
        match [path for path in paths if path[0] in _FIELDS]:
            case [("metadata", str(key))] if not key.startswith("chroma:"):
                return _value(one, key)
            case _:
                return None

    found = necessary(node, leaf, lambda parts: all_of(*parts), lambda parts: any_of(*parts))
    if found is None or variables(found) > MAX_VARIABLES or len(json.dumps(found)) > _LARGEST:
        return None
    return found


def _value(leaf: Leaf, key: str) -> Where | None:
    match leaf:
        case Eq() | In():
            return _equal(key, compared(leaf))
        case Order(_, op, int() | float() as value):
            if _is_whole(value):
                return {key: {_OPS[op]: int(value)}}
            return _interval(key, beyond(op, value, _MARGIN))
        case ContainsAny(_, values):
            return _has(key, values)
        case _:
            return None


def _equal(key: str, values: Sequence[object]) -> Where | None:
    texts: list[Scalar] = [value for value in values if isinstance(value, str)]
    bools: list[Scalar] = [value for value in values if isinstance(value, bool)]
    # a whole number meets the int and the float
    whole: list[Scalar] = [int(value) for value in numbers(values) if _is_whole(value)]
    other = intervals([value for value in numbers(values) if not _is_whole(value)], _MARGIN)
    parts: list[Where | None] = [one_of(key, same, negated=False) for same in (texts, bools, whole) if same]
    return _any([*parts, *(_interval(key, near) for near in other)])


def _is_whole(value: int | float) -> bool:
    return abs(value) <= _WHOLE and int(value) == value


def _interval(key: str, near: Interval) -> Where | None:
    """The condition that a number is in an interval; an int is compared with its ends without their fractions."""
    low, high = near
    parts: list[Where] = []
    if low > -_LARGE:
        parts.append({key: {"$gte": -_SMALL if abs(low) < _SMALL else min(float(low), _LARGE)}})
    if high < _LARGE:
        parts.append({key: {"$lte": _SMALL if abs(high) < _SMALL else max(float(high), -_LARGE)}})
    return all_of(*parts) if parts else None


def _has(key: str, values: Sequence[object]) -> Where | None:
    terms: list[Scalar] = [value for value in values if isinstance(value, str | bool)]
    for value in numbers(values):
        if not _is_whole(value) or value == 0:  # a zero may be a negative one
            return None
        terms += [int(value), float(value)]  # which are different elements
    return any_of(*({key: {"$contains": term}} for term in terms)) if len(terms) <= _MOST_ELEMENTS else None


def _any(parts: Sequence[Where | None]) -> Where | None:
    """The condition that one of some holds; None where one of them can be anything."""
    found = [part for part in parts if part is not None]
    return any_of(*found) if len(found) == len(parts) else None
