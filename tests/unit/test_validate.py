"""What is checked before any I/O, at its edges; the suite checks the same through every store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from vstore import F, InvalidInput, LimitExceeded, Metric, Unsupported
from vstore.capabilities import Capabilities, no
from vstore.core.validate import check_documents, check_filter, check_ids, check_k, check_vectors
from vstore.filters.tree import Eq
from vstore.memory.store import CAPABILITIES
from vstore.metadata import check_metadata, check_metadatas


def test_ids_become_a_new_list() -> None:
    given = ["a", "b"]
    assert check_ids(given) == given
    assert check_ids(given) is not given
    assert check_ids(iter("ab")) == ["a", "b"]
    assert check_ids(["x" * 512, "\U0001f600" * 128]) != []
    assert check_ids(["a", "a"], distinct=False) == ["a", "a"]


@pytest.mark.parametrize(
    "ids", ["abc", b"abc", 7, None, ["a", 1], [""], ["a\x00"], ["x" * 513], ["\udc00"], ["a", "a"]]
)
def test_ids_that_are_refused(ids: object) -> None:
    with pytest.raises(InvalidInput):
        check_ids(ids)


def test_a_float32_array_is_not_copied() -> None:
    given = np.ones((3, 4), dtype=np.float32)
    assert check_vectors(given, 4, Metric.L2) is given
    assert check_vectors(given.astype(np.float64), 4, Metric.L2).dtype == np.float32
    assert check_vectors(np.asfortranarray(given), 4, Metric.L2).flags.c_contiguous


@pytest.mark.parametrize(
    ("vector", "metric", "said"),
    [
        ([1.0, float("nan")], Metric.L2, "NaN"),
        ([1.0, 1e39], Metric.L2, "beyond float32"),
        ([1e15, 1e15], Metric.DOT, "norm above"),
        ([0.0, 0.0], Metric.COSINE, "zero"),
        ([1e-16, 0.0], Metric.COSINE, "norm below"),
        ([1.0], Metric.L2, "1 dimensions"),
        ([1.0, "x"], Metric.L2, "not a list of numbers"),
        ([1.0, True], Metric.L2, None),
    ],
)
def test_vectors_that_are_refused_are_named(vector: list[Any], metric: Metric, said: str | None) -> None:
    if said is None:
        assert check_vectors([[1.0, 2.0], vector], 2, metric).tolist() == [[1.0, 2.0], [1.0, 1.0]]
        return
    with pytest.raises(InvalidInput, match=r"vectors\[1\]") as caught:
        check_vectors([[1.0, 2.0], vector], 2, metric)
    assert said in str(caught.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [1e30, float("inf"), float("nan")])
def test_a_query_whose_square_overflows_is_refused_without_a_warning(number: float) -> None:
    with pytest.raises(InvalidInput):
        check_vectors(np.full((1, 4), number, dtype=np.float32), 4, Metric.L2)


@pytest.mark.parametrize("norm", [1e-15, 1e-14, 1.0, 1e14, 9.9e14])
def test_norms_within_the_limits_are_taken(norm: float) -> None:
    assert check_vectors([[norm * 1.001, 0.0]], 2, Metric.COSINE).shape == (1, 2)


def test_documents() -> None:
    assert check_documents(["a", None, ""], 3, 10) == ["a", None, ""]
    assert check_documents(["é" * 5], 1, 10) == ["é" * 5]
    for wrong in ("ab", ["a"], [1, "b"], ["a\x00", "b"], {"a": 1, "b": 2}, {"a", "b"}):
        with pytest.raises(InvalidInput):
            check_documents(wrong, 2, 10)
    with pytest.raises(LimitExceeded, match=r"documents\[1\]"):
        check_documents(["a", "é" * 6], 2, 10)


def test_metadata_without_none_is_the_callers_own_and_none_is_dropped_in_a_copy() -> None:
    own = {"a": 1}
    assert check_metadata(own) is own
    given = {"a": None, "b": {"c": None, "d": 1}}
    assert check_metadata(given, nested=True) == {"b": {"d": 1}}
    assert check_metadata(given, nested=True, keep_none=True) == {"a": None, "b": {"d": 1}}
    assert given == {"a": None, "b": {"c": None, "d": 1}}


def test_a_dict_inside_is_a_matter_of_the_backend() -> None:
    assert check_metadatas([{"a": {"b": 1}}], 1, nested=True) == [{"a": {"b": 1}}]
    with pytest.raises(Unsupported, match=r"metadatas\[0\]"):
        check_metadatas([{"a": {"b": 1}}], 1, nested=False)
    with pytest.raises(InvalidInput):
        check_metadata({"a": {"b": 1}})


def test_the_size_of_metadata_is_measured_as_json() -> None:
    empty = len('{"k":""}')
    assert check_metadata({"k": "x" * (32 * 1024 - empty)})
    assert check_metadata({"k": "é" * ((32 * 1024 - empty) // 2)})
    for wrong in ({"k": "x" * (32 * 1024 - empty + 1)}, {"k": '"' * (16 * 1024)}, {"k": ["x" * 30] * 1000}):
        with pytest.raises(InvalidInput, match="bytes as JSON"):
            check_metadata(wrong)


def without(*features: str) -> Capabilities:
    return replace(CAPABILITIES, **dict.fromkeys(features, no("for this test")))


@pytest.mark.parametrize(
    ("feature", "where"),
    [
        ("nested_paths", F("a", "b") == 1),
        ("document_contains", F.document.contains("x")),
        ("metadata_contains", F("a").contains_text("x")),
        ("metadata_contains", ~F("a").starts_with("x")),
        ("matches", F("a").matches("x")),
        ("string_ordering", F("a") < "x"),
        ("int64_ordering", F("a") < 2**53),
        ("int64_ordering", F("a") >= -(2**53)),
        ("int64_ordering", F("a") > float(2**53)),
        ("int64_ordering", F("a") > datetime(2300, 1, 1, tzinfo=UTC)),
    ],
    ids=repr,
)
def test_what_a_filter_needs(feature: str, where: Any) -> None:
    assert check_filter(where, CAPABILITIES) == check_filter(~~where, CAPABILITIES)
    for asked in (where, ~where, (F("x") == 1) | ~where):
        with pytest.raises(Unsupported, match=feature):
            check_filter(asked, without(feature))


@pytest.mark.parametrize("value", [2**53 - 1, -(2**53) + 1, 1e19, -1e300, 0.5, datetime(2200, 1, 1, tzinfo=UTC)])
def test_safe_orderings_need_nothing(value: Any) -> None:
    assert check_filter(F("a") < value, without("int64_ordering")) is not True


def test_filters_in_dict_form_and_those_that_are_always_true() -> None:
    assert check_filter({"a": 1}, CAPABILITIES) == Eq(("a",), 1)
    assert check_filter(F("a").not_in([]), CAPABILITIES) is True
    assert check_filter(F("a").in_([]), CAPABILITIES) is False
    for wrong in ({}, "a = 1", None, 7):
        with pytest.raises(InvalidInput):
            check_filter(wrong, CAPABILITIES)  # type: ignore[arg-type]


def test_k() -> None:
    assert check_k(5, 5) == 5
    for wrong in (0, -1, 1.0, True, "1", None):
        with pytest.raises(InvalidInput):
            check_k(wrong, 5)
    for above in (6, 10**5000):
        with pytest.raises(LimitExceeded):
            check_k(above, 5)
