"""What a forked child inherits it neither uses nor ends: the parent's connections and embedded server go on (CON-3)."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
import pytest

import vstore
from tests.forked import in_child
from vstore import errors

# A program that connects, forks children that end in every way, and goes on all the while.
_PROGRAM = """
import asyncio, gc, multiprocessing, os, sys, threading
import vstore, vstore.aio

url, form = sys.argv[1:]
print("starts", flush=True)

def refused(call):
    try:
        call()
    except vstore.errors.Closed:
        return
    raise SystemExit(3)

def child_ends(how, store):
    global kept
    if how == "system exit":
        sys.exit(0)
    if how == "at once":
        os._exit(0)
    if how == "collected":
        kept = None
        del store
        gc.collect()
    return  # the interpreter ends as usual

def fork(how, store, docs):
    child = os.fork()
    if child == 0:
        if form == "sync":
            refused(docs.count)
            store.close()
        with vstore.connect(url) as own:
            assert own.get_collection("docs").count() == 2, "fresh"
        child_ends(how, store)
        return False
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, how
    return True

HOWS = ["system exit", "at once", "collected", "falls off the end"]

def sync():
    global kept
    kept = store = vstore.connect(url, pool_size=3)
    docs = store.get_collection("docs")
    stop = threading.Event()
    wrong = []

    def ask():
        while not stop.is_set():
            try:
                if docs.get(["a"]).documents != ["text"]:
                    wrong.append("answer")
            except BaseException as error:
                wrong.append(error)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for how in HOWS * 2:
        if not fork(how, store, docs):
            return
    process = multiprocessing.get_context("fork").Process(target=refused, args=(docs.count,))
    process.start()
    process.join()
    assert process.exitcode == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert docs.count() == 2
    store.close()
    print("done", flush=True)

def child_of_task(docs):
    refused(lambda: docs.count().send(None))
    gc.collect()
    with vstore.connect(url) as own:
        assert own.get_collection("docs").count() == 2

async def asynchronous():
    global kept
    kept = store = await vstore.aio.connect(url, pool_size=3)
    docs = await store.get_collection("docs")
    assert await asyncio.gather(*[docs.count() for _ in range(5)]) == [2] * 5
    for how in ["at once", "process"] * 2:  # to go on with the parent's loop a child would need its selector
        if how == "process":
            process = multiprocessing.get_context("fork").Process(target=child_of_task, args=(docs,))
            process.start()
            process.join()
            assert process.exitcode == 0
        else:
            fork(how, store, docs)
        assert await asyncio.gather(*[docs.count() for _ in range(5)]) == [2] * 5
    await store.close()
    print("done", flush=True)

sync() if form == "sync" else asyncio.run(asynchronous())
"""


def _run(url: str, form: str) -> None:
    with vstore.connect(url) as store:
        docs = store.create_collection("docs", dimension=2)
        docs.add(ids=["a", "b"], vectors=[[1, 1], [1, 2]], documents=["text", None])
    # forking beside threads is what is tested, whatever newer Pythons remark
    ran = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-W", "ignore::DeprecationWarning", "-c", _PROGRAM, url, form],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "done", ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Warning" not in ran.stderr.replace("RuntimeDirWarning", "")


@pytest.mark.parametrize("form", ["sync", "async"])
def test_children_of_a_servers_client(url: str, form: str) -> None:
    _run(url, form)


@pytest.mark.parametrize("form", ["sync", "async"])
def test_children_beside_an_embedded_server(tmp_path: Path, form: str) -> None:
    """A child that ended stopped the server below its parent, or was counted among its users for ever."""
    folder = tmp_path / "pg"
    _run(f"pgvector:{folder}", form)
    assert not (folder / "postmaster.pid").exists()  # the last user stopped it


def test_a_child_that_dies_is_no_user_of_the_embedded_server(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    with vstore.connect(f"pgvector:{folder}") as store:
        store.create_collection("docs", dimension=2)

        def connects() -> int:
            return vstore.connect(f"pgvector:{folder}").get_collection("docs").count()  # and does not close

        assert in_child(connects) == 0
        assert store.get_collection("docs").count() == 0
    assert not (folder / "postmaster.pid").exists()


def test_borrowed_clients(server: str) -> None:
    with psycopg_pool.ConnectionPool(server, min_size=2, max_size=2, open=True) as pool, psycopg.connect(server) as one:
        for client in (pool, one):
            with vstore.connect(client=client, schema=f"forked_{type(client).__name__.lower()}") as store:
                docs = store.create_collection("docs", dimension=2)

                def child(store: vstore.Store = store, docs: Any = docs) -> str:
                    store.close()
                    with pytest.raises(errors.Closed, match=f"process {os.getppid()}"):
                        docs.count()
                    return "well"

                assert in_child(child) == "well"
                assert docs.count() == 0
        assert one.execute("select 1").fetchone() == (1,)


def test_processes_of_multiprocessing(url: str) -> None:
    context = multiprocessing.get_context("fork")
    with vstore.connect(url) as store:
        docs = store.create_collection("docs", dimension=2)
        busy = [threading.Thread(target=lambda: [docs.count() for _ in range(200)]) for _ in range(3)]
        for thread in busy:
            thread.start()
        children = [context.Process(target=_connects, args=(url, number)) for number in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join(60)
            assert child.exitcode == 0
        for thread in busy:
            thread.join()
        assert docs.count() == 4


def _connects(url: str, number: int) -> None:
    with vstore.connect(url) as store:
        store.get_collection("docs").add(ids=[str(number)], vectors=[[1, number]])
