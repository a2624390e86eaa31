"""What the author of an adapter builds with, besides the vocabulary (``vstore`` and its types, errors and filters).

This is a public surface with a number. An adapter's factory states the number it was written for as ``spi_version``;
``connect`` refuses another with a clear error. The number grows when a change would break an adapter that keeps to
these names; docs/adapters.md says how to write one.
``vstore.spi.aio`` has the async forms of functions that wait for a database.

===========================  ==========================================================================================
module                       what it is for
===========================  ==========================================================================================
``protocol``                 what an adapter is: ``AdapterFactory``, ``Adapter``, ``CollectionAdapter``, ``Settings``
``factory``                  ``LazyFactory``, which imports a client when it connects
``urls``                     ``StoreURL`` and the ``Option`` that a factory declares
``translation``              a client's errors as errors of the contract
``codec``                    metadata and ``CollectionInfo`` as JSON with every type kept
``scores``                   distances and scores in float64, the running top k, hits in the contract's order
``batching``                 calls in parts that a database takes, pages by id, writes that name what is done
``scan_top_k``, ``top_up``   the exact scan, and the true hits where an index found too few
``rewrite``, ``evaluate``    the normal form of a filter, and its meaning as a Python function
``packing``                  one vector, dense or sparse, as bytes or as text
``partial``                  a filter of which the database answers a part
``foreign``                  rows of collections that vstore did not create
``layouts``                  what other packages write, and records as such rows
``threaded``                 an async adapter over a sync one
``dirlock``, ``durable``     one process at a time in a directory; files made without following links
``forking``                  what a forked child must not inherit
``latest``, ``recent``       what was made of the filter asked last, and what was found out a moment ago
===========================  ==========================================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from vstore.capabilities import PARTITIONS, emulated, native, no
from vstore.columns import Column, VectorArray, absent, dense, present, vector_at
from vstore.filters.tree import (
    And,
    ContainsAny,
    DocumentContains,
    Eq,
    Exists,
    HasText,
    In,
    Leaf,
    Matches,
    Not,
    Or,
    Order,
    leaves,
)
from vstore.indexing import Index
from vstore.records import Include, Metadata
from vstore.wording import no_attribute

if TYPE_CHECKING:
    from vstore.spi._sync.batching import scan_by_ids, write_parts
    from vstore.spi._sync.searching import scan_top_k, top_up
    from vstore.spi.batching import batches, slices
    from vstore.spi.codec import canonical_json, from_json, from_micros, info_from_json, info_to_json, to_json
    from vstore.spi.deadline import Deadline
    from vstore.spi.dirlock import DirectoryLock, lock_directory
    from vstore.spi.durable import flush, located
    from vstore.spi.evaluate import bounded, predicate
    from vstore.spi.factory import LazyFactory
    from vstore.spi.foreign import Key, Rows
    from vstore.spi.forking import abandon, in_children
    from vstore.spi.layouts import Json, Layout, Part
    from vstore.spi.packing import from_text, pack_dense, pack_sparse, to_text, unpack_dense, unpack_sparse
    from vstore.spi.partial import PartialFilter, split_filter
    from vstore.spi.protocol import (
        Adapter,
        AdapterFactory,
        AsyncAdapter,
        AsyncCollectionAdapter,
        AsyncForeignCollection,
        AsyncForeignDescribing,
        AsyncForeignLayouts,
        AsyncForeignStore,
        AsyncForeignWriter,
        AsyncIndexing,
        CollectionAdapter,
        EmbeddedFactory,
        ForeignCollection,
        ForeignDescribing,
        ForeignLayouts,
        ForeignStore,
        ForeignWriter,
        Indexing,
        Settings,
    )
    from vstore.spi.scores import TopK, column_distances, distances, float32_error, is_settled, ranked, sparse_distances
    from vstore.spi.threaded import ThreadedAdapter
    from vstore.spi.translation import redacting, translating
    from vstore.spi.urls import Option, OptionValue, StoreURL

SPI_VERSION: Final = 1
"""The number of this surface."""

__all__ = [
    "PARTITIONS",
    "SPI_VERSION",
    "Adapter",
    "AdapterFactory",
    "And",
    "AsyncAdapter",
    "AsyncCollectionAdapter",
    "AsyncForeignCollection",
    "AsyncForeignDescribing",
    "AsyncForeignLayouts",
    "AsyncForeignStore",
    "AsyncForeignWriter",
    "AsyncIndexing",
    "CollectionAdapter",
    "Column",
    "ContainsAny",
    "Deadline",
    "DirectoryLock",
    "DocumentContains",
    "EmbeddedFactory",
    "Eq",
    "Exists",
    "ForeignCollection",
    "ForeignDescribing",
    "ForeignLayouts",
    "ForeignStore",
    "ForeignWriter",
    "HasText",
    "In",
    "Include",
    "Index",
    "Indexing",
    "Json",
    "Key",
    "Layout",
    "LazyFactory",
    "Leaf",
    "Matches",
    "Metadata",
    "Not",
    "Option",
    "OptionValue",
    "Or",
    "Order",
    "Part",
    "PartialFilter",
    "Rows",
    "Settings",
    "StoreURL",
    "ThreadedAdapter",
    "TopK",
    "VectorArray",
    "abandon",
    "absent",
    "batches",
    "bounded",
    "canonical_json",
    "column_distances",
    "dense",
    "distances",
    "emulated",
    "float32_error",
    "flush",
    "from_json",
    "from_micros",
    "from_text",
    "in_children",
    "info_from_json",
    "info_to_json",
    "is_settled",
    "leaves",
    "located",
    "lock_directory",
    "native",
    "no",
    "pack_dense",
    "pack_sparse",
    "predicate",
    "present",
    "ranked",
    "redacting",
    "scan_by_ids",
    "scan_top_k",
    "slices",
    "sparse_distances",
    "split_filter",
    "to_json",
    "to_text",
    "top_up",
    "translating",
    "unpack_dense",
    "unpack_sparse",
    "vector_at",
    "write_parts",
]

# Type checkers read the imports above. At run time these modules are searched for a name, the light ones first:
# importing vstore must not load what only adapters use.
_MODULES: Final = (
    "urls",
    "protocol",
    "codec",
    "scores",
    "batching",
    "evaluate",
    "deadline",
    "packing",
    "partial",
    "foreign",
    "layouts",
    "forking",
    "durable",
    "translation",
    "_sync.batching",
    "_sync.searching",
    "factory",
    "dirlock",
    "threaded",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = import_module(f"vstore.spi.{module}")
            if name in found.__all__:
                return getattr(found, name)
    raise no_attribute("vstore.spi", name, __all__)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
