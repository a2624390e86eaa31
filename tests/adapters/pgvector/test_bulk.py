"""A bulk add takes another way to the server than a small one: same records, all or nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

import vstore
from vstore import Flat
from vstore.transfer import CollectionSource, verify

KINDS: list[dict[str, object]] = [
    {},
    {"int": 2**63 - 1, "float": 1.0, "bool": True, "str": "1"},
    {"float": 2.0**60, "text": 'quote " backslash \\ tab \t e+ é \U0001f600'},
    {"when": datetime(2024, 5, 1, tzinfo=UTC), "list": [datetime(1960, 1, 1, tzinfo=UTC)], "d": {"e": {"f": 1.5}}},
]


@pytest.mark.parametrize("n", [499, 500, 501, 1200])
def test_the_same_records_by_either_way(store: vstore.Store, n: int) -> None:
    ids = [f"é{number * 7919 % n:05d}" for number in range(n)]
    vectors = np.random.default_rng(n).normal(size=(n, 5)).astype(np.float32)
    documents = [None if number % 3 else f"document {number}" for number in range(n)]
    metadatas = [KINDS[number % 4] for number in range(n)]
    with vstore.connect("memory:") as reference:
        expected = reference.create_collection("bulk", dimension=5, metric="l2")
        expected.add(ids, vectors, documents, metadatas)
        found = store.create_collection(f"bulk{n}", dimension=5, metric="l2", index=Flat())
        found.add(ids, vectors, documents, metadatas)
        result = verify(CollectionSource(reference, expected), CollectionSource(store, found))
        assert (result.equal, result.bitwise, result.compared) == (True, True, n)


def test_columns_may_be_missing(store: vstore.Store) -> None:
    bare = store.create_collection("bulk_bare", dimension=2, metric="l2", index=Flat())
    bare.add([str(number) for number in range(600)], np.ones((600, 2)))
    records = bare.get(["7"])
    assert (records.documents, records.metadatas) == ([None], [{}])


def test_a_bulk_add_that_fails_has_written_nothing(store: vstore.Store) -> None:
    made = store.create_collection("bulk_fails", dimension=2, metric="l2", index=Flat())
    made.add(["z"], np.ones((1, 2)))
    ids = [f"a{number}" for number in range(12_000)] + ["z"]  # z comes with the second stream
    with pytest.raises(vstore.AlreadyExists) as caught:
        made.add(ids, np.ones((len(ids), 2)))
    assert caught.value.ids == ["z"]
    assert made.count() == 1
