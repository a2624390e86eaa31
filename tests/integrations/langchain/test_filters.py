"""LangChain's filters, operator by operator, against what Python says of generated documents."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding

from vstore import F
from vstore.errors import InvalidInput, Unsupported
from vstore.integrations.langchain import VStoreVectorStore
from vstore.integrations.langchain.filters import as_filter, like
from vstore.spi.evaluate import predicate

MISSING = object()
TEXTS = [
    "alpha",
    "Alpha",
    "beta%",
    "a_b",
    "axb",
    "über",
    "ÜBER",
    "",
    "line\nbreak",
    "a.b",
    "100%",
    "back\\slash",
    "雨伞",
]


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(found: object, value: object) -> bool:
    """Strict in type: a bool is no number, 1 is 1.0, a list equals no scalar."""
    return (number(found) and number(value) and found == value) or (type(found) is type(value) and found == value)


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[object, Any], bool]:
    return lambda found, value: (
        ((number(found) and number(value)) or (isinstance(found, str) and isinstance(value, str)))
        and compare(found, value)
    )


def sql_like(found: object, pattern: str, *, ignore_case: bool = False) -> bool:
    """SQL's LIKE, by backtracking."""
    if not isinstance(found, str):
        return False
    if ignore_case:
        found, pattern = found.lower(), pattern.lower()

    def match(text: str, rest: str) -> bool:
        if not rest:
            return not text
        if rest[0] == "%":
            return any(match(text[start:], rest[1:]) for start in range(len(text) + 1))
        if rest[0] == "_":
            return bool(text) and match(text[1:], rest[1:])
        literal, width = (rest[1], 2) if rest[0] == "\\" else (rest[0], 1)
        return text[:1] == literal and match(text[1:], rest[width:])

    return match(found, pattern)


MEANING: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": equal,
    "$ne": lambda found, value: not equal(found, value),
    "$gt": ordered(lambda a, b: a > b),
    "$gte": ordered(lambda a, b: a >= b),
    "$lt": ordered(lambda a, b: a < b),
    "$lte": ordered(lambda a, b: a <= b),
    "$in": lambda found, values: any(equal(found, value) for value in values),
    "$nin": lambda found, values: not any(equal(found, value) for value in values),
    "$between": lambda found, bounds: MEANING["$gte"](found, bounds[0]) and MEANING["$lte"](found, bounds[1]),
    "$exists": lambda found, wanted: (found is not MISSING) == wanted,
    "$like": sql_like,
    "$ilike": lambda found, pattern: sql_like(found, pattern, ignore_case=True),
    "$contains": lambda found, value: isinstance(found, list) and any(equal(one, value) for one in found),
    "$not_contains": lambda found, value: not MEANING["$contains"](found, value),
    "$contains_any": lambda found, values: (
        isinstance(found, list) and any(MEANING["$contains"](found, v) for v in values)
    ),
    "$contains_all": lambda found, values: (
        isinstance(found, list) and all(MEANING["$contains"](found, v) for v in values)
    ),
}


