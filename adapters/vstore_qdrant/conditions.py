"""Filters as Qdrant can answer them, in the words of neither of its libraries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["All", "AnyOf", "Condition", "Half", "NoneOf", "Number", "Terms", "Text"]

Half: TypeAlias = Literal["high", "low"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The record has one of these terms (see ``terms.py``); there is at least one."""

    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """One half of the number at ``path`` (``terms.halves``) is in the closed or open interval.

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


@dataclass(frozen=True, slots=True)
class Text:
    """The document has this text in it, case-sensitively."""

    text: str


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


Condition: TypeAlias = Terms | Number | Text | All | AnyOf | NoneOf
