"""What goes wrong with a server: down, hung, refusing, talking nonsense, cut off midway. Sync and async alike."""

from __future__ import annotations

import asyncio
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient

import vstore
from tests.qdrant_double import Double
from tests.servers import free_port
from vstore import F, aio, errors
from vstore.capabilities import Support
from vstore.filters.tree import DocumentContains, Filter, leaves
from vstore_qdrant.compile import compile_filter
from vstore_qdrant.conditions import Condition
from vstore_qdrant.schema import _QUOTED

Connect = Callable[..., Any]


def _sync(url: str, **options: Any) -> None:
    with vstore.connect(url, **options) as store:
        store.list_collections()


def _async(url: str, **options: Any) -> None:
    async def run() -> None:
        async with aio.connect(url, **options) as store:
            await store.list_collections()

    asyncio.run(run())


both = pytest.mark.parametrize("connect", [_sync, _async])


@both
def test_a_server_that_is_down_is_unavailable(connect: Connect) -> None:
    with pytest.raises(errors.Unavailable) as raised:
        connect(f"qdrant://127.0.0.1:{free_port()}")
    assert raised.value.retryable
    assert raised.value.hint


@pytest.fixture
def silent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"qdrant://127.0.0.1:{listener.getsockname()[1]}"


@both
def test_a_server_that_never_answers_is_a_timeout(connect: Connect, silent: str) -> None:
    start = time.monotonic()
    with pytest.raises(errors.Timeout):
        connect(silent, timeout=0.5)
    assert time.monotonic() - start < 20


def test_a_server_that_falls_silent_is_a_timeout(double: Double) -> None:
    with vstore.connect(double.url, timeout=0.5) as store:
        double.hang = True
        start = time.monotonic()
        with pytest.raises(errors.Timeout):
            store.ping()
        assert time.monotonic() - start < 20
        double.hang = False


@both
def test_a_wrong_key_is_refused_and_shown_to_no_one(connect: Connect, double: Double) -> None:
    double.api_key = "right-key-123"
    for options in ({}, {"api_key": "wrong-key-456"}):
        warns = pytest.warns(UserWarning, match="insecure") if options else nullcontext()
        with warns, pytest.raises(errors.AuthenticationFailed) as raised:
            connect(double.url, **options)
        assert "wrong-key-456" not in f"{raised.value}{raised.value!r}"
    with pytest.warns(UserWarning, match="insecure"):
        connect(double.url, api_key="right-key-123")


@both
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, errors.AuthenticationFailed),
        (429, errors.Unavailable),
        (500, errors.BackendError),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
        (504, errors.Timeout),
    ],
)
def test_statuses(connect: Connect, double: Double, status: int, kind: type[errors.VStoreError]) -> None:
    double.status = status
    with pytest.raises(kind):
        connect(double.url)


@both
def test_what_is_no_qdrant_is_a_backend_error(connect: Connect, double: Double) -> None:
    double.garbage = True
    with pytest.raises(errors.BackendError):
        connect(double.url)


@both
def test_a_server_that_is_too_old_is_refused(connect: Connect, double: Double) -> None:
    double.version = "1.15.4"
    with pytest.raises(errors.Unsupported, match=r"1\.16"):
        connect(double.url)


