"""What documents hold in their meta, field by field, as Haystack's in-memory store tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haystack import Document

from vstore.integrations.terms import canonical

__all__ = ["count_unique", "field_types", "key_of", "min_and_max", "unique_values"]


def key_of(field: str) -> str:
    """Return the key of the meta that a field is, given with or without ``meta.``."""
    return field.removeprefix("meta.")


def field_types(documents: Sequence[Document]) -> dict[str, dict[str, str]]:
    """Return for each field of the meta its type: ``boolean``, ``int``, ``float`` or ``keyword``."""
    types: dict[str, dict[str, str]] = {}
    for document in documents:
        for key, value in document.meta.items():
            if value is not None:
                types[key] = {"type": _type(value)}
    return types


def _type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "int"
        case float():
            return "float"
        case _:
            return "keyword"


def count_unique(documents: Sequence[Document], fields: Sequence[str]) -> dict[str, int]:
    """Return how many different values each field has, as Python tells equal ones."""
    return {key: len({_identity(value) for value in _values(documents, key)}) for key in map(key_of, fields)}


def min_and_max(documents: Sequence[Document], field: str) -> dict[str, Any]:
    """Return the least and the greatest value of a field: None where there are none, or they have no order."""
    values = [value for value in _values(documents, key_of(field)) if isinstance(value, int | float | str)]
    try:
        return {"min": min(values, default=None), "max": max(values, default=None)}
    except TypeError:
        return {"min": None, "max": None}


def unique_values(
    documents: Sequence[Document], field: str, search_term: str | None, start: int, size: int
) -> tuple[list[Any], int]:
    """Return a page of the different values of a field, types told apart, ordered by their text, and their number.

    Args:
        documents: All that count.
        field: The field, with or without ``meta.``.
        search_term: What a value's text must contain, in any case.
        start: Values before the page.
        size: Most values of the page.
    """
    values: dict[tuple[str, str], Any] = {}
    for value in _values(documents, key_of(field)):
        if search_term is None or search_term.lower() in str(value).lower():
            values.setdefault((type(value).__name__, _identity(value)), value)
    ordered = sorted(values, key=lambda identity: (str(values[identity]), identity[0]))
    return [values[identity] for identity in ordered[start : start + size]], len(ordered)


def _values(documents: Sequence[Document], key: str) -> Iterator[Any]:
    metas: Iterator[Mapping[str, Any]] = (document.meta for document in documents)
    return (meta[key] for meta in metas if meta.get(key) is not None)


def _identity(value: Any) -> str:
    return canonical(value) or repr(value)
