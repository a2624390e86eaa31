"""Sparse vectors: SPV-1 to SPV-3."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from vstore import F, InvalidInput, LimitExceeded, Sparse, SparseArray, Store, Unsupported
from vstore.conformance.checks import matching, names, raises, refusing, rows
from vstore.conformance.corpus import unique_name
from vstore.conformance.fixtures import New, Supports, clause
from vstore.records import Records
from vstore.sparse_input import MAX_INDEX

TERMS = {"terms": Sparse()}
Row = dict[int, float] | None


def score(query: dict[int, float], row: Row) -> float:
    """The contract's score: terms added in float64 by ascending index, of values as float32 holds them."""
    total = 0.0
    for index in sorted(query):
        if row and index in row:
            total += float(np.float32(query[index])) * float(np.float32(row[index]))
    return total


def true_hits(query: dict[int, float], ids: list[str], column: list[Row], k: int) -> list[tuple[float, str]]:
    """Distances and ids of the k nearest that share an index with the query."""
    scored = [(-score(query, row), name) for name, row in zip(ids, column, strict=True)]
    return sorted(pair for pair in scored if pair[0] < 0)[:k]


def found(hits: Any) -> list[tuple[float, str]]:
    assert hits.scores.tolist() == [-distance for distance in hits.distances.tolist()]
    return list(zip(hits.distances.tolist(), hits.ids, strict=True))


def random_rows(rng: random.Random, number: int, terms: int) -> list[Row]:
    """Rows with few distinct weights, so that many scores are equal; every eighth is absent."""
    return [
        None
        if rng.random() < 0.12
        else {index: rng.choice([0.25, 0.5, 1.0, 2.0]) for index in rng.sample(range(terms), rng.randint(1, 8))}
        for _ in range(number)
    ]


