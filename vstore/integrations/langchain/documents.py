"""Between LangChain's documents and vstore's columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import uuid4

from langchain_core.documents import Document
from numpy.typing import ArrayLike

from vstore.core.validate import check_ids
from vstore.errors import InvalidInput, brief, reading
from vstore.filters import Filter
from vstore.fusion import Fusion
from vstore.hits import Hits
from vstore.indexing import Metric, Search
from vstore.integrations.metadata import unpack
from vstore.integrations.mmr import maximal_marginal_relevance
from vstore.records import Records

__all__ = [
    "Batch",
    "Found",
    "Question",
    "Scored",
    "batch",
    "dimension_of",
    "diverse",
    "documents",
    "relevant",
    "scored",
]


Scored: TypeAlias = list[tuple[Document, float]]

_RELEVANCE: Final[dict[Metric, Callable[[float], float]]] = {
    Metric.COSINE: lambda distance: 1.0 - distance,
    Metric.L2: lambda distance: 1.0 - distance / math.sqrt(2.0),
    Metric.DOT: lambda distance: -distance,
}


@dataclass(frozen=True)
class Question:
    """A search as LangChain asks it."""

    k: int
    filter: Filter | Mapping[str, Any] | None
    exact: bool
    search: Search | None
    fuse: Fusion | None = None


@dataclass(frozen=True)
class Batch:
    """What one call adds, in columns of equal length."""

    ids: list[str]
    texts: list[str]
    metadatas: list[Mapping[str, Any]]

    def parts(self, size: int | None) -> Iterator[Batch]:
        """Yields batches of at most ``size`` records, or one of all; none where there are none."""
        if size is not None and (type(size) is not int or size < 1):
            raise InvalidInput(f"batch_size must be an int of at least 1, not {brief(size)}")
        for start in range(0, len(self.ids), size or max(1, len(self.ids))):
            end = start + (size or len(self.ids))
            yield Batch(self.ids[start:end], self.texts[start:end], self.metadatas[start:end])


@dataclass(frozen=True)
class Found:
    """What a search brought, with the vector that asked and the collection's metric."""

    vector: ArrayLike
    hits: Hits
    metric: Metric


def batch(
    texts: Iterable[str], metadatas: Sequence[Mapping[str, Any] | None] | None, ids: Sequence[str | None] | None
) -> Batch:
    """Return the columns, with a new UUID for each record without an id.

    Raises:
        InvalidInput: Columns of unequal length, an id that is not legal, or one that stands twice.
    """
    listed = [texts] if isinstance(texts, str) else list(texts)
    for name, column in (("metadatas", metadatas), ("ids", ids)):
        if column and len(column) != len(listed):
            raise InvalidInput(f"{name} has {len(column)} rows for {len(listed)} texts")
    known = check_ids([str(uuid4()) if one is None else one for one in ids or [None] * len(listed)])
    return Batch(known, listed, [{} if one is None else one for one in metadatas or [None] * len(listed)])


def dimension_of(vectors: Any, embedded: Batch) -> int:
    """Return the dimension of what the embedding answered; raises ``InvalidInput`` where it is no vector a text."""
    with reading("the embedding's answer"):
        if len(vectors) == len(embedded.texts):
            return len(vectors[0])
    raise InvalidInput(f"the embedding answered {len(vectors)} vectors to {len(embedded.texts)} texts")


def documents(records: Records) -> list[Document]:
    """Return a document a record; a record without a text has an empty one."""
    texts = records.documents or [None] * len(records)
    metadatas = records.metadatas or [{} for _ in records.ids]
    return [
        Document(id=record_id, page_content=text or "", metadata=unpack(metadata))
        for record_id, text, metadata in zip(records.ids, texts, metadatas, strict=True)
    ]


def scored(hits: Hits) -> Scored:
    """Return each hit's document and distance."""
    return list(zip(documents(hits.records), hits.distances.tolist(), strict=True))


def relevant(hits: Hits, metric: Metric, relevance: Callable[[float], float] | None) -> Scored:
    """Return each hit's document and relevance, by the formula of the metric where none is given."""
    formula = _RELEVANCE[metric] if relevance is None else relevance
    return [(document, formula(distance)) for document, distance in scored(hits)]


def diverse(vector: ArrayLike, hits: Hits, k: int, lambda_mult: float) -> Scored:
    """Return ``k`` of the hits, which have their vectors, by maximal marginal relevance, with their distances."""
    assert hits.vectors is not None
    chosen = maximal_marginal_relevance(vector, hits.vectors, k, lambda_mult)
    return list(zip(documents(hits.records.take(chosen)), hits.distances[chosen].tolist(), strict=True))
