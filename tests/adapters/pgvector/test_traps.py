"""Every trap of PostgreSQL and pgvector that was met, as a test that fails without its remedy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from vstore import HNSW, F, Flat, IVFFlat, Search, errors
from vstore.spi.scores import distances

CHOOSING = "vstore_pgvector._sync.choosing."


def _together(calls: list[Callable[[], object]]) -> list[object]:
    """The result, or the error, of each call; all begin at once."""
    barrier = threading.Barrier(len(calls))
    results: list[object] = [None] * len(calls)

    def run(place: int) -> None:
        barrier.wait()
        try:
            results[place] = calls[place]()
        except Exception as error:  # noqa: BLE001  # it is what the test looks at
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_hnsw_does_not_starve(far_matches: tuple[Any, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """hnsw.ef_search candidates, of which the filter leaves none: without iterative scans 0 hits come (QRY-4)."""
    monkeypatch.setattr(CHOOSING + "_ROWS_A_CANDIDATE", 0)
    collection, query = far_matches
    assert len(collection.query(query, k=10, where=F("rare") == True)) == 10  # noqa: E712
    assert len(collection.query(query, k=200, where=F("rare") == True)) == 50  # noqa: E712
    assert len(collection.query(query, k=500, search=Search(ef=10))) == 500  # k above ef
    many = collection.query_many(np.stack([query, -query]), k=10, where=F("n") >= 19_000)
    assert [len(hits) for hits in many] == [10, 10]
    truth = collection.query(query, k=10, where=F("n") >= 19_000, exact=True).ids
    assert len(set(collection.query(query, k=10, where=F("n") >= 19_000).ids) & set(truth)) >= 9


def test_a_scan_that_gives_up_is_finished_exactly(
    far_matches: tuple[Any, np.ndarray], far_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hnsw.max_scan_tuples ends an iterative scan: the index alone answers with too few (QRY-4)."""
    monkeypatch.setattr(CHOOSING + "_ROWS_A_CANDIDATE", 0)
    _, query = far_matches
    with vstore.connect(far_url, pool_size=1) as store:
        with store.native.connection() as connection:
            connection.execute("set hnsw.max_scan_tuples = 100")
            connection.execute("set enable_seqscan = off")
            connection.execute("set enable_bitmapscan = off")
            connection.execute("set enable_sort = off")
        far = store.get_collection("far")
        assert len(far.query(query, k=10, where=F("rare") == True)) == 10  # noqa: E712


def test_hnsw_scans_on_without_a_second_query(far_matches: tuple[Any, np.ndarray], far_url: str) -> None:
    """With hnsw.iterative_scan off, every k above ef would end in a pass over the whole table."""
    _, query = far_matches
    with vstore.connect(far_url, pool_size=1) as store:
        collection = store.get_collection("far")

        def passes() -> int:
            with store.native.connection() as connection:
                connection.execute("select pg_stat_force_next_flush()")
                statement = "select seq_scan from pg_stat_user_tables where relid = %s::regclass"
                return int(connection.execute(statement, (collection.native,)).fetchone()[0])

        before = passes()
        assert len(collection.query(query, k=300, search=Search(ef=10))) == 300
        assert passes() == before
        assert collection.query(query, k=5, exact=True)
        assert passes() > before


def test_exact_does_not_use_the_index(store: vstore.Store) -> None:
    """Planner settings do not reach prepared plans, so the statement itself must keep off the index (QRY-3)."""
    poor = HNSW(m=2, ef_construction=4, ef_search=1)
    collection = store.create_collection("poor", dimension=64, metric="l2", index=poor)
    random = np.random.default_rng(0)
    vectors = random.normal(size=(3_000, 64)).astype(np.float32)
    ids = [f"r{i}" for i in range(3_000)]
    collection.add(ids=ids, vectors=vectors)
    wrong = 0
    for query in random.normal(size=(10, 64)).astype(np.float32):  # psycopg prepares the fifth
        true = [ids[place] for place in np.argsort(distances(vstore.Metric.L2, query, vectors))[:10]]
        assert collection.query(query, k=10, exact=True).ids == true
        wrong += collection.query(query, k=10).ids != true
    assert wrong  # the index itself cannot do it
    many = collection.query_many(vectors[:5], k=1, exact=True)
    assert [hits.ids for hits in many] == [[i] for i in ids[:5]]


