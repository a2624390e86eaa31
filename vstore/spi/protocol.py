"""What an adapter is: the door it is found through and the two protocols it implements.

An adapter is trusted with input that is already validated: ids are legal and distinct, vectors are
finite float32 of the right shape, metadata is legal, filters are in normal form
(``vstore.spi.rewrite``), features were checked against the capability record. It never sees an
empty batch. What it raises that is no ``VStoreError`` is handed to its ``translate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from vstore.spi._async.protocol import (
    AsyncAdapter,
    AsyncCollectionAdapter,
    AsyncForeignCollection,
    AsyncForeignDescribing,
    AsyncForeignLayouts,
    AsyncForeignStore,
    AsyncForeignWriter,
    AsyncIndexing,
)
from vstore.spi._sync.protocol import (
    Adapter,
    CollectionAdapter,
    ForeignCollection,
    ForeignDescribing,
    ForeignLayouts,
    ForeignStore,
    ForeignWriter,
    Indexing,
)
from vstore.spi.urls import Option, OptionValue, StoreURL

__all__ = [
    "Adapter",
    "AdapterFactory",
    "AsyncAdapter",
    "AsyncCollectionAdapter",
    "AsyncForeignCollection",
    "AsyncForeignDescribing",
    "AsyncForeignLayouts",
    "AsyncForeignStore",
    "AsyncForeignWriter",
    "AsyncIndexing",
    "CollectionAdapter",
    "EmbeddedFactory",
    "ForeignCollection",
    "ForeignDescribing",
    "ForeignLayouts",
    "ForeignStore",
    "ForeignWriter",
    "Indexing",
    "Settings",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to connect.

    Attributes:
        timeout: Seconds after which a call ends with ``Timeout``.
        options: The adapter's own options, every declared one present.
        secrets: The password of the URL and the values of secret options, for redaction.
    """

    timeout: float
    options: Mapping[str, OptionValue] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class AdapterFactory(Protocol):
    """What an entry point of the group ``vstore.adapters`` names. Importing it imports no client.

    Attributes:
        name: The adapter's name, which is also its first URL scheme.
        spi_version: The ``SPI_VERSION`` of ``vstore.spi`` that it was written for, as a number.
        client_packages: Top-level packages whose objects ``borrow`` takes.
        options: The options that a URL or ``connect`` may carry.

    A factory may have a ``system_name`` as well: what OpenTelemetry calls the database, where that is not ``name``.
    """

    name: str
    spi_version: int
    client_packages: tuple[str, ...]
    options: Mapping[str, Option]

    def connect(self, url: StoreURL, settings: Settings) -> Adapter:
        """Return a connection that was tried: raises ``Unavailable``, ``AuthenticationFailed``, ``Timeout``."""
        ...

    async def connect_async(self, url: StoreURL, settings: Settings) -> AsyncAdapter:
        """Return an async adapter over such a connection."""
        ...

    def borrow(self, client: object, settings: Settings) -> Adapter:
        """Works through a client the application has; ``close`` must leave it open."""
        ...

    async def borrow_async(self, client: object, settings: Settings) -> AsyncAdapter:
        """Return an async adapter over the client's async form, or over its sync form in threads."""
        ...


@runtime_checkable
class EmbeddedFactory(Protocol):
    """What the factory of a database that opens paths is besides.

    Connecting makes what is not there, which a store that is only to be read must not be.
    """

    def holds(self, path: Path) -> bool:
        """Return whether this database has its data at ``path``. It reads names of files, and changes nothing."""
        ...
