"""Names are data: percent signs, quotes, backslashes, case and length of schemas, databases, users, tables, columns."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

import vstore
from vstore import F, RecordMapping, errors

NAMES = [
    "a%",
    "%%",
    "%s",
    "%(name)s",
    'q"uo"te',
    "it's",
    "back\\slash",
    "Über Straße",
    "MiXed",
    "two words",
    "semi;colon -- ",
    "{}",
    "$user",
    "a.b",
    "日本語" * 7,
    "x" * 63,
    "select",
]


def _identifier(*parts: str) -> str:
    return sql.Identifier(*parts).as_string(None)


@pytest.mark.parametrize("name", NAMES)
def test_schemas(server: str, name: str) -> None:
    with vstore.connect(server, schema=name) as store:
        assert store.list_collections() == []
        docs = store.create_collection("docs", dimension=2, metric="l2")
        docs.add(ids=["a", "b"], vectors=[[0, 0], [3, 4]], metadatas=[{"n": 1}, {"n": 2}])
        docs.update(ids=["a"], metadatas=[{"m": "%s"}])
        assert docs.query([0, 0], k=2, where=F("n") > 0).distances.tolist() == [0, 5]
        assert docs.query([0, 0], k=1, exact=True).ids == ["a"]
        assert [i for page in docs.scan(batch_size=1) for i in page.records.ids] == ["a", "b"]
        docs.defer_index()
        docs.build_index()
        docs.rename("papers")
        assert store.list_collections() == ["papers"]
        with psycopg.connect(server) as connection:
            assert connection.execute(f"select count(*) from {docs.native}".encode()).fetchone() == (2,)
        docs.delete(where=F("n") == 1)
        docs.clear()
        store.delete_collection("papers")
        assert store.list_foreign_collections() == []


def test_schemas_that_cannot_be(server: str) -> None:
    for name in ("", "x" * 64, "é" * 32, "pg_mine", "a\x00b", "lone \ud800"):
        with pytest.raises(errors.InvalidInput):
            vstore.connect(server, schema=name)


@pytest.mark.parametrize("name", NAMES)
def test_databases_and_users(server: str, sql: psycopg.Connection[Any], name: str) -> None:
    password, place = secrets.token_urlsafe(8) + "%/@:", server.rpartition("@")[2].partition("/")[0]
    sql.execute(f"create role {_identifier(name)} login superuser password '{password}'".encode())
    sql.execute(f"create database {_identifier(name)} owner {_identifier(name)}".encode())
    try:
        who, where = quote(name, safe=""), quote(name, safe="")
        with vstore.connect(f"postgresql://{who}:{quote(password, safe='')}@{place}/{where}") as store:
            store.create_collection("docs", dimension=2)
            with store.native.connection() as connection:
                assert connection.execute("select current_user, current_database()").fetchone() == (name, name)
    finally:
        sql.execute(f"drop database {_identifier(name)} with (force)".encode())
        sql.execute(f"drop role {_identifier(name)}".encode())


@pytest.fixture
def emptied(sql: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    yield sql
    sql.execute("drop schema if exists foreigners cascade")


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_columns_of_others(server: str, emptied: psycopg.Connection[Any], name: str) -> None:
    emptied.execute("create extension if not exists vector")
    emptied.execute("create schema foreigners")
    key, vector, field = (
        name[:60],
        f"v{name}"[:20],
        f"f{name}"[:20].replace('"', "").replace("\\", ""),
    )  # as keys of metadata may be
    emptied.execute(
        f"create table {_identifier('foreigners', name)} ({_identifier(key)} text primary key, "
        f"{_identifier(vector)} vector(2), {_identifier(field)} text)".encode()
    )
    emptied.execute(
        f"insert into {_identifier('foreigners', name)} values ('a', '[1,2]', '%s'), ('b', '[3,4]', null)".encode()
    )
    with vstore.connect(server, schema="foreigners") as store:
        assert store.list_foreign_collections() == [name]
        mapping = RecordMapping(id=(key,), vector=vector, metric="l2")
        docs = store.get_collection(name, mapping=mapping)
        assert docs.count() == 2
        assert docs.get(["a"]).metadatas == [{field: "%s"}]
        assert docs.query([1, 2], k=1).ids == ["a"]
        assert docs.query([1, 2], k=1, exact=True).ids == ["a"]
        assert [i for page in docs.scan(batch_size=1) for i in page.records.ids] == ["a", "b"]
        only = store.get_collection(
            name, mapping=RecordMapping(id=(key,), vector=vector, only={field: "%s"}, metric="l2")
        )
        assert only.count() == 1
        with psycopg.connect(server) as connection:
            assert connection.execute(f"select count(*) from {docs.native}".encode()).fetchone() == (2,)


def test_a_longer_name_is_another_name(server: str, emptied: psycopg.Connection[Any]) -> None:
    """PostgreSQL cuts names to 63 bytes, and would find a table that was not asked for."""
    emptied.execute("create extension if not exists vector")
    emptied.execute("create schema foreigners")
    emptied.execute(f"create table foreigners.{'x' * 63} (id text primary key, v vector(2))".encode())
    with vstore.connect(server, schema="foreigners") as store:
        with pytest.raises(errors.NotFound):
            store.get_collection("x" * 64)
        with pytest.raises(errors.NotFound):
            store.get_collection("x" * 64, mapping=RecordMapping(id=("id",), vector="v", metric="l2"))
        with pytest.raises(errors.Mismatch):
            store.get_collection("x" * 63)
        assert not store.has_collection("x" * 64)
        store.create_collection("y" * 48, dimension=2)
        assert not store.has_collection("y" * 300)