def test_the_index_is_used_when_it_may_be(far_matches: tuple[Any, np.ndarray], sql: psycopg.Connection[Any]) -> None:
    collection, query = far_matches
    sql.execute("analyze")
    schema, table = collection.native.replace('"', "").split(".")
    scans = "select idx_scan from pg_stat_user_indexes where schemaname = %s and relname = %s and indexrelname like %s"

    def used(index: str) -> int:
        sql.execute("select pg_stat_clear_snapshot()")
        row = sql.execute(scans, (schema, table, f"%{index}%")).fetchone()
        assert row is not None
        return int(row[0])

    def asking(index: str, ask: Callable[[], object]) -> bool:
        before, end = used(index), time.monotonic() + 60
        while time.monotonic() < end:  # statistics arrive late
            ask()
            time.sleep(0.3)
            if used(index) > before:
                return True
        return False

    assert asking("embedding", lambda: collection.query(query, k=5))
    assert asking("embedding", lambda: collection.query_many(np.stack([query] * 3), k=5))
    assert asking("metadata", lambda: collection.count(F("n") == 77))


def test_ties_at_the_kth_place_go_by_id(store: vstore.Store) -> None:
    for index in (Flat(), HNSW()):
        collection = store.create_collection(f"ties_{type(index).__name__}", dimension=2, metric="l2", index=index)
        collection.add(ids=[f"{i:02d}" for i in reversed(range(50))], vectors=[[1, 1]] * 50)
        assert collection.query([0, 0], k=3, exact=True).ids == ["00", "01", "02"]


def test_search_settings_hold_for_one_query_only(far_matches: tuple[Any, np.ndarray]) -> None:
    collection, _ = far_matches
    queries = np.random.default_rng(5).normal(size=(40, 8)).astype(np.float32)
    truth = [set(hits.ids) for hits in collection.query_many(queries, k=10, exact=True)]

    def recall(search: Search | None) -> float:
        found = [set(collection.query(q, k=10, search=search).ids) for q in queries]
        return float(np.mean([len(a & b) / 10 for a, b in zip(found, truth, strict=True)]))

    usual = recall(None)
    assert recall(Search(ef=1)) < usual
    assert recall(None) == usual


def test_opposite_upserts_do_not_deadlock(store: vstore.Store) -> None:
    """Two statements that lock the same rows in opposite orders: PostgreSQL kills one."""
    collection = store.create_collection("docs", dimension=2, metric="l2", index=Flat())
    ids = [f"r{i}" for i in range(400)]

    def write(order: list[str], mark: int) -> None:
        for _ in range(10):
            collection.upsert(ids=order, vectors=[[mark, mark]] * len(order), metadatas=[{"mark": mark}] * len(order))

    results = _together([lambda: write(ids, 1), lambda: write(ids[::-1], 2)] * 2)
    assert results == [None] * 4
    for record in collection.get(ids):
        assert record.vector is not None
        assert record.metadata is not None
        assert record.vector.tolist() == [record.metadata["mark"]] * 2  # one whole record, never a mixture


def test_creating_races_with_itself(url: str) -> None:
    """CREATE … IF NOT EXISTS is no lock: extension, schema, catalogue and table are made under one (COL-2)."""
    stores = [vstore.connect(url) for _ in range(8)]
    try:
        results = _together([lambda s=s: s.create_collection("docs", dimension=2) for s in stores])  # type: ignore[misc]
        made = [result for result in results if not isinstance(result, Exception)]
        refused = [result for result in results if isinstance(result, errors.AlreadyExists)]
        assert (len(made), len(refused)) == (1, 7)
        again = _together([lambda s=s: s.create_collection("docs", dimension=2, exist_ok=True) for s in stores])  # type: ignore[misc]
        assert not [result for result in again if isinstance(result, Exception)]
    finally:
        for store in stores:
            store.close()


def test_concurrent_adds_of_one_id_leave_one_winner(store: vstore.Store) -> None:
    collection = store.create_collection("docs", dimension=2, metric="l2")
    calls = [lambda n=n: collection.add(ids=["x", f"own{n}"], vectors=[[n, n], [n, n]]) for n in range(8)]  # type: ignore[misc]
    results = _together(calls)
    losers = [result for result in results if isinstance(result, errors.AlreadyExists)]
    assert len(losers) == 7
    assert all(loser.ids == ["x"] for loser in losers)
    assert collection.count() == 2  # nothing of a refused call was written


