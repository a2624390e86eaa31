"""Filters to Chroma's where, as tables, without Chroma."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vstore import F
from vstore.errors import LimitExceeded
from vstore.filters.tree import Filter
from vstore.spi.rewrite import normalize
from vstore_chroma.codec import image
from vstore_chroma.compile import compile_filter, question
from vstore_chroma.where import MAX_VARIABLES, variables

NO_NUMBER = {"_vs.k": {"$nin": ["i", "t", "f", "z", "x"]}}
LISTS = {"_vs.k": {"$in": ["l", "v", "u"]}}
THIRD = 1 / 3


def compiled(node: Filter) -> dict[str, Any]:
    normal = normalize(node)
    assert isinstance(normal, Filter)
    return compile_filter(normal)


@pytest.mark.parametrize(
    ("node", "where"),
    [
        (F("k") == "a", {"k": {"$eq": "a"}}),
        (F("k") != "a", {"k": {"$ne": "a"}}),
        (F("k") == True, {"k": {"$eq": True}}),  # noqa: E712
        (F("k") == 1, {"k": {"$eq": 1}}),
        (F("k") == 1.0, {"k": {"$eq": 1}}),
        (F("chroma:x") == "a", {"_vs=chroma:x": {"$eq": "a"}}),
        # $eq 1.5 of Chroma matches the int 1
        (F("k") == 1.5, {"$and": [{"k": {"$eq": 1.5}}, {"k": {"$ne": 1}}]}),
        (F("k") != 1.5, {"$or": [{"k": {"$ne": 1.5}}, {"k": {"$eq": 1}}]}),
        (F("k").in_([1.5, 1.25]), {"$and": [{"k": {"$in": [1.5, 1.25]}}, {"k": {"$ne": 1}}]}),
        # a float of 16 digits and more stands apart
        (F("k") == THIRD, {"_vs~k": {"$eq": image(THIRD)}}),
        # $eq 2**53 + 1 of Chroma would match the float 2**53, which has 16 digits and stands apart
        (F("k") == 2**53 + 1, {"k": {"$eq": 2**53 + 1}}),
        # $eq 10**17 + 1 of Chroma matches the float 1e17
        (F("k") == 10**17 + 1, {"$and": [{"k": {"$eq": 10**17 + 1}}, {"k": {"$ne": 1e17}}]}),
        (F("k") == 2**53, {"$or": [{"k": {"$eq": 2**53}}, {"_vs~k": {"$eq": image(2.0**53)}}]}),
        (F("k") < 5, {"$or": [{"k": {"$lt": 5}}, {"_vs~k": {"$lt": image(5.0)}}]}),
        (F("k") >= 5.0, {"$or": [{"k": {"$gte": 5}}, {"_vs~k": {"$gte": image(5.0)}}]}),
        (
            ~(F("k") < 5),
            {"$or": [NO_NUMBER, {"$or": [{"k": {"$gte": 5}}, {"_vs~k": {"$gte": image(5.0)}}]}]},
        ),
        # $lt 1.5 of Chroma misses the int 1
        (F("k") < 1.5, {"$or": [{"$or": [{"k": {"$lt": 1.5}}, {"k": {"$lte": 1}}]}, {"_vs~k": {"$lt": image(1.5)}}]}),
        # $lte -1.5 of Chroma matches the int -1
        (
            F("k") <= -1.5,
            {"$or": [{"$and": [{"k": {"$lte": -1.5}}, {"k": {"$lt": -1}}]}, {"_vs~k": {"$lte": image(-1.5)}}]},
        ),
        (F("k") > 1.5, {"$or": [{"k": {"$gt": 1.5}}, {"_vs~k": {"$gt": image(1.5)}}]}),
        # $gte 1e19 of Chroma would match the int 2**63 - 1
        (
            F("k") >= 1e19,
            {"$or": [{"$and": [{"k": {"$gte": 1e19}}, {"k": {"$gt": 2**63 - 1}}]}, {"_vs~k": {"$gte": image(1e19)}}]},
        ),
        (F("k").in_(["a", "b"]), {"k": {"$in": ["a", "b"]}}),
        (F("k").not_in(["a", "b"]), {"k": {"$nin": ["a", "b"]}}),
        (F("k").in_(["a", 1]), {"$or": [{"k": {"$eq": "a"}}, {"k": {"$eq": 1}}]}),
        (F("k").exists(), {"_vs.k": {"$in": ["s", "b", "i", "t", "f", "z", "x", "l", "v", "u"]}}),
        (~F("k").exists(), {"_vs.k": {"$nin": ["s", "b", "i", "t", "f", "z", "x", "l", "v", "u"]}}),
        (F("k").has("a"), {"$and": [LISTS, {"k": {"$contains": "a"}}]}),
        (
            F("k").has(1),
            {
                "$and": [
                    LISTS,
                    {
                        "$or": [
                            {"k": {"$contains": 1}},
                            {"k": {"$contains": 1.0}},
                            {"_vs~k": {"$contains": image(1.0)}},
                        ]
                    },
                ]
            },
        ),
        (F.document.contains("x"), {"#document": {"$contains": "x"}}),
        (~F.document.contains("x"), {"#document": {"$not_contains": "x"}}),
        (
            (F("k") == "a") | F.document.contains("x"),
            {"$or": [{"k": {"$eq": "a"}}, {"#document": {"$contains": "x"}}]},
        ),
    ],
)
def test_where(node: Filter, where: dict[str, Any]) -> None:
    assert compiled(node) == where
    # 1 == 1.0 == True in Python: the types as JSON sees them
    assert json.dumps(compiled(node)) == json.dumps(where)


def _depth(where: Any) -> int:
    if isinstance(where, dict):
        return 1 + max(map(_depth, where.values()))
    return 1 + max(map(_depth, where)) if isinstance(where, list) and isinstance(where[0], dict) else 0


def _widest(where: dict[str, Any]) -> int:
    ((key, value),) = where.items()
    return max(len(value), *map(_widest, value)) if key in ("$and", "$or") else 0


def test_many_terms_are_a_shallow_tree_and_never_a_flat_chain() -> None:
    # a flat $or of 1,000 terms exceeds SQLite's depth, of many more it crashes the server
    where = compiled(F("k").contains_any([f"t{n}" for n in range(10_000)]))
    assert _widest(where) <= 32
    assert _depth(where) <= 12


def test_ten_thousand_values_fit() -> None:
    n = range(10_000)
    for values in ([*n], [x / 8 for x in n], [x / 3 for x in n], [2**60 + x for x in n]):
        assert variables(compiled(F("k").in_(values))) <= MAX_VARIABLES


def test_what_sqlite_could_not_take_is_refused() -> None:
    half = F("k").in_([*range(10_000)])
    with pytest.raises(LimitExceeded):
        compiled(half & F("j").in_([*range(10_000)]))
    with pytest.raises(LimitExceeded):
        compiled(F("k").contains_any([n / 3 for n in range(9_000)] + [*range(1000)]))
    with pytest.raises(LimitExceeded):
        compiled(F.document.contains("x" * 49_991))
    with pytest.raises(LimitExceeded):
        compiled(F.document.contains("%" * 25_000))


@pytest.mark.parametrize(
    ("node", "asked"),
    [
        (F("k").exists(), None),
        (~F("k").exists() & (F("j") == 1), F("j") == 1),
        (~(F("k") < 5) & (F("k") < 9), F("k") < 9),
        ((F("k") < 5) & ((F("j") == 1) | ~(F("k") < 5)), F("k") < 5),
    ],
)
def test_without_markers_exists_and_complements_of_orderings_are_looked_at_here(
    node: Filter, asked: Filter | None
) -> None:
    normal: Any = normalize(node)
    found = question(normal)
    assert found.partial is not None
    assert (found.partial.where, found.partial.asked) == (normal, asked)
    assert found.where == (None if asked is None else compiled(asked))
    assert question(normal, marked=True).partial is None


def test_orderings_and_equality_ask_no_markers() -> None:
    for node in (F("k") < 1.5, F("k") != 1.5, F("k").in_([1.5, 2**60 + 1, "a", True])):
        normal: Any = normalize(node)
        assert question(normal) == question(normal, marked=True)
        assert "_vs." not in str(question(normal).where)


def test_thousands_of_fractions_are_looked_at_here() -> None:
    few, many = ([n + 0.5 for n in range(number)] for number in (5_000, 5_001))
    assert question(normalize(F("k").in_(few))).partial is None  # type: ignore[arg-type]
    assert question(normalize(F("k").in_(many))).where is None  # type: ignore[arg-type]
