"""A double of a Qdrant server for tests: REST and gRPC as the client speaks them, answered by Qdrant's engine.

No package brings a Qdrant server. What a client sends to one is real here (requests over sockets, bodies, statuses,
credentials, TLS), and so is what answers, but for the list of collections, and the points of those with multivectors:
these are in the client's local mode, see tests/qdrant_engine.py.
"Seen" in a comment is what a server 1.18.3 was seen to answer to qdrant-client 1.16 and 1.20.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any
from urllib.parse import unquote

import grpc
import numpy as np
import trustme
from pydantic import TypeAdapter, ValidationError
from qdrant_client import QdrantClient
from qdrant_client import grpc as messages
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.http import models

from tests.qdrant_engine import Backed
from tests.serde_json import load

__all__ = ["LATE_SECONDS", "Double", "qdrant_double"]

LATE_SECONDS = 2.0
MAX_BODY = 32 << 20  # service.max_request_size_mb of the server, by default
Operation = Callable[[QdrantClient, str, Any], Any]
# seen, over REST and gRPC
NO_KEY = "Must provide an API key or an Authorization bearer token"
WRONG_KEY = "Invalid API key or JWT"
READ_ONLY = "Global manage access is required"
# Qdrant's validate_collection_name; seen of a slash and of 256 characters
NO_NAME = re.compile(r'[<>:"/\\|?*\x00\x1f]')
LONGEST_NAME = 255


class Refused(Exception):
    """A request that is answered with an HTTP status other than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Double:
    """One local client behind one lock, what both protocols ask of it, and the faults that a test sets.

    Attributes:
        url: Its ``qdrant://`` URL for REST.
        grpc_url: The same for gRPC.
        version: What it says its version is.
        api_key: What requests must carry, or empty.
        read_key: What they may carry instead, and then only read, or empty.
        hang: Whether it answers nothing over REST.
        garbage: Whether it answers over REST what is no JSON.
        status: With what it refuses every REST request, or 0.
        max_body: Bytes of the largest REST body it takes.
        writes_left: Upserts it takes over REST before it breaks the connection.
        index_status: With what it refuses over REST to make a payload index, or 0.
        requests: Method and path of every REST request.
        connected: How many connections are open over REST.
    """

    def __init__(self) -> None:
        self.url = self.grpc_url = ""
        self.client = Backed()
        self.requests: list[tuple[str, str]] = []
        self.connected = 0
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """No faults."""
        self.version, self.api_key, self.read_key = "1.20.0", "", ""
        self.hang, self.garbage, self.status, self.index_status = False, False, 0, 0
        self.max_body, self.writes_left = MAX_BODY, 1 << 30

    def check_key(self, key: str | None, *, writes: bool) -> None:
        """Raises ``Refused`` for a missing or wrong key, and for a write with one that may only read."""
        if not self.api_key or key == self.api_key:
            return
        if not key or key != self.read_key:
            raise Refused(401, WRONG_KEY if key else NO_KEY)
        if writes:
            raise Refused(403, f"Forbidden: {READ_ONLY}")

    def call(self, operation: Operation, collection: str = "", body: Any = None, *, late: bool = False) -> Any:
        """Does it, or raises ``Refused`` as the server would; ``late``: acknowledges first, as without ``wait``."""
        if late:
            threading.Timer(LATE_SECONDS, self.call, (operation, collection, body)).start()
            return models.UpdateResult(operation_id=0, status=models.UpdateStatus.ACKNOWLEDGED)
        if collection and (len(collection) > LONGEST_NAME or NO_NAME.search(collection)):
            raise Refused(
                422, f"Validation error in path parameters: [collection_name: {collection[:80]!r} is invalid]"
            )
        with self._lock:
            try:
                return operation(self.client, collection, body)
            except Exception as error:  # the engine has no other class
                text = str(error)
                status = 404 if "not found" in text else 409 if "already exists" in text else 400
                raise Refused(status, text) from error


def _upsert(client: QdrantClient, collection: str, body: Any) -> Any:
    points = body.batch if isinstance(body, models.PointsBatch) else body.points
    return client.upsert(collection, points)


def _create(client: Backed, collection: str, body: models.CreateCollection) -> bool:
    done = client.create_collection(
        collection, body.vectors, sparse_vectors_config=body.sparse_vectors, metadata=body.metadata
    )
    client.asked[collection] = body
    return done