def test_a_server_without_substrings_is_asked_the_rest(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Filter] = []

    def watched(where: Filter, partition_by: str | None, *, lean: bool) -> Condition:
        asked.append(where)
        return compile_filter(where, partition_by, lean=lean)

    monkeypatch.setattr("vstore_qdrant._sync.collection.compile_filter", watched)
    double.version = "1.19.2"
    text, even = F.document.contains("a%"), F("part") == 0
    with vstore.connect(double.url) as store:
        assert store.capabilities.document_contains.support is Support.EMULATED
        c = store.create_collection("old_server", dimension=2, metric="l2")
        names = [f"r{n:04}" for n in range(2500)]
        documents = ["a%b" if n % 5 == 0 else "ab" for n in range(2500)]
        vectors = np.array([[n, 0] for n in range(2500)], np.float32)
        c.add(names, vectors, documents, [{"part": n % 2} for n in range(2500)])
        assert c.count(text) == 500
        assert c.count(text & even) == 250
        assert c.count(~text | even) == 2250
        assert c.query(vector=[2404.0, 0.0], k=3, where=text & ~even).ids == ["r2405", "r2395", "r2415"]
        hits = c.query(vector=[0.0, 0.0], k=2, where=text, exact=True, include=("documents",))
        assert (hits.ids, hits.records.documents, hits.records.metadatas) == (["r0000", "r0005"], ["a%b"] * 2, None)
        pages = list(c.scan(where=text, batch_size=100, include=()))
        assert sorted(i for page in pages for i in page.records.ids) == names[::5]
        rest = list(c.scan(where=text, batch_size=100, after=pages[2].cursor))
        assert [page.records.ids for page in rest] == [page.records.ids for page in pages[3:]]
        c.delete(where=text & even)
        assert c.count() == 2250
        assert c.count(text) == 250
        assert asked
        assert not any(isinstance(leaf, DocumentContains) for where in asked for leaf in leaves(where))
        store.delete_collection("old_server")


def test_a_body_beyond_the_server_s_limit_says_so(double: Double) -> None:
    with vstore.connect(double.url) as store:
        c = store.create_collection("too_large", dimension=2)
        double.max_body = 1000
        with pytest.raises(errors.LimitExceeded):
            c.add(["a"], [[1.0, 2.0]], documents=["x" * 2000])
        double.reset()
        assert c.count() == 0
        store.delete_collection("too_large")


def test_batches_stay_below_the_limit_and_a_cut_names_what_was_written(double: Double) -> None:
    ids = [f"r{n:05}" for n in range(2500)]
    with vstore.connect(double.url) as store:
        c = store.create_collection("cut_off", dimension=2)
        double.writes_left = 2
        with pytest.raises(errors.PartialWrite) as raised:
            c.upsert(ids, np.ones((2500, 2), np.float32))
        double.reset()
        assert raised.value.written == ids[:2000]
        assert sorted(i for page in c.scan() for i in page.records.ids) == ids[:2000]
        c.upsert(ids, np.ones((2500, 2), np.float32))
        assert c.count() == 2500
        double.max_body = 9_000_000
        c.upsert(ids[:60], np.ones((60, 2), np.float32), documents=["é" * 250_000] * 60)
        store.delete_collection("cut_off")


def test_every_write_waits_and_keeps_its_order(double: Double) -> None:
    with vstore.connect(double.url) as store:
        c = store.create_collection("ordered", dimension=2)
        double.requests.clear()
        c.add(["a"], [[1.0, 2.0]])
        c.update(["a"], metadatas=[{"n": 1}])
        c.delete(["a"])
        c.delete(where=vstore.F("n") == 1)
        c.clear()
        writes = [path for method, path in double.requests if "wait" in path or method == "PUT"]
        assert len(writes) == 5
        assert all("wait=true" in path and "ordering=strong" in path for path in writes)
        store.delete_collection("ordered")


def test_a_collection_gets_its_index_when_it_is_opened_if_its_maker_got_no_further(double: Double) -> None:
    with vstore.connect(double.url) as store:
        double.index_status = 500
        with pytest.raises(errors.BackendError):
            store.create_collection("half_made", dimension=2)
        assert "half_made" not in double.client.indexes
        double.index_status = 403  # a key that may only read
        store.get_collection("half_made")
        double.index_status = 0
        store.create_collection("half_made", dimension=2, exist_ok=True)
        assert set(double.client.indexes["half_made"]) == {"terms"}
        double.requests.clear()
        store.get_collection("half_made")
        assert [method for method, _ in double.requests] == ["GET"]
        store.delete_collection("half_made")


