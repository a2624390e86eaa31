"""``F``: filters written as Python expressions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, NoReturn

from vstore.errors import InvalidInput, reading
from vstore.filters.tree import (
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
        """Match records whose document contains ``text``, a case-sensitive substring of at least one character.

        Example:
            >>> docs.count(F.document.contains("rain"))
        """
        return DocumentContains(text)


class F:
    """A metadata key, or with several names the path to a nested value.

    A comparison with a value makes a filter. Combine filters with ``&``, ``|`` and ``~``, each comparison in
    parentheses: ``(F("year") >= 2020) & F("tags").has("rag")``. ``F("a.b")`` is the key ``a.b``, ``F("a", "b")`` the
    value ``b`` inside ``a``. ``F.document`` is the document.

    A filter is true or false of every record. On a record without the key it is false, and its complement true.

    Example:
        >>> recent = (F("year") >= 2020) & ~(F("draft") == True)
        >>> docs.query(vector, where=recent | F("tags").has("rag"))
    """

    __slots__ = ("_path",)
    __hash__ = None  # type: ignore[assignment]  # == builds a filter
    __array_ufunc__ = None  # so that NumPy leaves ``np.int64(5) < F("a")`` to this class

    document: ClassVar[DocumentField] = DocumentField()

    def __init__(self, *path: str) -> None:
        self._path = Exists(path).path  # checked

    def __repr__(self) -> str:
        return f"F({', '.join(map(repr, self._path))})"

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
        """Match records whose value equals one of ``values``; an empty list matches none."""
        return In(self._path, _values("in_", values))

    def not_in(self, values: Iterable[Scalar]) -> Filter:
        """Match records that ``in_`` does not: those without the key too."""
        return Not(In(self._path, _values("not_in", values)))

    def has(self, value: Scalar) -> Filter:
        """Match records whose value is a list with an element equal to ``value``.

        Example:
            >>> docs.query(vector, where=F("tags").has("rag"))
        """
        return ContainsAny(self._path, (value,))

    def contains(self, value: bool | int | float | datetime) -> Filter:
        """Match what ``has`` matches, for a number, a bool or a datetime.

        Raises:
            InvalidInput: ``value`` is a text, which may be meant as an element of a list or as a part of a text.
        """
        if isinstance(value, str):
            raise InvalidInput(
                f"{self!r}.contains of a text may mean an element of a list, or a part of a text",
                hint=f"Write {self!r}.has(…) for an element of a list, {self!r}.contains_text(…) for a part of a text, "
                "F.document.contains(…) for a part of the document.",
            )
        return ContainsAny(self._path, (value,))

    def contains_any(self, values: Iterable[Scalar]) -> Filter:
        """Match records whose value is a list with an element equal to one of ``values``."""
        return ContainsAny(self._path, _values("contains_any", values))

    def contains_all(self, values: Iterable[Scalar]) -> Filter:
        """Match records whose value is a list with an element equal to each of ``values``; there must be one."""
        return ContainsAll(self._path, _values("contains_all", values))

    def contains_text(self, text: str, *, ignore_case: bool = False) -> Filter:
        """Match records whose value is a str that has ``text`` in it, of at least one character.

        A list of texts never matches: ask ``has`` for an element.

        Args:
            text: What to find, by code points.
            ignore_case: Whether to compare ``str.casefold()`` of both: ``"STRASSE"`` is then in ``"Hauptstraße"``.
                Accents count, and composed characters differ from decomposed ones.

        Raises:
            InvalidInput: ``text`` is empty, or no str.

        Example:
            >>> docs.count(F("title").contains_text("rain", ignore_case=True))
        """
        return HasText(self._path, text, ignore_case=ignore_case)

    def starts_with(self, text: str, *, ignore_case: bool = False) -> Filter:
        """Match records whose value is a str that begins with ``text``; arguments and errors as in ``contains_text``.

        Example:
            >>> docs.query(vector, where=F("path").starts_with("/reports/2024/"))
        """
        return HasText(self._path, text, at_start=True, ignore_case=ignore_case)

    def exists(self) -> Filter:
        """Match records that have a value at this key."""
        return Exists(self._path)

    def matches(self, pattern: str) -> Filter:
        """Match records whose value is a str in which a regular expression of RE2's syntax is found.

        Raises:
            InvalidInput: RE2 refuses the pattern.
            Unsupported: The capability ``matches`` is NO; raised by the call that takes the filter.

        Example:
            >>> docs.count(F("title").matches("(?i)rain"))
        """
        return Matches(self._path, pattern)

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no truth value: ask {self!r}.exists()")

    def _uncompared(self, *_other: object) -> NoReturn:
        raise TypeError(
            f"{self!r} is a key, and no filter: compare it with a value, or ask {self!r}.exists(), "
            "and put each comparison in parentheses: (F('a') > 1) & (F('b') > 2)"
        )

    __and__ = __rand__ = __or__ = __ror__ = __invert__ = _uncompared