def holds(given: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """What a filter says of one document's metadata."""

    def of_key(key: str, value: Any) -> bool:
        match key:
            case "$and":
                return all(holds(item, metadata) for item in value)
            case "$or":
                return any(holds(item, metadata) for item in value)
            case "$not":
                return not any(holds(item, metadata) for item in (value if isinstance(value, list) else [value]))
        found = metadata.get(key, MISSING)
        if not isinstance(value, Mapping):
            return equal(found, value)
        return all(
            not of_key(key, operand) if name == "$not" else MEANING[name](found, operand)
            for name, operand in value.items()
        )

    return all(of_key(key, value) for key, value in given.items())


def metadata(draw: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if draw.random() < 0.8:
        made["n"] = draw.choice([0, 1, 2, 3, 1.5, True, -4, "1", 2.0])
    if draw.random() < 0.8:
        made["s"] = draw.choice(TEXTS)
    if draw.random() < 0.6:
        made["tags"] = draw.choice([["a"], ["a", "b"], ["b", "c"], [1, 2], [True]])
    return made


def operand(draw: random.Random, operator: str) -> Any:
    scalar = draw.choice([0, 1, 2, 2.0, 1.5, True, "1", "a", "alpha", "über"])
    match operator:
        case "$in" | "$nin" | "$contains_any" | "$contains_all":
            return draw.sample([0, 1, True, "1", "a", "b", "alpha", 2.0], draw.randrange(1, 4))
        case "$between":
            return draw.choice([[0, 2], [1.5, 1.5], [3, 1], ["a", "b"], (0, 1)])
        case "$exists":
            return draw.choice([True, False])
        case "$like" | "$ilike":
            return draw.choice(
                ["alpha", "a%", "%b%", "a_b", "a\\_b", "%\\%", "_", "%", "", "Ü%", "%\n%", "a.b", "%\\\\%", "雨_"]
            )
        case "$gt" | "$gte" | "$lt" | "$lte":
            return draw.choice([0, 1, 1.5, 2, "a", "alpha", "z"])
    return scalar


def condition(draw: random.Random, depth: int = 2) -> dict[str, Any]:
    kind = draw.random()
    if depth and kind < 0.25:
        return {draw.choice(["$and", "$or", "$not"]): [condition(draw, depth - 1) for _ in range(draw.randrange(1, 4))]}
    if depth and kind < 0.35:
        return {"$not": condition(draw, depth - 1)}
    chosen = {}
    for key in draw.sample(["n", "s", "tags", "absent"], draw.randrange(1, 3)):
        operator = draw.choice([*MEANING, "", "$not"])
        if operator == "":
            chosen[key] = draw.choice([1, "alpha", True, 2.0])
        elif operator == "$not":
            inner = draw.choice(list(MEANING))
            chosen[key] = {"$not": {inner: operand(draw, inner)}}
        else:
            chosen[key] = {operator: operand(draw, operator)}
            if draw.random() < 0.2:
                chosen[key]["$exists"] = True
    return chosen


DOCUMENTS = [metadata(random.Random(number)) for number in range(120)]


@pytest.mark.parametrize("operator", MEANING)
def test_every_operator_alone(operator: str) -> None:
    draw = random.Random(operator)
    told = set()
    for key in ("n", "s", "tags", "absent"):
        for _ in range(40):
            asked = {key: {operator: operand(draw, operator)}}
            translated = as_filter(asked)
            assert translated is not None
            test = predicate(translated)
            found = [test(one, None) for one in DOCUMENTS]
            assert found == [holds(asked, one) for one in DOCUMENTS], asked
            told |= set(found)
    assert told == {True, False}


def test_operators_combined() -> None:
    draw = random.Random(5)
    for _ in range(1500):
        asked = condition(draw)
        translated = as_filter(asked)
        assert translated is not None
        test = predicate(translated)
        for one in DOCUMENTS:
            assert test(one, None) == holds(asked, one), (asked, one)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, VStoreVectorStore]]:
    """The documents on every embedded database."""
    folder = tmp_path_factory.mktemp("stores")
    urls = ["memory:", f"chroma:{folder}/c", f"qdrant:{folder}/q", "qdrant::memory:", f"milvus:{folder}/m.db"]
    urls.append(f"pgvector:{folder}/p")
    embedding = DeterministicFakeEmbedding(size=4)
    made = {url.partition(":")[0] + url[-7:]: VStoreVectorStore(url, embedding) for url in urls}
    ids = [f"d{place}" for place in range(len(DOCUMENTS))]
    for store in made.values():
        store.add_texts(ids, DOCUMENTS, ids=ids)
    yield made
    for store in made.values():
        store.close()


def orders_strings(asked: object) -> bool:
    """Whether a filter asks which text comes first."""
    if isinstance(asked, Mapping):
        return any(
            (name in ("$gt", "$gte", "$lt", "$lte") and isinstance(value, str))
            or (name == "$between" and isinstance(value[0], str))
            or orders_strings(value)
            for name, value in asked.items()
        )
    return isinstance(asked, list) and any(map(orders_strings, asked))


PARTS = {"a%", "%b%", "Ü%", "%\n%", "%\\\\%"}  # of the patterns: those that ask for a text anywhere, or at the start


def takes_expressions(asked: object) -> bool:
    """Whether a filter takes regular expressions."""
    if isinstance(asked, Mapping):
        return any(
            name == "$ilike" or (name == "$like" and value not in PARTS) or takes_expressions(value)
            for name, value in asked.items()
        )
    return isinstance(asked, list) and any(map(takes_expressions, asked))


