"""The names that collections get in a target."""

from __future__ import annotations

import pytest

from vstore import InvalidInput
from vstore.keys import check_name
from vstore.transfer.naming import NameRules, target_names

RULES = ("[^A-Za-z0-9]+=_", "^(?=[0-9])=c_", r"^(.{48}).*=\1")


def test_rules_apply_one_after_the_other() -> None:
    rules = NameRules.of(RULES)
    names = ["docs", "0b1c-2d", "web-search-" + "f" * 52, "a.-b"]
    assert target_names(names, rules, check_name) == {
        "docs": "docs",
        "0b1c-2d": "c_0b1c_2d",
        "web-search-" + "f" * 52: "web_search_" + "f" * 37,
        "a.-b": "a_b",
    }


def test_the_map_comes_before_the_rules_and_leaves_out() -> None:
    rules = NameRules.of(RULES, {"a-b": "first", "c-d": None, "e-f": False})
    assert target_names(["a-b", "c-d", "e-f", "g-h"], rules, check_name) == {"a-b": "first", "g-h": "g_h"}


@pytest.mark.parametrize(
    ("renames", "names", "said"),
    [
        (["("], {}, "takes PATTERN=REPLACEMENT, not '('"),
        (["=x"], {}, "takes PATTERN=REPLACEMENT, not '=x'"),
        (["(=x"], {}, "is no rule"),
        ([r"a=\7"], {}, "is no rule"),
        ([], {"a-b": 7}, "the name for 'a-b' must be a text, not 7"),
        ([], {"a-b": ""}, "must be a text"),
        ([], {"a-c": "x"}, "collections that there are not: 'a-c'. Did you mean a-b?"),
        ([], {"a-b": "x y"}, "takes no collections of the names 'a-b' (as 'x y'), 'a.b'"),
        ([], {"a-b": "docs", "a.b": "docs"}, "one name in the target: 'docs' from 'docs', 'a-b', 'a.b'"),
    ],
)
def test_what_is_refused(renames: list[str], names: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        target_names(["docs", "a-b", "a.b"], NameRules.of(renames, names), check_name)
    assert said in str(caught.value)
