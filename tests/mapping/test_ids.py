"""Every kind of key of a table of PostgreSQL: several columns, views, any column that is said to be the id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

import vstore
from tests.servers import postgres_server
from vstore import F, InvalidInput, Metric, Mismatch, RecordMapping
from vstore.cli.app import app
from vstore.conformance.checks import raises
from vstore.transfer.foreign import identified

KEYS = [("acme", 1), ("acme", 2), ("b,\"'[]", 1), ("é☃", -7), ("", 2**63 - 1)]
MAPPING = RecordMapping(id_columns=("tenant", "number"), vector="e", metric=Metric.L2)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def sql(server: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create extension if not exists vector with schema public")
        connection.execute("create schema app")
        yield connection
        connection.execute("drop schema if exists app cascade")
        connection.execute("drop schema if exists vstore cascade")


@pytest.fixture
def store(server: str, sql: psycopg.Connection[Any]) -> Iterator[vstore.Store]:
    with vstore.connect(f"{server}?schema=app") as opened:
        yield opened


def chunks(sql: psycopg.Connection[Any], key: str = ", primary key (tenant, number)", name: str = "chunks") -> None:
    sql.execute(f'create table app.{name} (tenant text, number bigint, e public.vector(2), "pageContent" text{key})')
    for place, (tenant, number) in enumerate(KEYS):
        values = (tenant, number, f"[1,{place}]", f"text {place}")
        sql.execute(f"insert into app.{name} values (%s, %s, %s, %s)", values)


def test_several_columns_are_the_id_together(store: vstore.Store, sql: psycopg.Connection[Any]) -> None:
    chunks(sql)
    proposed = store.propose_mapping("chunks")
    assert proposed == replace(MAPPING, document=("pageContent",), metric=None)
    assert RecordMapping.from_json(proposed.to_json()) == proposed
    found = store.get_collection("chunks", mapping=replace(proposed, metric=Metric.L2))
    ids = ['["acme","1"]', '["acme","2"]', '["b,\\"\'[]","1"]', '["é☃","-7"]', f'["","{2**63 - 1}"]']
    records = {record.id: record for record in found.scan_records(batch_size=2)}
    assert sorted(records) == sorted(ids)
    assert records[ids[2]].metadata == {"tenant": "b,\"'[]", "number": 1}
    assert records[ids[2]].document == "text 2"
    assert found.get([ids[4], ids[0], ids[3]]).ids == [ids[4], ids[0], ids[3]]
    strange = ['["acme", "1"]', '["acme"]', '["acme","01"]', '["acme","x"]', f'["","{2**63}"]', '["acme",1]', "[", "1",
               '["acme\\u0000","1"]', "{}"]  # fmt: skip
    assert found.get([*strange, ids[1]]).ids == [ids[1]]
    assert found.query([1.0, 3.0], k=1).ids == [ids[3]]
    assert found.count(F("tenant") == "acme") == 2
    assert found.omissions() == []


def test_a_view_is_read_by_the_columns_that_are_said_to_be_the_id(
    store: vstore.Store, sql: psycopg.Connection[Any]
) -> None:
    chunks(sql)
    sql.execute("create view app.seen as select * from app.chunks")
    sql.execute("create view app.twice as select * from app.chunks union all select * from app.chunks")
    sql.execute("create view app.nothing as select null::text as tenant, number, e from app.chunks")
    with raises(Mismatch):
        store.get_collection("seen", mapping=replace(store.propose_mapping("seen"), metric=Metric.L2))
    found = store.get_collection("seen", mapping=MAPPING)
    assert len(list(found.scan_records(batch_size=2))) == found.count() == 5
    single = replace(MAPPING, id_columns=(), id=("pageContent",))
    assert sorted(store.get_collection("seen", mapping=single).peek().ids) == [f"text {n}" for n in range(5)]
    for view in ("twice", "nothing"):
        with raises(Mismatch) as caught:
            store.get_collection(view, mapping=MAPPING)
        assert "is no key" in str(caught.error)
    # of a table that has a key the id may be any column; that several rows have it is found when it is asked for
    by_tenant = store.get_collection("chunks", mapping=replace(MAPPING, id_columns=(), id=("tenant",)))
    assert by_tenant.get(["é☃"]).ids == ["é☃"]
    with raises(Mismatch):
        by_tenant.get(["acme"])


def test_a_column_that_becomes_the_id_leaves_the_metadata_and_the_other_enters() -> None:
    mapping = RecordMapping(id=("number",), metadata=("extra",), fields=("title", "slug"))
    assert identified(mapping, ["slug"]) == replace(mapping, id=("slug",), fields=("title", "number"))
    several = replace(mapping, id=(), id_columns=("slug", "title"), fields=("title", "slug", "number"))
    assert identified(mapping, ["slug", "title"]) == several
    assert identified(several, ["title"]) == replace(mapping, id=("title",), fields=("slug", "number"))


@pytest.mark.parametrize("columns", [("a",), ("a", "")])
def test_columns_of_the_id_are_several(columns: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        RecordMapping(id_columns=columns)
    with pytest.raises(InvalidInput):
        RecordMapping(id=("a",), id_columns=("a", "b"))


def test_collections_of_one_name_are_told_apart_by_their_uuid(
    store: vstore.Store, sql: psycopg.Connection[Any]
) -> None:
    sql.execute("create table app.langchain_pg_collection (uuid uuid primary key, name text, cmetadata json)")
    sql.execute(
        "create table app.langchain_pg_embedding (collection_id uuid, embedding public.vector, document text, "
        "cmetadata json, custom_id text, uuid uuid primary key)"
    )
    numbers = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)]
    for place, name in enumerate(("same", "same", "other")):
        sql.execute("insert into app.langchain_pg_collection values (%s, %s, null)", (numbers[place], name))
        values = (numbers[place], f"[1,{place}]", f"text {place}", str(place), numbers[place])
        sql.execute("insert into app.langchain_pg_embedding values (%s, %s, %s, null, %s, %s)", values)
    assert store.list_foreign_collections() == [numbers[0], numbers[1], "other"]
    with raises(Mismatch) as caught:
        store.get_collection("same", mapping="auto")
    assert numbers[1] in str(caught.error)
    for name, place in ((numbers[0], 0), (numbers[1], 1), ("other", 2)):
        [record] = store.get_collection(name, mapping="langchain").peek()
        assert (record.id, record.document) == (str(place), f"text {place}")
    sql.execute("insert into app.langchain_pg_embedding values (null, '[1,1]', 'x', null, 'x', gen_random_uuid())")
    assert "langchain_pg_embedding" in store.list_foreign_collections()  # a row that no collection has


def test_copy_takes_any_columns_for_the_id(
    server: str, sql: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    chunks(sql, ", id serial primary key")
    sql.execute("create index on app.chunks using hnsw (e public.vector_l2_ops)")
    url = f"{server}{'&' if '?' in server else '?'}schema=app"
    target = f"qdrant:{tmp_path / 'to'}"
    ends = [url, target, "--collection", "chunks", "--id", "tenant", "--id", "number"]
    for command in ("copy", "verify"):
        done = CliRunner().invoke(app, [command, *ends])
        assert done.exit_code == 0, done.output
    with vstore.connect(target) as opened:
        [record] = opened.get_collection("chunks").get(['["acme","2"]'])
    assert record.metadata == {"tenant": "acme", "number": 2, "id": 2}
    assert record.document == "text 1"
