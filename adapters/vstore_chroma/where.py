"""Chroma's ``where``: its parts, and how they are joined. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from vstore.records import Scalar
from vstore.spi.batching import batches

__all__ = ["MAX_VARIABLES", "Where", "all_of", "any_of", "one_of", "variables"]

Where: TypeAlias = dict[str, Any]

# SQLite takes 32,766 variables a statement. Chroma sends two for a number of $in, one for a string or
# bool, and at most three for any other condition.
MAX_VARIABLES: Final = 32_000
# A flat $or of 1,000 exceeds SQLite's expression depth (of many more, it crashes the server); where
# clauses nested 64 deep are refused. Groups of 32 keep both low.
_FAN_OUT: Final = 32


def all_of(*parts: Where) -> Where:
    """Return the records that all parts match."""
    return _join("$and", parts)


def any_of(*parts: Where) -> Where:
    """Return the records that any part matches."""
    return _join("$or", parts)


def _join(operator: str, parts: Sequence[Where]) -> Where:
    level = list(parts)
    while len(level) > 1:
        groups = list(batches(level, _FAN_OUT))
        level = [{operator: group} if len(group) > 1 else group[0] for group in groups]
    return level[0]


def one_of(name: str, values: Sequence[Scalar], *, negated: bool) -> Where:
    """Return the records with one of some values, as Chroma compares them, or all others."""
    if len(values) == 1:
        return {name: {"$ne" if negated else "$eq": values[0]}}
    return {name: {"$nin" if negated else "$in": list(values)}}


def variables(where: Where) -> int:
    """Return an upper bound of the SQLite variables that a ``where`` needs."""
    ((key, value),) = where.items()
    if key in ("$and", "$or"):
        return sum(variables(part) for part in value)
    ((_, operand),) = value.items()
    if not isinstance(operand, list):
        return 3
    return 1 + sum(1 if isinstance(x, str | bool) else 2 for x in operand)
