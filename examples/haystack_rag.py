"""A Haystack application that answers from its documents, on whichever database a URL names.

    python examples/haystack_rag.py memory:
    python examples/haystack_rag.py chroma:./data
    python examples/haystack_rag.py qdrant:./data
    python examples/haystack_rag.py milvus:./data.db
    python examples/haystack_rag.py pgvector:./data

The model repeats its prompt and the embedder compares characters: neither needs a download or a key. Put
``OpenAIGenerator()`` and ``OpenAITextEmbedder()`` in their place.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from typing import Any

from haystack import Document, Pipeline, component
from haystack.components.builders import PromptBuilder
from haystack.document_stores.types import DuplicatePolicy

from vstore import embed
from vstore.integrations.haystack import VStoreDocumentStore, VStoreEmbeddingRetriever

LEXICAL = embed.lexical(256)
DOCUMENTS = [
    Document(
        id="rain", content="Heavy rain today in Beijing: take an umbrella.", meta={"day": "2024-06-01", "tags": []}
    ),
    Document(id="sun", content="Sun and 30 degrees tomorrow in Xi'an.", meta={"day": "2024-06-02T09:00:00+08:00"}),
    Document(id="old-rain", content="Beijing had heavy rain in July.", meta={"day": "2012-07-21"}),
    Document(
        id="bread", content="Bread needs flour, water and salt.", meta={"day": "2023-01-01", "kind": {"food": True}}
    ),
    Document(id="noodles", content="Noodles from Xi'an are hot.", meta={"day": "2021-01-01", "kind": {"food": True}}),
]
QUESTIONS = ["Is there rain in Beijing?", "What does bread need?", "Which noodles are hot?"]
RECENT = {"field": "meta.day", "operator": ">=", "value": "2020-01-01"}
FOOD = {"field": "meta.kind.food", "operator": "==", "value": True}
PROMPT = """Answer from these documents:
{% for document in documents %}[{{ document.id }}] {{ document.content }} {{ document.meta.day }}
{% endfor %}
Question: {{ question }}"""


@component
class Embedder:
    """Texts that share characters are near."""

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        """Return the embedding of a text."""
        return {"embedding": LEXICAL.embed([text])[0].tolist()}


@component
class Model:
    """Repeats its prompt."""

    @component.output_types(reply=str)
    def run(self, prompt: str) -> dict[str, str]:
        """Return the prompt."""
        return {"reply": f"As the documents say. {prompt}"}


def rag(store: VStoreDocumentStore) -> Pipeline:
    """The pipeline from a question to its answer."""
    pipeline = Pipeline()
    pipeline.add_component("embedder", Embedder())
    pipeline.add_component(
        "retriever",
        VStoreEmbeddingRetriever(document_store=store, filters=RECENT, top_k=2, filter_policy="merge", exact=True),
    )
    pipeline.add_component("prompt", PromptBuilder(PROMPT, required_variables="*"))
    pipeline.add_component("model", Model())
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.connect("retriever.documents", "prompt.documents")
    pipeline.connect("prompt.prompt", "model.prompt")
    return pipeline


def asked(question: str, filters: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the pipeline is run with."""
    return {"embedder": {"text": question}, "prompt": {"question": question}, "retriever": {"filters": filters}}


async def ask(store: VStoreDocumentStore) -> list[str]:
    """The answers of the async form."""
    pipeline = rag(store)
    return [(await pipeline.run_async(asked(question)))["model"]["reply"] for question in QUESTIONS]


def main(url: str) -> None:
    """Writes the documents, asks in both forms, and prints the answers as JSON."""
    documents = [replace(one, embedding=Embedder().run(one.content or "")["embedding"]) for one in DOCUMENTS]
    with VStoreDocumentStore(url, "haystack_rag") as store:
        store.write_documents(documents, DuplicatePolicy.OVERWRITE)
        pipeline = rag(store)
        answers = [pipeline.run(asked(question))["model"]["reply"] for question in QUESTIONS]
        assert asyncio.run(ask(store)) == answers
        answers.append(pipeline.run(asked("rain", FOOD))["model"]["reply"])
        found = store.embedding_retrieval(Embedder().run("rain")["embedding"], top_k=3, exact=True)
        scores = [(document.id, round(document.score or 0, 3)) for document in found]
        days = store.get_metadata_field_unique_values("day", size=3)
    print(json.dumps({"answers": answers, "scores": scores, "days": days}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
