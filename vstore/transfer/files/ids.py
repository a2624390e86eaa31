"""Where the record of an id is, without keeping the ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vstore.transfer.digest import hash_ids

__all__ = ["IdIndex"]


class IdIndex:
    """From ids to the rows that may hold them: sorted 64-bit hashes and their rows.

    It takes 16 bytes a record (24 while it is made) and one pass over the ids; the ids themselves are not kept, so
    whoever asks compares the id that stands in the row.
    """

    def __init__(self, batches: Iterable[Sequence[str]]) -> None:
        parts = [hash_ids(ids) for ids in batches]
        hashes = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
        self._rows: NDArray[np.int64] = np.argsort(hashes, kind="stable").astype(np.int64, copy=False)
        self._hashes: NDArray[np.uint64] = hashes[self._rows]

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Every row whose id may be one of these, ascending, each once."""
        wanted = hash_ids(ids)
        first = np.searchsorted(self._hashes, wanted, side="left")
        last = np.searchsorted(self._hashes, wanted, side="right")
        spans = [self._rows[a:b] for a, b in zip(first, last, strict=True) if a < b]
        return np.unique(np.concatenate(spans)) if spans else np.empty(0, dtype=np.int64)

    def suspects(self) -> NDArray[np.int64]:
        """Rows whose hash another row has too, ascending: the only ones that may share an id."""
        same = self._hashes[1:] == self._hashes[:-1]
        return np.unique(np.concatenate([self._rows[1:][same], self._rows[:-1][same]]))
