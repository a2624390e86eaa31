# Generated from vstore/core/_async/store.py by tools/unasync.py: do not edit.
"""``Store``: the collections of one database."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from vstore.capabilities import Capabilities
from vstore.core._sync._lookup import Lookup
from vstore.core._sync.collection import Collection
from vstore.core._sync.foreign import ForeignCollections, Found
from vstore.core.embedders import Embedders, check_fit, read_embedders
from vstore.core.observing import ServerAddress
from vstore.core.operation import CallContext, refuse_copy
from vstore.core.planning import Plan, check_same, read_fields
from vstore.embedding import Embedder, SparseEmbedder
from vstore.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    brief,
    check_flag,
    plain,
    reading,
)
from vstore.fields import Field
from vstore.indexing import Index, Metric
from vstore.keys import encodable
from vstore.mapping import RecordMapping
from vstore.spi._sync._run import current_loop, is_over, run_blocking, sleep
from vstore.spi._sync.protocol import (
    Adapter,
    CollectionAdapter,
)

if TYPE_CHECKING:
    from vstore.spi.layouts import Layout

__all__ = ["Store"]

# Seconds that calls have to end when their store is closed: below a running call a socket's number can become
# another's, and an engine in this process is gone.
_LEAVE: Final = 5.0


class Store(Lookup):
    """The collections of one database, over one live connection. ``connect`` makes it; close it after use.

    It may be used from many threads, or tasks, at once.

    Example:
        >>> docs = store.create_collection("docs", dimension=3, metric="cosine", exist_ok=True)
        >>> store.list_collections()
    """

    def __init__(self, adapter: Adapter, timeout: float = math.inf, server: ServerAddress | None = None) -> None:
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def capabilities(self) -> Capabilities:
        """What this live connection can do, feature by feature, and its limits."""
        return self._capabilities

    @property
    def native(self) -> Any:
        """The database client underneath, for what vstore does not do."""
        return self._adapter.native

    def create_collection(
        self,
        name: str,
        *,
        dimension: int | None = None,
        metric: Metric | str = Metric.COSINE,
        index: Index | str | None = None,
        embedder: Embedder | str | Mapping[str, Embedder | SparseEmbedder | str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        fields: Mapping[str, Field] | None = None,
        partition_by: str | None = None,
        exist_ok: bool = False,
        layout: RecordMapping | str | None = None,
    ) -> Collection:
        """Create a collection.

        Args:
            name: 3 to 48 of ``A-Z a-z 0-9 _``, beginning with a letter, ending in a letter or digit. With ``layout``
                what the database takes.
            dimension: Components of a vector of the field without a name; may come from ``embedder``. Without either
                the collection has the named ``fields`` only.
            metric: ``"cosine"``, ``"l2"`` or ``"dot"``.
            index: ``HNSW(…)``, ``Flat()``, ``IVFFlat(…)``, ``IVFPQ(…)`` or ``DiskANN(…)``, or a text such as
                ``"hnsw"`` for its defaults. By default ``HNSW()``, or ``Flat()`` where the database has no HNSW for
                this dimension; ``collection.info.index`` holds it.
            embedder: Turns texts into vectors; its name is stored. A text such as ``"lexical:512"`` names one, see
                ``vstore.embed.from_spec``. A dict has one for each field; ``"vector"`` is the field without a name.
            metadata: The user's own metadata of the collection, kept as it is.
            fields: Named fields: a dict from name to ``Dense(…)`` or ``Sparse()``. A record may lack any of them.
            partition_by: A metadata key that every record has, a str, which parts the collection:
                ``collection.partition(x)`` reads and writes one part.
            exist_ok: Opens the collection if there is one with the same dimension, metric, fields and ``partition_by``.
            layout: Creates it as another package's own store would: ``"langchain"``, ``"llamaindex"``, ``"haystack"``,
                ``"mem0"`` or ``"plain"``. That package, and ``get_collection(name, mapping=layout)``, then open it. A
                ``RecordMapping`` creates what it reads; its ``types`` say what the columns of a table are.

        Raises:
            AlreadyExists: It exists, and ``exist_ok`` is False.
            Mismatch: It exists with another dimension, metric, fields or embedder.
            InvalidInput: A name, dimension, metric, index or metadata that is not legal.
            Unsupported: The database has no such index, or the layout no place for something; or vstore does not write
                this layout for this database.

        Example:
            >>> docs = store.create_collection("docs", dimension=384, index=HNSW(m=32, quantization="int8"))
            >>> texts = store.create_collection("texts", embedder="lexical:512")
        """
        with self._calls.operation("create_collection", _label(name)):
            check_flag("exist_ok", exist_ok)
            named = read_fields(fields)
            embedders = read_embedders(_embedders(embedder), named)
            plan = Plan(self._capabilities, self._adapter.default_index)
            foreign = layout is not None
            name = _text(name) if foreign else name
            info = plan.info(name, dimension, metric, index, named, embedders, metadata, partition_by, foreign=foreign)
            if layout is not None:
                made = self._others.create(layout, info, asked_index=index is not None, exist_ok=exist_ok)
                check_same(info, made.info)
                return self._bind_mapped(made, embedders)
            try:
                opened = self._adapter.create(info)
            except AlreadyExists as error:
                if not exist_ok:
                    error.hint = error.hint or "Open it with get_collection, or pass exist_ok=True."
                    raise
                opened = self._adapter.open(name)
                check_same(info, opened.info)
            return self._bind(opened, embedders)

    def get_collection(
        self,
        name: str,
        *,
        embedder: Embedder | str | Mapping[str, Embedder | SparseEmbedder | str] | None = None,
        mapping: RecordMapping | str | None = None,
        layout: RecordMapping | str | None = None,
    ) -> Collection:
        """Open a collection.

        Args:
            name: Its name.
            embedder: What turns texts into vectors, or a text that names it; it must be the one that the collection was
                created with. A dict has one for each field.
            mapping: How to read a collection that vstore did not create: a ``RecordMapping``; the package that wrote it
                (``"langchain"``, ``"llamaindex"``, ``"haystack"``, ``"mem0"``); or ``"auto"``, to find out from what
                is there (``propose_mapping``). Such a collection can be written where the mapping has a place for all
                of a record; one that was opened with ``"auto"`` cannot.
            layout: With a ``RecordMapping``, the package whose own keys a written record gets beside what the mapping
                says, as in ``create_collection``. The name of a package as ``mapping`` says both.

        Raises:
            NotFound: There is none of this name.
            Mismatch: It was created with another embedder, or not by vstore; or the mapping does not fit it.
            Unsupported: ``mapping`` where the capability ``mapping`` is NO.
        """
        with self._calls.operation("get_collection", _label(name)):
            name = _text(name)
            chosen = _embedders(embedder)
            if mapping is None:
                opened = self._adapter.open(name)
                return self._bind(opened, read_embedders(chosen, opened.info.fields))
            found = self._others.open(name, mapping, layout)
            return self._bind_mapped(found, read_embedders(chosen, found.info.fields))

    def propose_mapping(self, name: str, layout: str | None = None) -> RecordMapping:
        """Return a mapping for a collection that vstore did not create, to look at, change and save as JSON.

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
            return self._others.propose(name, layout)

    def list_foreign_collections(self) -> list[str]:
        """Return the names of collections that vstore did not create, sorted; in PostgreSQL of the store's schema."""
        with self._calls.operation("list_foreign_collections"):
            return self._others.reached("list_foreign_collections").names()

    def has_collection(self, name: str) -> bool:
        """Return whether vstore has created a collection of this name."""
        with self._calls.operation("has_collection", _label(name)):
            name = _text(name)
            return name in self._adapter.names()

    def list_collections(self) -> list[str]:
        """Return the names of the collections that vstore created, sorted."""
        with self._calls.operation("list_collections"):
            return self._adapter.names()

    def delete_collection(
        self, name: str, *, missing_ok: bool = False, layout: RecordMapping | str | None = None
    ) -> None:
        """Delete a collection with all its records.

        Args:
            name: Its name.
            missing_ok: Whether it may be missing.
            layout: The layout that it must have, as in ``create_collection``; by default it must be vstore's own.

        Raises:
            NotFound: There is none, and ``missing_ok`` is False.
            Mismatch: It has another layout.
            Unsupported: vstore does not write this layout for this database.
        """
        with self._calls.operation("delete_collection", _label(name)):
            check_flag("missing_ok", missing_ok)
            name = _text(name)
            try:
                if layout is None:
                    self._adapter.drop(name)
                else:
                    self._others.drop(name, layout)
            except NotFound:
                if not missing_ok:
                    raise

    def ping(self) -> None:
        """Make one round trip to the database; raise ``Unavailable`` or ``Timeout`` if it does not answer."""
        with self._calls.operation("ping"):
            self._adapter.ping()

    def close(self) -> None:
        """Close the connection; a borrowed client stays open. A second call does nothing.

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
                    sleep(0.01)
                self._adapter.close()

    def layout(self, name: RecordMapping | str) -> Layout:
        """Return what a package writes into this database, and what its layout cannot hold.

        Args:
            name: The package, as in ``create_collection(layout=)``.

        Raises:
            InvalidInput: There is no layout of this name.
            Unsupported: vstore does not write it for this database.
        """
        with self._calls.operation("layout"):
            return self._others.layout(name)[1]

    @property
    def _others(self) -> ForeignCollections:
        return ForeignCollections(self._adapter.foreign, self._capabilities)

    def _bind_mapped(self, found: Found, embedders: Embedders) -> Collection:
        check_fit(found.info, embedders)
        return Collection(
            found.writer or found.reader,
            found.capabilities,
            self._calls,
            embedders,
            writer=found.writer,
            mapped=found.reader,
            store=self,
        )

    def _bind(self, opened: CollectionAdapter, embedders: Embedders) -> Collection:
        check_fit(opened.info, embedders)
        return Collection(opened, self._capabilities, self._calls, embedders, writer=opened, store=self)


def _embedders(given: object) -> object:
    """What was given, with the embedder in place of each text that names one, such as ``"lexical:512"``."""
    if isinstance(given, str):
        from vstore.embed.specs import from_spec  # importing vstore does not need it

        return run_blocking(from_spec, plain(given))  # which may load a model
    if not isinstance(given, Mapping):
        return given
    with reading("embedder"):
        pairs = list(given.items())
    from vstore.embed.specs import any_from_spec

    return {name: run_blocking(any_from_spec, plain(one)) if isinstance(one, str) else one for name, one in pairs}


def _label(name: object) -> str:
    """The name of a collection for an error, as far as it is one."""
    return plain(name) if isinstance(name, str) else ""


def _text(name: object) -> str:
    text = _label(name)
    if not text or "\x00" in text or not encodable(text):
        raise InvalidInput(f"a collection name must be a str, not {brief(name)}")
    return text
