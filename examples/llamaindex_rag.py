"""A LlamaIndex application that answers from its documents, on whichever database a URL names.

    python examples/llamaindex_rag.py memory:
    python examples/llamaindex_rag.py chroma:./data
    python examples/llamaindex_rag.py qdrant:./data
    python examples/llamaindex_rag.py milvus:./data.db
    python examples/llamaindex_rag.py pgvector:./data

The model repeats its prompt and the embedder compares characters: neither needs a download or a key. Put ``OpenAI()``
and ``OpenAIEmbedding()`` in their place.
"""

from __future__ import annotations

import asyncio
import json
import sys

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from vstore import embed
from vstore.integrations.llamaindex import VStoreVectorStore

DOCUMENTS = [
    Document(
        id_="rain", text="Heavy rain today in Beijing: take an umbrella.", metadata={"year": 2024, "tags": ["weather"]}
    ),
    Document(id_="sun", text="Sun and 30 degrees tomorrow in Xi'an.", metadata={"year": 2024, "tags": ["weather"]}),
    Document(id_="old-rain", text="Beijing had heavy rain in July.", metadata={"year": 2012, "tags": ["weather"]}),
    Document(id_="bread", text="Bread needs flour, water and salt.", metadata={"year": 2023, "tags": [], "note": None}),
    Document(id_="noodles", text="Noodles from Xi'an are hot.", metadata={"year": 2021, "tags": ["food", 1]}),
]
QUESTIONS = ["Is there rain in Beijing?", "What does bread need?", "Which noodles are hot?"]
RECENT = MetadataFilters(
    filters=[
        MetadataFilter(key="year", operator=FilterOperator.GTE, value=2020),
        MetadataFilters(
            filters=[
                MetadataFilter(key="tags", operator=FilterOperator.ANY, value=["weather", "food"]),
                MetadataFilter(key="tags", operator=FilterOperator.IS_EMPTY, value=None),
            ],
            condition=FilterCondition.OR,
        ),
    ]
)
LEXICAL = embed.lexical(256)


class Lexical(BaseEmbedding):
    """Texts that share characters are near."""

    def _get_text_embedding(self, text: str) -> list[float]:
        embedded: list[float] = LEXICAL.embed([text])[0].tolist()
        return embedded

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


async def ask(index: VectorStoreIndex) -> list[str]:
    """The answers of the async form."""
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=2, filters=RECENT)
    return [str(await engine.aquery(question)) for question in QUESTIONS]


def main(url: str) -> None:
    """Writes the documents, asks in both forms, and prints the answers as JSON."""
    with VStoreVectorStore(url, "llamaindex_rag") as store:
        store.clear()
        IngestionPipeline(transformations=[SentenceSplitter(), Lexical()], vector_store=store).run(documents=DOCUMENTS)
        index = VectorStoreIndex.from_vector_store(store, embed_model=Lexical())
        engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=2, filters=RECENT)
        answers = [str(engine.query(question)) for question in QUESTIONS]
        assert asyncio.run(ask(index)) == answers
        diverse = index.as_retriever(vector_store_query_mode="mmr", similarity_top_k=3)
        found = [(hit.node.ref_doc_id, round(hit.get_score(), 3)) for hit in diverse.retrieve("rain")]
    print(json.dumps({"answers": answers, "scores": found}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
