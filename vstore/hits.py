"""What a query answers: ``Hits``, and each ``Hit`` in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from vstore import display
from vstore.records import Metadata, Records, VectorArray, same_vectors

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Hit",
    "Hits",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hit:
    """One hit of a query; a column that was not fetched is None.

    Two hits are equal if all their columns are, vectors component by component.

    Attributes:
        id: The id of the record.
        distance: Lower is nearer: ``1 - cos``, ``‖q - x‖`` or ``-q·x``.
        score: Higher is nearer: ``cos``, ``-‖q - x‖`` or ``q·x``.
        vector: float32 array of shape (dimension,), or None.
        document: The text, or None.
        metadata: A dict, or None.
    """

    id: str
    distance: float
    score: float
    vector: VectorArray | None = None
    document: str | None = None
    metadata: Metadata | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hit):
            return NotImplemented
        mine = (self.id, self.distance, self.score, self.document, self.metadata)
        theirs = (other.id, other.distance, other.score, other.document, other.metadata)
        return mine == theirs and same_vectors(self.vector, other.vector)

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def __repr__(self) -> str:
        shown = display.columns({"vector": self.vector, "document": self.document, "metadata": self.metadata})
        return f"Hit({display.field(self.id)}, distance={self.distance:.6g}, score={self.score:.6g}{shown})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hits(Sequence[Hit]):
    """The hits of one query, nearest first, ties by id. It iterates over ``Hit`` and takes an index or a slice.

    Attributes:
        records: The columns of the hits.
        distances: float64 array of shape (n,).
        scores: float64 array of shape (n,).

    Example:
        >>> hits = docs.query([1.0, 0.1, 0.0], k=5)
        >>> [(hit.id, hit.score) for hit in hits], hits.ids, hits[0].document, hits[:3].to_pandas()
    """

    records: Records
    distances: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def ids(self) -> list[str]:
        """The ids, nearest first."""
        return self.records.ids

    @property
    def vectors(self) -> VectorArray | None:
        """The vectors of the hits, shape (n, d), or None."""
        return self.records.vectors

    @property
    def documents(self) -> list[str | None] | None:
        """The documents of the hits, or None."""
        return self.records.documents

    @property
    def metadatas(self) -> list[Metadata] | None:
        """The metadata of the hits, or None."""
        return self.records.metadatas

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame: ``id``, ``distance``, ``score`` and the columns fetched; needs pandas."""
        frame = self.records.to_pandas()
        frame.insert(1, "distance", self.distances)
        frame.insert(2, "score", self.scores)
        return frame

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hits):
            return NotImplemented
        return (
            np.array_equal(self.distances, other.distances)
            and np.array_equal(self.scores, other.scores)
            and self.records == other.records
        )

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    def __repr__(self) -> str:
        nearest = ", ".join(
            f"{display.field(one)} {distance:.4g}"
            for one, distance in zip(self.ids[:3], self.distances[:3].tolist(), strict=True)
        )
        more = ", …" if len(self) > 3 else ""
        return f"<Hits, {len(self):,}, nearest first: {nearest}{more}>" if self.ids else "<Hits, none>"

    def _repr_html_(self) -> str:
        return display.html_table(
            {
                "id": self.ids,
                "distance": self.distances.tolist(),
                "score": self.scores.tolist(),
                "document": self.documents,
                "metadata": self.metadatas,
                "vector": self.vectors,
            },
            len(self),
        )

    def without_vectors(self) -> Hits:
        """Return the same hits without the column of vectors."""
        return Hits(self.records.without_vectors(), self.distances, self.scores)

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, key: int) -> Hit: ...
    @overload
    def __getitem__(self, key: slice) -> Hits: ...
    def __getitem__(self, key: int | slice) -> Hit | Hits:
        if isinstance(key, slice):
            return Hits(self.records[key], self.distances[key], self.scores[key])
        record = self.records[key]
        return Hit(
            record.id,
            float(self.distances[key]),
            float(self.scores[key]),
            record.vector,
            record.document,
            record.metadata,
        )
