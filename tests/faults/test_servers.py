"""Servers that are killed, paused, restarted or out of space: what is acknowledged is there, whole and once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import psycopg
import pytest

import vstore
from tests.faults.conftest import Server, eventually
from tests.faults.journal import DIMENSION, Journal
from tests.faults.proxy import PASS, Kill, Proxy
from tests.faults.test_wire import GRACE, IDS, LOST, TIMEOUT, attempt, cell

BULK = [f"b{number:04}" for number in range(1500)]
PARTS = 3
KILL_POINTS = [pytest.param(seed, marks=[pytest.mark.nightly] if seed >= 3 else []) for seed in range(20)]


def test_a_paused_server(server: Server, seen: Callable[[str, str], None]) -> None:
    direct, journal = server.new(), Journal()
    assert journal.upsert(direct, IDS[:40], version=1) is None
    with vstore.connect(server.url(), timeout=TIMEOUT) as store:
        c = store.get_collection(direct.name)
        assert c.count() == 40
        server.container.pause()
        try:
            read = attempt(lambda: c.get(IDS[:5]))
            begun = time.monotonic()
            write = journal.upsert(c, IDS[20:], version=2), time.monotonic() - begun
            connecting = attempt(lambda: vstore.connect(server.url(), timeout=TIMEOUT).close())
        finally:
            server.container.unpause()
        for error, seconds in (read, write, connecting):
            assert type(error) is vstore.Timeout, repr(error)
            assert error.retryable
            assert seconds < TIMEOUT + GRACE
        eventually(c.count)
        assert eventually(lambda: journal.upsert(c, ["after"], version=1)) is None
    server.check(journal, direct.name)
    seen("server paused", f"read {cell(*read)}, write {cell(*write)}; lost 0")


def test_a_server_killed_between_calls(server: Server, proxy: Proxy, seen: Callable[[str, str], None]) -> None:
    direct, journal = server.new(), Journal()
    assert journal.upsert(direct, BULK, version=1) is None
    assert journal.delete(direct, BULK[:100]) is None
    with (
        vstore.connect(server.url(), timeout=TIMEOUT) as store,
        vstore.connect(server.url(proxy.port), timeout=TIMEOUT) as other,
    ):
        c, reader = store.get_collection(direct.name), other.get_collection(direct.name)
        assert journal.upsert(c, BULK[50:200], version=2) is None
        assert c.count() == reader.count() == len(BULK) - 50
        server.container.kill()
        read = attempt(lambda: reader.get(BULK[:5]))
        begun = time.monotonic()
        write = journal.upsert(c, IDS, version=3), time.monotonic() - begun
        for error, seconds in (read, write):
            assert isinstance(error, LOST), repr(error)
            assert error.retryable
            assert seconds < TIMEOUT + GRACE
        server.container.start()
        # The clients that were open when it died. The one that only reads, by another address, knows of no write that
        # it could wait for: pymilvus keeps the times of writes by address.
        assert eventually(reader.count) == len(BULK) - 50
        eventually(c.count)
        assert eventually(lambda: journal.upsert(c, ["after"], version=1)) is None
    server.check(journal, direct.name)
    seen("server killed between calls, started again", f"read {cell(*read)}, write {cell(*write)}; lost 0")


def test_a_restart_under_an_open_client_with_retries(server: Server, seen: Callable[[str, str], None]) -> None:
    direct, journal = server.new(), Journal()
    assert journal.upsert(direct, BULK[:200], version=1) is None
    with vstore.connect(server.url(), timeout=120, retries=100) as store:
        c = store.get_collection(direct.name)
        assert c.count() == 200
        restarting = threading.Thread(target=server.container.restart)
        restarting.start()
        turns, slowest = 0, 0.0
        while restarting.is_alive() or turns < 3:
            turns += 1
            begun = time.monotonic()
            error = journal.upsert(c, BULK[turns % 50 :][:150], version=turns + 1)
            assert error is None, repr(error)
            assert c.get(BULK[:1]).ids
            slowest = max(slowest, time.monotonic() - begun)
        restarting.join()
    server.check(journal, direct.name)
    seen("server restarted, with retries=100", f"{turns} writes and reads, no error, slowest {slowest:.1f} s; lost 0")


@pytest.mark.parametrize("seed", KILL_POINTS)
def test_a_server_killed_within_a_bulk_write(
    server: Server, proxy: Proxy, seen: Callable[[str, str], None], seed: int
) -> None:
    """At a random byte of what the client sends, the server gets no further and dies."""
    direct, journal = server.new(), Journal()
    random_part = random.Random(f"{server.backend} {seed}")
    parts = [BULK[start::PARTS] for start in range(PARTS)]
    with vstore.connect(server.url(proxy.port), timeout=20) as store:
        c = store.get_collection(direct.name)
        before = proxy.sent
        for part in parts:
            assert journal.upsert(c, part, version=1) is None
        point = random_part.randrange(int(0.95 * (proxy.sent - before)))  # the second time takes a little less
        killed = threading.Event()

        def kill() -> None:
            server.container.kill()
            killed.set()

        proxy.set(Kill(point, kill))
        errors = [error for part in parts if (error := journal.upsert(c, part, version=2)) is not None]
        proxy.set(PASS)
        assert errors, "the server was not killed within the writes"
        assert killed.wait(60)
        kinds = {type(error) for error in errors}
        assert kinds <= {*LOST, vstore.PartialWrite}, errors
        assert all(error.retryable for error in errors)
        server.container.start()
        server.check(journal, direct.name)
        for part in parts:  # and it goes on with the same client
            assert eventually(lambda part=part: raising(journal.upsert(c, part, version=3))) is None  # type: ignore[misc]
    server.check(journal, direct.name)
    if seed == 0:
        names = " or ".join(sorted({kind.__name__ for kind in kinds}))
        seen("server killed within a bulk write", f"{names}; lost 0")


def raising(error: vstore.VStoreError | None) -> None:
    if error is not None:
        raise error


@pytest.mark.backends("pgvector")
def test_a_full_disk(server: Server, seen: Callable[[str, str], None]) -> None:
    address = server.url().replace("pgvector:", "postgresql:", 1)
    with psycopg.connect(address, autocommit=True) as sql:
        sql.execute("create tablespace small location '/small'")
        sql.execute("alter database postgres set default_tablespace = small")
    server.container.execute("dd", "if=/dev/zero", "of=/small/other", "bs=1M", "count=20")
    try:
        with vstore.connect(f"{server.url()}?schema=full", timeout=30) as store:
            direct = store.create_collection("full", dimension=DIMENSION, metric="l2", index=vstore.Flat())
            journal = Journal()
            error, version, begun = None, 0, 0.0
            while error is None:
                version += 1
                assert version < 200, "the disk does not fill up"
                begun = time.monotonic()
                error = journal.upsert(direct, [f"v{version}_{record_id}" for record_id in BULK], version)
            seconds = time.monotonic() - begun
            assert type(error) is vstore.Unavailable, repr(error)
            assert "space" in str(error)
            journal.check(direct, atomic=True)
            server.container.execute("rm", "/small/other")
            assert journal.upsert(direct, ["after"], version=1) is None
            journal.check(direct, atomic=True)
            seen("disk full", f"write {cell(error, seconds)}; lost 0")
    finally:
        with psycopg.connect(address, autocommit=True) as sql:
            sql.execute("alter database postgres reset default_tablespace")
            sql.execute('drop schema "full" cascade')
            sql.execute("drop tablespace small")