def lacks(store: VStoreVectorStore, asked: object) -> str:
    """What the filter needs and the database does not have, as its error tells; or nothing."""
    capabilities = store._door.ready(4).capabilities
    if not capabilities.matches and takes_expressions(asked):
        return r"\$i?like is not supported"
    if not capabilities.string_ordering and orders_strings(asked):
        return "an ordering between strings is not supported"
    return ""


@pytest.mark.xdist_group("langchain-filters")
def test_every_database_agrees(stores: dict[str, VStoreVectorStore]) -> None:
    draw = random.Random(11)
    asked = [{key: {name: operand(draw, name)}} for name in MEANING for key in ("n", "s", "tags", "absent")]
    asked += [{"s": {"$like": part}} for part in sorted(PARTS)]
    asked += [condition(draw) for _ in range(30)]
    refused = 0
    for one in asked:
        expected = {f"d{place}" for place, told in enumerate(DOCUMENTS) if holds(one, told)}
        for name, store in stores.items():
            if missing := lacks(store, one):
                with pytest.raises(Unsupported, match=missing):
                    store.similarity_search("q", filter=one)
                refused += 1
            else:
                found = store.similarity_search("q", k=len(DOCUMENTS), filter=one, exact=True)
                assert {document.id for document in found} == expected, (name, one)
    assert refused < len(asked)  # of six times as many


def test_the_filters_of_vstore_are_taken_as_they_are() -> None:
    where = (F("year") >= 2020) & F("tags").has("rag")
    assert as_filter(where) is where
    assert as_filter(None) is None
    assert as_filter({"$document": {"$contains": "x"}}) == F.document.contains("x")
    assert as_filter({"$nested": {"a": {"not": 1}}}) == (F("a", "not") == 1)
    assert as_filter({"a": {"b": {"$like": "x", "$gt": 1}}}) == as_filter(
        {"$and": [{"a": {"b": {"$gt": 1}}}, {"a": {"b": {"$like": "x"}}}]}
    )


def test_operands_that_stand_for_plain_values() -> None:
    assert as_filter({"a": np.int64(3)}) == (F("a") == 3)
    assert as_filter({"a": {"$in": (np.float64(0.5), 1)}}) == F("a").in_([0.5, 1])
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert as_filter({"a": {"$gte": moment}}) == (F("a") >= moment)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"a": {"$regexp": "x"}}, r"\$regexp"),
        ({"a": {"$between": [1]}}, r"\$between"),
        ({"a": {"$between": 5}}, r"\$between"),
        ({"a": {"$like": 5}}, r"\$like"),
        ({"a": {"$ilike": "x\\"}}, r"\$ilike"),
        ({"a": {"$exists": 1}}, r"\$exists"),
        ({"a": {"$in": "xyz"}}, r"\$in"),
        ({"$nor": [{"a": 1}]}, r"\$nor"),
        ({"$and": []}, "empty"),
        ({"$and": {"a": 1}}, r"\$and"),
        ({"$or": [5]}, "a filter is a dict"),
        ({}, "empty"),
        ({"a": {}}, "empty"),
        ({"a": None}, "None"),
        ({"a": {"gte": 5}}, r"\$gte"),
        ({"a": {"not": {"$like": "x"}}}, r"\$not"),
        ({"a": [1, 2]}, "list"),
        ({5: 1}, "key"),
        (lambda document: True, "a filter of vstore or a dict"),
        ([{"a": 1}], "a filter of vstore or a dict"),
    ],
    ids=lambda value: "a function" if callable(value) else repr(value),
)
def test_what_has_no_equal_is_refused_by_name(asked: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        as_filter(asked)


@given(st.text("a%_\\.", max_size=6), st.text("a%_.\n", max_size=5))
def test_like_is_sqls(pattern: str, text: str) -> None:
    if re.search(r"(?<!\\)(\\\\)*\\$", pattern):
        with pytest.raises(InvalidInput):
            like("$like", pattern)
        return
    where = as_filter({"s": {"$like": pattern}})
    assert where is not None
    assert predicate(where)({"s": text}, None) == sql_like(text, pattern)
