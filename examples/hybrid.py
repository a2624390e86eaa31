"""Hybrid search in Chinese and English on whichever database a URL names; the answers are the same on each.

    python examples/hybrid.py memory:
    python examples/hybrid.py pgvector:./data
    python examples/hybrid.py qdrant:./data

A collection has two vectors a record: one of characters (``embed.lexical``, in the place of a model that knows meaning)
and one of weighted words (``embed.bm25``). A query in words asks both, and fuses the two lists. Nothing is downloaded.
"""

from __future__ import annotations

import json
import sys

import vstore
from vstore import RRF, F, Sparse, Weighted, embed

NAME = "vstore_hybrid"

TEXTS = {
    "zh-rain": "北京今天下大雨,出门请带雨伞",
    "zh-flood": "暴雨过后,地铁六号线停运两小时",
    "zh-metro": "地铁六号线周末延长运营时间",
    "zh-noodles": "西安的牛肉面又香又辣,雨天吃最舒服",
    "zh-model": "型号 XR-2000 的雨刷器适用于多数轿车",
    "en-rain": "Heavy rain in Beijing today: take an umbrella with you",
    "en-flood": "After the storm, metro line 6 was closed for two hours",
    "en-metro": "Metro line 6 runs longer on weekends",
    "en-noodles": "Beef noodles from Xi'an taste best on a rainy day",
    "en-model": "The XR-2000 wiper fits most cars and wipes raindrops well",
}
QUESTIONS = ["今天下雨吗", "地铁六号线", "XR-2000", "raining in Beijing", "is the metro running?"]

asked: dict[str, list[str]] = {}


def show(step: str, hits: vstore.Hits) -> None:
    """Print what a step found, and keep it."""
    asked[step] = hits.ids
    if "--json" not in sys.argv:
        legs = [", ".join(f"{name} {leg.rank}" for name, leg in hit.legs.items()) for hit in hits]
        print(step)
        for hit, places in zip(hits, legs, strict=True):
            print(f"    {hit.id:<12}{hit.score:9.4f}  {places:<24}  {hit.document}")


def main(url: str) -> None:
    """Fill a collection, ask in words, and delete it."""
    characters, words = embed.lexical(256), embed.bm25(avgdl=12)
    with vstore.connect(url) as store:
        docs = store.create_collection(
            NAME, fields={"words": Sparse()}, embedder={"vector": characters, "words": words}
        )
        try:
            docs.add(
                ids=list(TEXTS),
                documents=list(TEXTS.values()),
                metadatas=[{"language": key[:2]} for key in TEXTS],
            )
            embed.learn(docs, words)  # how many documents have each word, in one scan
            for question in QUESTIONS:
                show(f"{question} · words", docs.query({"words": question}, k=3, exact=True))
                show(f"{question} · both", docs.query(text=question, k=3, fuse=RRF(), exact=True))
            chinese = docs.query(text="XR-2000 rain", k=3, fuse=RRF(), where=F("language") == "zh", exact=True)
            show("XR-2000 rain · both, in Chinese only", chinese)
            weighted = Weighted({"vector": 0.2, "words": 0.8})
            show("XR-2000 rain · mostly words", docs.query(text="XR-2000 rain", k=3, fuse=weighted, exact=True))
        finally:
            store.delete_collection(NAME)
    if "--json" in sys.argv:
        print(json.dumps(asked, ensure_ascii=False))


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("--"):
        sys.exit("Pass a URL: python examples/hybrid.py memory:")
    main(sys.argv[1])
