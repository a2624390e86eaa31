"""The searches of LangChain's ``VectorStore``, each in both forms."""

# mypy: disable-error-code="override"
# LangChain's methods take any keyword; these take those of `How` and refuse every other

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypedDict, Unpack

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from vstore.errors import InvalidInput
from vstore.filters import Filter
from vstore.fusion import Fusion
from vstore.indexing import Search
from vstore.integrations.langchain._async.steps import AsyncSteps
from vstore.integrations.langchain._sync.steps import Steps
from vstore.integrations.langchain.documents import Question, Scored

__all__ = ["How", "Searching", "Where"]

Where: TypeAlias = Filter | Mapping[str, Any] | None
K: Final = 4
FETCH_K: Final = 20
LAMBDA: Final = 0.5


class How(TypedDict, total=False):
    """What every search takes besides.

    Attributes:
        filter: A filter of vstore built with ``F``, or a dict with LangChain's ``$`` operators.
        exact: True for the true nearest, at whatever cost; else by the index, approximately.
        search: Settings of this one search.
        fuse: ``RRF()`` or ``Weighted(…)``: a text is asked by its words too, in the collection's sparse field, and both
            lists become one. Distances are the fused scores negated then; there are no relevances.
    """

    filter: Where
    exact: bool
    search: Search | None
    fuse: Fusion | None


def _asked(k: int, how: How) -> Question:
    unknown = next((name for name in how if name not in How.__annotations__), None)
    if unknown is not None:
        hint = f"Besides k it takes {', '.join(How.__annotations__)}."
        raise InvalidInput(f"a search has no argument {unknown!r}", hint=hint)
    return Question(k, how.get("filter"), how.get("exact", False), how.get("search"), how.get("fuse"))


def _only(found: Scored) -> list[Document]:
    return [document for document, _ in found]


class Searching(VectorStore):
    """Every search by text or by vector; ``VStoreVectorStore`` says what their arguments and scores are."""

    _steps: Steps
    _async_steps: AsyncSteps
    _relevance: Callable[[float], float] | None

    def similarity_search(self, query: str, k: int = K, **how: Unpack[How]) -> list[Document]:
        """Return the ``k`` documents nearest to a text, nearest first."""
        return _only(self._steps.nearest(query, _asked(k, how)))

    async def asimilarity_search(self, query: str, k: int = K, **how: Unpack[How]) -> list[Document]:
        """Do what ``similarity_search`` does."""
        return _only(await self._async_steps.nearest(query, _asked(k, how)))

    def similarity_search_by_vector(self, embedding: list[float], k: int = K, **how: Unpack[How]) -> list[Document]:
        """Return the ``k`` documents nearest to a vector, nearest first."""
        return _only(self._steps.nearest(embedding, _asked(k, how)))

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = K, **how: Unpack[How]
    ) -> list[Document]:
        """Do what ``similarity_search_by_vector`` does."""
        return _only(await self._async_steps.nearest(embedding, _asked(k, how)))

    def similarity_search_with_score(self, query: str, k: int = K, **how: Unpack[How]) -> Scored:
        """Return the ``k`` documents nearest to a text, each with its distance: lower is nearer."""
        return self._steps.nearest(query, _asked(k, how))

    async def asimilarity_search_with_score(self, query: str, k: int = K, **how: Unpack[How]) -> Scored:
        """Do what ``similarity_search_with_score`` does."""
        return await self._async_steps.nearest(query, _asked(k, how))

    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = K, **how: Unpack[How]) -> Scored:
        """Return the ``k`` documents nearest to a vector, each with its distance: lower is nearer."""
        return self._steps.nearest(embedding, _asked(k, how))

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = K, **how: Unpack[How]
    ) -> Scored:
        """Do what ``similarity_search_with_score_by_vector`` does."""
        return await self._async_steps.nearest(embedding, _asked(k, how))

    def max_marginal_relevance_search(
        self, query: str, k: int = K, fetch_k: int = FETCH_K, lambda_mult: float = LAMBDA, **how: Unpack[How]
    ) -> list[Document]:
        """Return ``k`` of the ``fetch_k`` documents nearest to a text that are also far from each other.

        Args:
            query: The text.
            k: How many.
            fetch_k: How many to choose from.
            lambda_mult: From 0 for the greatest diversity to 1 for nearness alone.
            **how: As in every search.
        """
        return _only(self._steps.diverse(query, _asked(fetch_k, how), k, lambda_mult))

    async def amax_marginal_relevance_search(
        self, query: str, k: int = K, fetch_k: int = FETCH_K, lambda_mult: float = LAMBDA, **how: Unpack[How]
    ) -> list[Document]:
        """Do what ``max_marginal_relevance_search`` does."""
        return _only(await self._async_steps.diverse(query, _asked(fetch_k, how), k, lambda_mult))

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = K,
        fetch_k: int = FETCH_K,
        lambda_mult: float = LAMBDA,
        **how: Unpack[How],
    ) -> list[Document]:
        """Do what ``max_marginal_relevance_search`` does, for a vector."""
        return _only(self._steps.diverse(embedding, _asked(fetch_k, how), k, lambda_mult))

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = K,
        fetch_k: int = FETCH_K,
        lambda_mult: float = LAMBDA,
        **how: Unpack[How],
    ) -> list[Document]:
        """Do what ``max_marginal_relevance_search_by_vector`` does."""
        return _only(await self._async_steps.diverse(embedding, _asked(fetch_k, how), k, lambda_mult))

    def max_marginal_relevance_search_with_score(
        self, query: str, k: int = K, fetch_k: int = FETCH_K, lambda_mult: float = LAMBDA, **how: Unpack[How]
    ) -> Scored:
        """Do what ``max_marginal_relevance_search`` does, each document with its distance: lower is nearer."""
        return self._steps.diverse(query, _asked(fetch_k, how), k, lambda_mult)

    async def amax_marginal_relevance_search_with_score(
        self, query: str, k: int = K, fetch_k: int = FETCH_K, lambda_mult: float = LAMBDA, **how: Unpack[How]
    ) -> Scored:
        """Do what ``max_marginal_relevance_search_with_score`` does."""
        return await self._async_steps.diverse(query, _asked(fetch_k, how), k, lambda_mult)

    def max_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = K,
        fetch_k: int = FETCH_K,
        lambda_mult: float = LAMBDA,
        **how: Unpack[How],
    ) -> Scored:
        """Do what ``max_marginal_relevance_search_with_score`` does, for a vector."""
        return self._steps.diverse(embedding, _asked(fetch_k, how), k, lambda_mult)

    async def amax_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = K,
        fetch_k: int = FETCH_K,
        lambda_mult: float = LAMBDA,
        **how: Unpack[How],
    ) -> Scored:
        """Do what ``max_marginal_relevance_search_with_score_by_vector`` does."""
        return await self._async_steps.diverse(embedding, _asked(fetch_k, how), k, lambda_mult)

    def _similarity_search_with_relevance_scores(self, query: str, k: int = K, **how: Unpack[How]) -> Scored:
        return self._steps.relevant(query, _asked(k, how), self._relevance)

    async def _asimilarity_search_with_relevance_scores(self, query: str, k: int = K, **how: Unpack[How]) -> Scored:
        return await self._async_steps.relevant(query, _asked(k, how), self._relevance)
