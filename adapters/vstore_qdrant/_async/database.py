"""What the adapter needs of Qdrant: little enough for its client and its engine to offer both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vstore.columns import Column
from vstore.info import CollectionInfo
from vstore.spi.protocol import AsyncForeignStore
from vstore_qdrant.codec import Fields, Found, Points
from vstore_qdrant.conditions import Condition

__all__ = ["AsyncDatabase", "AsyncTable"]


class AsyncTable(Protocol):
    """The points of one collection. What it raises are errors of the contract."""

    @property
    def info(self) -> CollectionInfo:
        """What the collection is."""
        ...

    @property
    def native(self) -> object:
        """The library's own handle."""
        ...

    @property
    def lean(self) -> bool:
        """Whether the payloads have a lean shadow; see ``codec.py``."""
        ...

    @property
    def rows(self) -> int:
        """Most points of one ``upsert``, which does all of them or fails."""
        ...

    async def upsert(self, points: Points) -> None:
        """Inserts or replaces whole points; they are visible and logged when it returns."""
        ...

    async def delete(self, ids: Sequence[str]) -> None:
        """Deletes the points that are there."""
        ...

    async def delete_where(self, condition: Condition) -> None:
        """Deletes the points that match."""
        ...

    async def clear(self) -> None:
        """Deletes every point."""
        ...

    async def present(self, ids: Sequence[str]) -> list[str]:
        """Return which of these points are there, in any order."""
        ...

    async def retrieve(self, ids: Sequence[str], fields: Fields) -> Found:
        """Return the points that are there, in any order."""
        ...

    async def nearest(
        self,
        vectors: Column,
        k: int,
        condition: Condition | None,
        fields: Fields,
        *,
        field: str,
        exact: bool,
        ef: int | None,
    ) -> list[Found]:
        """Return the k points of the best scores of one field for each row, best first."""
        ...

    async def scroll(
        self, condition: Condition | None, limit: int, start: str | None, fields: Fields
    ) -> tuple[Found, str]:
        """Return the next ``limit`` points by id, from ``start`` on, and the last one's id, if any."""
        ...

    async def count(self, condition: Condition | None) -> int:
        """Return the exact number of points."""
        ...


class AsyncDatabase(Protocol):
    """The collections of one connection."""

    @property
    def native(self) -> object:
        """The library's own handle."""
        ...

    @property
    def foreign(self) -> AsyncForeignStore | None:
        """The collections that vstore did not create; None where there can be none."""
        ...

    async def create(self, info: CollectionInfo) -> AsyncTable:
        """Creates a collection, atomically with what it is."""
        ...

    async def open(self, name: str) -> AsyncTable:
        """Opens one."""
        ...

    async def names(self) -> list[str]:
        """Return those that vstore created, in any order."""
        ...

    async def drop(self, name: str) -> None:
        """Deletes one."""
        ...

    async def rename(self, table: AsyncTable, new: str) -> None:
        """Gives one another name, which its table tells then; ``NotFound`` where it was deleted."""
        ...

    async def ping(self) -> None:
        """Makes one round trip."""
        ...

    async def close(self) -> None:
        """Lets go of what was opened."""
        ...
