"""What a filter means, in Python: the reference that every database is compared with."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, assert_never

from vstore.filters.regex import Searching
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
    Path,
)
from vstore.metadata import micros
from vstore.spi.deadline import Deadline

__all__ = ["Predicate", "bounded", "predicate", "token"]

Predicate: TypeAlias = Callable[[Mapping[str, Any], str | None], bool]

_MISSING: Final = object()
_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _plain(value: object) -> object:
    return micros(value) if isinstance(value, datetime) else value


def _at(path: Path, metadata: Mapping[str, Any]) -> object:
    value: object = metadata
    for key in path:
        if not isinstance(value, Mapping):
            return _MISSING
        value = value.get(key, _MISSING)
    return value


def _kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float() | datetime():
            return "number"
        case str():
            return "str"
        case _:
            return "other"


def token(value: object) -> tuple[str, Any] | None:
    """Return a kind and a value that are equal for equal scalars only; None for what no scalar equals."""
    kind = _kind(value)
    return None if kind == "other" else (kind, _plain(value))


def bounded(node: Filter) -> Predicate:
    """Return ``predicate`` for the records of one request; it raises ``Timeout`` after as long as one may take."""
    deadline = Deadline()
    test = predicate(node, deadline)

    def within_time(metadata: Mapping[str, Any], document: str | None) -> bool:
        deadline.check()
        return test(metadata, document)

    return within_time


def predicate(node: Filter, deadline: Deadline | None = None) -> Predicate:
    """Return the filter as a function of a record's metadata and document.

    Args:
        node: The filter.
        deadline: When to give up a regular expression that takes long; None for never.
    """
    match node:
        case And(items):
            parts = [predicate(item, deadline) for item in items]
            return lambda metadata, document: all(part(metadata, document) for part in parts)
        case Or(items):
            parts = [predicate(item, deadline) for item in items]
            return lambda metadata, document: any(part(metadata, document) for part in parts)
        case Not(item):
            inner = predicate(item, deadline)
            return lambda metadata, document: not inner(metadata, document)
        case Eq(path, value):
            same = token(value)
            return lambda metadata, _: token(_at(path, metadata)) == same
        case In(path, values):
            tokens = {token(value) for value in values}
            return lambda metadata, _: token(_at(path, metadata)) in tokens
        case Order(path, op, value):
            compare = _ORDERS[op]

            def ordered(metadata: Mapping[str, Any], _: str | None) -> bool:
                found = _at(path, metadata)
                return _kind(found) == _kind(value) and compare(_plain(found), _plain(value))

            return ordered
        case ContainsAny(path, values):
            any_of = {token(value) for value in values}

            def contains_any(metadata: Mapping[str, Any], _: str | None) -> bool:
                found = _at(path, metadata)
                return isinstance(found, list) and any(token(x) in any_of for x in found)

            return contains_any
        case ContainsAll(path, values):
            all_of = {token(value) for value in values}

            def contains_all(metadata: Mapping[str, Any], _: str | None) -> bool:
                found = _at(path, metadata)
                return isinstance(found, list) and all_of <= {token(x) for x in found}

            return contains_all
        case Exists(path):
            return lambda metadata, _: _at(path, metadata) is not _MISSING
        case Matches(path, pattern):
            search = Searching(pattern)

            def matches(metadata: Mapping[str, Any], _: str | None) -> bool:
                found = _at(path, metadata)
                if not isinstance(found, str):
                    return False
                if deadline is None or not search.is_long(found):
                    return search(found)
                return deadline.wait_for(lambda: search(found))

            return matches
        case HasText(path, text, at_start, ignore_case):
            wanted = text.casefold() if ignore_case else text

            def has_text(metadata: Mapping[str, Any], _: str | None) -> bool:
                found = _at(path, metadata)
                if not isinstance(found, str):
                    return False
                found = found.casefold() if ignore_case else found
                return found.startswith(wanted) if at_start else wanted in found

            return has_text
        case DocumentContains(text):
            return lambda _, document: document is not None and text in document
        case _:
            assert_never(node)  # type: ignore[arg-type]  # Filter is open to mypy, closed in fact
