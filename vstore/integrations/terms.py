"""Filters by Python's equality, of which ``1 == True`` and ``[1, "a"] == [1.0, "a"]`` are examples, from strict leaves.

vstore's leaves are strict in type and know lists by their elements only. What they cannot ask for, a record answers by
tokens: texts in a list under the metadata key ``vstore_equal``. Each says that a field is there, that it equals a
value, or that a list has an element.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

from vstore.errors import InvalidInput, Unsupported
from vstore.filters.tree import And, ContainsAny, Eq, Exists, Filter, In, Not, Or, Order, OrderOp, Path
from vstore.keys import check_key
from vstore.metadata import MAX_INT, MAX_LIST, check_metadata
from vstore.records import Records, Scalar
from vstore.spi.evaluate import predicate

__all__ = [
    "FALSE",
    "TOKENS",
    "TRUE",
    "all_of",
    "any_of",
    "basic_date_token",
    "canonical",
    "check_tokens",
    "element_token",
    "equals",
    "has_element",
    "is_legal_key",
    "is_native",
    "is_present",
    "matching",
    "ordered",
    "presence_token",
    "value_token",
]

TOKENS: Final = "vstore_equal"
"""The metadata key of the tokens."""

FALSE: Final = In((TOKENS,), ())
TRUE: Final = Not(FALSE)
_TOKENS: Final[Path] = (TOKENS,)


def all_of(parts: Sequence[Filter]) -> Filter:
    """Return the filter that is true where all ``parts`` are; of no parts it is true of every record."""
    return And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else TRUE


def any_of(parts: Sequence[Filter]) -> Filter:
    """Return the filter that is true where any of ``parts`` is; of no parts it is false of every record."""
    return Or(tuple(parts)) if len(parts) > 1 else parts[0] if parts else FALSE


def is_legal_key(key: str) -> bool:
    """Return whether a metadata key may have this name (META-1)."""
    try:
        check_key(key)
    except InvalidInput:
        return False
    return True


def is_native(key: str, value: Any) -> bool:
    """Return whether a flat collection keeps ``value`` under ``key`` as it is (META-1)."""
    try:
        check_metadata({key: value}, nested=False)
    except (InvalidInput, Unsupported):
        return False
    return value is not None


def canonical(value: Any) -> str | None:
    """Return a text that is the same for values that Python takes for equal, and for no others.

    None stands for what equals nothing, such as NaN, or has no such text here.
    """
    match value:
        case None:
            return "null"
        case bool() | int():
            return str(int(value))
        case float() if math.isnan(value):
            return None
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case str():
            return json.dumps(value)
        case list() | tuple():
            elements = [canonical(element) for element in value]
            left, right = "[]" if isinstance(value, list) else "()"
            return None if None in elements else f"{left}{','.join(filter(None, elements))}{right}"
        case datetime():
            return f"<{value.astimezone(UTC) if value.utcoffset() is not None else value}>"
        case Mapping():
            pairs = [(canonical(key), canonical(element)) for key, element in value.items()]
            if any(key is None or element is None for key, element in pairs):
                return None
            return "{" + ",".join(sorted(f"{key}:{element}" for key, element in pairs)) + "}"
    return None


def presence_token(name: str) -> str:
    """Return the token that the field ``name`` has a value, for values that are not metadata as they are."""
    return f"?{name}"


def value_token(name: str, value: Any) -> str | None:
    """Return the token that the field ``name`` equals ``value``; None where nothing equals it."""
    return _digest("=", name, value)


def element_token(name: str, value: Any) -> str | None:
    """Return the token that the list ``name`` has an element equal to ``value``; None where nothing equals it."""
    return _digest("@", name, value)


def basic_date_token(name: str) -> str:
    """Return the token that the field ``name`` is a date that orderings know and equality does not."""
    return f"%{name}"


def _digest(kind: str, name: str, value: Any) -> str | None:
    text = canonical(value)
    return None if text is None else f"{kind}{blake2b(text.encode(), digest_size=16).hexdigest()}{name}"


def check_tokens(tokens: Sequence[str]) -> list[str]:
    """Return the tokens of one record, each once.

    Raises:
        InvalidInput: They are more than the 1,000 that one list holds.
    """
    distinct = list(dict.fromkeys(tokens))
    if len(distinct) > MAX_LIST:
        raise InvalidInput(
            f"lists that are no metadata as they are have {len(distinct):,} elements; a record takes {MAX_LIST:,}",
            hint="A list of 1 to 1,000 elements of one type is metadata as it is.",
        )
    return distinct


def is_present(name: str, path: Path | None) -> Filter:
    """Return the filter: the field has a value.

    Args:
        name: The field, as in its tokens.
        path: Where its values stand that are metadata as they are; None if nowhere.
    """
    token = ContainsAny(_TOKENS, (presence_token(name),))
    return token if path is None else Or((Exists(path), token))


def equals(name: str, path: Path | None, values: Iterable[Any], *, lists: bool = False) -> Filter:
    """Return the filter: the field equals one of ``values``, as Python compares.

    Args:
        name: The field, as in its tokens.
        path: Where its values stand that are metadata as they are; None if nowhere.
        values: What to compare with; None is not among them.
        lists: Whether every list has a token.
    """
    scalars: list[Scalar] = []
    tokens: list[str] = []
    for value in values:
        equal = _equal_scalars(value)
        scalars += equal
        beyond = isinstance(value, int | float) and abs(value) >= MAX_INT  # one of more bits may equal it
        if (path is None or beyond or not equal) and (lists or not isinstance(value, list)):
            tokens += filter(None, [value_token(name, value)])
    return _found(In, path, scalars, tokens)


def has_element(name: str, path: Path | None, values: Iterable[Any]) -> Filter:
    """Return the filter: the field is a list with an element equal to one of ``values``, as Python compares.

    Args and errors are those of ``equals``.
    """
    wanted = list(values)
    scalars = [equal for value in wanted for equal in _equal_scalars(value)]
    tokens = [token for value in wanted if (token := element_token(name, value)) is not None]
    return _found(ContainsAny, path, scalars, tokens)


def _found(leaf: type[In | ContainsAny], path: Path | None, scalars: list[Scalar], tokens: list[str]) -> Filter:
    parts: list[Filter] = []
    if scalars and path is not None:
        parts.append(leaf(path, tuple(scalars)))
    if tokens:
        parts.append(ContainsAny(_TOKENS, tuple(tokens)))
    return any_of(parts)


def ordered(path: Path, op: OrderOp, value: int | float) -> Filter:
    """Return the filter: the value at ``path`` is a number, or a bool taken for 0 or 1, and stands in this order."""
    bools = [Eq(path, flag) for flag in (False, True) if _COMPARE[op](flag, value)]
    return any_of([Order(path, op, value), *bools])


_COMPARE: Final = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def matching(records: Records, where: Filter) -> Records:
    """Return those of ``records``, read with documents and metadata, of which a filter is true."""
    assert records.documents is not None
    assert records.metadatas is not None
    matches = predicate(where)
    rows = enumerate(zip(records.metadatas, records.documents, strict=True))
    return records.take([place for place, row in rows if matches(*row)])


def _equal_scalars(value: Any) -> list[Scalar]:
    """The scalars that a collection keeps, of each type, that Python takes for equal: a bool is a number to it."""
    if isinstance(value, bool):
        return [value, int(value)]
    if isinstance(value, int) and not -MAX_INT <= value < MAX_INT:
        return [float(value)] if _is_float(value) else []
    if isinstance(value, int | float) and value in (0, 1):
        return [value, bool(value)]
    return [value] if not isinstance(value, list | datetime) and is_native("value", value) else []


def _is_float(value: int) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False
