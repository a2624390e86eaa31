"""Vectors: VEC-1 to VEC-3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vstore import InvalidInput, Records, Store
from vstore.capabilities import Exactness
from vstore.conformance.checks import names, refusing, rows
from vstore.conformance.fixtures import New, clause

METRICS = ["cosine", "l2", "dot"]
GOOD = [1.0, 2.0, 3.0, 4.0]
BAD_ROWS: dict[str, Any] = {
    "too short": [1.0, 2.0, 3.0],
    "too long": [1.0, 2.0, 3.0, 4.0, 5.0],
    "empty": [],
    "NaN": [1.0, float("nan"), 3.0, 4.0],
    "inf": [1.0, float("inf"), 3.0, 4.0],
    "-inf": [1.0, float("-inf"), 3.0, 4.0],
    "beyond float32": [1.0, 1e39, 3.0, 4.0],
    "text": [1.0, "2", 3.0, 4.0],
    "None in it": [1.0, None, 3.0, 4.0],
    "complex": [1.0, 2j, 3.0, 4.0],
    "None": None,
    "a str": "1234",
    "a dict": {"a": 1},
    "nested": [[1.0, 2.0], [3.0, 4.0]],
    "too large": [1e16, 0.0, 0.0, 0.0],
}


@clause("VEC-1")
@pytest.mark.parametrize("kind", BAD_ROWS)
def test_what_is_no_vector_is_refused_and_named(new: New, kind: str) -> None:
    c = new()
    c.add(["a"], [GOOD])
    wrong = BAD_ROWS[kind]
    for call in (
        lambda: c.add(["b", "c", "d"], [GOOD, wrong, GOOD]),
        lambda: c.upsert(["a", "c", "d"], [GOOD, wrong, GOOD]),
        lambda: c.update(["a"], [wrong]),
        lambda: c.query(vector=wrong),
        lambda: c.query_many(vectors=[GOOD, wrong]),
    ):
        refusing(InvalidInput, c, call)
    error = refusing(InvalidInput, c, lambda: c.add(["b", "c", "d"], [GOOD, wrong, GOOD]))
    assert "vectors[1]" in str(error), "the error must name the record"


@clause("VEC-1")
def test_vectors_must_be_one_row_for_each_id(new: New) -> None:
    c = new()
    for wrong in (
        rows(2),
        rows(4),
        rows(3)[0],
        rows(3, 5),
        np.zeros((3, 4, 1)),
        np.array([["a"] * 4] * 3),
        1.0,
        "abc",
        object(),
    ):
        refusing(InvalidInput, c, lambda wrong=wrong: c.add(["a", "b", "c"], wrong))  # type: ignore[misc]
    refusing(InvalidInput, c, lambda: c.add(["a"]))


@clause("VEC-1", "VEC-3")
@pytest.mark.parametrize(
    "kind", ["float32", "float64", "float16", "int64", "uint8", "fortran", "strided", "list", "tuple"]
)
def test_any_numeric_form_of_a_vector_is_taken(new: New, kind: str) -> None:
    plain = np.arange(1, 13).reshape(3, 4)
    match kind:
        case "fortran":
            given: Any = np.asfortranarray(plain.astype(np.float32))
        case "strided":
            given = np.repeat(plain.astype(np.float32), 2, axis=1)[:, ::2]
        case "list":
            given = plain.tolist()
        case "tuple":
            given = tuple(tuple(row) for row in plain.tolist())
        case _:
            given = plain.astype(kind)
    c = new()
    c.add(["a", "b", "c"], given)
    found = c.get(["a", "b", "c"]).vectors
    assert found is not None
    assert found.dtype == np.float32
    assert found.shape == (3, 4)
    np.testing.assert_array_equal(found, plain)


@clause("VEC-2")
def test_a_zero_vector_is_refused_under_cosine_only(new: New) -> None:
    zero = [0.0, -0.0, 0.0, 0.0]
    c = new(metric="cosine")
    c.add(["a"], [GOOD])
    for call in (
        lambda: c.add(["b", "z"], [GOOD, zero]),
        lambda: c.upsert(["a", "z"], [GOOD, zero]),
        lambda: c.update(["a"], [zero]),
        lambda: c.query(vector=zero),
    ):
        refusing(InvalidInput, c, call)
    assert "vectors[1]" in str(refusing(InvalidInput, c, lambda: c.add(["b", "z"], [GOOD, zero])))
    for metric in ("l2", "dot"):
        c = new(metric=metric)
        c.add(["a", "z"], [GOOD, zero])
        assert c.get(["z"]).vectors.tolist() == [[0.0] * 4]  # type: ignore[union-attr]
        assert set(c.query(vector=zero, k=2, exact=True).ids) == {"a", "z"}
        assert set(c.query(vector=GOOD, k=2).ids) == {"a", "z"}


@clause("VEC-3")
@pytest.mark.parametrize("metric", METRICS)
def test_a_vector_comes_back_equal(new: New, metric: str) -> None:
    rng = np.random.default_rng(3)
    given = rng.normal(size=(200, 33)).astype(np.float32)
    given[:100] *= (10.0 ** rng.uniform(-14, 14, size=(100, 1))).astype(np.float32)
    given[100:110] = np.float32(1) / np.float32(3)
    given[110:120, 1:] = 0.0
    given[120, :3] = [np.nextafter(np.float32(1), np.float32(2)), np.finfo(np.float32).tiny, -1e-30]
    ids = names(200)
    c = new(33, metric)
    c.add(ids, given)
    by_scan = Records.concat([p.records for p in c.scan(batch_size=64)]).ordered(ids).vectors
    by_query = c.query(vector=given[0], k=200, exact=True, include=["vectors"]).records.ordered(ids).vectors
    for found in (c.get(ids).vectors, by_query, by_scan):
        assert found is not None
        if metric == "cosine":
            size = np.linalg.norm(given.astype(np.float64), axis=1, keepdims=True)
            assert (np.abs(found.astype(np.float64) - given) <= 1e-6 * size).all()
        else:
            assert found.tobytes() == given.tobytes()


@clause("VEC-3", "CAP-2")
def test_a_vector_comes_back_under_cosine_as_exactly_as_declared(new: New, store: Store) -> None:
    given = np.random.default_rng(4).normal(size=(200, 33)).astype(np.float32)
    ids = names(200)
    c = new(33, "cosine")
    c.add(ids, given)
    found = c.get(ids).vectors
    assert found is not None
    match store.capabilities.cosine_exactness:
        case Exactness.BITS:
            np.testing.assert_array_equal(found, given)
        case Exactness.ULP:
            np.testing.assert_array_max_ulp(found, given, maxulp=2)
        case Exactness.RELATIVE:
            size = np.linalg.norm(given.astype(np.float64), axis=1, keepdims=True)
            assert (np.abs(found.astype(np.float64) - given) <= 1e-6 * size).all()


@clause("VEC-3")
@pytest.mark.parametrize("metric", METRICS)
def test_an_update_of_a_vector_is_exact_too(new: New, metric: str) -> None:
    c = new(4, metric)
    c.add(["a", "b"], [GOOD, GOOD], documents=["x", None], metadatas=[{"k": 1}, None])
    c.update(["a"], [[3e10, -4e10, 0.1, 0.2]])
    found = c.get(["a", "b"])
    assert found.vectors is not None
    np.testing.assert_allclose(
        found.vectors, [[3e10, -4e10, 0.1, 0.2], GOOD], rtol=1e-6, atol=5e4 if metric == "cosine" else 0
    )
    assert found.documents == ["x", None]
    assert found.metadatas == [{"k": 1}, {}]


@clause("VEC-1")
def test_vectors_of_one_and_of_many_dimensions(new: New) -> None:
    for dimension in (1, 2, 1536):
        c = new(dimension, "l2")
        given = rows(5, dimension)
        c.add(names(5), given)
        found = c.get(names(5)).vectors
        assert found is not None
        assert found.tobytes() == given.tobytes()
        assert c.query(vector=given[3], k=1, exact=True).ids == ["r00003"]
