"""How exactly a vector comes back from a database, and whether two vectors are equal by that measure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.indexing import Metric
from vstore.records import VectorArray

__all__ = ["Exactness", "agreed", "bitwise", "same_vectors"]


class Exactness(StrEnum):
    """The classes, from the strictest; docs/contract.md VEC-3 promises the last."""

    BITS = "bit for bit"
    ULP = "within 2 units in the last place"
    RELATIVE = "within 1e-6 of the vector's length"


# Under l2 and dot every database keeps bits. Under cosine these keep them as well, or miss them by so much; of
# others what the contract promises is all that is known.
_UNDER_COSINE: Final = {
    "memory": Exactness.BITS,
    "pgvector": Exactness.BITS,
    "milvus": Exactness.BITS,
    "parquet": Exactness.BITS,
    "arrow": Exactness.BITS,
    "jsonl": Exactness.BITS,
    "npy": Exactness.BITS,
    "chroma": Exactness.ULP,
}
_ORDER: Final = list(Exactness)
_ULPS: Final = 2
_TOLERANCE: Final = 1e-6


def agreed(left: str, right: str, metric: Metric) -> Exactness:
    """The class by which vectors from two backends are compared: the looser of the two."""
    if metric is not Metric.COSINE:
        return Exactness.BITS
    found = [_UNDER_COSINE.get(backend, Exactness.RELATIVE) for backend in (left, right)]
    return max(found, key=_ORDER.index)


def bitwise(left: VectorArray, right: VectorArray) -> NDArray[np.bool_]:
    """Which rows are equal in every component, -0.0 being 0.0."""
    same: NDArray[np.bool_] = (left == right).all(axis=1)
    return same


def same_vectors(left: VectorArray, right: VectorArray, exactness: Exactness) -> NDArray[np.bool_]:
    """Which rows, of shape (n, d) both, are equal by the class."""
    same = bitwise(left, right)
    match exactness:
        case Exactness.BITS:
            return same
        case Exactness.ULP:
            close: NDArray[np.bool_] = (np.abs(_steps(left) - _steps(right)) <= _ULPS).all(axis=1)
            return same | close
        case Exactness.RELATIVE:
            exact = left.astype(np.float64)
            lengths = np.linalg.norm(exact, axis=1)
            near: NDArray[np.bool_] = np.linalg.norm(exact - right, axis=1) <= _TOLERANCE * lengths
            return same | near


def _steps(vectors: VectorArray) -> NDArray[np.int64]:
    """The place of each float32 in their order: neighbours differ by one, and 0.0 and -0.0 are both 0."""
    bits = np.ascontiguousarray(vectors).view(np.int32).astype(np.int64)
    return np.where(bits < 0, np.int64(-(1 << 31)) - bits, bits)
