# Generated from vstore/core/_async/opening.py by tools/unasync.py: do not edit.
"""Opens a store: connects, and puts the layer for retries between store and adapter."""

from __future__ import annotations

from vstore.core._sync.retrying import Retry, RetryingAdapter
from vstore.core._sync.store import Store
from vstore.core.operation import connecting
from vstore.core.registry import Plan
from vstore.spi._sync.protocol import Adapter

__all__ = ["open_store"]


def open_store(plan: Plan) -> Store:
    """The store that ``connect`` returns."""
    with connecting(plan.factory.name, plan.settings.secrets, plan.extra):
        if not plan.retries:
            return Store(_open(plan), plan.settings.timeout, plan.server)
        again = Retry(plan.retries, plan.settings.timeout, plan.factory.name)
        adapter = again.call(lambda: _open(plan))
        return Store(RetryingAdapter(adapter, again), plan.settings.timeout, plan.server)


def _open(plan: Plan) -> Adapter:
    if plan.url is None:
        return plan.factory.borrow(plan.client, plan.settings)
    return plan.factory.connect(plan.url, plan.settings)
