"""What is sent to a server, over REST and gRPC, sync and async; a double answers (tests/qdrant_double.py)."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import nullcontext

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
