"""Embedders: from texts to vectors, for ``embedder=`` of a collection. Each one's package is loaded when it is made.

``from_spec`` makes one of a text such as ``"lexical:512"``; ``cached`` puts a file before one. What an embedder is
stands in ``vstore.embedding``. See docs/embedding.md.
"""

from __future__ import annotations

from vstore.embed._async.learning import keep_async, kept_async, learn_async
from vstore.embed._sync.learning import keep, kept, learn
from vstore.embed.bm25 import BM25, bm25
from vstore.embed.caching import cached
from vstore.embed.chroma_functions import chroma
from vstore.embed.endpoint import openai
from vstore.embed.functions import function
from vstore.embed.hashing import lexical
from vstore.embed.local import fastembed, fastembed_sparse, sentence_transformers
from vstore.embed.prefixes import prefixed
from vstore.embed.sparse_functions import sparse_function
from vstore.embed.specs import from_spec
from vstore.embed.statistics import TermStatistics

__all__ = [
    "BM25",
    "TermStatistics",
    "bm25",
    "cached",
    "chroma",
    "fastembed",
    "fastembed_sparse",
    "from_spec",
    "function",
    "keep",
    "keep_async",
    "kept",
    "kept_async",
    "learn",
    "learn_async",
    "lexical",
    "openai",
    "prefixed",
    "sentence_transformers",
    "sparse_function",
]
