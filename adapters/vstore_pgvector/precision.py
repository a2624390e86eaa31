"""How far distances that pgvector sums in float32 may be from the true ones, and what that leaves open. Pure.

To the error of a sum (``float32_error``) comes an absolute one: products
below float32's smallest number are lost whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vstore.indexing import Metric
from vstore.records import VectorArray
from vstore.spi.scores import float32_error

__all__ = ["ErrorBounds", "overlapping", "slack"]

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_SMALLEST: Final = 2.0**-149
# What float32 was seen to lose of a sum in fact, up to 16,000 dimensions, four times over; in parts of its norms.
_USUAL: Final = 2.8e-7
# How many times what float32 loses whole a sum of squares is, of which it keeps five digits.
_DEPTH: Final = 1e5


def slack(dimension: int, norm: float) -> float:
    """Return how far a dot product with a vector of this norm may be off, in parts of the other vector's norm."""
    return float32_error(dimension) * norm


class ErrorBounds:
    """What is sure of the distances of one query, as pgvector computed them."""

    def __init__(self, metric: Metric, query: VectorArray) -> None:
        self._metric = metric
        self._query = query
        self._relative = float32_error(len(query))
        self._lost = 2 * len(query) * _SMALLEST

    @cached_property
    def _norm(self) -> float:
        given = self._query.astype(np.float64)
        return math.sqrt(given.dot(given))

    def bounds(self, distance: Floats, norms: Floats) -> tuple[Floats, Floats]:
        """Return the bounds of each true distance; ``norms`` are those of the records."""
        match self._metric:
            case Metric.COSINE:
                error: Floats | float = 2 * self._relative
            case Metric.L2:
                square = distance * distance
                low = np.maximum(square * (1 - self._relative) - self._lost, 0)
                return np.sqrt(low), np.sqrt(square * (1 + self._relative) + self._lost)
            case Metric.DOT:
                error = self._relative * self._norm * norms + self._lost
        return distance - error, distance + error

    def are_clear(self, distances: Sequence[float], norms: Sequence[float]) -> bool:
        """Return whether nothing is open of hits in this order: each is surely nearer than the next, and exact enough.

        It says in one pass, for as few hits as most queries have, what ``overlapping``, ``imprecise`` and
        ``underflowed`` say of arrays: for ten numbers NumPy's calls take several times as long.
        """
        relative, lost = self._relative, self._lost
        match self._metric:
            case Metric.COSINE:
                least = -math.inf
                for distance in distances:
                    if not distance > least:
                        return False
                    least = distance + 4 * relative
            case Metric.L2:
                if not self._query.dot(self._query) > 1e12 * _DEPTH * lost:  # in float32: if it fails, so does the test
                    return False
                least = -1.0
                for distance in distances:
                    square = distance * distance
                    if not square * (1 - relative) > least:
                        return False
                    least = square * (1 + relative) + 2 * lost
            case Metric.DOT:
                least = -math.inf
                for distance, norm in zip(distances, norms, strict=True):
                    scale = self._norm * norm
                    error = relative * scale + lost
                    told = _USUAL * scale + lost > max(min(1e-6, 1e-6 * scale), 1e-5 * abs(distance))
                    if told or norm * min(norm, self._norm) <= _DEPTH * lost or not distance - error > least:
                        return False
                    least = distance + error
        return True

    def limit(self, distance: float) -> float:
        """Return the most that pgvector may report of a record within ``distance``, less a dot product's slack."""
        match self._metric:
            case Metric.COSINE:
                return distance + 2 * self._relative
            case Metric.L2:
                return math.sqrt((distance * distance + self._lost) / (1 - self._relative))
            case Metric.DOT:
                return distance + self._lost

    def imprecise(self, distance: Floats, norms: Floats) -> Mask:
        """Return which distances may break MET-3: float32 cancels them to nearly nothing, or is too coarse."""
        match self._metric:
            case Metric.COSINE:
                return np.zeros(len(distance), dtype=np.bool_)
            case Metric.L2:
                enough = 1e-6 * self._norm
                return self._lost > np.maximum(1e-5 * distance * distance, enough * enough)
            case Metric.DOT:
                norms = self._norm * norms
                told: Mask = _USUAL * norms + self._lost > np.maximum(np.minimum(1e-6, 1e-6 * norms), _part(distance))
                return told & (norms > 0)

    def underflowed(self, norms: Floats) -> bool:
        """Return whether an index that float32 has built may have taken records as short as these hits for one."""
        depth = _DEPTH * self._lost
        match self._metric:
            case Metric.COSINE:
                return False
            case Metric.L2:
                return bool(self._norm * 1e-6 < math.sqrt(depth) and (norms * norms <= depth).all())
            case Metric.DOT:
                shorter = np.minimum(norms, self._norm)
                return bool(((norms * shorter <= depth) & (shorter > 0)).any())


def _part(distance: Floats) -> Floats:
    return 1e-5 * np.abs(distance)


def overlapping(low: Floats, high: Floats) -> Mask:
    """Return which intervals meet another one, so that it is open whose true value is the smaller."""
    if (low[1:] > high[:-1]).all():
        return np.zeros(len(low), dtype=np.bool_)
    order = np.argsort(low)
    farthest = np.maximum.accumulate(high[order])[:-1]
    meets = farthest >= low[order][1:]
    own = high[order][:-1] >= low[order][1:]
    found = np.zeros(len(low), dtype=np.bool_)
    found[order[1:]] = meets
    found[order[:-1]] |= own
    return found
