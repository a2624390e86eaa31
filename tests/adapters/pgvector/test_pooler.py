"""Behind PgBouncer every transaction may meet another session, which other programs use as well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import psycopg_pool
import pytest

import vstore
import vstore.aio
from tests.servers import pgbouncer
from vstore import HNSW, F, Flat, Search, errors


@pytest.fixture(scope="module")
def pooled(server: str) -> Iterator[str]:
    with pgbouncer(server) as url:
        yield url


def _work(collection: Any, worker: int, rounds: int) -> None:
    for number in range(rounds):
        mine = f"{worker}-{number}"
        collection.upsert(ids=[mine], vectors=[[worker, number]], metadatas=[{"w": worker}])
        record = collection.get([mine])[0]
        assert record.metadata == {"w": worker}
        assert record.vector.tolist() == [worker, number]
        hits = collection.query([worker, number], k=1, where=F("w") == worker, search=Search(ef=40 + worker))
        assert hits.ids == [mine]
        collection.update(ids=[mine], metadatas=[{"n": number}])
        assert collection.count(F("w") == worker) == number + 1


def test_many_clients_share_two_sessions(pooled: str) -> None:
    """Prepared statements of one client met another's: writes were lost, and answers crossed."""
    url = f"{pooled}?schema=pooled_shared"
    with vstore.connect(url) as store:
        store.create_collection("docs", dimension=2, metric="l2", index=HNSW())
    failures: list[BaseException] = []

    def client(worker: int) -> None:
        try:
            with vstore.connect(url, pool_size=2) as store:
                _work(store.get_collection("docs"), worker, 15)
        except BaseException as error:  # noqa: BLE001  # it is what the test looks at
            failures.append(error)

    threads = [threading.Thread(target=client, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with vstore.connect(url) as store:
        assert store.get_collection("docs").count() == 8 * 15


def test_tasks_of_several_async_stores(pooled: str) -> None:
    async def client(worker: int) -> None:
        async with vstore.aio.connect(f"{pooled}?schema=pooled_tasks") as store:
            docs = await store.get_collection("docs")

            async def one(number: int) -> None:
                mine = f"{worker}-{number}"
                await docs.upsert(ids=[mine], vectors=[[worker, number]], metadatas=[{"w": worker}])
                assert (await docs.get([mine])).metadatas == [{"w": worker}]
                assert (await docs.query([worker, number], k=1)).ids == [mine]

            await asyncio.gather(*[one(number) for number in range(20)])

    async def scenario() -> None:
        async with vstore.aio.connect(f"{pooled}?schema=pooled_tasks") as store:
            docs = await store.create_collection("docs", dimension=2, metric="l2", index=Flat())
            await asyncio.gather(*[client(worker) for worker in range(5)])
            assert await docs.count() == 100

    asyncio.run(scenario())


def test_large_writes_and_scans(pooled: str) -> None:
    """COPY, a long upsert and a scan are many statements; other transactions run between those of the scan."""
    with vstore.connect(f"{pooled}?schema=pooled_large") as store:
        docs = store.create_collection("docs", dimension=4, metric="l2", index=Flat())
        vectors = np.random.default_rng(0).normal(size=(5_000, 4)).astype(np.float32)
        ids = [f"{i:04d}" for i in range(5_000)]
        docs.defer_index()
        docs.add(ids=ids, vectors=vectors)
        docs.build_index()
        docs.upsert(ids=ids, vectors=vectors, metadatas=[{"n": i} for i in range(5_000)])
        seen = []
        for page in docs.scan(batch_size=700):
            seen += page.records.ids
            assert docs.count() == 5_000
        assert seen == ids
        with pytest.raises(errors.AlreadyExists):
            docs.add(ids=["0001"], vectors=[[0, 0, 0, 0]])
        assert docs.count(F("n") < 10) == 10


SETTINGS = "select current_setting(name, true) from unnest(%s::text[]) as s(name)"
NAMES = ["statement_timeout", "search_path", "hnsw.ef_search", "hnsw.iterative_scan", "ivfflat.probes"]


def test_no_setting_reaches_the_sessions_that_others_use(server: str) -> None:
    with pgbouncer(server, size=1) as url, psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
        before = other.execute(SETTINGS, (NAMES,)).fetchall()
        process = other.execute("select pg_backend_pid()").fetchone()
        with vstore.connect(f"{url}?schema=pooled_settings", timeout=7) as store:
            docs = store.create_collection("docs", dimension=2, metric="l2", index=HNSW())
            docs.add(ids=["a", "b"], vectors=[[0, 0], [1, 1]])
            for _ in range(8):
                assert docs.query([0, 0], k=2, search=Search(ef=33)).ids == ["a", "b"]
            after = other.execute(SETTINGS, (NAMES,)).fetchall()
        assert other.execute("select pg_backend_pid()").fetchone() == process  # it was this one session
        known = [now if was == (None,) else was for was, now in zip(before, after, strict=True)]
        assert after == known  # pgvector's own come to be when it is first used
        assert after[2] in [(None,), ("40",), ("",)]
        assert other.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)
        assert other.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone() == (0,)


def test_a_statement_that_takes_too_long_ends_behind_a_pooler_too(pooled: str) -> None:
    with vstore.connect(f"{pooled}?schema=pooled_slow", timeout=1) as store, psycopg.connect(pooled) as other:
        docs = store.create_collection("docs", dimension=2)
        other.execute(f"lock table {docs.native}".encode())
        with pytest.raises(errors.Timeout):
            docs.count()
        other.rollback()
        assert docs.count() == 0


def test_a_pooler_by_statements_is_refused(server: str) -> None:
    with pgbouncer(server, mode="statement") as url:
        with pytest.raises(errors.Unsupported, match="pool_mode = transaction"):
            vstore.connect(url)
        with psycopg.connect(url, autocommit=True) as connection, pytest.raises(errors.Unsupported):
            vstore.connect(client=connection)


def test_a_pooler_by_sessions(server: str) -> None:
    with pgbouncer(server, mode="session", size=8) as url, vstore.connect(f"{url}?schema=pooled_sessions") as store:
        _work(store.create_collection("docs", dimension=2, metric="l2"), 1, 10)


@pytest.mark.parametrize("kind", ["connection", "pool"])
def test_borrowed_clients_behind_a_pooler(pooled: str, kind: str) -> None:
    """psycopg prepares by itself what its owner's connection runs five times."""
    clients: list[Any] = []
    try:
        stores = []
        for _ in range(4):
            if kind == "connection":
                clients.append(psycopg.connect(pooled, autocommit=True))
            else:
                clients.append(psycopg_pool.ConnectionPool(pooled, min_size=1, max_size=2, open=True))
            stores.append(vstore.connect(client=clients[-1], schema=f"lent_{kind}"))
        stores[0].create_collection("docs", dimension=2, metric="l2")
        handles = [store.get_collection("docs") for store in stores]
        for number in range(12):
            for worker, handle in enumerate(handles):
                handle.upsert(ids=[f"{worker}-{number}"], vectors=[[worker, number]])
                assert handle.query([worker, number], k=1).ids == [f"{worker}-{number}"]
        assert handles[0].count() == 48
        if kind == "connection":
            assert clients[0].prepare_threshold == 5  # its owner's, as before
    finally:
        for client in clients:
            client.close()


def test_it_can_be_told(server: str, sql: psycopg.Connection[Any]) -> None:
    """A pooler that shows a client the number of a real process would not be noticed: ``prepare=false``."""
    statements = "select count(*) from pg_prepared_statements"
    found = {}
    for prepare in (True, False):
        with vstore.connect(f"{server}?schema=pooled_told&pool_size=1", prepare=prepare) as store:
            docs = store.create_collection(f"docs_{prepare}", dimension=2)
            docs.add(ids=["a"], vectors=[[1, 1]])
            for _ in range(10):
                docs.get(["a"])
            with store.native.connection() as connection:
                found[prepare] = [connection.execute(text).fetchone()[0] for text in (statements, "show search_path")]
    assert found[True][0] > 0
    assert found[True][1] == '"public"'
    assert found[False] == [0, '"$user", public']
