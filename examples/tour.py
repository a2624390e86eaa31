"""A tour of vstore on whichever database a URL names; the answers are the same on each.

    python examples/tour.py memory:
    python examples/tour.py chroma:./data
    python examples/tour.py milvus:./data.db
    python examples/tour.py qdrant:./data
    python examples/tour.py pgvector:./data
    python examples/tour.py postgresql://user:password@localhost/db

The embedder compares characters and knows nothing of meaning: it needs no download and no key. For one that does, put
``embed.openai("text-embedding-3-small")`` or ``embed.sentence_transformers("BAAI/bge-m3")`` in its place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import vstore
from vstore import HNSW, RRF, Collection, F, Sparse, embed, similarity

NAME, NEW_NAME, KEYWORDS_NAME = "vstore_tour", "vstore_tour_renamed", "vstore_tour_keywords"

SENTENCES = [
    ("zh-rain", "今天下大雨,出门请带雨伞", {"language": "zh", "topic": "weather", "year": 2023}),
    ("zh-sun", "明天天气晴朗,适合出门散步", {"language": "zh", "topic": "weather", "year": 2024}),
    ("zh-noodles", "西安的牛肉面又香又辣", {"language": "zh", "topic": "food", "year": 2021}),
    ("zh-dumplings", "冬至要吃饺子,北方人都爱吃饺子", {"language": "zh", "topic": "food", "year": 2024}),
    ("zh-search", "向量数据库可以按语义检索文档", {"language": "zh", "topic": "computing", "year": 2025}),
    (
        "en-rain",
        "Heavy rain today: take an umbrella with you",
        {"language": "en", "topic": "weather", "year": 2023},
    ),
    ("en-sun", "Tomorrow will be sunny, a good day for a walk", {"language": "en", "topic": "weather", "year": 2024}),
    ("en-noodles", "Beef noodles from Xi'an are hot and fragrant", {"language": "en", "topic": "food", "year": 2021}),
    ("en-bread", "Fresh bread needs flour, water, salt and time", {"language": "en", "topic": "food", "year": 2022}),
    ("en-search", "A vector database retrieves documents", {"language": "en", "topic": "computing", "year": 2025}),
]

embedder = embed.lexical(512)
steps: dict[str, list[str]] = {}


def show(step: str, ids: Iterable[str], text: str = "") -> None:
    """Prints what a step found, and keeps it."""
    steps[step] = list(ids)
    if "--json" not in sys.argv:
        print(f"{step:<12}{', '.join(steps[step])}  {text}")


def compare_sentences() -> None:
    """Similarity at hand, without any database."""
    pairs = [
        ("下雨了,带把雨伞吧", "今天下大雨,出门请带雨伞"),
        ("下雨了,带把雨伞吧", "西安的牛肉面又香又辣"),
        ("Take your umbrella", "Heavy rain today: take an umbrella with you"),
        ("Take your umbrella", "A vector database retrieves documents"),
    ]
    first = embedder.embed([a for a, _ in pairs])
    second = embedder.embed([b for _, b in pairs])
    for (a, b), one, other in zip(pairs, first, second, strict=True):
        show(f"cos {similarity.cosine(one, other):.2f}", [], f"{a} | {b}")


def fill(store: vstore.Store) -> Collection:
    """A collection with settings of its index and an embedder; documents without vectors."""
    collection = store.create_collection(
        NAME,
        metric="cosine",  # Chroma calls it space
        index=HNSW(m=16, ef_construction=200, ef_search=100),  # m: the most neighbours of a node
        embedder=embedder,
    )
    collection.add(
        ids=[record_id for record_id, _, _ in SENTENCES],
        documents=[text for _, text, _ in SENTENCES],
        metadatas=[metadata for _, _, metadata in SENTENCES],
    )
    show("peek", sorted(collection.peek(100).ids))  # in the database's own order
    show("count", [str(collection.count()), str(collection.count(F("language") == "zh"))])
    return collection


def ask(collection: Collection) -> None:
    """Questions by text and by vector. ``exact=True`` compares with every record; leave it out for the index."""
    show("中文", collection.query(text="出门要带伞吗", k=3, exact=True).ids)
    show("English", collection.query(text="Should I take an umbrella?", k=3, exact=True).ids)
    show("metadata", collection.query(text="哪里的牛肉面好吃", k=3, exact=True, where=F("topic") == "food").ids)
    recent = (F("year") >= 2023) & F("language").in_(["zh", "en"]) & ~(F("topic") == "computing")
    show("filters", collection.query(text="going out", k=4, exact=True, where=recent).ids)
    show("contains", collection.query(text="饺子", k=3, exact=True, where=F.document.contains("出门")).ids)
    middle = embedder.embed(["beef noodles", "牛肉面"]).mean(axis=0)
    show("vector", collection.query(vector=middle, k=4, exact=True).ids)
    both = collection.query_many(texts=["散步", "bread and salt"], k=2, exact=True)
    show("many", [hit.id for hits in both for hit in hits])


def keywords(text: str) -> dict[int, float]:
    """A sparse vector: a weight for each keyword of a text. ``embed.bm25()`` makes one of all its words."""
    words = ["umbrella", "noodles", "walk", "雨伞", "牛肉面", "散步"]
    return {index: 1.0 for index, word in enumerate(words) if word in text}


def ask_both(store: vstore.Store) -> None:
    """Hybrid search: the lists of two fields, dense and sparse, become one. Most texts have no keyword."""
    collection = store.create_collection(
        KEYWORDS_NAME, metric="cosine", fields={"keywords": Sparse()}, embedder={"vector": embedder}
    )
    texts = [text for _, text, _ in SENTENCES]
    collection.add(
        ids=[record_id for record_id, _, _ in SENTENCES],
        documents=texts,
        fields={"keywords": [keywords(text) or None for text in texts]},
    )
    question = "带雨伞 for a walk in the rain"
    show("hybrid", collection.query(text=question, sparse=keywords(question), fuse=RRF(), k=4, exact=True).ids)
    store.delete_collection(KEYWORDS_NAME)


def change(collection: Collection) -> None:
    """Update, upsert, delete. A new document is embedded again."""
    collection.update(["zh-sun"], documents=["明天有雷雨,记得带雨伞"], metadatas=[{"year": 2026}])
    show(
        "update", collection.query(text="雷雨,带雨伞", k=2, exact=True).ids, str(collection.get(["zh-sun"])[0].metadata)
    )
    collection.upsert(["fr-pluie"], documents=["Il pleut : prenez un parapluie"], metadatas=[{"language": "fr"}])
    show("upsert", collection.query(text="parapluie", k=1, exact=True).ids)
    collection.delete(["en-rain"])
    collection.delete(where=F("topic") == "computing")
    show("delete", sorted(collection.peek(100).ids))


def main(url: str) -> None:
    """Takes the tour."""
    compare_sentences()
    with vstore.connect(url) as store:
        for name in (NAME, NEW_NAME, KEYWORDS_NAME):
            store.delete_collection(name, missing_ok=True)  # what a tour that was broken off left behind
        collection = fill(store)
        ask(collection)
        ask_both(store)
        change(collection)
        if store.capabilities.rename:
            collection.rename(NEW_NAME)
        name, kept = collection.name, store.capabilities.persistent
        show("renamed", store.get_collection(name, embedder=embedder).query(text="雨伞", k=3, exact=True).ids, name)
        if not kept:
            store.delete_collection(name)
    if kept:
        with vstore.connect(url) as store:  # from disk, or from the server
            again = store.get_collection(name, embedder=embedder)
            show("reopened", again.query(text="雨伞", k=3, exact=True).ids, again.info.embedder or "")
            store.delete_collection(name)
            show("dropped", [left for left in store.list_collections() if left == name])
    if "--json" in sys.argv:
        print(json.dumps(steps))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1])
