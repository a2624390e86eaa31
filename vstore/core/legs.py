"""What a query asks: one leg a field, read from the forms in which vectors and texts are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vstore.capabilities import Limits
from vstore.columns import Column
from vstore.core.embedders import Embedders
from vstore.core.field_input import check_sizes, unknown_field
from vstore.core.validate import check_vectors
from vstore.errors import InvalidInput, reading
from vstore.fields import UNNAMED, Dense, field_key, only_sparse
from vstore.info import CollectionInfo
from vstore.sparse import SparseArray, SparseVector
from vstore.sparse_input import read_column, read_row

__all__ = ["Leg", "is_empty", "leg_vectors", "read_legs"]


@dataclass(frozen=True, slots=True)
class Leg:
    """What one field is asked.

    Attributes:
        field: The field; empty for the one without a name.
        given: The vectors, or the texts to embed, as the caller gave them.
        is_text: Whether they are texts.
    """

    field: str
    given: Any
    is_text: bool


def read_legs(
    vectors: object, texts: object, sparse: object, info: CollectionInfo, embedders: Embedders, *, many: bool
) -> list[Leg]:
    """Return the legs of a query in the order of the fields.

    Args:
        vectors: Of the field without a name; or a dict from field to vectors or texts; or None.
        texts: For each field that has an embedder and is given no vectors; or None.
        sparse: Of the only sparse field; or None.
        info: The collection.
        embedders: Those that it was opened with.
        many: Whether it is ``query_many``, where each of these is a list.

    Raises:
        InvalidInput: Nothing is asked, a field is asked twice, or there is no such field.
    """
    name = "query_many" if many else "query"
    plural = "s" if many else ""
    legs: dict[str, Leg] = {}
    if isinstance(vectors, Mapping):
        with reading(f"vector{plural}"):
            pairs = list(vectors.items())
        for key, given in pairs:
            field = field_key(key)
            if field not in (UNNAMED, *info.fields):
                raise unknown_field(key, info.fields)
            field = "" if field == UNNAMED else field
            legs[field] = Leg(field, given, _are_texts(given, many))
    elif vectors is not None:
        legs[""] = Leg("", vectors, is_text=False)
    if sparse is not None:
        field = only_sparse(info.fields)
        if field in legs:
            raise InvalidInput(f"sparse= and vector{plural}= both ask {field!r}")
        legs[field] = Leg(field, sparse, is_text=False)
    if texts is not None:
        wanted = [field for field in embedders if field not in legs]
        if not wanted and legs:
            raise InvalidInput(
                f"{name} has no field left for text{plural}=: those with an embedder are asked by vector",
                hint=f"Pass vector{plural}= or text{plural}=, one for each field.",
            )
        legs |= {field: Leg(field, texts, is_text=True) for field in wanted or [_first(info)]}
    if not legs:
        raise InvalidInput(f"{name} takes vector{plural}=, text{plural}= or sparse=, and none is given")
    if "" in legs and not info.dimension:
        raise InvalidInput(
            f"the collection has named fields only: {', '.join(map(repr, info.fields))}",
            hint=f"Name one: {name}({{{next(iter(info.fields))!r}: …}}).",
        )
    return list(legs.values()) if len(legs) == 1 else [legs[field] for field in ("", *info.fields) if field in legs]


def _first(info: CollectionInfo) -> str:
    """The field that a text would be embedded for if there were an embedder."""
    stored = [name for name, field in info.fields.items() if field.embedder]
    return "" if info.dimension and not (stored and info.embedder is None) else next(iter(stored or info.fields))


def _are_texts(given: object, many: bool) -> bool:
    if not many:
        return isinstance(given, str)
    return isinstance(given, Sequence) and not isinstance(given, str) and len(given) > 0 and isinstance(given[0], str)


def leg_vectors(leg: Leg, info: CollectionInfo, limits: Limits, *, many: bool) -> Column:
    """Return the vectors of a leg that was given vectors, one a query.

    Raises:
        InvalidInput: They break the contract.
    """
    field, given = info.field(leg.field), leg.given
    if isinstance(field, Dense):
        if not many:
            given = given[None] if isinstance(given, np.ndarray) else [given]
            return check_vectors(given, field.dimension, field.metric, name=leg.field or "vector")
        if is_empty(given):
            return np.empty((0, field.dimension), dtype=np.float32)
        return check_vectors(given, field.dimension, field.metric, name=leg.field or "vectors")
    if not many:
        column = SparseArray.stack([SparseVector(*read_row(given, leg.field))])
    else:
        column = SparseArray(*read_column(given, leg.field))
    check_sizes(column, limits, leg.field)
    return column


def is_empty(vectors: object) -> bool:
    """Whether a list of vectors is one of none, for which NumPy would not know their dimension."""
    with reading("vectors"):
        if isinstance(vectors, np.ndarray):
            return bool(vectors.shape[:1] == (0,))
        return isinstance(vectors, Sequence) and len(vectors) == 0
