"""A double of a Qdrant server: its REST routes over a socket, carried out by qdrant_client's local mode.

No package brings a Qdrant server, and none can be had without its image or binary. The double makes the client's
remote half run for real: bodies, statuses, timeouts, sync and async. What it says of a real server's own behaviour
is what local mode says; ``python -m tests.adapters.qdrant.rest_double`` prints its URL and serves until it is ended.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models

Answer = Callable[[QdrantClient, str, bytes], Any]


def _read(kind: Any, body: bytes) -> Any:
    return TypeAdapter(kind).validate_json(body)


def _create(client: QdrantClient, name: str, body: bytes) -> Any:
    asked = _read(models.CreateCollection, body)
    return client.create_collection(name, vectors_config=asked.vectors, metadata=asked.metadata)


def _delete_collection(client: QdrantClient, name: str, body: bytes) -> Any:
    return client.delete_collection(name)


def _upsert(client: QdrantClient, name: str, body: bytes) -> Any:
    asked = _read(models.PointsBatch | models.PointsList, body)
    return client.upsert(name, asked.batch if isinstance(asked, models.PointsBatch) else asked.points)


def _retrieve(client: QdrantClient, name: str, body: bytes) -> Any:
    asked = _read(models.PointRequest, body)
    return client.retrieve(name, asked.ids, with_payload=asked.with_payload, with_vectors=asked.with_vector)


def _query(client: QdrantClient, name: str, body: bytes) -> Any:
    searches = _read(models.QueryRequestBatch, body).searches
    # local mode has no use for settings of a search, and warns of them
    return client.query_batch_points(name, [one.model_copy(update={"params": None}) for one in searches])


def _scroll(client: QdrantClient, name: str, body: bytes) -> Any:
    asked = _read(models.ScrollRequest, body)
    points, following = client.scroll(
        name,
        scroll_filter=asked.filter,
        limit=asked.limit or 10,
        offset=asked.offset,
        with_payload=asked.with_payload,
        with_vectors=asked.with_vector,
    )
    return {"points": [point.model_dump(mode="json") for point in points], "next_page_offset": following}


def _batch(client: QdrantClient, name: str, body: bytes) -> Any:
    return client.batch_update_points(name, _read(models.UpdateOperations, body).operations)


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "/collections"): lambda client, name, body: client.get_collections(),
    ("GET", "/collections/*"): lambda client, name, body: client.get_collection(name),
    ("GET", "/collections/*/exists"): lambda client, name, body: {"exists": client.collection_exists(name)},
    ("PUT", "/collections/*"): _create,
    ("DELETE", "/collections/*"): _delete_collection,
    ("PUT", "/collections/*/index"): lambda client, name, body: {"status": "completed", "operation_id": 0},
    ("PUT", "/collections/*/points"): _upsert,
    ("POST", "/collections/*/points"): _retrieve,
    ("POST", "/collections/*/points/batch"): _batch,
    ("POST", "/collections/*/points/delete"): lambda client, name, body: client.delete(
        name, _read(models.PointIdsList | models.FilterSelector, body)
    ),
    ("POST", "/collections/*/points/query/batch"): _query,
    ("POST", "/collections/*/points/scroll"): _scroll,
    ("POST", "/collections/*/points/count"): lambda client, name, body: client.count(
        name, count_filter=_read(models.CountRequest, body).filter
    ),
}


class Double(ThreadingHTTPServer):
    """The server, with the faults that a test sets.

    Attributes:
        version: What it says its version is.
        api_key: What requests must carry, or empty.
        hang: Whether it answers nothing.
        garbage: Whether it answers what is no JSON.
        status: With what it refuses every request, or 0.
        max_body: Bytes of the largest body it takes.
        writes_left: Writes it takes before it breaks the connection.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        warnings.filterwarnings("ignore", message="Local mode")
        self.client = QdrantClient(":memory:")
        self.lock = Lock()
        self.requests: list[tuple[str, str]] = []
        self.reset()

    def reset(self) -> None:
        """No faults."""
        self.version, self.api_key, self.hang, self.garbage, self.status = "1.20.0", "", False, False, 0
        self.max_body, self.writes_left = 32 << 20, 1 << 30

    @property
    def url(self) -> str:
        return f"qdrant://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Double
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        while self.server.hang:
            time.sleep(0.02)
        path = urlsplit(self.path).path
        self.server.requests.append((self.command, self.path))
        parts = path.split("/")
        name = unquote(parts[2]) if len(parts) > 2 else ""
        route = "/".join([*parts[:2], "*", *parts[3:]]) if len(parts) > 2 else path
        if self.server.api_key and self.headers.get("api-key") != self.server.api_key:
            self._send(401, {"status": {"error": "Must provide an API key"}})
        elif self.server.status:
            self._send(self.server.status, {"status": {"error": "as the test asked"}})
        elif self.server.garbage:
            self._send(200, None)
        elif len(body) > self.server.max_body:
            self._send(413, {"status": {"error": "Payload reached size limit."}})
        elif path == "/":
            self._send(200, {"title": "qdrant - vector search engine", "version": self.server.version})
        elif self.command == "PUT" and path.endswith("/points") and not self._may_write():
            self.close_connection = True
        else:
            self._carry_out(ROUTES[self.command, route], name, body)

    def _may_write(self) -> bool:
        self.server.writes_left -= 1
        return self.server.writes_left >= 0

    def _carry_out(self, answer: Answer, name: str, body: bytes) -> None:
        try:
            with self.server.lock:
                result = answer(self.server.client, name, body)
        except ValueError as error:
            text = str(error)
            missing, taken = "not found" in text, "already exists" in text
            self._send(404 if missing else 409 if taken else 400, {"status": {"error": text}})
        except KeyError as error:
            self._send(404, {"status": {"error": f"No point with id {error}"}})
        else:
            self._send(200, {"result": _plain(result), "status": "ok", "time": 0.0})

    def _send(self, status: int, content: Any) -> None:
        data = b"<html>no JSON</html>" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  # as http.server names them

    def log_message(self, *args: object) -> None:
        pass


def _plain(result: Any) -> Any:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if isinstance(result, list):
        return [_plain(item) for item in result]
    return result


@contextmanager
def rest_double() -> Iterator[Double]:
    """A double on a free port of 127.0.0.1."""
    server = Double()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hang = False
        server.shutdown()
        server.server_close()
        server.client.close()


if __name__ == "__main__":
    with rest_double() as running:
        print(running.url, flush=True)  # noqa: T201
        while True:
            time.sleep(1)