@pytest.mark.parametrize("status", [400, 403, 408, 500])
def test_a_range_is_answered_where_the_server_makes_no_index_for_it(double: Double, status: int) -> None:
    with vstore.connect(double.url) as store:
        c = store.create_collection("unindexed", dimension=2)
        c.add(["a", "b"], [[1.0, 2.0], [2.0, 1.0]], metadatas=[{"n": 1}, {"n": 2}])
        double.index_status = status
        double.requests.clear()
        assert (c.count(vstore.F("n") > 1), c.count(vstore.F("n") > 0)) == (1, 2)
        assert sum(path.startswith("/collections/unindexed/index") for _, path in double.requests) == 2
        double.index_status = 503  # what another call may cure is told, and tried again
        with pytest.raises(errors.Unavailable):
            c.count(vstore.F("m") > 0)
        double.index_status = 0
        assert c.count(vstore.F("m") > 0) == 0
        assert "high.m" in double.client.indexes["unindexed"]
        store.delete_collection("unindexed")


def test_an_address_of_ipv6_is_reached() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with listener, pytest.raises(errors.Timeout):  # it listens, and says nothing
        vstore.connect(f"qdrant://[::1]:{listener.getsockname()[1]}", timeout=0.5)


@pytest.mark.parametrize("quoted", [True, False])
def test_a_name_reaches_no_other_collection(double: Double, monkeypatch: pytest.MonkeyPatch, quoted: bool) -> None:
    """qdrant_client 1.16 to 1.18 put a name into a URL as it is: ``delete_collection("docs?x")`` deleted ``docs``."""
    if quoted and not _QUOTED:
        pytest.skip("this qdrant_client does not quote names")
    monkeypatch.setattr("vstore_qdrant.schema._QUOTED", quoted)
    with vstore.connect(double.url) as store:
        store.create_collection("docs", dimension=2)
        for name in ("docs?x=1", "docs#x", "x/../docs", "../collections/docs", "%64ocs", ".", ".."):
            double.requests.clear()
            for call in (store.get_collection, store.delete_collection, store.propose_mapping):
                with pytest.raises(errors.NotFound):
                    call(name)
            assert quoted or not double.requests
        assert "docs" in store.list_collections()
        store.delete_collection("docs")


def test_the_clients_of_an_application_are_borrowed(double: Double) -> None:
    port = int(double.url.rpartition(":")[2])
    client = QdrantClient(port=port, check_compatibility=False)
    with vstore.connect(client=client) as store:
        store.create_collection("borrowed", dimension=2)
    assert client.collection_exists("borrowed")
    with pytest.raises(errors.InvalidInput):
        vstore.connect(client=client, api_key="x")

    async def run() -> list[str]:
        inner = AsyncQdrantClient(port=port, check_compatibility=False)
        with pytest.raises(errors.InvalidInput):
            vstore.connect(client=inner)
        async with aio.connect(client=inner) as store:
            names = await store.list_collections()
            await store.delete_collection("borrowed")
        assert not await inner.collection_exists("borrowed")
        await inner.close()
        local = AsyncQdrantClient(":memory:")
        async with aio.connect(client=local) as store:
            c = await store.create_collection("abc", dimension=2)
            await c.add(["a"], [[1.0, 2.0]])
            assert await c.count() == 1
        await local.close()
        return names

    assert "borrowed" in asyncio.run(run())
    client.close()


@pytest.mark.parametrize("protocol", ["rest", "grpc", "memory", "directory"])
def test_a_store_is_closed_behind_its_event_loop(double: Double, protocol: str, tmp_path: Path) -> None:
    # the client keeps no connection to 127.0.0.1 alive
    urls = {"rest": double.url.replace("127.0.0.1", "127.1"), "grpc": double.grpc_url, "memory": "qdrant::memory:"}
    url = urls.get(protocol, f"qdrant:{tmp_path}")
    before = double.connected

    async def opened() -> aio.AsyncStore:
        store = await aio.connect(url)
        assert not await store.list_collections() or protocol in ("rest", "grpc")
        if protocol == "rest":
            assert double.connected > before
        return store

    store = asyncio.run(opened())
    with pytest.raises(errors.Closed):
        asyncio.run(store.ping())
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        asyncio.run(store.close())
    deadline = time.monotonic() + 10
    while double.connected > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert double.connected == before
    vstore.connect(url).close()
