"""Filters as Qdrant can answer them, in the words of neither of its libraries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = [
    "All",
    "AnyOf",
    "Condition",
    "Half",
    "Has",
    "NoneOf",
    "Number",
    "Shorter",
    "Tenant",
    "Terms",
    "Text",
    "is_of_one_tenant",
    "number_fields",
    "tenant_field",
]

Half: TypeAlias = Literal["high", "low"]
_BARE: Final = re.compile("[A-Za-z0-9_-]+")


# the ends of an interval with an even bound, and what the same interval has beside an odd one
_EVEN: Final[dict[str, dict[str, int]]] = {
    "==": {"gte": 0, "lte": 0},
    "<": {"lt": 0},
    "<=": {"lte": 0},
    ">": {"gt": 0},
    ">=": {"gte": 0},
}
_ODD: Final[dict[str, dict[str, int]]] = {
    "==": {"gt": -1, "lt": 1},
    "<": {"lte": -1},
    "<=": {"lt": 1},
    ">": {"gte": 1},
    ">=": {"gt": -1},
}


@dataclass(frozen=True, slots=True)
class Terms:
    """The record has one of these terms (see ``filter_fields.py``); there is at least one."""

    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """One half of the number at ``path`` (``filter_fields.halves``) is in the closed or open interval.

    Attributes:
        path: The keys from the outermost in.
        half: Which half.
        op: The ordering.
        bound: The same half of the operand.
    """

    path: tuple[str, ...]
    half: Half
    op: Literal["==", "<", "<=", ">", ">="]
    bound: int

    @property
    def field(self) -> str:
        """Where the half stands in the payload, in Qdrant's syntax."""
        return f"{self.half}.{_path_text(self.path)}"

    @property
    def limits(self) -> dict[str, float]:
        """The interval, as Qdrant's ranges name its ends: even numbers only.

        Clients write them as floats, and the server's JSON reader takes ``2250580799194995.0`` for the float above
        it. It makes one integer of the digits, rounds that to float64 and divides by ten, which is exact for every
        even number up to 2**51, beyond which no half is, and for ``LEAST``.
        """
        ends = _ODD if self.bound % 2 else _EVEN
        return {name: float(self.bound + step) for name, step in ends[self.op].items()}


@dataclass(frozen=True, slots=True)
class Text:
    """The document has this text in it, case-sensitively."""

    text: str


@dataclass(frozen=True, slots=True)
class Shorter:
    """A record's vector is known to be shorter than this.

    Attributes:
        bound: The length.
        name: Whose vector: a named field, or empty for the one without a name.
    """

    bound: float
    name: str = ""

    @property
    def field(self) -> str:
        """Where the length stands in the payload."""
        return f"norms.{self.name}" if self.name else "norm"


@dataclass(frozen=True, slots=True)
class Has:
    """The record has a vector of this name, which is not empty."""

    vector: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """The record is in this partition of a collection that ``key`` parts; every record has a text there."""

    key: str
    value: str

    @property
    def field(self) -> str:
        """Where the partition stands in the payload."""
        return tenant_field(self.key)


@dataclass(frozen=True, slots=True)
class All:
    """Every item is true; there is at least one, since an empty filter of Qdrant selects everything."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some item is true; there is at least one."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """``item`` is false."""

    item: Condition


Condition: TypeAlias = Terms | Number | Text | Shorter | Has | Tenant | All | AnyOf | NoneOf


def tenant_field(key: str) -> str:
    """Return where the key that parts a collection stands in the payload, in Qdrant's syntax."""
    # as Qdrant names it where it lists the indexes: quoted only where it must be
    return f"metadata.{key if _BARE.fullmatch(key) else _path_text((key,))}"


def is_of_one_tenant(condition: Condition | None) -> bool:
    """Return whether a condition is true in one partition only, by form."""
    return isinstance(condition, Tenant) or (
        isinstance(condition, All) and any(isinstance(item, Tenant) for item in condition.items)
    )


def _path_text(names: Sequence[str]) -> str:
    """Return a path in Qdrant's syntax, every key quoted: no key has a double quote or a backslash (META-1)."""
    return ".".join(f'"{name}"' for name in names)


def number_fields(condition: Condition | None) -> set[str]:
    """Return the fields of numbers that a condition compares: without an index on it Qdrant reads every payload."""
    match condition:
        case All(items) | AnyOf(items):
            return {field for item in items for field in number_fields(item)}
        case NoneOf(item):
            return number_fields(item)
        case Number():
            return {condition.field}
        case Shorter():
            return {condition.field}
        case _:
            return set()
