"""Filters: two notations of one tree, its limits, and a normal form that means the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore import F, InvalidInput, Records
from vstore.filters import Filter, parse, to_dict
from vstore.filters.tree import (
    And,
    ContainsAll,
    ContainsAny,
    DocumentContains,
    Eq,
    Exists,
    HasText,
    In,
    Leaf,
    Not,
    Or,
    Order,
    depth,
    leaves,
)
from vstore.metadata import micros
from vstore.records import Include
from vstore.spi.evaluate import predicate
from vstore.spi.partial import PartialFilter, split_filter
from vstore.spi.rewrite import normalize

MOMENT = datetime(2024, 2, 29, 12, 30, tzinfo=timezone(timedelta(hours=5)))


@pytest.mark.parametrize(
    ("built", "data"),
    [
        (F("a") == 1, {"a": {"$eq": 1}}),
        (F("a") != "x", {"a": {"$ne": "x"}}),
        (F("a") < 1.5, {"a": {"$lt": 1.5}}),
        (F("a") <= MOMENT, {"a": {"$lte": MOMENT}}),
        (F("a") > -1, {"a": {"$gt": -1}}),
        (F("a") >= "m", {"a": {"$gte": "m"}}),
        (F("a").in_([1, "1", True]), {"a": {"$in": [1, "1", True]}}),
        (F("a").not_in([]), {"a": {"$nin": []}}),
        (F("a").has("x"), {"a": {"$has": "x"}}),
        (F("a").contains_any([1, 2]), {"a": {"$contains_any": [1, 2]}}),
        (F("a").contains_all(["x", "y"]), {"a": {"$contains_all": ["x", "y"]}}),
        (F("a").exists(), {"a": {"$exists": True}}),
        (~F("a").exists(), {"a": {"$exists": False}}),
        (F("a").matches("^x"), {"a": {"$matches": "^x"}}),
        (F("a.b") == 1, {"a.b": {"$eq": 1}}),
        (F("a", "b") == 1, {"a": {"b": {"$eq": 1}}}),
        (F("a").contains_text("x"), {"a": {"$contains_text": "x"}}),
        (F("a").contains_text("x", ignore_case=True), {"a": {"$icontains_text": "x"}}),
        (F("a", "b").starts_with("x"), {"a": {"b": {"$starts_with": "x"}}}),
        (F("a").starts_with("x", ignore_case=True), {"a": {"$istarts_with": "x"}}),
        (F.document.contains("x"), {"$document": {"$contains": "x"}}),
        (~F.document.contains("x"), {"$not": {"$document": {"$contains": "x"}}}),
        ((F("a") == 1) & (F("b") == 2) & (F("c") == 3), {"$and": [{k: {"$eq": n}} for n, k in enumerate("abc", 1)]}),
        ((F("a") == 1) | ~(F("b") > 2), {"$or": [{"a": {"$eq": 1}}, {"$not": {"b": {"$gt": 2}}}]}),
    ],
)
def test_both_notations_are_one_tree(built: Filter, data: dict[str, Any]) -> None:
    assert to_dict(built) == data
    assert parse(data) == built


def test_contains_of_a_text_says_what_may_be_meant() -> None:
    for call in (lambda: F("title").contains("rain"), lambda: parse({"title": {"$contains": "rain"}})):  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="element of a list, or a part of a text") as caught:
            call()
        assert "has" in caught.value.hint
        assert "contains_text" in caught.value.hint
        assert "document" in caught.value.hint
    assert F("n").contains(1) == parse({"n": {"$contains": 1}}) == F("n").has(1)


def test_a_key_shows_its_path() -> None:
    assert repr(F("a")) == "F('a')"
    assert repr(F("a", "b")) == "F('a', 'b')"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: F("a") > 1 & F("b") > 2,
        lambda: (F("a") > 1) & F("b") > 2,
        lambda: F("a") == "x" | F("b"),
        lambda: F("a") > 1 & (F("b") > 2),
        lambda: True & (F("b") > 2),
        lambda: 1 < F("a") < 5,
        lambda: F("a") > 1 and F("b") > 2,
        lambda: not F("a").exists(),
        lambda: F("a") & F("b"),
        lambda: ~F("a"),
    ],
)
def test_a_filter_put_together_wrongly_says_that_parentheses_are_missing(wrong: Any) -> None:
    with pytest.raises((TypeError, InvalidInput), match=r"\(F\('a'\) > 1\) & \(F\('b'\) > 2\)"):
        wrong()


def test_numpy_leaves_a_comparison_to_the_key() -> None:
    assert (np.int64(5) < F("a")) == (F("a") > 5)
    assert (np.float32(0.5) == F("a")) == (F("a") == 0.5)


@pytest.mark.parametrize(
    ("given", "meant"),
    [(np.int8(5), 5), (np.float32(0.1), float(np.float32(0.1))), (np.bool_(True), True), (np.str_("x"), "x")],
)
def test_values_of_a_filter_are_plain(given: Any, meant: Any) -> None:
    for leaf in (Eq(("k",), given), In(("k",), (given,)), ContainsAny(("k",), (given,)), ContainsAll(("k",), (given,))):
        assert repr(leaf) == repr(type(leaf)(("k",), meant if isinstance(leaf, Eq) else (meant,)))
    assert repr(F(np.str_("k")) == 1) == repr(F("k") == 1)


@pytest.mark.parametrize(
    ("short", "built"),
    [
        ({"a": 1}, F("a") == 1),
        ({"a": 1, "b": 2}, (F("a") == 1) & (F("b") == 2)),
        ({"a": {"$gt": 1, "$lt": 5}}, (F("a") > 1) & (F("a") < 5)),
        ({"$and": [{"a": 1}]}, F("a") == 1),
        ({"a": 1, "$or": [{"b": 1}, {"b": 2}]}, And((Eq(("a",), 1), Or((Eq(("b",), 1), Eq(("b",), 2)))))),
    ],
)
def test_short_forms(short: dict[str, Any], built: Filter) -> None:
    assert parse(short) == built


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"a": {}},
        {"$and": []},
        {"$or": [{}]},
        {"$not": {}},
        {"$nor": [{"a": 1}]},
        {"a": {"$like": "x"}},
        {"a": None},
        {"a": [1, 2]},
        {"a": {"$in": "abc"}},
        {"a": {"$in": 5}},
        {"a": {"$exists": 1}},
        {"a": {"$gt": True}},
        {"a": {"$gt": float("nan")}},
        {"a": {"$eq": 2**63}},
        {"a": {"$eq": b"x"}},
        {"a": {"$contains_all": []}},
        {"a": {"$matches": "("}},
        {"a": {"$contains_text": ""}},
        {"a": {"$istarts_with": 5}},
        {"a": {"$eq": datetime(2024, 1, 1)}},  # noqa: DTZ001  # it has no zone: that is the point
        {"a": {"$eq": "\x00"}},
        {"a": {"$eq": "\ud800"}},
        {"$document": "x"},
        {"$document": {"$contains": ""}},
        {"$document": {"$contains": 5}},
        {"_vs": 1},
        {'a"b': 1},
        {"a\\b": 1},
        {"": 1},
        {5: 1},
        [],
        "a",
    ],
)
def test_what_is_no_filter_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput):
        parse(data)


def test_deep_data_is_refused_and_does_not_overflow_the_stack() -> None:
    data: dict[str, Any] = {"a": 1}
    for _ in range(100_000):
        data = {"$not": data}
    with pytest.raises(InvalidInput, match="deeper"):
        parse(data)
    data = {"$eq": 1}
    for _ in range(100_000):
        data = {"a": data}
    with pytest.raises(InvalidInput, match="deep"):
        parse(data)
    deep = F("a") == 1
    for _ in range(100_000):
        deep = ~deep
    with pytest.raises(InvalidInput, match="deeper"):
        to_dict(deep)


def test_filters_at_the_limits_of_depth_and_path_print_back() -> None:
    where: Filter = Eq(("a",) * 32, True)
    for level in range(31):
        where = (where & (F("b") == level)) if level % 2 else (where | (F("b") == level))
    assert depth(where) == 32
    assert repr(parse(to_dict(where))) == repr(where)
    with pytest.raises(InvalidInput, match="33 keys"):
        F(*["a"] * 33)


def test_a_filter_has_no_truth_value() -> None:
    for attempt in (
        lambda: (F("a") == 1) and (F("b") == 2),
        lambda: not F("a").exists(),
        lambda: 1 < F("a") < 5,
        lambda: bool(F("a")),
    ):
        with pytest.raises(TypeError, match="truth value"):
            attempt()


def test_a_filter_combines_with_filters_only() -> None:
    with pytest.raises(InvalidInput):
        (F("a") == 1) & {"b": 2}  # type: ignore[operator]
    with pytest.raises(InvalidInput):
        (F("a") == 1) | True  # type: ignore[operator]


A, B, C = (Eq((key,), 1) for key in "abc")


@pytest.mark.parametrize(
    ("node", "normal"),
    [
        (~(A & B), Or((Not(A), Not(B)))),
        (~(A | ~B), And((Not(A), B))),
        (~~A, A),
        (And((A, And((B, C)))), And((A, B, C))),
        (~Or((A, And((B, C)))), And((Not(A), Or((Not(B), Not(C)))))),
        (In(("a",), ()), False),
        (~In(("a",), ()), True),
        (A & In(("a",), ()), False),
        (A | In(("a",), ()), A),
        (A | ~In(("a",), ()), True),
        (In(("a",), (1, 1.0)), A),
        (In(("a",), (1, True, "1")), In(("a",), (1, True, "1"))),
        (In(("a",), (MOMENT, micros(MOMENT))), Eq(("a",), micros(MOMENT))),
        (Order(("a",), "<", MOMENT), Order(("a",), "<", micros(MOMENT))),
        (ContainsAll(("a",), (1, 2)), And((ContainsAny(("a",), (1,)), ContainsAny(("a",), (2,))))),
        (~ContainsAll(("a",), (1, 2)), Or((Not(ContainsAny(("a",), (1,))), Not(ContainsAny(("a",), (2,)))))),
        (~DocumentContains("x"), Not(DocumentContains("x"))),
    ],
)
def test_normal_form(node: Filter, normal: Filter | bool) -> None:
    found = normalize(node)
    assert repr(found) == repr(normal)  # == takes 1 for True


def test_a_time_zone_must_say_how_far_from_utc_it_is() -> None:
    class Unknown(tzinfo):
        def utcoffset(self, moment: datetime | None) -> None:
            return None

    with pytest.raises(InvalidInput, match="time zone"):
        F("a") > datetime(2024, 1, 1, tzinfo=Unknown())  # noqa: B015  # it is refused when it is built


def test_microseconds_are_exact() -> None:
    assert micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1
    assert micros(datetime.max.replace(tzinfo=UTC)) == 253402300799999999
    assert micros(MOMENT) == 1709191800000000


SCALARS = st.sampled_from([0, 1, 2, 1.0, 1.5, True, False, "a", "b", "", MOMENT, micros(MOMENT), 2**53, 2.0**53 + 2])
KEYS = st.sampled_from([("a",), ("b",), ("n", "a")])
LEAVES = st.one_of(
    st.builds(Eq, KEYS, SCALARS),
    st.builds(Order, KEYS, st.sampled_from(["<", "<=", ">", ">="]), SCALARS.filter(lambda v: type(v) is not bool)),
    st.builds(In, KEYS, st.lists(SCALARS, max_size=4).map(tuple)),
    st.builds(ContainsAny, KEYS, st.lists(SCALARS, max_size=3).map(tuple)),
    st.builds(ContainsAll, KEYS, st.lists(SCALARS, min_size=1, max_size=3).map(tuple)),
    st.builds(Exists, KEYS),
    st.builds(HasText, KEYS, st.sampled_from(["a", "B", "ab"]), st.booleans(), st.booleans()),
    st.builds(DocumentContains, st.sampled_from(["a", "ab"])),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: And(tuple(items))),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: Or(tuple(items))),
    ),
    max_leaves=12,
)
VALUES = st.one_of(
    SCALARS, st.lists(st.sampled_from([1, 2]), min_size=1), st.lists(st.sampled_from(["a", "b"]), min_size=1)
)
METADATA = st.fixed_dictionaries(
    {}, optional={"a": VALUES, "b": VALUES, "n": st.fixed_dictionaries({}, optional={"a": VALUES})}
)


@given(FILTERS, METADATA, st.sampled_from([None, "", "ab", "b"]))
def test_the_normal_form_and_the_dict_form_mean_the_same(
    node: Filter, metadata: dict[str, Any], document: str | None
) -> None:
    meaning = predicate(node)(metadata, document)
    assert predicate(~node)(metadata, document) is not meaning
    assert predicate(parse(to_dict(node)))(metadata, document) is meaning
    assert repr(parse(to_dict(node))) == repr(node), "== takes True for 1"
    normal = normalize(node)
    assert (normal if isinstance(normal, bool) else predicate(normal)(metadata, document)) is meaning


def assert_normal(node: Filter, above: type | None = None) -> None:
    match node:
        case And(items) | Or(items):
            assert len(items) >= 2
            assert type(node) is not above
            for item in items:
                assert_normal(item, type(node))
        case Not(item):
            assert not isinstance(item, And | Or | Not)
            assert_normal(item, Not)
        case In(_, values):
            assert len(values) >= 2
            assert not any(isinstance(value, datetime) for value in values)
        case ContainsAny(_, values):
            assert values
        case Eq(_, value) | Order(_, _, value):
            assert not isinstance(value, datetime)
        case _:
            assert isinstance(node, Exists | HasText | DocumentContains)


@given(FILTERS)
def test_the_normal_form_is_what_adapters_are_promised(node: Filter) -> None:
    normal = normalize(node)
    if not isinstance(normal, bool):
        assert_normal(normal)
        assert sum(1 for _ in leaves(normal)) >= 1
        assert depth(normal) <= depth(node) + 1  # contains_all becomes an And


def in_documents(leaf: Leaf) -> bool:
    return isinstance(leaf, DocumentContains)


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        (A & DocumentContains("x"), A),
        (A & ~DocumentContains("x"), A),
        (A & B & DocumentContains("x"), And((A, B))),
        (A | DocumentContains("x"), None),
        (And((A, Or((B, DocumentContains("x"))))), A),
        (Or((A, And((Or((B, C)), DocumentContains("x"))))), Or((A, B, C))),
        (~DocumentContains("x"), None),
    ],
)
def test_what_is_asked_of_a_database_that_does_not_search_documents(where: Filter, asked: Filter | None) -> None:
    assert split_filter(where, in_documents) == PartialFilter(where, asked)
    assert split_filter(A & B, in_documents) is None


@given(FILTERS, st.lists(st.tuples(METADATA, st.sampled_from([None, "", "ab", "b"])), max_size=4))
def test_a_sieve_keeps_what_matches_and_asks_for_no_less(
    node: Filter, rows: list[tuple[dict[str, Any], str | None]]
) -> None:
    where = normalize(node)
    if isinstance(where, bool) or (found := split_filter(where, in_documents)) is None:
        return
    records = Records([str(n) for n in range(len(rows))], None, [row[1] for row in rows], [row[0] for row in rows])
    matching = [str(n) for n, row in enumerate(rows) if predicate(node)(*row)]
    if found.asked is not None:
        assert_normal(found.asked)
        assert not any(map(in_documents, leaves(found.asked)))
        assert set(matching) <= {str(n) for n, row in enumerate(rows) if predicate(found.asked)(*row)}
    read = found.read(Include())
    kept = found.keep(records.only(read), Include(documents=True))
    assert kept.ids == matching
    assert kept.documents == [rows[int(name)][1] for name in matching]
    assert kept.metadatas is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"priority": {"gte": 5}}, "Did you mean $gte?"),
        ({"priority": {" GTE": 5}}, "Did you mean $gte?"),
        ({"priority": {">=": 5}}, "Did you mean $gte?"),
        ({"priority": {"not_in": [5]}}, "Did you mean $nin?"),
        ({"priority": {"regex": "x"}}, "Did you mean $matches?"),
        ({"priority": {"not": {"$gte": 5}}}, "Did you mean $not?"),
        ({"a": {"b": {"exists": True}}}, "Did you mean $exists?"),
        ({"or": [{"a": 1}, {"b": 2}]}, "Did you mean $or?"),
        ({"AND": [{"a": 1}]}, "Did you mean $and?"),
        ({"not": {"a": 1}}, "Did you mean $not?"),
        ({"not": {"a": {"$gte": 1}}}, "Did you mean $not?"),
        ({"a": {"$eqq": 1}}, "Did you mean $eq?"),
        ({"a": {"$GTE": 1}}, "Did you mean $gte?"),
        ({"$Or": [{"a": 1}]}, "Did you mean $or?"),
        ({"$docment": {"$has": "a"}}, "Did you mean $document?"),
        ({"a": {"$" + "x" * 100_000: 1}}, "Known: $eq"),
    ],
)
def test_what_looks_like_an_operator_is_no_key(data: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(data)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"gte": 5}, F("gte") == 5),
        ({"in": {"$in": [5]}}, F("in").in_([5])),
        ({"not": 1}, F("not") == 1),
        ({"or": {"$gte": 1}}, F("or") >= 1),
        ({"document": {"$has": "a"}}, F("document").has("a")),
        ({"$nested": {"a": {"gte": 5}}}, F("a", "gte") == 5),
        ({"$nested": {"not": {"year": {"$gt": 1}}}}, F("not", "year") > 1),
        ({"a": {"b": 1, "c": 2}}, (F("a", "b") == 1) & (F("a", "c") == 2)),
    ],
)
def test_keys_of_such_a_name(data: dict[str, Any], where: Filter) -> None:
    assert parse(data) == where
    assert parse(to_dict(where)) == where
    assert parse(to_dict(~where)) == ~where
