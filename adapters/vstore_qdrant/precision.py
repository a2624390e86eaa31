"""What the float32 scores of Qdrant decide, and the vectors to ask for. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np

from vstore.indexing import Metric
from vstore.records import VectorArray
from vstore.spi.scores import float32_error
from vstore_qdrant.vectors import units

__all__ = ["converted", "indistinct", "longest_without_error", "rest_is_farther", "scaled"]

# below it a float32 may be zero: a product or square is off by as much, whatever its size
_SMALLEST: Final = float(np.finfo(np.float32).tiny)
# no vector is longer (VEC-1)
_LONGEST: Final = 2e15
# what JSON readers may lose of a length, many times over
_LENGTH_READ: Final = 1 - 1e-9
# a query of this length may lie among vectors with such differences
_SMALL_QUERY: Final = 1e-12
_QUERY_EXPONENT: Final = 70


def scaled(metric: Metric, queries: VectorArray) -> tuple[VectorArray, list[float]]:
    """Return the vectors to ask for, shape (nq, d), and the factor that brings the scores of each back.

    Under dot a power of two brings each to a length near 2**70, exactly: with vectors of 1e-45 to 1e15 no product
    over- or underflows.
    """
    match metric:
        case Metric.COSINE:
            return units(queries), [1.0] * len(queries)
        case Metric.L2:
            return queries, [1.0] * len(queries)
        case Metric.DOT:
            norms = np.linalg.norm(queries.astype(np.float64), axis=1)
            exponents = np.frexp(norms)[1] - _QUERY_EXPONENT
            factors: list[float] = np.ldexp(1.0, exponents).tolist()
            return np.ldexp(queries, -exponents[:, None]), factors


def converted(metric: Metric, scores: list[float], scale: float) -> list[float]:
    """Return reported scores as distances of MET-1."""
    match metric:
        case Metric.COSINE:
            return [1.0 - score for score in scores]
        case Metric.L2:
            return scores
        case Metric.DOT:
            return [-scale * score for score in scores]


def indistinct(queries: VectorArray, place: int) -> bool:
    """Return whether float32 may take all vectors near the query at ``place`` for one, under l2."""
    if abs(queries.item(place, 0)) >= _SMALL_QUERY:  # one component says it of almost every query
        return False
    query = queries[place]
    return float(np.dot(query, query)) < _SMALL_QUERY**2


def rest_is_farther(metric: Metric, dimension: int, last: float, farthest: float) -> bool:
    """Return whether no record that Qdrant left out is as near as ``farthest``, under cosine or l2.

    Args:
        metric: Which formula.
        dimension: Components of a vector.
        last: The distance that Qdrant reports of the last record it sent; it has nothing nearer left.
        farthest: The true distance of the k-th hit.
    """
    relative = float32_error(dimension)
    if metric is Metric.COSINE:
        return last - 2 * relative > farthest
    return last * last * (1 - relative) - 2 * dimension * _SMALLEST > farthest * farthest


def longest_without_error(query: VectorArray, last: float, scale: float, farthest: float) -> float | None:
    """Return the length below which no record that Qdrant left out is as near as ``farthest``, under dot.

    Qdrant is the less sure of a product the longer the vector: it takes so long a one to be off by the difference.

    Args:
        query: Shape (d,).
        last: As for ``rest_is_farther``.
        scale: The factor of ``scaled``.
        farthest: The true distance of the k-th hit.

    Returns:
        None where a vector of any length may be as near.
    """
    spread = last - farthest - 2 * len(query) * _SMALLEST * scale
    error = float32_error(len(query)) * float(np.linalg.norm(query.astype(np.float64)))
    if spread <= 0 or error == 0:
        return None
    return min(_LONGEST, spread / error * _LENGTH_READ)
