"""Any table of PostgreSQL with a vector column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from tests.servers import postgres_server
from vstore import HNSW, F, InvalidInput, IVFFlat, Metric, Mismatch, NotFound, RecordMapping
from vstore.conformance.checks import raises, typed
from vstore.mapping import IdType, MissingVector, Outside

L2 = Metric.L2


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def sql(server: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create extension if not exists vector with schema public")
        yield connection
        connection.execute("drop schema if exists app cascade")
        connection.execute("drop schema if exists vstore cascade")


@pytest.fixture
def store(server: str, sql: psycopg.Connection[Any]) -> Iterator[vstore.Store]:
    sql.execute("create schema app")
    with vstore.connect(f"{server}?schema=app") as opened:
        yield opened


def only(collection: vstore.Collection) -> vstore.Record:
    (record,) = collection.peek(2)
    return record


def test_every_type_of_column_keeps_its_value(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    values = {
        "b": ("bool", "true", True),
        "i2": ("int2", "-7", -7),
        "i8": ("int8", "9223372036854775807", 2**63 - 1),
        "f4": ("float4", "0.1", float(np.float32(0.1))),
        "f8": ("float8", "3", 3.0),
        "f8_large": ("float8", "1e300", 1e300),
        "decimal": ("numeric", "12345678901234567890.1200", "12345678901234567890.1200"),
        "t": ("text", "'it''s é'", "it's é"),
        "v": ("varchar(9)", "'x'", "x"),
        "c": ("char(4)", "'ab'", "ab"),
        "u": ("uuid", "'00000000-0000-0000-0000-0000000000FF'", "00000000-0000-0000-0000-0000000000ff"),
        "moment": ("timestamptz", "'2024-02-29 12:00:00.123456+05:30'", datetime(2024, 2, 29, 6, 30, 0, 123456, UTC)),
        "local": ("timestamp", "'2024-02-29 12:00:00'", "2024-02-29 12:00:00"),
        "day": ("date", "'2024-02-29'", "2024-02-29"),
        "span": ("interval", "'1 day 02:00'", "1 day 02:00:00"),
        "bytes": ("bytea", "'\\x00ff'", "\\x00ff"),
        "net": ("inet", "'10.0.0.1/8'", "10.0.0.1/8"),
        "ints": ("int4[]", "'{1,2}'", [1, 2]),
        "floats": ("float4[]", "'{1,0.5}'", [1.0, 0.5]),
        "texts": ("text[]", "array['a,b','\"']", ["a,b", '"']),
        "decimals": ("numeric[]", "'{1.50,2}'", ["1.50", "2"]),
        "moments": ("timestamptz[]", "array['2024-01-01 00:00+00'::timestamptz]", [datetime(2024, 1, 1, tzinfo=UTC)]),
        "js": ("json", '\'{"a": 1.0, "b": 1, "n": null}\'', {"a": 1.0, "b": 1}),
        "jb": ("jsonb", '\'{"a": 1.0, "l": ["x"]}\'', {"a": 1.0, "l": ["x"]}),
        "nothing": ("int4", "null", None),
        "other vector": ("vector(2)", "'[1,2.5]'", "[1,2.5]"),
    }
    columns = ", ".join(
        f'"{name}" {kind if kind != "vector(2)" else "public.vector(2)"}' for name, (kind, _, _) in values.items()
    )
    sql.execute(f"create table app.t (id int primary key, e public.vector(2), {columns})")
    sql.execute(f"insert into app.t values (5, '[1,2]', {', '.join(text for _, text, _ in values.values())})")
    record = only(store.get_collection("t", mapping=RecordMapping(id=("id",), vector="e", metric=L2)))
    assert record.id == "5"
    assert typed(record.metadata) == typed({k: want for k, (_, _, want) in values.items() if want is not None})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamptz", "'infinity'"),
        ("timestamptz", "'0044-03-15 00:00+00 BC'"),
        ("float8", "'NaN'"),
        ("jsonb", "'[]'"),
        ("jsonb", "'18446744073709551616'"),
        ("int4[]", "'{1,null}'"),
        ("int4[]", "'{{1},{2}}'"),
    ],
)
def test_a_value_outside_the_contract_names_record_and_column(
    store: vstore.Store, sql: psycopg.Connection[Any], kind: str, value: str
) -> None:
    sql.execute(f"create table app.t (id text primary key, e public.vector(2), odd {kind})")
    sql.execute(f"insert into app.t values ('fine', '[1,2]', null), ('r', '[1,2]', {value})")
    mapping = RecordMapping(id=("id",), vector="e", metric=L2)
    collection = store.get_collection("t", mapping=mapping)
    with raises(Mismatch) as caught:
        list(collection.scan())
    assert caught.error.ids == ["r"]
    assert "'odd'" in caught.error.message
    assert collection.get(["r"], include=["vectors"]).ids == ["r"], "a read that does not look at it has no trouble"
    for changed in (replace(mapping, outside=Outside.TEXT), replace(mapping, hidden=("odd",))):
        assert len(store.get_collection("t", mapping=changed).peek()) == 2


def test_hostile_names_stay_names(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    from psycopg import sql as compose

    table = "t'; drop table app.safe; --\"%s"
    names = ['id" or 1=1', "%(x)s", "select", "t.id", "f", "t", "%%"]
    sql.execute("create table app.safe (a int)")
    columns = compose.SQL(", ").join(compose.SQL("{} text").format(compose.Identifier(name)) for name in names)
    make = compose.SQL('create table {} ("e %s" public.vector(2), primary key ({}, {}), {})')
    place = compose.Identifier("app", table)
    sql.execute(make.format(place, compose.Identifier(names[0]), compose.Identifier(names[2]), columns))
    doubled = compose.Identifier("app", table.replace("%", "%%"))  # psycopg reads it as a statement with parameters
    insert = compose.SQL("insert into {} values (%s, %s, %s, %s, %s, %s, %s, %s)").format(doubled)
    sql.execute(insert, ["[1,2]", "x' or 1=1", "%s", "k", "v", "w", "y", "z"])
    sql.execute(insert, ["[3,4]", "z", None, "k", "v", None, None, None])
    assert table in store.list_foreign_collections()
    mapping = RecordMapping(
        id=(names[0],), vector="e %s", document=(names[1],), metric=L2, only={"select": "k", "t.id": "v"}
    )
    collection = store.get_collection(table, mapping=mapping)
    assert collection.count() == 2
    assert [page.records.ids for page in collection.scan(batch_size=1)] == [["x' or 1=1"], ["z"]]
    record = collection.get(["x' or 1=1", "' or 1=1 --"])[0]
    assert record.document == "%s"
    assert record.metadata == {"select": "k", "t.id": "v", "f": "w", "t": "y", "%%": "z"}
    assert [hit.id for hit in collection.query([3, 4], k=1)] == ["z"]
    nobody = store.get_collection(table, mapping=replace(mapping, only={"select": "k' or 1=1 --"}, dimension=2))
    assert (nobody.count(), list(nobody.scan()), len(nobody.query([1, 2]))) == (0, [], 0)
    assert sql.execute("select count(*) from app.safe").fetchone() == (0,)


def test_rows_without_a_vector(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.t (id int primary key, e public.vector(2))")
    sql.execute("insert into app.t values (1, '[1,2]'), (2, null), (3, '[0,0]')")
    mapping = RecordMapping(id=("id",), vector="e", metric=L2)
    collection = store.get_collection("t", mapping=mapping)
    assert collection.count() == 3
    with raises(Mismatch) as caught:
        collection.peek()
    assert caught.error.ids == ["2"]
    assert "missing_vector" in caught.error.hint
    skipping = store.get_collection("t", mapping=replace(mapping, missing_vector=MissingVector.SKIP))
    assert skipping.count() == 2
    assert skipping.peek().ids == ["1", "3"]
    assert skipping.get(["1", "2"]).ids == ["1"]
    assert skipping.query([0, 0], k=5).ids == ["3", "1"]
    cosine = store.get_collection(
        "t", mapping=replace(mapping, metric=Metric.COSINE, missing_vector=MissingVector.SKIP)
    )
    with raises(Mismatch) as caught:
        cosine.query([1, 0], exact=True)
    assert caught.error.ids == ["3"], "a zero vector has no direction"


def test_the_index_tells_metric_and_settings(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.t (id int primary key, e public.vector(2), f public.halfvec(3))")
    sql.execute("insert into app.t values (1, '[1,2]', '[1,0.1,0]')")
    mapping = RecordMapping(id=("id",), vector="e")
    with raises(Mismatch) as caught:
        store.get_collection("t", mapping=mapping)
    assert "metric" in caught.error.message
    sql.execute("create index on app.t using hnsw (e public.vector_ip_ops) with (m = 8, ef_construction = 40)")
    sql.execute("create index on app.t using ivfflat (f public.halfvec_l2_ops) with (lists = 7)")
    info = store.get_collection("t", mapping=mapping).info
    assert (info.metric, info.index) == (Metric.DOT, HNSW(m=8, ef_construction=40))
    half = store.get_collection("t", mapping=replace(mapping, vector="f"))
    assert (half.info.metric, half.info.index, half.info.dimension) == (L2, IVFFlat(lists=7), 3)
    assert half.peek().vectors is not None
    np.testing.assert_array_equal(half.peek().vectors, np.float16([[1, 0.1, 0]]).astype(np.float32))
    assert half.query([1e6, 0, 0], k=1).ids == ["1"], "beyond half precision there is no asking the index"
    assert store.get_collection("t", mapping=replace(mapping, metric=L2)).query([1, 2]).distances.tolist() == [0.0]
    sql.execute("create index on app.t using hnsw (e public.vector_cosine_ops)")
    with raises(Mismatch) as caught:
        store.get_collection("t", mapping=mapping)
    assert "cosine, dot" in caught.error.message
    assert store.get_collection("t", mapping=replace(mapping, metric=Metric.COSINE)).info.metric is Metric.COSINE


def test_the_order_is_that_of_a_key(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.t (a text, b timestamptz not null, n numeric not null, id int, e public.vector(2))")
    sql.execute(
        "insert into app.t select 'x', '2024-01-01 00:00+00'::timestamptz + i * '1 s'::interval, i / 3.0, i, '[1,2]' "
        "from generate_series(1, 30) as i"
    )
    mapping = RecordMapping(id=("id",), vector="e", metric=L2)
    for no_key in (
        "select 1",
        "create unique index on app.t (id)",  # may be null
        "create unique index on app.t (b) where n > 3",
        "create unique index on app.t (abs(n))",
    ):
        sql.execute(no_key)
        with raises(Mismatch) as caught:  # the id is no key either
            store.get_collection("t", mapping=replace(mapping, id=("a",)))
        assert "unique" in caught.error.message
    sql.execute("create unique index on app.t (b, n) include (a)")
    pages = list(store.get_collection("t", mapping=mapping).scan(batch_size=7))
    assert [one for page in pages for one in page.records.ids] == [str(i) for i in range(1, 31)]
    again = store.get_collection("t", mapping=mapping).scan(after=pages[1].cursor)
    assert next(iter(again)).records.ids[0] == "15"


def test_ids_that_are_not_unique_are_told(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.t (k int primary key, id text, e public.vector(2))")
    sql.execute("insert into app.t values (1, 'a', '[1,2]'), (2, 'a', '[1,2]'), (3, 'b', '[1,2]'), (4, null, '[1,2]')")
    collection = store.get_collection("t", mapping=RecordMapping(id=("id",), vector="e", metric=L2))
    with raises(Mismatch) as caught:
        collection.get(["a", "b"])
    assert caught.error.ids == ["a"]
    with raises(Mismatch):
        collection.peek()


def test_a_proposal_fits_the_table(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    sql.execute(
        "create table app.articles (number bigint primary key, embedding public.vector(2), title text, content text, "
        "extra jsonb, words tsvector)"
    )
    sql.execute("insert into app.articles values (1, '[1,2]', 'T', 'the text', '{\"n\": 1}', to_tsvector('the text'))")
    mapping = store.propose_mapping("articles")
    assert mapping == RecordMapping(
        id=("number",), vector="embedding", document=("content",), metadata=("extra",), fields=("title",)
    )
    collection = store.get_collection("articles", mapping=replace(mapping, metric=L2))
    assert only(collection).metadata == {"n": 1, "title": "T"}
    assert collection.mapping is not None
    assert collection.mapping.id_type is IdType.INT
    with raises(Mismatch):
        store.get_collection("articles", mapping="auto")  # nobody knows the metric
    with raises(Mismatch):
        store.get_collection("articles", mapping="langchain")
    with raises(NotFound):
        store.get_collection("nothing", mapping=mapping)


@pytest.mark.parametrize(
    "change",
    [
        {"id": ("nobody",)},
        {"id": ()},
        {"id": ("number", "inside")},
        {"vector": "content"},
        {"vector": "nobody"},
        {"document": ("nobody",)},
        {"metadata": ("nobody",)},
        {"metadata": None, "fields": ("nobody",)},
        {"only": {"nobody": "x"}},
        {"dimension": 3},
        {"id_type": IdType.UUID},
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    store: vstore.Store, sql: psycopg.Connection[Any], change: dict[str, Any]
) -> None:
    sql.execute("create table app.t (number int primary key, e public.vector(2), content text)")
    mapping = RecordMapping(id=("number",), vector="e", metric=L2)
    assert store.get_collection("t", mapping=mapping).count() == 0
    with raises(Mismatch):
        store.get_collection("t", mapping=replace(mapping, **change))


def test_what_a_vector_s_type_does_not_tell(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table app.t (id int primary key, e public.vector)")
    mapping = RecordMapping(id=("id",), vector="e", metric=L2)
    with raises(Mismatch) as caught:
        store.get_collection("t", mapping=mapping)
    assert "dimension" in caught.error.hint
    assert store.get_collection("t", mapping=replace(mapping, dimension=4)).info.dimension == 4
    sql.execute("insert into app.t values (1, '[1,2,3]'), (2, '[1,2]')")
    collection = store.get_collection("t", mapping=mapping)
    assert collection.info.dimension == 3
    with raises(Mismatch) as caught:
        collection.peek()
    assert caught.error.ids == ["2"]


def test_tables_are_found_in_public_too(server: str, store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    sql.execute("create table public.elsewhere (id int primary key, e public.vector(2))")
    try:
        assert "elsewhere" in store.list_foreign_collections()
        assert store.propose_mapping("elsewhere").table == ("public", "elsewhere")
    finally:
        sql.execute("drop table public.elsewhere")


def test_a_borrowed_connection_reads_a_table(server: str, sql: psycopg.Connection[Any], store: vstore.Store) -> None:
    sql.execute("create table app.t (id int primary key, e public.vector(2), n int)")
    sql.execute("insert into app.t values (1, '[1,2]', 7)")
    with psycopg.connect(server) as connection, vstore.connect(client=connection) as borrowed:
        collection = borrowed.get_collection(
            "t", mapping=RecordMapping(id=("id",), vector="e", metric=L2, table=("app", "t"))
        )
        assert only(collection).metadata == {"n": 7}
        assert collection.query([1, 2], where=F("n") == 7).ids == ["1"]


def test_mapping_takes_nothing_else(store: vstore.Store) -> None:
    for wrong in (object(), "langchains", {"id": "id"}, 5):
        with raises(InvalidInput):
            store.get_collection("t", mapping=wrong)  # type: ignore[arg-type]
