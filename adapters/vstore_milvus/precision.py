"""What the float32 distances of Milvus decide. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.indexing import Metric
from vstore.records import VectorArray
from vstore.sparse import SparseVector
from vstore.spi.scores import float32_error, is_settled

__all__ = ["decided"]

# Below it a float32 may be zero: a product or square is off by as much, whatever its size.
_SMALLEST: Final = float(np.finfo(np.float32).tiny)


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
