# Generated from vstore/core/_async/retrying.py by tools/unasync.py: do not edit.
"""A layer between a store and its adapter that makes calls again which failed and are safe to repeat.

Safe are reads, and writes whose outcome is the same however often they are made: upsert, update, delete and
clear. Never repeated are ``add``, ``create``, ``drop`` and ``rename``: the first attempt may have succeeded
unheard, and the second would then report its own work as an error.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from vstore.capabilities import Capabilities
from vstore.columns import Column, VectorArray
from vstore.errors import BackendError, PartialWrite, VStoreError
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Index, Metric, Search
from vstore.info import CollectionInfo
from vstore.logs import DEBUG, log
from vstore.mapping import RecordMapping
from vstore.records import Include, Records
from vstore.spi._sync._run import sleep
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
from vstore.wording import NOT_WRITTEN

if TYPE_CHECKING:
    from vstore.spi.foreign import Key, Rows
    from vstore.spi.layouts import Layout

__all__ = ["Retry", "RetryingAdapter"]

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0
T = TypeVar("T")


def _as_raised(error: Exception) -> VStoreError:
    return error if isinstance(error, VStoreError) else BackendError(str(error))


class Retry:
    """Makes one call until it succeeds, fails for good, or has been tried long enough.

    Pauses double from a tenth of a second to ten seconds, each shortened at random by up to half (so that many
    clients do not come back at once: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    No attempt begins later than ``timeout`` after the call began.

    Args:
        retries: How often a call is made again, at most.
        timeout: Seconds.
        backend: The adapter's name, for what is logged.
        translate: What an exception of the client means.
    """

    def __init__(
        self,
        retries: int,
        timeout: float,
        backend: str = "",
        translate: Callable[[Exception], VStoreError] = _as_raised,
    ) -> None:
        self._retries = retries
        self._timeout = timeout
        self._backend = backend
        self._translate = translate

    def translating(self, translate: Callable[[Exception], VStoreError]) -> Retry:
        """The same, for an adapter's own exceptions."""
        return Retry(self._retries, self._timeout, self._backend, translate)

    def call(self, work: Callable[[], T]) -> T:
        """The result of ``work``, or the last error; what earlier attempts have written stays in it."""
        started = monotonic()
        written: dict[str, None] = {}
        for attempt in range(self._retries + 1):
            try:
                return work()
            except Exception as raised:
                error = raised if isinstance(raised, VStoreError) else self._translate(raised)
                if isinstance(error, PartialWrite):
                    written.update(dict.fromkeys(error.written))
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311
                late = monotonic() + pause - started > self._timeout
                if not error.retryable or attempt == self._retries or late:
                    if written:
                        raise PartialWrite(
                            error.message, written=list(written), hint=error.hint, retryable=error.retryable
                        ) from raised
                    raise
                said = "%s: %s; retry %d of %d in %.2f s"
                log("retries", DEBUG, said, self._backend, type(error).__name__, attempt + 1, self._retries, pause)
                sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def pages(
        self, begin: Callable[[str | None], Iterator[tuple[T, str]]], after: str | None
    ) -> Iterator[tuple[T, str]]:
        """The pages of ``begin(after)``; where one fails and is tried again, a new scan begins behind the last one."""
        pages: Iterator[tuple[T, str]] | None = None

        def following() -> tuple[T, str] | None:
            # a scan that has failed is over
            nonlocal pages
            if pages is None:
                pages = begin(after)
            try:
                return next(pages)
            except StopIteration:
                return None
            except Exception:
                pages = None
                raise

        while (page := self.call(following)) is not None:
            after = page[1]
            yield page


class RetryingAdapter:
    """Implements ``Adapter`` over another one."""

    def __init__(self, inner: Adapter, again: Retry) -> None:
        self._inner = inner
        self._again = again.translating(inner.translate)

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    @property
    def native(self) -> object:
        return self._inner.native

    @property
    def secrets(self) -> Sequence[str]:
        return self._inner.secrets

    @property
    def foreign(self) -> ForeignStore | None:
        inner = self._inner.foreign
        return None if inner is None else _RetryingForeign(inner, self._again)

    def translate(self, error: Exception) -> VStoreError:
        return self._inner.translate(error)

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return self._inner.default_index(dimension, metric)

    def create(self, info: CollectionInfo) -> CollectionAdapter:
        return _RetryingCollection(self._inner.create(info), self._again)

    def open(self, name: str) -> CollectionAdapter:
        opened = self._again.call(lambda: self._inner.open(name))
        return _RetryingCollection(opened, self._again)

    def names(self) -> list[str]:
        return self._again.call(self._inner.names)

    def drop(self, name: str) -> None:
        self._inner.drop(name)

    def ping(self) -> None:
        self._again.call(self._inner.ping)

    def close(self) -> None:
        self._inner.close()


class _RetryingCollection:
    """Implements ``CollectionAdapter`` likewise."""

    def __init__(self, inner: CollectionAdapter, again: Retry) -> None:
        self._inner = inner
        self._again = again

    @property
    def info(self) -> CollectionInfo:
        return self._inner.info

    @property
    def native(self) -> object:
        return self._inner.native

    def add(self, records: Records) -> None:
        self._inner.add(records)

    def upsert(self, records: Records) -> None:
        self._again.call(lambda: self._inner.upsert(records))

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        self._again.call(lambda: self._inner.update(records, replace_metadata=replace_metadata))

    def get(self, ids: Sequence[str], include: Include) -> Records:
        return self._again.call(lambda: self._inner.get(ids, include))

    def query(
        self,
        vectors: Column,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
        field: str = "",
    ) -> list[Hits]:
        return self._again.call(
            lambda: self._inner.query(vectors, k, where, include, exact=exact, search=search, field=field)
        )

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        return self._again.pages(lambda token: self._inner.scan(where, batch_size, token, include), after)

    def delete_ids(self, ids: Sequence[str]) -> None:
        self._again.call(lambda: self._inner.delete_ids(ids))

    def delete_where(self, where: Filter) -> None:
        self._again.call(lambda: self._inner.delete_where(where))

    def clear(self) -> None:
        self._again.call(self._inner.clear)

    def count(self, where: Filter | None) -> int:
        return self._again.call(lambda: self._inner.count(where))

    def rename(self, name: str) -> None:
        self._inner.rename(name)

    def defer_index(self) -> None:
        if isinstance(self._inner, Indexing):
            self._again.call(self._inner.defer_index)

    def build_index(self) -> None:
        if isinstance(self._inner, Indexing):
            self._again.call(self._inner.build_index)


class _RetryingForeign:
    """Implements ``ForeignStore`` likewise."""

    def __init__(self, inner: ForeignStore, again: Retry) -> None:
        self._inner = inner
        self._again = again

    def names(self) -> list[str]:
        return self._again.call(self._inner.names)

    def propose(self, name: str, layout: str | None) -> RecordMapping:
        return self._again.call(lambda: self._inner.propose(name, layout))

    def open(self, name: str, mapping: RecordMapping) -> ForeignCollection:
        opened = self._again.call(lambda: self._inner.open(name, mapping))
        return _RetryingForeignCollection(opened, self._again)

    @property
    def layouts(self) -> Mapping[str, Layout]:
        return self._inner.layouts if isinstance(self._inner, ForeignLayouts) else {}

    def described(self, mapping: RecordMapping) -> Layout | None:
        return self._inner.described(mapping) if isinstance(self._inner, ForeignDescribing) else None

    def create(self, layout: Layout, info: CollectionInfo) -> RecordMapping:
        assert isinstance(self._inner, ForeignLayouts)
        return self._inner.create(layout, info)

    def drop(self, name: str, layout: Layout) -> None:
        assert isinstance(self._inner, ForeignLayouts)
        self._inner.drop(name, layout)


class _RetryingForeignCollection:
    """Implements ``ForeignCollection`` likewise."""

    def __init__(self, inner: ForeignCollection, again: Retry) -> None:
        self._inner = inner
        self._again = again

    @property
    def info(self) -> CollectionInfo:
        return self._inner.info

    @property
    def mapping(self) -> RecordMapping:
        return self._inner.mapping

    @property
    def native(self) -> object:
        return self._inner.native

    def count(self) -> int:
        return self._again.call(self._inner.count)

    def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        return self._again.call(lambda: self._inner.fetch(keys, include))

    def pages(
        self, size: int, after: str | None, include: Include, where: Filter | None = None
    ) -> Iterator[tuple[Rows, str]]:
        return self._again.pages(lambda token: self._inner.pages(size, token, include, where), after)

    def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        return self._again.call(lambda: self._inner.nearest(vector, k, include))

    @property
    def read_only(self) -> str:
        return self._inner.read_only if isinstance(self._inner, ForeignWriter) else NOT_WRITTEN

    def put(self, rows: Rows) -> None:
        inner = self._inner
        assert isinstance(inner, ForeignWriter)
        self._again.call(lambda: inner.put(rows))

    def remove(self, keys: Sequence[Key]) -> None:
        inner = self._inner
        assert isinstance(inner, ForeignWriter)
        self._again.call(lambda: inner.remove(keys))
