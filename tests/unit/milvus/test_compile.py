"""Filters to Milvus's expressions, as tables, without Milvus."""

from __future__ import annotations

import pytest

from vstore import F
from vstore.errors import LimitExceeded
from vstore.filters.tree import Filter
from vstore.spi.rewrite import normalize
from vstore_milvus.compile import MAX_EXPRESSION_BYTES, compile_filter, with_ids

HAS = '(exists facts["sk"])'
HAS_NUMBER = '(exists facts["nk"])'
HAS_LIST = '(exists facts["lk"])'


def compiled(node: Filter, *, numbers: bool = True) -> str:
    normal = normalize(node)
    assert isinstance(normal, Filter)
    return compile_filter(normal, numbers=numbers)


@pytest.mark.parametrize(
    ("node", "expression"),
    [
        (F("k") == "a", '(facts["sk"] == "sa")'),
        (F("k") == 5, '(facts["sk"] == "nc014")'),
        (F("k") == 5.0, '(facts["sk"] == "nc014")'),
        (F("k") == True, '(facts["sk"] == "b1")'),  # noqa: E712
        (F("k") != "a", f'((not {HAS}) or (facts["sk"] != "sa"))'),
        (F("k").in_(["a", 5]), '(facts["sk"] in ["sa","nc014"])'),
        (F("k").not_in(["a", 5]), f'((not {HAS}) or (facts["sk"] not in ["sa","nc014"]))'),
        (F("k") < 5, '("n" <= facts["sk"] < "nc014")'),
        (F("k") >= 5, '("nc014" <= facts["sk"] < "o")'),
        (F("k") > "a", '("sa" < facts["sk"] < "t")'),
        (F("k") <= "", '("s" <= facts["sk"] <= "s")'),
        (F("k") < "", '((facts["sk"] < "s") and (facts["sk"] >= "s"))'),
        (~(F("k") < 5), f'((not {HAS}) or ((facts["sk"] >= "nc014") or (facts["sk"] < "n")))'),
        (~(F("k") >= "a"), f'((not {HAS}) or ((facts["sk"] < "sa") or (facts["sk"] >= "t")))'),
        (F("k").has("a"), '(json_contains(facts["lk"], "sa"))'),
        (F("k").contains_any([1, "a"]), '(json_contains_any(facts["lk"], ["1","sa"]))'),
        (~F("k").has("a"), f'((not {HAS_LIST}) or (not (json_contains(facts["lk"], "sa"))))'),
        (F("k").exists(), f"({HAS} or {HAS_LIST})"),
        (~F("k").exists(), f"((not {HAS}) and (not {HAS_LIST}))"),
        (F("a.b/c~d'e") == "x", '(facts["sa.b/c~d\'e"] == "sx")'),
        (F("k") == 'a" or 1 == 1 or "', '(facts["sk"] == "sa\\" or 1 == 1 or \\"")'),
        ((F("a") == "1") & (F("b") == "2"), '((facts["sa"] == "s1") and (facts["sb"] == "s2"))'),
    ],
)
def test_leaves_where_all_are_strings(node: Filter, expression: str) -> None:
    assert compiled(node, numbers=False) == expression


BIG = 2**53
BIGGER = '"nc34"'


@pytest.mark.parametrize(
    ("node", "expression"),
    [
        (F("k") == "a", '(facts["sk"] == "sa")'),
        (F("k") == 5, '(facts["nk"] == 5)'),
        (F("k") == 5.0, '(facts["nk"] == 5)'),
        (F("k") == -0.0, '(facts["nk"] == 0)'),
        (F("k") == 0.1, '(facts["nk"] == 0.1)'),
        (F("k") == BIG, f'(facts["sk"] == {BIGGER})'),
        (F("k") == True, '(facts["sk"] == "b1")'),  # noqa: E712
        (F("k") != 5, f'((not {HAS_NUMBER}) or (facts["nk"] != 5))'),
        (
            F("k").in_(["a", 5, 0.5, -6, BIG]),
            f'((facts["sk"] in ["sa",{BIGGER}]) or ((facts["nk"] in [5,-6]) or (facts["nk"] in [0.5])))',
        ),
        (
            F("k").not_in(["a", 5]),
            f'(((not {HAS}) or (facts["sk"] not in ["sa"])) and ((not {HAS_NUMBER}) or (facts["nk"] not in [5])))',
        ),
        (F("k") < 5, '(facts["nk"] < 5)'),
        (F("k") >= 5.5, '(facts["nk"] >= 5.5)'),
        (~(F("k") < 5), f'((not {HAS_NUMBER}) or (facts["nk"] >= 5))'),
        (F("k") >= BIG, f'({BIGGER} <= facts["sk"] < "o")'),
        (F("k") < BIG, f'({HAS_NUMBER} and ((not {HAS}) or (facts["sk"] < {BIGGER})))'),
        (F("k") <= -BIG, '("n" <= facts["sk"] <= "n3cbfffffffffffff")'),
        (F("k") > -BIG, f'({HAS_NUMBER} and ((not {HAS}) or (facts["sk"] > "n3cbfffffffffffff")))'),
        (~(F("k") >= BIG), f'((not {HAS}) or ((facts["sk"] < {BIGGER}) or (facts["sk"] >= "o")))'),
        (~(F("k") < BIG), f'((not {HAS_NUMBER}) or ({HAS} and (facts["sk"] >= {BIGGER})))'),
        (F("k") > "a", '("sa" < facts["sk"] < "t")'),
        (F("k").exists(), f"({HAS} or ({HAS_LIST} or {HAS_NUMBER}))"),
        (~F("k").exists(), f"((not {HAS}) and ((not {HAS_LIST}) and (not {HAS_NUMBER})))"),
    ],
)
def test_leaves(node: Filter, expression: str) -> None:
    assert compiled(node) == expression


def test_long_chains_are_balanced() -> None:
    node = F("k") == 0
    for value in range(1, 500):
        node = node | (F("k") == value)
    deepest = level = 0
    for character in compiled(node):
        level += (character == "(") - (character == ")")
        deepest = max(deepest, level)
    assert deepest <= 11


def test_more_than_milvus_reads_is_refused() -> None:
    text = "x" * 1000
    with pytest.raises(LimitExceeded):
        compiled(F("k").in_([f"{number}{text}" for number in range(MAX_EXPRESSION_BYTES // 1000)]))


def test_ids_are_data() -> None:
    assert with_ids(["a", "x'] or id not in ['zz", '"]']) == '(id in ["a","x\'] or id not in [\'zz","\\"]"])'
    assert with_ids([]) == '(id == "")'
