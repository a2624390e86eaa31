"""A handle whose collection another store has replaced under its name is ``NotFound``, and touches not the other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, models

import vstore
from tests.qdrant_double import Double
from vstore import F, aio
from vstore.errors import NotFound
from vstore_qdrant.codec import point_id

NUMBERS = itertools.count()
Two = tuple[vstore.Store, vstore.Store]


@pytest.fixture(params=["rest", "grpc", "local", "path"])
def two(request: pytest.FixtureRequest, double: Double, tmp_path: Path) -> Iterator[Two]:
    """Two stores on one database."""
    if request.param in ("rest", "grpc"):
        url = double.url if request.param == "rest" else double.grpc_url
        with vstore.connect(url) as one, vstore.connect(url) as two:
            yield one, two
        return
    place: dict[str, Any] = {"location": ":memory:"} if request.param == "local" else {"path": str(tmp_path)}
    with (
        closing(QdrantClient(**place)) as client,
        vstore.connect(client=client) as one,
        vstore.connect(client=client) as two,
    ):
        yield one, two


def calls(c: vstore.Collection) -> dict[str, Callable[[], object]]:
    vector = np.ones((1, c.info.dimension), np.float32)
    return {
        "add": lambda: c.add(["new"], vector),
        "upsert": lambda: c.upsert(["b"], vector),
        "update": lambda: c.update(["b"], documents=["changed"]),
        "update vectors": lambda: c.update(["b"], vector),
        "get": lambda: c.get(["b"]),
        "get nothing": lambda: c.get(["missing"]),
        "query": lambda: c.query(vector[0], k=1),
        "exact query": lambda: c.query(vector[0], k=1, exact=True),
        "query where": lambda: c.query(vector[0], k=1, where=F("n") > 0),
        "scan": lambda: list(c.scan()),
        "scan where": lambda: list(c.scan(where=F("n") == 5)),
        "delete": lambda: c.delete(["b"]),
        "delete where": lambda: c.delete(where=F("n") > 0),
        "clear": c.clear,
        "count": c.count,
        "count where": lambda: c.count(F("n") > 0),
        "peek": c.peek,
    }


@pytest.mark.parametrize("dimension", [2, 3])
def test_no_call_of_a_stale_handle_reaches_the_next_collection(two: Two, dimension: int) -> None:
    one, other = two
    name = f"replaced_{next(NUMBERS)}"
    old = one.create_collection(name, dimension=2, metric="l2")
    old.add(["a"], [[1.0, 2.0]], metadatas=[{"n": 1}])
    assert old.count(F("n") > 0) == 1
    other.delete_collection(name)
    new = other.create_collection(name, dimension=dimension, metric="dot")
    new.add(["b"], np.full((1, dimension), 2, np.float32), ["text"], [{"n": 2}])
    for what, call in calls(old).items():
        print(what)  # noqa: T201  # shown where it fails
        with pytest.raises(NotFound):
            call()
    found = new.get(["a", "b", "new"])
    assert (found.ids, found.documents, found.metadatas) == (["b"], ["text"], [{"n": 2}])
    assert one.get_collection(name).count() == 1


def test_a_scan_ends_where_its_collection_is_replaced(two: Two) -> None:
    one, other = two
    name = f"scanned_{next(NUMBERS)}"
    old = one.create_collection(name, dimension=2)
    old.add(["a", "b", "c"], np.ones((3, 2), np.float32))
    pages = old.scan(batch_size=1)
    next(pages)
    other.delete_collection(name)
    other.create_collection(name, dimension=2).add(["d"], np.ones((1, 2), np.float32))
    with pytest.raises(NotFound):
        list(pages)


def test_async_handles_are_checked_too(double: Double) -> None:
    async def run(url: str) -> None:
        async with aio.connect(url) as one, aio.connect(url) as other:
            old = await one.create_collection("replaced", dimension=2)
            await other.delete_collection("replaced")
            new = await other.create_collection("replaced", dimension=2)
            await new.add(["b"], [[1.0, 2.0]])
            vector = np.ones((1, 2), np.float32)
            for call in (
                old.count(),
                old.get(["b"]),
                old.query([1.0, 2.0]),
                old.upsert(["b"], vector),
                old.add(["c"], vector),
                old.update(["b"], documents=["x"]),
                old.delete(["b"]),
                old.clear(),
            ):
                with pytest.raises(NotFound):
                    await call
            assert (await new.get(["b", "c"])).documents == [None]
            await other.delete_collection("replaced")

    async def local() -> None:
        client = AsyncQdrantClient(":memory:")
        async with aio.connect(client=client) as one, aio.connect(client=client) as other:
            old = await one.create_collection("replaced", dimension=2)
            await other.delete_collection("replaced")
            await other.create_collection("replaced", dimension=2)
            with pytest.raises(NotFound):
                await old.clear()
        await client.close()

    for url in (double.url, double.grpc_url):
        asyncio.run(run(url))
    asyncio.run(local())


def test_an_alias_that_is_switched_is_another_collection(double: Double) -> None:
    def switch(name: str) -> None:
        made = models.CreateAlias(collection_name=name, alias_name="current")
        double.client.update_collection_aliases([models.CreateAliasOperation(create_alias=made)])

    with vstore.connect(double.url) as store:
        for name in ("first", "second"):
            store.create_collection(name, dimension=2)
        switch("first")
        handle = store.get_collection("current")
        handle.add(["a"], [[1.0, 2.0]])
        switch("second")
        for call in (handle.clear, handle.count, lambda: handle.upsert(["a"], [[1.0, 2.0]])):
            with pytest.raises(NotFound):
                call()
        assert [store.get_collection(name).count() for name in ("first", "second")] == [1, 0]
        for name in ("first", "second"):
            store.delete_collection(name)


def test_a_collection_without_a_stamp_is_told_from_one_that_has_it(double: Double) -> None:
    """Those that earlier versions made."""
    with vstore.connect(double.url) as store:
        store.create_collection("unstamped", dimension=2)
        kept = double.client.get_collection("unstamped").config.metadata or {}
        double.client.delete_collection("unstamped")
        vectors = models.VectorParams(size=2, distance=models.Distance.COSINE)
        double.client.create_collection("unstamped", vectors, metadata={"vstore": kept["vstore"]})
        old = store.get_collection("unstamped")
        old.add(["a"], [[1.0, 2.0]])
        assert old.count() == 1
        store.delete_collection("unstamped")
        store.create_collection("unstamped", dimension=2)
        with pytest.raises(NotFound):
            old.count()
        store.delete_collection("unstamped")


@pytest.mark.parametrize("stamp", [None, "of another collection"])
def test_a_point_that_proves_nothing_has_its_collection_looked_at(double: Double, stamp: str | None) -> None:
    """Points of earlier versions and of other clients have no stamp; a write that came too late has an old one."""
    payload = {"id": "b", "metadata": {}, "terms": []} | ({} if stamp is None else {"creation": stamp})
    point = models.PointStruct(id=point_id("b"), vector=[1.0, 2.0], payload=payload)
    with vstore.connect(double.url) as store, vstore.connect(double.url) as other:
        c = store.create_collection("unproven", dimension=2, metric="l2")
        c.add(["a"], [[1.0, 2.0]])
        double.client.upsert("unproven", [point])
        double.requests.clear()
        assert c.query([1.0, 2.0], k=2).ids == ["a", "b"]
        assert len(double.requests) == 2
        other.delete_collection("unproven")
        other.create_collection("unproven", dimension=2, metric="l2")
        double.client.upsert("unproven", [point])
        for call in (lambda: c.query([1.0, 2.0]), lambda: c.get(["b"]), lambda: list(c.scan())):
            with pytest.raises(NotFound):
                call()
        other.delete_collection("unproven")


def test_what_identity_costs(double: Double) -> None:
    """A write comes with a request that reads what a collection is, a read only where no point proves it."""
    with vstore.connect(double.url) as store:
        c = store.create_collection("costs", dimension=2)

        def asked(call: Callable[[], object]) -> list[str]:
            double.requests.clear()
            call()
            return [
                f"{method} {path.partition('?')[0].removeprefix('/collections/costs')}"
                for method, path in double.requests
            ]

        vector = [[1.0, 2.0]]
        assert asked(lambda: c.upsert(["a"], vector)) == ["GET ", "PUT /points"]
        assert asked(lambda: c.query(vector[0], k=1)) == ["POST /points/query"]
        assert asked(lambda: c.query(vector[0], k=1, exact=True, where=F("t") == "x")) == [
            *["POST /points/query", "GET "],
        ]
        assert asked(lambda: c.get(["a", "b"])) == ["POST /points"]
        assert asked(lambda: c.get(["b"])) == ["POST /points", "GET "]
        assert asked(lambda: list(c.scan())) == ["POST /points/scroll", "POST /points/scroll", "GET "]
        assert asked(c.count) == ["POST /points/count", "GET "]
        assert asked(lambda: c.delete(["a"])) == ["GET ", "POST /points/delete"]
        store.delete_collection("costs")
