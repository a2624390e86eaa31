"""Tokens and leaves compare as Python does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest

from vstore.errors import InvalidInput
from vstore.filters.tree import And, Eq, Filter, Not
from vstore.integrations import terms
from vstore.metadata import MAX_LIST
from vstore.spi.evaluate import predicate

VALUES: list[Any] = [
    *(0, 1, 1.0, True, False, -0.0, 0.5, 2**70, 2.0**70, float("inf"), "1", "", "a", "nul\x00", "lone \ud800"),
    *([], [1], [1.0], [True], ["1"], [1, "a"], [[1]], [None], (1,), {}, {"a": 1}, {"a": True}, {"a": None}, {"b": [1]}),
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2024, 1, 1, 8, tzinfo=timezone(timedelta(hours=8))),
    datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None),
]


def record(value: Any) -> dict[str, Any]:
    """Metadata that hold ``value`` under the key ``k``, as the doors write it."""
    native = terms.is_native("k", value) and not isinstance(value, datetime)
    tokens = [terms.presence_token("k"), terms.value_token("k", value)]
    tokens += [terms.element_token("k", element) for element in value] if isinstance(value, list) else []
    return {**({"k": value} if native else {}), terms.TOKENS: [token for token in tokens if token is not None]}


def is_true(where: Filter, metadata: dict[str, Any]) -> bool:
    return predicate(where)(metadata, None)


@pytest.mark.parametrize("kept", VALUES)
def test_values_are_equal_where_python_says_so(kept: Any) -> None:
    for asked in VALUES:
        assert (terms.canonical(kept) == terms.canonical(asked)) == (kept == asked)
        for path in (("k",), None):
            assert is_true(terms.equals("k", path, [asked], lists=True), record(kept)) == (kept == asked)
        if isinstance(kept, list) and not isinstance(asked, list | dict | tuple | datetime):
            assert is_true(terms.has_element("k", ("k",), [asked]), record(kept)) == (asked in kept)


def test_what_equals_nothing_has_no_token() -> None:
    assert terms.value_token("k", float("nan")) is None
    assert terms.value_token("k", [float("nan")]) is None
    assert not is_true(terms.equals("k", ("k",), [float("nan")]), record(1.0))
    assert not is_true(terms.equals("k", ("k",), []), record(1.0))


def test_numbers_and_bools_have_one_order() -> None:
    for kept, asked in product((-1, 0, 0.5, 1, True, False, "1"), (-1, 0, 0.5, 1, 2)):
        for op, expected in (("<", lambda a, b: a < b), (">=", lambda a, b: a >= b)):
            found = is_true(terms.ordered(("k",), op, asked), {"k": kept})  # type: ignore[arg-type]
            assert found == (not isinstance(kept, str) and expected(kept, asked))


def test_fields_do_not_answer_for_each_other() -> None:
    metadata = {terms.TOKENS: [terms.value_token("a", [1]), terms.presence_token("a")]}
    assert not is_true(terms.equals("b", None, [[1]], lists=True), metadata)
    assert is_true(Not(terms.is_present("b", ("b",))), metadata)
    assert is_true(terms.is_present("a", ("a",)), metadata)


def test_groups_of_no_parts_and_of_one() -> None:
    one = Eq(("k",), 1)
    assert terms.all_of([one]) is terms.any_of([one]) is one
    assert terms.all_of([one, one]) == And((one, one))
    assert is_true(terms.all_of([]), {})
    assert not is_true(terms.any_of([]), {})


def test_a_record_has_only_so_many_tokens() -> None:
    assert terms.check_tokens(["a", "b", "a"]) == ["a", "b"]
    with pytest.raises(InvalidInput, match="1,001"):
        terms.check_tokens([str(number) for number in range(MAX_LIST + 1)])
