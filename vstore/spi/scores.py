"""One formula per metric, in float64; every backend's numbers are brought to these.

==========  ==============================  =====================
metric      distance (lower is nearer)      score (higher is nearer)
==========  ==============================  =====================
``cosine``  ``1 - q·x / (‖q‖ ‖x‖)``         ``1 - distance``
``l2``      ``‖q - x‖`` (not squared)       ``-distance``
``dot``     ``-q·x``                        ``-distance``
==========  ==============================  =====================

Nothing is clamped or normalised. A sparse field has the metric ``dot``; its terms are added by ascending index, so that
all stores give the same bits, and a record matches where it shares an index with the query.
"""

from __future__ import annotations

from operator import lt
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Records, VectorArray
from vstore.sparse import SparseArray, SparseVector

__all__ = [
    "TopK",
    "column_distances",
    "distances",
    "float32_error",
    "is_settled",
    "nearest",
    "ranked",
    "scores",
    "sparse_distances",
]

_BLOCK_BYTES = 8 << 20
_FLOAT32_UNIT = 2.0**-24


def float32_error(dimension: int) -> float:
    """Return how far a sum of so many products may be off in float32, in parts of the sum of their absolute values.

    It holds in whatever order they are added (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), and leaves
    six roundings for what is done before and behind. Products below float32's smallest number are lost besides.
    """
    return 1.01 * (dimension + 6) * _FLOAT32_UNIT


def distances(metric: Metric, query: VectorArray, vectors: VectorArray) -> NDArray[np.float64]:
    """Return distances of one query to many vectors, computed in float64 block by block.

    Args:
        metric: Which formula.
        query: Shape (d,).
        vectors: Shape (n, d); none of them zero under cosine.

    Returns:
        float64 array of shape (n,).
    """
    q = query.astype(np.float64)
    out = np.empty(len(vectors), dtype=np.float64)
    rows = max(1, _BLOCK_BYTES // (8 * max(1, len(q))))
    # einsum takes each row alike. A matrix product does not: two equal vectors would differ in the last place by where
    # they stand in the block, and would no longer come by id.
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows].astype(np.float64)
        match metric:
            case Metric.COSINE:
                norms = np.sqrt(np.einsum("ij,ij->i", block, block)) * np.sqrt(q @ q)
                part = 1.0 - np.einsum("ij,j->i", block, q) / norms
            case Metric.L2:
                block -= q
                part = np.sqrt(np.einsum("ij,ij->i", block, block))
            case Metric.DOT:
                part = -np.einsum("ij,j->i", block, q)
            case _:
                assert_never(metric)
        out[start : start + rows] = part
    return out


def sparse_distances(query: SparseVector, rows: SparseArray) -> NDArray[np.float64]:
    """Return the distances ``-q·x`` of one sparse query to many sparse vectors.

    Each product of two float32 is exact in float64; they are added one by one, by ascending index.

    Returns:
        float64 array of shape (n,); 0.0 where no index is shared, and below 0 everywhere else.
    """
    if not len(query):
        return np.zeros(len(rows))
    place = query.indices.searchsorted(rows.indices)
    shared = (query.indices.take(place, mode="clip") == rows.indices).nonzero()[0]
    products = query.values.astype(np.float64)[place[shared]] * rows.values[shared]
    row = rows.indptr.searchsorted(shared, side="right") - 1
    # bincount adds in the order of its input; a sum by NumPy would add in pairs
    return 0.0 - np.bincount(row, weights=products, minlength=len(rows)).astype(np.float64, copy=False)


