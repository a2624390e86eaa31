"""What a ``VectorStoreQuery`` asks, checked before anything is sent, and the answer that LlamaIndex expects."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode, VectorStoreQueryResult

from vstore.capabilities import Capabilities
from vstore.core.fusing import Found, fuse, public_name
from vstore.core.validate import check_k, check_vectors
from vstore.errors import InvalidInput, Unsupported, brief
from vstore.filters.tree import Filter, In
from vstore.fusion import Weighted
from vstore.hits import Hits
from vstore.indexing import Metric, Search
from vstore.info import CollectionInfo
from vstore.integrations.llamaindex.filters import Condition, translate
from vstore.integrations.llamaindex.nodes import REF_DOC_ID, node_from_record
from vstore.integrations.terms import all_of, matching
from vstore.records import IncludeName, Records
from vstore.spi.scores import distances, ranked

__all__ = ["Question", "no_answer", "question"]

_PREFETCH: Final = 4  # candidates a node that is wanted, as in LlamaIndex's own stores
_ARGUMENTS: Final = ("exact", "search", "mmr_threshold", "mmr_prefetch_factor", "mmr_prefetch_k")
_MODES: Final = (
    VectorStoreQueryMode.DEFAULT,
    VectorStoreQueryMode.MMR,
    VectorStoreQueryMode.SPARSE,
    VectorStoreQueryMode.HYBRID,
)
_IN_WORDS: Final = (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.HYBRID)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query that was checked.

    Attributes:
        query: As LlamaIndex put it.
        condition: Its filters.
        vector: Its embedding; empty in the mode SPARSE.
        text: Its text in the modes SPARSE and HYBRID, else empty.
        hybrid: Whether both are asked.
        alpha: The weight of the embedding in the mode HYBRID; the text's is 1 less it.
        sparse_k: Nodes that the text finds.
        k: Nodes that the embedding finds.
        wanted: Nodes to return.
        candidates: Nodes to fetch, of which MMR chooses; ``k`` in the mode DEFAULT.
        threshold: Of MMR, from 0 for diversity to 1 for similarity; None in the mode DEFAULT.
        exact: Whether to ask for the true nearest.
        search: Settings of this search.
    """

    query: VectorStoreQuery
    condition: Condition
    vector: list[float]
    text: str
    hybrid: bool
    alpha: float
    k: int
    sparse_k: int
    wanted: int
    candidates: int
    threshold: float | None
    exact: bool
    search: Search | None

    @property
    def include(self) -> tuple[IncludeName, ...]:
        """The columns to fetch."""
        return ("documents", "metadatas") if self.threshold is None else ("documents", "metadatas", "vectors")

    def where(self, capabilities: Capabilities) -> Filter | None:
        """Return the condition on the records; errors are those of ``Condition.on``."""
        asked = self.condition.on(capabilities)
        if not self.query.doc_ids:
            return asked
        of_documents = In((REF_DOC_ID,), tuple(self.query.doc_ids))
        return of_documents if asked is None else all_of([asked, of_documents])

    def fused(self, near: Hits | None, metric: Metric, worded: Hits | None, field: str) -> Hits:
        """Return what HYBRID makes of both lists, with ids alone; of one where ``alpha`` leaves no other."""
        legs, weights = [], {}
        for hits, name, by, weight in (
            (near, "", metric, self.alpha),
            (worded, field, Metric.DOT, 1.0 - self.alpha),
        ):
            if hits is not None:
                legs.append(Found(name, by, hits.ids, hits.distances))
                weights[public_name(name)] = weight
        return fuse(legs, Weighted(weights, normalize="minmax"), self.wanted)

    def number(self, capabilities: Capabilities) -> int:
        """Return how many nodes to fetch: more than ``k`` only as far as the store gives them in one query."""
        return max(self.k, min(self.candidates, capabilities.limits.max_k))

    def nearest(self, records: Records, where: Filter | None, info: CollectionInfo) -> Hits:
        """Return the true nearest of records that were named, with all columns, of those that match."""
        vector = check_vectors([self.vector], info.dimension, info.metric, name="vector")[0]
        if where is not None:
            records = matching(records, where)
        assert records.vectors is not None
        return ranked(info.metric, records, distances(info.metric, vector, records.vectors), self.candidates)

    def answer(self, hits: Hits) -> VectorStoreQueryResult:
        """Return the nodes, nearest first or as MMR chooses them, with their similarities."""
        records, scores = hits.records, hits.scores.tolist()
        order = list(range(len(records)))
        if self.threshold is not None and order:
            assert records.vectors is not None
            scores, order = get_top_k_mmr_embeddings(
                np.asarray(self.vector, dtype=np.float64),  # type: ignore[arg-type]  # it computes with NumPy
                list(records.vectors.astype(np.float64)),
                similarity_top_k=self.k,
                embedding_ids=order,
                mmr_threshold=self.threshold,
            )
            scores = [float(score) for score in scores]
        chosen = records.take(order).without_vectors()
        nodes = [node_from_record(one.id, one.document, one.metadata or {}) for one in chosen]
        return VectorStoreQueryResult(nodes=nodes, similarities=scores, ids=list(chosen.ids))


