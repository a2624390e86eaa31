"""A filter on another application's table: PostgreSQL rules rows out, and never one that matches."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import vstore
from tests.mapping.hostile import ARRANGEMENTS, arrange, filters
from tests.mapping.narrowing import check, few_are_read
from tests.servers import postgres_server
from vstore import F, Metric, RecordMapping
from vstore.mapping import Outside
from vstore_pgvector._sync.foreign import PGForeignCollection


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="module", params=[Outside.DROP, Outside.TEXT])
def outside(request: pytest.FixtureRequest) -> Outside:
    found: Outside = request.param
    return found


@pytest.fixture(scope="module", params=ARRANGEMENTS)
def opened(
    request: pytest.FixtureRequest, outside: Outside, postgres: str
) -> Iterator[tuple[vstore.Collection, list[str]]]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        mapping, keys = arrange(request.param, outside, connection)
    with vstore.connect(f"{postgres}?schema=public") as store:
        yield store.get_collection("hostile", mapping=mapping), list(keys)


def test_what_matches_is_never_ruled_out(opened: tuple[vstore.Collection, list[str]]) -> None:
    collection, keys = opened
    check(collection, filters(random.Random(3), 70, keys))  # a fixed choice, no secret


FEW = [F("word") < "w0x", F("word").starts_with("w49"), F("words").has("w7"), F("nobody").exists()]


@pytest.mark.parametrize("kind", ["jsonb", "json", "columns"])
def test_few_rows_are_read_of_a_table(postgres: str, kind: str, read: list[int]) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        execute: Any = connection.execute
        execute("create extension if not exists vector with schema public")
        execute("drop table if exists public.many")
        columns = "n int, word varchar, words text[], flag bool" if kind == "columns" else f"m {kind}"
        execute(f"create table public.many (id text primary key, embedding public.vector(2), {columns})")
        made = (
            "n, 'w' || n, array['w' || n], true"
            if kind == "columns"
            else "json_build_object('n', n, 'word', 'w' || n, 'words', array['w' || n], 'flag', true)"
        )
        execute(f"insert into public.many select n::text, '[1,0]', {made} from generate_series(0, 499) as s(n)")
    named = {"fields": ("n", "word", "words", "flag"), "metadata": None} if kind == "columns" else {"metadata": ("m",)}
    given: dict[str, Any] = {"id": ("id",), "metric": Metric.L2, **named}
    with vstore.connect(f"{postgres}?schema=public") as store:
        few_are_read(store.get_collection("many", mapping=RecordMapping(**given)), read, FEW)


def test_a_count_is_one_request(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page would evaluate the condition again on the rows behind it."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        execute: Any = connection.execute
        execute("create extension if not exists vector with schema public")
        execute("drop table if exists public.counted")
        execute("create table public.counted (id int primary key, embedding public.vector(2), m jsonb)")
        execute("insert into public.counted select n, '[1,0]', '{\"n\":7}' from generate_series(1, 2500) as s(n)")
    requests: list[str] = []
    original = PGForeignCollection._rows

    def counting(self: PGForeignCollection, statement: str, params: Any) -> Any:
        requests.append(statement)
        return original(self, statement, params)

    with vstore.connect(f"{postgres}?schema=public") as store:
        mapping = RecordMapping(id=("id",), metadata=("m",), metric=Metric.L2)
        collection = store.get_collection("counted", mapping=mapping)
        monkeypatch.setattr(PGForeignCollection, "_rows", counting)
        assert collection.count(F("n") == 7) == 2500
        assert len(requests) == 1
        pages = [page.records.ids for page in collection.scan(where=F("n") == 7, batch_size=999, include=())]
    assert [len(page) for page in pages] == [999, 999, 502]


@pytest.mark.nightly
def test_what_matches_is_never_ruled_out_by_many_filters(opened: tuple[vstore.Collection, list[str]]) -> None:
    collection, keys = opened
    check(collection, filters(random.Random(4), 500, keys))  # a fixed choice, no secret
