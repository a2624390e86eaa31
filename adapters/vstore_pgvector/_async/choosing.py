"""Whether a query with a filter searches an index or compares with all records that match."""

from __future__ import annotations

import re
from typing import Any, Final

from psycopg import AsyncConnection

from vstore.spi.recent import Recent
from vstore_pgvector._async.session import AsyncSession
from vstore_pgvector.compile import Condition
from vstore_pgvector.statements import Statements

__all__ = ["AsyncChooser"]

_EXACT_IN_PARTITION: Final = 10_000
# What an index can find where few records match is not worth its time: of 20,000 records of which 1 in 100 matches it
# took three times as long as a comparison with all of these 200, for a recall of 0.9.
_EXACT_ROWS: Final = 10_000
_EXACT_COST: Final = 10_000  # in the planner's units, some 10 ms
_MAX_EF: Final = 1_000  # pgvector's
_ESTIMATE: Final = re.compile(r"cost=[0-9.]+\.\.([0-9.]+) rows=([0-9]+)")


class AsyncChooser:
    """Chooses by what the planner makes of a condition, for one collection."""

    def __init__(self, session: AsyncSession, sql: Statements) -> None:
        self._session = session
        self._sql = sql
        self._estimates = Recent[tuple[float, int]]()

    async def ef(self, connection: AsyncConnection[Any], condition: Condition, ef: int) -> int | None:
        """Return with how many candidates to search, so that about ``ef`` of them match; None compares with all.

        A small partition is due to be compared with all (TEN-3), for which its records are counted. Elsewhere an
        estimate will do.
        """
        if condition.partition is not None:
            statement = self._sql.is_small(_EXACT_IN_PARTITION)
            if (await self._session.fetch(connection, statement, (condition.partition,)))[0][0]:
                return None
        cost, matching = await self._estimate(connection, condition)
        _, every = await self._estimate(connection, None)
        wanted = ef * every // max(1, matching)
        if wanted > _MAX_EF and matching <= _EXACT_ROWS and cost <= _EXACT_COST:
            return None
        return max(ef, min(_MAX_EF, wanted))

    async def _estimate(self, connection: AsyncConnection[Any], condition: Condition | None) -> tuple[float, int]:
        """Return what reading the records that match costs, and how many there are, as the planner had it lately."""
        text, params = (None, ()) if condition is None else (condition.sql, condition.params)
        key = (text, *map(repr, params))
        if (lately := self._estimates.get(key)) is not None:
            return lately
        rows = await self._session.fetch(connection, self._sql.explain(text), params, prepare=False)
        found = _ESTIMATE.search(rows[0][0])
        assert found is not None, rows
        return self._estimates.keep(key, (float(found[1]), int(found[2])))
