"""Clients of the application's own: used, never closed, and left with the settings they had (COL-7)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import numpy as np
import psycopg
import psycopg_pool
import pytest
from psycopg.rows import dict_row

import vstore
import vstore.aio
from vstore import F, errors


def _use(store: vstore.Store, name: str) -> None:
    docs = store.create_collection(name, dimension=2, metric="l2")
    docs.add(ids=["a", "b"], vectors=[[0, 0], [3, 4]], documents=["x", None], metadatas=[{"n": 1}, {"n": 2.5}])
    with pytest.raises(errors.AlreadyExists):
        docs.add(ids=["a"], vectors=[[0, 0]])
    docs.update(ids=["a"], metadatas=[{"m": True}])
    assert docs.get(["a"]).metadatas == [{"n": 1, "m": True}]
    assert docs.query([0, 0], k=5, where=F("n") > 0).distances.tolist() == [0, 5]
    assert [len(hits) for hits in docs.query_many(np.zeros((3, 2)), k=1)] == [1, 1, 1]
    assert [i for page in docs.scan(batch_size=1) for i in page.records.ids] == ["a", "b"]


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_connection(server: str, autocommit: bool) -> None:
    with psycopg.connect(server, autocommit=autocommit, row_factory=dict_row) as connection:
        before = connection.execute("show statement_timeout").fetchone()
        connection.commit()
        with vstore.connect(client=connection, schema=f"borrowed_{autocommit}".lower()) as store:
            assert store.native is connection
            _use(store, "docs")
        assert not connection.closed
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("show statement_timeout").fetchone() == before


def test_a_call_takes_part_in_an_open_transaction(server: str) -> None:
    with psycopg.connect(server) as connection, vstore.connect(client=connection, schema="joined") as store:
        docs = store.create_collection("docs", dimension=2)
        with connection.transaction(force_rollback=True):
            docs.add(ids=["a"], vectors=[[1, 1]])
            assert docs.count() == 1
        assert docs.count() == 0


def test_an_open_transaction_keeps_its_settings(server: str) -> None:
    """What SET LOCAL says in a savepoint holds until the whole transaction ends."""
    names = ["statement_timeout", "search_path", "hnsw.ef_search", "hnsw.iterative_scan"]
    statement = "select current_setting(name) from unnest(%s::text[]) as s(name)"
    with psycopg.connect(server) as connection, vstore.connect(client=connection, schema="settings") as store:
        docs = store.create_collection("docs", dimension=2)
        connection.execute("set local statement_timeout = '77s'")
        connection.execute("set local hnsw.ef_search = 55")
        connection.execute("set local hnsw.iterative_scan = off")
        before = connection.execute(statement, (names,)).fetchall()
        docs.add(ids=["a"], vectors=[[1, 1]])
        assert docs.query([1, 1], k=1, search=vstore.Search(ef=20)).ids == ["a"]
        with pytest.raises(errors.AlreadyExists):
            docs.add(ids=["a"], vectors=[[1, 1]])
        assert connection.execute(statement, (names,)).fetchall() == before


def test_pgvector_outside_the_search_path(server: str, sql: psycopg.Connection[Any]) -> None:
    """Supabase has it in the schema ``extensions``; an application's search path need not name that."""
    sql.execute("create database elsewhere")
    url = server.removesuffix("postgres") + "elsewhere"
    with psycopg.connect(url) as connection:
        connection.execute("create schema extensions")
        connection.execute("create extension vector schema extensions")
    with psycopg.connect(url) as connection, vstore.connect(client=connection) as store:
        _use(store, "docs")
        assert connection.execute("show search_path").fetchone() == ('"$user", public',)
    with vstore.connect(url) as store:
        assert store.get_collection("docs").query([0, 0], k=1).ids == ["a"]


def test_a_pool(server: str) -> None:
    with psycopg_pool.ConnectionPool(server, min_size=1, max_size=3, open=True) as pool:
        with vstore.connect(client=pool, schema="pooled") as store:
            _use(store, "docs")
        with pool.connection() as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_async_clients(server: str) -> None:
    async def scenario() -> None:
        async with await psycopg.AsyncConnection.connect(server) as connection:
            async with await vstore.aio.connect(client=connection, schema="async_borrowed") as store:
                docs = await store.create_collection("docs", dimension=2)
                await docs.add(ids=["a"], vectors=[[1, 1]])
                assert await asyncio.gather(*[docs.count() for _ in range(5)]) == [1] * 5
            assert not connection.closed
        async with (
            psycopg_pool.AsyncConnectionPool(server, open=False, min_size=1, max_size=2) as pool,
            await vstore.aio.connect(client=pool, schema="async_borrowed") as store,
        ):
            docs = await store.get_collection("docs")
            assert await asyncio.gather(*[docs.count() for _ in range(9)]) == [1] * 9
        with psycopg.connect(server) as plain:  # a sync client under async runs in threads
            async with await vstore.aio.connect(client=plain, schema="async_borrowed") as store:
                assert await store.list_collections() == ["docs"]

    asyncio.run(scenario())


def test_an_async_client_is_refused_by_the_sync_connect(server: str) -> None:
    async def scenario() -> None:
        async with await psycopg.AsyncConnection.connect(server) as connection:
            with pytest.raises(errors.InvalidInput):
                vstore.connect(client=connection)

    asyncio.run(scenario())


def test_a_closed_connection_is_unavailable(server: str) -> None:
    connection = psycopg.connect(server)
    store = vstore.connect(client=connection, schema="closed_client")
    connection.close()
    with pytest.raises(errors.Unavailable):
        store.list_collections()


def test_a_hung_server_ends_in_a_timeout(server: str) -> None:
    """The client of the application waits for ever by itself (ERR-3)."""
    connection: psycopg.Connection[Any] = psycopg.connect(server, autocommit=True)
    with vstore.connect(client=connection, schema="hung_client", timeout=1.0) as store:
        pid = connection.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            start = time.monotonic()
            with pytest.raises(errors.Timeout):
                store.list_collections()
            assert time.monotonic() - start < 20
        finally:
            os.kill(pid, signal.SIGCONT)
    connection.close()
