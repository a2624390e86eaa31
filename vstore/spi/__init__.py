"""What the author of an adapter builds with, besides the vocabulary (``vstore`` and its types, errors and filters).

This is a public surface with a number. An adapter's factory states the number it was written for as ``spi_version``;
``connect`` refuses another with a clear error. The number grows when a change would break an adapter that keeps to
these names; docs/adapters.md says how to write one.

===========================  ==========================================================================================
module                       what it is for
===========================  ==========================================================================================
``protocol``                 what an adapter is: ``AdapterFactory``, ``Adapter``, ``CollectionAdapter``, ``Settings``
``urls``                     ``StoreURL`` and the ``Option`` that a factory declares
``codec``                    metadata and ``CollectionInfo`` as JSON with every type kept
``scores``                   distances and scores in float64, the running top k, hits in the contract's order
``packing``                  one vector, dense or sparse, as bytes or text
``rewrite``, ``evaluate``    the normal form of a filter, and its meaning as a Python function
``partial``                  a filter of which the database answers a part
``foreign``                  rows of collections that vstore did not create
``threaded``                 an async adapter over a sync one
``dirlock``, ``durable``     one process at a time in a directory; files made without following links
``forking``                  what a forked child must not inherit
===========================  ==========================================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from vstore.wording import no_attribute

if TYPE_CHECKING:
    from vstore.spi.codec import canonical_json, from_json, from_micros, info_from_json, info_to_json, to_json
    from vstore.spi.dirlock import DirectoryLock, lock_directory
    from vstore.spi.durable import flush
    from vstore.spi.evaluate import predicate
    from vstore.spi.foreign import Key, Rows
    from vstore.spi.forking import abandon, in_children
    from vstore.spi.packing import from_text, pack_dense, pack_sparse, to_text, unpack_dense, unpack_sparse
    from vstore.spi.partial import PartialFilter, split_filter
    from vstore.spi.protocol import (
        Adapter,
        AdapterFactory,
        AsyncAdapter,
        AsyncCollectionAdapter,
        AsyncForeignCollection,
        AsyncForeignStore,
        AsyncIndexing,
        CollectionAdapter,
        EmbeddedFactory,
        ForeignCollection,
        ForeignStore,
        Indexing,
        Settings,
    )
    from vstore.spi.scores import TopK, column_distances, distances, is_settled, ranked, sparse_distances
    from vstore.spi.threaded import ThreadedAdapter
    from vstore.spi.urls import Option, OptionValue, StoreURL

SPI_VERSION: Final = 1
"""The number of this surface."""

__all__ = [
    "SPI_VERSION",
    "Adapter",
    "AdapterFactory",
    "AsyncAdapter",
    "AsyncCollectionAdapter",
    "AsyncForeignCollection",
    "AsyncForeignStore",
    "AsyncIndexing",
    "CollectionAdapter",
    "DirectoryLock",
    "EmbeddedFactory",
    "ForeignCollection",
    "ForeignStore",
    "Indexing",
    "Key",
    "Option",
    "OptionValue",
    "PartialFilter",
    "Rows",
    "Settings",
    "StoreURL",
    "ThreadedAdapter",
    "TopK",
    "abandon",
    "canonical_json",
    "column_distances",
    "distances",
    "flush",
    "from_json",
    "from_micros",
    "from_text",
    "in_children",
    "info_from_json",
    "info_to_json",
    "is_settled",
    "lock_directory",
    "pack_dense",
    "pack_sparse",
    "predicate",
    "ranked",
    "sparse_distances",
    "split_filter",
    "to_json",
    "to_text",
    "unpack_dense",
    "unpack_sparse",
]

# The core imports single modules of this package; importing vstore need not load what only adapters use.
_MODULES: Final = {
    "codec": ("canonical_json", "from_json", "from_micros", "info_from_json", "info_to_json", "to_json"),
    "durable": ("flush",),
    "evaluate": ("predicate",),
    "foreign": ("Key", "Rows"),
    "forking": ("abandon", "in_children"),
    "dirlock": ("DirectoryLock", "lock_directory"),
    "packing": ("from_text", "pack_dense", "pack_sparse", "to_text", "unpack_dense", "unpack_sparse"),
    "scores": ("TopK", "column_distances", "distances", "is_settled", "ranked", "sparse_distances"),
    "partial": ("PartialFilter", "split_filter"),
    "threaded": ("ThreadedAdapter",),
    "urls": ("Option", "OptionValue", "StoreURL"),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise no_attribute("vstore.spi", name, __all__)
    return getattr(import_module(f"vstore.spi.{_HOME.get(name, 'protocol')}"), name)
