# Generated from vstore/core/_async/grouping.py by tools/unasync.py: do not edit.
"""The nearest record of each group: of each value of a metadata key (QRY-6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vstore.core.ordering import ABSENT, kind_and_value
from vstore.filters.tree import And, Exists, Filter, In, Not
from vstore.hits import Hits
from vstore.records import Records
from vstore.spi.rewrite import normalize

__all__ = ["Groups", "first_of_each"]

_SPARE: Final = 4  # records asked for each group that is wanted
Ask = Callable[[Filter, int], Hits]
"""Returns the nearest of the records that match a filter, at most so many, with their metadata."""


def first_of_each(hits: Hits, key: str, known: dict[tuple[int, object], Any]) -> list[int]:
    """Return the positions of the first hit of each group that is not known yet, and make it known."""
    places = []
    for place, metadata in enumerate(hits.metadatas or ()):
        value = metadata.get(key)
        token = kind_and_value(value)
        if token[0] != ABSENT and token not in known:
            known[token] = value
            places.append(place)
    return places


@dataclass(frozen=True, slots=True)
class Groups:
    """Finds groups by asking on for records of none that was found.

    Attributes:
        key: The metadata key.
        where: Which records, in normal form, or None.
        most: The largest number of records of one query.
    """

    key: str
    where: Filter | None
    most: int

    def nearest(self, ask: Ask, k: int, empty: Hits) -> Hits:
        """Return the nearest record of each of the k nearest groups, nearest first."""
        known: dict[tuple[int, object], Any] = {}
        parts, size = [empty], min(_SPARE * k, self.most)
        while len(known) < k:
            hits = ask(self._condition(list(known.values())), size)
            places = first_of_each(hits, self.key, known)
            parts.append(hits.take(places))
            if len(hits) < size or (not places and size == self.most):
                break
            size = size if places else min(2 * size, self.most)  # lists stood in the way, which make no group
        return _joined(parts)[:k]

    def _condition(self, found: list[Any]) -> Filter:
        """Records that have the key, and none of the values found."""
        asked: list[Filter] = [Exists((self.key,))]
        if self.where is not None:
            asked.append(self.where)
        asked += [Not(In((self.key,), tuple(found)))] if found else []
        whole = normalize(And(tuple(asked)) if len(asked) > 1 else asked[0])
        assert isinstance(whole, Filter)
        return whole


def _joined(parts: list[Hits]) -> Hits:
    first = parts[1] if len(parts) > 1 else parts[0]
    return replace(
        first,
        records=Records.concat([part.records for part in parts[1:] or parts]),
        distances=np.concatenate([part.distances for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
    )
