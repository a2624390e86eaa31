"""Vectors of more than 2,000 dimensions: an index of half precision, hits compared with the full vectors."""

from __future__ import annotations

from time import monotonic
from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from vstore import HNSW, Dense, F, IVFFlat

DIMENSION = 3_072
ROWS = 150


def made(number: int, seed: int = 0) -> np.ndarray:
    """Vectors of every length that the contract allows, one after another."""
    random = np.random.default_rng(seed)
    lengths = 10.0 ** np.linspace(-14, 14, number)
    vectors = random.normal(size=(number, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * lengths[:, None]).astype(np.float32)


def true(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    wide, asked = vectors.astype(np.float64), query.astype(np.float64)
    cosine: np.ndarray = 1 - wide @ asked / np.linalg.norm(wide, axis=1) / np.linalg.norm(asked)
    return cosine


@pytest.mark.parametrize("index", [None, IVFFlat(lists=2, probes=2)])
def test_vectors_of_3072_dimensions_have_an_index(
    store: vstore.Store, sql: psycopg.Connection[Any], index: IVFFlat | None
) -> None:
    docs = store.create_collection("docs", dimension=DIMENSION, index=index)
    assert isinstance(docs.info.index, HNSW if index is None else IVFFlat)
    vectors = made(ROWS)
    docs.add([f"{n:03}" for n in range(ROWS)], vectors, metadatas=[{"n": n % 2} for n in range(ROWS)])
    query = made(1, 1)[0]
    distance = true(vectors, query)
    order = np.argsort(distance)
    for where, chosen in ((None, order), (F("n") == 1, order[order % 2 == 1])):
        hits = docs.query(query, k=10, where=where, include=["vectors", "metadatas"])
        assert len(set(hits.ids) & {f"{n:03}" for n in chosen[:10]}) >= 9
        np.testing.assert_allclose(hits.distances, distance[[int(i) for i in hits.ids]], rtol=1e-5)
        assert list(hits.distances) == sorted(hits.distances)
        assert docs.query(query, k=10, where=where, exact=True).ids == [f"{n:03}" for n in chosen[:10]]
    assert [len(hits) for hits in docs.query_many(vectors[:3], k=ROWS)] == [ROWS] * 3
    (text,) = sql.execute(
        "select pg_get_indexdef(x.indexrelid) from pg_index x join pg_class i on i.oid = x.indexrelid "
        "join pg_am a on a.oid = i.relam where x.indrelid = %s::regclass and a.amname in ('hnsw', 'ivfflat')",
        (docs.native,),
    ).fetchone()  # type: ignore[misc]
    assert "halfvec_cosine_ops" in text
    docs.defer_index()
    docs.build_index()
    assert docs.query(vectors[5], k=1).ids == ["005"]


def test_the_index_is_what_a_query_asks(url: str, sql: psycopg.Connection[Any]) -> None:
    """Otherwise halves, or signs, would be made of every vector for every query."""
    sql.execute("alter role current_user set enable_seqscan = off")  # which is the cheaper for so few records
    try:
        with vstore.connect(url) as store:
            fields = {"wide": Dense(2_500), "signs": Dense(8, "l2", index=HNSW(quantization="binary"))}
            docs = store.create_collection("docs", dimension=DIMENSION, fields=fields)
            vectors = made(20)
            docs.add([f"{n}" for n in range(20)], vectors, fields={"wide": vectors[:, :2_500], "signs": vectors[:, :8]})
            native, query = docs.native, made(1)[0]
            docs.query(query)
            docs.query_many(query[None])
            docs.query({"wide": query[:2_500]})
            for _ in range(3):
                docs.query({"signs": query[:8]})
    finally:
        sql.execute("alter role current_user reset enable_seqscan")
    asked = (
        "select s.idx_scan from pg_stat_all_indexes s join pg_class i on i.oid = s.indexrelid "
        "join pg_am a on a.oid = i.relam where s.relid = %s::regclass and a.amname = 'hnsw' order by 1"
    )
    used, end = [], monotonic() + 10  # a session tells what it did when it ends, which nobody waits for
    while used != [(1,), (2,), (3,)] and monotonic() < end:
        used = sql.execute(asked, (native,)).fetchall()
    assert used == [(1,), (2,), (3,)]
