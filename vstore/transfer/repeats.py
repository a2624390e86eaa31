"""Ids that a source gives to several records: of these a target would keep one.

Of a collection that vstore made, and of files, there are none; of another application's the mapping may take for the
id what is not unique.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.errors import Mismatch
from vstore.filters.tree import Filter
from vstore.transfer.collections import CollectionSource
from vstore.transfer.endpoint import Source
from vstore.transfer.pace import Pace

__all__ = ["Repeats", "refuse_repeated"]

_SHOWN: Final = 5


class Repeats:
    """Looks for repeated ids as a scan brings them, in 8 bytes each; those of a source that has none are not kept."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._needed = isinstance(source, CollectionSource) and source.collection.mapping is not None
        self._hashes: list[NDArray[np.uint64]] = []

    def add(self, ids: Sequence[str]) -> None:
        """Takes in those of one page."""
        if self._needed:
            self._hashes.append(np.array([_hashed(one) for one in ids], dtype=np.uint64))

    def refuse(self, where: Filter | None, pace: Pace) -> None:
        """Raises ``Mismatch`` where an id stands more than once; the records are then scanned once more, to name it."""
        if not self._hashes:
            return
        hashes = np.sort(np.concatenate(self._hashes))
        several = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        self._hashes.clear()
        if not several:
            return
        times: Counter[str] = Counter()
        for page in pace.scan(self._source, where=where, include=()):
            for one in page.records.ids:
                if _hashed(one) in several:
                    times[one] += 1
        refuse_repeated(sorted(one for one, number in times.items() if number > 1))


def _hashed(record_id: str) -> int:
    return int.from_bytes(blake2b(record_id.encode(), digest_size=8).digest(), "little")


def refuse_repeated(ids: Sequence[str]) -> None:
    """Raises ``Mismatch`` that names these ids, if there are any."""
    if ids:
        raise Mismatch(
            f"the source gives several records the id {ids[0]!r}",
            hint="An id names one record: mend the source, or map the id to what is unique.",
            ids=list(ids[:_SHOWN]),
        )
