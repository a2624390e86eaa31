# Generated from vstore/core/_async/scanning.py by tools/unasync.py: do not edit.
"""Scans: pages that are fetched as they are asked for, and the cursors between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from vstore.capabilities import Capabilities
from vstore.core._sync.ordered import ordered_pages
from vstore.core.operation import CallContext
from vstore.core.ordering import Place, RecordOrder, check_order
from vstore.core.validate import check_count, check_filter
from vstore.errors import InvalidInput, brief
from vstore.filters.tree import Filter
from vstore.keys import encodable
from vstore.records import Include, IncludeName, Page
from vstore.spi._sync.protocol import CollectionReader

__all__ = ["MOST_ROWS", "Scanner"]

# of a page, whatever batch_size is: what every database has a number for, and more than a process holds
MOST_ROWS: Final = 10_000_000


class Scanner:
    """The scans of one collection.

    Args:
        adapter: What is scanned.
        capabilities: What its filters may ask for.
        calls: The calls of its store.
    """

    def __init__(self, adapter: CollectionReader, capabilities: Capabilities, calls: CallContext) -> None:
        self._adapter = adapter
        self._capabilities = capabilities
        self._calls = calls

    def pages(
        self,
        operation: str,
        where: Filter | Mapping[str, Any] | None,
        batch_size: int,
        after: str | None,
        include: Iterable[IncludeName | str],
        order_by: str | None,
        descending: bool,
    ) -> Iterator[Page]:
        """Check everything at once, and return pages that are fetched as they are asked for."""
        with self._calls.operation(operation, self._adapter.info.name):
            rows = min(check_count("batch_size", batch_size), MOST_ROWS)
            order = check_order(order_by, descending)
            token = None if after is None else self._token(after, order)
            columns = self._adapter.info.include(include)
            condition = None if where is None else check_filter(where, self._capabilities)
        return self._fetched(operation, condition, rows, token, columns, order)

    def _kind_of_cursor(self, order: RecordOrder | None) -> str:
        return self._calls.backend if order is None else f"{self._calls.backend}/order"

    def _token(self, cursor: str, order: RecordOrder | None) -> str | Place:
        kind, colon, token = cursor.partition(":") if isinstance(cursor, str) else ("", "", "")
        if colon and kind == self._kind_of_cursor(order) and "\x00" not in token and encodable(token):
            if order is None:
                return token
            with suppress(ValueError):
                return order.place(token)
        raise InvalidInput(
            f"{brief(cursor)} is not a cursor of a {self._calls.backend} collection in this order",
            hint="Pass the cursor of a Page from the same collection, and the order_by and descending of its scan.",
        )

    def _fetched(
        self,
        operation: str,
        where: Filter | bool | None,
        batch_size: int,
        after: str | Place | None,
        include: Include,
        order: RecordOrder | None,
    ) -> Iterator[Page]:
        if where is False:
            return
        condition = None if isinstance(where, bool) else where
        if order is None:
            assert after is None or isinstance(after, str)
            pages = self._adapter.scan(condition, batch_size, after, include)
        else:
            assert not isinstance(after, str)
            pages = ordered_pages(self._adapter, order, condition, batch_size, after, include)
        with self._calls.scanning(pages):
            while True:
                with self._calls.operation(operation, self._adapter.info.name) as observed:
                    try:
                        records, token = next(pages)
                    except StopIteration:
                        return
                    if observed is not None:
                        observed.rows = len(records.ids)
                yield Page(records, f"{self._kind_of_cursor(order)}:{token}")
