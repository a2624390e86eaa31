"""Maximal marginal relevance against the formula, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from vstore.integrations.mmr import maximal_marginal_relevance


def by_hand(query: np.ndarray, vectors: np.ndarray, k: int, mult: float) -> list[int]:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        return float(a @ b) / norms if norms else 0.0

    chosen: list[int] = []
    while len(chosen) < min(k, len(vectors)):
        rest = [place for place in range(len(vectors)) if place not in chosen]
        gains = [
            (mult * cosine(query, vectors[p]) - (1 - mult) * max(cosine(vectors[p], vectors[c]) for c in chosen))
            if chosen
            else cosine(query, vectors[p])
            for p in rest
        ]
        chosen.append(rest[int(np.argmax(gains))])
    return chosen


@pytest.mark.parametrize("mult", [0.0, 0.3, 0.5, 1.0])
def test_the_formula(mult: float) -> None:
    random = np.random.default_rng(7)
    for _ in range(20):
        query, vectors = random.normal(size=5), random.normal(size=(12, 5))
        assert maximal_marginal_relevance(query, vectors, 6, mult) == by_hand(query, vectors, 6, mult)


def test_the_first_of_equal_ones_is_taken_and_none_twice() -> None:
    vectors = np.ones((7, 3), dtype=np.float32)
    assert maximal_marginal_relevance([1, 1, 1], vectors, 10, 0.5) == list(range(7))


def test_nothing_and_zero_vectors() -> None:
    assert maximal_marginal_relevance([1.0, 0.0], np.empty((0, 2)), 3) == []
    assert maximal_marginal_relevance([1.0, 0.0], [[0.0, 0.0], [1.0, 0.0]], 2) == [1, 0]
    assert maximal_marginal_relevance([0.0, 0.0], [[0.0, 1.0], [1.0, 0.0]], 1) == [0]