def test_a_large_write_that_fails_has_written_nothing(store: vstore.Store) -> None:
    collection = store.create_collection("docs", dimension=2, metric="l2", index=Flat())
    collection.add(ids=["zz"], vectors=[[0, 0]])
    ids = [f"r{i}" for i in range(9_000)] + ["zz"]
    with pytest.raises(errors.AlreadyExists) as caught:
        collection.add(ids=ids, vectors=np.zeros((9_001, 2)))
    assert caught.value.ids == ["zz"]
    with pytest.raises(errors.NotFound) as missing:
        collection.update(ids=["zz", "no"], documents=["new", "new"])
    assert missing.value.ids == ["no"]
    assert collection.count() == 1
    assert collection.get(["zz"]).documents == [None]


def test_floats_stay_floats_and_lie_where_they_lie(store: vstore.Store) -> None:
    """jsonb gives 1e16 back as an int and takes 2.0**60 for 1152921504606847000 (META-2, FLT-5)."""
    collection = store.create_collection("docs", dimension=1, metric="l2")
    values: list[object] = [1e16, 10**16, 2.0**60, 2**60, 2**60 + 1, 1e22, 1.5e300, 5e-324, 1, 1.0, True, "1", -0.0]
    ids = [str(place) for place in range(len(values))]
    collection.add(ids=ids, vectors=[[0]] * len(ids), metadatas=[{"v": value, "l": [value]} for value in values])
    found = [record.metadata for record in collection.get(ids)]
    for value, metadata in zip(values, found, strict=True):
        assert metadata is not None
        for back in (metadata["v"], metadata["l"][0]):
            assert back == value
            assert type(back) is type(value)

    def matching(where: vstore.Filter) -> list[object]:
        return [values[int(i)] for i in sorted(collection.query([0], k=100, where=where).ids, key=int)]

    assert matching(F("v") == 2**60) == [2.0**60, 2**60]
    assert matching(F("v") == 2.0**60) == [2.0**60, 2**60]
    assert matching(F("v") > 2**60) == [2**60 + 1, 1e22, 1.5e300]
    assert matching(F("v") == 10**16) == [1e16, 10**16]
    assert matching(F("l").has(1)) == [1, 1.0]
    assert matching(F("v").in_([True, 5e-324])) == [5e-324, True]


def test_a_datetime_keeps_its_type_through_merges(store: vstore.Store) -> None:
    collection = store.create_collection("docs", dimension=1, metric="l2")
    moment = datetime(2024, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)
    micros = 1715949015123456
    first = {"t": moment, "n": micros, "l": [moment], "d": {"deep": {"t": moment, "n": 1}}}
    collection.add(ids=["a"], vectors=[[0]], metadatas=[first])
    assert collection.get(["a"]).metadatas == [first]
    collection.update(ids=["a"], metadatas=[{"t": micros, "n": moment, "l": None, "d": {"t": 1}}])
    (after,) = collection.get(["a"]).metadatas or [{}]
    assert after == {"t": micros, "n": moment, "d": {"t": 1}}
    assert type(after["t"]) is int
    collection.update(ids=["a"], metadatas=[{"x": moment}], replace_metadata=True)
    assert collection.get(["a"]).metadatas == [{"x": moment}]
    assert collection.count(F("x") == moment) == collection.count(F("x") == micros) == 1


def test_a_list_is_not_indexed_by_number(store: vstore.Store) -> None:
    """``#>`` takes "0" for a place in a list (FLT-9)."""
    collection = store.create_collection("docs", dimension=1, metric="l2")
    collection.add(ids=["l", "d"], vectors=[[0], [0]], metadatas=[{"a": ["x"]}, {"a": {"0": "x"}}])
    assert collection.query([0], k=5, where=F("a", "0") == "x").ids == ["d"]
    assert collection.query([0], k=5, where=F("a", "0").exists()).ids == ["d"]


@pytest.mark.parametrize("key", ["it's", "%s", "%", "a.b", "a b", "{}", "$1"[1:], "ключ", ") or true --"])
def test_keys_and_values_are_data(store: vstore.Store, key: str) -> None:
    collection = store.create_collection("docs", dimension=1, metric="l2")
    hostile = "'; drop table docs; -- %s \\ \""
    collection.add(ids=[hostile, "b"], vectors=[[0], [0]], documents=["100%_'\\", "x"], metadatas=[{key: hostile}, {}])
    assert collection.query([0], k=5, where=F(key) == hostile).ids == [hostile]
    assert collection.query([0], k=5, where=~(F(key) == hostile)).ids == ["b"]
    assert collection.query([0], k=5, where=F(key) >= hostile).ids == [hostile]
    assert collection.query([0], k=5, where=F.document.contains("%_'\\")).ids == [hostile]
    assert collection.query([0], k=5, where=F.document.contains("1%")).ids == []
    assert collection.get([hostile]).ids == [hostile]


