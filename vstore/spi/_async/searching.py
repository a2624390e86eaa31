"""What queries of several databases share: the exact scan, and the true hits where an index found too few."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

from vstore.columns import Column
from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Records
from vstore.spi._async._run import run_blocking
from vstore.spi.scores import TopK

__all__ = ["scan_top_k", "top_up"]


async def scan_top_k(
    metric: Metric,
    queries: Column,
    k: int,
    pages: AsyncIterable[Records],
    get: Callable[[list[str]], Awaitable[Records]],
    field: str = "",
) -> list[Hits]:
    """Return the true k nearest to each query, in float64, whatever the number of records.

    Args:
        metric: The field's metric.
        queries: Shape (nq, d), or sparse vectors.
        k: Most hits wanted for each.
        pages: Every candidate once, with its vector.
        get: Returns records by id with the columns wanted; one that was deleted meanwhile may be missing.
        field: The field to compare; empty for the one without a name.
    """
    best = TopK(metric, queries, k, field)
    async for page in pages:
        await run_blocking(best.take, page)
    return best.hits(await get(best.ids))


async def top_up(
    hits: Sequence[Hits | None],
    k: int,
    count: Callable[[], Awaitable[int]] | None,
    exact: Callable[[list[int]], Awaitable[list[Hits]]],
) -> list[Hits]:
    """Return the hits of an approximate search, with the true ones in place of those that are too few.

    An index finds too few where few records match, where it cannot reach some, or where it is still being built.

    Args:
        hits: What the index found for each query; None where the true hits are needed whatever it found.
        k: Most hits wanted.
        count: Returns how many records match, so that a query that has them all is not repeated. It is called at most
            once, and not where every query has k hits. None repeats each query with fewer than k.
        exact: Returns the true hits of the queries at some places.
    """
    whole = [one for one in hits if one is not None and len(one) >= k]
    if len(whole) == len(hits):
        return whole
    short = [place for place, one in enumerate(hits) if one is not None and len(one) < k]
    if short and count is not None:
        wanted = min(k, await count())
        short = [place for place in short if len(hits[place] or ()) < wanted]
    again = sorted([*short, *(place for place, one in enumerate(hits) if one is None)])
    found = dict(zip(again, await exact(again), strict=True)) if again else {}
    return [one for place, before in enumerate(hits) if (one := found.get(place, before)) is not None]
