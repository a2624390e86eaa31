"""Where a record holds what Haystack's filters ask for: the fields of a document, by name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Final

from haystack import Document

from vstore.filters.tree import Exists, Filter, Not, Path
from vstore.integrations.terms import is_legal_key, is_present

__all__ = ["BLANK", "EXTRA", "PREFIX", "SCORE", "Place", "meta_key", "place_of", "utc_key", "wall_key"]

PREFIX: Final = "vstore_"
"""With this begin the metadata keys that no document has."""

BLANK: Final = "vstore_blank"
"""True of documents without an embedding: the vector of their record means nothing."""

SCORE: Final = "vstore_score"
EXTRA: Final = "vstore_document"
"""JSON of a document's other fields."""

_META: Final = "meta"
_FIELDS: Final = frozenset(field.name for field in fields(Document))


@dataclass(frozen=True, slots=True)
class Place:
    """Where records hold a field.

    Attributes:
        name: The field, as its tokens have it.
        path: The metadata key of its values that are metadata as they are; None where there is none.
        present: The filter that it has a value.
        whole: Whether it can be compared with values, or with None alone.
        plain: Whether any record of vstore holds it there; else those that Haystack's store wrote.
    """

    name: str
    path: Path | None
    present: Filter
    whole: bool = True
    plain: bool = False


def place_of(field: str) -> Place | None:
    """Return the place of a filter's field; None where no document has such a field."""
    root, dot, rest = field.partition(".")
    if dot:
        return _in_meta(rest) if root == _META else None
    if field not in _FIELDS:
        return _in_meta(field)
    path = (SCORE,) if field == "score" else None
    present = Not(Exists((BLANK,))) if field == "embedding" else is_present(field, path)
    return Place(field, path, present, whole=field in ("id", "content", "score"))


def _in_meta(key: str) -> Place:
    path, name = (meta_key(key),), f"{_META}.{key}"
    return Place(name, path, is_present(name, path), plain=path == (key,))


def meta_key(key: str) -> str:
    """Return the metadata key of a value of the meta: its own where that is legal, and no way into a dict."""
    own = "." not in key and not key.startswith(PREFIX) and is_legal_key(key)
    return key if own else _beside("vstore_at", key)


def wall_key(name: str) -> str:
    """Return the metadata key of ``Moment.wall`` of a field."""
    return _beside("vstore_wall", name)


def utc_key(name: str) -> str:
    """Return the metadata key of ``Moment.utc`` of a field."""
    return _beside("vstore_utc", name)


def _beside(prefix: str, name: str) -> str:
    key = f"{prefix}:{name}"
    return key if is_legal_key(key) else f"{prefix}#{blake2b(name.encode(errors='surrogatepass')).hexdigest()}"
