"""The legs of a hybrid query made one list (HYB-2, HYB-3): in float64, so that it is the same on every store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from vstore.errors import InvalidInput
from vstore.fields import UNNAMED
from vstore.fusion import RRF, Fusion, Weighted
from vstore.hits import Hits, LegColumn
from vstore.indexing import Metric
from vstore.records import Records
from vstore.spi.scores import scores
from vstore.wording import did_you_mean

__all__ = ["Found", "check_weights", "fuse", "public_name"]


@dataclass(frozen=True, slots=True)
class Found:
    """What one leg found.

    Attributes:
        field: The field; empty for the one without a name.
        metric: The field's metric.
        ids: The ids, nearest first, ties by id.
        distances: float64 array of shape (n,).
    """

    field: str
    metric: Metric
    ids: list[str]
    distances: NDArray[np.float64]


def public_name(field: str) -> str:
    """Return what users call a field."""
    return field or UNNAMED


def check_weights(fusion: Fusion, fields: Sequence[str]) -> None:
    """Raises ``InvalidInput`` where weights name a field that is not asked, or lack one that they must name."""
    asked = [public_name(field) for field in fields]
    for name in fusion.weights or ():
        if name not in asked:
            raise InvalidInput(f"weights= names {name!r}, which the query does not ask", hint=did_you_mean(name, asked))
    if isinstance(fusion, Weighted) and (missing := [name for name in asked if name not in fusion.weights]):
        raise InvalidInput(f"Weighted(weights=…) has no weight for {', '.join(map(repr, missing))}")


def fuse(legs: Sequence[Found], fusion: Fusion, k: int) -> Hits:
    """Return the first k of the fused list, with ids alone.

    Args:
        legs: In the order of the fields, in which their parts are added.
        fusion: How.
        k: Most hits wanted.
    """
    total: dict[str, float] = {}
    for leg in legs:
        for record_id, part in zip(leg.ids, _parts(leg, fusion), strict=True):
            total[record_id] = total.get(record_id, 0.0) + part
    least = sorted(total.values(), reverse=True)[:k][-1] if total else 0.0
    first = sorted([(-score, record_id) for record_id, score in total.items() if score >= least])[:k]
    ids = [record_id for _, record_id in first]
    fused = np.array([-negated for negated, _ in first], dtype=np.float64)
    return Hits(Records(ids), 0.0 - fused, fused, {public_name(leg.field): _column(leg, ids) for leg in legs})


def _parts(leg: Found, fusion: Fusion) -> list[float]:
    """What each record of a leg adds to its fused score."""
    weights: Mapping[str, float] = fusion.weights or {}
    weight = float(weights.get(public_name(leg.field), 1.0))
    match fusion:
        case RRF():
            return [weight / (fusion.k + rank) for rank in range(1, len(leg.ids) + 1)]
        case Weighted(normalize="minmax"):
            score = scores(leg.metric, leg.distances).tolist()
            if not score:
                return []
            low, width = score[-1], score[0] - score[-1]
            return [weight * ((one - low) / width if width else 1.0) for one in score]
        case Weighted():
            return [weight * _fixed(leg.metric, one) for one in leg.distances.tolist()]
        case _:
            assert_never(fusion)


def _fixed(metric: Metric, distance: float) -> float:
    match metric:
        case Metric.COSINE:
            return (1.0 + (1.0 - distance)) / 2.0
        case Metric.DOT:
            return 0.5 + math.atan(-distance) / math.pi
        case Metric.L2:
            return 1.0 - 2.0 * math.atan(distance) / math.pi
        case _:
            assert_never(metric)


def _column(leg: Found, ids: Sequence[str]) -> LegColumn:
    rank = dict(zip(leg.ids, range(1, len(leg.ids) + 1), strict=True))
    ranks = np.array([rank.get(record_id, 0) for record_id in ids], dtype=np.int64)
    score = np.full(len(ids), np.nan)
    score[ranks > 0] = scores(leg.metric, leg.distances)[ranks[ranks > 0] - 1]
    return LegColumn(ranks, score)
