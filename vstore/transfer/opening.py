"""Opens the two ends of a transfer by URL."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Protocol, Self, TypeVar

from vstore.core._sync.store import Store
from vstore.core.connecting import DEFAULT_TIMEOUT, connect
from vstore.core.registry import factory_for_scheme
from vstore.core.settings import is_name, store_url
from vstore.errors import InvalidInput, NotFound
from vstore.info import CollectionInfo
from vstore.keys import check_name
from vstore.logs import WARNING, log
from vstore.mapping import RecordMapping
from vstore.regular import shown
from vstore.spi.durable import expanded, located
from vstore.spi.protocol import EmbeddedFactory
from vstore.spi.urls import StoreURL
from vstore.transfer.collections import CollectionSource, CollectionTarget
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.files import FileLocation, names_files
from vstore.transfer.foreign import open_collection
from vstore.transfer.layout_target import LayoutTarget
from vstore.transfer.sharing import PlannedIds

__all__ = [
    "Location",
    "StoreLocation",
    "check_there",
    "dry_location",
    "is_there",
    "names_store",
    "open_location",
    "open_store",
    "store_identity",
]

_OF_THE_CONNECTION = frozenset({"timeout", "retries"})


class Location(Protocol):
    """Where collections are: a store, or files."""

    @property
    def identity(self) -> str:
        """Names it in any process, without secrets; empty where it ends with this one."""
        ...

    def names(self) -> list[str]:
        """The collections that are there, sorted."""
        ...

    def others(self) -> list[str]:
        """What is there that vstore did not create, and ``names`` does not tell."""
        ...

    def source(
        self,
        name: str,
        mapping: RecordMapping | str | None = None,
        dimension: int | None = None,
        ids: Sequence[str] = (),
    ) -> Source:
        """One of them, to be read; raises ``NotFound`` if it is not there.

        Args:
            name: Its name.
            mapping: How to read one that vstore did not create.
            dimension: That of an empty one, where nothing else tells it.
            ids: The field that is the id of one that vstore did not create, or the columns that are it together.
        """
        ...

    def target(
        self,
        name: str,
        layout: RecordMapping | str | None = None,
        like: CollectionInfo | None = None,
        vector_length: int | None = None,
    ) -> Target:
        """One of them, to be made and written, whether it is there or not.

        Args:
            name: Its name.
            layout: The package as whose own store it is made and written, or a mapping; None for vstore's own layout.
            like: The source, which goes with a layout.
            vector_length: As in ``CopyOptions``.
        """
        ...

    def close(self) -> None:
        """Closes what was opened."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StoreLocation:
    """The collections of a store.

    Args:
        store: The store; closed by ``close``.
        identity: Names it in any process, without secrets.
        url: Opens it in another process; empty where it is not to be opened there.
        timeout: With which it is opened there.
        is_temporary: Whether it is an empty one in place of another.
    """

    def __init__(
        self,
        store: Store,
        identity: str,
        url: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        *,
        is_temporary: bool = False,
    ) -> None:
        self._store = store
        self._is_temporary = is_temporary
        self._identity = identity
        self._url = url
        self._timeout = timeout
        self._planned: dict[str, PlannedIds] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def identity(self) -> str:
        """See ``Location``."""
        return self._identity if self._store.capabilities.persistent else ""

    def names(self) -> list[str]:
        """See ``Location``."""
        return self._store.list_collections()

    def others(self) -> list[str]:
        """See ``Location``."""
        return self._store.list_foreign_collections() if self._store.capabilities.mapping else []

    def source(
        self,
        name: str,
        mapping: RecordMapping | str | None = None,
        dimension: int | None = None,
        ids: Sequence[str] = (),
    ) -> CollectionSource:
        """See ``Location``."""
        opened = open_collection(self._store, name, mapping, dimension, ids)
        made = CollectionSource(self._store, opened, f"{self._identity}#{name}")
        made.reopen = partial(_source_again, self._url, name, opened.mapping, self._timeout) if self._url else None
        return made

    def target(
        self,
        name: str,
        layout: RecordMapping | str | None = None,
        like: CollectionInfo | None = None,
        vector_length: int | None = None,
    ) -> CollectionTarget:
        """See ``Location``."""
        if layout is not None and like is not None:
            shaped = LayoutTarget(self._store, name, layout, like, f"{self._identity}#{name}", vector_length)
            shaped.is_temporary = self._is_temporary
            shaped.planned = self._planned.setdefault(shaped.shared, PlannedIds())
            if self._url:
                shaped.reopen = partial(_shaped_again, self._url, name, layout, like, vector_length, self._timeout)
            return shaped
        try:
            check_name(name)
        except InvalidInput as error:
            error.hint += " Pass --name to give another."
            raise
        made = CollectionTarget(self._store, name, f"{self._identity}#{name}")
        made.is_temporary = self._is_temporary
        made.reopen = partial(_target_again, self._url, name, self._timeout) if self._url else None
        return made

    def close(self) -> None:
        """See ``Location``."""
        self._store.close()


L = TypeVar("L", bound=StoreLocation)


