"""What tests of conditions ask that rule records out in another application's collection."""

from __future__ import annotations

from collections.abc import Sequence

import vstore
from vstore import F
from vstore.conformance.checks import matching
from vstore.filters.tree import Filter

__all__ = ["ALWAYS", "check", "few_are_read"]

ALWAYS = [
    F("n") == 7,
    F("n") > 497.5,
    F("n").in_([3, 4, 9_999]),
    F("word") == "w7",
    F("flag").in_([True]) & (F("n") < 20) & (F("word") != "w2"),
]


def check(collection: vstore.Collection, wheres: Sequence[Filter]) -> None:
    """Sees that filters select what they select of all records."""
    every = [page.records for page in collection.scan(include=["documents", "metadatas"])]
    some = 0
    for where in wheres:
        expected = {one for records in every for one in matching(where, records)}
        found = {one for page in collection.scan(where=where, include=()) for one in page.records.ids}
        assert found == expected, where
        some += bool(expected)
    assert some > len(wheres) / 4, "most of them select nothing"


def few_are_read(collection: vstore.Collection, read: list[int], wheres: Sequence[Filter]) -> None:
    """Sees that few of 500 records are read, with n from 0 on, where a filter selects a few; deletes ten."""
    for where in [*ALWAYS, *wheres]:
        read.clear()
        count = collection.count(where)
        assert sum(read) <= count + 2, where
    read.clear()
    hits = collection.query([1.0, 0.0], k=3, where=F("n") < 4.5, exact=True)
    assert len(hits) == 3
    assert sum(read) == 8, "those that match, and the three hits"
    read.clear()
    collection.delete(where=F("n") >= 490)
    assert (sum(read), collection.count()) == (10, 490)
