"""To which records a search is restricted, and what Milvus Lite is told of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from vstore_milvus.compile import both, with_ids
from vstore_milvus.messages import Found

__all__ = ["Restriction"]

_SHARE: Final = 8
_MOST: Final = 1_000


class Restriction:
    """The records of a search.

    Milvus Lite parses a list of ids in 10 µs each, and takes 2 µs a record to compare all of them. So where many
    records match, it is asked for more hits instead, of which those that match are kept: the nearest of them are the
    nearest of the records that match.

    Attributes:
        beside: The expression of Milvus that holds for them, besides the ids; None for none.
        ids: The ids that are left of all; None where the expression tells them.
    """

    def __init__(self, beside: str | None, ids: Sequence[str] | None = None, total: int = 0) -> None:
        """Describes them.

        Args:
            beside: An expression of Milvus, or None.
            ids: The ids of the records that match, or None.
            total: Among how many records these were chosen; 0 where that is not known.
        """
        self.beside = beside
        self.ids = ids
        self._total = total

    @cached_property
    def condition(self) -> str | None:
        """The whole as one expression."""
        return self.beside if self.ids is None else both(self.beside, with_ids(self.ids))

    def wanted(self, k: int) -> int:
        """Return of how many hits about k are among the records; 0 where the ids are better listed."""
        if not self.ids or not self._total or len(self.ids) * _SHARE <= self._total:
            return 0
        wanted = math.ceil(1.3 * k * self._total / len(self.ids)) + 50
        return wanted if k <= len(self.ids) and wanted <= _MOST else 0

    def keep(self, hits: Sequence[Found], k: int) -> list[Found]:
        """Return the first k hits that are among the records."""
        return [hit for hit in hits if hit[0]["id"] in self._among][:k]

    @cached_property
    def _among(self) -> frozenset[str]:
        return frozenset(self.ids or ())
