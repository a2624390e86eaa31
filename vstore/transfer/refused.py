"""Records that no write takes, found before one is sent: ids and metadata beyond the limits, as a write checks them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vstore.core.validate import check_ids
from vstore.errors import InvalidInput
from vstore.metadata import check_metadata
from vstore.records import Records
from vstore.transfer.endpoint import Target

__all__ = ["RefusedRecords"]

_NAMED: Final = 5


class RefusedRecords:
    """Counts the records whose ids or metadata a target does not take.

    Dicts inside metadata, and long documents, are told elsewhere.

    Args:
        target: The target.
        allowed: How many records it may reject.
    """

    def __init__(self, target: Target, allowed: int) -> None:
        self._most = None if target.capabilities is None else target.capabilities.limits.max_metadata_bytes
        self._allowed = allowed
        self._number = 0
        self._examples: list[str] = []

    def look(self, records: Records) -> None:
        """Takes in records, with their metadata."""
        if self._most is None:
            return
        for record, reason in self._refused(records, self._most):
            self._number += 1
            if len(self._examples) < _NAMED:
                self._examples.append(f"{record!r:.80} ({reason})")

    def _refused(self, records: Records, most: int) -> Iterator[tuple[str, str]]:
        known: set[str] = set()
        legal = _all_legal(records.ids)
        for record, metadata in zip(records.ids, records.metadatas or [{}] * len(records), strict=True):
            try:
                if not legal:
                    check_ids([record])
                check_metadata(metadata, known, nested=True, most=most)
            except InvalidInput as error:
                yield record, error.message

    def tell(self, problems: list[str], notes: list[str]) -> None:
        """Adds what is to be known, in words: a problem, or a note where the target may reject so many records."""
        if not self._number:
            return
        told = f"the target rejects {self._number:,} records: {'; '.join(self._examples)}"
        if self._number <= self._allowed:
            notes.append(told)
        else:
            problems.append(f"{told}. To leave them out: --max-errors {self._number}")


def _all_legal(ids: list[str]) -> bool:
    try:
        check_ids(ids, distinct=False)
    except InvalidInput:
        return False
    return True
