"""Filters as Qdrant can answer them, in the words of neither of its libraries."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = [
    "All",
    "AnyOf",
    "Bound",
    "Condition",
    "Flag",
    "Half",
    "Has",
    "Kind",
    "NoneOf",
    "Number",
    "OneOf",
    "Present",
    "Shorter",
    "Split",
    "Tenant",
    "Terms",
    "Text",
    "compared_fields",
    "is_of_one_tenant",
    "joined",
    "metadata_field",
]

Half: TypeAlias = Literal["high", "low"]
Kind: TypeAlias = Literal["text", "flag", "number"]
"""What a field is compared with, or a field of any kind looked for as a text: which index answers it."""
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
class OneOf:
    """The metadata's own text at ``path``, or an element of a list there, is one of these; there is at least one."""

    path: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def field(self) -> str:
        """Where the value stands in the payload."""
        return metadata_field(self.path)


@dataclass(frozen=True, slots=True)
class Flag:
    """The metadata's own bool at ``path``, or an element of a list there, is this one."""

    path: tuple[str, ...]
    value: bool

    @property
    def field(self) -> str:
        """Where the value stands in the payload."""
        return metadata_field(self.path)


@dataclass(frozen=True, slots=True)
class Bound:
    """The metadata's own number at ``path``, or an element of a list there, is so ordered in float64."""

    path: tuple[str, ...]
    op: Literal["==", "<", "<=", ">", ">="]
    bound: float

    @property
    def field(self) -> str:
        """Where the number stands in the payload."""
        return metadata_field(self.path)

    @property
    def limits(self) -> dict[str, float]:
        """The interval, as Qdrant's ranges name its ends."""
        return dict.fromkeys(_EVEN[self.op], self.bound)


@dataclass(frozen=True, slots=True)
class Present:
    """The metadata has a value at ``path``, whatever it is."""

    path: tuple[str, ...]

    @property
    def field(self) -> str:
        """Where the value stands in the payload."""
        return metadata_field(self.path)


@dataclass(frozen=True, slots=True)
class Split:
    """A leaf beside a lean shadow: ``own`` is true of a record without the term ``key``, or ``shadow`` of one with it.

    Attributes:
        key: The term of a value at the leaf's path that is in the shadow.
        own: What is asked of the metadata's own value.
        shadow: What is asked of the shadow, which is false of a record without the term; None where nothing there
            can match.
    """

    key: str
    own: Condition
    shadow: Condition | None


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
        return metadata_field((self.key,))


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


Condition: TypeAlias = (
    Terms | Number | Split | OneOf | Flag | Bound | Present | Text | Shorter | Has | Tenant | All | AnyOf | NoneOf
)


def metadata_field(path: Sequence[str]) -> str:
    """Return where a value of the metadata stands in the payload, in Qdrant's syntax."""
    return f"metadata.{_path_text(path)}"


def is_of_one_tenant(condition: Condition | None) -> bool:
    """Return whether a condition is true in one partition only, by form."""
    return isinstance(condition, Tenant) or (
        isinstance(condition, All) and any(isinstance(item, Tenant) for item in condition.items)
    )


def _path_text(names: Sequence[str]) -> str:
    """Return a path as Qdrant names it where it lists indexes: quoted only where it must be.

    No key has a double quote or a backslash (META-1).
    """
    return ".".join(name if _BARE.fullmatch(name) else f'"{name}"' for name in names)


def joined(condition: Condition, is_used: Callable[[str], bool]) -> Condition:
    """Return the same condition without ``Split``.

    Args:
        condition: What was compiled.
        is_used: Whether any record has a term.
    """
    match condition:
        case All(items):
            return All(tuple(joined(item, is_used) for item in items))
        case AnyOf(items):
            return AnyOf(tuple(joined(item, is_used) for item in items))
        case NoneOf(item):
            return NoneOf(joined(item, is_used))
        case Split(key, own, shadow):
            if not is_used(key):
                return own
            plain = All((own, NoneOf(Terms((key,)))))
            return plain if shadow is None else AnyOf((plain, shadow))
        case _:
            return condition


def compared_fields(condition: Condition | None) -> dict[str, Kind]:
    """Return the fields that need an index of their own, and its kind: without one Qdrant reads every payload."""
    match condition:
        case All(items) | AnyOf(items):
            return {field: kind for item in items for field, kind in compared_fields(item).items()}
        case NoneOf(item):
            return compared_fields(item)
        case Number() | Shorter() | Bound():
            return {condition.field: "number"}
        case Flag():
            return {condition.field: "flag"}
        case OneOf() | Present():
            return {condition.field: "text"}
        case _:
            return {}