def _delete(client: QdrantClient, collection: str, _: Any) -> bool:
    there = client.collection_exists(collection)
    client.delete_collection(collection)
    return there


def _query(client: QdrantClient, collection: str, body: models.QueryRequestBatch) -> Any:
    return client.query_batch_points(collection, body.searches)


def _query_one(client: QdrantClient, collection: str, body: models.QueryRequest) -> Any:
    return client.query_batch_points(collection, [body])[0]


def _scroll(client: QdrantClient, collection: str, body: models.ScrollRequest) -> models.ScrollResult:
    points, after = client.scroll(
        collection,
        scroll_filter=body.filter,
        limit=body.limit or 10,
        offset=body.offset,
        with_payload=True if body.with_payload is None else body.with_payload,
        with_vectors=body.with_vector or False,
    )
    return models.ScrollResult(points=points, next_page_offset=after)


def _retrieve(client: QdrantClient, collection: str, body: models.PointRequest) -> Any:
    payload = True if body.with_payload is None else body.with_payload
    return client.retrieve(collection, body.ids, with_payload=payload, with_vectors=body.with_vector or False)


def _index(client: QdrantClient, collection: str, body: Any) -> Any:
    return client.create_payload_index(collection, body.field_name, body.field_schema)


def _remove(client: QdrantClient, collection: str, body: Any) -> Any:
    return client.delete(collection, body)


def _count(client: QdrantClient, collection: str, body: models.CountRequest) -> Any:
    return client.count(collection, body.filter)


NAMED = r"/collections/(?P<collection>[^/]+)"
WRITES = (_create, _delete, _index, _upsert, _remove)
WAITING = (_upsert, _remove)
# All but the batch of queries and the index were seen to be asked and answered so.
ROUTES: list[tuple[str, str, Any, Operation]] = [
    ("GET", r"/collections", None, lambda client, _, __: client.get_collections()),
    ("GET", NAMED, None, lambda client, name, _: client.get_collection(name)),
    ("GET", rf"{NAMED}/exists", None, lambda client, name, _: {"exists": client.collection_exists(name)}),
    ("PUT", NAMED, models.CreateCollection, _create),
    ("DELETE", NAMED, None, _delete),
    ("PUT", rf"{NAMED}/index", models.CreateFieldIndex, _index),
    ("PUT", rf"{NAMED}/points", models.PointInsertOperations, _upsert),
    ("POST", rf"{NAMED}/points", models.PointRequest, _retrieve),
    ("POST", rf"{NAMED}/points/delete", models.PointsSelector, _remove),
    ("POST", rf"{NAMED}/points/query/batch", models.QueryRequestBatch, _query),
    ("POST", rf"{NAMED}/points/query", models.QueryRequest, _query_one),
    ("POST", rf"{NAMED}/points/scroll", models.ScrollRequest, _scroll),
    ("POST", rf"{NAMED}/points/count", models.CountRequest, _count),
]
# what no key is asked for: seen of / and of gRPC's health check
OPEN = ("/", "/healthz", "/livez", "/readyz")


def _short(number: float) -> float:
    """A float32 in the digits in which the server writes it."""
    return float(str(np.float32(number)))


def _written(result: Any) -> Any:
    """An answer with vectors and scores as the server writes them in JSON."""
    if isinstance(result, models.QueryResponse):
        return result.model_copy(update={"points": _written(result.points)})
    if isinstance(result, models.ScrollResult):
        return result.model_copy(update={"points": _written(result.points)})
    if isinstance(result, list):
        return [_written(one) for one in result]
    if isinstance(result, models.Record | models.ScoredPoint):
        changes: dict[str, Any] = {}
        if isinstance(result, models.ScoredPoint):
            changes["score"] = _short(result.score)
        changes["vector"] = _written_vector(result.vector)
        return result.model_copy(update=changes)
    return result


def _written_vector(vector: Any) -> Any:
    """A vector, or vectors by name, as the server writes them in JSON."""
    if isinstance(vector, dict):
        return {name: _written_vector(one) for name, one in vector.items()}
    if isinstance(vector, models.SparseVector):
        return models.SparseVector(indices=vector.indices, values=_written_vector(vector.values))
    if isinstance(vector, list) and vector and isinstance(vector[0], float):
        return [_short(number) for number in vector]
    return vector


