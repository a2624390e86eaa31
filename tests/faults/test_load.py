"""Threads and tasks at everything on a real server: CON-1, CON-2, and nothing left open afterwards."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import psutil
import pytest

import vstore
from tests.faults.conftest import Server
from tests.faults.journal import DIMENSION, Journal, columns
from vstore import F, aio

THREADS = 8
TASKS = 64
OWN = 40  # ids of each worker
SHARED = [f"shared{number}" for number in range(10)]
SECONDS = [8, pytest.param(60, marks=pytest.mark.nightly)]
QUERY = np.ones(DIMENSION, np.float32)


class Worker:
    """One thread's or task's share: its own records, of which it knows every state, and those that all write.

    Its calls come as ``(name, arguments)``; what they answered goes back to it, and it checks it.
    """

    def __init__(self, number: int) -> None:
        self.ids = [f"w{number}_{position}" for position in range(OWN)]
        self.versions: dict[str, int] = {}
        self.turns = 0
        self._random = random.Random(number)

    def upsert(self) -> tuple[list[str], int]:
        """Some of its ids, and their new version."""
        self.turns += 1
        chosen = self._random.sample(self.ids, self._random.randrange(1, OWN))
        self.versions.update(dict.fromkeys(chosen, self.turns))
        return chosen, self.turns

    def delete(self) -> list[str]:
        """Some of its ids, there or not."""
        chosen = self._random.sample(self.ids, self._random.randrange(1, OWN // 2))
        for record_id in chosen:
            self.versions.pop(record_id, None)
        return chosen

    def check(self, found: vstore.Records) -> None:
        """WR-1: what it reads of its own is what it wrote last."""
        assert found.metadatas is not None
        versions = {i: fields["version"] for i, fields in zip(found.ids, found.metadatas, strict=True)}
        assert versions == self.versions


def _thread(c: vstore.Collection, worker: Worker, end: float) -> None:
    while time.monotonic() < end:
        ids, version = worker.upsert()
        c.upsert(**columns(ids, version))
        c.upsert(**columns(SHARED, worker.turns % 7 + 1))
        worker.check(c.get(worker.ids))
        assert len(c.query(QUERY, k=5, where=F("version").exists())) == 5
        c.delete(ids=worker.delete())
        if worker.turns % 5 == 0:
            mine = set(worker.ids)
            scanned = [i for page in c.scan(batch_size=200, include=()) for i in page.records.ids]
            assert len(scanned) == len(set(scanned))
            assert mine & set(scanned) == worker.versions.keys()
            assert set(SHARED) <= set(scanned)


async def _task(c: aio.AsyncCollection, worker: Worker, end: float) -> None:
    while time.monotonic() < end:
        ids, version = worker.upsert()
        await c.upsert(**columns(ids, version))
        await c.upsert(**columns(SHARED, worker.turns % 7 + 1))
        worker.check(await c.get(worker.ids))
        assert len(await c.query(QUERY, k=5, where=F("version").exists())) == 5
        await c.delete(ids=worker.delete())
        if worker.turns % 5 == 0:
            scanned = [i async for page in c.scan(batch_size=500, include=()) for i in page.records.ids]
            assert len(scanned) == len(set(scanned))
            assert set(worker.ids) & set(scanned) == worker.versions.keys()


def _expected(workers: list[Worker]) -> Journal:
    journal = Journal()
    for worker in workers:
        journal.expect({record_id: {worker.versions.get(record_id, 0)} for record_id in worker.ids})
    journal.expect({record_id: set(range(1, 8)) for record_id in SHARED})
    return journal


@contextmanager
def nothing_left(port: int) -> Iterator[None]:
    """What runs inside leaves no thread, file or connection behind."""

    def measured() -> tuple[int, int, int]:
        gc.collect()
        process = psutil.Process()
        connections = sum(1 for c in process.net_connections() if c.raddr and c.raddr.port == port)
        return connections, process.num_fds(), threading.active_count()

    before = measured()
    yield
    deadline = time.monotonic() + 30
    while any(now > then for now, then in zip(measured(), before, strict=True)):
        assert time.monotonic() < deadline, f"connections, files, threads: {measured()} are left of {before}"
        time.sleep(0.1)  # sockets are closed by threads that are just ending


@pytest.mark.parametrize("seconds", SECONDS)
def test_threads(server: Server, seen: Callable[[str, str], None], seconds: int) -> None:
    direct = server.new()
    workers = [Worker(number) for number in range(THREADS)]
    direct.upsert(**columns(SHARED, 1))
    vstore.connect(server.url()).close()  # what a client makes once a process
    with nothing_left(server.container.port), vstore.connect(server.url(), timeout=60) as store:
        c = store.get_collection(direct.name)
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(_thread, c, worker, end) for worker in workers]:
                done.result()
    _expected(workers).check(direct, atomic=server.atomic)
    turns = sum(worker.turns for worker in workers)
    seen(f"{THREADS} threads at everything", f"{turns} turns, no error; lost 0")


@pytest.mark.parametrize("seconds", SECONDS)
def test_tasks(server: Server, seen: Callable[[str, str], None], seconds: int) -> None:
    direct = server.new()
    workers = [Worker(number) for number in range(TASKS)]
    direct.upsert(**columns(SHARED, 1))

    async def main(length: float, team: list[Worker]) -> None:
        async with aio.connect(server.url(), timeout=60) as store:
            c = await store.get_collection(direct.name)
            end = time.monotonic() + length
            async with asyncio.TaskGroup() as group:
                for worker in team:
                    group.create_task(_task(c, worker, end))

    asyncio.run(main(0, []))
    with nothing_left(server.container.port):
        asyncio.run(main(seconds, workers))
    _expected(workers).check(direct, atomic=server.atomic)
    turns = sum(worker.turns for worker in workers)
    seen(f"{TASKS} tasks at everything", f"{turns} turns, no error; lost 0")
