"""Filters mean on every database what they mean to LlamaIndex's in-memory store, or are refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)

from tests.integrations.databases import OnDatabase, on_each
from tests.integrations.llamaindex import generated
from vstore.conformance.fixtures import unique_name
from vstore.errors import InvalidInput, Unavailable, Unsupported
from vstore.integrations.llamaindex import VStoreVectorStore

NODES = 60
FILTERS = 120


def one(key: str, operator: str, value: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=FilterOperator(operator), value=value)])


class Suite(OnDatabase):
    @pytest.fixture
    def store(self, database: str) -> Iterator[VStoreVectorStore]:
        store = VStoreVectorStore(database, unique_name())
        yield store
        store.close()

    def test_generated_filters_find_what_llamaindex_finds(self, store: VStoreVectorStore) -> None:
        nodes = generated.nodes(Random(1), NODES)
        store.add(nodes)
        known = generated.metadata_of(nodes)
        some = 0
        for seed in range(FILTERS):
            filters = generated.filters(Random(seed), store.client.capabilities)
            wanted = {node_id for node_id, metadata in known.items() if generated.matches(filters, metadata)}
            found = {node.node_id for node in store.get_nodes(filters=filters)}
            assert found == wanted, f"seed {seed}: {filters!r}"
            some += 0 < len(found) < NODES
        assert some > FILTERS / 4

    def test_a_filtered_query_answers_as_the_in_memory_store(self, store: VStoreVectorStore) -> None:
        random = Random(2)
        nodes = [
            TextNode(
                id_=f"n{place}",
                embedding=[random.gauss(0, 1) for _ in range(4)],
                metadata={
                    "year": random.choice([2019, 2020, 2020.5, None]),
                    "tags": random.choice([["a", "b"], ["b"], []]),
                },
            )
            for place in range(40)
        ]
        store.add(nodes)
        simple = SimpleVectorStore()
        simple.add(nodes)
        for filters in (
            one("year", ">=", 2020),
            one("year", "!=", 2020),
            one("year", "nin", [2019]),
            one("year", "is_empty", None),
            one("tags", "contains", "a"),
            one("tags", "all", ["a", "b"]),
            one("tags", "any", ["b", "c"]),
            MetadataFilters(
                filters=[*one("year", "==", 2020).filters, *one("tags", "contains", "a").filters], condition="or"
            ),
            MetadataFilters(
                filters=[*one("year", "==", 2020).filters, *one("tags", "contains", "a").filters], condition="not"
            ),
        ):
            query = VectorStoreQuery(query_embedding=[0.1, -0.2, 0.3, 0.4], similarity_top_k=8, filters=filters)
            mine, theirs = store.query(query, exact=True), simple.query(query)
            assert mine.ids == theirs.ids
            assert mine.similarities == pytest.approx(theirs.similarities, abs=1e-6)


globals().update(on_each(Suite))

REFUSED = [
    ("==", [1, 2]),
    ("!=", ["a"]),
    ("in", "text"),
    ("nin", 5),
    ("any", "text"),
    ("all", []),
    ("contains", ["a"]),
    (">", ["a"]),
    ("<=", None),
    ("text_match", 5),
    ("text_match_insensitive", None),
    ("text_match_insensitive", "λόγος"),
    (">", float("inf")),
]


@pytest.mark.parametrize(("operator", "value"), REFUSED)
@pytest.mark.parametrize("nested", [False, True])
def test_an_operator_without_a_meaning_is_refused_by_name_before_anything_is_opened(
    operator: str, value: Any, nested: bool
) -> None:
    store = VStoreVectorStore("qdrant://127.0.0.1:9")  # where nothing listens
    filters = one("key", operator, value)
    if nested:
        filters = MetadataFilters(filters=[MetadataFilters(filters=[filters], condition="not")])
    query = VectorStoreQuery(query_embedding=[1.0], filters=filters)
    for call in (
        lambda: store.query(query),
        lambda: store.get_nodes(filters=filters),
        lambda: store.delete_nodes(filters=filters),
    ):
        with pytest.raises(InvalidInput, match=rf"operator {FilterOperator(operator).name} on 'key'"):
            call()
    with pytest.raises(Unavailable):
        store.get_nodes()


@pytest.mark.parametrize("url", ["chroma::memory:", "qdrant::memory:"])
@pytest.mark.parametrize(("operator", "value"), [("text_match", ""), ("text_match_insensitive", "a"), (">", "a")])
def test_an_operator_that_the_database_cannot_answer_is_refused_by_name(url: str, operator: str, value: str) -> None:
    store = VStoreVectorStore(url)
    store.add([TextNode(text="a", embedding=[1.0], metadata={"key": "abc"})])
    assert len(store.get_nodes(filters=one("key", "text_match", "b"))) == 1
    assert len(store.get_nodes(filters=one("key", "text_match", "B"))) == 0
    if store.client.capabilities.matches and store.client.capabilities.string_ordering:
        assert len(store.get_nodes(filters=one("key", operator, value))) == 1
        return
    with pytest.raises(Unsupported, match=rf"operator {FilterOperator(operator).name} on 'key'"):
        store.get_nodes(filters=one("key", operator, value))
    store.close()


def test_what_is_no_filter_is_refused() -> None:
    for filters in ([MetadataFilter(key="a", value=1)], {"a": 1}, MetadataFilter(key="a", value=1)):
        with pytest.raises(InvalidInput, match="MetadataFilters"):
            VStoreVectorStore("qdrant://127.0.0.1:9").get_nodes(filters=filters)


def test_a_filter_of_every_node_deletes_none() -> None:
    store = VStoreVectorStore("memory:")
    store.add([TextNode(text="a", embedding=[1.0])])
    for filters in (None, MetadataFilters(filters=[]), MetadataFilters(filters=[MetadataFilters(filters=[])])):
        with pytest.raises(InvalidInput):
            store.delete_nodes(filters=filters)
    assert len(store.get_nodes()) == 1
