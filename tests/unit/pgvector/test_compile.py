"""Filters to SQL: a table, and that nothing of the user's ever stands in the text."""

from __future__ import annotations

import pytest

from vstore import F, Filter
from vstore.errors import BackendError
from vstore.filters.tree import ContainsAll
from vstore.spi.rewrite import normalize
from vstore_pgvector.binary import Packed
from vstore_pgvector.compile import where
from vstore_pgvector.jsonb import json_array

X = "(metadata -> %s::text)"
XY = "(metadata -> %s::text -> %s::text)"

TABLE: list[tuple[Filter, str, tuple[object, ...]]] = [
    (F("k") == 1, "metadata @> %s::jsonb", ('{"k":1}',)),
    (F("k") == 1.0, "metadata @> %s::jsonb", ('{"k":1.0}',)),
    (F("k") == True, "metadata @> %s::jsonb", ('{"k":true}',)),  # noqa: E712
    (F("k") == 1e16, "metadata @> %s::jsonb", ('{"k":10000000000000000.0}',)),
    (F("a", "b") == "x", "metadata @> %s::jsonb", ('{"a":{"b":"x"}}',)),
    (F("k") != "x", "(not metadata @> %s::jsonb)", ('{"k":"x"}',)),
    (F("k").in_([1, "a"]), f"coalesce({X} = any(%s::jsonb[]), false)", ("k", json_array([1, "a"]))),
    (F("k") < 2, "coalesce(metadata @@ %s::jsonpath, false)", ('strict $."k" < 2',)),
    (F("k") > -1e16, "coalesce(metadata @@ %s::jsonpath, false)", ('strict $."k" > -10000000000000000.0',)),
    (F("a", "b") >= 'x"\\', "coalesce(metadata @@ %s::jsonpath, false)", ('strict $."a"."b" >= "x\\"\\\\"',)),
    (F("q's.*") <= 1, "coalesce(metadata @@ %s::jsonpath, false)", ('strict $."q\'s.*" <= 1',)),
    (F("k").has(1), "(metadata @> %s::jsonb)", ('{"k":[1]}',)),
    (
        F("k").contains_any([1, "a"]),
        "(metadata @> %s::jsonb or metadata @> %s::jsonb)",
        ('{"k":[1]}', '{"k":["a"]}'),
    ),
    (F("k").exists(), "metadata ? %s::text", ("k",)),
    (F("a", "b").exists(), f"({XY} is not null)", ("a", "b")),
    (
        F("a", "b").contains_text("100%"),
        f"coalesce(jsonb_typeof({XY}) = 'string' and strpos(({XY} #>> '{{}}') collate \"C\", %s::text) > 0, false)",
        ("a", "b", "a", "b", "100%"),
    ),
    (
        F("k").starts_with("Bd", ignore_case=True),
        (
            f"coalesce(jsonb_typeof({X}) = 'string' and starts_with("
            f"translate(({X} #>> '{{}}'), %s::text, %s::text) collate \"C\", %s::text), false)"
        ),
        ("k", "k", "BD", "bd", "bd"),
    ),
    (
        F("k").contains_text("\u01f0", ignore_case=True),  # it folds to two characters, as no other does
        (
            f"coalesce(jsonb_typeof({X}) = 'string' and strpos("
            f"replace(translate(({X} #>> '{{}}'), %s::text, %s::text) collate \"C\", %s::text, %s::text) "
            'collate "C", %s::text) > 0, false)'
        ),
        ("k", "k", "J", "j", "\u01f0", "j\u030c", "j\u030c"),
    ),
    (F.document.contains("100%"), "coalesce(strpos(document, %s::text) > 0, false)", ("100%",)),
    (
        (F("a") == 1) & ~((F("b") == 2) | F("c").exists()),
        "(metadata @> %s::jsonb and (not metadata @> %s::jsonb) and (not metadata ? %s::text))",
        ('{"a":1}', '{"b":2}', "c"),
    ),
]


@pytest.mark.parametrize(("filter_", "sql", "params"), TABLE)
def test_leaves_and_joins(filter_: Filter, sql: str, params: tuple[object, ...]) -> None:
    node = normalize(filter_)
    assert isinstance(node, Filter)
    condition = where(node)
    assert condition.sql == sql
    assert condition.params == params


def test_many_values_of_a_list_become_one_array() -> None:
    node = normalize(F("k").contains_any(range(65)))
    assert isinstance(node, Filter)
    condition = where(node)
    assert condition.sql.count("%s") == len(condition.params) == 3
    assert isinstance(condition.params[-1], Packed)
    assert "jsonb_array_elements" in condition.sql


@pytest.mark.parametrize("text", ["'", "%", "%s", "; drop table t", "{}", "::", "$1", '"]}'])
def test_keys_and_values_never_stand_in_the_text(text: str) -> None:
    plain = [F("k") == "v", F("k") < "v", F("k").in_(["v", "w"]), F("k").has("v"), F("k").exists()]
    key = text.replace('"', "").replace("$", "S")
    hostile = [F(key) == text, F(key) < text, F(key).in_([text, "w"]), F(key).has(text), F(key).exists()]
    for one, other in zip(plain, hostile, strict=True):
        assert where(one).sql == where(other).sql


def test_what_is_not_in_normal_form_is_refused() -> None:
    with pytest.raises(BackendError):
        where(ContainsAll(("k",), (1, 2)))


def test_the_key_that_parts_a_collection_is_a_column() -> None:
    own = F("tenant") == "a"
    alone = where(own, "tenant")
    assert (alone.sql, alone.params, alone.partition) == ("partition = %s::text", ("a",), "a")
    joined = where(own & (F("n") == 1), "tenant")
    assert (joined.sql, joined.partition) == ("(partition = %s::text and metadata @> %s::jsonb)", "a")
    either = where(own | (F("n") == 1), "tenant")
    assert (either.sql, either.partition) == ("(partition = %s::text or metadata @> %s::jsonb)", None)
    for other in (F("tenant") == 1, F("tenant", "deep") == "a", F("n") == "a"):
        assert "partition" not in where(other, "tenant").sql
    assert where(own).sql == "metadata @> %s::jsonb"
