"""The query modes SPARSE and HYBRID answer as their definitions do over all nodes, computed here one by one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import MetadataFilters, VectorStoreQuery

import vstore
from tests.integrations.llamaindex import generated
from vstore import embed
from vstore.errors import InvalidInput, Mismatch, Unsupported
from vstore.fields import Sparse
from vstore.integrations.llamaindex import VStoreVectorStore

WORDS = ["rain", "snow", "Beijing", "bread", "flour", "北京", "下雨", "oven", "street", "cold"]
EVEN = MetadataFilters.from_dicts([{"key": "n", "operator": "<", "value": 25}])


def nodes(number: int) -> list[TextNode]:
    random = Random(9)
    return [
        TextNode(
            id_=f"n{place:02}",
            text=" ".join(random.choices(WORDS, k=random.randint(0, 8))),
            embedding=[random.gauss(0, 1) for _ in range(4)],
            metadata={"n": place},
        )
        for place in range(number)
    ]


def first(scores: dict[str, float], k: int) -> list[tuple[str, float]]:
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


def between(found: list[tuple[str, float]], weight: float) -> dict[str, float]:
    """From 0 to 1 over the list, times its weight."""
    if not found:
        return {}
    low, high = found[-1][1], found[0][1]
    return {name: weight * ((score - low) / (high - low) if high > low else 1.0) for name, score in found}


def oracle(some: list[TextNode], query: VectorStoreQuery, words: embed.BM25) -> list[tuple[str, float]]:
    kept = [node for node in some if generated.matches(query.filters, node.metadata)] if query.filters else some
    asked = np.array(query.query_embedding)
    near = {}
    for node in kept:
        own = np.array(node.embedding, dtype=np.float32).astype(np.float64)
        near[node.node_id] = float(own @ asked / np.linalg.norm(own) / np.linalg.norm(asked))
    (question,) = words.queries.embed_sparse([query.query_str or ""])
    wanted = dict(zip(question.indices.tolist(), question.values.astype(np.float64).tolist(), strict=True))
    worded = {}
    for node, vector in zip(kept, words.embed_sparse([node.text for node in kept]), strict=True):
        if vector is not None:
            pairs = zip(vector.indices.tolist(), vector.values.astype(np.float64).tolist(), strict=True)
            shared = [wanted[index] * value for index, value in pairs if index in wanted]
            worded |= {node.node_id: sum(shared)} if shared else {}
    sparse = first(worded, query.sparse_top_k or query.similarity_top_k)
    if query.mode == "sparse":
        return sparse
    alpha = 0.5 if query.alpha is None else query.alpha
    legs = [between(first(near, query.similarity_top_k), alpha)] if alpha > 0 else []
    legs += [between(sparse, 1 - alpha)] if alpha < 1 else []
    total = {name: sum(leg.get(name, 0.0) for leg in legs) for leg in legs for name in leg}
    return first(total, query.hybrid_top_k or query.similarity_top_k)


QUESTIONS: list[dict[str, Any]] = [
    {"mode": "sparse"},
    {"mode": "sparse", "sparse_top_k": 9},
    {"mode": "sparse", "filters": EVEN},
    {"mode": "sparse", "query_str": "nothing known"},
    {"mode": "hybrid"},
    {"mode": "hybrid", "alpha": 0.2, "sparse_top_k": 20, "hybrid_top_k": 12},
    {"mode": "hybrid", "alpha": 0.9, "filters": EVEN},
    {"mode": "hybrid", "alpha": 0.0},
    {"mode": "hybrid", "alpha": 1.0, "hybrid_top_k": 3},
    {"mode": "hybrid", "query_str": "nothing known"},
]


@pytest.mark.parametrize("url", ["chroma:{}", "pgvector:{}"])
def test_sparse_and_hybrid_answer_as_they_are_defined(url: str, tmp_path: Path) -> None:
    some, words = nodes(50), embed.bm25(stemmer=None, avgdl=4)
    with VStoreVectorStore(url.format(tmp_path), sparse_embedder=words) as store:
        store.add(some)
        embed.learn(store.client, words)
        base = {"query_embedding": [0.3, 0.1, -0.2, 0.9], "query_str": "Rain in 北京 street", "similarity_top_k": 6}
        for given in QUESTIONS:
            query = VectorStoreQuery(**{**base, **given})
            wanted, found = oracle(some, query, words), store.query(query, exact=True)
            assert found.ids == [name for name, _ in wanted], given
            assert found.similarities == pytest.approx([score for _, score in wanted], abs=1e-5)
            assert [node.node_id for node in found.nodes or []] == found.ids
            assert all(node.metadata["n"] == int(node.node_id[1:]) for node in found.nodes or [])
            assert asyncio.run(store.aquery(query, exact=True)).ids == found.ids
        store.delete_nodes(["n00"])
        store.add([TextNode(id_="new", text="北京 北京 北京", embedding=[1.0, 0.0, 0.0, 0.0])])
        query = VectorStoreQuery(query_str="北京", mode="sparse", similarity_top_k=1)
        assert store.query(query).ids == ["new"], "it needs no embedding"


def test_a_retriever_asks_both_ways() -> None:
    words = embed.bm25(stemmer=None, avgdl=4)
    store = VStoreVectorStore("memory:", sparse_embedder=words)
    store.add(nodes(20))
    embed.learn(store.client, words)
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(4))
    for mode in ("sparse", "hybrid"):
        retriever = index.as_retriever(
            vector_store_query_mode=mode, similarity_top_k=3, sparse_top_k=4, hybrid_top_k=5, alpha=0.3
        )
        assert all("flour" in hit.node.get_content() for hit in retriever.retrieve("flour")[:1])
    store.close()


def test_a_collection_that_is_given_serves_with_its_own_sparse_field() -> None:
    words = embed.bm25(stemmer=None, avgdl=4)
    with vstore.connect("memory:") as database:
        docs = database.create_collection("docs", dimension=4, fields={"own": Sparse()}, embedder={"own": words})
        store = VStoreVectorStore(docs)
        store.add(nodes(20))
        embed.learn(docs, words)
        assert store.query(VectorStoreQuery(query_str="oven", mode="sparse", similarity_top_k=2)).ids
        with pytest.raises(Unsupported, match="node_ids beside the mode SPARSE"):
            store.query(VectorStoreQuery(query_str="oven", mode="sparse", node_ids=["n01"]))
        plain = VStoreVectorStore(database.create_collection("plain", dimension=4))
        plain.add(nodes(2))
        with pytest.raises(InvalidInput, match="no sparse field"):
            plain.query(VectorStoreQuery(query_str="oven", mode="sparse"))
        VStoreVectorStore(database, "mine", sparse_embedder=words).add(nodes(2))
        with pytest.raises(Mismatch, match="embedder"):
            VStoreVectorStore(database, "mine", sparse_embedder=embed.bm25(stemmer=None, avgdl=5)).add(nodes(2))


@pytest.mark.parametrize(
    "given",
    [
        {"mode": "sparse", "query_str": None},
        {"mode": "hybrid", "query_embedding": None},
        {"mode": "hybrid", "alpha": 1.5},
        {"mode": "hybrid", "alpha": "x"},
        {"mode": "hybrid", "hybrid_top_k": 0},
        {"mode": "sparse", "sparse_top_k": -1},
    ],
)
def test_a_question_without_what_its_mode_takes_is_refused(given: dict[str, Any]) -> None:
    query = VectorStoreQuery(**{"query_embedding": [1.0], "query_str": "a", **given})
    with pytest.raises(InvalidInput):
        VStoreVectorStore("qdrant://127.0.0.1:9").query(query)
