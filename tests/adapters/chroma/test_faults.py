"""What goes wrong with a server: down, hung, refusing, cut off midway. A proxy stands before a real one."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

import vstore
from tests.servers import free_port
from vstore import F, aio


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a Chroma server, with the faults that a test sets."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(behind)
        self.token = ""
        self.hang = False
        self.writes_left = 1 << 30

    @property
    def url(self) -> str:
        return f"chroma://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.token and self.headers.get("X-Chroma-Token") != self.server.token:
            self._answer(403, b"forbidden")
            return
        while self.server.hang:
            time.sleep(0.05)
        if self.path.endswith(("/add", "/upsert", "/update")):
            self.server.writes_left -= 1
            if self.server.writes_left < 0:
                self.close_connection = True
                return
        behind = http.client.HTTPConnection(self.server.behind.hostname or "", self.server.behind.port, timeout=30)
        behind.request(self.command, self.path, body, {"Content-Type": "application/json"})
        answer = behind.getresponse()
        self._answer(answer.status, answer.read())
        behind.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _pass  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with Proxy(server) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.hang = False
        made.shutdown()
        thread.join()


async def _connect_async(url: str, **options: object) -> None:
    async with await aio.connect(url, **options):  # type: ignore[arg-type]
        pass


def test_nobody_listens() -> None:
    url = f"chroma://127.0.0.1:{free_port()}"
    with pytest.raises(vstore.Unavailable) as raised:
        vstore.connect(url, timeout=5)
    assert raised.value.retryable
    with pytest.raises(vstore.Unavailable):
        asyncio.run(_connect_async(url, timeout=5))


def test_a_hung_server_times_out(proxy: Proxy) -> None:
    with vstore.connect(proxy.url, timeout=1) as store:
        proxy.hang = True
        begun = time.monotonic()
        with pytest.raises(vstore.Timeout):
            store.ping()
        with pytest.raises(vstore.Timeout):
            vstore.connect(proxy.url, timeout=1)
        with pytest.raises(vstore.Timeout):
            asyncio.run(_connect_async(proxy.url, timeout=1))
        assert time.monotonic() - begun < 20
        proxy.hang = False


def test_tokens_are_sent_checked_and_never_shown(proxy: Proxy) -> None:
    proxy.token = "s3cret"
    with pytest.raises(vstore.AuthenticationFailed):
        vstore.connect(proxy.url, token="wr0ng")
    with vstore.connect(proxy.url, token="s3cret") as store:
        store.ping()
        assert "s3cret" not in repr(store)

    async def main() -> None:
        # chromadb keeps one HTTP session per event loop for all its async clients: the second would send the
        # token of the first
        async with await aio.connect(proxy.url, token="s3cret") as good:
            with pytest.raises(vstore.AuthenticationFailed) as raised:
                await aio.connect(proxy.url, token="wr0ng")
            assert "wr0ng" not in str(raised.value)
            await good.ping()

    asyncio.run(main())


def test_a_missing_tenant_or_database_is_not_found(server: str) -> None:
    for options in ({"tenant": "nobody"}, {"database": "nothing"}):
        with pytest.raises(vstore.NotFound):
            vstore.connect(server, **options)


def test_a_write_cut_off_midway_names_what_was_written(proxy: Proxy) -> None:
    with vstore.connect(proxy.url, timeout=20) as store:
        c = store.create_collection("cut_off", dimension=2, metric="l2")
        proxy.writes_left = 1
        ids = [f"{n:05}" for n in range(6000)]
        with pytest.raises(vstore.PartialWrite) as raised:
            c.add(ids, np.ones((6000, 2), np.float32))
        assert raised.value.__cause__ is not None
        assert not raised.value.retryable, "what was added cannot be added again"
        written = raised.value.written
        assert 0 < len(written) < 6000
        proxy.writes_left = 1 << 30
        assert c.count() == len(written)
        assert c.get(written, include=()).ids == written
        store.delete_collection("cut_off")


def test_calls_beyond_the_size_of_a_request_are_split(server: str) -> None:
    with vstore.connect(server) as store:
        c = store.create_collection("big_bodies", dimension=2048, metric="l2")
        vectors = np.random.default_rng(0).random((1500, 2048), np.float32)
        ids = [f"{n:04}" for n in range(300)]
        c.add(ids, vectors[:300], ["\u0001" * 20_000] * 300)  # 36 MB as JSON
        assert c.count() == 300
        got = c.get(["0299"])
        assert got.documents == ["\u0001" * 20_000]
        np.testing.assert_array_equal(got.vectors, vectors[299:300])
        assert len(c.query_many(vectors, k=1, include=())) == 1500
        store.delete_collection("big_bodies")


def test_the_longest_document_arrives(server: str) -> None:
    with vstore.connect(server) as store:
        c = store.create_collection("long_document", dimension=2)
        text = "\u0001" * store.capabilities.limits.max_document_bytes
        c.add(["a"], [[1, 2]], [text])
        assert c.get(["a"]).documents == [text]
        with pytest.raises(vstore.LimitExceeded):
            c.add(["b"], [[1, 2]], [text + "x"])
        store.delete_collection("long_document")


def _add_in_parts(c: vstore.Collection, vectors: np.ndarray) -> None:
    for start in range(0, len(vectors), 100):
        c.add([f"{start}_{n}" for n in range(100)], vectors[start : start + 100])


def test_reads_during_the_first_writes_succeed(server: str) -> None:
    with vstore.connect(server) as store, vstore.connect(server) as other:
        for number in range(3):
            c = store.create_collection(f"first_{number}", dimension=32, metric="l2")
            reader = other.get_collection(f"first_{number}")
            vectors = np.random.default_rng(0).random((1200, 32), np.float32)
            writing = threading.Thread(target=_add_in_parts, args=(c, vectors))
            writing.start()
            while writing.is_alive():
                reader.query(vectors[0], k=3)
            writing.join()
            assert c.count() == 1200
            store.delete_collection(c.name)


def test_of_concurrent_deletions_one_succeeds(server: str) -> None:
    def drop(name: str) -> bool:
        try:
            store.delete_collection(name)
        except vstore.NotFound:  # never what the server says of a collection half deleted
            return False
        return True

    with vstore.connect(server) as store, ThreadPoolExecutor(8) as pool:
        for number in range(10):
            store.create_collection(f"dropped_{number}", dimension=2).add(["a"], [[1, 2]])
            assert sum(pool.map(drop, [f"dropped_{number}"] * 8)) == 1


CALLS: dict[str, Callable[[Any], Any]] = {
    "count": lambda c: c.count(),
    "count of some": lambda c: c.count(F("k") == 1),
    "get": lambda c: c.get(["a"]),
    "query": lambda c: c.query([1, 2]),
    "query of some": lambda c: c.query([1, 2], where=F("k") == 1),
    "exact query": lambda c: c.query([1, 2], exact=True),
    "peek": lambda c: c.peek(),
    "add": lambda c: c.add(["b"], [[1, 2]]),
    "upsert": lambda c: c.upsert(["a"], [[1, 2]]),
    "upsert of a large record": lambda c: c.upsert(["a"], [[1, 2]], None, [{f"l{n}": [n] * 1000 for n in range(6)}]),
    "update": lambda c: c.update(["a"], metadatas=[{"k": 2}]),
    "update of a document": lambda c: c.update(["a"], documents=["x"]),
    "delete": lambda c: c.delete(["a"]),
    "delete of some": lambda c: c.delete(where=F("k") == 1),
    "clear": lambda c: c.clear(),
    "rename": lambda c: c.rename("stolen"),
}


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("kind", ["directory", "server"])
def test_a_handle_never_meets_what_another_store_has_put_in_its_place(
    kind: str, again: bool, tmp_path: Path, server: str
) -> None:
    url = server if kind == "server" else f"chroma:{tmp_path}/db"
    row: tuple[Any, ...] = (["a"], [[1, 2]], ["text"], [{"k": 1}])

    def replace(name: str) -> None:
        other.delete_collection(name)
        if again:
            other.create_collection(name, dimension=2).add(*row)

    async def check() -> None:
        async with aio.connect(url) as store:
            c = await store.create_collection("stale_async", dimension=2)
            await c.add(*row)
            replace("stale_async")
            for call in CALLS.values():
                with pytest.raises(vstore.NotFound):
                    await call(c)
            with pytest.raises(vstore.NotFound):
                [page async for page in c.scan()]

    with vstore.connect(url) as store, vstore.connect(url) as other:
        c = store.create_collection("stale", dimension=2)
        c.add(*row)
        replace("stale")
        for call in CALLS.values():
            with pytest.raises(vstore.NotFound):
                call(c)
        with pytest.raises(vstore.NotFound):
            list(c.scan())
        asyncio.run(check())
        for name in ("stale", "stale_async") if again else ():
            assert other.get_collection(name).get(["a"])[0].metadata == {"k": 1}
            other.delete_collection(name)
        assert not other.has_collection("stolen")


@pytest.mark.parametrize("kind", ["directory", "server"])
def test_a_handle_follows_its_collection_under_another_name(kind: str, tmp_path: Path, server: str) -> None:
    url = server if kind == "server" else f"chroma:{tmp_path}/db"
    with vstore.connect(url) as store, vstore.connect(url) as other:
        c = store.create_collection("first_name", dimension=2)
        c.add(["a"], [[1, 2]])
        other.get_collection("first_name").rename("second_name")
        other.create_collection("first_name", dimension=2)
        c.upsert(["b"], [[3, 4]])
        assert other.get_collection("second_name").get(["a", "b"]).ids == ["a", "b"]
        assert other.get_collection("first_name").count() == 0
        for name in ("first_name", "second_name"):
            store.delete_collection(name)


def test_a_handle_of_a_deleted_collection_is_not_found(store: vstore.Store) -> None:
    c = store.create_collection("deleted", dimension=2)
    c.add(["a"], [[1, 2]])
    store.delete_collection("deleted")
    store.create_collection("deleted", dimension=2)
    for call in (c.count, c.clear, lambda: c.get(["a"]), lambda: c.upsert(["a"], [[1, 2]]), lambda: c.query([1, 2])):
        with pytest.raises(vstore.NotFound):
            call()
    store.delete_collection("deleted")


def test_an_async_store_is_closed_when_its_loop_is_gone(server: str) -> None:
    port = int(server.rpartition(":")[2])

    def connections() -> int:
        return sum(bool(c.raddr) and c.raddr.port == port for c in psutil.Process().net_connections("tcp"))

    async def use() -> aio.AsyncStore:
        store = await aio.connect(server)
        await asyncio.gather(*(store.ping() for _ in range(5)))
        return store

    before = connections()
    for _ in range(2):
        with asyncio.Runner() as runner:
            store = runner.run(use())
        assert connections() > before
        asyncio.run(store.close())
        assert connections() == before
        asyncio.run(store.close())
        with pytest.raises(vstore.Closed):
            asyncio.run(store.ping())


def test_an_async_store_that_another_loop_closes_is_still_its_own_loop_s(server: str) -> None:
    with asyncio.Runner() as runner, asyncio.Runner() as other:
        store = runner.run(_connected(server))
        for call in (store.ping, store.close):
            with pytest.raises(vstore.Closed, match="event loop"):
                other.run(call())
        runner.run(store.ping())
        runner.run(store.close())


async def _connected(url: str) -> aio.AsyncStore:
    return await aio.connect(url)
