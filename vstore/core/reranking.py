"""Hits put into another order by what reads their documents (HYB-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from vstore.errors import BackendError, InvalidInput, VStoreError, brief
from vstore.hits import Hits

__all__ = ["Reranker", "check_reranker", "reranked"]


class Reranker(Protocol):
    """Tells how well documents answer a question, such as a cross-encoder does; any callable of this form is one."""

    def __call__(self, question: str | None, documents: list[str], /) -> Sequence[float]:
        """Return one finite score a document, higher for a better answer.

        Args:
            question: The text of the query; None where it was asked by vectors alone.
            documents: The documents of the hits, in their order.
        """
        ...


def check_reranker(rerank: Any) -> Reranker | None:
    """Return the reranker; raises ``InvalidInput`` where it cannot be called."""
    if rerank is not None and not callable(rerank):
        raise InvalidInput(
            f"rerank= takes a function of a question and documents, not {brief(rerank)}",
            hint="It returns one score a document.",
        )
    return rerank  # type: ignore[no-any-return]


def reranked(rerank: Reranker, question: str | None, hits: Hits) -> Hits:
    """Return hits by the scores that a reranker gives their documents, ties and those without one in their own order.

    Raises:
        BackendError: It raised, or did not return one finite number a document.
    """
    documents = hits.documents or []
    places = [place for place, document in enumerate(documents) if document is not None]
    given = [document for document in documents if document is not None]
    scores = np.full(len(hits), np.nan)
    if places:
        scores[places] = _asked(rerank, question, given)
    order = np.lexsort((np.arange(len(hits)), -scores))  # NaN comes last
    ranked = hits.take(order.tolist())
    return replace(ranked, ranks=order.astype(np.int64) + 1, rerank_scores=scores[order])


def _asked(rerank: Reranker, question: str | None, documents: list[str]) -> Any:
    try:
        answer = np.asarray(rerank(question, documents))
    except VStoreError:
        raise
    except Exception as error:
        raise BackendError(
            f"the reranker raised {type(error).__name__}; the cause is chained", backend="reranker"
        ) from error
    if answer.shape != (len(documents),) or answer.dtype.kind not in "fiu" or not np.isfinite(answer).all():
        raise BackendError(
            f"the reranker answered {brief(answer)} to {len(documents)} documents: one finite number each is needed",
            backend="reranker",
        )
    return answer.astype(np.float64)
