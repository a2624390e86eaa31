"""Whether two collections find the same: exact queries on both sides, and the recall of approximate ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from vstore.columns import Column, VectorArray, dense, present, take_rows
from vstore.core._sync.collection import Collection
from vstore.fields import UNNAMED
from vstore.filters.dictform import to_dict
from vstore.filters.tree import Eq, Filter
from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Records
from vstore.sparse import SparseArray, SparseVector
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.collections import CollectionSource
from vstore.transfer.endpoint import EVERYTHING, Source
from vstore.transfer.fields import shared_fields
from vstore.transfer.report import SearchAgreement

__all__ = ["search_agreement"]

_K: Final = 10
_SAMPLE: Final = 1_000
# MET-3: what the distances of two databases may differ by
_RELATIVE: Final = 2e-5
_ABSOLUTE: Final = 2e-6


def search_agreement(left: Source, right: Source, queries: int, retry: RetryPolicy) -> SearchAgreement | None:
    """Asks both the same queries, with vectors of the left's first records as they are.

    A filter is taken from the metadata: the value that most of these records share without all sharing it. Named fields
    that both have are asked without a filter.

    Args:
        left: One of them.
        right: The other.
        queries: How many, of each field.
        retry: Makes the calls.

    Returns:
        None where one of them is no collection, or cannot answer exactly, or there are no records.
    """
    if not (isinstance(left, CollectionSource) and isinstance(right, CollectionSource)):
        return None
    if not (left.capabilities.exact_query and right.capabilities.exact_query):
        return None
    sample = next((page.records for page in retry.scan(left, batch_size=_SAMPLE, include=EVERYTHING)), Records([]))
    if not len(sample):
        return None
    condition = _condition(sample)
    found = SearchAgreement(0, _K, filter=None if condition is None or not left.info.dimension else to_dict(condition))
    sides = (left, right)
    if left.info.dimension:
        _ask_field(
            found, "", sample.column(), sides, (None,) if condition is None else (None, condition), queries, retry
        )
    for name in shared_fields(left.info, right.info):
        column = take_rows(sample.fields[name], np.flatnonzero(present(sample.fields[name])))
        if len(column) and left.info.field(name).metric is right.info.field(name).metric:
            _ask_field(found, name, column, sides, (None,), queries, retry)
    return found if found.queries else None


def _ask_field(
    found: SearchAgreement,
    name: str,
    column: Column,
    sides: tuple[CollectionSource, CollectionSource],
    conditions: Sequence[Filter | None],
    queries: int,
    retry: RetryPolicy,
) -> None:
    """Asks both sides some of the vectors of one field, and notes what they find; an empty name is the one without."""
    vectors = column[:: max(1, len(column) // queries)][:queries]
    metric = sides[0].info.field(name).metric
    found.queries += len(vectors)
    for where in conditions:
        exact = [_ask(side.collection, name, vectors, where, retry, exact=True) for side in sides]
        found.exact_disagreements += sum(
            not _agree(name, vector, ours, theirs, metric) for vector, ours, theirs in zip(vectors, *exact, strict=True)
        )
        if isinstance(column, SparseArray):  # which is always compared exactly
            continue
        for which, side, true in zip(("left", "right"), sides, exact, strict=True):
            if where is not None and not side.capabilities.filtered_query:
                continue
            near = _ask(side.collection, name, vectors, where, retry, exact=False)
            label = f"{which} {name}" if name else which
            found.recall[label if where is None else f"{label}, filtered"] = _recall(near, true)


def _condition(sample: Records) -> Filter | None:
    values: Counter[tuple[str, type, Any]] = Counter()
    for metadata in sample.metadatas or ():
        values.update((key, type(value), value) for key, value in metadata.items() if type(value) in (str, bool, int))
    for (key, _, value), times in values.most_common():
        if times < len(sample):
            return Eq((key,), value)
    return None


def _ask(
    collection: Collection, name: str, vectors: Column, where: Filter | None, retry: RetryPolicy, *, exact: bool
) -> list[Hits]:
    asked, include = {name or UNNAMED: vectors}, [name or "vectors"]
    return retry.call(lambda: collection.query_many(asked, k=_K, where=where, exact=exact, include=include))


def _agree(name: str, vector: VectorArray | SparseVector, ours: Hits, theirs: Hits, metric: Metric) -> bool:
    """Whether the distances agree place by place: then records that only one side has are level with others."""
    if len(ours) != len(theirs):
        return False
    absolute = _ABSOLUTE * _scale(name, vector, ours, metric)
    return bool(np.allclose(ours.distances, theirs.distances, rtol=_RELATIVE, atol=absolute))


def _scale(name: str, vector: VectorArray | SparseVector, hits: Hits, metric: Metric) -> float:
    if metric is Metric.COSINE or isinstance(vector, SparseVector) or not len(hits):
        return 1.0
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if metric is Metric.L2:
        return length
    return length * float(np.linalg.norm(dense(hits.records.column(name)).astype(np.float64), axis=1).max())


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
