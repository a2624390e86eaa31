"""What the float32 distances of Milvus decide. Pure.

By the worst case a sum of d products is off by d roundings, which from 80 dimensions on is more than MET-3 allows. What
was seen is less: of the indexes that keep full vectors, for one query at once (of many, l2 may be a difference of large
terms), with vectors of any length and near duplicates, on Lite 3.2 and a server 2.3.5. Under cosine it was up to 3.6e-7
at 64 to 1,536 dimensions and 6e-7 at 8,192, where MET-3 has 1e-6. Under l2 it was up to 5e-7 of the distance, where
MET-3 has 1e-5.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.fields import Dense, Field
from vstore.indexing import HNSW, Flat, IVFFlat, Metric
from vstore.records import VectorArray
from vstore.sparse import SparseVector
from vstore.spi.scores import float32_error, is_settled

__all__ = ["converted", "decided", "doubtful", "is_precise"]

_COSINE_DIMENSION: Final = 2_048
_USUAL_COSINE: Final = 5e-7
_USUAL_L2: Final = 1e-6  # of the distance
_FULL: Final = (Flat, HNSW, IVFFlat)
# Below it a float32 may be zero: a product or square is off by as much, whatever its size.
_SMALLEST: Final = float(np.finfo(np.float32).tiny)
_NONE: Final = np.empty(0, dtype=np.intp)


def is_precise(field: Field) -> bool:
    """Return whether the distances of one query of a field are as exact as MET-3 asks, but for ``doubtful`` ones.

    Under dot the length of a vector, which an answer without vectors does not tell, bounds what is lost.
    """
    if not isinstance(field, Dense) or not isinstance(field.index, _FULL):
        return False
    return field.metric is Metric.L2 or (field.metric is Metric.COSINE and field.dimension <= _COSINE_DIMENSION)


def converted(metric: Metric, reported: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return reported distances of a precise field as those of MET-1, shape (n,)."""
    return 1.0 - reported if metric is Metric.COSINE else np.sqrt(np.maximum(reported, 0.0))


def doubtful(metric: Metric, query: VectorArray, distances: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the places of hits that must be compared again: too near to another one to tell which comes first.

    Under l2 also those whose square may have been lost.

    Args:
        metric: Cosine or l2.
        query: Shape (d,).
        distances: As ``converted`` returns them, ascending.
    """
    cosine = metric is Metric.COSINE
    nearer, farther = distances[:-1], distances[1:]
    meets = farther - nearer <= (2 * _USUAL_COSINE if cosine else _USUAL_L2 * (farther + nearer))
    lost = 0.0 if cosine else _lost(query, distances)
    if not lost and not meets.any():  # as of most queries
        return _NONE
    unsure = 1e-5 * distances * distances <= lost if lost else np.zeros(len(distances), dtype=np.bool_)
    unsure[1:] |= meets
    unsure[:-1] |= meets
    return unsure.nonzero()[0]


def _lost(query: VectorArray, distances: NDArray[np.float64]) -> float:
    """Return by how much a square may be off whatever its size; 0 where that matters to none of the distances."""
    lost = len(query) * _SMALLEST
    if not len(distances) or 1e-5 * float(distances[0]) ** 2 > lost:
        return 0.0
    bound = max(1e-12 * float(query.astype(np.float64).dot(query)), _SMALLEST)  # that of MET-3 near zero
    return lost if bound <= lost else 0.0


def decided(metric: Metric, query: VectorArray | SparseVector, distances: NDArray[np.float64], k: int) -> bool:
    """Return whether no record that Milvus left out is as near as the k-th hit.

    Of dense vectors it is so under cosine and l2 only.

    Args:
        metric: Which formula.
        query: Shape (d,), or a sparse vector.
        distances: True distances of more than k hits, ascending.
        k: Most hits wanted.
    """
    near, far = float(distances[k - 1]), float(distances[-1])
    relative = float32_error(len(query))
    if isinstance(query, SparseVector):  # all terms are positive: a sum is off by a part of itself
        return is_settled(distances, k, far, 2 * relative)
    if metric is Metric.COSINE:
        # of the last hit and of one that did not come: a product and two lengths each
        return far - near > 6 * relative
    # of the squares: Milvus may compute them as a difference of terms as large as both lengths together
    length = float(np.linalg.norm(query.astype(np.float64)))
    return far * far - near * near > 2 * relative * (2 * length + far) ** 2 + 2 * len(query) * _SMALLEST
