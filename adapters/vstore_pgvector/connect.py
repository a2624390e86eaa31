"""Connects in either form; psycopg has connections of both."""

from __future__ import annotations

from functools import partial

import psycopg
import psycopg_pool

from vstore.spi.protocol import AsyncAdapter, Settings
from vstore.spi.threaded import ThreadedAdapter
from vstore_pgvector._async import connect as native
from vstore_pgvector._async.connect import connect_async
from vstore_pgvector._sync.connect import borrow, connect

__all__ = ["borrow", "borrow_async", "connect", "connect_async"]


async def borrow_async(client: object, settings: Settings) -> AsyncAdapter:
    """Return an async adapter over an async connection or pool, or over a sync one in worker threads."""
    if isinstance(client, psycopg.Connection | psycopg_pool.ConnectionPool):
        return await ThreadedAdapter.connect(partial(borrow, client, settings))
    return await native.borrow_async(client, settings)
