"""``HNSW(quantization="binary")``: an index over the signs of components, hits compared with the full vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from vstore import HNSW, Dense, F, LimitExceeded, Metric, Quantization, RecordMapping, Search, Unsupported
from vstore.spi import distances
from vstore.transfer import CollectionSource, CollectionTarget, LayoutTarget, copy

BINARY = HNSW(quantization="binary")
ROWS, DIMENSION = 2_000, 128


def clustered(number: int, seed: int) -> np.ndarray:
    """Vectors around the same 20 centres, whatever the seed."""
    centres = np.random.default_rng(0).normal(size=(20, DIMENSION))
    random = np.random.default_rng(seed)
    spread = 0.6 * random.normal(size=(number, DIMENSION))
    return (centres[random.integers(20, size=number)] + spread).astype(np.float32)


@pytest.fixture
def by_index(sql: psycopg.Connection[Any]) -> Any:
    """Has the planner take the index for few records too, of which a comparison with all would be the cheaper."""
    sql.execute("alter role current_user set enable_seqscan = off")
    yield
    sql.execute("alter role current_user reset enable_seqscan")


def indexes(sql: psycopg.Connection[Any], table: object) -> list[str]:
    asked = "select indexdef from pg_indexes where format('%%I.%%I', schemaname, tablename)::regclass = %s::regclass"
    return [text for (text,) in sql.execute(asked, (table,)) if "USING hnsw" in text]


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("metric", list(Metric))
def test_most_of_the_nearest_are_found_at_default_settings(
    store: vstore.Store, sql: psycopg.Connection[Any], metric: Metric
) -> None:
    vectors, queries = clustered(ROWS, 1), clustered(20, 2)
    docs = store.create_collection("docs", dimension=DIMENSION, metric=metric, index=BINARY)
    docs.defer_index()
    docs.add([f"{n}" for n in range(ROWS)], vectors, metadatas=[{"odd": n % 2 == 1} for n in range(ROWS)])
    assert indexes(sql, docs.native) == []
    docs.build_index()
    (text,) = indexes(sql, docs.native)
    assert "binary_quantize(embedding)" in text
    assert f"bit({DIMENSION})) bit_hamming_ops" in text
    for where, step in ((None, 1), (F("odd").in_([True]), 2)):
        found = 0
        for query, hits in zip(queries, docs.query_many(queries, k=10, where=where), strict=True):
            true = distances(metric, query, vectors)
            nearest = np.arange(step - 1, ROWS, step)
            nearest = nearest[np.argsort(true[nearest])][:10]
            found += len({f"{n}" for n in nearest} & set(hits.ids))
            np.testing.assert_allclose(hits.distances, true[[int(i) for i in hits.ids]], rtol=1e-5, atol=1e-5)
            assert list(hits.distances) == sorted(hits.distances)
        assert found >= 0.95 * 10 * len(queries)


@pytest.mark.usefixtures("by_index")
def test_more_candidates_find_more(store: vstore.Store) -> None:
    """Of signs alone, 20 candidates hold few of the nearest 10."""
    vectors, queries = clustered(ROWS, 1), clustered(20, 2)
    docs = store.create_collection("docs", dimension=DIMENSION, index=BINARY)
    docs.defer_index()
    docs.add([f"{n}" for n in range(ROWS)], vectors)
    docs.build_index()
    exact = docs.query_many(queries, k=10, exact=True)

    def found(ef: int) -> int:
        hits = docs.query_many(queries, k=10, search=Search(ef=ef))
        return sum(len(set(one.ids) & set(true.ids)) for one, true in zip(hits, exact, strict=True))

    assert found(10) < 190 < found(100)


@pytest.mark.usefixtures("by_index")
def test_vectors_of_any_dimension_and_of_fields_have_the_index(
    store: vstore.Store, sql: psycopg.Connection[Any]
) -> None:
    docs = store.create_collection("docs", fields={"wide": Dense(16_000, "l2", index=BINARY), "a": Dense(2)})
    assert docs.info.fields["wide"].index == BINARY  # type: ignore[union-attr]
    assert any("bit(16000)" in text for text in indexes(sql, docs.native))
    vectors = np.random.default_rng(0).normal(size=(6, 16_000)).astype(np.float32)
    vectors[5] = 0
    docs.add([f"{n}" for n in range(6)], fields={"wide": vectors, "a": np.ones((6, 2))})
    docs.add(["none"], fields={"a": np.ones((1, 2))})
    assert docs.query({"wide": vectors[3]}, k=1).ids == ["3"]
    assert docs.query({"wide": vectors[3]}, k=7).ids[0] == "3"
    assert len(docs.query({"wide": vectors[5]}, k=7)) == 6


def test_only_signs_lift_the_bound_on_dimensions(store: vstore.Store) -> None:
    with pytest.raises(LimitExceeded, match="HNSW takes up to 2,000") as caught:
        store.create_collection("docs", dimension=2_001, metric="l2", index=HNSW())
    assert 'HNSW(quantization="binary")' in str(caught.value.hint)
    limits = store.capabilities.limits
    assert limits.index_dimension(BINARY, Metric.L2) == limits.max_dimension > limits.index_dimension(HNSW(), Metric.L2)


@pytest.mark.usefixtures("by_index")
def test_many_of_the_same_signs_are_told_apart_by_their_vectors(store: vstore.Store) -> None:
    docs = store.create_collection("docs", dimension=4, metric="l2", index=BINARY)
    docs.add([f"{n:02}" for n in range(50)], [[1, 1, -1, n + 1] for n in range(50)])
    assert docs.query([1, 1, -1, 20], k=3).ids == ["19", "18", "20"]
    docs.upsert([f"{n:02}" for n in range(50)], np.ones((50, 4)))
    assert len(docs.query([1, 1, 1, 1], k=50)) == 50


@pytest.mark.parametrize("kind", [Quantization.INT8, Quantization.PRODUCT])
def test_other_kinds_are_refused_and_a_copy_names_them(store: vstore.Store, kind: Quantization) -> None:
    with pytest.raises(Unsupported, match=f"quantization='{kind.value}' is not supported .*there is 'binary' only"):
        store.create_collection("docs", dimension=4, index=HNSW(quantization=kind))
    with vstore.connect("memory:") as memory:
        source = memory.create_collection("docs", dimension=4, index=HNSW(quantization=kind))
        source.add(["a"], np.ones((1, 4)))
        with pytest.raises(Unsupported, match=r"index-change.*'binary' only"):
            copy(CollectionSource(memory, source), CollectionTarget(store, "docs"))
        assert store.list_collections() == []
        copy(CollectionSource(memory, source), CollectionTarget(store, "docs"), allow=["index-change"])
    assert store.get_collection("docs").info.index == HNSW()


def test_a_copy_keeps_the_index_at_dimensions_that_others_do_not_take(store: vstore.Store) -> None:
    with vstore.connect("memory:") as memory:
        source = memory.create_collection("docs", dimension=5_000, metric="dot", index=BINARY)
        source.add(["a"], np.ones((1, 5_000)))
        copy(CollectionSource(memory, source), CollectionTarget(store, "docs"))
    assert store.get_collection("docs").info.index == BINARY


@pytest.mark.parametrize("layout", ["plain", RecordMapping(id=("id",), vector="v", document=("d",), metadata=("m",))])
def test_tables_for_others_have_no_such_index(store: vstore.Store, layout: Any) -> None:
    """What reads them asks an index of the full vectors."""
    with pytest.raises(Unsupported, match="has no quantized vectors"):
        store.create_collection("docs", dimension=4, index=BINARY, layout=layout)
    with vstore.connect("memory:") as memory:
        source = memory.create_collection("docs", dimension=4, index=BINARY)
        source.add(["a"], np.ones((1, 4)))
        with pytest.raises(Unsupported, match=r"index-change.*quantization='binary'"):
            copy(CollectionSource(memory, source), LayoutTarget(store, "docs", layout, source.info), layout=layout)
    assert "docs" not in store.list_foreign_collections()
