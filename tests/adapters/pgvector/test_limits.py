"""Everything legal by the contract fits PostgreSQL's pages, indexes and statements (META-1, ID-1, FLT-7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from vstore import F, Flat

_RANDOM = np.random.default_rng(0)


def _noise(length: int) -> str:
    """Text that does not compress: an index row may have 2,704 bytes on a btree, whatever a text compresses to."""
    return "".join(chr(one) for one in _RANDOM.integers(0x4E00, 0x9FFF, size=length // 3)) + "x" * (length % 3)


def _shapes() -> dict[str, dict[str, Any]]:
    return {
        "one long text": {"k": _noise(32_000)},
        "one thousand keys": {f"k{i}": i for i in range(1_000)},
        "long keys": {_noise(250) + str(i): i for i in range(100)},
        "lists of a thousand": {f"l{i}": [int(n) for n in _RANDOM.integers(0, 9, size=1_000)] for i in range(8)},
        "a list of long texts": {"l": [_noise(300) for _ in range(100)]},
        "deeply nested": {"a": {"b": {"c": {"d": {"e": {"f": {"g": _noise(3_000)}}}}}}},
        "numbers at the ends": {"a": 2**63 - 1, "b": -(2**63), "c": 1.7e308, "d": 5e-324, "e": [1.7e308] * 900},
    }


@pytest.mark.parametrize("shape", list(_shapes()))
def test_metadata_of_every_shape(store: vstore.Store, shape: str) -> None:
    metadata = _shapes()[shape]
    docs = store.create_collection("docs", dimension=2, metric="l2", index=Flat())
    docs.add(ids=["a"], vectors=[[1, 1]], metadatas=[metadata])
    docs.add(ids=[f"{i:03d}" for i in range(600)], vectors=[[1, 1]] * 600, metadatas=[metadata] * 600)  # COPY
    docs.upsert(ids=["b"], vectors=[[1, 2]], metadatas=[metadata])
    for _ in range(3):  # what merging adds up to
        docs.update(ids=["a"], metadatas=[{f"more{key}"[:60]: value for key, value in metadata.items()}])
    docs.update(ids=["b"], metadatas=[{"n": 1}])
    assert docs.get(["b"]).metadatas == [{**metadata, "n": 1}]
    key, value = next(iter(metadata.items()))
    if not isinstance(value, dict | list):
        assert docs.count(F(key) == value) == 602
    assert docs.count(F(key).exists()) == 602


def test_metadata_that_merges_beyond_any_call(store: vstore.Store) -> None:
    docs = store.create_collection("docs", dimension=2, metric="l2")
    docs.add(ids=["a"], vectors=[[1, 1]])
    for part in range(20):
        docs.update(ids=["a"], metadatas=[{f"p{part}k{i}": [i] * 9 for i in range(300)}])
    (record,) = docs.get(["a"])
    assert record.metadata is not None
    assert len(record.metadata) == 6_000
    docs.upsert(ids=["a"], vectors=[[1, 1]], metadatas=[{"n": 1}])
    assert docs.get(["a"]).metadatas == [{"n": 1}]


def test_the_longest_ids(store: vstore.Store) -> None:
    ids = [_noise(510) + f"{i:02d}" for i in range(40)]
    docs = store.create_collection("docs", dimension=2, metric="l2")
    docs.add(ids=ids, vectors=[[i, 0] for i in range(40)])
    assert docs.get(ids).ids == ids
    assert docs.query([0, 0], k=3).ids == ids[:3]
    assert sorted(i for page in docs.scan(batch_size=7) for i in page.records.ids) == sorted(ids)


def test_filters_of_more_values_than_a_statement_has_parameters(store: vstore.Store) -> None:
    """The protocol counts parameters with 16 bits."""
    docs = store.create_collection("docs", dimension=2, metric="l2")
    docs.add(ids=["a", "b"], vectors=[[1, 1], [1, 2]], metadatas=[{"n": 1, "l": [1]}, {"n": -1}])
    large = [F("n").in_(list(range(k, k + 10_000))) for k in range(0, 90_000, 10_000)]
    where = large[0]
    for one in large[1:]:
        where = where | one
    assert docs.count(where) == 1
    some = [F("l").contains_any(list(range(k, k + 60))) for k in range(0, 24_000, 60)]
    where = some[0]
    for one in some[1:]:
        where = where | one
    assert docs.count(where) == 1


def test_documents_of_the_longest(store: vstore.Store) -> None:
    docs = store.create_collection("docs", dimension=2, metric="l2")
    text = _noise(65_535)
    docs.add(ids=["a"], vectors=[[1, 1]], documents=[text])
    assert docs.get(["a"]).documents == [text]
    assert docs.count(F.document.contains(text[1_000:20_000])) == 1


def test_an_update_of_metadata_is_a_few_statements(store: vstore.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = store.create_collection("docs", dimension=4, metric="l2", index=Flat())
    ids = [f"{i:05d}" for i in range(20_000)]
    docs.add(ids=ids, vectors=np.zeros((20_000, 4)), metadatas=[{"n": 1}] * 20_000)
    sent: list[str] = []
    plain = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return plain(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    docs.update(ids=ids, metadatas=[{"m": i} for i in range(20_000)])
    assert len(sent) <= 15
    monkeypatch.undo()
    assert docs.count((F("n") == 1) & (F("m") >= 0)) == 20_000
    assert docs.get(["00007"]).metadatas == [{"n": 1, "m": 7}]


def test_metadata_stay_beside_the_vectors_and_documents_go_first(
    store: vstore.Store, sql: psycopg.Connection[Any]
) -> None:
    docs = store.create_collection("docs", dimension=384, metric="l2", index=Flat())
    docs.add(["a"], np.ones((1, 384)), documents=[_noise(3_000)], metadatas=[{"k": _noise(900)}])
    outside = "pg_column_toast_chunk_id({0}) is not null or pg_column_compression({0}) is not null"
    statement = f"select {outside.format('metadata')}, {outside.format('document')} from {docs.native}"
    assert sql.execute(statement).fetchone() == (False, True)