def column_distances(
    metric: Metric, query: VectorArray | SparseVector, column: VectorArray | SparseArray
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the rows of a column that can match a query, and their distances.

    Args:
        metric: The field's metric.
        query: Shape (d,), or a sparse vector.
        column: Shape (n, d), where a row of NaN is an absent vector, or sparse vectors.

    Returns:
        The positions, ascending, of the rows that are there, or share an index with a sparse query; and one distance
        each.
    """
    if isinstance(column, SparseArray):
        assert isinstance(query, SparseVector)
        distance = sparse_distances(query, column)
        positions = distance.nonzero()[0]
        return positions, distance if len(positions) == len(distance) else distance[positions]
    assert not isinstance(query, SparseVector)
    positions = np.flatnonzero(~np.isnan(column[:, 0]))
    present = column if len(positions) == len(column) else column[positions]
    return positions, distances(metric, query, present)


def is_settled(distance: NDArray[np.float64], k: int, last: float, relative: float) -> bool:
    """Return whether the first k are certain of candidates that a database ranked with less precision.

    Args:
        distance: Distances of all candidates in float64, ascending.
        k: Number of hits wanted.
        last: The distance, by the database, of the last candidate: those that it left out are no nearer by its count.
        relative: How far a distance by the database may be off, in parts of itself; for a sparse query
            ``float32_error`` of its number of values.
    """
    return len(distance) >= k and bool(distance[k - 1] < last - relative * abs(last))


def scores(metric: Metric, distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores that belong to distances."""
    return 1.0 - distance if metric is Metric.COSINE else -distance


def nearest(distance: NDArray[np.float64], ids: list[str], k: int) -> list[int]:
    """Return positions of the k smallest distances, by distance and then id; all of them if fewer."""
    if k < len(distance):
        parted = distance.copy()
        parted.partition(k - 1)
        positions = (distance <= parted[k - 1]).nonzero()[0]
        order = positions[distance[positions].argsort()]
    else:
        order = distance.argsort()
    ascending: list[float] = distance[order].tolist()
    places: list[int] = order.tolist()
    if len(set(ascending)) < len(ascending):
        places.sort(key=lambda p: (distance[p], ids[p]))
    return places[:k]


def ranked(metric: Metric, records: Records, distance: NDArray[np.float64] | list[float], k: int) -> Hits:
    """Return the k nearest of ``records`` as hits, by distance and then id.

    Args:
        metric: The collection's metric.
        records: Candidates, in any order.
        distance: Their distances, float64 of shape (n,), or as a list.
        k: Most hits wanted.
    """
    if isinstance(distance, list):
        ascending, distance = distance, np.array(distance, dtype=np.float64)
    else:
        ascending = distance.tolist()
    if len(ascending) > k or not all(map(lt, ascending, ascending[1:])):  # most databases answer in this order
        order = nearest(distance, records.ids, k)
        records, distance = records.take(order), distance[np.asarray(order, dtype=np.intp)]
    return Hits(records, distance, scores(metric, distance))


class TopK:
    """The true k nearest to each of several queries, from records that come in parts.

    It holds k ids and distances a query, whatever the number of records.
    """

    def __init__(self, metric: Metric, queries: VectorArray | SparseArray, k: int, field: str = "") -> None:
        """Begins with nothing seen.

        Args:
            metric: The field's metric.
            queries: Shape (nq, d), or sparse vectors.
            k: Most hits wanted for each.
            field: Which field of the records is compared; empty for their vectors.
        """
        self._metric = metric
        self._queries = queries
        self._k = k
        self._field = field
        self._kept: list[tuple[list[str], NDArray[np.float64]]] = [([], np.empty(0)) for _ in range(len(queries))]

    def take(self, part: Records) -> None:
        """Compares with some more records, which have their vectors."""
        column = part.column(self._field)
        for place, query in enumerate(self._queries):
            ids, known = self._kept[place]
            positions, distance = column_distances(self._metric, query, column)
            candidates = ids + [part.ids[position] for position in positions]
            distance = np.concatenate([known, distance])
            order = nearest(distance, candidates, self._k)
            self._kept[place] = ([candidates[p] for p in order], distance[order])

    @property
    def ids(self) -> list[str]:
        """The ids of all hits, each once."""
        return list(dict.fromkeys(i for ids, _ in self._kept for i in ids))

    def hits(self, records: Records) -> list[Hits]:
        """Return the hits of each query.

        Args:
            records: Those of ``ids`` with the columns wanted; one that was deleted meanwhile may be missing.
        """
        return [self._hits(ids, distance, records) for ids, distance in self._kept]

    def _hits(self, ids: list[str], distance: NDArray[np.float64], records: Records) -> Hits:
        chosen = records.ordered(ids)
        if len(chosen) < len(ids):
            there = set(chosen.ids)
            distance = distance[[place for place, i in enumerate(ids) if i in there]]
        return Hits(chosen, distance, scores(self._metric, distance))
