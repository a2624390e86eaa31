"""Reads by id and counts: GET-1, INC-1 and CNT-1."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from vstore import Collection, F, Hits, InvalidInput, Records, Store
from vstore.conformance.checks import names, raises, rows, scanned
from vstore.conformance.fixtures import New, clause

COLUMNS = ("vectors", "documents", "metadatas")


@pytest.fixture
def ten(new: New) -> Collection:
    """Records r00000 to r00009."""
    c = new()
    c.add(names(10), rows(10), [f"text {p}" for p in range(10)], [{"n": p} for p in range(10)])
    return c


@clause("GET-1")
def test_get_answers_in_the_order_of_the_request(ten: Collection) -> None:
    asked = ["r00007", "nothing", "r00002", "r00007", "r00009", "r00002", "nothing", "r00000"]
    found = ten.get(asked)
    assert found.ids == ["r00007", "r00002", "r00009", "r00000"]
    assert found.documents == ["text 7", "text 2", "text 9", "text 0"]
    assert found.metadatas == [{"n": 7}, {"n": 2}, {"n": 9}, {"n": 0}]
    np.testing.assert_array_equal(found.vectors, rows(10)[[7, 2, 9, 0]])
    assert ten.get(["nothing"]).ids == []
    assert ten.get(tuple(reversed(names(10)))).ids == names(10)[::-1]


@clause("GET-1")
def test_get_of_nothing_has_every_column_empty(ten: Collection) -> None:
    for found in (ten.get([]), ten.get(["nothing"])):
        assert (found.ids, found.documents, found.metadatas) == ([], [], [])
        assert found.vectors is not None
        assert found.vectors.shape == (0, 4)


@clause("INC-1")
def test_only_what_was_asked_for_comes(store: Store, ten: Collection) -> None:
    vector = rows(1)[0]
    none = [F("n") == 77]
    if store.capabilities.metadata_contains:
        none.append(F("n").contains_text("absent"))
    for size in range(4):
        for chosen in combinations(COLUMNS, size):
            include: Any = list(chosen)
            results = [
                ten.get(["r00003", "r00001"], include=include),
                ten.get([], include=include),
                next(iter(ten.scan(include=include))).records,
                ten.query(vector=vector, k=3, include=include).records,
                ten.query(vector=vector, k=3, exact=True, include=include).records,
                ten.query(vector=vector, k=3, where=F("n") > 3, include=include).records,
                ten.query(vector=vector, where=F("n").in_([]), include=include).records,
                *[ten.query(vector=vector, where=one, include=include).records for one in none],
                *[ten.query(vector=vector, where=one, include=include, exact=True).records for one in none],
                ten.query_many(vectors=[vector], k=3, include=include)[0].records,
            ]
            for found in results:
                for column in COLUMNS:
                    value = getattr(found, column)
                    assert (value is not None) == (column in chosen), f"{column} for include={include}"
                    assert value is None or len(value) == len(found)


@clause("INC-1")
def test_what_comes_by_default(ten: Collection) -> None:
    for found in (ten.get(["r00001"]), next(iter(ten.scan())).records, ten.peek(2)):
        assert None not in (found.documents, found.metadatas)
        assert found.vectors is not None
    hits = ten.query(vector=rows(1)[0], k=2)
    assert None not in (hits.records.documents, hits.records.metadatas)
    assert hits.records.vectors is None


@clause("INC-1")
def test_an_unknown_column_is_refused(ten: Collection) -> None:
    for include in (["vector"], ["ids"], ["documents", "x"], [1], None, 7):
        with raises(InvalidInput):
            ten.get(["r00001"], include=include)  # type: ignore[arg-type]
        with raises(InvalidInput):
            ten.query(vector=rows(1)[0], include=include)  # type: ignore[arg-type]
        with raises(InvalidInput):
            ten.scan(include=include)  # type: ignore[arg-type]


@clause("CNT-1")
def test_counts_are_exact(new: New) -> None:
    c = new()
    assert (c.count(), c.count(F("n") > 1)) == (0, 0)
    c.add(names(2500), rows(2500), metadatas=[{"n": p} for p in range(2500)])
    assert (c.count(), c.count(F("n") >= 100), c.count({"n": {"$lt": 7}})) == (2500, 2400, 7)
    assert (c.count(F("n").in_([])), c.count(F("n").not_in([]))) == (0, 2500)
    c.upsert(names(2500)[:100], rows(100), metadatas=[{"n": 0}] * 100)
    assert (c.count(), c.count(F("n") == 0)) == (2500, 100)
    c.delete(names(2500)[:50])
    c.delete(where=F("n") >= 2400)
    assert (c.count(), c.count(F("n") == 0)) == (2350, 50)
    assert len(scanned(c)) == 2350


@clause("GET-1")
def test_peek_brings_some_records(ten: Collection) -> None:
    assert len(ten.peek(3)) == 3
    assert len(set(ten.peek(100).ids)) == 10
    for wrong in (0, -1, 1.0, True, "1"):
        with raises(InvalidInput):
            ten.peek(wrong)  # type: ignore[arg-type]
    ten.clear()
    assert ten.peek().ids == []


@clause("GET-1")
def test_the_types_of_answers(ten: Collection) -> None:
    found = ten.get(["r00003", "r00001"])
    assert isinstance(found, Records)
    record = found[0]
    assert (record.id, record.document, record.metadata) == ("r00003", "text 3", {"n": 3})
    assert [r.id for r in found] == ["r00003", "r00001"]
    assert found.vectors is not None
    assert found.vectors.dtype == np.float32
    hits = ten.query(vector=rows(1)[0], k=3)
    assert isinstance(hits, Hits)
    assert type(hits[0].distance) is float
    assert type(hits[0].score) is float
    assert hits.distances.dtype == hits.scores.dtype == np.float64
