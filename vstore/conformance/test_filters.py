"""Filters: FLT-1 to FLT-6 and FLT-9, operator by operator; what is expected comes from the reference."""

from __future__ import annotations

import time
from typing import Any

import pytest

from vstore import F, Filter, InvalidInput, Unsupported
from vstore.conformance.checks import PART, matching, names, partial, raises, refusing, rows, scanned, selected
from vstore.conformance.fixtures import New, Supports, clause, share
from vstore.conformance.generate import FAMILIES, table
from vstore.conformance.session import Session
from vstore.filters import to_dict
from vstore.filters.tree import Order
from vstore.records import Records

pytestmark = pytest.mark.many_filters

OPTIONAL = {
    "string order": "string_ordering",
    "document": "document_contains",
    "parts": "metadata_contains",
    "matches": "matches",
    "nested": "nested_paths",
}


def differences(session: Session, cases: list[Filter]) -> list[str]:
    """What the store answers otherwise than the reference."""
    wrong: list[str] = []
    every = set(session.records.ids)
    for number, case in enumerate(cases):
        where, expected = partial(case, session.records)
        asked = [(where, expected), (~where, every - expected)]
        if number % 5 == 0:
            asked += [partial(f, session.records) for f in (~(where & PART), ~where | PART, ~(~where | PART))]
        for question, answer in asked:
            found = set(scanned(session.corpus, question))
            if found != answer:
                more, less = sorted(found - answer)[:3], sorted(answer - found)[:3]
                wrong.append(
                    f"{to_dict(question)!r:.400}: too many {_show(session, more)}, missing {_show(session, less)}"
                )
    return wrong


def _show(session: Session, ids: list[str]) -> str:
    metadatas = session.records.metadatas or []
    return str([f"{i}: {metadatas[session.records.ids.index(i)]!r:.120}" for i in ids])


@clause("FLT-1", "FLT-2", "FLT-3", "FLT-4", "FLT-5", "FLT-6", "FLT-9", "FLT-10", "CAP-2")
@pytest.mark.parametrize("family", FAMILIES)
def test_leaves_over_every_kind_of_value(
    session: Session, supports: Supports, pytestconfig: pytest.Config, family: str
) -> None:
    capabilities = session.store.capabilities
    cases = table(family, capabilities)
    if share(pytestconfig, session.mode, 4) == 1:
        cases = cases[::4]
    if family in OPTIONAL and not supports(OPTIONAL[family]):
        for where in cases:
            if family != "nested" or len(getattr(where, "path", ())) > 1:
                for question in (where, ~where, where & PART, PART | ~where):
                    with raises(Unsupported):
                        session.corpus.count(question)
        return
    if family == "nested" and not capabilities.nested_metadata:
        cases = []
    assert not differences(session, cases)


@clause("FLT-1", "CNT-1")
def test_every_call_means_the_same_by_a_filter(session: Session) -> None:
    c = session.corpus
    for case in (PART, F("year") >= 2002.5, F("v").has(1), ~F("v").exists(), F("it's") == "a", F("flag") != True):
        where, expected = partial(case, session.records)
        assert selected(c, where) == selected(c, to_dict(where)) == expected
        number = len(session.records)
        assert set(c.query(vector=[1.0] * 8, k=number, where=where, exact=True).ids) == expected
        assert set(c.query(vector=[1.0] * 8, k=number, where=where).ids) == expected


@clause("DEL-2", "FLT-3")
def test_delete_by_filter_means_the_same(session: Session, new: New) -> None:
    records = session.records
    c = new(records.vectors.shape[1])  # type: ignore[union-attr]
    for case in (
        F("v") == 1,
        ~F("year").exists(),
        F("tags").has("a") | (F("w") != True),
        F("v").not_in(["a", 0.5]),
    ):
        c.clear()
        c.add(records.ids, records.vectors, records.documents, records.metadatas)
        where, expected = partial(case, records)
        c.delete(where=where)
        assert set(scanned(c)) == set(records.ids) - expected


