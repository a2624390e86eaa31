"""A forked process: what it inherits does no harm, at its end neither, and what it opens itself works."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings

import vstore
from tests.forked import in_child
from vstore import aio
from vstore_chroma import clients, forking


async def _connect(client: object) -> None:
    await aio.connect(client=client)


ENDS = [
    "sys.exit()",
    "pass",  # the end of the program
    "store = c = client = None; gc.collect(); sys.exit()",
    "store.close(); sys.exit()",
    "client and client.close(); sys.exit()",
    "os._exit(0)",
]


@pytest.mark.parametrize("kind", ["directory", "memory", "borrowed", "server", "borrowed http"])
def test_the_end_of_a_child_does_no_harm(kind: str, tmp_path: Path, server: str) -> None:
    code = """
        import gc, os, sys, chromadb, vstore
        from chromadb.config import Settings
        kind, path, server, *ends = sys.argv[1:]
        host, port = server.removeprefix("chroma://").split(":")
        client = None
        if kind == "borrowed":
            client = chromadb.PersistentClient(path, Settings(anonymized_telemetry=False))
        if kind == "borrowed http":
            client = chromadb.HttpClient(host, int(port))
        url = {"directory": f"chroma:{path}", "memory": "chroma::memory:", "server": server}.get(kind)
        store = vstore.connect(client=client) if client else vstore.connect(url)
        if "forked_ends" in store.list_collections():
            store.delete_collection("forked_ends")
        c = store.create_collection("forked_ends", dimension=2)
        for number, end in enumerate(ends):
            if (child := os.fork()) == 0:
                try:
                    c.count()
                except vstore.Closed:
                    pass
                else:
                    os._exit(7)
                exec(end)
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0, end
            c.add([str(number)], [[number, 1]])
            assert c.query([number, 1], k=1).ids == [str(number)] and c.count() == number + 1
        store.close()
        """
    command = [sys.executable, "-c", textwrap.dedent(code), kind, str(tmp_path / "db"), server, *ENDS]
    subprocess.run(command, check=True, timeout=120, capture_output=True)


def test_a_child_is_refused_its_parent_s_directory_and_opens_others(tmp_path: Path, server: str) -> None:
    def work() -> list[object]:
        with pytest.raises(vstore.Unavailable) as raised:
            vstore.connect(f"chroma:{tmp_path}/held")
        found: list[object] = [str(raised.value)]
        for url in (f"chroma:{tmp_path}/other", f"chroma:{tmp_path}/let_go", "chroma::memory:", server):
            with vstore.connect(url) as store:
                c = store.create_collection(f"of_child_{os.getpid()}", dimension=2)
                c.add(["a"], [[1, 2]])
                found.append(c.query([1, 2]).ids)
                store.delete_collection(c.name)
        return found

    vstore.connect(f"chroma:{tmp_path}/let_go").close()
    with vstore.connect(f"chroma:{tmp_path}/held") as store, vstore.connect(server) as remote:
        c = store.create_collection("docs", dimension=2)
        c.add(["a"], [[1, 2]])
        remote.ping()
        refused, *found = in_child(work)
        assert f"process {os.getpid()}" in str(refused)
        assert found == [["a"]] * 4
        assert c.count() == 1
        remote.ping()


def test_a_child_opens_the_directory_when_its_parent_has_closed_it(tmp_path: Path) -> None:
    store = vstore.connect(f"chroma:{tmp_path}/db")
    store.create_collection("docs", dimension=2).add(["a"], [[1, 2]])
    go, told = os.pipe()

    def work() -> list[str]:
        os.read(go, 1)
        with vstore.connect(f"chroma:{tmp_path}/db") as again:
            return again.get_collection("docs").query([1, 2]).ids

    def close() -> None:
        store.close()
        os.write(told, b"x")

    closing = threading.Timer(0.5, close)
    closing.start()
    assert in_child(work) == ["a"]
    closing.join()
    os.close(go)
    os.close(told)


def test_a_child_borrows_no_client_of_its_parent(tmp_path: Path, server: str) -> None:
    host, port = server.removeprefix("chroma://").split(":")
    embedded = chromadb.PersistentClient(str(tmp_path / "db"), Settings(anonymized_telemetry=False))
    remote = chromadb.HttpClient(host, int(port))

    def work() -> int:
        refused = 0
        for client in (embedded, remote):
            with pytest.raises(vstore.Closed, match="forked"):
                vstore.connect(client=client)
            with pytest.raises(vstore.Closed, match="forked"):
                asyncio.run(_connect(client))
            refused += 1
        embedded.close()
        return refused

    assert in_child(work) == 2
    assert embedded.heartbeat()
    assert remote.heartbeat()
    embedded.close()
    remote.close()


def test_an_async_store_is_the_parent_s_too(server: str) -> None:
    async def main() -> None:
        async with await aio.connect(server) as store:
            await store.ping()

            def work() -> bool:
                async def inside() -> bool:
                    with pytest.raises(vstore.Closed):
                        await store.ping()
                    await store.close()
                    async with await aio.connect(server) as own:
                        await own.ping()
                    gc.collect()
                    return True

                asyncio._set_running_loop(None)  # the parent's, inside which this process was forked
                return asyncio.run(inside())

            assert in_child(work)
            for _ in range(3):
                await store.ping()

    asyncio.run(main())


def test_children_of_a_busy_parent_end_and_answers_do_not_cross(tmp_path: Path, server: str) -> None:
    stop = threading.Event()
    errors: list[BaseException] = []

    def use(c: vstore.Collection, name: str) -> None:
        vectors = np.random.default_rng(0).random((20, 4), np.float32)
        ids = [f"{name}{n}" for n in range(20)]
        try:
            while not stop.is_set():
                c.upsert(ids, vectors)
                assert c.get(ids, include=()).ids == ids
                assert c.query(vectors[0], k=1).ids[0].startswith(name)
        except BaseException as error:  # noqa: BLE001  # told to the test
            errors.append(error)

    def work(number: int) -> list[str]:
        # where a thread was just inside SQLite, the engine is refused and does not hang
        with suppress(vstore.Unavailable), vstore.connect(f"chroma:{tmp_path}/of_child{number}", timeout=10) as store:
            store.create_collection("docs", dimension=2).add(["a"], [[1, 2]])
        with vstore.connect(server) as store:
            return store.get_collection("busy").get(["http0"]).ids

    with vstore.connect(f"chroma:{tmp_path}/db") as embedded, vstore.connect(server) as remote:
        local = embedded.create_collection("docs", dimension=4, metric="l2")
        busy = remote.create_collection("busy", dimension=4, metric="l2")
        busy.add(["http0"], [[1, 2, 3, 4]])
        threads = [threading.Thread(target=use, args=args) for args in ((local, "dir"), (busy, "http"), (local, "dir"))]
        for thread in threads:
            thread.start()
        try:
            for number in range(5):
                assert in_child(lambda number=number: work(number)) == ["http0"]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        remote.delete_collection("busy")
    assert errors == []


def test_an_engine_that_does_not_start_in_a_child_is_refused_in_time(tmp_path: Path) -> None:
    def work() -> str:
        clients._try_engine = lambda: threading.Event().wait()  # type: ignore[assignment]  # as where a lock is held
        with pytest.raises(vstore.Unavailable) as raised:
            vstore.connect(f"chroma:{tmp_path}/other", timeout=1)
        assert not raised.value.retryable
        return raised.value.message

    with vstore.connect("chroma::memory:"):
        assert "forked" in in_child(work)
    assert not forking._doubtful
