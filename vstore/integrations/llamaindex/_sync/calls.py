# Generated from vstore/integrations/llamaindex/_async/calls.py by tools/unasync.py: do not edit.
"""The calls of LlamaIndex's store on a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import MetadataFilters, VectorStoreQuery, VectorStoreQueryResult

from vstore.core._sync.collection import Collection
from vstore.errors import InvalidInput
from vstore.fields import only_sparse
from vstore.filters.tree import Eq, Filter
from vstore.hits import Hits
from vstore.integrations.door import Door
from vstore.integrations.llamaindex.filters import translate
from vstore.integrations.llamaindex.nodes import (
    REF_DOC_ID,
    embedding_of,
    nodes_from_records,
    record_from_node,
)
from vstore.integrations.llamaindex.questions import Question, no_answer, question
from vstore.integrations.terms import matching

__all__ = ["Calls"]


class Calls:
    """What ``VStoreVectorStore`` promises, on the collection behind a door."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def add(self, nodes: Sequence[BaseNode]) -> list[str]:
        """Writes nodes, replaces those with the same ids, and returns the ids."""
        rows = [record_from_node(node) for node in nodes]
        ids = [node.node_id for node in nodes]
        if not ids:
            return []
        vectors = [embedding_of(node) for node in nodes]
        collection = self._door.ready(len(vectors[0]))
        collection.upsert(ids, vectors, [text for text, _ in rows], [metadata for _, metadata in rows])
        return ids

    def delete_of_document(self, ref_doc_id: str) -> None:
        """Deletes the nodes that are from a document."""
        condition = Eq((REF_DOC_ID,), ref_doc_id)
        collection = self._door.existing()
        if collection is not None:
            collection.delete(where=condition)

    def delete(self, node_ids: Sequence[str] | None, filters: MetadataFilters | None) -> None:
        """Deletes the nodes with these ids, those that match, or those of both."""
        condition = translate(filters)
        if node_ids is None and condition.where is None:
            raise InvalidInput("delete_nodes takes node_ids, filters or both", hint="clear() deletes everything.")
        collection = self._door.existing()
        if collection is None:
            return
        where = condition.on(collection.capabilities)
        if node_ids is None:
            collection.delete(where=where)
        elif where is None:
            collection.delete(node_ids)
        else:
            named = collection.get(node_ids, include=("documents", "metadatas"))
            collection.delete(matching(named, where).ids)

    def get(self, node_ids: Sequence[str] | None, filters: MetadataFilters | None) -> list[BaseNode]:
        """Return the nodes with these ids, those that match, those of both, or all."""
        condition = translate(filters)
        collection = self._door.existing()
        if collection is None:
            return []
        where = condition.on(collection.capabilities)
        if node_ids is not None:
            named = collection.get(node_ids)
            return nodes_from_records(named if where is None else matching(named, where))
        nodes: list[BaseNode] = []
        for page in collection.scan(where=where):
            nodes += nodes_from_records(page.records)
        return nodes

    def clear(self) -> None:
        """Deletes all nodes; the collection stays."""
        collection = self._door.existing()
        if collection is not None:
            collection.clear()

    def query(self, query: VectorStoreQuery, arguments: Mapping[str, Any]) -> VectorStoreQueryResult:
        """Answers a query of LlamaIndex's."""
        asked = question(query, arguments)
        collection = self._door.existing()
        if collection is None:
            return no_answer()
        where = asked.where(collection.capabilities)
        if query.node_ids:  # an index over a store that keeps nodes passes an empty list for all
            named = collection.get(query.node_ids)
            return asked.answer(asked.nearest(named, where, collection.info))
        if asked.text:
            return asked.answer(self._in_words(collection, asked, where))
        hits = collection.query(
            vector=asked.vector,
            k=asked.number(collection.capabilities),
            where=where,
            include=asked.include,
            exact=asked.exact,
            search=asked.search,
        )
        return asked.answer(hits)

    def _in_words(self, collection: Collection, asked: Question, where: Filter | None) -> Hits:
        """The nodes that the text finds, or both text and embedding."""
        field = only_sparse(collection.info.fields)
        words = {field: asked.text}
        if not asked.hybrid:
            return collection.query(words, k=asked.wanted, where=where, include=asked.include)
        near = worded = None
        if asked.alpha > 0.0:
            near = collection.query(
                asked.vector, k=asked.k, where=where, include=(), exact=asked.exact, search=asked.search
            )
        if asked.alpha < 1.0:
            worded = collection.query(words, k=asked.sparse_k, where=where, include=())
        fused = asked.fused(near, collection.info.metric, worded, field)
        records = collection.get(fused.ids, include=asked.include)
        there = set(records.ids)
        kept = fused.take([place for place, node_id in enumerate(fused.ids) if node_id in there])
        return replace(kept, records=records)
