"""Whether a query with a filter searches an index or compares with all records that match."""

from __future__ import annotations

import math
import re
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from vstore.spi.recent import Recent
from vstore_pgvector._async.session import AsyncSession
from vstore_pgvector.compile import Condition
from vstore_pgvector.server import MAX_EF
from vstore_pgvector.statements import Statements

__all__ = ["AsyncChooser"]

_EXACT_IN_PARTITION: Final = 10_000
# How many rows are read and compared in the time that one candidate of an index search takes.
_ROWS_A_CANDIDATE: Final = 20
_SAMPLE: Final = 1_000
# The end of a step's line in a plan; a condition's line may have anything in its values.
_ROWS: Final = re.compile(r" \(cost=[0-9.]+ rows=([0-9]{1,18}) width=[0-9]+\)$")


class _Plan(NamedTuple):
    """What the planner expects: how many records match, and how many rows it reads for them."""

    matching: int
    read: int


class _Estimate(NamedTuple):
    """What is known of a condition: how many records there are, how many rows are read, and which part matches.

    ``expected`` is the planner's word of that part, and ``share`` a sample's, once one was needed.
    """

    every: int
    read: int
    expected: float
    share: float | None


class AsyncChooser:
    """Chooses by what the planner makes of a condition, for one collection."""

    def __init__(self, session: AsyncSession, sql: Statements) -> None:
        self._session = session
        self._sql = sql
        self._every = Recent[int]()
        self._found = Recent[_Estimate]()
        self._small = Recent[bool]()

    async def ef(self, connection: AsyncConnection[Any], condition: Condition, k: int, ef: int) -> int | None:
        """Return with how many candidates to search, so that a filter costs no recall; None compares with all.

        A small partition is due to be compared with all (TEN-3), for which its records are counted. Elsewhere an
        estimate will do. ``ef`` over the cube root of the share that matches kept the recall that it has without a
        filter, as long as twice k of the candidates match: where they run out the index scan goes on, and misses more.
        """
        if condition.partition is not None and await self._is_small(connection, condition.partition):
            return None
        found = self._found.get(condition.key) or await self._estimated(connection, condition)
        if found.read <= _ROWS_A_CANDIDATE * ef:
            return None
        share = found.share
        if share is None:
            share = await self._share(connection, condition, found)
        visited = 2 * k / share
        wanted = round(max(ef / math.cbrt(share), visited))
        if found.read <= _ROWS_A_CANDIDATE * max(min(MAX_EF, wanted), visited):
            return None
        return max(ef, min(MAX_EF, wanted))

    async def _is_small(self, connection: AsyncConnection[Any], partition: str) -> bool:
        if self._small.get(partition):  # one that has grown since is compared with all for a moment longer
            return True
        statement = self._sql.is_small(_EXACT_IN_PARTITION)
        small = bool((await self._session.fetch(connection, statement, (partition,)))[0][0])
        return self._small.keep(partition, small)

    async def _estimated(self, connection: AsyncConnection[Any], condition: Condition) -> _Estimate:
        every = self._every.get(None)
        if every is None:
            every = self._every.keep(None, max(1, (await self._plan(connection)).matching))
        plan = await self._plan(connection, condition, every)
        found = _Estimate(every, plan.read, min(1.0, max(1, plan.matching) / every), None)
        return self._found.keep(condition.key, found)

    async def _plan(
        self, connection: AsyncConnection[Any], condition: Condition | None = None, every: int = 0
    ) -> _Plan:
        """Return what the planner says of reading the records that match, of ``every`` one that there is."""
        text, params = (None, ()) if condition is None else (condition.sql, condition.params)
        rows = await self._session.fetch(connection, self._sql.explain(text), params, prepare=False)
        lines = [(line, int(found[1])) for (line,) in rows if (found := _ROWS.search(line)) is not None]
        steps = [number for _, number in lines]
        is_whole = any("Seq Scan" in line for line, _ in lines)
        return _Plan(steps[0], max(every, *steps) if is_whole else max(steps))

    async def _share(self, connection: AsyncConnection[Any], condition: Condition, found: _Estimate) -> float:
        """Return which part of some records matches, or what the planner expects where there were none.

        The planner has no statistics of ranges and of parts of texts: it takes half of the records to match.
        """
        statement = self._sql.sample(min(100.0, 100 * _SAMPLE / found.every), condition.sql)
        number, matching = (await self._session.fetch(connection, statement, condition.params, prepare=False))[0]
        if not number:
            return found.expected
        share: float = max(1, matching) / number
        self._found.keep(condition.key, found._replace(share=share))
        return share
