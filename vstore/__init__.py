"""vstore: one exact protocol over several vector databases.

``connect(url)`` returns a ``Store``, a store has collections, ``F`` builds filters. ``vstore.aio`` has the same
names for asyncio, ``vstore.embed`` embedders, ``vstore.transfer`` what copies and compares collections.
docs/contract.md is the promise.

Example:
    >>> with vstore.connect("chroma:./data") as store:
    ...     docs = store.create_collection("docs", dimension=3, metric="cosine", exist_ok=True)
    ...     docs.upsert(["a"], [[1.0, 0.0, 0.2]], ["on rain"], [{"year": 2024}])
    ...     for hit in docs.query([1.0, 0.1, 0.0], k=5, where=F("year") >= 2020):
    ...         print(hit.id, hit.score, hit.document)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from warnings import warn

from vstore.capabilities import Capabilities, Feature, Limits, Support
from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.core.connecting import connect
from vstore.embedding import Embedder, SparseEmbedder
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
from vstore.fields import Dense, Sparse
from vstore.filters import F, Filter
from vstore.fusion import RRF, Weighted
from vstore.hits import Hit, Hits
from vstore.indexing import HNSW, IVFPQ, DiskANN, Flat, IVFFlat, Metric, Quantization, Search
from vstore.info import CollectionInfo
from vstore.like import Like
from vstore.mapping import RecordMapping
from vstore.omission import Omission
from vstore.records import Page, Record, Records
from vstore.sparse import SparseArray, SparseVector
from vstore.wording import no_attribute

if TYPE_CHECKING:
    from vstore import aio as aio
    from vstore import embed as embed
    from vstore import transfer as transfer
    from vstore.telemetry import instrument as instrument
    from vstore.telemetry import uninstrument as uninstrument
    from vstore.transfer import copy as copy

__version__ = "0.1.0"

__all__ = [
    "HNSW",
    "IVFPQ",
    "RRF",
    "AlreadyExists",
    "AuthenticationFailed",
    "BackendError",
    "Capabilities",
    "Closed",
    "Collection",
    "CollectionInfo",
    "Dense",
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
    "Like",
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
    "Sparse",
    "SparseArray",
    "SparseEmbedder",
    "SparseVector",
    "Store",
    "Support",
    "Timeout",
    "Unavailable",
    "Unsupported",
    "VStoreError",
    "Weighted",
    "aio",
    "connect",
    "copy",
    "embed",
    "instrument",
    "transfer",
    "uninstrument",
]


# Loaded when they are asked for: they bring asyncio, threads, SQLite and more, and not every program wants them.
_LATER: Final = {
    "aio": ("vstore.aio", None),
    "copy": ("vstore.transfer", "copy"),
    "embed": ("vstore.embed", None),
    "instrument": ("vstore.telemetry", "instrument"),
    "transfer": ("vstore.transfer", None),
    "uninstrument": ("vstore.telemetry", "uninstrument"),
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        module, attribute = _LATER[name]
        loaded = import_module(module)
        return loaded if attribute is None else getattr(loaded, attribute)
    if name == "Mapping":
        warn("vstore.Mapping is now vstore.RecordMapping", DeprecationWarning, stacklevel=2)
        return RecordMapping
    raise no_attribute("vstore", name, __all__)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
