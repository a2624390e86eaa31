"""Haystack's filters mean on every database what ``document_matches_filter`` says, or are a ``FilterError``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from haystack import Document
from haystack.errors import FilterError

import vstore
from tests.integrations.databases import OnDatabase, on_each
from tests.integrations.haystack import generated
from vstore.conformance.fixtures import unique_name
from vstore.integrations.haystack import VStoreDocumentStore

DOCUMENTS = 60
FILTERS = 120


def comparison(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


class Suite(OnDatabase):
    @pytest.fixture
    def store(self, database: str) -> Iterator[VStoreDocumentStore]:
        store = VStoreDocumentStore(database, unique_name(), embedding_dimension=4)
        yield store
        store.close()

    def test_generated_filters_find_what_haystack_finds(self, store: VStoreDocumentStore) -> None:
        documents = generated.documents(Random(3), DOCUMENTS)
        assert store.write_documents(documents) == DOCUMENTS
        some = 0
        for seed in range(FILTERS):
            filters = generated.filters(Random(seed))
            wanted = {document.id for document in documents if generated.matches(filters, document)}
            assert {document.id for document in store.filter_documents(filters)} == wanted, f"seed {seed}: {filters}"
            some += 0 < len(wanted) < DOCUMENTS
            if seed % 10 == 0:
                assert store.count_documents_by_filter(filters) == len(wanted)
                embedded = {document.id for document in documents if document.embedding is not None}
                nearest = store.embedding_retrieval([1.0, 0.5, -1.0, 0.0], filters=filters, top_k=DOCUMENTS)
                assert {document.id for document in nearest} == wanted & embedded
        assert some > FILTERS / 4


globals().update(on_each(Suite))

MALFORMED: list[Any] = [
    {"conditions": []},
    {"operator": "AND"},
    {"operator": "XOR", "conditions": []},
    {"operator": "AND", "conditions": {"field": "meta.a"}},
    {"operator": "AND", "conditions": ["meta.a"]},
    {"operator": "OR", "conditions": [{"field": "meta.a", "operator": "=="}]},
    {"field": "meta.a", "value": 1},
    {"field": 1, "operator": "==", "value": 1},
    comparison("meta.a", "$eq", 1),
    comparison("meta.a", "in", 1),
    comparison("meta.a", "not in", (1, 2)),
    comparison("meta.a", ">", [1]),
    comparison("meta.a", ">", "text"),
    comparison("meta.a", "<=", "2024"),
    comparison("meta.a", ">", {"a": 1}),
    comparison("meta.a", ">", float("inf")),
    comparison("meta.a", "==", {1, 2}),
    comparison("embedding", "==", [1.0]),
    comparison("blob", ">", 1),
    comparison("meta", "==", {"a": 1}),
]


@pytest.mark.parametrize("filters", MALFORMED)
def test_what_has_no_meaning_is_a_filter_error_before_anything_is_opened(filters: Any) -> None:
    store = VStoreDocumentStore("qdrant://127.0.0.1:9")  # where nothing listens
    nested = {"operator": "NOT", "conditions": [{"operator": "OR", "conditions": [filters]}]}
    for asked in (filters, nested):
        for call in (
            lambda asked=asked: store.filter_documents(asked),
            lambda asked=asked: store.count_documents_by_filter(asked),
            lambda asked=asked: store.delete_by_filter(asked),
            lambda asked=asked: store.update_by_filter(asked, {}),
            lambda asked=asked: store.embedding_retrieval([1.0], filters=asked),
            lambda asked=asked: asyncio.run(store.filter_documents_async(asked)),
        ):
            with pytest.raises(FilterError):
                call()
    if "value" in filters and "operator" in filters and isinstance(filters["field"], str):
        with pytest.raises(FilterError, match=filters["operator"].replace("$", r"\$")):
            store.filter_documents(filters)


def test_an_empty_filter_changes_nothing() -> None:
    store = VStoreDocumentStore("memory:", embedding_dimension=1)
    store.write_documents([Document(content="a")])
    for call in (lambda: store.delete_by_filter({}), lambda: store.update_by_filter({}, {"a": 1})):
        with pytest.raises(FilterError):
            call()
    assert store.count_documents() == 1
    assert len(store.filter_documents({"operator": "AND", "conditions": []})) == 1
    assert store.filter_documents({"operator": "OR", "conditions": []}) == []


def test_records_of_other_programs_answer_what_they_can() -> None:
    with vstore.connect("memory:") as database:
        docs = database.create_collection("docs", dimension=2)
        metadatas = [{"year": 2020, "day": "2024-01-01"}, {"tags": ["x"]}]
        docs.upsert(["a", "b"], [[1.0, 0.0], [0.0, 1.0]], ["a text", None], metadatas)
        store = VStoreDocumentStore(docs)
        (found,) = store.filter_documents(comparison("meta.year", ">=", 2020))
        assert found == Document(id="a", content="a text", meta=metadatas[0], embedding=[1.0, 0.0])
        assert [document.id for document in store.filter_documents(comparison("meta.year", "==", None))] == ["b"]
        for field, operator, value in (
            ("meta.day", ">", "2023-01-01"),
            ("meta.day", "==", "2024-01-01"),
            ("meta.a.b", "==", 1),
            ("content", "==", "a text"),
            ("id", "in", ["a"]),
            ("meta.tags", "==", ["x"]),
        ):
            with pytest.raises(FilterError, match=f"'{operator}' on '{field}'.*'docs'"):
                store.filter_documents(comparison(field, operator, value))
