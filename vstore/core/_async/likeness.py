"""The vector that ``Like`` stands for (QRY-7), whatever the database."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vstore.columns import VectorArray, dense, present
from vstore.core.fusing import public_name
from vstore.core.validate import check_vectors
from vstore.errors import NotFound
from vstore.indexing import Metric
from vstore.like import Like
from vstore.records import Include
from vstore.spi._async.protocol import AsyncCollectionReader

__all__ = ["vector_like"]


async def vector_like(adapter: AsyncCollectionReader, like: Like, field: str) -> VectorArray:
    """Return the vector in a field that ``like`` stands for, of shape (1, dimension).

    Raises:
        NotFound: A record is missing, or has no vector in the field.
        InvalidInput: The vectors cancel out.
    """
    include = Include(fields=(field,)) if field else Include(vectors=True)
    records = await adapter.get(like.named, include)
    there = set(records.ids)
    if missing := [one for one in like.named if one not in there]:
        raise NotFound("records to be like do not exist", ids=missing, hint="Name records of this collection.")
    column = dense(records.column(field))
    if len(column) and not (has := present(column)).all():
        without = [records.ids[place] for place in np.flatnonzero(~has)]
        raise NotFound(f"records to be like have no vector in {public_name(field)!r}", ids=without)
    info = adapter.info.field(field)
    place = {one: number for number, one in enumerate(records.ids)}
    means = [
        _mean(column[[place[one] for one in names]], info.metric) if names else None
        for names in (like.ids, like.unlike)
    ]
    near, far = means
    assert near is not None
    found = near if far is None else 2.0 * near - far
    return check_vectors([found], column.shape[1], info.metric, name=f"the average for {public_name(field)!r}")


def _mean(vectors: VectorArray, metric: Metric) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    if metric is Metric.COSINE:
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide.mean(axis=0))
