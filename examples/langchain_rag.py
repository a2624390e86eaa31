"""A LangChain application that answers from its documents, on whichever database a URL names.

    python examples/langchain_rag.py memory:
    python examples/langchain_rag.py chroma:./data
    python examples/langchain_rag.py qdrant:./data
    python examples/langchain_rag.py milvus:./data.db
    python examples/langchain_rag.py pgvector:./data

The chat model is canned and the embedder compares characters: neither needs a download or a key. Put ``ChatOpenAI()``
and ``OpenAIEmbeddings()`` in their place.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator

from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough

from vstore import F, embed
from vstore.integrations.langchain import VStoreVectorStore

DOCUMENTS = [
    Document("Heavy rain today in Beijing: take an umbrella.", id="rain", metadata={"year": 2024, "topic": "weather"}),
    Document("Sun and 30 degrees tomorrow in Xi'an.", id="sun", metadata={"year": 2024, "topic": "weather"}),
    Document("Beijing had heavy rain in July.", id="old-rain", metadata={"year": 2012, "topic": "weather"}),
    Document("Bread needs flour, water and salt.", id="bread", metadata={"year": 2023, "topic": "food", "note": None}),
    Document("Noodles from Xi'an are hot.", id="noodles", metadata={"year": 2021, "topic": "food", "tags": ("a", 1)}),
]
QUESTIONS = ["Is there rain in Beijing?", "What does bread need?", "Which noodles are hot?"]
PROMPT = ChatPromptTemplate.from_template("Answer from these documents:\n{context}\n\nQuestion: {question}")


def join(documents: Iterable[Document]) -> str:
    """The documents as a prompt shows them."""
    return "\n".join(f"[{document.id}] {document.page_content} {document.metadata}" for document in documents)


def canned() -> Iterator[AIMessage]:
    """What the model says, however it is asked."""
    while True:
        yield AIMessage("As the documents say.")


def chains(store: VStoreVectorStore) -> tuple[Runnable[str, str], Runnable[str, str]]:
    """What asks the model, and what shows the prompt alone."""
    retriever = store.as_retriever(
        search_type="mmr", search_kwargs={"k": 2, "fetch_k": 4, "filter": F("year") >= 2020, "exact": True}
    )
    prompt = {"context": retriever | join, "question": RunnablePassthrough()} | PROMPT
    model = GenericFakeChatModel(messages=canned())
    return prompt | model | StrOutputParser(), prompt | (lambda value: value.to_string())


async def ask(store: VStoreVectorStore) -> list[str]:
    """The answers of the async form."""
    answer, shown = chains(store)
    return [f"{await shown.ainvoke(question)}\n{await answer.ainvoke(question)}" for question in QUESTIONS]


def main(url: str) -> None:
    """Writes the documents, asks in both forms, and prints the answers as JSON."""
    with VStoreVectorStore(url, embed.lexical(256), collection_name="langchain_rag") as store:
        store.add_documents(DOCUMENTS)
        answer, shown = chains(store)
        answers = [f"{shown.invoke(question)}\n{answer.invoke(question)}" for question in QUESTIONS]
        assert asyncio.run(ask(store)) == answers
        scored = store.similarity_search_with_relevance_scores("rain", k=3, filter={"topic": {"$in": ["weather"]}})
        scores = [(document.id, round(score, 3)) for document, score in scored]
        store.delete_collection()
    print(json.dumps({"answers": answers, "scores": scores}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
