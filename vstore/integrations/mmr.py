"""Maximal marginal relevance (Carbonell and Goldstein, doi:10.1145/290941.291025)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["maximal_marginal_relevance"]


def maximal_marginal_relevance(query: ArrayLike, vectors: ArrayLike, k: int, lambda_mult: float = 0.5) -> list[int]:
    """Return the positions of up to ``k`` vectors that are near the query and far from each other, in the order chosen.

    Each step takes the vector of the greatest ``lambda_mult * cos(query, v) - (1 - lambda_mult) * max cos(chosen, v)``,
    of equal ones the first. It is computed in float64; the cosine of a zero vector is 0.

    Args:
        query: Shape (d,).
        vectors: The candidates, nearest first; shape (n, d).
        k: Most positions.
        lambda_mult: From 0 for the greatest diversity to 1 for nearness alone.
    """
    given = np.asarray(vectors, dtype=np.float64)
    if not len(given):
        return []
    candidates = _unit(given)
    # einsum takes each row alike, so that equal vectors have equal cosines
    relevance = np.einsum("ij,j->i", candidates, _unit(np.asarray(query, dtype=np.float64)[None])[0])
    redundancy = np.full(len(candidates), -np.inf)
    untaken = np.ones(len(candidates), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < min(k, len(candidates)):
        gain = lambda_mult * relevance - (1 - lambda_mult) * redundancy if chosen else relevance
        best = int(np.argmax(np.where(untaken, gain, -np.inf)))
        chosen.append(best)
        untaken[best] = False
        redundancy = np.maximum(redundancy, np.einsum("ij,j->i", candidates, candidates[best]))
    return chosen


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    norms[norms == 0] = 1.0
    unit: NDArray[np.float64] = rows / norms
    return unit
