"""A server on 127.0.0.1 that speaks OpenAI's embeddings protocol, with the faults that a test sets.

No package brings such a server. What the ``openai`` package sends and reads is real here; the vectors are pseudo-random
numbers drawn from a text's SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

__all__ = ["EmbeddingServer", "embedding_server", "vector"]

BAD = "BAD"


def vector(text: str, dimension: int = 8) -> list[float]:
    """What the server answers to a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return [float(x) for x in np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)]


@dataclass
class Fault:
    """One refusal: status, headers, body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


class EmbeddingServer:
    """What the server does and what it has seen.

    Attributes:
        url: Its ``base_url``.
        dimension: Of the vectors, where a request asks for none.
        faults: Refusals of the next requests, in order.
        change: What becomes of the list ``data`` before it is sent.
        raw: What is sent in place of JSON, if anything.
        hold: While it is cleared, requests wait and are not answered.
        on_request: Called when a request is there.
        before_answer: Called with the texts of a request before it is answered; may raise ``ConnectionAbortedError``.
        answered: How often each text was answered.
        requests: Body and authorization of every request.
        most_at_once: Most requests that were there at one moment.
    """

    def __init__(self) -> None:
        self.url = ""
        self.dimension = 8
        self.faults: deque[Fault] = deque()
        self.change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = list
        self.raw: bytes | None = None
        self.hold = threading.Event()
        self.hold.set()
        self.on_request: Callable[[], None] = lambda: None
        self.before_answer: Callable[[list[str]], None] = lambda _: None
        self.answered: Counter[str] = Counter()
        self.requests: list[tuple[dict[str, Any], str]] = []
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()

    @property
    def inputs(self) -> list[list[str]]:
        """The texts of every request."""
        return [body["input"] for body, _ in self.requests]

    def handle(self, body: dict[str, Any], authorization: str) -> Fault:
        """The answer to one request."""
        with self._lock:
            self.requests.append((body, authorization))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            fault = self.faults.popleft() if self.faults else None
        try:
            self.on_request()
            return fault or self._answer(body)
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, body: dict[str, Any]) -> Fault:
        texts = body["input"]
        self.hold.wait()
        bad = [place for place, text in enumerate(texts) if BAD in text]
        if bad:
            return Fault(400, body={"error": {"message": f"input[{bad[0]}] is not allowed", "code": "invalid_input"}})
        dimension = body.get("dimensions", self.dimension)
        data = [
            {"object": "embedding", "index": place, "embedding": vector(text, dimension)}
            for place, text in enumerate(texts)
        ]
        self.before_answer(texts)
        with self._lock:
            self.answered.update(texts)
        return Fault(200, body={"object": "list", "model": body["model"], "data": self.change(data)})


@contextmanager
def embedding_server() -> Iterator[EmbeddingServer]:
    """A server on a free port; yields what it does."""
    state = EmbeddingServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                answer = (
                    state.handle(body, self.headers.get("Authorization", ""))
                    if self.path == "/v1/embeddings"
                    else Fault(404, body={"error": {"message": f"no {self.path}"}})
                )
            except ConnectionAbortedError:  # a test ends it without an answer
                self.close_connection = True
                return
            content = state.raw if state.raw is not None and answer.status == 200 else json.dumps(answer.body).encode()
            try:
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                self.close_connection = True  # the client has given up

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
