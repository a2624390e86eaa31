"""Where the two ways of waiting differ; this file and its sync twin are hand-written."""

from __future__ import annotations

import asyncio
from asyncio import Lock
from collections.abc import Generator
from typing import Any, TypeVar

from psycopg import AsyncConnection

from vstore_pgvector.errors import ServerSilent
from vstore_pgvector.waiting import bounded

__all__ = ["AsyncBoundedConnection", "Lock", "run_blocking", "sleep"]

T = TypeVar("T")

sleep = asyncio.sleep
run_blocking = asyncio.to_thread


class AsyncBoundedConnection(AsyncConnection[tuple[Any, ...]]):
    """A connection on which no wait lasts longer than ``patience`` seconds without a word from the server.

    Attributes:
        patience: Seconds; infinite until set.
        searching: The search settings in force on it, as ``set_config`` was last told.
    """

    patience: float = float("inf")
    searching: tuple[int, int] | None = None

    async def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Consumes a generator of psycopg."""
        try:
            return await super().wait(bounded(gen, self.patience), *args, **kwargs)
        except ServerSilent:
            self.pgconn.finish()  # here, before an enclosing transaction tries to roll back and waits again
            raise