@clause("SPV-1", "CAP-2", "COL-4")
def test_sparse_vectors_are_kept_or_refused(store: Store, new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        before = store.list_collections()
        with raises(Unsupported):
            store.create_collection(unique_name(), dimension=2, fields=TERMS)
        assert store.list_collections() == before
        return
    c = new(2, fields=TERMS)
    assert c.info.fields == TERMS == store.get_collection(c.name).info.fields
    c.add(["a", "b", "c", "d"], rows(4, 2), sparse=[{5: 1.5, 2: 0.5}, ([9], [2.0]), None, {}])
    kept = c.get(["a", "b", "c", "d"]).sparse
    assert kept is not None
    assert [row.to_dict() for row in kept] == [{2: 0.5, 5: 1.5}, {9: 2.0}, {}, {}]


@clause("SPV-1", "SPV-2", "WR-2", "WR-3")
@pytest.mark.much
def test_a_sparse_vector_comes_back_bit_for_bit(new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        return
    rng = np.random.default_rng(2)
    c = new(2, fields=TERMS)
    given: list[Row] = [
        {0: 1.0},
        {MAX_INDEX: 1.0},
        {0: 1e-15, 1: 1e15, 2**31 - 1: 0.1, 2**31: 1 / 3, 10**9: 3e-7, MAX_INDEX: 7.25},
        dict(zip(range(0, 4096 * 1000, 1000), rng.uniform(1e-6, 1e6, 4096).tolist(), strict=True)),
        {7: 0.0, 8: 2.0, 9: -0.0},
        None,
    ]
    given += [
        dict(
            zip(
                rng.choice(MAX_INDEX + 1, size, replace=False).tolist(),
                rng.uniform(1e-9, 9, size).tolist(),
                strict=True,
            )
        )
        for size in rng.integers(1, 150, 1500).tolist()
    ]
    ids = names(len(given))
    column = SparseArray.of(given)
    bits = column.indptr.tobytes(), column.indices.tobytes(), column.values.tobytes()
    c.add(ids, rows(len(ids), 2), sparse=column)
    assert bits == (column.indptr.tobytes(), column.indices.tobytes(), column.values.tobytes())
    scanned = Records.concat([page.records for page in c.scan(batch_size=400)]).ordered(ids)
    for records in (c.get(ids), scanned):
        kept = records.sparse
        assert kept is not None
        assert [part.dtype.name for part in (kept.indptr, kept.indices, kept.values)] == ["int64", "uint32", "float32"]
        assert kept == column
    again = new(2, fields=TERMS)
    again.upsert(ids, rows(len(ids), 2), fields={"terms": [row and (list(row), list(row.values())) for row in given]})
    assert again.get(ids).sparse == column


@clause("SPV-2", "UPS-1", "UPD-1")
def test_an_empty_vector_is_absence(new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        return
    c = new(2, fields=TERMS)
    ids = ["a", "b", "c"]
    c.add(ids, rows(3, 2), metadatas=[{"n": 1}] * 3, sparse=[{1: 1.0}, {}, None])
    expected: dict[str, Row] = {"a": {1: 1.0}, "b": None, "c": None}

    def check() -> None:
        for record in c.get(ids):
            vector = record.fields["terms"]
            assert (vector.to_dict() if vector is not None else None) == expected[record.id]  # type: ignore[union-attr]
        assert c.query(sparse={1: 1.0, 2: 1.0}, k=9).ids == sorted(
            filter(expected.get, ids), key=lambda name: (-max((expected[name] or {}).values()), name)
        )

    check()
    c.update(["b", "a"], sparse=[{2: 1.0}, None])
    expected |= {"a": None, "b": {2: 1.0}}
    check()
    c.update(["b"], documents=["x"])
    check()
    c.update(["a"], sparse=[{1: 0.0}])
    check()
    c.update(["c"], fields={"terms": [{1: 4.0}]})
    expected["c"] = {1: 4.0}
    check()
    c.upsert(["c"], rows(1, 2))
    expected["c"] = None
    check()
    assert c.get(["b"]).metadatas == [{"n": 1}]


@clause("SPV-1")
def test_what_is_no_sparse_vector_is_refused(store: Store, new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        return
    c = new(2, fields=TERMS)
    c.add(["a"], rows(1, 2), sparse=[{1: 1.0}])
    wrong: list[Any] = [
        {-1: 1.0},
        {MAX_INDEX + 1: 1.0},
        {1: -1.0},
        {1: math.nan},
        {1: math.inf},
        {1: 1e-16},
        {1: 2e15},
        {1.5: 1.0},
        {"a": 1.0},
        {1: "a"},
        ([1, 1], [1.0, 2.0]),
        ([1, 2], [1.0]),
        ([0.5], [1.0]),
        [1, 2, 3],
        "text",
        5,
    ]
    for bad in wrong:
        for write in (c.add, c.upsert, c.update):
            error = refusing(
                InvalidInput,
                c,
                lambda write=write, bad=bad: write(["a", "b", "c"], rows(3, 2), sparse=[{1: 1.0}, None, bad]),  # type: ignore[misc]
            )
            assert "terms[2]" in str(error), error
        if bad != "text":  # a text is one to be embedded
            refusing(InvalidInput, c, lambda bad=bad: c.query(sparse=bad))  # type: ignore[misc]
    columns: list[Any] = [[{1: 1.0}], {1: 1.0}, "ab", 3]
    for column in columns:
        refusing(InvalidInput, c, lambda column=column: c.upsert(["a", "b"], rows(2, 2), sparse=column))  # type: ignore[misc]
    one: list[Any] = [{1: 1.0}]
    refusing(InvalidInput, c, lambda: c.upsert(["a"], rows(1, 2), fields={"terms": one}, sparse=one))
    most = store.capabilities.limits.max_sparse_values
    long = SparseArray.of([(np.arange(most + 1), np.ones(most + 1))])
    refusing(LimitExceeded, c, lambda: c.upsert(["a"], rows(1, 2), sparse=long))
    refusing(LimitExceeded, c, lambda: c.query(sparse=long))
    c.upsert(["a"], rows(1, 2), sparse=SparseArray.of([(np.arange(most), np.ones(most))]))
    assert c.query(sparse={0: 1.0}).ids == ["a"]


@clause("SPV-3", "QRY-1", "QRY-2", "QRY-3", "QRY-4")
@pytest.mark.much
def test_a_sparse_query_is_exact_and_its_ties_come_by_id(new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        return
    rng = random.Random(4)
    number = 600
    c = new(2, fields=TERMS)
    column = random_rows(rng, number, 40)
    ids = names(number)
    rng.shuffle(ids)
    metadatas = [{"n": place % 10, "half": place % 2 == 0} for place in range(number)]
    c.add(ids, rows(number, 2), metadatas=metadatas, sparse=column)
    records = Records(ids, None, [None] * number, metadatas)
    queries: list[dict[int, float]] = [
        {3: 1.0},
        {3: 1.0, 4: 1.0, 39: 0.5},
        dict.fromkeys(range(40), 1.0),
        {index: rng.uniform(1e-3, 3) for index in range(0, 40, 3)},
        {1000: 1.0},
        {5: 1.0, MAX_INDEX: 1.0},
    ]
    for query in queries:
        for where in (None, F("n") < 2, F("half") == True, F("n") == 77):
            keep = set(ids) if where is None else matching(where, records)
            kept = [(name, row) for name, row in zip(ids, column, strict=True) if name in keep]
            for k in (1, 10, 50, 1000):
                wanted = true_hits(query, [name for name, _ in kept], [row for _, row in kept], k)
                for exact in (False, True):
                    assert found(c.query(sparse=query, k=k, where=where, exact=exact)) == wanted
    many = c.query_many(sparse=queries, k=10)
    assert [found(hits) for hits in many] == [true_hits(query, ids, column, 10) for query in queries]
    hit = c.query(sparse=queries[0], k=1, include=["sparse", "metadatas"])[0]
    place = ids.index(hit.id)
    assert hit.metadata == metadatas[place]
    assert hit.fields["terms"].to_dict() == column[place]  # type: ignore[union-attr]


@clause("SPV-2", "SPV-3")
def test_an_empty_query_has_no_hits(new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        return
    c = new(2, fields=TERMS)
    empty: Any
    for _ in range(2):
        for empty in ({}, ([], []), {3: 0.0}, SparseArray.of([{}])):
            hits = c.query(sparse=empty, include=["sparse", "vectors", "documents"])
            assert (len(hits), len(hits.records), hits.documents) == (0, 0, [])
        assert [hits.ids for hits in c.query_many(sparse=[{}, {1: 1.0}, {}])][::2] == [[], []]
        assert c.query_many(sparse=[]) == []
        c.upsert(["a"], rows(1, 2), sparse=[{1: 1.0}])
    assert [hits.ids for hits in c.query_many(sparse=[{}, {1: 1.0}, {}])] == [[], ["a"], []]


@clause("SPV-3", "MET-3")
def test_scores_are_float64_sums_of_what_was_written(new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        return
    rng = random.Random(8)
    column: list[Row] = [
        {index: math.exp(rng.uniform(-30, 30)) for index in rng.sample(range(300), rng.randint(1, 200))}
        for _ in range(150)
    ]
    column += [{1: 1.0, 2: 2.0**-24}, {1: 1.0}, {1: float(np.nextafter(np.float32(1), np.float32(2)))}]
    c = new(2, fields=TERMS)
    ids = names(len(column))
    c.add(ids, rows(len(ids), 2), sparse=column)
    for query in (
        {index: math.exp(rng.uniform(-30, 30)) for index in range(0, 300, 2)},
        {1: 1.0, 2: 1.0},
        {1: 1e-15},
        {1: 1e15, 2: 1e-15},
    ):
        assert found(c.query(sparse=query, k=200)) == true_hits(query, ids, column, 200)


@clause("SPV-3", "QRY-2")
@pytest.mark.much
def test_ties_of_16384_records_are_cut_by_id(new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        return
    number = 16_384
    ids = names(number)
    random.Random(1).shuffle(ids)
    c = new(2, fields=TERMS)
    column: list[Row] = [{5: 1.0} for _ in range(number)]
    column[70], column[71] = {5: 2.0}, {6: 1.0}
    c.add(ids, np.ones((number, 2)), sparse=column)
    for k in (1, 10, 300):
        assert found(c.query(sparse={5: 0.5}, k=k)) == true_hits({5: 0.5}, ids, column, k)


class _Words:
    """Embeds a text as its words, by their first letters."""

    name = "words"

    def embed_sparse(self, texts: Any) -> Any:
        return [{ord(word[0]): float(len(word)) for word in text.split()} for text in texts]


@clause("SPV-2", "SPV-3", "UPD-1")
def test_a_sparse_field_has_an_embedder(store: Store, new: New, supports: Supports) -> None:
    if not supports("sparse_vectors"):
        return
    c = new(2, fields=TERMS, embedder={"terms": _Words()})
    assert c.info.fields["terms"].embedder == "words"
    c.add(["a", "b", "c"], rows(3, 2), documents=["old sea", "", None])
    assert [row.to_dict() for row in c.get(["a", "b", "c"]).sparse or []] == [{111: 3.0, 115: 3.0}, {}, {}]
    assert c.query(text="sky").ids == ["a"]
    assert c.query({"terms": "sky"}).ids == ["a"]
    assert [hits.ids for hits in c.query_many(texts=["sky", "", "nil"])] == [["a"], [], []]
    c.update(["a", "c"], documents=[None, "sea"])
    assert c.query(text="sky").ids == ["c"]
    bare = store.get_collection(c.name)
    refusing(InvalidInput, c, lambda: bare.query(text="sky"))
    refusing(InvalidInput, c, lambda: bare.update(["a"], documents=["sea"]))
    with raises(InvalidInput):
        store.get_collection(c.name, embedder={"terms": object()})  # type: ignore[dict-item]
