"""How filters are written and how large they may be: FLT-7 and FLT-8."""

from __future__ import annotations

from typing import Any

import pytest

from vstore import F, Filter, InvalidInput
from vstore.conformance.checks import PART, matching, partial, raises, refusing, rows, scanned, selected
from vstore.conformance.fixtures import New, clause
from vstore.conformance.generate import FAMILIES, table
from vstore.conformance.session import Session
from vstore.filters import parse, to_dict

pytestmark = pytest.mark.many_filters


@clause("FLT-7")
def test_filters_may_reach_their_limits_and_not_exceed_them(session: Session) -> None:
    c, every = session.corpus, set(session.records.ids)
    deep = PART
    for level in range(15):
        deep = (deep & F("v").exists()) | (F("nowhere") == level)
    wide = F("nowhere") == 0
    for n in range(1, 499):
        wide = wide | (F("w") == n)
    wide = wide | PART
    wide_and = PART
    for n in range(499):
        wide_and = wide_and & (F("w") != n)
    long = F("year").in_([*range(1995, 2002), *range(10_000, 19_993)])
    texts = F("part").in_([*(f"t{n}" for n in range(9_999)), "x"])
    lists = F("tags").contains_any([*(f"t{n}" for n in range(999)), "a"])
    everything = F("tags").contains_all(["a", "b"]) | F("v").contains_all([f"t{n}" for n in range(400)])
    for where in (deep, wide, wide_and, long, texts, lists, everything):
        question, expected = partial(where, session.records)
        assert set(scanned(c, question)) == expected
        assert c.count(~question) == len(every) - len(expected)
    too_deep = PART
    for _ in range(32):
        too_deep = ~too_deep
    for wrong in (too_deep, wide | PART, wide_and & PART):
        with raises(InvalidInput):
            c.count(wrong)
    with pytest.raises(InvalidInput):
        F(*["a"] * 33)
    for call in (F("v").in_, F("v").not_in, F("v").contains_any, F("v").contains_all):
        with pytest.raises(InvalidInput):
            call(range(10_001))


@clause("FLT-8")
def test_the_dict_form_is_the_same_filter(session: Session) -> None:
    c, capabilities = session.corpus, session.store.capabilities
    cases: list[tuple[dict[str, Any], Filter]] = [
        ({"year": {"$gte": 2002, "$lt": 2004}}, (F("year") >= 2002) & (F("year") < 2004)),
        ({"part": "x", "flag": True}, (F("part") == "x") & (F("flag") == True)),
        (
            {"$or": [{"part": {"$in": ["x", "y"]}}, {"tags": {"$has": "a"}}]},
            F("part").in_(["x", "y"]) | F("tags").has("a"),
        ),
        ({"$not": {"year": {"$gt": 2002.5}}, "v": {"$exists": True}}, ~(F("year") > 2002.5) & F("v").exists()),
        (
            {"part": {"$nin": ["x"]}, "tags": {"$contains_any": ["a", "b"]}},
            F("part").not_in(["x"]) & F("tags").contains_any(["a", "b"]),
        ),
        (
            {"$and": [{"part": {"$ne": "x"}}, {"tags": {"$contains_all": ["a", "b"]}}]},
            (F("part") != "x") & F("tags").contains_all(["a", "b"]),
        ),
    ]
    for given, where in cases:
        expected = matching(where, session.records)
        assert 0 < len(expected) < len(session.records)
        assert selected(c, given) == selected(c, where) == expected
        assert parse(given) == where
    for family in FAMILIES:
        for where in table(family, capabilities):
            assert parse(to_dict(where)) == where
            assert parse(to_dict(~where)) == ~where


@clause("FLT-8", "ERR-1")
def test_what_is_no_filter_is_refused(new: New) -> None:
    c = new()
    c.add(["a"], rows(1), metadatas=[{"v": 1}])
    wrong: list[Any] = [
        {}, {"v": {}}, {"v": {"$gte": None}}, {"v": None}, {"v": {"$like": "a"}}, {"$xor": []}, {"v": {"$in": "abc"}},
        {"v": [1]}, {"v": {"$exists": 1}}, {"$and": {}}, {"$not": []}, {"v": {"$gt": True}}, {"v": {"$eq": 2**63}},
        {"v": float("nan")}, {"_vs": 1}, {"a\x00": 1}, {'a"b': 1}, {"v": "a\x00"}, {"": 1}, {1: 2},
        {"$document": "x"}, {"$document": {"$contains": ""}}, {"v": {"$contains_all": []}}, {"v": {"$matches": "("}},
        "v = 1", 1, True, [{"v": 1}], object(), {"v": 10**5000}, {"v": {"$matches": "a{1001}"}},
        {"v": {"gte": 1}}, {"v": {"eq": 1}}, {"v": {"in": [1]}}, {"v": {"GT": 1}}, {"v": {">=": 1}},
        {"v": {"$gte ": 1}}, {"v": {"$eqq": 1}}, {"or": [{"v": 1}, {"v": 2}]}, {"AND": [{"v": 1}]}, {"not": {"v": 1}},
        {"not": {"v": {"$gt": 1}}},
        {"v": {"not": {"$gte": 1}}}, {"v": {"o": {"lt": 5}}}, {"$nested": {}}, {"$nested": [1]}, {"$NOT": {"v": 1}},
        {"v": {"$matches": "("* 5000 + ")" * 5000}}, {"v": {"$matches": "\x00"}}, {"v": {"$exists": 10**5000}},
    ]  # fmt: skip
    for where in wrong:
        for call in (
            lambda w: c.count(w),
            lambda w: list(c.scan(where=w)),
            lambda w: c.query(vector=[1, 0, 0, 0], where=w),
            lambda w: c.delete(where=w),
        ):
            refusing(InvalidInput, c, lambda call=call, where=where: call(where))  # type: ignore[misc]
