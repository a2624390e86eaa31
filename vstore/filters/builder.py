"""``F``: filters written as Python expressions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from vstore.errors import InvalidInput, reading
from vstore.filters.tree import (
    ContainsAll,
    ContainsAny,
    DocumentContains,
    Eq,
    Exists,
    Filter,
    In,
    Matches,
    Not,
    Order,
)
from vstore.records import Scalar

__all__ = ["DocumentField", "F"]


def _values(call: str, values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidInput(f"{call} takes a list of values, not {type(values).__name__}")
    with reading(f"the list of {call}"):
        return tuple(values)


class DocumentField:
    """The document of a record, as ``F.document``."""

    __slots__ = ()

    def contains(self, text: str) -> Filter:
        """True where the document has ``text`` as a case-sensitive substring."""
        return DocumentContains(text)


class F:
    """A metadata key, or with several names the path to a nested value.

    ``F("year") >= 2020``, ``F("tags").contains("rag")``, ``F("a.b")`` (the key ``a.b``),
    ``F("a", "b")`` (the value ``b`` inside ``a``), ``F.document.contains("text")``.
    """

    __slots__ = ("_path",)
    __hash__ = None  # type: ignore[assignment]  # == builds a filter

    document: ClassVar[DocumentField] = DocumentField()

    def __init__(self, *path: str) -> None:
        Exists(path)  # checks the keys
        self._path = path

    def __eq__(self, value: Scalar) -> Filter:  # type: ignore[override]
        return Eq(self._path, value)

    def __ne__(self, value: Scalar) -> Filter:  # type: ignore[override]
        return Not(Eq(self._path, value))

    def __lt__(self, value: int | float | str | datetime) -> Filter:
        return Order(self._path, "<", value)

    def __le__(self, value: int | float | str | datetime) -> Filter:
        return Order(self._path, "<=", value)

    def __gt__(self, value: int | float | str | datetime) -> Filter:
        return Order(self._path, ">", value)

    def __ge__(self, value: int | float | str | datetime) -> Filter:
        return Order(self._path, ">=", value)

    def in_(self, values: Iterable[Scalar]) -> Filter:
        """True where the value equals one of ``values``; of none if they are empty."""
        return In(self._path, _values("in_", values))

    def not_in(self, values: Iterable[Scalar]) -> Filter:
        """The complement of ``in_``: true of records without the key, too."""
        return Not(In(self._path, _values("not_in", values)))

    def contains(self, value: Scalar) -> Filter:
        """True where the value is a list with an element equal to ``value``."""
        return ContainsAny(self._path, (value,))

    def contains_any(self, values: Iterable[Scalar]) -> Filter:
        """True where the value is a list with an element equal to one of ``values``."""
        return ContainsAny(self._path, _values("contains_any", values))

    def contains_all(self, values: Iterable[Scalar]) -> Filter:
        """True where the value is a list with an element equal to each of ``values``."""
        return ContainsAll(self._path, _values("contains_all", values))

    def exists(self) -> Filter:
        """True where there is a value."""
        return Exists(self._path)

    def matches(self, pattern: str) -> Filter:
        """True where the value is a str in which the regular expression, of RE2's syntax, is found (optional)."""
        return Matches(self._path, pattern)

    def __bool__(self) -> bool:
        raise TypeError("a key has no truth value: ask F(key).exists()")
