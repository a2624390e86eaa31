"""The floor under vstore's async PostgreSQL: what ``ExactPgvector`` promises, by psycopg's async client."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from exact_pgvector import EF_FILTERED, PATIENCE, YEARS, ExactPgvector, is_readable
from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

__all__ = ["AsyncExactPgvector"]


class AsyncBoundedConnection(AsyncConnection[Any]):
    """A connection that waits for no server longer than ``PATIENCE``."""

    async def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Consumes a generator of psycopg."""
        return await super().wait(gen, *args, **({"timeout": PATIENCE} | kwargs))


async def configure(connection: Any) -> None:
    """Makes the settings of a session."""
    await register_vector_async(connection)
    await connection.execute("set hnsw.ef_search = 100")
    await connection.execute("set hnsw.iterative_scan = strict_order")
    await connection.execute("set statement_timeout = 30000")


async def check(connection: Any) -> None:
    """Raises where the server has closed a connection of the pool."""
    if is_readable(connection):
        await connection.execute("")


class AsyncExactPgvector:
    """The queries of ``ExactPgvector`` with an index, on a pool of eight connections, which is vstore's default too.

    A query that is cancelled leaves its connection in order: psycopg then ends the statement on the server, and the
    pool takes the connection back.

    Attributes:
        floor: Makes and fills the table, and computes what needs no connection.
    """

    def __init__(self, conninfo: str, dimension: int) -> None:
        self.floor = ExactPgvector(conninfo, dimension, hnsw=True)
        self._pool = AsyncConnectionPool(
            conninfo,
            min_size=8,
            max_size=8,
            connection_class=AsyncBoundedConnection,
            configure=configure,
            check=check,
            kwargs={"autocommit": True},
            open=False,
        )
        self._ef: dict[int, int] = {}  # the setting in force, by connection

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()
        self.floor.close()

    async def query(self, vector: np.ndarray, k: int) -> Any:
        """Return the hits of a vector."""
        return await self._answer("", 100, vector, k)

    async def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        """Return the hits from 2010 on."""
        return await self._answer(f" where {YEARS}", EF_FILTERED, vector, k)

    async def _answer(self, where: str, ef: int, vector: np.ndarray, k: int) -> Any:
        floor = self.floor
        checked, packed = floor.vector(vector)
        async with self._pool.connection() as connection:
            if floor.is_tiny(checked):
                return await self._compared(connection, checked, packed, where, math.inf, k)
            if self._ef.get(id(connection), 100) != ef:
                await connection.execute(f"set hnsw.ef_search = {ef}")
                self._ef[id(connection)] = ef
            rows = await self._fetch(connection, floor.by_index(where, k), (packed,))
            if len(rows) == k:
                return floor.hits(rows, (await self._settled(connection, checked, rows))[0])
            rows = await self._fetch(connection, floor.exactly(where, k + 1), (packed,))
            if len(rows) <= k:
                return floor.hits(rows, (await self._settled(connection, checked, rows))[0])
            rest = floor.bounds(np.array([rows.pop()[4]]))[0][0]
            known, high = await self._settled(connection, checked, rows)
            if (limit := float(high.max())) >= rest:
                return await self._compared(connection, checked, packed, where, limit, k)
            return floor.hits(rows, known)

    @staticmethod
    async def _fetch(connection: Any, statement: str, values: tuple[Any, ...]) -> list[Any]:
        cursor = await connection.cursor(binary=True).execute(statement, values, prepare=True)
        found: list[Any] = await cursor.fetchall()
        return found

    async def _settled(self, connection: Any, vector: np.ndarray, rows: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        distance, high, places = self.floor.doubts(rows)
        if places:
            found = await self._fetch(connection, self.floor.vectors, (list(places),))
            self.floor.settle(vector, found, places, distance, high)
        return distance, high

    async def _compared(
        self, connection: Any, vector: np.ndarray, packed: Any, where: str, limit: float, k: int
    ) -> Any:
        values = (packed, self.floor.reach(limit))
        nearest = self.floor.nearest(vector, await self._fetch(connection, self.floor.within(where), values), k)
        rows = await self._fetch(connection, self.floor.get, ([one for _, one in nearest],))
        return self.floor.joined(nearest, rows)
