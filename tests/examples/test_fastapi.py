"""``examples/fastapi_app.py`` under a real uvicorn with several workers, asked by a real HTTP client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

import vstore
from tests.running import running
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
SERVERS = ["postgresql server", "chroma server"]
WORKERS = 3
Server: TypeAlias = tuple[str, subprocess.Popen[bytes], Path]
WORDS = [f"{word}{n}" for n in range(4) for word in ("rain", "snow", "wind", "tide")]


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(request.param, tmp_path_factory.mktemp("data")) as url:
        yield url


@contextmanager
def uvicorn(
    folder: Path, url: str | None, workers: int = WORKERS
) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """A server; yields where it answers, its parent process and its log. It must end by itself."""
    port, log = free_port(), folder / "log"
    environment = {name: value for name, value in os.environ.items() if name != "VSTORE_URL"}
    environment |= {} if url is None else {"VSTORE_URL": url}
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT / "examples"), f"--port={port}"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, f"--workers={workers}", "fastapi_app:app"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield f"http://127.0.0.1:{port}", server, log
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        assert server.wait(60) is not None


def wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until all workers have started."""
    deadline = time.monotonic() + 120
    while log.read_text().count("Application startup complete") < WORKERS:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    assert httpx.get(f"{address}/health", timeout=60).json() == {"status": "ok"}


def test_documents_are_kept_and_found_by_every_worker_and_the_end_is_graceful(url: str, tmp_path: Path) -> None:
    with uvicorn(tmp_path, url) as (address, server, log):
        wait(address, server, log)
        asyncio.run(_ask(address))
        _ask_until_the_end(address, server, log)
        assert server.wait(60) in (0, -signal.SIGTERM)
        said = log.read_text()
    assert said.count("Application shutdown complete") == WORKERS, said
    assert "Traceback" not in said
    with vstore.connect(url) as store:
        assert store.get_collection("articles").count() == len(WORDS) + 1


async def _ask(address: str) -> None:
    fresh = httpx.Limits(max_keepalive_connections=0)  # each request reaches another worker
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=fresh) as client:
        documents = [
            {"id": word, "text": f"{word} {word}", "metadata": {"lang": "en" if place % 2 else "de", "n": place}}
            for place, word in enumerate(WORDS)
        ]
        answers = await asyncio.gather(*(client.put("/documents", json={"documents": [one]}) for one in documents))
        assert [answer.json() for answer in answers] == [{"written": 1}] * len(WORDS)
        asked = [word for word in WORDS for _ in range(10)]
        found = await asyncio.gather(*(client.get("/search", params={"q": word, "k": 1}) for word in asked))
        assert {answer.status_code for answer in found} == {200}
        assert [[hit["id"] for hit in answer.json()["hits"]] for answer in found] == [[word] for word in asked]
        assert found[0].json()["hits"][0]["metadata"] == {"lang": "de", "n": 0}
        assert len({answer.json()["worker"] for answer in found}) > 1
        german = (await client.get("/search", params={"q": "rain0", "k": 100, "lang": "de"})).json()
        assert {hit["metadata"]["lang"] for hit in german["hits"]} == {"de"}
        await _ask_wrongly(client)


def _ask_until_the_end(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Requests that run when the server is told to end are answered, and leave their documents."""
    body = json.dumps({"documents": [{"id": "late", "text": "the last of all"}]}).encode()
    head = (
        "PUT /documents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    ).encode()
    port = int(address.rpartition(":")[2])
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(6)]
        for connection in opened:
            connection.sendall(head)
            assert connection.recv(4096).startswith(b"HTTP/1.1 100"), "the application waits for the body"
        server.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while log.read_text().count("Shutting down") < WORKERS:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        for connection in opened:
            connection.sendall(body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")


async def _ask_wrongly(client: httpx.AsyncClient) -> None:
    batch = {"documents": [{"id": "x" * 600, "text": "x"}]}
    for answer in (
        await client.get("/search", params={"q": "rain", "k": 0}),
        await client.get("/search"),
        await client.put("/documents", json={"documents": []}),
        await client.put("/documents", json={"documents": [{"id": "a", "text": "x", "metadata": {"k": {}}}]}),
    ):
        assert (answer.status_code, "detail" in answer.json()) == (422, True)
    refused = await client.put("/documents", json=batch)
    assert (refused.status_code, refused.json()["retryable"]) == (422, False)
    assert "ids[0] is not 1 to 512 bytes" in refused.json()["error"]


def test_a_database_that_does_not_answer_is_told_and_no_secret_with_it(tmp_path: Path) -> None:
    with uvicorn(tmp_path, f"postgresql://me:geheim@127.0.0.1:{free_port()}/db", workers=1) as (_, server, log):
        assert server.wait(120) != 0
        said = log.read_text()
    assert "vstore.errors.Unavailable: pgvector: connect: the connection failed" in said
    assert "geheim" not in said
    with uvicorn(tmp_path, None, workers=1) as (_, server, log):
        assert server.wait(120) != 0
        assert "Pass one, or set VSTORE_URL" in log.read_text()
