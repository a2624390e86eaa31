"""What differs between the async adapter and its sync twin; both are hand-written."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Awaitable, Callable
from typing import TypeAlias

__all__ = ["Closer", "Lock"]

Closer: TypeAlias = Callable[[], Awaitable[None]]
