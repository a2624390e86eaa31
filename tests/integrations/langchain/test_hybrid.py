"""Searches with ``fuse=`` answer as vstore's own hybrid query does, in every form that takes a text."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import vstore
from vstore import RRF, F, Weighted, embed
from vstore.errors import InvalidInput
from vstore.integrations.langchain import VStoreVectorStore

TEXTS = ["Heavy rain in Beijing", "Bread needs flour", "北京今天下大雨", "The oven is hot", "Rain, rain and more rain"]
LEXICAL = embed.lexical(64)


@pytest.mark.parametrize("url", ["chroma:{}", "pgvector:{}"])
def test_a_text_is_asked_by_vector_and_words(url: str, tmp_path: Path) -> None:
    words = embed.bm25(avgdl=5)
    with VStoreVectorStore(url.format(tmp_path), LEXICAL, sparse_embedder=words) as store:
        ids = store.add_texts(TEXTS, [{"n": n} for n in range(5)])
        with vstore.connect(url.format(tmp_path)) as database:
            docs = database.get_collection("langchain", embedder={"vector": LEXICAL, "terms": words})
            embed.learn(docs, words)
            for text in ("rain 北京", "flour", "nothing of it"):
                for fuse in (RRF(), Weighted({"vector": 0.3, "terms": 0.7})):
                    for where in (None, F("n") >= 1):
                        own = docs.query(text=text, fuse=fuse, k=3, where=where, exact=True)
                        found = store.similarity_search_with_score(text, 3, fuse=fuse, filter=where, exact=True)
                        assert [document.id for document, _ in found] == own.ids
                        assert [score for _, score in found] == pytest.approx(own.distances.tolist())
                        other = store.asimilarity_search(text, 3, fuse=fuse, filter=where, exact=True)
                        assert [document.id for document in asyncio.run(other)] == own.ids
            retriever = store.as_retriever(search_kwargs={"fuse": RRF(), "k": 1})
            assert retriever.invoke("大雨")[0].id == ids[2]
            diverse = store.max_marginal_relevance_search("rain", k=2, fetch_k=3, fuse=RRF())
            among = docs.query(text="rain", fuse=RRF(), k=3).ids
            assert {document.id for document in diverse} <= set(among)


def test_what_has_no_words_is_not_fused() -> None:
    with VStoreVectorStore("memory:", LEXICAL) as store:
        store.add_texts(TEXTS)
        with pytest.raises(InvalidInput, match="no sparse field"):
            store.similarity_search("rain", fuse=RRF())
        with pytest.raises(InvalidInput, match="a vector has none"):
            store.similarity_search_by_vector([1.0] * 64, fuse=RRF())
        with pytest.raises(InvalidInput, match="no relevance"):
            store.similarity_search_with_relevance_scores("rain", fuse=RRF())
