"""Which embedder makes the vectors of which field of a collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from vstore.embedding import Embedder, SparseEmbedder, check_embedder, check_sparse_embedder
from vstore.errors import InvalidInput, Mismatch, brief, reading
from vstore.fields import UNNAMED, Dense, Field, field_key
from vstore.info import CollectionInfo
from vstore.wording import did_you_mean

__all__ = ["Embedders", "check_fit", "read_embedders"]

Embedders: TypeAlias = dict[str, Embedder | SparseEmbedder]
"""An embedder by field; the key of the field without a name is empty."""


def read_embedders(given: object, fields: Mapping[str, Field]) -> Embedders:
    """Return the embedders by field.

    Args:
        given: One embedder, for the field without a name; a dict from field to embedder; or None.
        fields: The collection's named fields.

    Raises:
        InvalidInput: No such field, or no embedder for a field of its kind.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        check_embedder(given)
        return {"": given}  # type: ignore[dict-item]  # checked
    found: Embedders = {}
    with reading("embedder"):
        pairs = list(given.items())
    for key, one in pairs:
        name = field_key(key)
        if name not in (UNNAMED, *fields):
            raise InvalidInput(
                f"embedder= names {brief(key)}, which is no field of the collection",
                hint=did_you_mean(name, (UNNAMED, *fields)) or f"{UNNAMED!r} is the field without a name.",
            )
        if isinstance(fields.get(name, Dense(1)), Dense):
            check_embedder(one)
        else:
            check_sparse_embedder(one)
        if one is not None:
            found["" if name == UNNAMED else name] = one
    return found


def check_fit(info: CollectionInfo, embedders: Embedders) -> None:
    """Raises ``Mismatch`` where an embedder makes other vectors than the collection was created for."""
    for name, one in embedders.items():
        which = f" of {name!r}" if name else ""
        field, stored = info.field(name), info.fields[name].embedder if name else info.embedder
        if isinstance(field, Dense) and isinstance(one, Embedder) and one.dimension != field.dimension:
            has = f"the field{which} has" if name else "the collection has"
            raise Mismatch(f"the embedder{which} makes vectors of {one.dimension}; {has} {field.dimension}")
        if stored is not None and stored != one.name:
            raise Mismatch(f"it was created with the embedder {stored!r}{which}, not {one.name!r}")
