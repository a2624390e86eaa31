# Generated from vstore/core/_async/parting.py by tools/unasync.py: do not edit.
"""The partitions of a collection, and what writes may go through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from vstore.capabilities import Capabilities, Support
from vstore.core._sync.partition import PartitionAdapter
from vstore.core._sync.reading import Reading
from vstore.core.embedders import Embedders
from vstore.core.observing import Observed
from vstore.core.operation import CallContext
from vstore.core.partitions import check_partition, within
from vstore.errors import InvalidInput, Unsupported
from vstore.records import Include
from vstore.spi._sync._run import new_lock
from vstore.spi._sync.protocol import CollectionAdapter, CollectionReader

if TYPE_CHECKING:
    from vstore.core._sync.mapped import MappedCollection

__all__ = ["Parting"]

_EXACT_UP_TO: Final = 10_000  # records of a partition, of which a query compares all (TEN-3)


class Parting(Reading):
    """The calls of a collection on its partitions. A handle of one partition refuses those of the whole collection."""

    def __init__(
        self,
        adapter: CollectionReader,
        capabilities: Capabilities,
        calls: CallContext,
        embedders: Embedders,
        *,
        writer: CollectionAdapter | None,
        mapped: MappedCollection | None = None,
        partition: str | None = None,
        store: object = None,
    ) -> None:
        super().__init__(adapter, capabilities, calls, embedders, mapped)
        self._writer = writer
        self._partition = partition
        self._store = store

    def __repr__(self) -> str:
        shown = super().__repr__()
        return shown if self._partition is None else f"{shown[:-1]}, partition {self._partition!r}>"

    @property
    def store(self) -> object:
        """The store that it belongs to."""
        return self._store

    def reader(self) -> Self:
        """Return a handle of the same collection that refuses every write with ``Unsupported``."""
        return type(self)(
            self._adapter,
            self._capabilities,
            self._calls,
            self._embedders,
            writer=None,
            mapped=self._mapped,
            partition=self._partition,
            store=self._store,
        )

    def partition(self, partition: str) -> Self:
        """Return a handle of one partition, of a collection that was created with ``partition_by=``.

        It has the calls of a collection, and neither reads nor writes records of another partition.

        Args:
            partition: The value of the key that parts the collection: 1 to 255 UTF-8 bytes. One without records is
                empty.

        Raises:
            InvalidInput: The collection has no ``partition_by``, or the value is not legal.

        Example:
            >>> mine = docs.partition("tenant-7")
            >>> mine.upsert(["a"], [[1.0, 0.0, 0.2]])
        """
        with self._calls.operation("partition", self.name):
            self._check_whole("partition")
            value = check_partition(partition)
            inner = self._parted()
            lock = self._calls.partition_lock(new_lock)
            can = self._capabilities
            is_exact = can.partitions.support is Support.NATIVE or not can.exact_query
            adapter = PartitionAdapter(inner, value, lock, 0 if is_exact else _EXACT_UP_TO)
            return type(self)(
                adapter,
                self._capabilities,
                self._calls,
                self._embedders,
                writer=adapter,
                partition=value,
                store=self._store,
            )

    def partitions(self) -> list[str]:
        """Return the partitions that have records, sorted."""
        with self._whole("partitions"):
            key = self._parted().info.partition_by
            assert key is not None
            found: set[str] = set()
            for records, _ in self._adapter.scan(None, 1000, None, Include(metadatas=True)):
                found.update(metadata[key] for metadata in records.metadatas or ())
            return sorted(found)

    def delete_partition(self, partition: str) -> None:
        """Delete all records of a partition; one without records is no error."""
        with self._writing("delete_partition", whole=True) as (writer, _):
            key = self._parted().info.partition_by
            writer.delete_where(within(None, str(key), check_partition(partition)))

    def _parted(self) -> CollectionAdapter:
        if self._writer is None or self.info.partition_by is None:
            raise InvalidInput(
                "the collection has no partitions", hint="Create it with partition_by='tenant', say, which is a key."
            )
        return self._writer

    @contextmanager
    def _whole(self, operation: str) -> Iterator[None]:
        """Runs a call on the whole collection; refuses it on a handle of a partition."""
        with self._calls.operation(operation, self.name):
            self._check_whole(operation)
            yield

    def _check_whole(self, operation: str) -> None:
        if self._partition is not None:
            raise Unsupported(
                f"{operation} is for the whole collection, and this handle for one partition",
                hint="Call it on the collection.",
            )

    @contextmanager
    def _writing(self, operation: str, *, whole: bool = False) -> Iterator[tuple[CollectionAdapter, Observed | None]]:
        with self._calls.operation(operation, self.name) as observed:
            if whole:
                self._check_whole(operation)
            if self._writer is None:
                why = (self._mapped and self._mapped.read_only) or "this handle only reads"
                raise Unsupported(
                    f"{operation} writes, and this collection is read only: {why}",
                    hint="Copy it into a collection of vstore's own, or write through store.native.",
                )
            yield self._writer, observed
