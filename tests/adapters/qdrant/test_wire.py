"""What is sent to a server, over REST and gRPC, sync and async; a double answers (tests/qdrant_double.py)."""

from __future__ import annotations

import asyncio
import math
import random
import time
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import vstore
from tests.qdrant_double import LATE_SECONDS, Double
from vstore import F
from vstore.conformance import corpus
from vstore.conformance.checks import matching, scanned
from vstore.conformance.generate import random_filter
from vstore.filters import to_dict


@pytest.fixture(params=["rest", "grpc"])
def url(request: pytest.FixtureRequest, double: Double) -> str:
    return double.url if request.param == "rest" else double.grpc_url


def test_generated_filters_arrive_whole(url: str) -> None:
    rng = random.Random(3)
    with vstore.connect(url) as store:
        collection, records = corpus.load(store), corpus.records(store.capabilities)
        tried = 0
        while tried < 100:
            where = random_filter(rng, store.capabilities)
            expected = matching(where, records)
            if 0 < len(expected) < len(records):
                tried += 1
                assert set(scanned(collection, where)) == expected, to_dict(where)


def test_many_values_arrive_whole(url: str) -> None:
    with vstore.connect(url) as store:
        collection = store.create_collection(corpus.unique_name(), dimension=2, metric="l2")
        collection.add(["a", "b"], [[1, 2], [3, 4]], metadatas=[{"n": 9_999}, {"n": 10_000}])
        assert collection.count(F("n").in_(list(range(10_000)))) == 1


def test_every_write_waits(url: str) -> None:
    """A write that does not wait is acknowledged before it is applied: a read at once would miss it."""
    with vstore.connect(url) as store:
        collection = store.create_collection(corpus.unique_name(), dimension=2, metric="l2")
        started = time.monotonic()
        collection.add(["a", "b", "c"], [[1, 2], [3, 4], [5, 6]])
        assert collection.count() == 3
        collection.update(["a"], documents=["new"])
        assert collection.get(["a"]).documents == ["new"]
        collection.delete(["a"])
        assert collection.count() == 2
        collection.delete(where=~F("k").exists() & ~F("j").exists())
        assert collection.count() == 0
        assert time.monotonic() - started < LATE_SECONDS * 5


def test_ranges_are_right_at_every_size(url: str) -> None:
    """The server's JSON reader takes an odd integer above 2**51 that is written as a float for its neighbour."""
    rng = random.Random(9)
    sizes = [0.0, 5e-324, 1e-300, 0.1, 1e15, 1e185, 1e186, 1e200, 1e250, 1e300, 1.7e308, math.nextafter(math.inf, 0)]
    numbers = [sign * size * (1 - rng.random() / 2) for size in sizes for sign in (1, -1)] + [1.7e308, 1.0]
    with vstore.connect(url) as store:
        collection = store.create_collection(corpus.unique_name(), dimension=2, metric="l2")
        near = sorted({n for x in numbers for n in (math.nextafter(x, -math.inf), x, math.nextafter(x, math.inf))})
        near = [x for x in near if math.isfinite(x)]
        ids = [f"r{n:03}" for n in range(len(near))]
        collection.add(ids, np.ones((len(ids), 2), np.float32), metadatas=[{"v": x} for x in near])
        for x in near:
            assert collection.count(F("v") < x) == sum(y < x for y in near), x
            assert collection.count(F("v") >= x) == sum(y >= x for y in near), x
            assert collection.count((F("v") <= x) & (F("v") >= x)) == sum(y == x for y in near), x
        found = collection.get(ids)
        assert found.metadatas == [{"v": x} for x in near]


def test_every_float32_comes_back_bit_for_bit(url: str) -> None:
    bits = np.random.default_rng(6).integers(0, 0x5F00_0000, 64, dtype=np.uint32)
    given = np.concatenate([bits, [0x15AE43FD, 0x95AE43FD, 1, 0x80000001]]).astype(np.uint32).view(np.float32)
    with vstore.connect(url) as store:
        collection = store.create_collection(corpus.unique_name(), dimension=len(given), metric="l2")
        vectors = np.minimum(np.abs(given), 1e13) * np.sign(given)
        collection.add(["a"], [vectors])
        for _ in range(2):
            back = collection.get(["a"]).vectors
            assert back is not None
            assert (back[0].view(np.uint32) == vectors.view(np.uint32)).all()
            collection.update(["a"], documents=["the vector is sent again"])


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_an_update_is_as_many_requests_as_an_upsert(double: Double, metric: str) -> None:
    """One operation a point would take the server eight times as long."""
    n, d = 2500, 8
    ids = [f"r{i:04}" for i in range(n)]
    vectors = np.random.default_rng(2).normal(size=(n, d)).astype(np.float32)
    with vstore.connect(double.url) as store:
        collection = store.create_collection(corpus.unique_name(), dimension=d, metric=metric)
        collection.add(ids, vectors, [f"text {i}" for i in ids], [{"n": i, "gone": True} for i in range(n)])

        def writes(**columns: Any) -> list[str]:
            double.requests.clear()
            collection.update(ids, **columns)
            return [path.rpartition("/")[2].partition("?")[0] for method, path in double.requests if method != "GET"]

        reads = ["points"] * 3
        for columns in (
            {"metadatas": [{"new": i, "gone": None} for i in range(n)]},
            {"documents": [f"other {i}" for i in ids]},
            {"documents": [None] * n},
            {"vectors": vectors},
        ):
            assert writes(**columns) == reads + ["points", "points"] * 3
        found = collection.get(ids)
        assert found.metadatas == [{"n": i, "new": i} for i in range(n)]
        assert found.documents == [None] * n
        assert found.vectors is not None
        np.testing.assert_allclose(found.vectors, vectors, rtol=1e-6)
        with pytest.raises(vstore.NotFound) as raised:
            collection.update([*ids, "missing"], documents=["x"] * (n + 1))
        assert raised.value.ids == ["missing"]
        assert collection.get(ids[:1]).documents == [None]


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_wrong_key_is_told_apart_and_never_shown(url: str, double: Double, key: str) -> None:
    double.api_key = "right"
    with pytest.warns(UserWarning, match="insecure"), vstore.connect(url, api_key="right") as store:
        store.ping()
    warns = pytest.warns(UserWarning, match="insecure") if key else nullcontext()
    with warns, pytest.raises(vstore.AuthenticationFailed) as caught:
        vstore.connect(url, api_key=key).list_collections()
    assert "right" not in str(caught.value)
    assert not key or key not in str(caught.value)


def test_many_tasks_share_one_native_async_client(url: str) -> None:
    async def work() -> int:
        async with vstore.aio.connect(url) as store:
            collection = await store.create_collection(corpus.unique_name(), dimension=2, metric="l2")

            async def one(number: int) -> None:
                await collection.upsert([f"r{number % 20}"], [[number, 1.0]])
                await collection.query([1.0, 1.0], k=3)

            await asyncio.gather(*(one(number) for number in range(60)))
            return await collection.count()

    assert asyncio.run(work()) == 20
