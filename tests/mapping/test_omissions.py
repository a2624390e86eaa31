"""What a mapping does not bring is told: by the schema, by the first records, and of all of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import chromadb
import psycopg
import pytest
from pymilvus import DataType, Function, FunctionType, MilvusClient
from qdrant_client import QdrantClient, models

import vstore
from tests.servers import postgres_server
from vstore import F, Metric, Omission, RecordMapping
from vstore.mapping import MissingVector, Outside

COSINE = models.Distance.COSINE
PARAMS = models.VectorParams(size=2, distance=COSINE)


def told(omissions: Any) -> list[tuple[str, str]]:
    """Kind and name of those that a copy must be allowed."""
    return sorted((str(one.kind), one.name) for one in omissions if one.needs_leave)


@pytest.fixture
def qdrant() -> Any:
    client = QdrantClient(":memory:")
    yield client
    client.close()


def put(client: QdrantClient, points: list[tuple[int, Any, dict[str, Any]]]) -> None:
    client.upsert("made", [models.PointStruct(id=i, vector=v, payload=p) for i, v, p in points])


def test_every_further_vector_and_setting_of_qdrant(qdrant: QdrantClient) -> None:
    several = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    qdrant.create_collection(
        "made",
        vectors_config={
            "a": PARAMS,
            "b": PARAMS,
            "many": models.VectorParams(size=2, distance=COSINE, multivector_config=several),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
        metadata={"team": "search", "bad": {"nested": 1}},
    )
    alias = models.CreateAlias(collection_name="made", alias_name="live")
    qdrant.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    put(qdrant, [(1, {"a": [1, 0]}, {"a": "a payload called as the vector", "n": 1})])
    with vstore.connect(client=qdrant) as store:
        collection = store.get_collection("made", mapping="auto")
        settings = [("collection-settings", "bad"), ("collection-settings", "live")]
        expected = [*settings, ("other-vectors", "many")]
        assert told(collection.info.omitted) == expected
        assert told(collection.omissions()) == expected
        alone = store.get_collection("made", mapping=RecordMapping(vector="a"))
        assert told(alone.omissions()) == [*settings, *(("other-vectors", name) for name in ("b", "many", "words"))]
        assert collection.info.metadata == {"team": "search"}
        assert collection.peek().metadatas == [{"a": "a payload called as the vector", "n": 1}]


def test_auto_brings_what_stands_beside_a_layout(qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config=PARAMS)
    put(qdrant, [(1, [1, 0], {"page_content": "t", "metadata": {"n": 1}, "group_id": "g", "_x": None})])
    with vstore.connect(client=qdrant) as store:
        for layout in ("auto", "langchain"):
            collection = store.get_collection("made", mapping=layout)
            assert collection.peek().metadatas == [{"n": 1, "group_id": "g"}]
            assert collection.peek().documents == ["t"]
            assert (told(collection.info.omitted), told(collection.omissions())) == ([], [])


def test_keys_that_only_some_records_have_are_counted(qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config=PARAMS)
    points: list[tuple[int, Any, dict[str, Any]]] = [(i, [1, i], {"text": "t", "m": {"n": i}}) for i in range(150)]
    points.append((150, [1, 2], {"text": "t", "m": {"n": 150, "secret": 2}, "late": 5, "o": {"x": 1, "y": 2}}))
    put(qdrant, points)
    mapping = RecordMapping(document=("text",), metadata=("m",), fields=(), hidden=("secret",))
    with vstore.connect(client=qdrant) as store:
        collection = store.get_collection("made", mapping=mapping)
        assert collection.info.omitted == (), "the first hundred have nothing else"
        found = collection.omissions()
        assert told(found) == [("other-fields", "late"), ("other-fields", "o")]
        assert [one.text for one in found if one.name == "late"] == ["'late' is not read; 1 of 151 rows have it"]
        assert [one.name for one in found if not one.needs_leave] == ["secret"], "the mapping names it"
        assert told(collection.omissions(F("n") < 150)) == []
        assert told(collection.omissions({"n": 150})) == [("other-fields", "late"), ("other-fields", "o")]
        deep = store.get_collection("made", mapping=RecordMapping(document=("o", "x"), metadata=("m",)))
        assert told(deep.omissions()) == [("other-fields", "late"), ("other-fields", "o.y"), ("other-fields", "text")]


def test_rows_and_values_that_are_left_out(qdrant: QdrantClient) -> None:
    qdrant.create_collection("made", vectors_config={"a": PARAMS})
    put(qdrant, [(1, {"a": [1, 0]}, {"n": [], "t": 5}), (2, {}, {"n": 1}), (3, {"a": [1, 1]}, {"n": 2, "$bad": 1})])
    mapping = RecordMapping(document=("t",), outside=Outside.DROP, missing_vector=MissingVector.SKIP)
    with vstore.connect(client=qdrant) as store:
        dropping = store.get_collection("made", mapping=mapping)
        assert told(dropping.omissions()) == [
            ("outside-values", "$bad"),
            ("outside-values", "n"),
            ("outside-values", "t"),
            ("rows-left-out", ""),
        ]
        assert told(dropping.info.omitted) == [("outside-values", name) for name in ("$bad", "n", "t")]
        texts = store.get_collection(
            "made", mapping=RecordMapping(outside=Outside.TEXT, missing_vector=MissingVector.SKIP)
        )
        assert [(one.name, one.needs_leave) for one in texts.info.omitted] == [("n", False)], "the mapping says text"


def test_async_says_the_same(tmp_path: Path) -> None:
    async def read() -> list[Omission]:
        async with vstore.aio.connect(f"chroma:{tmp_path}") as store:
            collection = await store.get_collection("made", mapping=RecordMapping(metadata=("metadata",)))
            assert told(collection.info.omitted) == [("other-fields", "document"), ("other-fields", "uri")]
            return await collection.omissions()

    client = chromadb.PersistentClient(str(tmp_path))
    made = client.create_collection("made", metadata={"hnsw:space": "l2", "team": "a"}, embedding_function=None)
    made.add(["a", "b"], [[1, 0], [0, 3]], documents=["x", "y"], uris=["u1", "u2"], metadatas=[{"n": 1}, {"n": 2}])
    with vstore.connect(client=client) as store:
        whole = store.get_collection("made", mapping="auto")
        assert whole.info.metadata == {"team": "a"}
        assert (told(whole.info.omitted), told(whole.omissions())) == ([], [])
        assert whole.get(["b"]).metadatas == [{"n": 2, "uri": "u2"}]
    client.close()
    assert told(asyncio.run(read())) == [("other-fields", "document"), ("other-fields", "uri")]


def test_an_embedding_function_of_chroma(tmp_path: Path) -> None:
    from chromadb.utils.embedding_functions import register_embedding_function

    @register_embedding_function
    class Own(chromadb.EmbeddingFunction[Any]):
        def __init__(self) -> None:
            pass

        def __call__(self, input: Any) -> Any:  # noqa: A002 (as Chroma names it)
            return [[1.0, 0.0] for _ in input]

        @staticmethod
        def name() -> str:
            return "own"

        @staticmethod
        def build_from_config(config: dict[str, Any]) -> Any:
            return Own()

        def get_config(self) -> dict[str, Any]:
            return {}

    client = chromadb.PersistentClient(str(tmp_path))
    for name, function in (("plain", None), ("usual", "default"), ("owned", Own())):
        given = {} if function == "default" else {"embedding_function": function}
        client.create_collection(name, **given).add(["a"], [[1.0, 0.0]])  # type: ignore[arg-type]
    with vstore.connect(client=client) as store:
        found = {name: store.get_collection(name, mapping="auto").info.omitted for name in ("plain", "usual", "owned")}
    assert found["plain"] == ()
    assert [(one.kind, one.needs_leave) for one in found["usual"]] == [("collection-settings", False)]
    assert told(found["owned"]) == [("collection-settings", "")]
    assert "'own'" in found["owned"][0].text


def test_fields_partitions_and_functions_of_milvus(tmp_path: Path) -> None:
    path = str(tmp_path / "d.db")
    client = MilvusClient(path)
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("key", DataType.INT64, is_primary=True)
    schema.add_field("vec", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("other", DataType.FLOAT_VECTOR, dim=3)
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("text", DataType.VARCHAR, max_length=100, enable_analyzer=True)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.INT64, max_capacity=5)
    schema.add_field("meta", DataType.JSON)
    schema.add_function(Function("bm25", FunctionType.BM25, input_field_names=["text"], output_field_names=["words"]))
    index = MilvusClient.prepare_index_params()
    for field, kind, metric in (
        ("vec", "FLAT", "L2"),
        ("other", "FLAT", "L2"),
        ("sparse", "SPARSE_INVERTED_INDEX", "IP"),
        ("words", "SPARSE_INVERTED_INDEX", "BM25"),
    ):
        index.add_index(field, index_type=kind, metric_type=metric)
    client.create_collection("made", schema=schema, index_params=index)
    client.create_partition("made", "archive")
    client.create_alias("made", "live")
    row = {"key": 1, "vec": [1, 0], "other": [1, 2, 3], "sparse": {1: 0.5}, "text": "t", "tags": [1, 2]}
    client.insert("made", [{**row, "meta": {"n": 1}, "free": "x"}, {**row, "key": 2, "meta": {}}])
    client.close()
    settings = [("collection-settings", name) for name in ("archive", "bm25", "live")]
    made = [("other-vectors", "words")]
    others = [("other-vectors", "other"), ("other-vectors", "sparse"), *made]
    with vstore.connect(f"milvus:{path}") as store:
        whole = store.get_collection("made", mapping="auto")
        assert told(whole.info.omitted) == told(whole.omissions()) == [*settings, *made]
        assert whole.get(["1"])[0].metadata == {"tags": [1, 2], "meta": {"n": 1}, "free": "x"}
        part = store.get_collection("made", mapping=RecordMapping(vector="vec", document=("text",), metadata=("meta",)))
        fields = [("other-fields", "free"), ("other-fields", "tags")]
        assert told(part.omissions()) == told(part.info.omitted) == [*settings, *fields, *others]


@pytest.fixture(scope="module")
def server() -> Any:
    with postgres_server() as url:
        yield url


@pytest.fixture
def sql(server: str) -> Any:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create extension if not exists vector with schema public")
        connection.execute("create schema app")
        yield connection
        for schema in ("app", "other", "vstore"):
            connection.execute(f"drop schema if exists {schema} cascade")


def test_columns_that_are_no_metadata(server: str, sql: psycopg.Connection[Any]) -> None:
    sql.execute(
        "create table app.t (number serial primary key, slug text unique not null, e public.vector(2), "
        "second public.halfvec(2), words public.sparsevec(9), body text, extra jsonb, price numeric, unused int, "
        "search tsvector generated always as (to_tsvector('english', body)) stored, "
        "length int generated always as (char_length(body)) stored)"
    )
    sql.execute(
        "insert into app.t (slug, e, second, words, body, extra, price) values "
        "('a', '[1,2]', '[1,2]', '{1:1}/9', 'x y', '{\"n\": 1}', 1.5), ('b', '[2,2]', null, null, 'z', '{}', null)"
    )
    derived = [("other-fields", "search")]
    vectors = [("other-vectors", "second"), ("other-vectors", "words")]
    with vstore.connect(f"{server}?schema=app") as store:
        proposed = store.propose_mapping("t")
        assert proposed.fields == ("slug", "price", "unused", "length")
        whole = store.get_collection("t", mapping=vstore.RecordMapping(**{**_fields(proposed), "metric": Metric.L2}))
        assert told(whole.info.omitted) == told(whole.omissions()) == derived
        assert whole.get(["1"])[0].metadata == {"n": 1, "slug": "a", "price": "1.5", "length": 3}
        part = RecordMapping(id=("slug",), vector="e", document=("body",), metadata=("extra",), metric=Metric.L2)
        collection = store.get_collection("t", mapping=part)
        fields = [("other-fields", "length"), ("other-fields", "price"), *derived]
        assert told(collection.omissions()) == [*fields, *vectors]
        assert [one.name for one in collection.omissions() if not one.needs_leave] == ["number"], "a counter"


def _fields(mapping: RecordMapping) -> dict[str, Any]:
    return {name: getattr(mapping, name) for name in RecordMapping.__slots__}  # type: ignore[attr-defined]


def test_rows_of_a_table_without_a_vector(server: str, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.t (id int primary key, e public.vector(2), tenant text)")
    sql.execute("insert into app.t values (1, '[1,2]', 'a'), (2, null, 'a'), (3, null, 'b'), (4, '[1,1]', 'b')")
    mapping = RecordMapping(id=("id",), vector="e", metric=Metric.L2, only={"tenant": "a"}, missing_vector="skip")  # type: ignore[arg-type]
    with vstore.connect(f"{server}?schema=app") as store:
        collection = store.get_collection("t", mapping=mapping)
        found = collection.omissions()
        assert [one.text for one in found if one.needs_leave] == ["1 rows have no vector, and are no records"]
        assert [one.text for one in found if not one.needs_leave] == ["the rows of the table whose 'tenant' is not 'a'"]


def test_langchain_community_s_tables_hold_several_collections(server: str, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.langchain_pg_collection (name text, cmetadata json, uuid uuid primary key)")
    sql.execute(
        "create table app.langchain_pg_embedding (collection_id uuid references app.langchain_pg_collection, "
        "embedding public.vector, document text, cmetadata json, custom_id text, uuid uuid primary key)"
    )
    ids = {name: f"00000000-0000-0000-0000-00000000000{n}" for n, name in enumerate(("given", "doubled", "bare"), 1)}
    for name, number in ids.items():
        sql.execute("insert into app.langchain_pg_collection values (%s, %s, %s)", (name, '{"team": "x"}', number))
    rows = [("given", "one"), ("given", "two"), ("doubled", "one"), ("doubled", "one"), ("bare", None)]
    for place, (name, custom) in enumerate(rows):
        values = (ids[name], f"[1,{place}]", f"text {place}", f'{{"n": {place}}}', custom, f"{place:032x}")
        sql.execute("insert into app.langchain_pg_embedding values (%s, %s, %s, %s, %s, %s)", values)
    with vstore.connect(f"{server}?schema=app") as store:
        assert {"given", "doubled", "bare"} <= set(store.list_foreign_collections())
        given = store.get_collection("given", mapping="auto")
        assert sorted(given.peek().ids) == ["one", "two"]
        assert given.get(["two"]).documents == ["text 1"]
        assert (given.count(), given.info.metadata) == (2, {"team": "x"})
        assert told(given.omissions()) == []
        doubled = store.get_collection("doubled", mapping="langchain")
        assert doubled.count() == 2
        record = doubled.get([str(vstore_uuid(2))])[0]
        assert record.metadata == {"n": 2, "custom_id": "one"}, "ids that are not unique are metadata"
        bare = store.get_collection("bare", mapping="auto")
        assert bare.peek().ids == [str(vstore_uuid(4))]


def vstore_uuid(number: int) -> Any:
    from uuid import UUID

    return UUID(int=number)


def test_a_table_is_found_wherever_the_session_would_find_it(server: str, sql: psycopg.Connection[Any]) -> None:
    name = sql.execute("select current_database()").fetchone()
    assert name is not None
    sql.execute("create schema other")
    sql.execute("create table other.far (id int primary key, e public.vector(2))")
    sql.execute("create table public.near (id int primary key, e public.vector(2))")
    sql.execute(f'alter database "{name[0]}" set search_path to app, other, public')
    try:
        with vstore.connect(f"{server}?schema=app") as store:
            assert {"far", "near"} <= set(store.list_foreign_collections())
            for table in ("far", "near"):
                mapping = RecordMapping(id=("id",), vector="e", metric=Metric.L2, table=(table,))
                assert store.get_collection("anything", mapping=mapping).count() == 0
            assert store.propose_mapping("far").table == ("other", "far")
            with pytest.raises(vstore.NotFound, match="'app', 'public', 'other'"):
                store.get_collection("anything", mapping=RecordMapping(id=("id",), table=("nowhere",)))
    finally:
        sql.execute(f'alter database "{name[0]}" reset search_path')
        sql.execute("drop table public.near")


def test_rows_of_tables_that_inherit(server: str, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.t (id int primary key, e public.vector(2))")
    sql.execute("create table app.heir (more text, primary key (id)) inherits (app.t)")
    sql.execute("insert into app.t select i, '[1,2]' from generate_series(1, 9) as i")
    sql.execute("insert into app.heir select i, '[1,2]', 'x' from generate_series(1, 9) as i")
    with vstore.connect(f"{server}?schema=app") as store:
        mapping = RecordMapping(id=("id",), vector="e", metric=Metric.L2)
        collection = store.get_collection("t", mapping=mapping)
        assert (collection.count(), [len(page.records) for page in collection.scan(batch_size=4)]) == (9, [4, 4, 1])
        assert [one.text for one in collection.omissions() if one.needs_leave] == [
            "the rows of app.heir, which inherits: it is read by its own name"
        ]
        assert store.get_collection("heir", mapping=mapping).peek(1).metadatas == [{"more": "x"}]
    sql.execute("create table app.p (id int primary key, e public.vector(2)) partition by range (id)")
    sql.execute("create table app.p1 partition of app.p for values from (0) to (5)")
    sql.execute("create table app.p2 partition of app.p default")
    sql.execute("insert into app.p select i, '[1,2]' from generate_series(1, 9) as i")
    with vstore.connect(f"{server}?schema=app") as store:
        whole = store.get_collection("p", mapping=mapping)
        assert (whole.count(), whole.omissions(), len(whole.peek(20))) == (9, [], 9)


def test_columns_that_the_user_may_not_read(server: str, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.t (id int primary key, e public.vector(2), shown text, secret text)")
    sql.execute("insert into app.t values (1, '[1,2]', 'a', 'b')")
    sql.execute("drop role if exists reader")
    sql.execute("create role reader login password 'pw'")
    sql.execute("grant usage on schema app to reader")
    sql.execute("grant select (id, e, shown) on app.t to reader")
    try:
        rest = server.partition("@")[2]
        with vstore.connect(f"postgresql://reader:pw@{rest}?schema=app") as store:
            proposed = store.propose_mapping("t")
            assert proposed.hidden == ("secret",)
            collection = store.get_collection("t", mapping=RecordMapping(**{**_fields(proposed), "metric": Metric.L2}))
            assert collection.peek().metadatas == [{"shown": "a"}]
            assert told(collection.omissions()) == [("other-fields", "secret")]
    finally:
        sql.execute("drop owned by reader")
        sql.execute("drop role reader")
