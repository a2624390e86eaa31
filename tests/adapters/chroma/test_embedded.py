"""Directories, memory, and borrowed clients."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import chromadb
import numpy as np
import psutil
import pytest

import vstore
from vstore import aio


def _in_another_process(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_every_memory_store_is_its_own() -> None:
    application = chromadb.EphemeralClient()  # with settings that differ from ours
    with vstore.connect("chroma::memory:") as one, vstore.connect("chroma::memory:") as other:
        one.create_collection("docs", dimension=2)
        assert other.list_collections() == []
        assert application.list_collections() == []
    application.close()


def test_a_second_process_is_refused_and_told_which(tmp_path: Path) -> None:
    code = """
        import sys, vstore
        try:
            vstore.connect("chroma:" + sys.argv[1])
        except vstore.Unavailable as error:
            print(error)
    """
    with vstore.connect(f"chroma:{tmp_path}/db"):
        text = _in_another_process(code, f"{tmp_path}/db")
        assert f"process {os.getpid()}" in text
        assert f"{tmp_path}/db" in text
    assert _in_another_process(code, f"{tmp_path}/db") == ""


def test_stores_of_one_process_share_a_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "db")
    one = vstore.connect(f"chroma:{tmp_path}/db")
    other = vstore.connect(f"chroma:{tmp_path}/link")
    c = one.create_collection("docs", dimension=2)
    c.add(["a"], [[1, 2]])
    assert other.get_collection("docs").get(["a"]).ids == ["a"]
    one.close()
    other.get_collection("docs").add(["b"], [[1, 2]])
    other.close()
    with vstore.connect(f"chroma:{tmp_path}/db") as again:
        assert again.get_collection("docs").count() == 2


def test_everything_reads_back_in_another_process(tmp_path: Path) -> None:
    with vstore.connect(f"chroma:{tmp_path}/db") as store:
        c = store.create_collection(
            "docs", dimension=2, metric="dot", index=vstore.HNSW(8, 40, 50), metadata={"a": 1.5}
        )
        c.add(["a"], [[1, 2]], ["x"], [{"f": 1 / 3}])
        c.rename("renamed")
    found = _in_another_process(
        """
        import sys, vstore
        with vstore.connect("chroma:" + sys.argv[1]) as store:
            c = store.get_collection("renamed")
            print(c.info.dimension, c.info.metric, c.info.index, c.info.metadata, c.get(["a"])[0].metadata)
        """,
        f"{tmp_path}/db",
    )
    assert found == f"2 dot {vstore.HNSW(8, 40, 50)} {{'a': 1.5}} {{'f': {1 / 3}}}"


def test_closing_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    def opened() -> list[str]:
        return [file.path for file in psutil.Process().open_files() if Path(file.path).is_relative_to(tmp_path)]

    def use() -> None:
        with vstore.connect(f"chroma:{tmp_path}/db") as store:
            c = store.create_collection("docs", dimension=2, exist_ok=True)
            c.upsert(["a"], [[1, 2]])
            assert opened()

    use()
    threads = threading.active_count()
    for _ in range(5):
        use()
    assert threading.active_count() <= threads
    end = time.monotonic() + 30
    while opened() and time.monotonic() < end:  # the engine closes its files in threads of its own, shortly after
        time.sleep(0.05)
    assert opened() == []


def test_a_path_that_cannot_be_a_directory_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(vstore.Unavailable):
        vstore.connect(f"chroma:{tmp_path}/file")


@pytest.mark.parametrize("what", ["directory", "database"])
def test_a_read_only_directory_is_refused_and_left_as_it_is(what: str, tmp_path: Path) -> None:
    folder = tmp_path / "db"
    with vstore.connect(f"chroma:{folder}") as store:
        store.create_collection("docs", dimension=2).add(["a"], [[1, 2]])
    sealed = folder if what == "directory" else folder / "chroma.sqlite3"
    before = sorted((one.name, one.stat().st_mtime_ns) for one in folder.iterdir())
    sealed.chmod(0o555)
    code = """
        import sys, vstore
        try:
            vstore.connect("chroma:" + sys.argv[1])
        except vstore.Unavailable as error:
            print(error.retryable, error)
        """
    # root is bound by no permission, but where it has given up that capability
    may_not = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    command = [*may_not, sys.executable, "-c", textwrap.dedent(code), str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    finally:
        sealed.chmod(0o755)
    assert done.stdout.startswith("False")
    assert "read-only" in done.stdout
    assert sorted((one.name, one.stat().st_mtime_ns) for one in folder.iterdir()) == before


def test_a_directory_that_the_application_has_open_differently_is_unavailable(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    application = chromadb.PersistentClient(path)
    with pytest.raises(vstore.Unavailable, match="client"):
        vstore.connect(f"chroma:{path}")
    with vstore.connect(client=application) as store:
        store.create_collection("docs", dimension=2).add(["a"], [[1, 2]])
        assert store.capabilities.persistent
    assert application.get_collection("docs", embedding_function=None).count() == 1, "it is still open"
    application.close()


def test_a_borrowed_client_works_in_both_forms_and_stays_open(server: str) -> None:
    host, port = server.removeprefix("chroma://").split(":")
    client = chromadb.HttpClient(host, int(port))
    with vstore.connect(client=client) as store:
        store.create_collection("borrowed", dimension=2).add(["a"], [[1, 2]])
    assert client.heartbeat()

    async def main() -> None:
        native = await chromadb.AsyncHttpClient(host, int(port))
        for borrowed in (native, client):
            async with await aio.connect(client=borrowed) as store:
                c = await store.get_collection("borrowed")
                assert await c.count() == 1
        assert await native.heartbeat()
        with pytest.raises(vstore.InvalidInput, match="async"):
            vstore.connect(client=native)

    asyncio.run(main())
    client.delete_collection("borrowed")
    client.close()


def test_embedded_under_async_lets_the_loop_run(tmp_path: Path) -> None:
    async def main(attempt: int) -> float:
        async with await aio.connect(f"chroma:{tmp_path}/db") as store:
            c = await store.create_collection(f"docs{attempt}", dimension=64, metric="l2")
            gaps: list[float] = []

            async def tick() -> None:
                loop = asyncio.get_running_loop()
                while True:
                    begun = loop.time()
                    await asyncio.sleep(0.001)
                    gaps.append(loop.time() - begun)

            ticking = asyncio.create_task(tick())
            await c.add([str(n) for n in range(4000)], np.random.default_rng(0).random((4000, 64), np.float32))
            ticking.cancel()
            return max(gaps) / sum(gaps)

    assert any(asyncio.run(main(attempt)) < 0.5 for attempt in range(3))  # a busy machine stops it now and then
