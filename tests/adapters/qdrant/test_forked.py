"""Processes that are forked from one with an open store: they are refused, do no harm, and connect anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

import vstore
from tests.qdrant_double import Double

# The children end in the three ways there are: by _exit, as multiprocessing does, by sys.exit, and by a signal.
COMMON = """
import asyncio, gc, os, signal, sys, threading, time
import numpy as np
import vstore
from vstore import aio, errors

def forked(work):
    child = os.fork()
    if child == 0:
        signal.alarm(40)
        try:
            work()
        except BaseException as error:
            if not isinstance(error, SystemExit):
                print(f"{type(error).__name__}: {error}", flush=True)
                os._exit(1)
            raise
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, work.__name__

def refused(c, store):
    for call in (c.count, lambda: c.upsert(["x"], np.ones((1, 8))), lambda: c.query([1.0] * 8, k=1), store.ping):
        try:
            call()
        except errors.Closed as error:
            assert "Connect again" in error.hint
        else:
            raise AssertionError("an inherited store answered")
    store.close()

class Busy:
    def __init__(self, c):
        self.c, self.on, self.written = c, True, 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
    def run(self):
        while self.on:
            n = self.written
            self.c.upsert([f"r{n}"], np.full((1, 8), n % 100, np.float32), metadatas=[{"n": n}])
            self.c.query([1.0] * 8, k=3)
            self.written += 1
    def stop(self):
        self.on = False
        self.thread.join()
        return self.written
"""
DIRECTORY = """
folder = sys.argv[1]
store = vstore.connect(f"qdrant:{folder}/parents")
c = store.create_collection("docs", dimension=8, metric="l2")
dropped = vstore.connect(f"qdrant:{folder}/dropped")
dropped.create_collection("docs", dimension=8).add(["a"], np.ones((1, 8)))
del dropped
busy = Busy(c)

def leave():
    refused(c, store)
    sys.exit()

def collect():
    global c, store, busy
    busy = c = store = None
    gc.collect()

def connect():
    try:
        vstore.connect(f"qdrant:{folder}/parents")
    except errors.Unavailable as error:
        assert f"process {os.getppid()}" in str(error)
    else:
        raise AssertionError("two processes on one directory")
    with vstore.connect(f"qdrant:{folder}/childs") as own:
        d = own.create_collection(f"c{os.getpid()}", dimension=8)
        d.add(["a"], np.ones((1, 8)))
        assert d.query([1.0] * 8, k=1).ids == ["a"]
    sys.exit()

for _ in range(2):
    for work in (leave, collect, connect):
        forked(work)
written = busy.stop()
assert c.count() == written
store.close()
with vstore.connect(f"qdrant:{folder}/parents") as again:
    back = again.get_collection("docs")
    assert back.count() == written
    assert sorted(r["n"] for page in back.scan() for r in page.records.metadatas) == list(range(written))
with vstore.connect(f"qdrant:{folder}/dropped") as again:
    assert again.get_collection("docs").count() == 1
print("done", written > 0)
"""
SERVER = """
url, name, quiet = sys.argv[1:]
store = vstore.connect(url)
c = store.create_collection(name, dimension=8, metric="l2")
c.add(["first"], np.ones((1, 8)))
busy = None if quiet else Busy(c)

def leave():
    refused(c, store)
    sys.exit()

def collect():
    global c, store, busy
    busy = c = store = None
    gc.collect()

def connect():
    with vstore.connect(url) as own:
        assert own.get_collection(name).get(["first"]).ids == ["first"]
    sys.exit()

async def connecting():
    async with aio.connect(url) as own:
        assert (await (await own.get_collection(name)).get(["first"])).ids == ["first"]

for work in (leave, collect, connect, lambda: asyncio.run(connecting())):
    forked(work)

async def parent():
    async with aio.connect(url) as own:
        d = await own.get_collection(name)
        before = await d.count()
        forked(lambda: sys.exit())
        assert await d.count() >= before

asyncio.run(parent())
written = busy.stop() if busy else 0
assert c.count() == written + 1
store.delete_collection(name)
print("done", True)
"""
LOCAL = """
store = vstore.connect(f"qdrant:{sys.argv[1]}")
c = store.get_collection("docs")
c.add(["a"], np.ones((1, 8)))

def leave():
    refused(c, store)
    sys.exit()

def collect():
    global c, store
    c = store = None
    gc.collect()

for work in (leave, collect):
    forked(work)
c.add(["b"], np.ones((1, 8)))
store.close()
with vstore.connect(f"qdrant:{sys.argv[1]}") as again:
    assert again.get_collection("docs").count() == 2
print("done", True)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")


def run(script: str, *arguments: str) -> None:
    code = COMMON + script
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=240)
    assert done.stdout.split("\n")[-2:] == ["done True", ""], done.stdout + done.stderr
    assert done.returncode == 0


def test_the_children_of_a_process_with_a_directory(tmp_path: Path) -> None:
    """The engine's objects flush into the parent's files when they are finalised."""
    run(DIRECTORY, str(tmp_path))


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_the_children_of_a_process_with_a_server(double: Double, protocol: str) -> None:
    """Beside running calls over REST only: gRPC then gives up its place in the child, which ends in ``Timeout``."""
    run(
        SERVER,
        double.url if protocol == "rest" else double.grpc_url,
        f"forked_{protocol}",
        "quiet" * (protocol == "grpc"),
    )


def test_the_children_of_a_process_with_a_directory_of_local_mode(tmp_path: Path) -> None:
    client = QdrantClient(path=str(tmp_path))
    with vstore.connect(client=client) as store:
        store.create_collection("docs", dimension=8)
    client.close()
    run(LOCAL, str(tmp_path))
