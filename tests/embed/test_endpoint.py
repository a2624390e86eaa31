"""Embedders behind an OpenAI-compatible endpoint: every fault has its error, and nothing is written."""

from __future__ import annotations

import asyncio
import socket
import threading
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vstore
from tests.embedding_server import EmbeddingServer, Fault, vector
from tests.forked import in_child
from vstore import (
    AuthenticationFailed,
    BackendError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Timeout,
    Unavailable,
    VStoreError,
    embed,
)
from vstore.embed.endpoint import OpenAIEmbedder

KEY = "sk-geheim-123"
TEXTS = [f"text {number}" for number in range(10)]
SOON = {"retry-after-ms": "1"}

Data = list[dict[str, Any]]


def embedder(server: EmbeddingServer, **options: Any) -> OpenAIEmbedder:
    settings: dict[str, Any] = {"dimension": 8, "base_url": server.url, "api_key": KEY, "retries": 0, "timeout": 60.0}
    return embed.openai("model-x", **{**settings, **options})


def run(made: OpenAIEmbedder, texts: list[str], mode: str) -> Any:
    if mode == "sync":
        return made.embed(texts)

    async def main() -> Any:
        try:
            return await made.embed_async(texts)
        finally:
            await made.aclose()

    return asyncio.run(main())


modes = pytest.mark.parametrize("mode", ["sync", "async"])


@modes
@pytest.mark.parametrize("concurrency", [1, 3])
def test_texts_go_in_batches_and_come_back_in_order(server: EmbeddingServer, mode: str, concurrency: int) -> None:
    made = embedder(server, batch_size=4, concurrency=concurrency)
    array = run(made, TEXTS, mode)
    assert (array.dtype, array.shape) == (np.float32, (10, 8))
    np.testing.assert_array_equal(array, np.array([vector(text) for text in TEXTS], dtype=np.float32))
    assert sorted(map(len, server.inputs)) == [2, 4, 4]
    body, authorization = server.requests[0]
    assert (body["model"], body["encoding_format"], "dimensions" in body) == ("model-x", "float", False)
    assert authorization == f"Bearer {KEY}"
    assert run(made, [], mode).shape == (0, 8)
    assert len(server.requests) == 3


def test_a_batch_is_bounded_in_bytes_too(server: EmbeddingServer) -> None:
    texts = ["é" * 10, "a" * 15, "b" * 50, "c", "d"]
    run(embedder(server, max_batch_bytes=36, concurrency=1), texts, "sync")
    assert server.inputs == [texts[:2], texts[2:3], texts[3:]]


@modes
def test_at_most_so_many_requests_are_under_way(server: EmbeddingServer, mode: str) -> None:
    full = threading.Barrier(3, timeout=120)  # requests are answered only when three of them are there
    server.before_answer = lambda _: full.wait() and None
    run(embedder(server, batch_size=1, concurrency=3), TEXTS[:9], mode)
    assert not full.broken
    assert server.most_at_once == 3


@modes
def test_shorter_vectors_are_asked_for(server: EmbeddingServer, mode: str) -> None:
    made = embedder(server, dimensions=4, dimension=None)
    assert (made.dimension, made.name) == (4, "openai:model-x?dimensions=4")
    assert run(made, ["a"], mode).shape == (1, 4)
    assert server.requests[0][0]["dimensions"] == 4


@modes
def test_a_rate_limit_is_waited_out(server: EmbeddingServer, mode: str) -> None:
    server.faults.extend([Fault(429, SOON, {"error": {"message": "slow down"}}), Fault(503, SOON), Fault(500, SOON)])
    array = run(embedder(server, retries=3), ["a", "b"], mode)
    assert (array.shape, len(server.requests), dict(server.answered)) == ((2, 8), 4, {"a": 1, "b": 1})


