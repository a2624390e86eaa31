"""What differs between the sync adapter and its async source; both are hand-written."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

__all__ = ["Closer", "Lock"]

Closer: TypeAlias = Callable[[], None]
