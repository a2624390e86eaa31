"""Similarity of vectors at hand, by the formulas that collections use (``vstore.spi.scores``).

Each function takes two vectors or two arrays of vectors: shapes (d,) and (d,) give a float, (d,) and (m, d) an array of
shape (m,), (n, d) and (d,) one of shape (n,), (n, d) and (m, d) one of shape (n, m). Vectors are taken as float32, as
a collection keeps them, and compared in float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vstore.core.validate import check_vectors
from vstore.errors import InvalidInput, reading
from vstore.indexing import Metric
from vstore.records import VectorArray
from vstore.spi import scores

__all__ = ["cosine", "dot", "l2"]


def cosine(a: ArrayLike, b: ArrayLike) -> float | NDArray[np.float64]:
    """``a·b / (‖a‖ ‖b‖)``, the score of a collection with the metric cosine: 1 for the same direction.

    Raises:
        InvalidInput: A wrong shape, NaN, inf, or a zero vector.
    """
    return _pairs(Metric.COSINE, a, b, score=True)


def l2(a: ArrayLike, b: ArrayLike) -> float | NDArray[np.float64]:
    """``‖a - b‖``, not squared: the distance of a collection with the metric l2; lower is nearer.

    Raises:
        InvalidInput: A wrong shape, NaN or inf.
    """
    return _pairs(Metric.L2, a, b, score=False)


def dot(a: ArrayLike, b: ArrayLike) -> float | NDArray[np.float64]:
    """``a·b``, the score of a collection with the metric dot; higher is nearer.

    Raises:
        InvalidInput: A wrong shape, NaN or inf.
    """
    return _pairs(Metric.DOT, a, b, score=True)


def _pairs(metric: Metric, a: ArrayLike, b: ArrayLike, *, score: bool) -> float | NDArray[np.float64]:
    left, one_left = _rows(metric, a, "a", None)
    right, one_right = _rows(metric, b, "b", left.shape[1])
    found = np.empty((len(left), len(right)), dtype=np.float64)
    for row, vector in enumerate(left):
        distances = scores.distances(metric, vector, right)
        found[row] = scores.scores(metric, distances) if score else distances
    if one_left and one_right:
        return float(found[0, 0])
    return found.reshape(-1) if one_left or one_right else found


def _rows(metric: Metric, given: ArrayLike, name: str, dimension: int | None) -> tuple[VectorArray, bool]:
    """The vectors as rows, and whether it was one vector that was given."""
    with reading(name):
        try:
            array = np.asarray(given)
        except ValueError:  # rows of several lengths
            array = np.empty(())
    if array.ndim not in (1, 2) or not array.shape[-1]:
        raise InvalidInput(f"{name} must be numbers of shape (d,) or (n, d)")
    rows = array[None] if array.ndim == 1 else array
    if dimension is not None and rows.shape[1] != dimension:
        raise InvalidInput(f"{name} has vectors of {rows.shape[1]} dimensions, a of {dimension}")
    return check_vectors(rows, rows.shape[1], metric, name=name), array.ndim == 1
