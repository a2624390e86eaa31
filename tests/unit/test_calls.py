"""The forms in which a collection takes its arguments: by position, by name, as columns and as records."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import Collection, F, InvalidInput, Record, Records, Search

ROWS = Records(
    ["a", "b", "c"],
    np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32),
    ["on rain", None, "on snow"],
    [{"n": 1}, {}, {"n": 3}],
)


@pytest.fixture
def docs() -> Iterator[Collection]:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2, metric="l2")
        docs.add(ROWS)
        yield docs


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (5, "Write k=5."),
        (F("n") == 1, "Write where="),
        ({"n": 1}, "Write where={'n': 1}."),
        (True, "Write exact=True."),
        (Search(ef=10), "Write search="),
        (None, "Name the others"),
    ],
)
def test_what_comes_after_the_vector_is_named(docs: Collection, second: Any, said: str) -> None:
    for call, given in ((docs.query, [1, 0]), (docs.query_many, [[1, 0]])):
        with pytest.raises(InvalidInput, match="one argument by position") as caught:
            call(given, second)  # type: ignore[operator]
        assert said in str(caught.value)
        assert str(caught.value).startswith(f"memory: {call.__name__} on 'docs': ")  # type: ignore[attr-defined]


def test_a_text_in_place_of_a_vector_gets_its_name(docs: Collection) -> None:
    with pytest.raises(InvalidInput, match="Pass text="):
        docs.query("rain")


def test_an_editor_sees_the_parameters() -> None:
    for kind in (vstore.Collection, vstore.aio.AsyncCollection):
        parameters = inspect.signature(kind.query).parameters  # type: ignore[attr-defined]
        assert list(parameters)[:3] == ["self", "vector", "text"]
        assert {"k", "where", "include", "exact", "search"} <= set(parameters)
        assert {p.kind for p in list(parameters.values())[2:]} == {inspect.Parameter.KEYWORD_ONLY}
    assert inspect.iscoroutinefunction(vstore.aio.AsyncCollection.query)


def test_records_are_scanned_one_by_one(docs: Collection) -> None:
    assert [record.id for record in docs.scan_records(batch_size=2)] == ["a", "b", "c"]
    only = list(docs.scan_records(where=F("n") > 1, include=["metadatas"]))
    assert only == [Record("c", metadata={"n": 3})]
    with pytest.raises(InvalidInput, match="scan_records on 'docs'"):
        docs.scan_records(include=["vector"])  # type: ignore[list-item]  # at once, not at the first record
    assert list(docs.scan_records()) == list(ROWS)


def test_records_are_scanned_asynchronously() -> None:
    async def main() -> list[str]:
        async with vstore.aio.connect("memory:") as store:
            docs = await store.create_collection("docs", dimension=2)
            await docs.add(list(ROWS))
            return [record.id async for record in docs.scan_records(where=F("n").exists())]

    assert asyncio.run(main()) == ["a", "c"]


@pytest.mark.parametrize(
    "form",
    [
        lambda docs: ROWS,
        lambda docs: list(ROWS),
        lambda docs: iter(ROWS),
        lambda docs: next(docs.scan()),
        lambda docs: docs.scan_records(),
    ],
)
def test_records_are_written_in_any_form(docs: Collection, form: Callable[[Collection], Any]) -> None:
    with vstore.connect("memory:") as store:
        for number, write in enumerate(("add", "upsert")):
            other = store.create_collection(f"other{number}", dimension=2)
            getattr(other, write)(form(docs))
            assert other.get(["a", "b", "c"]) == ROWS


def test_records_without_vectors_are_embedded() -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", embedder=vstore.embed.lexical(16))
        docs.add([Record("a", document="on rain"), Record("b", document="on snow")])
        assert docs.query(text="on snow", k=1).ids == ["b"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda docs: docs.add([Record("x", np.ones(2)), "y"]), r"records\[1\] is a str, not a Record"),
        (lambda docs: docs.add(["x", Record("y")]), r"ids\[1\] is a Record, not a str"),
        (lambda docs: docs.add([Record("x", np.ones(2)), Record("y")]), r"records\[1\] has no vector"),
        (lambda docs: docs.add(ROWS, [[1, 0]]), "columns of their own"),
        (lambda docs: docs.upsert(ROWS, documents=["x"]), "columns of their own"),
        (lambda docs: docs.add([Record("x")]), "vectors are missing"),
        (lambda docs: docs.update(ROWS), r"ids\[0\] is a Record, not a str"),
    ],
)
def test_records_that_are_refused(docs: Collection, call: Callable[[Collection], Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        call(docs)
    assert docs.count() == 3


def test_no_records_are_no_error(docs: Collection) -> None:
    docs.add([])
    docs.upsert(Records([]))
    docs.add(Records([], np.empty((0, 2), dtype=np.float32)))
    assert docs.count() == 3
