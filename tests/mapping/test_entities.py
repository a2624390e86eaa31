"""Collections of Milvus that other clients made: keys, fields, vectors. On Milvus Lite; at night on a server too."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymilvus import AsyncMilvusClient, DataType, MilvusClient

import vstore
from tests.mapping.layouts import LAYOUTS
from tests.milvus_server import milvus_server
from vstore import HNSW, F, Metric, Mismatch, NotFound, RecordMapping
from vstore.conformance.checks import assert_same, contents, matching, raises, scanned, typed
from vstore.mapping import IdType

NUMBERS = itertools.count()
ODD_KEYS = ["a", 'a"b', "x'] or key not in ['zz", "\\", "\n", "naïve 日本"]


@pytest.fixture(scope="module", params=["lite", pytest.param("server", marks=pytest.mark.nightly)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[vstore.Store]:
    if request.param == "lite":
        with vstore.connect(f"milvus:{tmp_path_factory.mktemp('milvus') / 'd.db'}") as opened:
            yield opened
    else:
        with milvus_server() as url, vstore.connect(url, timeout=60) as opened:
            yield opened


@pytest.fixture
def make(store: vstore.Store) -> Callable[..., str]:
    def made(rows: list[dict[str, Any]], *fields: Any, auto_id: bool = False, text: bool = False, **index: str) -> str:
        name = f"made_{next(NUMBERS)}"
        schema = MilvusClient.create_schema(auto_id=auto_id, enable_dynamic_field=True)
        schema.add_field("key", DataType.VARCHAR if text else DataType.INT64, is_primary=True, max_length=100)
        schema.add_field("vec", DataType.FLOAT_VECTOR, dim=2)
        for field, kind, options in fields:
            schema.add_field(field, kind, **options)
        params = MilvusClient.prepare_index_params()
        chosen: dict[str, Any] = {"index_type": "FLAT", "metric_type": "L2", **index}
        params.add_index("vec", **chosen)
        store.native.create_collection(name, schema=schema, index_params=params)
        store.native.insert(name, rows)
        return name

    return made


def test_every_type_of_field_keeps_its_value(store: vstore.Store, make: Callable[..., str]) -> None:
    fields = [
        ("b", DataType.BOOL, {}),
        ("i8", DataType.INT8, {}),
        ("i64", DataType.INT64, {}),
        ("f", DataType.FLOAT, {}),
        ("d", DataType.DOUBLE, {}),
        ("t", DataType.VARCHAR, {"max_length": 100}),
        ("j", DataType.JSON, {}),
        ("a", DataType.ARRAY, {"element_type": DataType.VARCHAR, "max_capacity": 5, "max_length": 10}),
        ("af", DataType.ARRAY, {"element_type": DataType.FLOAT, "max_capacity": 5}),
    ]
    values = {"b": True, "i8": -3, "i64": 2**53 + 1, "f": 0.5, "d": 0.1, "t": 'it\'s "x"'}
    values |= {"j": {"x": 1.0, "n": None, "l": [1, 2]}, "a": ["p", "q"], "af": [0.5, 2.0]}
    dynamic = {"year": 2024, "score": 1.0, "tags": ["a", "b"], "deep": {"x": [True]}, "it's": "y"}
    name = make([{"key": 1, "vec": [1, 2], **values, **dynamic}], *fields)
    collection = store.get_collection(name, mapping="auto")
    (record,) = collection.peek()
    assert (record.id, record.document) == ("1", None)
    assert typed(record.metadata) == typed({**values, **dynamic, "j": {"x": 1.0, "l": [1, 2]}})
    named = store.get_collection(name, mapping=RecordMapping(document=("t",), metadata=("j",), fields=("year", "b")))
    assert named.peek()[0].metadata == {"x": 1.0, "l": [1, 2], "year": 2024, "b": True}
    assert named.get(["1"], include=["documents"]).documents == [values["t"]]
    assert named.count(F("year") >= 2024) == 1


def test_keys_of_every_kind(store: vstore.Store, make: Callable[..., str]) -> None:
    numbers = [-(2**63), -(2**63) + 1, -5, 0, 7, 2**63 - 2]
    name = make([{"key": key, "vec": [1, place]} for place, key in enumerate(numbers)])
    collection = store.get_collection(name, mapping="auto")
    want = [str(key) for key in numbers]
    assert [one for page in collection.scan(batch_size=2) for one in page.records.ids] == want
    assert collection.get([*reversed(want), "8"]).ids == [*reversed(want)]
    assert collection.count() == len(numbers)
    pages = list(collection.scan(batch_size=1))
    for place, page in enumerate(pages):
        assert [one.records.ids[0] for one in collection.scan(batch_size=1, after=page.cursor)] == want[place + 1 :]
    name = make([{"key": key, "vec": [1, place]} for place, key in enumerate(ODD_KEYS)], text=True)
    collection = store.get_collection(name, mapping="auto")
    assert collection.get([*ODD_KEYS, "nobody"]).ids == ODD_KEYS
    assert sorted(scanned(collection, batch_size=2)) == sorted(ODD_KEYS)
    assert collection.query([1, 4], k=1).ids == ["\n"]


def test_milvus_makes_the_keys(store: vstore.Store, make: Callable[..., str]) -> None:
    name = make([{"vec": [1, place], "n": place} for place in range(5)], auto_id=True)
    collection = store.get_collection(name, mapping="auto")
    assert collection.mapping is not None
    assert collection.mapping.id_type is IdType.INT
    records = collection.peek(10)
    assert sorted(one["n"] for one in records.metadatas or ()) == [0, 1, 2, 3, 4]
    assert collection.get(records.ids[:2]).ids == records.ids[:2]


def test_a_key_that_was_inserted_twice_is_one_record(store: vstore.Store, make: Callable[..., str]) -> None:
    """A server stores both, and its count(*) says so."""
    name = make([{"key": 1, "vec": [1, 2], "n": 1}, {"key": 2, "vec": [1, 2], "n": 1}])
    store.native.insert(name, [{"key": 1, "vec": [1, 2], "n": 2}])
    collection = store.get_collection(name, mapping="auto")
    assert collection.count() == 2
    assert scanned(collection) == ["1", "2"]


def test_the_index_tells_the_metric(store: vstore.Store, make: Callable[..., str]) -> None:
    rows = [{"key": key, "vec": [key, 1]} for key in range(1, 30)]
    name = make(rows, index_type="HNSW", metric_type="COSINE", params={"M": 8, "efConstruction": 40})  # type: ignore[arg-type]  # of the index
    collection = store.get_collection(name, mapping="auto")
    assert collection.info.metric is Metric.COSINE
    assert isinstance(collection.info.index, HNSW)
    for exact in (True, False):
        assert collection.query([1, 1], k=2, exact=exact).ids == ["1", "2"]
    assert len(collection.query([1, 1], k=40)) == 29
    with raises(NotFound):
        store.get_collection(name, mapping=RecordMapping(table=("t",)))
    for change in (
        {"metric": Metric.L2},
        {"vector": "key"},
        {"id": ("vec",)},
        {"dimension": 3},
        {"table": ("s", name)},
    ):
        with raises(Mismatch):
            store.get_collection(name, mapping=replace(RecordMapping(), **change))  # type: ignore[arg-type]  # fields by name
    with raises(Mismatch):
        store.get_collection(name, mapping="mem0")
    with raises(NotFound):
        store.get_collection("nothing", mapping="auto")


def test_async_says_the_same(store: vstore.Store, make: Callable[..., str]) -> None:
    name = make([{"key": key, "vec": [1, key], "n": key % 3} for key in range(10)])

    async def read() -> tuple[list[str], list[str], int, list[str]]:
        native = store.native
        where: Any = {"client": native}
        if store.capabilities.mode == "server":  # by a client that is async itself
            where = {"client": AsyncMilvusClient(uri=native._config.uri)}
        async with vstore.aio.connect(**where) as opened:
            collection = await opened.get_collection(name, mapping="auto")
            ids = [one async for page in collection.scan(batch_size=3) for one in page.records.ids]
            near = await collection.query([1, 4], k=2)
            found = await collection.get(["7", "x", "2"])
            return ids, near.ids, await collection.count(F("n") == 1), found.ids

    ids, near, count, found = asyncio.run(read())
    assert (sorted(ids), near[0], count, found) == ([str(key) for key in range(10)], "4", 3, ["7", "2"])


@pytest.mark.nightly
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name.startswith("milvus")])
def test_a_server_gives_the_answers_of_the_reference(store: vstore.Store, layout: str) -> None:
    chosen = LAYOUTS[layout]
    records = chosen.content(360)
    name = f"made_{next(NUMBERS)}"
    chosen.write(store, name, records)
    collection = store.get_collection(name, mapping=chosen.mapping)
    with vstore.connect("memory:") as memory:
        reference = memory.create_collection("reference", dimension=8, metric="l2")
        reference.add(records.ids, records.vectors, records.documents, records.metadatas)
        assert_same(contents(collection), contents(reference), Metric.L2)
    for where in (F("part") == "x", ~(F("year") > 2002), F("tags").has("a")):
        assert set(scanned(collection, where, batch_size=50)) == matching(where, records)
