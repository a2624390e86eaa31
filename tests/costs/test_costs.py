"""What calls cost on each store, against bounds that are committed: a change that asks for more fails here.

Requests are exact. Bytes and Python calls are bounds, a little above what was counted on Python 3.11, which counts
comprehensions as calls. Lower them with every change that makes a call cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest

import vstore
from tests.costs.counting import Frames, Turns, Wire, proxied, python_calls
from tests.milvus_server import milvus_server
from tests.qdrant_double import qdrant_double
from tests.servers import postgres_server
from vstore import F
from vstore.records import Include

pytestmark = pytest.mark.xdist_group("costs")

DIMENSION = 64
RECORDS = 200
BATCH = 100  # records of an upsert
VECTOR = np.random.default_rng(1).normal(size=DIMENSION).astype(np.float32)
WHERE = (F("year") >= 2000) & (F("lang") == "en")
STEADY = 6  # calls before one is counted: connections are open then, and psycopg's statements prepared


class Cost(NamedTuple):
    """What one call costs: Python calls, requests, bytes to the server and from it."""

    calls: int
    requests: int = 0
    sent: int = 0
    received: int = 0


BOUNDS: dict[str, dict[str, Cost]] = {
    "memory": {
        "query": Cost(90),
        "filtered": Cost(3_700),
        "get": Cost(67),
        "upsert": Cost(1_485),
    },
    "chroma": {
        "query": Cost(56),
        "filtered": Cost(172),
        "get": Cost(82),
        "upsert": Cost(1_700),
    },
    "qdrant": {
        "query": Cost(45),
        "filtered": Cost(50),
        "get": Cost(118),
        "upsert": Cost(1_780),
    },
    "milvus": {
        "query": Cost(112),
        "filtered": Cost(216),
        "get": Cost(116),
        "upsert": Cost(1_830),
    },
    "qdrant-rest": {
        "query": Cost(69, 1, 1_880, 3_260),
        "filtered": Cost(78, 1, 2_010, 3_260),
        "get": Cost(136, 1, 810, 11_450),
        "upsert": Cost(2_410, 2, 180_240, 2_220),
    },
    "qdrant-grpc": {
        "query": Cost(70, 1, 370, 2_250),
        "filtered": Cost(79, 1, 430, 2_250),
        "get": Cost(136, 1, 520, 5_350),
        "upsert": Cost(2_410, 2, 65_710, 480),
    },
    "postgresql": {
        "query": Cost(52, 1, 330, 1_480),
        "filtered": Cost(54, 1, 380, 1_590),
        "get": Cost(90, 1, 330, 4_010),
        "upsert": Cost(1_240, 1, 37_770, 50),
    },
    "milvus-server": {
        "query": Cost(114, 1, 560, 910),
        "filtered": Cost(122, 1, 620, 910),
        "get": Cost(116, 1, 260, 3_690),
        "upsert": Cost(1_500, 1, 40_500, 810),
    },
}


@dataclass(frozen=True)
class Measured:
    """A collection, and what was counted on the way to its server."""

    docs: vstore.Collection
    wire: Wire | None

    def cost(self, call: Callable[[], object]) -> Cost:
        for _ in range(STEADY):
            call()
        if self.wire is None:
            return Cost(python_calls(call))
        self.wire.clear()
        calls = python_calls(call)
        return Cost(calls, self.wire.requests, self.wire.sent, self.wire.received)


def _through(url: str, wire: Wire) -> str:
    return url.replace(f":{urlsplit(url).port}", f":{wire.port}")


def _url(kind: str, path: Path, stack: ExitStack) -> tuple[str, Wire | None]:
    match kind:
        case "memory":
            return "memory:", None
        case "qdrant-rest" | "qdrant-grpc":
            double = stack.enter_context(qdrant_double())
            if kind == "qdrant-rest":
                wire = stack.enter_context(proxied(urlsplit(double.url).port or 0, Turns))
                return _through(double.url, wire), wire
            port = int(double.grpc_url.rpartition("=")[2])
            wire = stack.enter_context(proxied(port, Frames))
            return double.grpc_url.replace(f"grpc_port={port}", f"grpc_port={wire.port}"), wire
        case "postgresql":
            url = stack.enter_context(postgres_server())
            wire = stack.enter_context(proxied(urlsplit(url).port or 0, Turns))
            return _through(url, wire), wire
        case "milvus-server":
            url = stack.enter_context(milvus_server())
            wire = stack.enter_context(proxied(urlsplit(url).port or 0, Frames))
            return _through(url, wire), wire
        case _:
            return f"{kind}:{path / 'data.db'}", None


@pytest.fixture(
    scope="module",
    # starting a Milvus server takes as long as all the rest
    params=[pytest.param(store, marks=[pytest.mark.nightly] * (store == "milvus-server")) for store in BOUNDS],
)
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    with ExitStack() as stack:
        url, wire = _url(request.param, tmp_path_factory.mktemp("costs"), stack)
        store = stack.enter_context(vstore.connect(url))
        docs = store.create_collection("docs", dimension=DIMENSION)
        docs.add(**_records(RECORDS))
        yield Measured(docs, wire)


def _records(number: int) -> dict[str, Any]:
    return {
        "ids": [f"r{place:03}" for place in range(number)],
        "vectors": np.random.default_rng(0).normal(size=(number, DIMENSION)).astype(np.float32),
        "documents": [f"the document {place}" for place in range(number)],
        "metadatas": [{"year": 1990 + place % 30, "lang": "en", "rank": place / 8} for place in range(number)],
    }


def _calls(docs: vstore.Collection) -> dict[str, Callable[[], object]]:
    return {
        "query": lambda: docs.query(VECTOR),
        "filtered": lambda: docs.query(VECTOR, where=WHERE),
        "get": partial(docs.get, [f"r{place:03}" for place in range(10)]),
        "upsert": partial(docs.upsert, **_records(BATCH)),
    }


def test_no_call_costs_more_than_its_bound(measured: Measured, request: pytest.FixtureRequest) -> None:
    store = request.node.callspec.params["measured"]
    costs = {label: measured.cost(call) for label, call in _calls(measured.docs).items()}
    for label, cost in costs.items():
        bound = BOUNDS[store][label]
        assert cost.requests == bound.requests, (label, costs)
        assert all(counted <= most for counted, most in zip(cost, bound, strict=True)), (label, costs)


class Answering:
    """An adapter's collection that has its answer ready: what is left is what the core itself costs."""

    def __init__(self, collection: Any) -> None:
        self.info = collection.info
        self._hits = collection.query(
            np.ones((1, DIMENSION), np.float32), 10, None, Include(), exact=False, search=None
        )

    def query(self, *_: object, **__: object) -> list[vstore.Hits]:
        return self._hits


@pytest.mark.parametrize(
    ("ask", "most"),
    [
        (lambda docs: docs.query(VECTOR), 12),
        (lambda docs: docs.query(VECTOR.tolist()), 19),
        (lambda docs: docs.query(VECTOR, k=5, where=WHERE, include=["documents"]), 18),
    ],
    ids=["array", "list", "filtered"],
)
def test_the_core_itself_costs_a_query_little(ask: Callable[[vstore.Collection], object], most: int) -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=DIMENSION)
        docs.add(**_records(RECORDS))
        ready: Any = Answering(docs._adapter)
        docs._adapter = docs._searcher._adapter = ready
        ask(docs)
        assert python_calls(lambda: ask(docs)) - 1 <= most  # without the lambda of the case
