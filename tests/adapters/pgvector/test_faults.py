"""What a caller sees when the server is down, killed, hung, full or says no (ERR-1, ERR-3, ERR-4)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from typing import Any

import psutil
import psycopg
import pytest

import vstore
import vstore.aio
from tests.servers import free_port, postgres_server
from vstore import errors


def _chain(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(f"{error} {error!r}")
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def _backends(sql: psycopg.Connection[Any]) -> list[int]:
    query = "select pid from pg_stat_activity where application_name = 'vstore'"
    return [row[0] for row in sql.execute(query).fetchall()]


def _collection(store: vstore.Store) -> Any:
    made = store.create_collection("docs", dimension=2, metric="l2")
    made.add(ids=["a", "b"], vectors=[[0, 0], [1, 1]])
    return made


def test_a_wrong_password_is_told_at_once_and_never_shown(server: str) -> None:
    place = server.partition("@")[2]
    start = time.monotonic()
    with pytest.raises(errors.AuthenticationFailed) as caught:
        vstore.connect(f"postgresql://postgres:not-the-sesame@{place}")
    assert time.monotonic() - start < 20
    assert "not-the-sesame" not in _chain(caught.value)


def test_an_unknown_database_is_no_matter_of_a_retry(server: str) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        vstore.connect(server.removesuffix("postgres") + "nowhere")
    assert not caught.value.retryable
    assert "nowhere" in caught.value.message


def test_a_server_that_is_down_is_unavailable_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(errors.Unavailable):
        vstore.connect(f"postgresql://u:p@127.0.0.1:{free_port()}/db")
    assert time.monotonic() - start < 20


def test_idle_connections_that_were_killed_are_not_handed_out(
    store: vstore.Store, sql: psycopg.Connection[Any]
) -> None:
    docs = _collection(store)

    def kill_all() -> None:
        killed = set(_backends(sql))
        for pid in killed:
            sql.execute("select pg_terminate_backend(%s)", (pid,))
        deadline = time.monotonic() + 60
        while killed & set(_backends(sql)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.05)  # its farewell was sent before

    for _ in range(5):
        kill_all()
        assert docs.count() == 2
        kill_all()
        docs.upsert(ids=["a"], vectors=[[0, 0]])
        assert docs.get(["a"]).ids == ["a"]


def test_a_connection_killed_within_a_statement_gives_unavailable_or_the_right_answer(
    store: vstore.Store, sql: psycopg.Connection[Any]
) -> None:
    docs = _collection(store)
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set():
            for pid in _backends(sql):
                sql.execute("select pg_terminate_backend(%s)", (pid,))
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    answers: set[int] = set()
    try:
        begun = time.monotonic()
        while time.monotonic() < begun + (3 if answers else 60):  # on a busy machine few get through
            try:
                answers.add(docs.count())
                docs.upsert(ids=["a", "b"], vectors=[[0, 0], [1, 1]])
            except errors.Unavailable:
                pass
    finally:
        stop.set()
        killer.join()
    assert answers == {2}
    assert docs.count() == 2


def test_a_hung_server_ends_in_a_timeout_and_the_store_recovers(server: str, sql: psycopg.Connection[Any]) -> None:
    with vstore.connect(f"{server}?schema=hung", timeout=1.0, pool_size=1) as store:
        docs = _collection(store)
        (pid,) = _backends(sql)
        os.kill(pid, signal.SIGSTOP)  # the kernel keeps the connection alive
        try:
            start = time.monotonic()
            with pytest.raises(errors.Timeout) as caught:
                docs.count()
            assert 1.0 <= time.monotonic() - start < 20
            assert caught.value.retryable
            assert docs.count() == 2  # by another connection: the silent one was not handed out again
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_hung_server_ends_in_a_timeout_under_async(server: str, sql: psycopg.Connection[Any]) -> None:
    async def scenario() -> None:
        async with await vstore.aio.connect(f"{server}?schema=hung_async", timeout=1.0, pool_size=1) as store:
            docs = await store.create_collection("docs", dimension=2)
            (pid,) = _backends(sql)
            os.kill(pid, signal.SIGSTOP)
            try:
                start = time.monotonic()
                with pytest.raises(errors.Timeout):
                    await docs.upsert(ids=["a"], vectors=[[1, 1]])
                assert 1.0 <= time.monotonic() - start < 20
                assert await docs.count() == 0
            finally:
                os.kill(pid, signal.SIGCONT)

    asyncio.run(scenario())


def test_a_lock_held_by_another_ends_in_a_timeout(server: str, sql: psycopg.Connection[Any]) -> None:
    with vstore.connect(f"{server}?schema=locked", timeout=1.0) as store:
        docs = _collection(store)
        with sql.transaction():
            sql.execute(f"lock table {docs.native} in access exclusive mode".encode())
            with pytest.raises(errors.Timeout):
                docs.count()
            with pytest.raises(errors.Timeout):
                docs.upsert(ids=["c"], vectors=[[1, 1]])
        assert docs.count() == 2


def test_a_stopped_server_is_unavailable_and_one_that_comes_back_is_used_again() -> None:
    with postgres_server() as url, vstore.connect(url, timeout=10) as store:
        docs = _collection(store)
        with psycopg.connect(url, autocommit=True) as sql:
            row = sql.execute("select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)").fetchone()
        assert row is not None
        process = psutil.Process(int(row[0]))
        command, user = process.cmdline(), process.username()
        process.send_signal(signal.SIGINT)
        psutil.wait_procs([process], timeout=10)
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(errors.Unavailable):
                docs.count()
            assert time.monotonic() - start < 20
        again = subprocess.Popen(command, user=user if os.geteuid() == 0 else None, stderr=subprocess.DEVNULL, cwd="/")
        try:
            end = time.monotonic() + 20
            while True:
                try:
                    assert docs.count() == 2
                    break
                except errors.Unavailable:
                    assert time.monotonic() < end
        finally:
            again.send_signal(signal.SIGINT)
            again.wait(10)


def test_more_callers_than_connections_wait_for_their_turn(server: str) -> None:
    with vstore.connect(f"{server}?schema=crowd", pool_size=2) as store:
        docs = _collection(store)
        counts: list[int] = []
        threads = [threading.Thread(target=lambda: counts.extend(docs.count() for _ in range(20))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == [2] * 320
        assert store.native.get_stats()["pool_size"] <= 2


def test_a_user_without_permission_is_told_what_to_grant(server: str, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create role reader login password 'reader-pw'")
    place = server.partition("@")[2]
    with vstore.connect(f"postgresql://reader:reader-pw@{place}?schema=forbidden") as store:
        assert store.list_collections() == []
        with pytest.raises(errors.AuthenticationFailed):
            store.create_collection("docs", dimension=2)


def test_a_reader_needs_no_more_than_select(server: str, sql: psycopg.Connection[Any]) -> None:
    with vstore.connect(f"{server}?schema=shared") as store:
        docs = _collection(store)
        sql.execute("create role selecting login password 'pw2'")
        sql.execute("grant usage on schema shared to selecting")
        sql.execute("grant select on all tables in schema shared to selecting")
        place = server.partition("@")[2]
        with vstore.connect(f"postgresql://selecting:pw2@{place}?schema=shared") as reading:
            seen = reading.get_collection("docs")
            assert seen.query([0, 0], k=1).ids == ["a"]
            with pytest.raises(errors.AuthenticationFailed):
                seen.delete(ids=["a"])
        assert docs.count() == 2
