"""``vstore.similarity`` agrees with what collections report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vstore
from vstore import InvalidInput, similarity

A = np.random.default_rng(1).standard_normal((5, 7))
B = np.random.default_rng(2).standard_normal((9, 7)).astype(np.float32)
IDS = [f"b{n}" for n in range(9)]


@pytest.mark.parametrize(
    ("metric", "function", "reported"),
    [("cosine", similarity.cosine, "score"), ("l2", similarity.l2, "distance"), ("dot", similarity.dot, "score")],
)
def test_it_agrees_with_a_collection(metric: str, function: Any, reported: str) -> None:
    found = function(A, B)
    assert (found.dtype, found.shape) == (np.float64, (5, 9))
    with vstore.connect("memory:") as store:
        c = store.create_collection("docs", dimension=7, metric=metric)
        c.add(IDS, B)
        for row, query in zip(found, A, strict=True):
            hits = c.query(query, k=9, exact=True)
            assert [getattr(hit, reported) for hit in hits] == [row[IDS.index(hit.id)] for hit in hits]


@pytest.mark.parametrize("function", [similarity.cosine, similarity.l2, similarity.dot])
def test_shapes(function: Any) -> None:
    whole = function(A, B)
    assert function(A[0], B).tolist() == whole[0].tolist()
    assert function(A, B[3]).tolist() == whole[:, 3].tolist()
    one = function(A[2], B[4])
    assert (type(one), one) == (float, whole[2, 4])
    assert function(A[2].tolist(), B[4].tolist()) == one
    assert function(A, np.empty((0, 7))).shape == (5, 0)


def test_known_values() -> None:
    assert similarity.cosine([3, 0], [1, 1]) == pytest.approx(2**-0.5)
    assert similarity.l2([0, 0], [3, 4]) == 5
    assert similarity.dot([1, 2], [3, 4]) == 11


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2], [1, 2, 3]),
        ([0, 0], [1, 2]),
        ([1, float("nan")], [1, 2]),
        (3, [1]),
        ([[1, 2], [3]], [1, 2]),
        (["a"], [1]),
        ([], []),
        (np.ones((2, 2, 2)), [1, 2]),
    ],
)
def test_what_is_no_vector_is_refused(a: Any, b: Any) -> None:
    with pytest.raises(InvalidInput):
        similarity.cosine(a, b)


class Raising:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("of the caller's own code")


def test_what_a_callers_object_raises_is_chained() -> None:
    for pair in ((Raising(), [1, 2]), ([1, 2], Raising())):
        with pytest.raises(InvalidInput, match="cannot be read: RuntimeError"):
            similarity.dot(*pair)
