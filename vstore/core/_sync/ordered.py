# Generated from vstore/core/_async/ordered.py by tools/unasync.py: do not edit.
"""Scans in the order of a metadata key, whatever the database (SCAN-4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vstore.core.ordering import Place, RecordOrder
from vstore.filters.tree import Filter
from vstore.records import Include, Records
from vstore.spi._sync._run import run_blocking
from vstore.spi._sync.protocol import CollectionReader
from vstore.spi.batching import batches

__all__ = ["ordered_pages"]

_ROWS: Final = 1000  # of a page of metadata
_METADATA: Final = Include(metadatas=True)


def ordered_pages(
    adapter: CollectionReader,
    order: RecordOrder,
    where: Filter | None,
    batch_size: int,
    after: Place | None,
    include: Include,
) -> Iterator[tuple[Records, str]]:
    """Yield pages in order, each with a token of its last place.

    The metadata of all records that match are read first; of each an id and a value are held.
    """
    found: list[Place] = []
    for records, _ in adapter.scan(where, _ROWS, None, _METADATA):
        found += order.places(records)
    for part in batches(run_blocking(order.arranged, found, after), batch_size):
        page = adapter.get([record_id for _, _, record_id in part], include)
        if page.ids:  # else all were deleted meanwhile
            yield page, order.token(part[-1])
