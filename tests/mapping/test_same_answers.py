"""Records in another application's layout give the same answers as in the reference."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from tests.mapping.layouts import LAYOUTS
from tests.qdrant_double import qdrant_double
from tests.serde_json import load
from tests.servers import postgres_server
from vstore import AlreadyExists, F, Metric, Records, Unsupported
from vstore.conformance.checks import assert_hits, assert_same, contents, matching, raises, rows, scanned, typed
from vstore.conformance.generate import random_filter

FILTERS = 36
NUMBERS = itertools.count()


@dataclass
class Opened:
    """A collection in another layout and the reference with the same records."""

    url: str
    store: vstore.Store
    collection: vstore.Collection
    reference: vstore.Collection
    records: Records
    read_only: bool


@pytest.fixture(scope="module")
def double() -> Iterator[str]:
    with qdrant_double() as running:
        yield running.url


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


def _new_database(server: str) -> str:
    name = f"layout_{next(NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return f"{server.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="module", params=LAYOUTS)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    layout = LAYOUTS[request.param]
    double = request.getfixturevalue("double") if "{double}" in layout.url else ""
    postgres = _new_database(request.getfixturevalue("postgres")) if "{postgres}" in layout.url else ""
    content = layout.content(360)
    if "halfvec" in request.param:
        assert content.vectors is not None
        content = replace(content, vectors=content.vectors.astype(np.float16).astype(np.float32))
    if double:  # whose JSON reader alters some floats, once from the wire and once from its storage
        read = load(json.dumps(load(json.dumps(content.metadatas))))
        content = replace(content, metadatas=read)
    url = layout.url.format(folder=tmp_path_factory.mktemp("foreign"), double=double, postgres=postgres)
    with vstore.connect(url) as store, vstore.connect("memory:") as memory:
        layout.write(store, "foreign_data", content)
        assert store.list_foreign_collections() == ["foreign_data"]
        assert store.list_collections() == []
        mapping = layout.mapping
        if isinstance(mapping, vstore.RecordMapping) and postgres:
            mapping = replace(mapping, table=("public", "foreign_data"))
        collection = store.get_collection("foreign_data", mapping=mapping)
        reference = memory.create_collection("reference", dimension=8, metric="l2")
        reference.add(content.ids, content.vectors, content.documents, content.metadatas)
        yield Opened(url, store, collection, reference, content, layout.read_only)


def test_every_record_is_there_with_its_types(opened: Opened) -> None:
    assert_same(contents(opened.collection), contents(opened.reference), Metric.L2)
    assert opened.collection.count() == len(opened.records)
    info = opened.collection.info
    assert (info.name, info.dimension, info.metric) == ("foreign_data", 8, Metric.L2)


def test_the_mapping_that_was_used_opens_it_again(opened: Opened) -> None:
    mapping = opened.collection.mapping
    assert mapping is not None
    assert None not in (mapping.id_type, mapping.metric, mapping.dimension)
    saved = vstore.RecordMapping.from_json(mapping.to_json())
    assert saved == mapping
    again = opened.store.get_collection("foreign_data", mapping=saved)
    assert again.mapping == mapping
    assert again.count() == len(opened.records)


def test_a_scan_goes_on_behind_any_page(opened: Opened) -> None:
    pages = list(opened.collection.scan(batch_size=37))
    ids = [one for page in pages for one in page.records.ids]
    assert sorted(ids) == sorted(opened.records.ids)
    assert all(0 < len(page.records) <= 37 for page in pages)
    for page in (pages[0], pages[len(pages) // 2], pages[-1]):
        rest = [one for other in opened.collection.scan(batch_size=50, after=page.cursor) for one in other.records.ids]
        assert rest == ids[ids.index(page.records.ids[-1]) + 1 :]


def test_records_are_found_by_their_ids(opened: Opened) -> None:
    some = [opened.records.ids[place] for place in (200, 3, 77, 3)]
    absent = ["nobody", "007", "-0", "1e3", "0", str(2**63), "x'] or id not in ['zz", "' or 1=1 --"]
    absent = [one for one in absent if one not in opened.records.ids]
    found = opened.collection.get([*some, *absent])
    want = opened.reference.get(some)
    assert found.ids == want.ids
    assert found.documents == want.documents
    assert list(map(typed, found.metadatas or ())) == list(map(typed, want.metadatas or ()))
    np.testing.assert_array_equal(found.vectors, want.vectors)
    few = opened.collection.get(some, include=())
    assert (few.vectors, few.documents, few.metadatas) == (None, None, None)
    assert opened.collection.get([some[0]], include=["documents"]).documents == [want.documents and want.documents[0]]
    assert len(opened.collection.peek(5)) == 5


def test_generated_filters_mean_the_same(opened: Opened) -> None:
    with vstore.connect("memory:") as memory:
        capabilities = memory.capabilities
    rng = random.Random(11)  # a fixed choice, no secret
    tried = 0
    while tried < FILTERS:
        where = random_filter(rng, capabilities)
        expected = matching(where, opened.records)
        if not 0 < len(expected) < len(opened.records):
            continue
        tried += 1
        if tried % 6:
            assert set(scanned(opened.collection, where, batch_size=300)) == expected, where
        elif tried % 12:
            assert opened.collection.count(where) == len(expected), where
        else:
            query = rows(1, 8, seed=tried)[0]
            places = [p for p, name in enumerate(opened.records.ids) if name in expected]
            keep = opened.records.take(places)
            for exact in (True, False):
                hits = opened.collection.query(query, k=20, where=where, exact=exact)
                assert_hits(hits, Metric.L2, query, keep, 20, exact=exact)


def test_queries_without_a_filter(opened: Opened) -> None:
    queries = rows(3, 8, seed=5)
    for exact in (True, False):
        found = opened.collection.query_many(queries, k=400, exact=exact, include=["vectors", "documents", "metadatas"])
        want = opened.reference.query_many(queries, k=400, include=["vectors", "documents", "metadatas"])
        for hits, right, query in zip(found, want, queries, strict=True):
            assert hits.ids == right.ids
            assert hits.records.documents == right.records.documents
            assert_hits(hits, Metric.L2, query, opened.records, 400)
        for query in queries:
            hits = opened.collection.query(query, k=7, exact=exact, include=())
            assert hits.records.vectors is None
            assert_hits(hits, Metric.L2, query, opened.records, 7, exact=exact)


def test_a_filter_that_nothing_matches(opened: Opened) -> None:
    nothing = F("nobody") == 1
    assert opened.collection.count(nothing) == 0
    assert list(opened.collection.scan(where=nothing)) == []
    hits = opened.collection.query(rows(1, 8)[0], where=nothing)
    assert len(hits) == 0
    assert hits.records.documents == []


def test_what_cannot_be_written_refuses_every_write(opened: Opened) -> None:
    """A proposal goes by names, and rows without a key of their own cannot be replaced: nothing is sent."""
    collection, first = opened.collection, opened.records.ids[0]
    vector = rows(1, 8)
    calls: list[Any] = [
        lambda: collection.add(["77777"], vector),
        lambda: collection.upsert([first], vector),
        lambda: collection.update([first], vector),
        lambda: collection.delete([first]),
        lambda: collection.delete(where=F("part") == "x"),
        collection.clear,
    ]
    for call in calls if opened.read_only else []:
        with raises(Unsupported):
            call()
    with raises(Unsupported):
        collection.rename("another")
    assert collection.count() == len(opened.records)


def test_a_record_is_written_and_read(opened: Opened) -> None:
    if opened.read_only:
        return
    collection = opened.collection
    everything = ("vectors", "documents", "metadatas")
    first = collection.get(opened.records.ids[:2], include=everything)
    with raises(AlreadyExists):
        collection.add(first)
    collection.delete(first.ids)
    assert collection.get(first.ids).ids == []
    assert collection.count() == len(opened.records) - 2
    collection.add(first)
    assert _same(collection.get(first.ids, include=everything), first)
    collection.upsert(first.ids[:1], first.vectors[1:2], ["another text"], [{"flag": True}])  # type: ignore[index]
    found = collection.get(first.ids[:1])
    assert (found.documents, found.metadatas) == (["another text"], [{"flag": True}]), "nothing of the old one stays"
    collection.update(first.ids[:1], metadatas=[{"flag": None, "part": "x"}])
    assert collection.get(first.ids[:1]).metadatas == [{"part": "x"}]
    collection.upsert(first)
    assert _same(collection.get(first.ids, include=everything), first)
    assert collection.count() == len(opened.records)


def _same(ours: Records, theirs: Records) -> bool:
    assert ours.vectors is not None
    assert theirs.vectors is not None
    texts = [(one.ids, one.documents, [typed(x) for x in one.metadatas or ()]) for one in (ours, theirs)]
    return texts[0] == texts[1] and bool((ours.vectors == theirs.vectors).all())


async def _async_answers(where: dict[str, Any], mapping: vstore.RecordMapping) -> tuple[list[str], int, list[str]]:
    async with vstore.aio.connect(**where) as store:
        collection = await store.get_collection("foreign_data", mapping=mapping)
        ids = [one async for page in collection.scan(batch_size=100) for one in page.records.ids]
        hits = await collection.query(rows(1, 8)[0], k=5, exact=True)
        return ids, await collection.count(F("part") == "x"), hits.ids


def test_async_says_the_same(opened: Opened) -> None:
    assert opened.collection.mapping is not None
    server = "://" in opened.url  # by a client that is async itself; what is in this process, in worker threads
    where: dict[str, Any] = {"url": opened.url} if server else {"client": opened.store.native}
    ids, count, near = asyncio.run(_async_answers(where, opened.collection.mapping))
    assert sorted(ids) == sorted(opened.records.ids)
    assert count == opened.reference.count(F("part") == "x")
    assert near == opened.reference.query(rows(1, 8)[0], k=5).ids