class Rest(BaseHTTPRequestHandler):
    """One connection of the REST protocol."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    double: Double

    def handle(self) -> None:
        self.double.connected += 1
        try:
            super().handle()
        finally:
            self.double.connected -= 1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _answer(self, status: int, result: Any) -> None:
        body = b"<html>no JSON</html>" if self.double.garbage else TypeAdapter(Any).dump_json(result)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        while self.double.hang:
            time.sleep(0.02)
        self.double.requests.append((self.command, self.path))
        path = self.path.partition("?")[0]
        if self.command == "PUT" and path.endswith("/points"):
            self.double.writes_left -= 1
            if self.double.writes_left < 0:
                self.close_connection = True
                return
        try:
            self._fail_as_asked(len(body))
            if path in OPEN:
                self._answer(200, {"title": "a double of qdrant", "version": self.double.version, "commit": None})
            else:
                self._answer(200, {"status": "ok", "time": 0.0, "result": _written(self._result(path, body))})
        except Refused as error:
            self._answer(error.status, {"status": {"error": str(error)}, "time": 0.0})

    def _fail_as_asked(self, size: int) -> None:
        if self.double.status:
            raise Refused(self.double.status, "as the test asked")
        if self.double.index_status and self.path.partition("?")[0].endswith("/index"):
            raise Refused(self.double.index_status, "as the test asked")
        if size > self.double.max_body:
            raise Refused(413, f"Payload error: JSON payload ({size} bytes) is larger than allowed")

    def _result(self, path: str, body: bytes) -> Any:
        for method, pattern, kind, operation in ROUTES:
            found = re.fullmatch(pattern, path)
            if method == self.command and found:
                self.double.check_key(self.headers.get("api-key"), writes=operation in WRITES)
                try:
                    parsed = None if kind is None else TypeAdapter(kind).validate_python(load(body))
                except (ValueError, ValidationError) as error:
                    raise Refused(400, f"Format error in JSON body: {error}") from error
                late = operation in WAITING and "wait=true" not in self.path
                name = unquote(found.groupdict().get("collection", ""))
                return self.double.call(operation, name, parsed, late=late)
        self.double.check_key(self.headers.get("api-key"), writes=True)
        raise Refused(404, f"{self.command} {path} is not a route of the double")

    do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815


CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    422: grpc.StatusCode.INVALID_ARGUMENT,
}


class _Rpc:
    """What the gRPC services share."""

    def __init__(self, double: Double) -> None:
        self.double = double

    def _call(self, context: grpc.ServicerContext, operation: Operation, *arguments: Any, late: bool = False) -> Any:
        try:
            key = dict(context.invocation_metadata()).get("api-key")
            self.double.check_key(key, writes=operation in WRITES)
            return self.double.call(operation, *arguments, late=late)
        except Refused as error:
            context.abort(CODES[error.status], str(error))

    def _write(self, context: grpc.ServicerContext, operation: Operation, request: Any, body: Any) -> Any:
        done = self._call(context, operation, request.collection_name, body, late=not request.wait)
        return RestToGrpc.convert_update_result(done)


def _record(found: models.Record) -> messages.RetrievedPoint:
    return RestToGrpc.convert_record(found.model_copy(update={"payload": found.payload or {}}))


class Collections(_Rpc, messages.CollectionsServicer):
    """The gRPC service of collections."""

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        body = models.CreateCollection(
            vectors=GrpcToRest.convert_vectors_config(request.vectors_config),
            sparse_vectors=(
                GrpcToRest.convert_sparse_vector_config(request.sparse_vectors_config)
                if request.HasField("sparse_vectors_config")
                else None
            ),
            metadata=GrpcToRest.convert_payload(request.metadata),
        )
        done = self._call(context, _create, request.collection_name, body)
        return messages.CollectionOperationResponse(result=done)

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        done = self._call(context, _delete, request.collection_name)
        return messages.CollectionOperationResponse(result=done)

    def Get(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        found = self._call(context, lambda client, name, _: client.get_collection(name), request.collection_name)
        return messages.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(found))

    def List(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        found = self._call(context, lambda client, _, __: client.get_collections())
        return messages.ListCollectionsResponse(
            collections=[messages.CollectionDescription(name=one.name) for one in found.collections]
        )


class Points(_Rpc, messages.PointsServicer):
    """The gRPC service of points."""

    def Upsert(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        points = [GrpcToRest.convert_point_struct(point) for point in request.points]
        done = self._write(context, _upsert, request, models.PointsList(points=points))
        return messages.PointsOperationResponse(result=done)

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        done = self._write(context, _remove, request, GrpcToRest.convert_points_selector(request.points))
        return messages.PointsOperationResponse(result=done)

    def CreateFieldIndex(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        kind: Any = {0: models.PayloadSchemaType.KEYWORD, 2: models.PayloadSchemaType.FLOAT}[request.field_type]
        if request.HasField("field_index_params"):
            kind = GrpcToRest.convert_payload_schema_params(request.field_index_params)
        body = models.CreateFieldIndex(field_name=request.field_name, field_schema=kind)
        done = self._write(context, _index, request, body)
        return messages.PointsOperationResponse(result=done)

    def Get(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        body = models.PointRequest(
            ids=[GrpcToRest.convert_point_id(one) for one in request.ids],
            with_payload=GrpcToRest.convert_with_payload_interface(request.with_payload),
            with_vector=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        found = self._call(context, _retrieve, request.collection_name, body)
        return messages.GetResponse(result=[_record(one) for one in found])

    def Scroll(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        body = models.ScrollRequest(
            filter=GrpcToRest.convert_filter(request.filter) if request.HasField("filter") else None,
            limit=request.limit,
            offset=GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None,
            with_payload=GrpcToRest.convert_with_payload_interface(request.with_payload),
            with_vector=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        found = self._call(context, _scroll, request.collection_name, body)
        after = found.next_page_offset
        return messages.ScrollResponse(
            result=[_record(one) for one in found.points],
            next_page_offset=None if after is None else RestToGrpc.convert_extended_point_id(after),
        )

    def QueryBatch(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        searches = [GrpcToRest.convert_query_points(one) for one in request.query_points]
        body = models.QueryRequestBatch(searches=searches)
        found = self._call(context, _query, request.collection_name, body)
        return messages.QueryBatchResponse(
            result=[
                messages.BatchResult(result=[RestToGrpc.convert_scored_point(hit) for hit in answer.points])
                for answer in found
            ]
        )

    def Query(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        body = GrpcToRest.convert_query_points(request)
        found = self._call(context, _query_one, request.collection_name, body)
        return messages.QueryResponse(result=[RestToGrpc.convert_scored_point(hit) for hit in found.points])

    def Count(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        body = models.CountRequest(
            filter=GrpcToRest.convert_filter(request.filter) if request.HasField("filter") else None
        )
        found = self._call(context, _count, request.collection_name, body)
        return messages.CountResponse(result=messages.CountResult(count=found.count))


class Health(_Rpc, messages.QdrantServicer):
    """The gRPC service that tells the version."""

    def HealthCheck(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return messages.HealthCheckReply(title="a double of qdrant", version=self.double.version)


@contextmanager
def qdrant_double(certificate: trustme.LeafCert | None = None) -> Iterator[Double]:
    """Starts a double on two free ports of 127.0.0.1, behind TLS if it has a certificate."""
    double = Double()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Rest,), {"double": double}))
    http.daemon_threads = True
    rpc = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", MAX_BODY)])
    messages.add_CollectionsServicer_to_server(Collections(double), rpc)
    messages.add_PointsServicer_to_server(Points(double), rpc)
    messages.add_QdrantServicer_to_server(Health(double), rpc)
    add_port = rpc.add_insecure_port
    if certificate is not None:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        http.socket = context.wrap_socket(http.socket, server_side=True)
        chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
        credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
        add_port = partial(rpc.add_secure_port, server_credentials=credentials)
    port = add_port("127.0.0.1:0")
    rpc.start()
    serving = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    double.url = f"qdrant{'+https' if certificate else ''}://127.0.0.1:{http.server_address[1]}"
    double.grpc_url = f"{double.url}?prefer_grpc=true&grpc_port={port}"
    try:
        yield double
    finally:
        double.hang = False
        http.shutdown()
        serving.join()
        http.server_close()
        rpc.stop(None).wait()
        double.client.close()
