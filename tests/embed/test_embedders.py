"""Embedders that need no network, the texts that name them, and what a collection does with them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import BackendError, InvalidInput, Mismatch, Unsupported, embed
from vstore.embed.batching import batches
from vstore.embedding import Embedder, TwoSidedEmbedder
from vstore.records import VectorArray

TEXTS = [
    "下雨天出门请带雨伞",
    "猫在窗台上晒太阳",
    "Take an umbrella when it rains",
    "The cat sleeps in the sun",
]


def letters(texts: list[str]) -> list[list[int]]:
    return [[1 + text.count(letter) for letter in "abcd"] for text in texts]


def test_lexical_finds_what_shares_characters() -> None:
    made = embed.lexical()
    assert isinstance(made, Embedder)
    assert (made.name, made.dimension) == ("lexical:512?ngrams=1-3", 512)
    array = made.embed(TEXTS)
    assert (array.dtype, array.shape) == (np.float32, (4, 512))
    np.testing.assert_allclose(np.linalg.norm(array, axis=1), 1, rtol=1e-6)
    with vstore.connect("memory:") as store:
        c = store.create_collection("docs", embedder=made)
        c.add(list("abcd"), documents=TEXTS)
        assert [hits.ids for hits in c.query_many(texts=["带伞", "晒太阳的猫", "RAIN umbrellas", "cats"], k=1)] == [
            ["a"],
            ["b"],
            ["c"],
            ["d"],
        ]


def test_lexical_is_the_same_in_every_process() -> None:
    code = f"from vstore import embed; print(embed.lexical(64).embed({TEXTS!r}).tobytes().hex())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == embed.lexical(64).embed(TEXTS).tobytes().hex()


def test_lexical_refuses_a_text_without_characters() -> None:
    with pytest.raises(InvalidInput, match="the text at 1 has no characters"):
        embed.lexical(32).embed(["a", ""])


@pytest.mark.parametrize("options", [{"dimension": 8}, {"ngrams": (3, 1)}, {"ngrams": (0, 2)}, {"ngrams": 3}])
def test_lexical_checks_its_settings(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        embed.lexical(**options)


def test_a_callable_is_an_embedder() -> None:
    told: list[int] = []
    made = embed.function(letters, name="letters", dimension=4, batch_size=2, on_progress=told.append)
    assert made.embed(["a", "bb", "abc"]).tolist() == [[2, 1, 1, 1], [1, 3, 1, 1], [2, 2, 2, 1]]
    assert told == [2, 1]
    assert made.embed([]).shape == (0, 4)


@pytest.mark.parametrize("name", ["", 7])
def test_an_embedder_needs_a_name(name: Any) -> None:
    with pytest.raises(InvalidInput, match="name of an embedder"):
        embed.function(letters, name=name, dimension=4)


@pytest.mark.parametrize("dimension", [0, 2.0, True])
def test_an_embedder_needs_a_dimension(dimension: Any) -> None:
    with pytest.raises(InvalidInput, match="dimension of an embedder"):
        embed.function(letters, name="letters", dimension=dimension)


def raising(texts: list[str]) -> Any:
    raise ConnectionError("not the database's")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (raising, "raised ConnectionError"),
        (lambda texts: letters(texts)[:-1], r"shape \(1, 4\) to 2 texts"),
        (lambda texts: [row[:3] for row in letters(texts)], "3 dimensions instead of 4"),
        (lambda texts: [[float("nan")] * 4 for _ in texts], "NaN or inf"),
        (lambda texts: None, "not one list of numbers|shape"),
        (lambda texts: [["1.5"] * 4 for _ in texts], "not one list of numbers"),
        (lambda texts: np.full((len(texts), 4), 1 + 2j), "not one list of numbers"),
        (lambda texts: [[1e300] * 4 for _ in texts], "NaN or inf"),
    ],
)
@pytest.mark.parametrize("scheme", ["memory:", "chroma::memory:"])
def test_what_an_embedder_does_wrong_is_its_own_error(scheme: str, call: Any, said: str) -> None:
    class Bare:
        """Not made by vstore: the core must say so."""

        name, dimension = "bare", 4

        def embed(self, texts: Sequence[str]) -> VectorArray:
            return call(list(texts))  # type: ignore[no-any-return]

    with vstore.connect(scheme) as store:
        for made in (Bare(), embed.function(call, name="bare", dimension=4)):
            c = store.create_collection("docs", embedder=made, exist_ok=True)
            for write in (lambda c: c.add(["a", "b"], documents=["x", "y"]), lambda c: c.query_many(texts=["x", "y"])):
                with pytest.raises(BackendError, match=said) as caught:
                    write(c)
                assert caught.value.backend == "embedder"
            assert c.count() == 0


def test_nothing_is_embedded_for_a_call_that_is_refused() -> None:
    asked: list[str] = []

    def call(texts: list[str]) -> Any:
        asked.extend(texts)
        return letters(texts)

    with vstore.connect("memory:") as store:
        c = store.create_collection("docs", embedder=embed.function(call, name="letters", dimension=4))
        refused = [
            lambda: c.add(["a"], documents=["x"], metadatas=[{"n": object()}]),
            lambda: c.update(["a"], documents=["x"], metadatas=[{"n": object()}]),
            lambda: c.query(text="x", k=0),
            lambda: c.query(text="x", where={"n": {"$what": 1}}),
            lambda: c.query(text="x", include=["nothing"]),  # type: ignore[list-item]
            lambda: c.query_many(texts=["x", None]),  # type: ignore[list-item]
            lambda: c.query_many(texts="xyz"),
            lambda: c.query_many(texts=7),  # type: ignore[arg-type]
            lambda: c.query(text=7),  # type: ignore[arg-type]
        ]
        for call_refused in refused:
            with pytest.raises(InvalidInput):
                call_refused()
        assert asked == []


def test_an_update_without_the_embedder_does_not_leave_the_old_vector_behind() -> None:
    made = embed.function(letters, name="letters", dimension=4)
    with vstore.connect("memory:") as store:
        store.create_collection("docs", embedder=made).add(["a"], documents=["aaa"])
        bare = store.get_collection("docs")
        with pytest.raises(InvalidInput, match="'letters'"):
            bare.update(["a"], documents=["bbb"])
        assert bare.get(["a"]).documents == ["aaa"]
        bare.update(["a"], documents=["bbb"], vectors=[[1, 4, 1, 1]])
        bare.update(["a"], documents=[None])
        assert bare.get(["a"]).documents == [None]


def test_questions_go_to_the_other_side() -> None:
    made = embed.function(letters, name="letters", dimension=4, queries=lambda texts: letters([t[::-1] for t in texts]))
    assert isinstance(made, TwoSidedEmbedder)
    sides: list[str] = []
    both = embed.function(
        lambda texts: sides.append("document") or letters(texts),
        name="both",
        dimension=4,
        queries=lambda texts: sides.append("question") or letters(texts),
    )

    async def main() -> None:
        async with vstore.aio.connect("memory:") as store:
            c = await store.create_collection("docs", embedder=both)
            await c.upsert(["a"], documents=["x"])
            await c.query(text="x")

    with vstore.connect("memory:") as store:
        c = store.create_collection("docs", embedder=both)
        c.add(["a"], documents=["x"])
        c.update(["a"], documents=["x"])
        c.query(text="x")
        c.query_many(texts=["x"])
    asyncio.run(main())
    assert sides == ["document", "document", "question", "question", "document", "question"]


@pytest.mark.parametrize("inner", [None, "lexical:64"])
def test_what_is_no_embedder_is_told(inner: Any, tmp_path: Path) -> None:
    for make in (lambda: embed.prefixed(inner, queries="q"), lambda: embed.cached(inner, tmp_path / "x")):
        with pytest.raises(InvalidInput, match="needs"):
            make()
    with pytest.raises(InvalidInput, match="queries="):
        embed.prefixed(embed.lexical(64))


def test_prefixes_stand_before_documents_and_questions() -> None:
    seen: list[str] = []

    def call(texts: list[str]) -> Any:
        seen.extend(texts)
        return letters(texts)

    made = embed.prefixed(embed.function(call, name="e5", dimension=4), documents="passage: ", queries="query: ")
    assert made.name == "e5?document_prefix=passage%3A+&query_prefix=query%3A+"
    made.embed(["a"])
    made.queries.embed(["b"])
    asyncio.run(made.embed_async(["c"]))
    assert seen == ["passage: a", "query: b", "passage: c"]


def test_under_async_a_sync_embedder_runs_in_a_thread() -> None:
    threads: list[threading.Thread] = []

    def call(texts: list[str]) -> Any:
        threads.append(threading.current_thread())
        return letters(texts)

    async def main() -> None:
        async with vstore.aio.connect("memory:") as store:
            c = await store.create_collection("docs", embedder=embed.function(call, name="letters", dimension=4))
            await c.add(["a"], documents=["x"])

    asyncio.run(main())
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("spec", "name", "dimension"),
    [
        ("lexical", "lexical:512?ngrams=1-3", 512),
        ("lexical:64", "lexical:64?ngrams=1-3", 64),
        ("lexical:64?ngrams=2-4", "lexical:64?ngrams=2-4", 64),
        ("openai:text-embedding-3-small?dimensions=512", "openai:text-embedding-3-small?dimensions=512", 512),
        ("openai:text-embedding-v3?base_url=http://127.0.0.1:1/v1&batch_size=5", "openai:text-embedding-v3", 1024),
        ("openai:mine?dimension=7&name=other", "other", 7),
        ("lexical:64?query_prefix=q%3A+", "lexical:64?ngrams=1-3&query_prefix=q%3A+", 64),
    ],
)
def test_a_text_names_an_embedder(spec: str, name: str, dimension: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    made = embed.from_spec(spec)
    assert (made.name, made.dimension) == (name, dimension)
    if name != "other":
        assert embed.from_spec(made.name).name == name, "the name is a text that makes it again"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "names no embedder"),
        ("512", "names no embedder"),
        ("nosuch:x", "Kinds: lexical, bm25, openai"),
        ("openai:", "names no model"),
        ("openai:m", "dimension of 'm' is not known"),
        ("openai:m?api_key=geheim", "unknown option 'api_key'"),
        ("openai:m?dimensions=many", "'dimensions' must be an int"),
        ("openai:m?dimensions=1&dimensions=2", "stands twice"),
        ("openai:text-embedding-3-small?dimensions=0", "at least 1, not 0"),
        ("openai:m?dimension=8&concurrency=0", "concurrency must be"),
        ("openai:m?dimension=8&timeout=0", "timeout must be"),
        ("lexical:many", "no dimension"),
        ("lexical:64?ngrams=3", "two numbers"),
        ("lexical:64?colour=red", "ngrams"),
        ("chroma:nosuch", "no embedding function"),
        ("chroma:ollama?nonsense=1", "cannot be made"),
        ("openai:http://me:geheim@host", "a URL names no embedder"),
        ("http://me:geheim@host", "a URL names no embedder"),
        ("openai:m@http://me:geheim@host?dimension=3", "base_url="),
        ("lexical:http://me:geheim@host", "a URL names no embedder"),
        (7, "names no embedder"),
    ],
)
def test_a_text_that_names_none_is_refused(spec: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        embed.from_spec(spec)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("package", "spec"),
    [
        ("sklearn", "lexical:64"),
        ("openai", "openai:text-embedding-3-small"),
        ("sentence_transformers", "sentence-transformers:some/model"),
        ("fastembed", "fastembed:some/model"),
        ("chromadb", "chroma:default"),
    ],
)
def test_a_package_that_is_missing_is_told(package: str, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Unsupported, match=r"pip install 'vstore-db\["):
        embed.from_spec(spec)


def test_importing_embedders_loads_no_package() -> None:
    code = "import sys, vstore.embed, vstore.similarity; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sklearn", "openai", "sentence_transformers", "fastembed", "chromadb"} & set(loaded)
    code = "import sys, vstore; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if name.startswith(("vstore.embed.", "vstore.similarity", "sqlite3"))]


def test_a_chroma_function_is_an_embedder() -> None:
    from chromadb.api.types import Documents, EmbeddingFunction, Embeddings

    class Letters(EmbeddingFunction[Documents]):
        def __init__(self) -> None:
            pass

        def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - Chroma's name
            return [np.array(row, dtype=np.float32) for row in letters(input)]

        def embed_query(self, input: Documents) -> Embeddings:  # noqa: A002
            return self([text + "d" for text in input])

        @staticmethod
        def name() -> str:
            return "letters"

        def get_config(self) -> dict[str, Any]:
            return {"model_name": "abcd", "api_key_env_var": "X"}

    made = embed.chroma(Letters())  # type: ignore[arg-type]  # its parameter has a name of its own
    assert (made.name, made.dimension) == ("chroma:letters?model_name=abcd", 4)
    assert made.embed(["ab"]).tolist() == [[2, 2, 1, 1]]
    assert made.queries.embed(["ab"]).tolist() == [[2, 2, 1, 2]]


def test_another_embedder_is_a_mismatch() -> None:
    with vstore.connect("memory:") as store:
        store.create_collection("docs", embedder=embed.lexical(64))
        assert store.get_collection("docs", embedder=embed.lexical(64)).info.embedder == "lexical:64?ngrams=1-3"
        for other in (embed.lexical(64, ngrams=(2, 3)), embed.lexical(128)):
            with pytest.raises(Mismatch):
                store.get_collection("docs", embedder=other)
            with pytest.raises(Mismatch):
                store.create_collection("docs", embedder=other, exist_ok=True)


def test_batches_are_bounded_in_texts_and_bytes() -> None:
    assert list(batches([], 2)) == []
    assert list(batches(["a", "b", "c"], 2)) == [["a", "b"], ["c"]]
    assert list(batches(["aaaa", "é", "b", "cc"], 9, 3)) == [["aaaa"], ["é", "b"], ["cc"]]


@pytest.mark.parametrize("texts", ["abc", b"abc", None, 5, [None], ["a", 5], [b"a"], {"a"}.__iter__])
def test_what_is_no_list_of_texts_is_refused_by_every_embedder(texts: Any, tmp_path: Path) -> None:
    plain = embed.function(letters, name="letters", dimension=4)
    cached = embed.cached(plain, tmp_path / "cache.db")
    both = embed.prefixed(plain, documents="d: ")
    for made in (plain, cached, both, embed.lexical(64), embed.openai("m", api_key="k", dimension=4)):
        with pytest.raises(InvalidInput, match=r"list of str|must be a str"):
            made.embed(texts)
    for one in (cached, both):
        with pytest.raises(InvalidInput, match=r"list of str|must be a str"):
            asyncio.run(one.embed_async(texts))
    cached.close()


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __len__(self) -> int:
        raise RuntimeError("no length")


@pytest.mark.parametrize(
    "value", [Hostile(), -(10**5000), b"x", [1], {}, object(), 1.5, np.array([1, 2])], ids=range(8)
)
@pytest.mark.parametrize(
    "make",
    [
        lambda value, path: embed.lexical(value),
        lambda value, path: embed.lexical(64, ngrams=value),
        lambda value, path: embed.function(letters, name="a", dimension=4, batch_size=value),
        lambda value, path: embed.prefixed(embed.lexical(64), documents=value),
        lambda value, path: embed.cached(embed.lexical(64), value),
        lambda value, path: embed.cached(embed.lexical(64), path, chunk=value),
        lambda value, path: embed.from_spec(value),
        lambda value, path: embed.openai(value, api_key="k", dimension=4),
        lambda value, path: embed.openai("m", api_key="k", dimension=value),
        lambda value, path: embed.openai("m", api_key="k", dimensions=value),
        lambda value, path: embed.openai("m", api_key=value, dimension=4),
        lambda value, path: embed.openai("m", api_key_env=value, dimension=4),
        lambda value, path: embed.openai("m", api_key="k", dimension=4, name=value),
        lambda value, path: embed.openai("m", api_key="k", dimension=4, base_url=value),
    ],
)
def test_a_setting_of_an_embedder_that_is_not_legal_is_refused(make: Any, value: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        make(value, tmp_path / "cache.db")
