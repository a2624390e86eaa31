"""Named fields, sparse vectors and partitions as PostgreSQL keeps them (FLD, SPV, TEN)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from vstore import HNSW, Dense, F, Flat, Sparse
from vstore_pgvector._sync.session import Session

LAST = 2**32 - 3


@contextmanager
def _counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements with rows."""
    sent: list[str] = []
    plain = Session.fetch

    def fetch(self: Session, connection: Any, statement: str, *given: Any, **named: Any) -> list[tuple[Any, ...]]:
        sent.append(statement)
        return plain(self, connection, statement, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "fetch", fetch)
        yield sent


def test_the_longest_sparse_vector_in_one_band_and_in_all(store: vstore.Store) -> None:
    docs = store.create_collection("docs", fields={"terms": Sparse()})
    one = {index: 1.0 + index for index in range(16_000)}
    all_bands = {index * 268_000: 0.5 for index in range(16_000)} | {LAST: 2.0}
    del all_bands[0]
    docs.add(["one", "all", "none"], fields={"terms": [one, all_bands, None]})
    got = docs.get(["one", "all", "none"], include=["sparse"]).sparse
    assert [None if vector is None else vector.to_dict() for vector in got] == [one, all_bands, {}]
    hits = docs.query(sparse=all_bands, k=3)
    assert hits.ids == ["all"]
    assert hits.distances[0] == -(15_999 * 0.25 + 4.0)
    assert docs.query(sparse={LAST: 1.0, 5: 1.0}, k=3).ids == ["one", "all"]
    assert docs.query(sparse={LAST - 1: 1.0}, k=3).ids == []


