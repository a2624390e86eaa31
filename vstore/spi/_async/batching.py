"""Reads and writes of many records in several requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sized
from typing import TypeVar

from vstore.errors import partial_write_context
from vstore.spi.batching import batches

__all__ = ["scan_by_ids", "write_parts"]

K = TypeVar("K", str, int)
Page = TypeVar("Page", bound=Sized)
Part = TypeVar("Part")


async def scan_by_ids(
    ids: Iterable[K], size: int, after: K | None, read: Callable[[list[K]], Awaitable[Page]]
) -> AsyncIterator[tuple[Page, K]]:
    """Yields records by ascending id, each page with its last id, from ids that were read before.

    It serves databases whose own pages skip or repeat records while others write.

    Args:
        ids: The ids, or keys, of all records, in any order.
        size: Most records of one page.
        after: Only ids beyond this one; None for all.
        read: Returns the records with some ids, in the order of these; one that was deleted meanwhile may be missing.
    """
    for wanted in batches(sorted(i for i in ids if after is None or i > after), size):
        page = await read(wanted)
        if len(page):
            yield page, wanted[-1]


async def write_parts(
    parts: Iterable[tuple[Iterable[str], Part]],
    send: Callable[[Part], Awaitable[object]],
    done: list[str] | None = None,
) -> None:
    """Sends one call's parts in order, on a database that cannot roll back.

    Args:
        parts: What each request carries, with the ids that it writes.
        send: Makes one request.
        done: The ids that this call wrote before; those of each part are appended once it is sent.

    Raises:
        PartialWrite: A later part failed; ``written`` holds the ids of those before it.
    """
    written = [] if done is None else done
    for ids, part in parts:
        with partial_write_context(written):
            await send(part)
        written += ids
