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

from vstore.types import Hits, Metric, Records, VectorArray

__all__ = ["distances", "nearest", "ranked", "scores"]

_BLOCK_BYTES = 8 << 20


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
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows].astype(np.float64)
        match metric:
            case Metric.COSINE:
                norms = np.sqrt(np.einsum("ij,ij->i", block, block)) * np.sqrt(q @ q)
                part = 1.0 - (block @ q) / norms
            case Metric.L2:
                block -= q
                part = np.sqrt(np.einsum("ij,ij->i", block, block))
            case Metric.DOT:
                part = -(block @ q)
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
