"""vstore: one exact protocol over several vector databases.

``connect(url)`` gives a ``Store``, a store has collections, ``F`` builds filters. ``vstore.aio`` is the
async twin. What is promised stands in docs/contract.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from warnings import warn

from vstore.capabilities import Capabilities, Feature, Limits, Support
from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.core.connecting import connect
from vstore.embedding import Embedder
from vstore.errors import (
    AlreadyExists,
    AuthenticationFailed,
    BackendError,
    Closed,
    InvalidInput,
    LimitExceeded,
    Mismatch,
    NotFound,
    PartialWrite,
    Timeout,
    Unavailable,
    Unsupported,
    VStoreError,
)
from vstore.filters import F, Filter
from vstore.hits import Hit, Hits
from vstore.indexing import HNSW, IVFPQ, DiskANN, Flat, IVFFlat, Metric, Quantization, Search
from vstore.info import CollectionInfo
from vstore.mapping import RecordMapping
from vstore.omission import Omission
from vstore.records import Page, Record, Records

if TYPE_CHECKING:
    from vstore import aio as aio

__version__ = "0.1.0"

__all__ = [
    "HNSW",
    "IVFPQ",
    "AlreadyExists",
    "AuthenticationFailed",
    "BackendError",
    "Capabilities",
    "Closed",
    "Collection",
    "CollectionInfo",
    "DiskANN",
    "Embedder",
    "F",
    "Feature",
    "Filter",
    "Flat",
    "Hit",
    "Hits",
    "IVFFlat",
    "InvalidInput",
    "LimitExceeded",
    "Limits",
    "Metric",
    "Mismatch",
    "NotFound",
    "Omission",
    "Page",
    "PartialWrite",
    "Quantization",
    "Record",
    "RecordMapping",
    "Records",
    "Search",
    "Store",
    "Support",
    "Timeout",
    "Unavailable",
    "Unsupported",
    "VStoreError",
    "aio",
    "connect",
]


def __getattr__(name: str) -> Any:
    if name == "aio":  # loaded when it is asked for: it brings asyncio
        return import_module("vstore.aio")
    if name == "Mapping":
        warn("vstore.Mapping is now vstore.RecordMapping", DeprecationWarning, stacklevel=2)
        return RecordMapping
    raise AttributeError(f"module 'vstore' has no attribute {name!r}")
