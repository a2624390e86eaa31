"""One formula per metric, in float64; every backend's numbers are brought to these.

==========  ==============================  =====================
metric      distance (lower is nearer)      score (higher is nearer)
==========  ==============================  =====================
``cosine``  ``1 - q·x / (‖q‖ ‖x‖)``         ``1 - distance``
``l2``      ``‖q - x‖`` (not squared)       ``-distance``
``dot``     ``-q·x``                        ``-distance``
==========  ==============================  =====================

Nothing is clamped or normalised.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Records, VectorArray

__all__ = ["TopK", "distances", "float32_error", "nearest", "ranked", "scores"]

_BLOCK_BYTES = 8 << 20
_FLOAT32_UNIT = 2.0**-24


def float32_error(dimension: int) -> float:
    """How far a sum of so many products may be off in float32, in parts of the sum of their absolute values.

    It holds in whatever order they are added (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), and leaves
    six roundings for what is done before and behind. Products below float32's smallest number are lost besides.
    """
    return 1.01 * (dimension + 6) * _FLOAT32_UNIT


def distances(metric: Metric, query: VectorArray, vectors: VectorArray) -> NDArray[np.float64]:
    """Distances of one query to many vectors, computed in float64 block by block.

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


def scores(metric: Metric, distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores that belong to distances."""
    return 1.0 - distance if metric is Metric.COSINE else -distance


def nearest(distance: NDArray[np.float64], ids: list[str], k: int) -> list[int]:
    """Positions of the k smallest distances, by distance and then id; all of them if fewer."""
    positions: NDArray[np.intp]
    if k < len(distance):
        bound = np.partition(distance, k - 1)[k - 1]
        positions = np.flatnonzero(distance <= bound)
    else:
        positions = np.arange(len(distance))
    return sorted(positions.tolist(), key=lambda p: (distance[p], ids[p]))[:k]


def ranked(metric: Metric, records: Records, distance: NDArray[np.float64], k: int) -> Hits:
    """The k nearest of ``records`` as hits, by distance and then id.

    Args:
        metric: The collection's metric.
        records: Candidates, in any order.
        distance: Their distances, float64 of shape (n,).
        k: Most hits wanted.
    """
    order = nearest(distance, records.ids, k)
    chosen = distance[np.asarray(order, dtype=np.intp)]
    return Hits(records.take(order), chosen, scores(metric, chosen))


class TopK:
    """The true k nearest to each of several queries, from records that come in parts.

    It holds k ids and distances a query, whatever the number of records.
    """

    def __init__(self, metric: Metric, queries: VectorArray, k: int) -> None:
        """Begins with nothing seen.

        Args:
            metric: The collection's metric.
            queries: Shape (nq, d).
            k: Most hits wanted for each.
        """
        self._metric = metric
        self._queries = queries
        self._k = k
        self._kept: list[tuple[list[str], NDArray[np.float64]]] = [([], np.empty(0)) for _ in queries]

    def take(self, part: Records) -> None:
        """Compares with some more records, which have their vectors."""
        assert part.vectors is not None
        for place, query in enumerate(self._queries):
            ids, known = self._kept[place]
            candidates = ids + part.ids
            distance = np.concatenate([known, distances(self._metric, query, part.vectors)])
            order = nearest(distance, candidates, self._k)
            self._kept[place] = ([candidates[p] for p in order], distance[order])

    @property
    def ids(self) -> list[str]:
        """The ids of all hits, each once."""
        return list(dict.fromkeys(i for ids, _ in self._kept for i in ids))

    def hits(self, records: Records) -> list[Hits]:
        """The hits of each query.

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
