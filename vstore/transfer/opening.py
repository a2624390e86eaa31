"""Opens the two ends of a transfer by URL."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from vstore._sync.store import Store
from vstore.connecting import connect
from vstore.errors import NotFound
from vstore.protocol import EmbeddedFactory
from vstore.registry import factory_for_scheme
from vstore.transfer.collections import CollectionSource, CollectionTarget
from vstore.transfer.endpoint import Source, Target
from vstore.urls import StoreURL

__all__ = ["Place", "open_place", "store_identity"]

_OF_THE_CONNECTION = frozenset({"timeout", "retries"})


class Place(Protocol):
    """Where collections are: a store, or files."""

    def names(self) -> list[str]:
        """The collections that are there, sorted."""
        ...

    def source(self, name: str, mapping: object | None = None) -> Source:
        """One of them, to be read; raises ``NotFound`` if it is not there."""
        ...

    def target(self, name: str) -> Target:
        """One of them, to be made and written, whether it is there or not."""
        ...

    def close(self) -> None:
        """Closes what was opened."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StorePlace:
    """The collections of a store.

    Args:
        store: The store; closed by ``close``.
        identity: Names it in any process, without secrets.
    """

    def __init__(self, store: Store, identity: str) -> None:
        self._store = store
        self._identity = identity

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def names(self) -> list[str]:
        """See ``Place``."""
        return self._store.list_collections()

    def source(self, name: str, mapping: object | None = None) -> CollectionSource:
        """See ``Place``."""
        opened = self._store.get_collection(name, mapping=mapping)
        return CollectionSource(self._store, opened, f"{self._identity}#{name}")

    def target(self, name: str) -> CollectionTarget:
        """See ``Place``."""
        return CollectionTarget(self._store, name, f"{self._identity}#{name}")

    def close(self) -> None:
        """See ``Place``."""
        self._store.close()


def open_place(url: str, *, new: bool, timeout: float) -> Place:
    """Opens what a URL names.

    Args:
        url: As for ``connect``.
        new: Whether it may be made if it is not there. Otherwise nothing is made: neither file nor directory.
        timeout: Seconds after which a call is given up.

    Raises:
        NotFound: It is not there, and ``new`` is False.
        VStoreError: As ``connect``.
    """
    parsed = StoreURL.parse(url)
    if not new:
        _check_there(parsed)
    return StorePlace(connect(url, timeout=timeout), store_identity(parsed))


def _check_there(url: StoreURL) -> None:
    if not url.path or url.path == ":memory:":
        return  # a server, or a store without a path, which makes nothing
    factory = factory_for_scheme(url.scheme)
    path = Path(url.path).expanduser()
    if not path.exists() or (isinstance(factory, EmbeddedFactory) and not factory.holds(path)):
        raise NotFound(f"there is no database of {factory.name} at {path}", hint="Nothing was made. Is the path right?")


def store_identity(url: StoreURL) -> str:
    """Names a store in any process of this machine: without user, password and secret options."""
    factory = factory_for_scheme(url.scheme)
    if url.path is not None:
        # what ends with the process is never met again
        place = str(Path(url.path).expanduser().resolve()) if url.path not in ("", ":memory:") else url.path
    else:
        place = f"//{url.host}" + (f":{url.port}" if url.port else "") + f"/{url.database}"
    options = "&".join(
        f"{name}={value}"
        for name, value in sorted(url.params.items())
        if name not in _OF_THE_CONNECTION and name in factory.options and not factory.options[name].secret
    )
    return f"{factory.name}:{place}" + (f"?{options}" if options else "")