def test_texts_are_ordered_by_code_point(store: vstore.Store) -> None:
    """jsonb and text columns order by the database's collation otherwise (FLT-9, SCAN-1)."""
    collection = store.create_collection("docs", dimension=1, metric="l2")
    ids = ["b", "B", "a", "É", "é", "\U0001f600", "\uffff", "Z"]
    collection.add(ids=ids, vectors=[[0]] * len(ids), metadatas=[{"s": i} for i in ids])
    assert [i for page in collection.scan(batch_size=3) for i in page.records.ids] == sorted(ids)
    for bound in ids:
        expected = {i for i in ids if i < bound}
        assert set(collection.query([0], k=50, where=F("s") < bound).ids) == expected


def test_long_lists_of_values_are_fast(store: vstore.Store) -> None:
    """10,000 values joined by OR take minutes; an array is hashed (FLT-7)."""
    collection = store.create_collection("docs", dimension=1, metric="l2", index=Flat())
    n = 5_000
    collection.add(
        ids=[str(i) for i in range(n)], vectors=np.zeros((n, 1)), metadatas=[{"n": i, "l": [i, -i]} for i in range(n)]
    )
    values = list(range(0, 20_000, 2))
    for where in (F("n").in_(values), F("l").contains_any(values)):
        start = time.monotonic()
        assert collection.count(where) == n // 2
        assert collection.count(~where) == n // 2
        assert time.monotonic() - start < 20


def test_dot_products_survive_cancellation(store: vstore.Store) -> None:
    """pgvector sums in float32 (MET-3)."""
    random = np.random.default_rng(0)
    query = (30 * random.normal(size=384)).astype(np.float32)
    vectors = random.normal(size=(100, 384)) * 30
    vectors -= np.outer(vectors @ query / (query @ query), query)  # orthogonal to the query
    collection = store.create_collection("docs", dimension=384, metric="dot", index=Flat())
    stored = vectors.astype(np.float32)
    collection.add(ids=[str(i) for i in range(100)], vectors=stored)
    hits = collection.query(query, k=100)
    true = distances(vstore.Metric.DOT, query, stored[[int(i) for i in hits.ids]])
    np.testing.assert_allclose(hits.distances, true, rtol=1e-5, atol=1e-6)


def test_a_deleted_collection_stays_deleted_to_its_handles(store: vstore.Store) -> None:
    old = store.create_collection("docs", dimension=2)
    old.add(ids=["a"], vectors=[[1, 1]])
    store.delete_collection("docs")
    store.create_collection("docs", dimension=2)
    for call in (old.count, old.clear, lambda: old.get(["a"]), lambda: old.rename("other")):
        with pytest.raises(errors.NotFound):
            call()


def _remade(other: vstore.Store, sql: psycopg.Connection[Any], schema: str) -> None:
    other.delete_collection("docs")
    other.create_collection("docs", dimension=2, metric="dot")


def _dropped(other: vstore.Store, sql: psycopg.Connection[Any], schema: str) -> None:
    sql.execute(f"drop table {other.get_collection('docs').native}".encode())


def _schema_remade(other: vstore.Store, sql: psycopg.Connection[Any], schema: str) -> None:
    sql.execute(f"drop schema {schema} cascade".encode())
    other.create_collection("docs", dimension=2, metric="dot")


@pytest.mark.parametrize("change", [_remade, _dropped, _schema_remade])
def test_a_handle_never_meets_what_another_store_made(
    url: str, sql: psycopg.Connection[Any], store: vstore.Store, change: Any
) -> None:
    """Whoever took the collection away, and whatever has its name now: every call is NotFound (COL-3)."""
    old = store.create_collection("docs", dimension=2, metric="l2")
    old.add(ids=["a"], vectors=[[1, 1]])
    with vstore.connect(url) as other:
        change(other, sql, url.rpartition("=")[2])
    calls: list[Callable[[], object]] = [
        lambda: old.add(ids=["b"], vectors=[[1, 1]]),
        lambda: old.add(ids=[f"{i}" for i in range(600)], vectors=[[1, 1]] * 600),
        lambda: old.upsert(ids=["b"], vectors=[[1, 1]]),
        lambda: old.update(ids=["a"], documents=["x"]),
        lambda: old.get(["a"]),
        lambda: old.query([1, 1]),
        lambda: old.query([1, 1], exact=True),
        lambda: old.query_many([[1, 1]] * 2),
        lambda: list(old.scan()),
        lambda: old.delete(ids=["a"]),
        lambda: old.delete(where=F("n") == 1),
        old.clear,
        old.count,
        old.peek,
        old.defer_index,
        old.build_index,
    ]
    for call in calls:
        with pytest.raises(errors.NotFound):
            call()
    if change is not _dropped:
        assert store.get_collection("docs").count() == 0


