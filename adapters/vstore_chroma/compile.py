"""Filters in normal form to Chroma's ``where``.

Chroma has no NOT, so a negated leaf is the exact complement of its leaf. ``$ne``, ``$nin`` and ``$not_contains`` are
complements already, missing keys included. The complement of an ordering, and ``exists``, have no such form: the
markers of a marked collection answer them (``vstore_chroma.codec``), in others the metadata is looked at here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

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
from vstore.spi.partial import PartialFilter, split_filter
from vstore_chroma.codec import (
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
from vstore_chroma.numbers import equal, forms, fractions, ordered
from vstore_chroma.where import MAX_VARIABLES, Where, all_of, any_of, one_of, variables

__all__ = ["EVERYTHING", "MAX_PATTERN", "Question", "compile_filter", "pattern_bytes", "question"]

# SQLite's limit of a LIKE pattern is 50,000 bytes, wildcards around it and escapes in it included
MAX_PATTERN: Final = 49_990
# Elements to find are one condition each, and the time of n conditions grows with their square: 0.1 s for 500, 23 s for
# 10,000. SQLite answers in one call, which nothing can end. Of more, the metadata is looked at here.
_MAX_ELEMENTS: Final = 500
# Values that no int equals take four variables each
_MAX_FRACTIONS: Final = 5_000
# leaves that Chroma answers, whatever their values; not so the complement of an ordering
_ANSWERED: Final = frozenset((Eq, Order))
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


def question(node: Filter | None, *, marked: bool = False) -> Question:
    """Return how to answer a filter.

    Args:
        node: A filter in normal form (``vstore.spi.rewrite``); None matches every record.
        marked: Whether a marker stands beside every key of a record.

    Raises:
        LimitExceeded: It needs more variables than SQLite takes in one statement.
    """
    if node is None:
        return EVERYTHING
    if _ANSWERED.issuperset(map(type, node.items if isinstance(node, And | Or) else (node,))):
        return Question(_compile(node))  # the leaves of a filter need a fifth of the variables that there are at most
    found = split_filter(node, _unanswered(node, marked=marked))
    asked = node if found is None else found.asked
    return Question(None if asked is None else compile_filter(asked), found)


def _unanswered(node: Filter, *, marked: bool) -> Callable[[Leaf], bool]:
    """Return whether Chroma cannot answer a leaf of a filter, or not in a time that can be told."""
    beyond: list[type[Leaf]] = [HasText]
    if sum(len(leaf.values) for leaf in leaves(node) if isinstance(leaf, ContainsAny)) > _MAX_ELEMENTS:
        beyond.append(ContainsAny)
    if sum(fractions(leaf.values) for leaf in leaves(node) if isinstance(leaf, In)) > _MAX_FRACTIONS:
        beyond.append(In)
    if marked:
        return lambda leaf: isinstance(leaf, tuple(beyond))
    beyond.append(Exists)
    complements = {id(leaf) for leaf in _negated(node) if isinstance(leaf, Order)}
    return lambda leaf: isinstance(leaf, tuple(beyond)) or id(leaf) in complements


def _negated(node: Filter) -> Iterator[Filter]:
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _negated(item)
        case Not(item):
            yield item
        case _:
            pass


def compile_filter(node: Filter) -> Where:
    """Return Chroma's form of a filter.

    Args:
        node: A filter in normal form. ``exists`` and the complement of an ordering ask markers.

    Raises:
        LimitExceeded: It needs more variables than SQLite takes in one statement.
    """
    where = _compile(node)
    if (number := variables(where)) > MAX_VARIABLES:
        raise LimitExceeded(
            f"the filter needs about {number:,} variables of SQLite; at most {MAX_VARIABLES:,} are possible",
            hint="Ask in parts, with fewer values each: a number of in_ takes two to four variables, a value of "
            "contains_any up to six.",
        )
    return where


def pattern_bytes(text: str) -> int:
    """Return how long the pattern is by which SQLite finds a text in documents; ``MAX_PATTERN`` at most."""
    return len(text.encode()) + sum(map(text.count, "%_\\"))


def _compile(node: Filter) -> Where:
    match node:
        case And(items):
            return all_of(*map(_compile, items))
        case Or(items):
            return any_of(*map(_compile, items))
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
                return ordered(key, op, value)
            return any_of(_kind(key, NUMBER_KINDS, negated=True), ordered(key, _INVERSE[op], value))
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


def _kind(key: str, kinds: Sequence[str], *, negated: bool = False) -> Where:
    return one_of(marker(key), kinds, negated=negated)


def _in(key: str, values: Iterable[Scalar], negated: bool) -> Where:
    """Return equality with any of ``values``: one condition for each way in which Chroma compares."""
    texts: list[Scalar] = []
    bools: list[Scalar] = []
    numbers: list[int | float] = []
    for value in values:
        match value:
            case str():
                texts.append(value)
            case bool():
                bools.append(value)
            case int() | float():
                numbers.append(value)
            case _:
                raise AssertionError(f"no value of the normal form: {value!r}")
    parts = [one_of(stored(key), same, negated=negated) for same in (texts, bools) if same]
    parts += equal(key, numbers, negated=negated)
    return all_of(*parts) if negated else any_of(*parts)


def _contains(key: str, values: Iterable[Scalar], negated: bool) -> Where:
    """Return a list with any of ``values``. Elements compare strictly by type: 1 and 1.0 are asked for both."""
    operator = "$not_contains" if negated else "$contains"
    terms: list[Where] = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            terms.append({stored(key): {operator: value}})
            continue
        whole, real = forms(value)
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
    return any_of(is_list, all_of(*terms)) if negated else all_of(is_list, any_of(*terms))
