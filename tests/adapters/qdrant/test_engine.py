"""The second witness: what the adapter encodes and compiles, asked of both of Qdrant's libraries."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
from qdrant_client import QdrantClient, grpc, models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

import vstore
from vstore.capabilities import no
from vstore.columns import dense
from vstore.conformance.corpus import DIMENSION, records
from vstore.conformance.generate import FAMILIES, random_filter, table
from vstore.filters import to_dict
from vstore.filters.tree import Filter
from vstore.indexing import Flat, Metric
from vstore.info import CollectionInfo
from vstore.records import Records
from vstore.spi.evaluate import predicate
from vstore.spi.rewrite import normalize
from vstore_qdrant.capabilities import capabilities
from vstore_qdrant.client_models import client_filter
from vstore_qdrant.codec import decode_metadata, point_id, to_points
from vstore_qdrant.compile import compile_filter
from vstore_qdrant.conditions import Condition
from vstore_qdrant.engine_models import engine_config, engine_filter
from vstore_qdrant.schema import collection_settings

CAPABILITIES = replace(
    capabilities(kind="engine", server_version="x", client_version="x", persistent=True, substring=True),
    metadata_contains=no("the adapter looks at the texts itself"),
)
INFO = CollectionInfo(name="corpus", dimension=DIMENSION, metric=Metric.L2, index=Flat())
ROWS = records(CAPABILITIES)
POINTS = to_points(ROWS, [point_id(i) for i in ROWS.ids], INFO)
VECTORS = dense(POINTS.vectors[""]).tolist()
NAMES = dict(zip(POINTS.ids, ROWS.ids, strict=True))
Ask = Callable[[Condition], set[str]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    shard = edge.EdgeShard.create(str(tmp_path_factory.mktemp("shard")), engine_config(INFO))
    made = [
        edge.Point(id=i, vector=vector, payload=payload)
        for i, vector, payload in zip(POINTS.ids, VECTORS, POINTS.payloads, strict=True)
    ]
    shard.update(edge.UpdateOperation.upsert_points(made))

    def ask(condition: Condition) -> set[str]:
        request = edge.ScrollRequest(limit=10_000, filter=engine_filter(condition), with_payload=False)
        return {NAMES[str(point.id)] for point in shard.scroll(request)[0]}

    yield ask
    shard.close()


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The engine as the adapter uses it, with its keyword index."""
    with vstore.connect(f"qdrant:{tmp_path_factory.mktemp('store')}") as store:
        collection = store.create_collection("corpus", dimension=DIMENSION, metric="l2")
        collection.add(ROWS.ids, ROWS.vectors, ROWS.documents, ROWS.metadatas)
        shard = store.native.shards["corpus"]

        def ask(condition: Condition) -> set[str]:
            request = edge.ScrollRequest(limit=10_000, filter=engine_filter(condition), with_payload=False)
            return {NAMES[str(point.id)] for point in shard.scroll(request)[0]}

        yield ask


@pytest.fixture(scope="module")
def local() -> Iterator[Ask]:
    client = QdrantClient(":memory:")
    client.create_collection("corpus", **collection_settings(INFO))
    client.upsert("corpus", models.Batch(ids=POINTS.ids, vectors=VECTORS, payloads=POINTS.payloads))

    def ask(condition: Condition) -> set[str]:
        found, _ = client.scroll("corpus", client_filter(condition), limit=10_000, with_payload=False)
        return {NAMES[str(point.id)] for point in found}

    yield ask
    client.close()


def _reference(where: Filter, rows: Records) -> set[str]:
    test = predicate(where)
    return {i for i, m, d in zip(rows.ids, rows.metadatas or [], rows.documents or [], strict=True) if test(m, d)}


def _compiled(where: Filter) -> Condition | None:
    normal = normalize(where)
    return compile_filter(normal) if isinstance(normal, Filter) else None


@pytest.mark.parametrize("witness", ["engine", "indexed", "local"])
def test_generated_filters_mean_the_same_to_both_libraries(witness: str, request: pytest.FixtureRequest) -> None:
    ask: Ask = request.getfixturevalue(witness)
    rng = random.Random(2026)
    # local mode compares in Python, record by record
    for turn in range(2000 if witness != "local" else 500):
        where = random_filter(rng, CAPABILITIES)
        if (condition := _compiled(where)) is not None:
            assert ask(condition) == _reference(where, ROWS), f"filter {turn}: {to_dict(where)!r}"


@pytest.mark.parametrize("family", [one for one in FAMILIES if one not in ("string order", "parts", "matches")])
@pytest.mark.parametrize("witness", ["engine", "indexed"])
def test_every_case_of_the_table(witness: str, family: str, request: pytest.FixtureRequest) -> None:
    ask: Ask = request.getfixturevalue(witness)
    for where in table(family, CAPABILITIES):
        for one in (where, ~where):
            if (condition := _compiled(one)) is not None:
                assert ask(condition) == _reference(one, ROWS), f"{to_dict(one)!r}"


def test_the_engine_rounds_floats_of_a_payload_wrong(tmp_path: Path) -> None:
    """Why ``exact``, ``high`` and ``low`` exist: should this fail, Qdrant has a better parser."""
    shard = edge.EdgeShard.create(str(tmp_path), engine_config(INFO))
    value = 2.7715077941825975e-163
    point = edge.Point(id=1, vector=[0.0] * DIMENSION, payload={"v": value})
    shard.update(edge.UpdateOperation.upsert_points([point]))
    found = shard.retrieve([1], True, False)[0].payload
    shard.close()
    assert found is not None
    assert found["v"] != value


def test_grpc_carries_filters_and_payloads_unchanged() -> None:
    """gRPC has messages of its own: conditions, params and payloads pass through the client's conversion and back."""
    rng = random.Random(7)
    for _ in range(300):
        if (condition := _compiled(random_filter(rng, CAPABILITIES))) is not None:
            asked = client_filter(condition)
            back = GrpcToRest.convert_filter(RestToGrpc.convert_filter(asked))
            assert _set(back.model_dump(exclude_none=True)) == _set(asked.model_dump(exclude_none=True))
    for payload in POINTS.payloads:
        sent = grpc.PointStruct(payload=RestToGrpc.convert_payload(payload)).SerializeToString()
        carried = GrpcToRest.convert_payload(grpc.PointStruct.FromString(sent).payload)
        assert carried == payload
        back, given = (decode_metadata(deepcopy(one)) for one in (carried, payload))
        assert json.dumps(back, sort_keys=True, default=repr) == json.dumps(given, sort_keys=True, default=repr)


def _set(found: Any) -> Any:
    """Without empty lists: a message of gRPC has them where JSON has nothing."""
    if isinstance(found, dict):
        return {name: _set(value) for name, value in found.items() if value != []}
    return [_set(item) for item in found] if isinstance(found, list) else found
