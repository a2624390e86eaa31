"""The filter tree. Every filter is true or false of every record; ``~f`` is the exact complement.

Leaves are strict in type: a bool is no number, ``1 == 1.0``, a str equals no number, a scalar leaf
never matches a list, an ordering across types is false, a leaf on a missing key is false. A datetime
is the int of its microseconds since the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NoReturn, TypeAlias

from vstore.errors import InvalidInput, brief, check_flag
from vstore.filters.regex import check_pattern
from vstore.keys import check_key, encodable
from vstore.records import Scalar
from vstore.scalars import as_python, as_text
from vstore.wording import a_type

__all__ = [
    "MAX_DEPTH",
    "MAX_LEAVES",
    "MAX_VALUES",
    "And",
    "ContainsAll",
    "ContainsAny",
    "DocumentContains",
    "Eq",
    "Exists",
    "Filter",
    "HasText",
    "In",
    "Leaf",
    "Matches",
    "Not",
    "Or",
    "Order",
    "OrderOp",
    "Path",
    "depth",
    "leaves",
]

Path: TypeAlias = tuple[str, ...]
OrderOp: TypeAlias = Literal["<", "<=", ">", ">="]

MAX_DEPTH: Final = 32
MAX_LEAVES: Final = 500
MAX_VALUES: Final = 10_000
_INT64: Final = 1 << 63
_PARENTHESES: Final = "(F('a') > 1) & (F('b') > 2)"


def _checked_path(path: Path) -> Path:
    if not path:
        raise InvalidInput("a filter needs a key: F('year')")
    if len(path) > MAX_DEPTH:
        raise InvalidInput(f"a path of {len(path):,} keys; at most {MAX_DEPTH} are allowed")
    plain = tuple(map(as_text, path))
    for key in plain:
        check_key(key)
    return plain  # type: ignore[return-value]  # a key is a str


def _checked(value: object) -> Scalar:
    """The value itself, or the Python value that it stands for."""
    if value is None:
        raise InvalidInput(
            "a filter does not compare with None: None means that the key is absent",
            hint="Ask ~F(key).exists() or F(key).exists().",
        )
    kind = type(value)
    if kind is bool:
        return value  # type: ignore[return-value]
    if isinstance(value, int) and kind is int:
        if not -_INT64 <= value < _INT64:
            raise InvalidInput(f"{brief(value)} is outside the 64-bit integers")
        return value
    if isinstance(value, float) and kind is float:
        if not math.isfinite(value):
            raise InvalidInput(f"a filter does not compare with {value}: metadata holds finite numbers only")
        return value
    if isinstance(value, str) and kind is str:
        if "\x00" in value or not encodable(value):
            raise InvalidInput(f"a filter value must be valid Unicode without NUL: {value[:80]!r}")
        return value
    if isinstance(value, datetime) and kind is datetime:
        if value.utcoffset() is None:
            raise InvalidInput(f"the datetime {value!r} has no time zone", hint="Use datetime(..., tzinfo=UTC).")
        return value
    if (meant := as_python(value)) is not value:
        return _checked(meant)
    raise InvalidInput(
        f"a filter does not compare with a {kind.__module__}.{kind.__qualname__}",
        hint="Values are str, bool, int, float and datetime."
        + (" For lists use has, contains_any or contains_all." if isinstance(value, list | tuple) else ""),
    )


def _checked_values(values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    if len(values) > MAX_VALUES:
        raise InvalidInput(f"{len(values):,} values in one filter leaf; at most {MAX_VALUES:,} are allowed")
    return tuple(map(_checked, values))


def _set(leaf: Filter, **fields: object) -> None:
    """Sets fields of a frozen leaf to what they were checked to be."""
    for name, value in fields.items():
        object.__setattr__(leaf, name, value)


class Filter:
    """Base of all nodes. Combine with ``&``, ``|`` and ``~``."""

    __slots__ = ()

    def __and__(self, other: Filter) -> Filter:
        return And(_operands(And, self, other))

    def __or__(self, other: Filter) -> Filter:
        return Or(_operands(Or, self, other))

    def __invert__(self) -> Filter:
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError(
            "a filter has no truth value: combine filters with &, | and ~, not with and, or and not; "
            f"write a chained comparison, such as 1 < F('a') < 5, as two, each in parentheses: {_PARENTHESES}"
        )

    def _misplaced(self, other: object) -> NoReturn:
        raise TypeError(f"{brief(other)} is no filter: put each comparison in parentheses: {_PARENTHESES}")

    __rand__ = __ror__ = _misplaced


def _operands(kind: type[And] | type[Or], left: Filter, right: Filter) -> tuple[Filter, ...]:
    return tuple(item for side in (left, right) for item in (side.items if isinstance(side, kind) else (side,)))


def _checked_items(items: tuple[Filter, ...]) -> tuple[Filter, ...]:
    if len(items) < 2:
        raise InvalidInput("an empty filter is refused: and, or need at least two operands")
    for item in items:
        if not isinstance(item, Filter):
            raise InvalidInput(
                f"a filter combines with a filter only, not with {a_type(type(item))}",
                hint=f"Put each comparison in parentheses: {_PARENTHESES}.",
            )
    return tuple(items)


@dataclass(frozen=True, slots=True)
class And(Filter):
    """True where all ``items`` are; there are at least two."""

    items: tuple[Filter, ...]

    def __post_init__(self) -> None:
        _set(self, items=_checked_items(self.items))


@dataclass(frozen=True, slots=True)
class Or(Filter):
    """True where any of ``items`` is; there are at least two."""

    items: tuple[Filter, ...]

    def __post_init__(self) -> None:
        _set(self, items=_checked_items(self.items))


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """True where ``item`` is false."""

    item: Filter

    def __post_init__(self) -> None:
        _checked_items((self.item, self.item))


@dataclass(frozen=True, slots=True)
class Eq(Filter):
    """The value at ``path`` is a scalar equal to ``value``."""

    path: Path
    value: Scalar

    def __post_init__(self) -> None:
        _set(self, path=_checked_path(self.path), value=_checked(self.value))


@dataclass(frozen=True, slots=True)
class Order(Filter):
    """The value at ``path`` is of the kind of ``value`` (number or str) and stands in order ``op`` to it."""

    path: Path
    op: OrderOp
    value: int | float | str | datetime

    def __post_init__(self) -> None:
        _set(self, path=_checked_path(self.path), value=_checked(self.value))
        if self.op not in ("<", "<=", ">", ">="):
            raise InvalidInput(f"not an ordering: {self.op!r}")
        if type(self.value) is bool:
            raise InvalidInput("there is no ordering against a bool", hint="Compare with == or !=.")


@dataclass(frozen=True, slots=True)
class In(Filter):
    """The value at ``path`` is a scalar equal to one of ``values``."""

    path: Path
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        _set(self, path=_checked_path(self.path), values=_checked_values(self.values))


@dataclass(frozen=True, slots=True)
class ContainsAny(Filter):
    """The value at ``path`` is a list with an element equal to one of ``values``."""

    path: Path
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        _set(self, path=_checked_path(self.path), values=_checked_values(self.values))


@dataclass(frozen=True, slots=True)
class ContainsAll(Filter):
    """The value at ``path`` is a list that has an element equal to each of ``values``."""

    path: Path
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        _set(self, path=_checked_path(self.path), values=_checked_values(self.values))
        if not self.values:
            raise InvalidInput("contains_all of nothing is refused", hint="To ask for presence, use exists().")


@dataclass(frozen=True, slots=True)
class Exists(Filter):
    """There is a value at ``path``."""

    path: Path

    def __post_init__(self) -> None:
        _set(self, path=_checked_path(self.path))


@dataclass(frozen=True, slots=True)
class Matches(Filter):
    """The value at ``path`` is a str in which the regular expression ``pattern``, of RE2, is found."""

    path: Path
    pattern: str

    def __post_init__(self) -> None:
        _set(self, path=_checked_path(self.path), pattern=as_text(self.pattern))
        if type(self.pattern) is not str:
            raise InvalidInput(f"matches takes a str, not {type(self.pattern).__name__}")
        _checked(self.pattern)
        check_pattern(self.pattern)


@dataclass(frozen=True, slots=True)
class HasText(Filter):
    """The value at ``path`` is a str that has ``text`` in it.

    Attributes:
        path: The keys from the outermost in.
        text: At least one character.
        at_start: Whether the str must begin with it.
        ignore_case: Whether ``str.casefold`` of both is compared, rather than the code points themselves.
    """

    path: Path
    text: str
    at_start: bool = False
    ignore_case: bool = False

    def __post_init__(self) -> None:
        call = "starts_with" if self.at_start else "contains_text"
        _set(self, path=_checked_path(self.path), text=as_text(self.text))
        if type(self.text) is not str:
            raise InvalidInput(f"{call} takes a str, not {type(self.text).__name__}")
        _checked(self.text)
        if not self.text:
            raise InvalidInput(f"{call} takes a text of at least one character")
        check_flag("ignore_case", self.ignore_case)


@dataclass(frozen=True, slots=True)
class DocumentContains(Filter):
    """The record has a document and ``text`` is a case-sensitive substring of it."""

    text: str

    def __post_init__(self) -> None:
        _set(self, text=as_text(self.text))
        if type(self.text) is not str:
            raise InvalidInput(f"F.document.contains takes a str, not {type(self.text).__name__}")
        _checked(self.text)
        if not self.text:
            raise InvalidInput("F.document.contains takes a text of at least one character")


Leaf: TypeAlias = Eq | Order | In | ContainsAny | ContainsAll | Exists | Matches | HasText | DocumentContains


def leaves(node: Filter) -> Iterator[Leaf]:
    """Every leaf, from left to right."""
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from leaves(item)
        case Not(item):
            yield from leaves(item)
        case _ if isinstance(node, Leaf):
            yield node
        case _:
            raise InvalidInput(f"not a filter node of vstore: {type(node).__name__}")


def depth(node: Filter) -> int:
    """Number of nodes on the longest way from the root to a leaf."""
    deepest, todo = 0, [(node, 1)]
    while todo:
        current, level = todo.pop()
        deepest = max(deepest, level)
        match current:
            case And(items) | Or(items):
                todo.extend((item, level + 1) for item in items)
            case Not(item):
                todo.append((item, level + 1))
            case _:
                pass
    return deepest
