"""What a forked child inherits does no harm, to it or to its parent."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import vstore
from tests.forked import in_child
from vstore import Flat, aio
from vstore.errors import Closed

ROOT = Path(__file__).parents[3]
ELSEWHERE = """
import sys, vstore
with vstore.connect(sys.argv[1]) as store:
    print(store.get_collection(sys.argv[2]).count())
"""


@contextmanager
def busy(c: vstore.Collection) -> Iterator[None]:
    """Threads inside calls while the block runs."""
    stop = threading.Event()

    def work(number: int) -> None:
        while not stop.is_set():
            if number:
                c.count()
            else:
                c.upsert(["w"], [[1, 2]])

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(work, number) for number in range(3)]
        try:
            time.sleep(0.3)
            yield
        finally:
            stop.set()
    for done in working:
        done.result()


def refused(c: vstore.Collection) -> str:
    with pytest.raises(Closed) as caught:
        c.count()
    return str(caught.value)


@pytest.mark.parametrize("scenario", ["harmless", "connecting"])
def test_a_child(server_or_file: str, scenario: str) -> None:
    """In a process of its own: engines and async clients of other tests would keep gRPC busy while it forks."""
    command = [sys.executable, "-c", f"from {__name__} import {scenario}; {scenario}({server_or_file!r})"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


def harmless(url: str) -> None:
    """Left to itself Milvus Lite writes the parent's memory into its files again, and gives back its lock."""
    lite = not url.startswith("milvus://")
    with vstore.connect(url) as store:
        c = store.create_collection("forked", dimension=2, metric="l2", index=Flat())
        c.add(["a"], [[1, 2]])

        def collected() -> str:
            nonlocal c, store
            told = refused(c)
            store.close()
            del c, store
            gc.collect()
            return told

        assert "Connect again" in in_child(collected)

        def fresh() -> tuple[str, object]:
            try:
                with vstore.connect(url, timeout=10) as own:
                    return "", own.get_collection("forked").count()
            except vstore.VStoreError as error:
                return type(error).__name__, str(error)

        kind, told = in_child(fresh)
        assert (kind, "open in another process" in str(told)) == ("Unavailable", True) if lite else told == 1
        with busy(c):
            for _ in range(3):
                in_child(lambda: refused(c))
                assert in_child(fresh)[0] == ("Unavailable" if lite else "")
        ended = multiprocessing.get_context("fork").Process(target=refused, args=(c,))
        ended.start()
        ended.join(60)
        assert ended.exitcode == 0, "the interpreter of the child ends as it should"
        c.add(["b"], [[1, 2]])
        assert sorted(c.get(["a", "b", "w"]).ids) == ["a", "b", "w"]
        if lite:  # the lock is still the parent's
            done = subprocess.run([sys.executable, "-c", ELSEWHERE, url, "forked"], capture_output=True, text=True)
            assert "Unavailable" in done.stderr
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, url, "forked"], capture_output=True, text=True)
    assert done.stdout.split() == ["3"], done.stderr


def connecting(server_or_file: str) -> None:
    """A child connects where its parent is connected no more."""
    with vstore.connect(server_or_file) as store:
        c = store.create_collection("nobody", dimension=2, metric="l2", index=Flat())
        c.add(["a"], [[1, 2]])

    def fresh() -> int:
        with vstore.connect(server_or_file, timeout=10) as own:
            mine = own.get_collection("nobody")
            mine.add(["b"], [[1, 2]])
            return mine.count()

    def fresh_async() -> int:
        async def run() -> int:
            async with aio.connect(server_or_file, timeout=10) as own:
                return await (await own.get_collection("nobody")).count()

        return asyncio.run(run())

    assert in_child(fresh) == 2
    assert in_child(fresh_async) == 2
    with vstore.connect(server_or_file) as store:
        assert store.get_collection("nobody").count() == 2


def test_the_lock_of_a_file_ends_with_the_parent(tmp_path: Path) -> None:
    """A child that lives on has a descriptor of the lock too."""
    script = """
import os, sys, time, vstore
store = vstore.connect(sys.argv[1])
store.create_collection("abc", dimension=2).add(["a"], [[1, 2]])
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(120)
    os._exit(0)
print(child, flush=True)
os._exit(0)
"""
    url = f"milvus:{tmp_path / 'data.db'}"
    done = subprocess.run([sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True, timeout=60)
    child = int(done.stdout)
    try:
        with vstore.connect(url) as store:
            assert store.get_collection("abc").count() == 1
    finally:
        os.kill(child, 9)


def test_a_store_whose_loop_is_over_is_closed_in_another(server_or_file: str) -> None:
    async def connected() -> aio.AsyncStore:
        store = await aio.connect(server_or_file)
        await store.ping()
        return store

    for _ in range(2):
        store = asyncio.run(connected())

        async def close(store: Any = store) -> None:
            with pytest.raises(Closed):
                await store.ping()
            await store.close()
            await store.close()

        asyncio.run(close())
        assert "closed" in repr(store)
    if not server_or_file.startswith("milvus://"):
        done = subprocess.run([sys.executable, "-c", ELSEWHERE, server_or_file, "x"], capture_output=True, text=True)
        assert "NotFound" in done.stderr, "the file was given back"
