"""Whether two collections find the same: exact queries on both sides, and the recall of approximate ones."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.core._sync.collection import Collection
from vstore.filters.dictform import to_dict
from vstore.filters.tree import Eq, Filter
from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Records
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.collections import CollectionSource
from vstore.transfer.endpoint import EVERYTHING, Source
from vstore.transfer.report import SearchAgreement

__all__ = ["search_agreement"]

_K: Final = 10
_SAMPLE: Final = 1_000
# MET-3: what the distances of two databases may differ by
_RELATIVE: Final = 2e-5
_ABSOLUTE: Final = 2e-6


def search_agreement(left: Source, right: Source, queries: int, retry: RetryPolicy) -> SearchAgreement | None:
    """Asks both the same queries, with vectors of the left's first records as they are.

    A filter is taken from the metadata: the value that most of these records share without all sharing it.

    Args:
        left: One of them.
        right: The other.
        queries: How many.
        retry: Makes the calls.

    Returns:
        None where one of them is no collection, or cannot answer exactly, or there are no records.
    """
    if not (isinstance(left, CollectionSource) and isinstance(right, CollectionSource)):
        return None
    if not (left.capabilities.exact_query and right.capabilities.exact_query):
        return None
    sample = next((page.records for page in retry.scan(left, batch_size=_SAMPLE, include=EVERYTHING)), Records([]))
    if sample.vectors is None or not len(sample):
        return None
    vectors = sample.vectors[:: max(1, len(sample) // queries)][:queries]
    condition = _condition(sample)
    found = SearchAgreement(len(vectors), _K, filter=None if condition is None else to_dict(condition))
    for where in (None, condition) if condition is not None else (None,):
        exact = [_ask(side.collection, vectors, where, retry, exact=True) for side in (left, right)]
        found.exact_disagreements += sum(
            not _agree(vector, ours, theirs, left.info.metric)
            for vector, ours, theirs in zip(vectors, *exact, strict=True)
        )
        for name, side, true in zip(("left", "right"), (left, right), exact, strict=True):
            if where is not None and not side.capabilities.filtered_query:
                continue
            near = _ask(side.collection, vectors, where, retry, exact=False)
            found.recall[name if where is None else f"{name}, filtered"] = _recall(near, true)
    return found


def _condition(sample: Records) -> Filter | None:
    values: Counter[tuple[str, type, Any]] = Counter()
    for metadata in sample.metadatas or ():
        values.update((key, type(value), value) for key, value in metadata.items() if type(value) in (str, bool, int))
    for (key, _, value), times in values.most_common():
        if times < len(sample):
            return Eq((key,), value)
    return None


def _ask(
    collection: Collection, vectors: NDArray[np.float32], where: Filter | None, retry: RetryPolicy, *, exact: bool
) -> list[Hits]:
    return retry.call(lambda: collection.query_many(vectors, k=_K, where=where, exact=exact, include=["vectors"]))


def _agree(vector: NDArray[np.float32], ours: Hits, theirs: Hits, metric: Metric) -> bool:
    """Whether the distances agree place by place: then records that only one side has are level with others."""
    if len(ours) != len(theirs):
        return False
    return bool(
        np.allclose(ours.distances, theirs.distances, rtol=_RELATIVE, atol=_ABSOLUTE * _scale(vector, ours, metric))
    )


def _scale(vector: NDArray[np.float32], hits: Hits, metric: Metric) -> float:
    if metric is Metric.COSINE or hits.records.vectors is None or not len(hits):
        return 1.0
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if metric is Metric.L2:
        return length
    return length * float(np.linalg.norm(hits.records.vectors.astype(np.float64), axis=1).max())


def _recall(near: list[Hits], true: list[Hits]) -> float | None:
    """Share of the true nearest that were found; a hit at the distance of the last true one counts as true."""
    wanted = sum(map(len, true))
    if not wanted:
        return None
    found = 0
    for hits, best in zip(near, true, strict=True):
        if len(best):
            bound = best.distances[-1] + _RELATIVE * abs(best.distances[-1]) + _ABSOLUTE
            found += min(len(best), int((hits.distances <= bound).sum()))
    return found / wanted
