"""Opens a store: connects, and puts the layer for retries between store and adapter."""

from __future__ import annotations

from vstore.core._async.retrying import AsyncRetry, AsyncRetryingAdapter
from vstore.core._async.store import AsyncStore
from vstore.core.operation import connecting
from vstore.core.registry import Plan
from vstore.spi._async.protocol import AsyncAdapter

__all__ = ["open_store"]


async def open_store(plan: Plan) -> AsyncStore:
    """The store that ``connect`` returns."""
    with connecting(plan.factory.name, plan.settings.secrets, plan.extra):
        if not plan.retries:
            return AsyncStore(await _open(plan), plan.settings.timeout, plan.server)
        again = AsyncRetry(plan.retries, plan.settings.timeout, plan.factory.name)
        adapter = await again.call(lambda: _open(plan))
        return AsyncStore(AsyncRetryingAdapter(adapter, again), plan.settings.timeout, plan.server)


async def _open(plan: Plan) -> AsyncAdapter:
    if plan.url is None:
        return await plan.factory.borrow_async(plan.client, plan.settings)
    return await plan.factory.connect_async(plan.url, plan.settings)
