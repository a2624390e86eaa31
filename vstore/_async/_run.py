"""What differs between the async core and its sync twin; both are hand-written."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["run_blocking", "sleep"]


async def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of ``function``, without blocking the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs)
