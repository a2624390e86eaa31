"""A query of one vector, dense or sparse, and no more goes a shorter way, and is the same as by the longer one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import F, Sparse, SparseVector
from vstore.errors import VStoreError

VECTORS = np.random.default_rng(3).normal(size=(20, 4)).astype(np.float32)
VECTOR = VECTORS[7]
TERMS = SparseVector.of({1: 2.0, 12: 1.0})
WHERE = F("year") >= 2000
# a filter of nothing
NESTED: dict[str, Any] = {"$and": []}


@pytest.fixture(scope="module")
def docs() -> Iterator[vstore.Collection]:
    with vstore.connect("memory:") as store:
        made = store.create_collection("docs", dimension=4, fields={"terms": Sparse()})
        made.add(
            ids=[f"r{place:02}" for place in range(20)],
            vectors=VECTORS,
            documents=[f"on {place}" for place in range(20)],
            metadatas=[{"year": 1990 + place} for place in range(20)],
            sparse=[{place % 3: 1.0, 10 + place: 0.5} for place in range(20)],
        )
        yield made


@pytest.fixture
def ways(docs: vstore.Collection, monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., vstore.Hits]]:
    """The short way, for which the long one is closed, and the long one, for which the short one is."""

    def closed(*_: object, **__: object) -> Any:
        raise AssertionError("the other way")

    def short(vector: Any, field: str = "vector", **asked: Any) -> vstore.Hits:
        with monkeypatch.context() as patched:
            patched.setattr(docs._searcher, "answer", closed)
            return docs.query(vector, **asked) if field == "vector" else docs.query(sparse=vector, **asked)

    def long(vector: Any, field: str = "vector", **asked: Any) -> vstore.Hits:
        with monkeypatch.context() as patched:
            patched.setattr(docs._searcher, "nearest", closed)
            return docs.query({field: vector}, **asked)

    return [short, long]


@pytest.mark.parametrize(
    ("field", "vector"),
    [
        *(("vector", one) for one in (VECTOR, VECTOR.tolist(), VECTOR.astype(np.float64), [1, 2, 3, 4])),
        *(("terms", one) for one in (TERMS, TERMS.to_dict(), ([12, 1], [1, 2.0]), {}, {99: 1.0})),
    ],
)
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"k": 3},
        {"where": WHERE},
        {"where": WHERE & (F("year") < 2005) | ~F("year").exists()},
        {"where": {"year": 2001}},
        {"where": F("year").in_([])},
        {"where": ~F("year").in_([])},
        {"include": []},
        {"include": ["vectors", "metadatas"]},
        {"include": ("documents", "metadatas")},
        {"include": "documents"},
    ],
)
def test_both_ways_have_the_same_hits(
    ways: list[Callable[..., vstore.Hits]], field: str, vector: Any, asked: Any
) -> None:
    short, long = ways
    assert short(vector, field, **asked) == long(vector, field, **asked)


@pytest.mark.parametrize(
    ("vector", "asked"),
    [
        (VECTOR, {"k": 0}),
        (VECTOR, {"k": True}),
        (VECTOR, {"k": 10**9}),
        (VECTOR, {"include": ["nothing"]}),
        (VECTOR, {"include": 3}),
        (VECTOR, {"where": 3}),
        (VECTOR, {"where": {}}),
        (VECTOR, {"where": NESTED}),
        (VECTOR[:3], {}),
        (VECTOR * np.nan, {}),
        (VECTOR * 0, {}),
        (VECTORS, {}),
        ([], {}),
        (["a", "b", "c", "d"], {}),
        ([[1.0], [2.0, 3.0]], {}),
        # of two mistakes the first is told
        (VECTOR[:3], {"k": 0, "include": ["nothing"], "where": 3}),
        (VECTOR[:3], {"include": ["nothing"], "where": 3}),
        (VECTOR[:3], {"where": 3}),
        ({1: -1.0}, {"field": "terms"}),
        (3, {"field": "terms"}),
        (TERMS, {"field": "terms", "k": 0}),
        ({1: -1.0}, {"field": "terms", "k": 0, "include": ["nothing"], "where": 3}),
        ({1: -1.0}, {"field": "terms", "include": ["nothing"], "where": 3}),
        ({1: -1.0}, {"field": "terms", "where": 3}),
    ],
)
def test_both_ways_refuse_the_same(ways: list[Callable[..., vstore.Hits]], vector: Any, asked: Any) -> None:
    raised = []
    for way in ways:
        with pytest.raises(VStoreError) as caught:
            way(vector, **asked)
        raised.append((type(caught.value), str(caught.value), caught.value.hint, type(caught.value.__cause__)))
    assert raised[0] == raised[1]