def test_a_rename_reaches_other_connections(store: vstore.Store, url: str) -> None:
    mine = store.create_collection("docs", dimension=2)
    with vstore.connect(url) as other:
        theirs = other.get_collection("docs")
        mine.rename("papers")
        store.create_collection("docs", dimension=3)
        theirs.add(ids=["a"], vectors=[[1, 1]])
        assert other.get_collection("papers").count() == mine.count() == 1
        with pytest.raises(errors.AlreadyExists):
            mine.rename("docs")
        assert mine.name == "papers"


def test_a_table_vstore_did_not_make_is_not_opened(store: vstore.Store, url: str, sql: psycopg.Connection[Any]) -> None:
    store.create_collection("docs", dimension=2)
    schema = url.rpartition("=")[2]
    sql.execute(f"create table {schema}.foreign_one (id text)".encode())
    with pytest.raises(errors.Mismatch):
        store.get_collection("foreign_one")
    with pytest.raises(errors.NotFound):
        store.get_collection("missing_one")
    assert store.list_collections() == ["docs"]


def test_indexes_have_their_limits(store: vstore.Store) -> None:
    """HNSW and IVFFlat take 2,000 dimensions, under cosine 4,000; a vector has 16,000."""
    for metric, most in (("l2", 2000), ("dot", 2000), ("cosine", 4000)):
        for index in (HNSW(), IVFFlat(), None):
            made = store.create_collection("widest_index", dimension=most, metric=metric, index=index)
            assert made.info.index == index or HNSW()
            store.delete_collection("widest_index")
        assert store.create_collection(f"wider_{metric}", dimension=most + 1, metric=metric).info.index == Flat()
        for index in (HNSW(), IVFFlat()):
            with pytest.raises(errors.LimitExceeded, match=f"{most:,} dimensions under {metric}"):
                store.create_collection("too_wide", dimension=most + 1, metric=metric, index=index)
    with pytest.raises(errors.LimitExceeded):
        store.create_collection("too_wide", dimension=16_001)
    widest = store.create_collection("widest", dimension=16_000, metric="l2")
    vector = np.random.default_rng(0).normal(size=(1, 16_000)).astype(np.float32)
    widest.add(ids=["a"], vectors=vector, documents=["d" * 1_000_000], metadatas=[{"k": "v" * 30_000}])
    back = widest.get(["a"])
    assert back.vectors is not None
    assert back.vectors.tobytes() == vector.tobytes()


def test_the_widest_row_fits_its_page(store: vstore.Store) -> None:
    """A plain column cannot move out of line: with the longest id and all else the row must fit 8 kB."""
    for dimension in (1_700, 1_701):
        collection = store.create_collection(f"d{dimension}", dimension=dimension, metric="l2")
        metadata = {f"k{i}": "v" * 20 for i in range(900)}
        collection.add(ids=["x" * 512], vectors=np.ones((1, dimension)), documents=["d" * 9_000], metadatas=[metadata])
        assert collection.get(["x" * 512]).metadatas == [metadata]


def test_ivfflat_gives_all_there_is(store: vstore.Store) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(3_000, 8)).astype(np.float32)
    collection = store.create_collection("ivf", dimension=8, metric="l2", index=IVFFlat(lists=50, probes=2))
    collection.add(ids=[str(i) for i in range(3_000)], vectors=vectors, metadatas=[{"n": i} for i in range(3_000)])
    assert len(collection.query(vectors[0], k=20, where=F("n") < 20, search=Search(probes=1))) == 20
    hits = collection.query(vectors[0], k=50)
    assert len(hits) == 50
    assert sorted(hits.distances.tolist()) == hits.distances.tolist()
    assert hits.ids[0] == "0"


def test_clear_empties_the_graph_too(store: vstore.Store) -> None:
    """Deleted rows stay in an HNSW graph until a vacuum and use up ef."""
    collection = store.create_collection("docs", dimension=4, metric="l2")
    random = np.random.default_rng(0)
    collection.add(ids=[str(i) for i in range(2_000)], vectors=random.normal(size=(2_000, 4)))
    collection.clear()
    assert collection.count() == 0
    collection.add(ids=["a"], vectors=[[9, 9, 9, 9]])
    assert collection.query([0, 0, 0, 0], k=5).ids == ["a"]
