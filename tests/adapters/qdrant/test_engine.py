"""The second witness: what the adapter encodes and compiles, asked of both of Qdrant's libraries."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
from qdrant_client import QdrantClient, grpc, models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

import vstore
from vstore import F
from vstore.capabilities import no
from vstore.columns import dense
from vstore.conformance.corpus import DIMENSION, records
from vstore.conformance.generate import FAMILIES, random_filter, table
from vstore.errors import Mismatch
from vstore.filters import to_dict
from vstore.filters.tree import Filter
from vstore.indexing import Flat, Metric
from vstore.info import CollectionInfo
from vstore.records import Records
from vstore.spi.codec import info_to_json
from vstore.spi.evaluate import predicate
from vstore.spi.rewrite import normalize
from vstore_qdrant.capabilities import capabilities
from vstore_qdrant.client_models import client_filter
from vstore_qdrant.codec import Payload, decode_metadata, point_id, to_points
from vstore_qdrant.compile import compile_filter
from vstore_qdrant.conditions import Condition, compared_fields, joined
from vstore_qdrant.engine_models import INDEXES, engine_config, engine_filter
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
LEAN = ("lean", "indexed")
# local mode compares in Python, record by record, and an index is made for every key that is met
TURNS = {"full": 1000, "lean": 600, "indexed": 150, "local": 500}
Ask = Callable[[Condition], set[str]]


def _asked(shard: edge.EdgeShard, condition: Condition) -> set[str]:
    request = edge.ScrollRequest(limit=10_000, filter=engine_filter(condition), with_payload=False)
    return {NAMES[str(point.id)] for point in shard.scroll(request)[0]}


@contextmanager
def _shard(path: Path, payloads: list[Payload]) -> Iterator[Ask]:
    shard = edge.EdgeShard.create(str(path), engine_config(INFO))
    made = [
        edge.Point(id=i, vector=vector, payload=payload)
        for i, vector, payload in zip(POINTS.ids, VECTORS, payloads, strict=True)
    ]
    shard.update(edge.UpdateOperation.upsert_points(made))
    yield partial(_asked, shard)
    shard.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The engine with full shadows, without an index."""
    with _shard(tmp_path_factory.mktemp("full"), POINTS.payloads) as ask:
        yield ask


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The engine with lean shadows, without an index."""
    payloads = to_points(ROWS, POINTS.ids, INFO, lean=True).payloads
    with _shard(tmp_path_factory.mktemp("lean"), payloads) as ask:
        yield ask


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The engine as the adapter uses it: lean shadows, and an index on whatever is compared."""
    with vstore.connect(f"qdrant:{tmp_path_factory.mktemp('store')}") as store:
        collection = store.create_collection("corpus", dimension=DIMENSION, metric="l2")
        collection.add(ROWS.ids, ROWS.vectors, ROWS.documents, ROWS.metadatas)
        shard = store.native.shards["corpus"]

        made: set[str] = set()

        def ask(condition: Condition) -> set[str]:
            for name, kind in compared_fields(condition).items():
                if name not in made:
                    shard.update(edge.UpdateOperation.create_field_index(name, INDEXES[kind]))
                    made.add(name)
            return _asked(shard, condition)

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


def _compiled(where: Filter, *, lean: bool = False) -> Condition | None:
    normal = normalize(where)
    return joined(compile_filter(normal, lean=lean), lambda _: True) if isinstance(normal, Filter) else None


@pytest.mark.parametrize("witness", ["full", "lean", "indexed", "local"])
def test_generated_filters_mean_the_same_to_both_libraries(witness: str, request: pytest.FixtureRequest) -> None:
    ask: Ask = request.getfixturevalue(witness)
    rng = random.Random(2026)
    for turn in range(TURNS[witness]):
        where = random_filter(rng, CAPABILITIES)
        if (condition := _compiled(where, lean=witness in LEAN)) is not None:
            assert ask(condition) == _reference(where, ROWS), f"filter {turn}: {to_dict(where)!r}"


@pytest.mark.parametrize("family", [one for one in FAMILIES if one not in ("string order", "parts", "matches")])
@pytest.mark.parametrize("witness", ["full", "lean", pytest.param("indexed", marks=pytest.mark.nightly)])
def test_every_case_of_the_table(witness: str, family: str, request: pytest.FixtureRequest) -> None:
    ask: Ask = request.getfixturevalue(witness)
    for where in table(family, CAPABILITIES):
        for one in (where, ~where):
            if (condition := _compiled(one, lean=witness in LEAN)) is not None:
                assert ask(condition) == _reference(one, ROWS), f"{to_dict(one)!r}"