@clause("FLT-9", "ERR-3", "CAP-2")
@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", "(?:a?){30}a{30}$", "(.*a){20}$"])
def test_no_pattern_takes_more_than_linear_time(new: New, supports: Supports, pattern: str) -> None:
    if not supports("matches"):
        with raises(Unsupported):
            new().count(F("s").matches(pattern))
        return
    c = new()
    c.add(["a", "b"], rows(2), metadatas=[{"s": "a" * 29 + "!"}, {"s": "x"}])
    begun = time.perf_counter()
    assert c.count(F("s").matches(pattern)) == 0
    assert set(scanned(c, ~F("s").matches(pattern))) == {"a", "b"}
    assert time.perf_counter() - begun < 20, "an engine that backtracks takes a minute"


@clause("FLT-9", "ERR-1")
def test_what_cannot_be_matched_in_linear_time_is_no_pattern(session: Session, supports: Supports) -> None:
    for pattern in (r"(a)\1", "a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b", r"a\Z", "a++", "a" * 4097):
        if supports("matches"):
            with raises(InvalidInput):
                session.corpus.count({"s": {"$matches": pattern}})
        with pytest.raises(InvalidInput):
            F("s").matches(pattern)


@clause("FLT-9")
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a$", {"a", "xa"}),
        ("(?m)a$", {"a", "xa", "a\n", "a\nb"}),
        ("^b", set()),
        ("(?m)^b", {"a\nb"}),
        ("a.b", set()),
        ("(?s)a.b", {"a\nb"}),
        ("A", set()),
        ("(?i)É", {"é"}),
        (r"^\w$", {"a"}),
        (r"^\pL$", {"a", "é"}),
        ("^.$", {"a", "é", "😀", "٣"}),
        (r"\d", set()),
        ("", {"a", "xa", "a\n", "a\nb", "é", "😀", "٣", ""}),
    ],
)
def test_what_a_pattern_means(new: New, supports: Supports, pattern: str, expected: set[str]) -> None:
    if not supports("matches"):
        return
    texts = ["a", "xa", "a\n", "a\nb", "é", "😀", "٣", ""]
    c = new()
    c.add(names(9), rows(9), metadatas=[*({"s": text} for text in texts), {"s": 1}])
    assert {
        (m or {})["s"] for page in c.scan(where=F("s").matches(pattern)) for m in page.records.metadatas or []
    } == expected