def open_location(url: str, *, new: bool, timeout: float = DEFAULT_TIMEOUT, several: bool = False) -> Location:
    """Opens what a URL, or a path of files, names.

    Args:
        url: As for ``connect``, a name of ``vstore.toml`` too; or a path, which is no single word, see
            ``vstore.transfer.files``.
        new: Whether it may be made if it is not there. Otherwise nothing is made: neither file nor directory.
        timeout: Seconds after which a call is given up.
        several: Whether several collections will be written; files are then in a directory for each.

    Raises:
        NotFound: It is not there, and ``new`` is False.
        VStoreError: As ``connect``.
    """
    found = _store_url(url)
    if found is None:
        return FileLocation(url, several=several)
    if not new:
        check_there(found)
    return _connected(found, StoreLocation, timeout)


def open_store(url: str, kind: type[L], *, timeout: float = DEFAULT_TIMEOUT) -> L:
    """Opens a store that is there as a kind of location.

    Args:
        url: As for ``open_location``, but no path of files.
        kind: The kind.
        timeout: Seconds after which a call is given up.

    Raises:
        InvalidInput: It is a path of files.
        NotFound: It is not there.
        VStoreError: As ``connect``.
    """
    found = _store_url(url)
    if found is None:
        raise InvalidInput("this is a path of files, not a store", hint="Name the URL of a database.")
    check_there(found)
    return _connected(found, kind, timeout)


def _connected(url: str, kind: type[L], timeout: float) -> L:
    return kind(connect(url, timeout=timeout), store_identity(StoreURL.parse(url)), url, timeout)


def names_store(location: str) -> bool:
    """Return whether a location names a store, by its URL or its name in ``vstore.toml``, and no path of files."""
    return is_name(location) or not names_files(location)


def _store_url(location: str) -> str | None:
    """Return the URL of the store that a location names; None for a path of files."""
    if not names_store(location):
        return None
    if not is_name(location):
        return location
    found = store_url(location)
    if os.path.lexists(location):
        said = "%s is the store that vstore.toml names. For the file or folder here write ./%s."
        log("settings", WARNING, said, location, location)
    return found


def _source_again(url: str, name: str, mapping: RecordMapping | str | None, timeout: float) -> CollectionSource:
    """A source in a worker, which closes it by ending."""
    store = connect(url, timeout=timeout)
    return CollectionSource(store, store.get_collection(name, mapping=mapping))


def _target_again(url: str, name: str, timeout: float) -> CollectionTarget:
    return CollectionTarget(connect(url, timeout=timeout), name)


def _shaped_again(
    url: str, name: str, layout: RecordMapping | str, like: CollectionInfo, vector_length: int | None, timeout: float
) -> CollectionTarget:
    return LayoutTarget(connect(url, timeout=timeout), name, layout, like, vector_length=vector_length)


@contextmanager
def dry_location(url: str, *, timeout: float, several: bool = False) -> Iterator[Location]:
    """What ``open_location`` would open, making nothing where it is not there: an empty one in a temporary place."""
    found = _store_url(url)
    if found is None:
        yield FileLocation(url, several=several)  # which makes nothing before it is written to
        return
    parsed = StoreURL.parse(found)
    if is_there(parsed):
        with open_location(found, new=False, timeout=timeout) as location:
            yield location
        return
    assert parsed.path is not None
    with TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as folder:
        query = found.partition("?")[2]
        path = Path(folder) / f"new{Path(parsed.path).suffix}"
        temporary = f"{parsed.scheme}:{path}" + (f"?{query}" if query else "")
        with StoreLocation(connect(temporary, timeout=timeout), store_identity(parsed), is_temporary=True) as location:
            yield location


def is_there(url: StoreURL) -> bool:
    """Whether there is a database where a URL says; a server, or a store without a path, is to be asked itself.

    Raises:
        InvalidInput: What is there cannot be looked at.
    """
    if not url.path or url.path == ":memory:":
        return True
    factory = factory_for_scheme(url.scheme)
    path = expanded(url.path)
    try:
        return path.exists() and (not isinstance(factory, EmbeddedFactory) or factory.holds(path))
    except OSError as error:  # such as a name that is too long, or a directory that may not be entered
        raise InvalidInput(f"{shown(path)} cannot be looked at: {error.strerror or error}") from error


def check_there(url: str) -> None:
    """Raises ``NotFound`` where a URL names a path without a database, which connecting would make."""
    parsed = StoreURL.parse(url)
    if not is_there(parsed):
        raise NotFound(
            f"there is no database of {parsed.scheme} at {parsed.path}", hint="Nothing was made. Is the path right?"
        )


def store_identity(url: StoreURL) -> str:
    """Names a store in any process of this machine: without user, password and secret options."""
    factory = factory_for_scheme(url.scheme)
    if url.path is not None:
        # what ends with the process is never met again
        place = shown(located(url.path)) if url.path not in ("", ":memory:") else url.path
    else:
        place = f"//{url.host}" + (f":{url.port}" if url.port else "") + f"/{url.database}"
    options = "&".join(
        f"{name}={value}"
        for name, value in sorted(url.params.items())
        if name not in _OF_THE_CONNECTION and name in factory.options and not factory.options[name].secret
    )
    return f"{factory.name}:{place}" + (f"?{options}" if options else "")