def test_retry_after_is_honoured(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    server.faults.append(Fault(429, {"retry-after": "17"}))
    embedder(server, retries=1).embed(["a"])
    assert pauses == [17.0]


def garbage(data: Data) -> Data:
    return [{**one, "embedding": ["x"] * 8} for one in data]


ANSWERS: list[tuple[str, Callable[[Data], Data], str]] = [
    ("short", lambda data: data[:-1], "9 vectors to 10 texts"),
    ("long", lambda data: [*data, data[0]], "11 vectors to 10 texts"),
    ("doubled", lambda data: [data[0], *data[:-1]], "belong to no text"),
    ("without index", lambda data: [{"embedding": one["embedding"]} for one in data], "belong to no text"),
    ("short vectors", lambda data: [{**one, "embedding": one["embedding"][:5]} for one in data], "5 dimensions"),
    ("ragged", lambda data: [*data[:-1], {**data[-1], "embedding": [1.0]}], "not one list of numbers"),
    ("nan", lambda data: [*data[:-1], {**data[-1], "embedding": [float("nan")] * 8}], "NaN or inf to the text at 9"),
    ("no numbers", garbage, "not one list of numbers"),
    ("no vector", lambda data: [{"index": one["index"]} for one in data], "shape (10,)"),
]


@modes
@pytest.mark.parametrize(("change", "said"), [(c, s) for _, c, s in ANSWERS], ids=[name for name, _, _ in ANSWERS])
def test_a_wrong_answer_is_refused(
    server: EmbeddingServer, mode: str, change: Callable[[Data], Data], said: str
) -> None:
    server.change = change
    with pytest.raises(BackendError) as caught:
        run(embedder(server), TEXTS, mode)
    assert said in str(caught.value)
    assert caught.value.backend == "openai"


@modes
@pytest.mark.parametrize("raw", [b"<html>busy</html>", b'{"data": [', b"[]", b'{"data": 7}', b"null"])
def test_what_is_no_answer_is_refused(server: EmbeddingServer, mode: str, raw: bytes) -> None:
    server.raw = raw
    with pytest.raises(BackendError) as caught:
        run(embedder(server), TEXTS, mode)
    assert caught.value.backend == "openai"


@modes
def test_reordered_answers_are_put_in_order(server: EmbeddingServer, mode: str) -> None:
    server.change = lambda data: data[::-1]
    array = run(embedder(server), TEXTS, mode)
    np.testing.assert_array_equal(array, np.array([vector(text) for text in TEXTS], dtype=np.float32))


def refusal(status: int, code: str = "", message: str = "the reason") -> Fault:
    return Fault(status, body={"error": {"message": message, "code": code}})


FAULTS = [
    (refusal(401, message=f"wrong key {KEY}"), AuthenticationFailed, False),
    (refusal(403), AuthenticationFailed, False),
    (refusal(404), NotFound, False),
    (refusal(400), InvalidInput, False),
    (refusal(422), InvalidInput, False),
    (refusal(400, "context_length_exceeded"), LimitExceeded, False),
    (refusal(413), LimitExceeded, False),
    (refusal(429), Unavailable, True),
    (refusal(429, "insufficient_quota"), Unavailable, False),
    (refusal(408), Unavailable, True),
    (refusal(500), Unavailable, True),
    (refusal(503), Unavailable, True),
    (refusal(418), BackendError, False),
    (Fault(502, body="<html>"), Unavailable, True),
]


@modes
@pytest.mark.parametrize(("fault", "kind", "retryable"), FAULTS)
def test_each_refusal_has_its_error(
    server: EmbeddingServer, mode: str, fault: Fault, kind: type[VStoreError], retryable: bool
) -> None:
    server.faults.append(fault)
    with pytest.raises(VStoreError) as caught:
        run(embedder(server), TEXTS, mode)
    error = caught.value
    assert (type(error), error.retryable, error.backend) == (kind, retryable, "openai")
    assert KEY not in str(error) + repr(error) + str(error.args)
    assert error.__cause__ is not None
    assert "the reason" in str(error) or fault.status in (401, 502)


@pytest.mark.parametrize("before", [0, 290])
def test_a_key_that_the_server_repeats_is_in_no_traceback(server: EmbeddingServer, before: int) -> None:
    server.faults.append(refusal(401, message=f"{'-' * before}{KEY} is wrong"))
    with pytest.raises(AuthenticationFailed) as caught:
        embedder(server).embed(["a"])
    shown = "".join(traceback.format_exception(caught.value))
    assert "***" in shown
    assert KEY[:6] not in shown


@modes
def test_no_answer_is_a_timeout(server: EmbeddingServer, mode: str) -> None:
    server.hold.clear()
    with pytest.raises(Timeout) as caught:
        run(embedder(server, timeout=0.3), TEXTS, mode)
    assert caught.value.retryable
    assert "0.3 s" in str(caught.value)


@modes
def test_nothing_that_listens_is_unavailable(mode: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        made = embed.openai(
            "m", dimension=8, base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1", api_key=KEY, retries=0
        )
        with pytest.raises(Unavailable):
            run(made, ["a"], mode)


WRITES: list[Callable[[vstore.Collection], object]] = [
    lambda c: c.add([f"id{n}" for n in range(10)], documents=TEXTS),
    lambda c: c.upsert(["kept", *(f"id{n}" for n in range(9))], documents=TEXTS),
    lambda c: c.update(["kept"], documents=TEXTS[:1]),
]


@pytest.mark.parametrize("write", WRITES, ids=["add", "upsert", "update"])
@pytest.mark.parametrize("scheme", ["memory:", "chroma::memory:"])
def test_a_fault_in_the_last_batch_leaves_the_collection_as_it_was(
    server: EmbeddingServer, scheme: str, write: Callable[[vstore.Collection], object]
) -> None:
    made = embedder(server, batch_size=4, concurrency=1)
    with vstore.connect(scheme) as store:
        c = store.create_collection("docs", embedder=made)
        c.add(["kept"], documents=["as it was"])
        before = c.get(["kept"]).vectors
        texts_before = len(server.requests)
        server.change = lambda data: data[:-1] if len(data) < 4 else data  # the last batch is short
        with pytest.raises(BackendError) as caught:
            write(c)
        assert len(server.requests) > texts_before
        assert (caught.value.backend, caught.value.collection) == ("openai", "docs")
        after = c.get(["kept"])
        assert (c.count(), after.documents) == (1, ["as it was"])
        np.testing.assert_array_equal(after.vectors, before)


def test_one_bad_text_in_a_batch_writes_nothing(server: EmbeddingServer) -> None:
    with vstore.connect("memory:") as store:
        c = store.create_collection("docs", embedder=embedder(server, batch_size=2, concurrency=2))
        with pytest.raises(InvalidInput, match=r"input\[1\] is not allowed"):
            c.add(["a", "b", "c", "d"], documents=["one", "two", "three", "BAD"])
        assert c.count() == 0


def test_an_async_store_awaits_it(server: EmbeddingServer) -> None:
    made = embedder(server)

    def in_a_thread(texts: object) -> None:
        pytest.fail("embed was called")

    made.embed = in_a_thread  # type: ignore[assignment,method-assign]

    async def main() -> list[str]:
        async with vstore.aio.connect("memory:") as store:
            c = await store.create_collection("docs", embedder=made)
            await c.add(["a", "b"], documents=["one", "two"])
            found = (await c.query(text="two", k=1)).ids
        await made.aclose()
        return found

    assert asyncio.run(main()) == ["b"]
    assert asyncio.run(main()) == ["b"], "another event loop has connections of its own"


def test_giving_up_ends_the_requests(server: EmbeddingServer) -> None:
    server.hold.clear()
    two_there = threading.Barrier(3, timeout=120)
    server.on_request = lambda: two_there.wait() and None
    made = embedder(server, batch_size=1, concurrency=2)

    async def main() -> int:
        task = asyncio.create_task(made.embed_async(TEXTS))
        await asyncio.to_thread(two_there.wait, 120)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        others = len(asyncio.all_tasks()) - 1
        await made.aclose()
        return others

    assert asyncio.run(main()) == 0
    assert len(server.requests) == 2


def test_a_request_that_fails_ends_the_others(server: EmbeddingServer) -> None:
    server.hold.clear()
    server.faults.append(Fault(400))
    made = embedder(server, batch_size=1, concurrency=2)

    async def main() -> int:
        with pytest.raises(InvalidInput):
            await made.embed_async(TEXTS)
        others = len(asyncio.all_tasks()) - 1
        await made.aclose()
        return others

    assert asyncio.run(main()) == 0
    assert len(server.requests) < len(TEXTS)


def test_progress_is_told(server: EmbeddingServer) -> None:
    told: list[int] = []
    embedder(server, batch_size=4, concurrency=1, on_progress=told.append).embed(TEXTS)
    assert told == [4, 4, 2]


def test_the_key_comes_from_the_environment(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(AuthenticationFailed, match="OPENAI_API_KEY"):
        embed.openai("text-embedding-3-small")
    with pytest.raises(AuthenticationFailed, match="MY_KEY"):
        embed.openai("text-embedding-3-small", api_key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", "other")
    embed.openai("m", dimension=8, base_url=server.url, api_key_env="MY_KEY").embed(["a"])
    assert server.requests[0][1] == "Bearer other"


def test_no_repr_shows_the_key(server: EmbeddingServer) -> None:
    assert KEY not in repr(embedder(server))


@pytest.mark.parametrize(
    ("model", "options", "dimension", "name"),
    [
        ("text-embedding-3-small", {}, 1536, "openai:text-embedding-3-small"),
        ("text-embedding-3-large", {"dimensions": 256}, 256, "openai:text-embedding-3-large?dimensions=256"),
        ("text-embedding-v3", {"base_url": "http://127.0.0.1:1/v1"}, 1024, "openai:text-embedding-v3"),
        ("mine", {"dimension": 3, "name": "called so"}, 3, "called so"),
    ],
)
def test_names_and_dimensions(model: str, options: dict[str, Any], dimension: int, name: str) -> None:
    made = embed.openai(model, api_key=KEY, **options)
    assert (made.dimension, made.name) == (dimension, name)


def test_a_model_of_dashscope_takes_ten_texts_a_request(server: EmbeddingServer) -> None:
    made = embed.openai("text-embedding-v3", dimensions=8, base_url=server.url, api_key=KEY, concurrency=1)
    made.embed(["a"] * 25)
    assert [len(texts) for texts in server.inputs] == [10, 10, 5]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dimension": 0.5},
        {"dimension": 8, "batch_size": 0},
        {"dimension": 8, "concurrency": True},
        {"dimensions": 0},
        {"dimensions": 8, "dimension": 16},
        {"dimension": 8, "timeout": 0},
        {"dimension": 8, "timeout": float("nan")},
        {"dimension": 8, "retries": -1},
        {"dimension": 8, "retries": None},
    ],
)
def test_settings_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        embed.openai("unheard-of", api_key=KEY, **options)


BAD_URLS = [
    "http://[::1",
    "http://h:port",
    "h:80",
    "",
    "ftp://h",
    "http://",
    "http://u:geheim@h:99999",
    "http://h\n",
    5,
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_endpoint_that_is_no_url_is_refused(url: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        embed.openai("m", dimension=2, base_url=url, api_key="k")
    assert "geheim" not in str(caught.value) + repr(caught.value.__context__)


@pytest.mark.parametrize("key", ["k\n", "schlüssel", 5])
def test_a_key_that_no_header_takes_is_refused(key: Any) -> None:
    with pytest.raises(InvalidInput, match="a key is") as caught:
        embed.openai("m", dimension=2, base_url="http://h", api_key=key)
    assert str(key) not in str(caught.value)


def test_an_endpoint_of_the_environment_that_is_no_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://[::1")
    with pytest.raises(InvalidInput, match="OPENAI_BASE_URL"):
        embed.openai("m", dimension=2, api_key="k")


def test_a_forked_child_has_connections_of_its_own(server: EmbeddingServer) -> None:
    made = embed.openai("m", dimension=8, base_url=server.url, api_key="k")
    first = made.embed(["a"])
    ours = made._clients.get()
    assert in_child(lambda: (made.embed(["a"]).tolist(), made._clients.get() is ours)) == (first.tolist(), False)
    assert made._clients.get() is ours
    assert made.embed(["a"]).tolist() == first.tolist()
