"""What an embedder is: a function from texts to vectors, with a name and a dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from vstore.types import VectorArray

__all__ = ["Embedder"]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors; its name is stored with the collection and checked when it is opened.

    Attributes:
        name: Names the model and whatever changes its vectors, e.g. ``"minilm-l6-v2"``.
        dimension: Number of components of a vector.
    """

    name: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> VectorArray:
        """One float32 vector a text, as an array of shape (len(texts), dimension)."""
        ...
