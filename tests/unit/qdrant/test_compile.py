"""Filters to conditions, and these to the words of both libraries, as tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vstore import F
from vstore.errors import Unsupported
from vstore.filters.tree import Filter
from vstore.spi.rewrite import normalize
from vstore_qdrant.client_models import client_filter
from vstore_qdrant.compile import compile_filter
from vstore_qdrant.conditions import (
    All,
    AnyOf,
    Bound,
    Condition,
    Flag,
    NoneOf,
    Number,
    OneOf,
    Present,
    Split,
    Terms,
    Text,
    joined,
)
from vstore_qdrant.filter_fields import halves

K = ("k",)
FIVE = halves(5)[0]
THIRD = halves(1 / 3)
THERE = AnyOf((Terms(("k", 'k"b0', 'k"b1')), Number(K, "high", ">=", -(2**52))))


def compiled(node: Filter) -> Condition:
    normal = normalize(node)
    assert isinstance(normal, Filter)
    return compile_filter(normal)


@pytest.mark.parametrize(
    ("node", "condition"),
    [
        (F("k") == "a", Terms(('k"sa',))),
        (F("k") != "a", NoneOf(Terms(('k"sa',)))),
        (F("k") == True, Terms(('k"b1',))),  # noqa: E712
        (F("k") == 1, Terms(('k"n1',))),
        (F("k") == 1.0, Terms(('k"n1',))),
        (F("k") == -0.0, Terms(('k"n0',))),
        (F("k") == 1.5, Terms(('k"n1.5',))),
        (F("k") == 2**53 + 1, Terms(('k"n9007199254740993',))),
        (F("k") == float(2**63), Terms(('k"n9.223372036854776e+18',))),
        (F("k") == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), Terms(('k"n1000000',))),
        (F("k").in_([1, True, "1"]), Terms(('k"n1', 'k"b1', 'k"s1'))),
        (F("k").has("a"), Terms(('k"["sa',))),
        (F("k").contains_all(["a", 1]), All((Terms(('k"["sa',)), Terms(('k"["n1',))))),
        (F("k").exists(), THERE),
        (~F("k").exists(), NoneOf(THERE)),
        (F("a.b") == 1, Terms(('a.b"n1',))),
        (F("a", "b") == 1, Terms(('a\\b"n1',))),
        (F.document.contains("x%"), Text("x%")),
        # the lower half of a small int is 0, and nothing with the same upper half is below it
        (F("k") >= 5, Number(K, "high", ">=", FIVE)),
        (F("k") < 5, Number(K, "high", "<", FIVE)),
        (
            F("k") > 5,
            AnyOf((Number(K, "high", ">", FIVE), All((Number(K, "high", "==", FIVE), Number(K, "low", ">", 0))))),
        ),
        (
            F("k") <= 5,
            AnyOf(
                (Number(K, "high", "<", FIVE), All((Number(K, "high", "==", FIVE), NoneOf(Number(K, "low", ">", 0)))))
            ),
        ),
        (
            F("k") >= 1 / 3,
            AnyOf(
                (
                    Number(K, "high", ">", THIRD[0]),
                    All((Number(K, "high", "==", THIRD[0]), Number(K, "low", ">=", THIRD[1]))),
                )
            ),
        ),
        ((F("k") == 1) | ~F("k").exists(), AnyOf((Terms(('k"n1',)), NoneOf(THERE)))),
    ],
)
def test_table(node: Filter, condition: Condition) -> None:
    assert compiled(node) == condition


@pytest.mark.parametrize("node", [F("k") < "a", F("k").matches("a")])
def test_what_qdrant_cannot_is_refused(node: Filter) -> None:
    with pytest.raises(Unsupported):
        compiled(node)


def _clauses(found: object) -> int:
    """Clauses of a filter in JSON; fails on one that has none, which would select everything."""
    if isinstance(found, dict):
        if found.keys() & {"must", "should", "must_not"}:
            assert all(found[name] for name in found if name in ("must", "should", "must_not"))
        return sum(_clauses(value) for value in found.values()) + len(found.keys() & {"match", "range"})
    return sum(_clauses(item) for item in found) if isinstance(found, list) else 0


def test_no_clause_is_lost_and_no_filter_is_empty() -> None:
    leaf = (F("a") == 1) & (F("b") > 2) & ~(F("c").in_([1, 2]) | F("d").exists()) & F.document.contains("x")
    found = client_filter(compiled(leaf)).model_dump(exclude_none=True)
    assert _clauses(found) == 1 + 3 + 1 + 2 + 1


def test_keys_are_quoted_in_paths() -> None:
    found = client_filter(compiled(F("a.b", "c[0]") >= 1)).model_dump(exclude_none=True)
    assert found["must"][0]["key"] == 'high."a.b"."c[0]"'


@pytest.mark.parametrize(
    ("node", "condition"),
    [
        (F("k") == "a", Split("k", OneOf(K, ("a",)), None)),
        (F("k") == True, Split("k", Flag(K, True), None)),  # noqa: E712
        (F("k") == 1, Split("k", Bound(K, "==", 1.0), Terms(('k"n1',)))),
        (F("k") == 2**53, Terms(('k"n9007199254740992',))),
        (F("k") == 4e15, Split("k", Bound(K, "==", 4e15), Terms(('k"n4000000000000000',)))),
        (F("k") == 1 / 3, Terms(('k"n0.3333333333333333',))),
        (F("k") < 0.1, Split("k", Bound(K, "<", 0.1), compiled(F("k") < 0.1))),
        (
            F("k").in_(["a", 2, 2**60, False]),
            Split(
                "k",
                AnyOf((OneOf(K, ("a",)), Flag(K, False), Bound(K, "==", 2.0))),
                Terms(('k"n2', 'k"n1152921504606846976')),
            ),
        ),
        (F("k").exists(), Present(K)),
        (F("k").has("a"), Terms(('k"["sa',))),
        (~(F("a", "b") == "x"), NoneOf(Split("a\\b", OneOf(("a", "b"), ("x",)), None))),
    ],
)
def test_beside_a_lean_shadow_the_metadata_is_asked(node: Filter, condition: Condition) -> None:
    normal = normalize(node)
    assert isinstance(normal, Filter)
    assert compile_filter(normal, lean=True) == condition


def test_a_leaf_is_split_where_its_term_is_used() -> None:
    own, shadow = OneOf(K, ("a",)), Terms(("t",))
    asked = All((NoneOf(Split("k", own, None)), AnyOf((Split("k", own, shadow), shadow))))
    plain = All((own, NoneOf(Terms(("k",)))))
    assert joined(asked, lambda term: term == "k") == All((NoneOf(plain), AnyOf((AnyOf((plain, shadow)), shadow))))
    assert joined(asked, lambda _: False) == All((NoneOf(own), AnyOf((own, shadow))))