def test_a_collection_with_full_shadows_is_read_and_written_as_one(tmp_path: Path) -> None:
    """Earlier versions wrote ``info.json`` without a layout, and a full shadow."""
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        store.create_collection("corpus", dimension=DIMENSION, metric="l2", index="flat")
    (tmp_path / "corpus" / "info.json").write_text(info_to_json(INFO))
    shard = edge.EdgeShard.load(str(tmp_path / "corpus" / "shard"))
    points = zip(POINTS.ids, VECTORS, POINTS.payloads, strict=True)
    made = [edge.Point(id=i, vector=vector, payload=payload) for i, vector, payload in points]
    shard.update(edge.UpdateOperation.upsert_points(made))
    shard.close()
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        docs = store["corpus"]
        _same_answers(docs, 150)
        docs.update(ROWS.ids[:1], metadatas=[{"added": ["x"], "marked": True}])
        docs.upsert(ROWS.ids[1:2], ROWS.vectors[1:2] if ROWS.vectors is not None else None, None, [{"marked": True}])
        assert {record.id for record in docs.scan_records(where=F("marked") == True)} == set(ROWS.ids[:2])  # noqa: E712
        point = store.native.shards["corpus"].retrieve([point_id(ROWS.ids[1])], True, False)[0]
        assert point.payload["terms"] == ['marked"b1']


def _same_answers(docs: vstore.Collection, filters: int) -> None:
    rng = random.Random(5)
    for _ in range(filters):
        where = random_filter(rng, CAPABILITIES)
        found = [i for page in docs.scan(where=where, include=[]) for i in page.ids]
        assert set(found) == _reference(where, ROWS), repr(to_dict(where))


def test_a_layout_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        store.create_collection("corpus", dimension=2)
    file = tmp_path / "corpus" / "info.json"
    file.write_text(file.read_text().replace('"layout":2', '"layout":3').replace('"layout": 2', '"layout": 3'))
    with vstore.connect(f"qdrant:{tmp_path}") as store, pytest.raises(Mismatch, match="layout 3"):
        store.get_collection("corpus")


def test_plain_records_have_no_shadow_and_their_filters_ask_for_none(tmp_path: Path) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        docs = store.create_collection("docs", dimension=2, metric="l2")
        docs.add(["a", "b"], [[1.0, 0.0], [2.0, 0.0]], None, [{"n": 1, "s": "x", "b": True}, {"n": 2.5, "s": "y"}])
        shard = store.native.shards["docs"]
        payload = shard.retrieve([point_id("a")], True, False)[0].payload
        assert payload == {"id": "a", "metadata": {"n": 1, "s": "x", "b": True}}
        wanted = (F("n") >= 1) & (F("s") == "x") & (F("b") == True)  # noqa: E712
        assert [hit.id for hit in docs.query([0.0, 0.0], where=wanted)] == ["a"]
        assert set(shard.info().payload_schema) == {"terms", "metadata.n", "metadata.s", "metadata.b"}


@pytest.mark.parametrize("number", [2_250_580_799_194_995, 10**15, 2**53 - 1])
def test_an_int_equals_a_float_that_the_parser_reads_wrong(number: int, tmp_path: Path) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        collection = store.create_collection("numbers", dimension=1)
        collection.upsert(
            ["int", "float", "other"], [[1]] * 3, metadatas=[{"n": n} for n in (number, float(number), 1)]
        )
        for where in (F("n") == float(number), F("n") == number, F("n").in_([float(number), "a"])):
            assert (collection.count(where), collection.count(~where)) == (2, 1), where


def test_many_numbers_are_looked_for_in_a_tree(tmp_path: Path) -> None:
    wanted = [*range(-300, 300, 3), *(number / 8 for number in range(0, 100, 5)), 2**60]
    metadatas = [
        {"n": number} for number in (*range(-10, 310), *(number / 8 for number in range(90)), 2**60, 2**60 + 1)
    ]
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        docs = store.create_collection("docs", dimension=1, metric="l2")
        docs.add([str(n) for n in range(len(metadatas))], [[1.0]] * len(metadatas), None, metadatas)
        matches = sum(one["n"] in wanted for one in metadatas)
        assert docs.count(F("n").in_(wanted)) == matches
        assert docs.count(~F("n").in_(wanted)) == len(metadatas) - matches


@pytest.mark.parametrize(
    ("where", "odd"),
    [
        (F("k") == "x", ["x"]),
        (F("k") == True, [True]),  # noqa: E712
        (F("k") >= 1, [5]),
        (F("k") == "2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        (F("k") >= float(2**53), 2**53 - 1),
        (F("k") == float(2**53), 2**53 + 1),
    ],
)
def test_what_the_metadata_would_answer_wrong_is_seen_once_it_is_written(
    where: Filter, odd: Any, tmp_path: Path
) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        docs = store.create_collection("docs", dimension=2, metric="l2")
        docs.add(["a"], [[1.0, 0.0]], None, [{"other": 1}])
        assert docs.count(where) == 0
        docs.add(["b"], [[1.0, 0.0]], None, [{"k": odd}])
        assert docs.count(where) == 0
        assert docs.count(~where) == 2


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
