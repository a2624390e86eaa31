"""Runs a blocking function: in a worker thread here, directly in the sync twin. Both are hand-written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["run_blocking"]


async def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of ``function``, without blocking the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs)
