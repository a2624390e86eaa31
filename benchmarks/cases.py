"""What a benchmark of raw clients compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vstore import Store
from vstore.indexing import Index

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    """One backend with one index: a vstore and a raw client side by side; None where that cannot do it."""

    name: str
    store: Store
    index: Index
    raw: Any
