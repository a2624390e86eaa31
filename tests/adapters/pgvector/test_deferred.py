"""An index that is put off during a load and built behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from vstore import HNSW, Flat, IVFFlat, Store
from vstore.conformance.fixtures import clause
from vstore.transfer import CollectionSource, CollectionTarget, Status, copy

VECTORS = np.random.default_rng(3).standard_normal((300, 8), dtype=np.float32)
IDS = [f"r{n}" for n in range(300)]


def indexes(sql: psycopg.Connection[Any], collection: vstore.Collection) -> list[str]:
    """The kinds of index on the vectors."""
    found = sql.execute(
        "select a.amname from pg_index x join pg_class i on i.oid = x.indexrelid join pg_am a on a.oid = i.relam "
        "where x.indrelid = %s::regclass and a.amname in ('hnsw', 'ivfflat')",
        (collection.native,),
    )
    return [name for (name,) in found]


@pytest.mark.parametrize(("index", "kinds"), [(HNSW(m=5), ["hnsw"]), (IVFFlat(lists=3), ["ivfflat"]), (Flat(), [])])
def test_an_index_can_be_put_off_and_built(
    store: Store, sql: psycopg.Connection[Any], index: Any, kinds: list[str]
) -> None:
    made = store.create_collection("docs", dimension=8, metric="l2", index=index)
    assert indexes(sql, made) == kinds
    made.defer_index()
    made.defer_index()
    assert indexes(sql, made) == []
    made.upsert(IDS, VECTORS)
    again = store.get_collection("docs")
    assert again.info.index == index
    assert again.query(VECTORS[7], k=3).ids == again.query(VECTORS[7], k=3, exact=True).ids  # it compares with all
    again.build_index()
    again.build_index()
    assert indexes(sql, made) == kinds
    assert made.query(VECTORS[7], k=1).ids == ["r7"]


def test_building_takes_as_long_as_it_takes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with vstore.connect(url, timeout=1) as store:
        made = store.create_collection("docs", dimension=8, metric="l2", index=HNSW())
        made.defer_index()
        monkeypatch.setattr("vstore_pgvector._sync.collection.create_indexes", lambda *_: ["select pg_sleep(3)"])
        made.build_index()
        with pytest.raises(psycopg.errors.QueryCanceled):  # the timeout is back
            made._adapter._session.write(lambda c: c.execute("select pg_sleep(3)"))  # type: ignore[attr-defined]


def test_settings_of_a_build_hold_for_the_build_alone(
    url: str, sql: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, workers = "current_setting('maintenance_work_mem')", "current_setting('max_parallel_maintenance_workers')"
    seen = f"select {memory} as memory, {workers} as workers"
    monkeypatch.setattr(
        "vstore_pgvector._sync.collection.create_indexes",
        lambda *_: [f"create table {name} as {seen}" for name in made],
    )
    before = sql.execute(seen).fetchone()
    made = ["public.seen_at_build"]
    with vstore.connect(url, build_memory="77MB", build_workers=1, pool_size=1) as store:
        docs = store.create_collection("docs", dimension=8, metric="l2", index=HNSW())
        docs.defer_index()
        docs.build_index()
        assert docs._adapter._session.read(lambda c: c.execute(seen).fetchone()) == before  # type: ignore[attr-defined]
    assert sql.execute("table public.seen_at_build").fetchone() == ("77MB", "1")
    made[0] = "public.seen_when_lent"
    with sql.transaction(), vstore.connect(client=sql, build_workers=0, schema="lent") as store:
        docs = store.create_collection("docs", dimension=8, metric="l2", index=HNSW())
        docs.defer_index()
        docs.build_index()
        assert before is not None
        assert sql.execute("table public.seen_when_lent").fetchone() == (before[0], "0")
        assert sql.execute(seen).fetchone() == before


async def _deferred(url: str, **settings: Any) -> None:
    async with vstore.aio.connect(url, **settings) as store:
        made = await store.create_collection("docs", dimension=8, metric="l2", index=HNSW())
        await made.defer_index()
        await made.upsert(IDS, VECTORS)
        await made.build_index()


@pytest.mark.parametrize("retries", [0, 2])
def test_async_and_through_the_layer_of_retries(url: str, sql: psycopg.Connection[Any], retries: int) -> None:
    import asyncio

    asyncio.run(_deferred(url, retries=retries))
    with vstore.connect(url, retries=retries) as store:
        made = store.get_collection("docs")
        assert indexes(sql, made) == ["hnsw"]
        made.defer_index()
        assert indexes(sql, made) == []


@clause("MIG-13")
def test_a_copy_builds_the_index_after_the_load(
    store: Store, sql: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    upsert = vstore.Collection.upsert

    def looking(self: vstore.Collection, *columns: Any) -> None:
        seen.append(indexes(sql, self))
        upsert(self, *columns)

    memory = vstore.connect("memory:")
    made = memory.create_collection("docs", dimension=8, metric="l2", index=HNSW(m=5))
    made.add(IDS, VECTORS)
    monkeypatch.setattr(vstore.Collection, "upsert", looking)
    report = copy(CollectionSource(memory, made), CollectionTarget(store, "docs"), chunk_rows=100)
    assert report.status is Status.VERIFIED
    assert seen == [[], [], []]
    there = store.get_collection("docs")
    assert indexes(sql, there) == ["hnsw"]
    # a collection that others query keeps its index
    seen.clear()
    copy(CollectionSource(memory, made), CollectionTarget(store, "docs"), if_exists="merge")
    assert seen == [["hnsw"]]


@clause("MIG-13")
def test_where_a_database_indexes_in_its_own_way_nothing_changes() -> None:
    with vstore.connect("memory:") as store:
        made = store.create_collection("docs", dimension=8)
        made.defer_index()
        made.upsert(IDS, VECTORS)
        made.build_index()
        assert made.count() == 300