@clause("FLT-10", "CAP-2")
def test_what_ignoring_case_means(new: New, supports: Supports) -> None:
    texts = [
        "Hauptstra\u00dfe", "HAUPTSTRASSE", "caf\u00e9", "CAFE\u0301", "\u039f\u0394\u039f\u03a3",
        "\u03bf\u03b4\u03cc\u03c2", "\ufb01ne", "Find", "\u0130zmir", "izmir", "\u0131z", "\u212aelvin",
        "\ua64a", "100%_off", "", "sas",
    ]  # fmt: skip
    c = new()
    metadatas: list[Any] = [*({"s": text} for text in texts), {"s": ["find"]}, {"s": 1}, {}, {"s": "find", "t": ["x"]}]
    c.add(names(len(metadatas)), rows(len(metadatas)), metadatas=metadatas)
    s = F("s")
    cases = [
        (s.contains_text("SS", ignore_case=True), {"Hauptstra\u00dfe", "HAUPTSTRASSE"}),
        (s.contains_text("ss"), set()),
        (s.contains_text("stra\u1e9ee", ignore_case=True), {"Hauptstra\u00dfe", "HAUPTSTRASSE"}),
        (s.contains_text("CAF\u00c9", ignore_case=True), {"caf\u00e9"}),
        (s.starts_with("cafe", ignore_case=True), {"CAFE\u0301"}),
        (s.contains_text("\u03c3", ignore_case=True), {"\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03cc\u03c2"}),
        (s.starts_with("FI", ignore_case=True), {"\ufb01ne", "Find", "find"}),
        (s.starts_with("fi"), {"find"}),
        (s.contains_text("i", ignore_case=True), {"\ufb01ne", "Find", "\u0130zmir", "izmir", "\u212aelvin", "find"}),
        (s.starts_with("k", ignore_case=True), {"\u212aelvin"}),
        (s.contains_text("\ua64b", ignore_case=True), {"\ua64a"}),
        (s.contains_text("%_"), {"100%_off"}),
        (s.starts_with("00", ignore_case=True), set()),
        (s.contains_text("s", ignore_case=True), {"Hauptstra\u00dfe", "HAUPTSTRASSE", "sas"}),
        (F("t").contains_text("x"), set()),
    ]
    for where, expected in cases:
        if not supports("metadata_contains"):
            refusing(Unsupported, c, lambda where=where: c.count(where))  # type: ignore[misc]
            continue
        found = {(m or {})["s"] for page in c.scan(where=where) for m in page.records.metadatas or []}
        assert found == expected, to_dict(where)
        assert c.count(~where) == len(metadatas) - c.count(where) == len(metadatas) - len(expected), to_dict(where)
        hits = c.query(rows(1)[0], k=50, where=where)
        assert {(m or {})["s"] for m in hits.metadatas or []} == expected, to_dict(where)
    for wrong in ("", 1, None, ["a"], "\x00", "\ud800"):
        for call in (s.contains_text, s.starts_with):
            with pytest.raises(InvalidInput):
                call(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        s.contains_text("a", ignore_case=1)  # type: ignore[arg-type]
    if supports("metadata_contains"):
        c.delete(where=s.starts_with("FI", ignore_case=True) & ~F("t").exists())
        assert c.count() == len(metadatas) - 2


@clause("FLT-2", "FLT-3")
def test_a_missing_key_is_false_and_its_complement_true(session: Session) -> None:
    c, every = session.corpus, set(session.records.ids)
    n = F("nowhere")
    for where in (
        n == 1,
        n < 1,
        n >= 0,
        n.in_([1, "a", True]),
        n.has("a"),
        n.contains_any([1]),
        n.contains_all(["a"]),
        n.exists(),
    ):
        assert selected(c, where | PART) == selected(c, PART) != every
        assert selected(c, ~where & PART) == selected(c, PART)
        assert selected(c, ~where) == every
    assert selected(c, (n != 1) & PART) == selected(c, n.not_in([1]) & PART) == selected(c, PART)


@clause("FLT-3")
def test_filters_are_a_boolean_algebra(session: Session) -> None:
    c, every = session.corpus, set(session.records.ids)
    a, b, d = F("year") > 2002, F("tags").has("a"), F("v").exists()
    (sa, sb, sd) = (selected(c, where) for where in (a, b, d))
    assert all(0 < len(s) < len(every) for s in (sa, sb, sd, sa & sb, sa - sb, sb - sa))
    assert selected(c, ~~a) == sa
    assert selected(c, ~a) == every - sa
    assert selected(c, a & b & d) == sa & sb & sd
    assert selected(c, a | b | d) == sa | sb | sd
    assert selected(c, ~(a & b)) == selected(c, ~a | ~b) == every - (sa & sb)
    assert selected(c, ~(a | b)) == selected(c, ~a & ~b) == every - sa - sb
    assert selected(c, a & (b | ~d)) == sa & (sb | (every - sd))
    assert selected(c, a & ~a) == set()
    assert selected(c, a | ~a) == every
    assert selected(c, F("v").in_([])) == selected(c, F("v").contains_any([])) == set()
    assert selected(c, F("v").not_in([])) == every


@clause("FLT-4")
def test_leaves_are_strict_in_type(new: New) -> None:
    values: dict[str, Any] = {
        "int": 1,
        "float": 1.0,
        "true": True,
        "str": "1",
        "word": "true",
        "list": [1],
        "flist": [1.0],
        "tlist": [True],
    }
    c = new()
    c.add([*values, "none"], rows(9), metadatas=[*({"v": value} for value in values.values()), {}])
    v, everything = F("v"), {*values, "none"}
    expected: list[tuple[Filter, set[str]]] = [
        (v == 1, {"int", "float"}),
        (v == 1.0, {"int", "float"}),
        (v == True, {"true"}),
        (v == "1", {"str"}),
        (v == "true", {"word"}),
        (v >= 1, {"int", "float"}),
        (v > 0.5, {"int", "float"}),
        (v < 2, {"int", "float"}),
        (v.in_([1, "true"]), {"int", "float", "word"}),
        (v.in_([True, "1"]), {"true", "str"}),
        (v.has(1), {"list", "flist"}),
        (v.has(1.0), {"list", "flist"}),
        (v.has(True), {"tlist"}),
        (v.has("1"), set()),
        (v.exists(), set(values)),
    ]
    for where, answer in expected:
        assert selected(c, where) == answer, to_dict(where)
        assert selected(c, ~where) == everything - answer, to_dict(~where)


@clause("FLT-5", "CAP-2")
def test_64_bit_integers_are_exact(new: New, supports: Supports) -> None:
    edges = [2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**62, 2**62 + 1, 2**63 - 1, 2**63 - 2]
    edges += [-edge for edge in edges] + [-(2**63)]
    c = new()
    c.add(
        [str(edge) for edge in edges] + ["float"],
        rows(len(edges) + 1),
        metadatas=[*({"n": edge} for edge in edges), {"n": 2.0**53}],
    )
    also_float = {2**53: {"float"}}
    for edge in edges:
        answer = {str(edge)} | also_float.get(edge, set())
        assert selected(c, F("n") == edge) == selected(c, F("n").in_([edge, "x"])) == answer
        assert selected(c, F("n") != edge) == selected(c, F("n").not_in([edge])) == {*map(str, edges), "float"} - answer
    assert selected(c, F("n") == 2.0**53) == {str(2**53), "float"}
    assert selected(c, F("n") > 2**53 - 1) == {str(edge) for edge in edges if edge >= 2**53} | {"float"}
    assert selected(c, F("n") <= -(2**53) + 1) == {str(edge) for edge in edges if edge <= -(2**53) + 1}
    exact = supports("int64_ordering")
    for edge in edges:
        for op in ("<", "<=", ">", ">="):
            where = Order(("n",), op, edge)
            if exact or abs(edge) < 2**53:
                keep = matching(
                    where, Records(list(map(str, edges)), None, [None] * len(edges), [{"n": e} for e in edges])
                )
                assert selected(c, where) - {"float"} == keep, to_dict(where)
            else:
                refusing(Unsupported, c, lambda where=where: c.count(where))  # type: ignore[misc]


@clause("FLT-6")
def test_values_that_look_like_queries_change_nothing(new: New) -> None:
    evil = [
        "x' or '1'='1",
        'x" or "1"="1',
        "x'] or id not in ['zz",
        "x') or true --",
        "'; drop table x; --",
        "%",
        "_",
        "x\\",
        "\\'",
        "$ne",
        "*",
    ]
    c = new()
    c.add(
        [*names(len(evil)), "plain"],
        rows(len(evil) + 1),
        [*evil, None],
        [*({"s": e, "l": [e]} for e in evil), {"s": "plain"}],
    )
    for place, text in enumerate(evil):
        for where in (
            F("s") == text,
            F("s").in_([text, "nothing"]),
            F("l").has(text),
            F("l").contains_all([text]),
        ):
            assert selected(c, where) == {names(len(evil))[place]}
            assert len(selected(c, ~where)) == len(evil)
        key = F(text.replace('"', "'").replace("\\", "/").replace("$", "S"))
        assert selected(c, key.exists()) == selected(c, key == "plain") == set()
    c.delete(where=F("s") == evil[0])
    c.delete([evil[2], evil[3], "%"])
    assert c.count() == len(evil)
