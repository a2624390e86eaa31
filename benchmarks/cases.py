"""What a benchmark of raw clients compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vstore import Store
from vstore.indexing import Index

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    """One backend with one index: vstore and a raw client side by side.

    Attributes:
        name: What a table calls it.
        store: Where vstore writes.
        index: With what.
        raw: The raw client as its experts would use it; None where that cannot do the work.
        by_hand: The raw client with all that the contract promises of the same work, written by hand for these records
            alone: the floor under vstore. None where nobody wrote it.
    """

    name: str
    store: Store
    index: Index
    raw: Any
    by_hand: Any = None