def test_sparse_vectors_can_be_read_with_sql(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    docs = store.create_collection("docs", fields={"Terms": Sparse(), "image": Dense(2, "l2")})
    docs.add(["a"], fields={"Terms": [{0: 1.5, 10**9: 2.5}], "image": [[1, 2]]})
    row = sql.execute(
        f'select "sparse_Terms"::text, "sparse1_Terms"::text, "sparse2_Terms"::text, vector_image::text '
        f"from {docs.native}"
    ).fetchone()
    assert row == ("{1:1.5}/1000000000", "{1:2.5}/1000000000", None, "[1,2]")


def test_one_statement_answers_a_sparse_query(store: vstore.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = store.create_collection("docs", dimension=2, fields={"terms": Sparse()})
    random = np.random.default_rng(0)
    terms = [{int(index): float(value) for index, value in zip(range(5), random.random(5), strict=True)}] * 3
    terms += [{int(index): 0.1 + float(random.random()) for index in random.integers(0, 50, 9)} for _ in range(200)]
    docs.add([f"r{n}" for n in range(203)], random.random((203, 2)), fields={"terms": terms})
    with _counting(monkeypatch) as sent:
        docs.query(sparse={1: 1.0, 7: 0.5}, k=5, where=F("none").exists() | ~F("none").exists())
        docs.query_many({"terms": [{1: 1.0}, {LAST: 1.0}]}, k=5, include=["documents", "fields"])
    assert len(sent) == 2


def test_all_fields_at_their_widest_fit_a_row(store: vstore.Store) -> None:
    fields: dict[str, Dense | Sparse] = {f"d{n}": Dense(850, "l2", index=Flat()) for n in range(3)}
    fields |= {f"s{n}": Sparse() for n in range(13)}
    docs = store.create_collection("docs", dimension=850, metric="l2", index=Flat(), fields=fields)
    wide = {band * 10**9 + index: 1.0 + index for band in range(4) for index in range(1_000)}
    vectors = np.random.default_rng(0).random((1, 850), dtype=np.float32)
    given = {name: vectors if isinstance(field, Dense) else [wide] for name, field in fields.items()}
    docs.add(["x" * 500], vectors, ["d" * 9_000], [{"k": "m" * 9_000}], fields=given)
    back = docs.get(["x" * 500], include=["vectors", "fields"])
    assert back.vectors is not None
    np.testing.assert_array_equal(back.vectors, vectors)
    assert back.fields["s12"][0].to_dict() == wide  # type: ignore[union-attr]


def test_the_index_of_each_field_is_put_off_and_built(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    fields = {"image": Dense(4, "dot", index=HNSW(m=5)), "Other": Dense(3, index=Flat())}
    docs = store.create_collection("docs", dimension=2, metric="l2", fields=fields)

    def indexes() -> list[str]:
        found = sql.execute(
            "select pg_get_indexdef(x.indexrelid) from pg_index x where x.indrelid = %s::regclass", (docs.native,)
        )
        return sorted(text.split(" USING ")[1] for (text,) in found if "USING hnsw" in text)

    every = indexes()
    assert every == [
        "hnsw (embedding vector_l2_ops) WITH (m='16', ef_construction='100')",
        "hnsw (vector_image vector_ip_ops) WITH (m='5', ef_construction='100')",
    ]
    docs.defer_index()
    assert indexes() == []
    docs.build_index()
    assert indexes() == every


def test_a_default_without_an_index_is_told(store: vstore.Store, caplog: pytest.LogCaptureFixture) -> None:
    chosen = store.create_collection("chosen", dimension=3_072, index=Flat(), fields={"image": Dense(2_000)})
    assert isinstance(chosen.info.fields["image"].index, HNSW)  # type: ignore[union-attr]
    assert caplog.messages == []
    assert store.create_collection("docs", dimension=3_072, metric="l2").info.index == Flat()
    store.create_collection("named", fields={"image": Dense(4_001)})
    found = [(record.name, record.levelname, record.args) for record in caplog.records]
    assert found == [
        ("vstore.indexes", "WARNING", (3_072, "l2", 2_000)),
        ("vstore.indexes", "WARNING", (4_001, "cosine", 4_000)),
    ]


def test_an_index_that_pgvector_lacks_is_refused(store: vstore.Store) -> None:
    with pytest.raises(vstore.errors.LimitExceeded, match="2,000 dimensions under dot, not 2,001"):
        store.create_collection("docs", fields={"image": Dense(2_001, "dot", index=HNSW())})
    assert store.list_collections() == []


def test_a_partition_is_found_by_its_index(
    store: vstore.Store, sql: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "tenant's %s {}"
    docs = store.create_collection("docs", dimension=2, metric="l2", partition_by=key)
    tenants = [f"t{n % 50}" for n in range(2_500)]
    vectors = np.random.default_rng(0).random((2_500, 2))
    docs.add([f"r{n:04d}" for n in range(2_500)], vectors, metadatas=[{key: tenant} for tenant in tenants])
    sql.execute(f"analyze {docs.native}")
    plan = sql.execute(f"explain (format json) select id from {docs.native} where partition = 't1'").fetchone()
    assert plan is not None
    assert "partition_id_idx" in json.dumps(plan[0])
    mine = docs.partition("t1")
    with _counting(monkeypatch) as sent:
        hits = mine.query([0.5, 0.5], k=10, where=F("none") != 1)
    assert [one for one in sent if "partition = %s" in one] == sent
    assert hits.ids == mine.query([0.5, 0.5], k=10, exact=True).ids
    assert docs.count(F(key) == "t1") == 50
    assert docs.count(F(key) != "t1") == 2_450
    docs.upsert(["r0001"], [[1, 1]], metadatas=[{key: "t2"}])
    assert (mine.count(), docs.partition("t2").count()) == (49, 51)


def test_a_collection_from_before_fields_reads_on(store: vstore.Store, sql: psycopg.Connection[Any], url: str) -> None:
    docs = store.create_collection("docs", dimension=2, metric="l2")
    docs.add(["a", "b"], [[1, 2], [3, 4]], ["one", None], [{"n": 1}, {}])
    schema = url.rsplit("=", 1)[1]
    sql.execute(f"update {schema}._vstore_collections set info = (info::jsonb - 'fields' - 'partition_by')::text")
    with vstore.connect(url) as again:
        old = again.get_collection("docs")
        old.upsert(["b"], [[5, 6]])
        assert old.query([5, 6], k=2, include=["vectors", "metadatas"]).ids == ["b", "a"]
        assert next(iter(old.scan())).ids == ["a", "b"]
