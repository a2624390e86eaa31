"""``AsyncStore``: the collections of one database."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from vstore.capabilities import Capabilities, emulated, no
from vstore.core._async.collection import AsyncCollection
from vstore.core.observing import ServerAddress
from vstore.core.operation import CallContext, refuse_copy
from vstore.core.validate import check_count
from vstore.embedding import Embedder, check_embedder
from vstore.errors import (
    AlreadyExists,
    InvalidInput,
    LimitExceeded,
    Mismatch,
    NotFound,
    brief,
    check_flag,
    plain,
    reading,
)
from vstore.filters.regex import where_installed
from vstore.indexing import HNSW, IVFPQ, DiskANN, Flat, Index, IVFFlat, Metric, index_features
from vstore.info import CollectionInfo
from vstore.keys import check_name, encodable
from vstore.mapping import LAYOUTS, RecordMapping
from vstore.metadata import check_metadata
from vstore.spi._async._run import current_loop, is_over, sleep
from vstore.spi._async.protocol import AsyncAdapter, AsyncCollectionAdapter, AsyncForeignStore

__all__ = ["AsyncStore"]

_ONE_BY_ONE: Final = emulated("the records are read and looked at one by one")
# Where the layout is another's, all this is answered from the records themselves, whatever the database can do.
_READING: Final[dict[str, Any]] = {
    **dict.fromkeys(
        (
            "exact_query",
            "filtered_query",
            "document_contains",
            "string_ordering",
            "nested_paths",
            "int64_ordering",
        ),
        _ONE_BY_ONE,
    ),
    **dict.fromkeys(("search_ef", "search_probes"), no("a collection opened with mapping= is searched as it is set")),
}


# Seconds that calls have to end when their store is closed: below a running call a socket's number can become
# another's, and an engine in this process is gone.
_LEAVE: Final = 5.0


class AsyncStore:
    """The collections of one database, over one live connection. Made by ``connect``; close it after use.

    It may be used from many threads, or tasks, at once.
    """

    def __init__(self, adapter: AsyncAdapter, timeout: float = math.inf, server: ServerAddress | None = None) -> None:
        self._adapter = adapter
        self._capabilities = adapter.capabilities
        self._calls = CallContext(
            self._capabilities.backend,
            adapter.translate,
            adapter.secrets,
            current_loop,
            timeout,
            server or ServerAddress(self._capabilities.backend),
        )

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        state = "closed" if self._calls.closed else self._capabilities.mode
        if self._calls.inherited:
            state = f"of process {self._calls.home.number}"
        server = f" {version}" if (version := self._capabilities.server_version) else ""
        return f"<{type(self).__name__} {self._capabilities.backend}{server} ({state})>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def capabilities(self) -> Capabilities:
        """What this live connection can do."""
        return self._capabilities

    @property
    def native(self) -> Any:
        """The database client underneath, for what this library does not do."""
        return self._adapter.native

    async def create_collection(
        self,
        name: str,
        *,
        dimension: int | None = None,
        metric: Metric | str = Metric.COSINE,
        index: Index | None = None,
        embedder: Embedder | None = None,
        metadata: Mapping[str, Any] | None = None,
        exist_ok: bool = False,
    ) -> AsyncCollection:
        """Creates a collection.

        Args:
            name: 3 to 48 of ``A-Z a-z 0-9 _``, beginning with a letter, ending in a letter or digit.
            dimension: Components of a vector; may come from ``embedder``.
            metric: ``"cosine"``, ``"l2"`` or ``"dot"``.
            index: ``HNSW(…)``, ``Flat()``, ``IVFFlat(…)``, ``IVFPQ(…)`` or ``DiskANN(…)``; by default ``HNSW()``,
                or ``Flat()`` where the database has no HNSW for this dimension. ``collection.info.index`` tells.
            embedder: Turns texts into vectors; its name is stored.
            metadata: The user's own metadata of the collection, kept as it is.
            exist_ok: Opens the collection if there is one with the same dimension and metric.

        Raises:
            AlreadyExists: It exists, and ``exist_ok`` is False.
            Mismatch: It exists with another dimension, metric or embedder.
            InvalidInput: A name, dimension, metric, index or metadata that is not legal.
            Unsupported: The database has no such index.
        """
        with self._calls.operation("create_collection", _label(name)):
            check_flag("exist_ok", exist_ok)
            info = self._plan(name, dimension, metric, index, embedder, metadata)
            try:
                opened = await self._adapter.create(info)
            except AlreadyExists as error:
                if not exist_ok:
                    error.hint = error.hint or "Open it with get_collection, or pass exist_ok=True."
                    raise
                opened = await self._adapter.open(name)
                for what, asked, found in (
                    ("dimension", info.dimension, opened.info.dimension),
                    ("metric", info.metric, opened.info.metric),
                ):
                    if asked != found:
                        raise Mismatch(f"it exists with {what} {found}, not {asked}") from None
            return self._bind(opened, embedder)

    async def get_collection(
        self, name: str, *, embedder: Embedder | None = None, mapping: RecordMapping | str | None = None
    ) -> AsyncCollection:
        """Opens a collection.

        Args:
            name: Its name.
            embedder: What turns texts into vectors; must be the one it was created with.
            mapping: How to read a collection that vstore did not create: a ``Mapping``; the package that wrote it
                (``"langchain"``, ``"llamaindex"``, ``"haystack"``, ``"mem0"``); or ``"auto"``, to find out from what
                is there (``propose_mapping``). Such a collection is read only.

        Raises:
            NotFound: There is none of this name.
            Mismatch: It was created with another embedder, or not by vstore; or the mapping does not fit it.
            Unsupported: ``mapping`` where the capability ``mapping`` is NO.
        """
        with self._calls.operation("get_collection", _label(name)):
            name = _text(name)
            if mapping is None:
                return self._bind(await self._adapter.open(name), embedder)
            from vstore.core._async.mapped import AsyncMappedCollection  # a tenth of the time of importing vstore

            foreign = self._foreign("mapping=")
            if not isinstance(mapping, RecordMapping):
                mapping = await foreign.propose(name, _layout(mapping))
            opened = AsyncMappedCollection(await foreign.open(name, mapping), partial(foreign.open, name))
            _check_fit(opened.info, embedder)
            await opened.look()
            capabilities = replace(self._capabilities, matches=where_installed(_ONE_BY_ONE), **_READING)
            return AsyncCollection(opened, capabilities, self._calls, embedder, writer=None, mapped=opened, store=self)

    async def propose_mapping(self, name: str, layout: str | None = None) -> RecordMapping:
        """How to read a collection that vstore did not create, to be looked at, changed and saved as JSON.

        Args:
            name: The collection; in PostgreSQL a table of the store's schema.
            layout: The package that wrote it, as in ``get_collection``; None to find out from what is there.

        Raises:
            NotFound: There is none of this name.
            Mismatch: vstore created it, or it does not have this layout.
            Unsupported: The capability ``mapping`` is NO.
        """
        with self._calls.operation("propose_mapping", _label(name)):
            name = _text(name)
            foreign = self._foreign("propose_mapping")
            return await foreign.propose(name, None if layout is None else _layout(layout))

    async def list_foreign_collections(self) -> list[str]:
        """Names of the collections that vstore did not create, sorted; in PostgreSQL of the store's schema."""
        with self._calls.operation("list_foreign_collections"):
            return await self._foreign("list_foreign_collections").names()

    async def has_collection(self, name: str) -> bool:
        """Whether vstore has created a collection of this name."""
        with self._calls.operation("has_collection", _label(name)):
            name = _text(name)
            return name in await self._adapter.names()

    async def list_collections(self) -> list[str]:
        """Names of the collections that vstore created, sorted."""
        with self._calls.operation("list_collections"):
            return await self._adapter.names()

    async def delete_collection(self, name: str, *, missing_ok: bool = False) -> None:
        """Deletes a collection with all its records.

        Raises:
            NotFound: There is none, and ``missing_ok`` is False.
        """
        with self._calls.operation("delete_collection", _label(name)):
            check_flag("missing_ok", missing_ok)
            name = _text(name)
            try:
                await self._adapter.drop(name)
            except NotFound:
                if not missing_ok:
                    raise

    async def ping(self) -> None:
        """One round trip to the database; raises ``Unavailable`` or ``Timeout`` if it does not answer."""
        with self._calls.operation("ping"):
            await self._adapter.ping()

    async def close(self) -> None:
        """Closes the connection; a borrowed client stays open. A second call does nothing.

        Calls that run in other threads or tasks have five seconds to end; those that do not end with ``Closed``. In a
        process that was forked from the store's own it does nothing: the connection is not this one's to close.

        Raises:
            Closed: Called in another event loop than the store's own, which is not closed.
        """
        if self._calls.inherited:
            return
        if not is_over(self._calls.loop):
            with self._calls.completing("close"):
                self._calls.check_home()
        if self._calls.shut():
            with self._calls.completing("close"):
                late = monotonic() + _LEAVE
                while self._calls.running and monotonic() < late:
                    await sleep(0.01)
                await self._adapter.close()

    def _plan(
        self,
        name: str,
        dimension: int | None,
        metric: Metric | str,
        index: Index | None,
        embedder: Embedder | None,
        metadata: Mapping[str, Any] | None,
    ) -> CollectionInfo:
        name = check_name(name)
        check_embedder(embedder)
        if dimension is None:
            if embedder is None:
                raise InvalidInput("a collection needs dimension=, or an embedder= that has one")
            dimension = embedder.dimension
        elif embedder is not None and embedder.dimension != dimension:
            raise Mismatch(f"dimension={dimension}, but the embedder makes vectors of {embedder.dimension}")
        dimension = check_count("dimension", dimension)
        limits = self._capabilities.limits
        if dimension > limits.max_dimension:
            raise LimitExceeded(f"dimension is {brief(dimension)}; at most {limits.max_dimension:,} is possible here")
        if not isinstance(metric, str) or plain(metric) not in [m.value for m in Metric]:
            raise InvalidInput(f"metric must be 'cosine', 'l2' or 'dot', not {brief(metric)}")
        match index:
            case None:
                index = self._adapter.default_index(dimension)
            case HNSW() | Flat() | IVFFlat() | IVFPQ() | DiskANN():
                for feature, asked in index_features(index):
                    self._capabilities.require(feature, asked)
                if isinstance(index, IVFPQ) and dimension % index.segments:
                    raise InvalidInput(f"IVFPQ(segments={index.segments}) must divide the dimension, {dimension}")
            case _:
                raise InvalidInput(
                    f"index must be HNSW(…), Flat(), IVFFlat(…), IVFPQ(…) or DiskANN(…), not {brief(index)}"
                )
        if metadata is not None and not isinstance(metadata, Mapping):
            raise InvalidInput(f"metadata must be a dict, not {type(metadata).__name__}")
        with reading("metadata"):
            own = {} if metadata is None else dict(metadata)
        return CollectionInfo(
            name=name,
            dimension=dimension,
            metric=Metric(plain(metric)),
            index=index,
            metadata=check_metadata(own),
            embedder=None if embedder is None else embedder.name,
        )

    def _foreign(self, asked: str) -> AsyncForeignStore:
        self._capabilities.require("mapping", asked)
        foreign = self._adapter.foreign
        assert foreign is not None
        return foreign

    def _bind(self, opened: AsyncCollectionAdapter, embedder: Embedder | None) -> AsyncCollection:
        _check_fit(opened.info, embedder)
        return AsyncCollection(opened, self._capabilities, self._calls, embedder, writer=opened, store=self)


def _layout(name: object) -> str | None:
    if name == "auto":
        return None
    if name not in LAYOUTS:
        raise InvalidInput(
            f"mapping= takes a Mapping, 'auto' or one of {', '.join(map(repr, LAYOUTS))}, not {brief(name)}",
            hint="store.propose_mapping(name) makes one; Mapping.from_json reads a saved one.",
        )
    return str(name)


def _check_fit(info: CollectionInfo, embedder: Embedder | None) -> None:
    check_embedder(embedder)
    if embedder is not None:
        if embedder.dimension != info.dimension:
            raise Mismatch(f"the embedder makes vectors of {embedder.dimension}; the collection has {info.dimension}")
        if info.embedder is not None and info.embedder != embedder.name:
            raise Mismatch(f"it was created with the embedder {info.embedder!r}, not {embedder.name!r}")


def _label(name: object) -> str:
    """The name of a collection for an error, as far as it is one."""
    return plain(name) if isinstance(name, str) else ""


def _text(name: object) -> str:
    text = _label(name)
    if not text or "\x00" in text or not encodable(text):
        raise InvalidInput(f"a collection name must be a str, not {brief(name)}")
    return text