def no_answer() -> VectorStoreQueryResult:
    """Return the answer where there is no collection yet."""
    return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])


def question(query: VectorStoreQuery, arguments: Mapping[str, Any]) -> Question:
    """Return the query, checked.

    Args:
        query: As LlamaIndex puts it.
        arguments: The further arguments of ``query``: ``exact``, ``search``, ``mmr_threshold``,
            ``mmr_prefetch_factor`` and ``mmr_prefetch_k``.

    Raises:
        Unsupported: A mode other than these four, or a field of the query that has no meaning here.
        InvalidInput: An argument that is unknown or of no meaning; a query without the embedding or the text it takes.
    """
    mode = VectorStoreQueryMode(query.mode)  # it may be the word for it
    if mode not in _MODES:
        raise Unsupported(f"the query mode {mode.name} is not supported", hint="Ask DEFAULT, MMR, SPARSE or HYBRID.")
    for name in ("output_fields", "embedding_field"):
        if getattr(query, name):
            raise Unsupported(f"{name} of a query is not supported", hint="A node comes whole, by its one vector.")
    if unknown := [name for name in arguments if name not in _ARGUMENTS]:
        raise InvalidInput(f"query does not take {unknown[0]!r}", hint=f"It takes {', '.join(_ARGUMENTS)}.")
    if query.query_embedding is None and mode is not VectorStoreQueryMode.SPARSE:
        raise InvalidInput("the query has no embedding", hint="Give the index an embed_model.")
    if mode in _IN_WORDS and not query.query_str:
        raise InvalidInput(f"the query has no text, which the mode {mode.name} asks by", hint="Give query_str.")
    if mode in _IN_WORDS and query.node_ids:
        raise Unsupported(f"node_ids beside the mode {mode.name}", hint="Ask DEFAULT, or choose nodes by filters.")
    k = check_k(query.similarity_top_k, sys.maxsize)
    sparse_k = k if query.sparse_top_k is None else check_k(query.sparse_top_k, sys.maxsize)
    hybrid = mode is VectorStoreQueryMode.HYBRID
    wanted = sparse_k if mode is VectorStoreQueryMode.SPARSE else k
    if hybrid and query.hybrid_top_k is not None:
        wanted = check_k(query.hybrid_top_k, sys.maxsize)
    threshold, candidates = None, k
    if mode is VectorStoreQueryMode.MMR:
        threshold = arguments.get("mmr_threshold", query.mmr_threshold)
        threshold = 0.5 if threshold is None else threshold
        if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            raise InvalidInput(f"mmr_threshold must be a number from 0 to 1, not {brief(threshold)}")
        candidates = _candidates(k, arguments)
    elif mmr := [name for name in arguments if name.startswith("mmr_")]:
        raise InvalidInput(f"{mmr[0]} is for the query mode MMR")
    return Question(
        query=query,
        condition=translate(query.filters),
        vector=query.query_embedding or [],
        text=(query.query_str or "") if mode in _IN_WORDS else "",
        hybrid=hybrid,
        alpha=_alpha(query.alpha) if hybrid else 1.0,
        k=k,
        sparse_k=sparse_k,
        wanted=wanted,
        candidates=candidates,
        threshold=threshold,
        exact=arguments.get("exact", False),
        search=arguments.get("search"),
    )


def _alpha(given: object) -> float:
    if given is None:
        return 0.5
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise InvalidInput(f"alpha must be a number from 0 to 1, not {brief(given)}")
    return float(given)


def _candidates(k: int, arguments: Mapping[str, Any]) -> int:
    number, factor = arguments.get("mmr_prefetch_k"), arguments.get("mmr_prefetch_factor")
    if number is not None and factor is not None:
        raise InvalidInput("mmr_prefetch_k and mmr_prefetch_factor are not given together")
    if number is not None:
        return max(k, check_k(number, sys.maxsize))
    factor = _PREFETCH if factor is None else factor
    if not isinstance(factor, int | float) or factor < 1:
        raise InvalidInput(f"mmr_prefetch_factor must be a number of at least 1, not {brief(factor)}")
    return int(k * factor)
