# Generated from vstore/core/_async/positions.py by tools/unasync.py: do not edit.
"""Calls that take one argument by position, and the rest by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from vstore.errors import InvalidInput, brief
from vstore.filters.tree import Filter
from vstore.indexing import Search

__all__ = ["one_by_position"]

Call = TypeVar("Call", bound=Callable[..., Any])


def one_by_position(call: Call) -> Call:
    """Has a method of a collection refuse a second argument by position with an error that says its name.

    Python's own error would only count the arguments.
    """

    @wraps(call)
    def guarded(self: Any, *given: object, **named: object) -> Any:
        if len(given) > 1:
            with self._calls.operation(call.__name__, self.name):
                name = _name(given[1])
                raise InvalidInput(
                    f"{call.__name__} takes one argument by position, and the rest by name",
                    hint=f"Write {name}={brief(given[1])}." if name else "Name the others: k=5, where=…, include=[…].",
                )
        return call(self, *given, **named)

    return cast("Call", guarded)


def _name(value: object) -> str:
    """The parameter that a value is probably meant for, or nothing."""
    match value:
        case bool():
            return "exact"
        case int():
            return "k"
        case Filter() | Mapping():
            return "where"
        case Search():
            return "search"
    return ""
