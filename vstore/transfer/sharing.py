"""Ids that stand once in a table of several collections: which of a copy's another collection has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vstore.core.validate import MAX_ID_BYTES
from vstore.errors import InvalidInput
from vstore.records import Records
from vstore.transfer.equality import id_digests
from vstore.transfer.transform import Rewrite

__all__ = ["PlannedIds", "SharedIds"]

_NAMED = 5


class PlannedIds:
    """The ids of collections whose copy is planned and not begun, in 16 bytes each."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[np.bytes_]] = {}

    def add(self, collection: str, digests: Sequence[NDArray[np.bytes_]]) -> None:
        """Takes in the ids of a collection, as digests."""
        self._held[collection] = np.sort(np.concatenate(digests))

    def owners(self, digests: NDArray[np.bytes_], but: str) -> dict[int, str]:
        """Returns the collection that has an id, by the id's place; ``but`` is not looked at."""
        found: dict[int, str] = {}
        for name, held in self._held.items():
            if name != but:
                places = np.minimum(held.searchsorted(digests), len(held) - 1)
                found |= dict.fromkeys(np.flatnonzero(held[places] == digests).tolist(), name)
        return found


class SharedIds:
    """Looks for ids of a copy that other collections of the target have, where each id stands once for all of them.

    Args:
        collection: Name of the target.
        package: The package whose layout it has.
        elsewhere: Returns which other collection of the target has an id, of those that one has.
        planned: What a dry run plans for others, to which ``note`` adds the ids. None where others are written by then.
        rewrites: Applied to the records before their ids are taken.
        ids_made: Makes the ids that records get in the target of those that they have; None where they stay.
    """

    def __init__(
        self,
        collection: str,
        package: str,
        elsewhere: Callable[[Sequence[str]], Mapping[str, str]],
        planned: PlannedIds | None,
        rewrites: Sequence[Rewrite],
        ids_made: Callable[[Sequence[str]], Sequence[str]] | None = None,
    ) -> None:
        self._collection, self._package = collection, package
        self._elsewhere, self._planned, self._rewrites = elsewhere, planned, rewrites
        self._made = ids_made or list
        self._digests: list[NDArray[np.bytes_]] = []
        self._counts: Counter[str] = Counter()
        self._examples: list[str] = []

    def look(self, records: Records) -> None:
        """Takes in records, with all columns."""
        for rewrite in self._rewrites:
            records = rewrite(records)
        if not len(records):
            return
        ids = self._made(records.ids)
        taken: dict[str, str] = {}
        if self._planned is not None:
            digests = np.frombuffer(b"".join(id_digests(ids)), dtype="S16")
            self._digests.append(digests)
            taken = {ids[place]: name for place, name in self._planned.owners(digests, self._collection).items()}
        taken |= self._elsewhere([one for one in ids if len(one.encode()) <= MAX_ID_BYTES and "\x00" not in one])
        self._counts.update(taken.values())
        own = dict(zip(ids, records.ids, strict=True))
        self._examples += [own[one] for one in taken][: _NAMED - len(self._examples)]

    def note(self) -> None:
        """Adds the ids to those that are planned, so that the next collections are compared with them."""
        if self._planned is not None and self._digests:
            self._planned.add(self._collection, self._digests)

    def problem(self) -> InvalidInput | None:
        """Returns what is wrong; None if no other collection has one of the ids."""
        if not self._counts:
            return None
        named = [f"{number:,} of {name!r:.80}" for name, number in self._counts.most_common(_NAMED)]
        if (more := len(self._counts) - _NAMED) > 0:
            named.append(f"and some of {more:,} more")
        return InvalidInput(
            f"{self._package} keeps an id once for all collections, and other collections have "
            f"{self._counts.total():,} of these: {', '.join(named)}; for example {self._examples[0]!r:.80}",
            ids=self._examples,
            hint="Give the records other ids with --transform, or leave one of the collections out.",
        )
