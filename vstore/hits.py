"""What a query answers: ``Hits``, and each ``Hit`` in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from vstore import display
from vstore.columns import Column, VectorArray, same_fields, same_vectors
from vstore.records import Metadata, Records
from vstore.sparse import SparseVector

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Hit",
    "Hits",
    "Leg",
    "LegColumn",
]


@dataclass(frozen=True, slots=True)
class Leg:
    """What one leg of a hybrid query says of a hit.

    Attributes:
        rank: Its place in the leg, from 1.
        score: Its score in the leg, by the field's metric.
    """

    rank: int
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class LegColumn:
    """What one leg of a hybrid query says of all hits.

    Attributes:
        ranks: int64 array of shape (n,): places in the leg from 1; 0 where the leg did not find the hit.
        scores: float64 array of shape (n,): scores in the leg; NaN where it did not find the hit.
    """

    ranks: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LegColumn):
            return NotImplemented
        return np.array_equal(self.ranks, other.ranks) and np.array_equal(self.scores, other.scores, equal_nan=True)

    __hash__ = None  # type: ignore[assignment]  # it holds arrays

    def take(self, places: slice | NDArray[np.intp]) -> LegColumn:
        """Return the same of the hits at ``places``."""
        return LegColumn(self.ranks[places], self.scores[places])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hit:
    """One hit of a query; a column that was not fetched is None.

    Two hits are equal if all their columns are, vectors component by component.

    Attributes:
        id: The id of the record.
        distance: Lower is nearer: ``1 - cos``, ``‖q - x‖`` or ``-q·x``; of a hybrid query the score negated.
        score: Higher is nearer: ``cos``, ``-‖q - x‖`` or ``q·x``; of a hybrid query the fused score.
        vector: float32 array of shape (dimension,), or None.
        document: The text, or None.
        metadata: A dict, or None.
        fields: The vector of each named field that was fetched; None where it is absent.
        legs: The legs of a hybrid query that found it, by field; ``"vector"`` is the one without a name.
        rank: Its place from 1 before ``rerank=``, or None.
        rerank_score: What ``rerank=`` gave it; None where it has no document, or nothing was reranked.
    """

    id: str
    distance: float
    score: float
    vector: VectorArray | None = None
    document: str | None = None
    metadata: Metadata | None = None
    fields: dict[str, VectorArray | SparseVector | None] = field(default_factory=dict)
    legs: dict[str, Leg] = field(default_factory=dict)
    rank: int | None = None
    rerank_score: float | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hit):
            return NotImplemented
        mine = (self.id, self.distance, self.score, self.document, self.metadata, self.legs, self.rerank_score)
        theirs = (other.id, other.distance, other.score, other.document, other.metadata, other.legs, other.rerank_score)
        return mine == theirs and same_vectors(self.vector, other.vector) and same_fields(self.fields, other.fields)

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def __repr__(self) -> str:
        columns = {"vector": self.vector, "document": self.document, "metadata": self.metadata, **self.fields}
        shown = display.columns({**columns, "legs": self.legs or None, "rerank_score": self.rerank_score})
        return f"Hit({display.field(self.id)}, distance={self.distance:.6g}, score={self.score:.6g}{shown})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hits(Sequence[Hit]):
    """The hits of one query, nearest first, ties by id. It iterates over ``Hit`` and takes an index or a slice.

    Attributes:
        records: The columns of the hits.
        distances: float64 array of shape (n,).
        scores: float64 array of shape (n,).
        legs: Ranks and scores of a hybrid query's legs, by field; ``"vector"`` is the one without a name.
        ranks: Places from 1 before ``rerank=``, int64 of shape (n,), or None.
        rerank_scores: What ``rerank=`` gave, float64 of shape (n,) with NaN where a hit has no document, or None. Where
            it is there, hits come by it, highest first.

    Example:
        >>> hits = docs.query([1.0, 0.1, 0.0], k=5)
        >>> [(hit.id, hit.score) for hit in hits], hits.ids, hits[0].document, hits[:3].to_pandas()
    """

    records: Records
    distances: NDArray[np.float64]
    scores: NDArray[np.float64]
    legs: dict[str, LegColumn] = field(default_factory=dict)
    ranks: NDArray[np.int64] | None = None
    rerank_scores: NDArray[np.float64] | None = None

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

    @property
    def fields(self) -> dict[str, Column]:
        """The columns of the named fields that were fetched."""
        return self.records.fields

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
            and self.legs == other.legs
            and _same(self.rerank_scores, other.rerank_scores)
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
                "rerank_score": None if self.rerank_scores is None else self.rerank_scores.tolist(),
                "document": self.documents,
                "metadata": self.metadatas,
                "vector": self.vectors,
                **self.fields,
            },
            len(self),
        )

    def without_vectors(self) -> Hits:
        """Return the same hits without the column of vectors."""
        return replace(self, records=self.records.without_vectors())

    def take(self, positions: Sequence[int]) -> Hits:
        """Return the hits at ``positions``, in that order."""
        return self._at(self.records.take(positions), np.asarray(positions, dtype=np.intp))

    def _at(self, records: Records, places: slice | NDArray[np.intp]) -> Hits:
        return Hits(
            records,
            self.distances[places],
            self.scores[places],
            {name: leg.take(places) for name, leg in self.legs.items()},
            None if self.ranks is None else self.ranks[places],
            None if self.rerank_scores is None else self.rerank_scores[places],
        )

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, key: int) -> Hit: ...
    @overload
    def __getitem__(self, key: slice) -> Hits: ...
    def __getitem__(self, key: int | slice) -> Hit | Hits:
        if isinstance(key, slice):
            return self._at(self.records[key], key)
        record = self.records[key]
        return Hit(
            record.id,
            float(self.distances[key]),
            float(self.scores[key]),
            record.vector,
            record.document,
            record.metadata,
            record.fields,
            {
                name: Leg(int(leg.ranks[key]), float(leg.scores[key]))
                for name, leg in self.legs.items()
                if leg.ranks[key]
            },
            None if self.ranks is None else int(self.ranks[key]),
            None if self.rerank_scores is None or np.isnan(self.rerank_scores[key]) else float(self.rerank_scores[key]),
        )


def _same(one: NDArray[np.float64] | None, other: NDArray[np.float64] | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other, equal_nan=True))
