"""A filter on another application's collection: Qdrant, Chroma and Milvus rule out no record that matches."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pymilvus import DataType, MilvusClient
from qdrant_client import models

import vstore
from tests.mapping.hostile import JSON_VALUES, KEYS, filters, metadatas
from tests.mapping.narrowing import check, few_are_read
from tests.milvus_server import milvus_server
from tests.qdrant_double import Double, qdrant_double
from vstore import F, RecordMapping
from vstore.filters.tree import Filter
from vstore.mapping import ALL, Outside

NUMBERS = itertools.count()
PARAMS = models.VectorParams(size=2, distance=models.Distance.EUCLID)
FLAT = RecordMapping(document=("text",), hidden=("x y",))
NESTED = RecordMapping(document=("page", "text"), metadata=("metadata",), fields=ALL)
ENTITIES = RecordMapping(vector="vec", document=("text",))
QDRANT = {"local, nested": NESTED, "flat": FLAT, "nested": NESTED, "indexed": FLAT}
MILVUS = {
    "columns and dynamic fields": ENTITIES,
    "json": replace(ENTITIES, metadata=("meta",)),
    "json within": replace(ENTITIES, metadata=("meta", "inner"), fields=("t",)),
    "dynamic within": replace(ENTITIES, metadata=("inner", "object")),
}
COLUMNS: dict[str, tuple[DataType, list[Any]]] = {
    "b": (DataType.BOOL, [True, False]),
    "i8": (DataType.INT8, [5, -5, 0, 127, -128]),
    "i64": (DataType.INT64, [5, 2**53 + 1, 2**63 - 1, -(2**63) + 1, 0]),
    "f": (DataType.FLOAT, [5.0, 0.1, 1e30, -5.0, 0.0]),
    "d": (DataType.DOUBLE, [5.0, 0.1, 2.0**53, 1e300, -1e300, 5.000000000000001]),
    "t": (DataType.VARCHAR, ["a", "A", "5", "", "é", "ab", "\U0001f600", "\uffff", 'q"\\\n']),
}
EXTRA = [
    F("v").in_([f"w{number}" for number in range(300)] + ["a", "é"]),
    F("v").in_([*range(100), "a", True]),
    F("v").contains_any(["a", "b", "5"]),
    F("v").has(5) | F("v").has("a"),
    F("v").contains_text("a") | F("v").starts_with("\uffff"),
    F("it's").starts_with("a") & (F("it's") < "ac"),
    F("a.b") == "日本",
    F("a.b") > 2**53,
    F("v") <= -(2**63) + 1,
    F.document.contains("it's 1") | F.document.contains('"2'),
    F("t").in_(["é", "\uffff", 'q"\\\n']),
    F("t").starts_with('q"') | (F("t") >= "\uffff"),
    F("i64") == 2**53 + 1,
    F("i64") >= 2**63 - 1,
    F("i8") <= 4.5,
    (F("f") >= 0.1) & (F("d") < 1e300),
    F("f") == 0.1,
]


def _all(rng: random.Random, number: int, keys: Sequence[str]) -> list[Filter]:
    return filters(rng, number, keys) + EXTRA


def _is_held(value: Any, least: int = -(2**63)) -> bool:
    """Whether a value is one that JSON of a database can hold."""
    if isinstance(value, dict | list):
        return all(_is_held(inner, least) for inner in (value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int | float) or (math.isfinite(value) and least <= value < 2**63)


def _values(least: int = -(2**63)) -> list[dict[str, Any]]:
    read = [text for text in JSON_VALUES if _is_held(json.loads(text), least)]
    return [json.loads(text) for text in metadatas(read)]


@pytest.fixture(scope="module")
def double() -> Iterator[Double]:
    with qdrant_double() as running:
        yield running


@pytest.fixture(scope="module", params=[Outside.DROP, pytest.param(Outside.TEXT, marks=pytest.mark.nightly)])
def outside(request: pytest.FixtureRequest) -> Outside:
    found: Outside = request.param
    return found


def _payload(kind: str, number: int, metadata: dict[str, Any]) -> dict[str, Any]:
    text = f"text {number} it's {number} \"{number}"
    if "nested" not in kind:
        return {**metadata, "text": text}
    page, inner = {"text": text}, metadata
    return {
        "page": json.dumps(page) if number % 3 else page,
        "metadata": json.dumps(inner) if number % 5 == 0 else None if number % 21 == 1 else inner,
        **({"t": "é"} if number % 6 == 1 else {}),
    }


@pytest.fixture(scope="module", params=QDRANT)
def points(request: pytest.FixtureRequest, outside: Outside, double: Double) -> Iterator[vstore.Collection]:
    kind: str = request.param
    with vstore.connect("qdrant::memory:" if "local" in kind else double.url) as store:
        name = f"hostile_{next(NUMBERS)}"
        store.native.create_collection(name, vectors_config=PARAMS)
        if kind == "indexed":  # each holds the values of its own type alone
            schema = models.PayloadSchemaType
            for key, made in (("v", schema.KEYWORD), ('"a.b"', schema.FLOAT), ('"it\'s"', schema.INTEGER)):
                store.native.create_payload_index(name, key, field_schema=made, wait=True)
        store.native.upsert(
            name,
            [
                models.PointStruct(id=number, vector=[number, 1], payload=_payload(kind, number, one))
                for number, one in enumerate(_values())
            ],
        )
        yield store.get_collection(name, mapping=replace(QDRANT[kind], outside=outside))


def test_points_that_match_are_never_ruled_out(points: vstore.Collection) -> None:
    check(points, _all(random.Random(3), 30, [*KEYS, "t"]))  # a fixed choice, no secret


@pytest.mark.nightly
def test_points_that_match_are_never_ruled_out_by_many_filters(points: vstore.Collection) -> None:
    check(points, _all(random.Random(4), 500, [*KEYS, "t"]))  # a fixed choice, no secret


def _fits_chroma(value: Any) -> bool:
    if isinstance(value, list):
        kinds = set(map(type, value))
        return len(kinds) == 1 and kinds <= {str, int, float, bool}
    return isinstance(value, str | int | float | bool)


@pytest.fixture(scope="module")
def documents() -> Iterator[vstore.Collection]:
    with vstore.connect("chroma::memory:") as store:
        native = store.native.create_collection(f"hostile_{next(NUMBERS)}", embedding_function=None)
        found = [{k: v for k, v in one.items() if _fits_chroma(v)} for one in _values()]
        number = len(found)
        native.add(
            ids=[str(place) for place in range(number)],
            embeddings=[[place, 1.0] for place in range(number)],
            metadatas=[one or None for one in found],
            documents=[f"text {place} it's {place} \"{place} %_é" for place in range(number)],
        )
        yield store.get_collection(native.name, mapping="auto")


def test_documents_that_match_are_never_ruled_out(documents: vstore.Collection) -> None:
    check(documents, _all(random.Random(5), 50, KEYS))  # a fixed choice, no secret


@pytest.mark.nightly
def test_documents_that_match_are_never_ruled_out_by_many_filters(documents: vstore.Collection) -> None:
    check(documents, _all(random.Random(6), 500, KEYS))  # a fixed choice, no secret


@pytest.fixture(scope="module", params=["lite", pytest.param("server", marks=pytest.mark.nightly)])
def milvus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[vstore.Store]:
    if request.param == "lite":
        with vstore.connect(f"milvus:{tmp_path_factory.mktemp('milvus') / 'd.db'}") as opened:
            yield opened
    else:
        with milvus_server() as url, vstore.connect(url, timeout=60) as opened:
            yield opened


def _create(store: vstore.Store, rows: list[dict[str, Any]], columns: dict[str, DataType], dynamic: bool) -> str:
    name = f"hostile_{next(NUMBERS)}"
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=dynamic)
    schema.add_field("key", DataType.INT64, is_primary=True)
    schema.add_field("vec", DataType.FLOAT_VECTOR, dim=2)
    for column, kind in {"text": DataType.VARCHAR, **columns}.items():
        schema.add_field(column, kind, **({"max_length": 1000} if kind is DataType.VARCHAR else {}))
    index = MilvusClient.prepare_index_params()
    index.add_index("vec", index_type="FLAT", metric_type="L2")
    store.native.create_collection(name, schema=schema, index_params=index)
    store.native.insert(name, rows)
    return name


@pytest.fixture(scope="module", params=MILVUS)
def entities(request: pytest.FixtureRequest, outside: Outside, milvus: vstore.Store) -> vstore.Collection:
    kind: str = request.param
    rows: list[dict[str, Any]] = []
    columns = {name: one for name, (one, _) in COLUMNS.items()} if kind.startswith("columns") else {}
    if "json" in kind:
        columns = {"meta": DataType.JSON, "t": DataType.VARCHAR}
    for number, one in enumerate(_values(-(2**63) + 1)):
        row: dict[str, Any] = {"key": number, "vec": [number, 1], "text": f"text {number} it's {number}"}
        if "t" in columns:
            row["t"] = COLUMNS["t"][1][number % len(COLUMNS["t"][1])]
        text = json.dumps(one) if number % 5 == 0 else one
        match kind:
            case "json":
                row["meta"] = one
            case "json within":
                row["meta"] = {"inner": text} if number % 21 else {"inner": None}
            case "dynamic within":
                row["inner"] = {"object": text} if number % 3 else json.dumps({"object": one})
            case _:
                row |= one
                row |= {name: values[number % len(values)] for name, (_, values) in COLUMNS.items()}
        rows.append(row)
    name = _create(milvus, rows, columns, "json" not in kind)
    return milvus.get_collection(name, mapping=replace(MILVUS[kind], outside=outside))


def test_entities_that_match_are_never_ruled_out(entities: vstore.Collection) -> None:
    check(entities, _all(random.Random(7), 10, [*KEYS, *COLUMNS]))  # a fixed choice, no secret


@pytest.mark.nightly
def test_entities_that_match_are_never_ruled_out_by_many_filters(entities: vstore.Collection) -> None:
    check(entities, _all(random.Random(8), 400, [*KEYS, *COLUMNS]))  # a fixed choice, no secret


def _few(number: int) -> dict[str, Any]:
    return {"n": number, "word": f"w{number}", "words": [f"w{number}"], "flag": True}


@pytest.mark.parametrize("where", ["qdrant::memory:", "double"])
@pytest.mark.parametrize("nested", [False, True])
def test_few_points_are_read(double: Double, read: list[int], where: str, nested: bool) -> None:
    with vstore.connect(double.url if where == "double" else where) as store:
        name = f"many_{next(NUMBERS)}"
        store.native.create_collection(name, vectors_config=PARAMS)
        made = [
            models.PointStruct(id=n, vector=[1, 0], payload={"metadata": _few(n)} if nested else _few(n))
            for n in range(500)
        ]
        store.native.upsert(name, made)
        mapping = RecordMapping(metadata=("metadata",) if nested else (), fields=ALL if nested else ())
        wheres = [F("words").has("w7"), F("nobody").exists(), F("word").starts_with("w49"), F("words") == "w7"]
        few_are_read(store.get_collection(name, mapping=mapping), read, wheres)


def test_points_in_strict_mode_are_all_read(double: Double, read: list[int]) -> None:
    with vstore.connect(double.url) as store:
        name = f"strict_{next(NUMBERS)}"
        store.native.create_collection(name, vectors_config=PARAMS)
        store.native.upsert(name, [models.PointStruct(id=n, vector=[1, 0], payload=_few(n)) for n in range(50)])
        double.client.strict.add(name)
        collection = store.get_collection(name, mapping=RecordMapping())
        read.clear()
        assert collection.count(F("n") == 7) == 1
        assert sum(read) == 50


def test_few_documents_are_read(read: list[int]) -> None:
    with vstore.connect("chroma::memory:") as store:
        native = store.native.create_collection(
            f"many_{next(NUMBERS)}", embedding_function=None, metadata={"hnsw:space": "l2"}
        )
        native.add(
            ids=[str(n) for n in range(500)],
            embeddings=[[1.0, 0.0]] * 500,
            metadatas=[_few(n) for n in range(500)],
            documents=[f"the number {n}." for n in range(500)],
        )
        mapping = RecordMapping(document=("document",), metadata=("metadata",), fields=ALL)
        wheres = [F("words").has("w7"), F.document.contains("number 49.")]
        few_are_read(store.get_collection(native.name, mapping=mapping), read, wheres)


@pytest.mark.parametrize("kind", ["columns", "dynamic", "json"])
def test_few_entities_are_read(milvus: vstore.Store, read: list[int], kind: str) -> None:
    columns = {"n": DataType.INT64, "word": DataType.VARCHAR, "flag": DataType.BOOL} if kind == "columns" else {}
    if kind == "json":
        columns = {"meta": DataType.JSON}
    rows = [
        {"key": n, "vec": [1, 0], "text": "", **({"meta": _few(n)} if kind == "json" else _few(n))} for n in range(500)
    ]
    name = _create(milvus, rows, columns, kind != "json")
    mapping = replace(ENTITIES, metadata=("meta",) if kind == "json" else ())
    wheres = [F("word") < "w0x", F("word").starts_with("w49")]
    if kind == "json" or milvus.capabilities.mode == "server":  # Milvus Lite looks into no list of a dynamic field
        wheres.append(F("words").has("w7"))
    few_are_read(milvus.get_collection(name, mapping=mapping), read, wheres)
