"""Documents and filters made at random, and what Haystack's own function says of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

from haystack import Document
from haystack.dataclasses import ByteStream
from haystack.errors import FilterError
from haystack.utils.filters import document_matches_filter

KEYS = ("year", "title", "day", "tags", "odd", "person", "$price", 'say "hi"')
FIELDS = (
    *(f"meta.{key}" for key in KEYS),
    *("meta.person.name", "meta.person.born", "meta.person.tags", "meta.person.home.city", "meta.title.none"),
    *("year", "id", "content", "score", "embedding", "nothing", "content.part"),
)
NUMBERS = (0, 1, 1.0, 0.5, -3, 2020, 2**40, True, False)
BEYOND = (2**70, 2.0**70, float("inf"), "nul\x00", "lone \ud800")
TEXTS = ("", "rag", "1", "d0", "多语言检索", "2020", "not a date")
DATES = (
    *("2024-01-01", "2024-01-01T00:00:00", "2024-01-01T00:00:00+00:00", "2024-01-01 01:00+01:00", "2024-01-01T24:00"),
    *("2024-01-02T00:00:00Z", "20240101", "1969-07-21T20:17:40", "2024-13-01"),
    *(datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),  # noqa: DTZ001  # one without an offset is what is meant
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=5))),
)
LISTS = (["rag"], [1, 2], [1.0, 2.0], [], [None, "a"], [True], ("rag",), [["rag"]])
DICTS = ({}, {"name": "Ada", "born": "1815-12-10"}, {"name": None, "home": {"city": "London", "n": 1}})
ORDERS = (">", ">=", "<", "<=")


def documents(random: Random, number: int) -> list[Document]:
    return [_document(random, place) for place in range(number)]


def _document(random: Random, place: int) -> Document:
    pool: tuple[Any, ...] = (None, *NUMBERS, *BEYOND, *TEXTS, *DATES, *LISTS, *DICTS)
    usual: dict[str, tuple[Any, ...]] = {
        "year": NUMBERS,
        "title": TEXTS,
        "day": DATES,
        "tags": LISTS,
        "person": (*DICTS, {"name": random.choice(TEXTS), "born": random.choice(DATES), "tags": random.choice(LISTS)}),
    }
    meta = {
        key: random.choice(usual.get(key, pool) if random.random() < 0.8 else pool)
        for key in KEYS
        if random.random() < 0.8
    }
    return Document(
        id=f"d{place}",
        content=random.choice((None, *TEXTS, *DATES[:3])),
        meta=meta,
        score=random.choice((None, 0.5, 1.0)),
        embedding=None if random.random() < 0.2 else [random.gauss(0, 1) for _ in range(4)],
        blob=ByteStream(b"\x00bytes", {"a": 1}, "text/plain") if random.random() < 0.1 else None,
    )


def filters(random: Random, depth: int = 2) -> dict[str, Any]:
    if depth and random.random() < 0.6:
        parts = [filters(random, depth - 1) for _ in range(random.randint(1, 3))]
        return {"operator": random.choice(("AND", "OR", "NOT")), "conditions": parts}
    field = random.choice(FIELDS)
    operator = random.choice(("==", "!=", "in", "not in", *ORDERS))
    if field == "embedding":
        return {"field": field, "operator": random.choice(("==", "!=")), "value": None}
    if operator in ORDERS:
        dates = tuple(date for date in DATES if date not in ("2024-13-01", "2024-01-01T24:00"))
        return {"field": field, "operator": operator, "value": random.choice((None, *NUMBERS, *dates))}
    pool = (None, *NUMBERS, *TEXTS, *DATES, *LISTS, *DICTS, *BEYOND[:2])
    value: Any = random.choice(pool)
    if operator in ("in", "not in"):
        value = random.sample(pool, random.randint(0, 3))
    return {"field": field, "operator": operator, "value": value}


def matches(condition: dict[str, Any], document: Document) -> bool:
    """Haystack's own function for each comparison; one that it refuses for a document is false of it."""
    if "conditions" in condition:
        found = [matches(part, document) for part in condition["conditions"]]
        return {"AND": all(found), "OR": any(found), "NOT": not all(found)}[condition["operator"]]
    if condition["operator"] in ORDERS:
        document = _comparable(document)
    try:
        return document_matches_filter(condition, document)
    except (FilterError, TypeError):
        return False


def _comparable(document: Document) -> Document:
    """With those values alone that can have an order: Haystack's function guesses dates that are not ISO 8601's."""
    content, meta = _only_comparable(document.content), _only_comparable(document.meta)
    return replace(document, content=content, meta=meta)


def _only_comparable(value: Any) -> Any:
    match value:
        case dict():
            return {key: _only_comparable(element) for key, element in value.items()}
        case "2024-01-01T24:00":
            return "2024-01-02"
        case str():
            try:
                datetime.fromisoformat(value)
            except ValueError:
                return None
        case int() if abs(value) >= 2**63:
            return None  # no database holds it: it can be compared whole only
        case float() if abs(value) >= 2**63 and value == float("inf"):
            return None
    return value
