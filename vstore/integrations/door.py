"""The collection of a framework's store: opened when it is first used, created at the first write."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from vstore import aio
from vstore.core._async.collection import AsyncCollection
from vstore.core._async.store import AsyncStore
from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.core.connecting import connect
from vstore.core.in_threads import in_threads
from vstore.errors import Closed, InvalidInput, Unsupported
from vstore.integrations._async import opening as opening_async
from vstore.integrations._sync import opening
from vstore.integrations.target import Target

__all__ = ["AsyncDoor", "Door"]


class Door:
    """The sync calls' way to a target, one connection for all threads."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.dropped = 0
        """How often the collection was dropped here: a handle from before then is of no use."""
        self._lock = Lock()
        self._closed = False
        self._owned: Store | None = None
        self._collection = target.given if isinstance(target.given, Collection) else None

    def existing(self) -> Collection | None:
        """Return the collection, or None where there is none yet; nothing is created.

        Raises:
            Mismatch: It has another metric, dimension or embedder.
            Unsupported: Only an async store or collection was given.
            Closed: ``close`` was called.
        """
        if self._collection is None:
            with self._lock:
                if self._collection is None:
                    self._collection = opening.find(self._store(), self.target)
        return self._collection

    def ready(self, dimension: int) -> Collection:
        """Return the collection, created where there is none for vectors of so many components; errors as above."""
        if self._collection is None:
            with self._lock:
                if self._collection is None:
                    self._collection = opening.find_or_create(self._store(), self.target, dimension)
        return self._collection

    def drop(self) -> None:
        """Deletes the collection with all its records; the next write creates it anew."""
        with self._lock:
            _check_droppable(self.target)
            self._store().delete_collection(self.target.name, missing_ok=True)
            self.forget()

    def forget(self) -> None:
        """Drops the handle of a collection that was deleted."""
        self.dropped += 1
        self._collection = None

    def close(self) -> None:
        """Closes what a URL connected; what was given stays open. Every later call is ``Closed``."""
        with self._lock:
            if self.target.connects:
                self._closed = True
                self._collection = None
            if self._owned is not None:
                self._owned.close()

    def _store(self) -> Store:
        given = self.target.given
        if self._closed:
            raise Closed("the store is closed", hint="Make another one.")
        if isinstance(given, Store):
            return given
        if isinstance(given, Collection | AsyncStore | AsyncCollection):
            raise Unsupported(
                "it was given an async store only, and this is a sync call",
                hint="Await the async method, or pass a URL, which serves both.",
            )
        if self._owned is None:
            target = self.target
            self._owned = connect(given, timeout=target.timeout, retries=target.retries, **target.options)
        return self._owned


@dataclass(eq=False)
class _Slot:
    """What belongs to one event loop."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    store: AsyncStore | None = None
    collection: AsyncCollection | None = None
    dropped: int = 0
    threads: bool = False


class AsyncDoor:
    """The async calls' way to a target: for a URL one connection in each event loop.

    Where the target is sync alone, or a database in this process's memory, which has one connection, the calls of the
    database run in worker threads.
    """

    def __init__(self, door: Door) -> None:
        self.target = door.target
        self._door = door
        self._slots: dict[AbstractEventLoop, _Slot] = {}
        self._closed = False

    async def existing(self) -> AsyncCollection | None:
        """Return the collection, or None where there is none yet; errors are those of ``Door.existing``."""
        slot = self._slot()
        return slot.collection or await self._open(slot, None)

    async def ready(self, dimension: int) -> AsyncCollection:
        """Return the collection, created where there is none for vectors of so many components; errors as above."""
        slot = self._slot()
        collection = slot.collection or await self._open(slot, dimension)
        assert collection is not None
        return collection

    async def drop(self) -> None:
        """Deletes the collection with all its records; the next write creates it anew."""
        slot = self._slot()
        async with slot.lock:
            _check_droppable(self.target)
            store = await self._store(slot)
            if isinstance(store, Door):
                await asyncio.to_thread(store.drop)
            else:
                await store.delete_collection(self.target.name, missing_ok=True)
                self._door.forget()

    async def close(self) -> None:
        """Closes what a URL connected here, in loops that have ended, and for the sync calls.

        Raises:
            InvalidInput: Another event loop runs in which it is open; it stays open there.
        """
        self._closed = self.target.connects
        here = asyncio.get_running_loop()
        for loop, slot in list(self._slots.items()):
            if loop is here or loop.is_closed():
                del self._slots[loop]
                if slot.store is not None:
                    await slot.store.close()
        await asyncio.to_thread(self._door.close)
        if self._slots:
            raise InvalidInput("it is open in another event loop that has not ended", hint="Close it there as well.")

    def close_all(self) -> None:
        """Does what ``close`` does, for sync code.

        Raises:
            InvalidInput: An event loop runs here, in which async calls were made.
        """
        if not self._slots:
            self._closed = self.target.connects
            self._door.close()
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(self.close())
        else:
            raise InvalidInput("async calls have opened it in the event loop that runs here", hint="Await aclose().")

    def _slot(self) -> _Slot:
        loop = asyncio.get_running_loop()
        slot = self._slots.get(loop)
        if slot is None:
            given = self.target.given_async or self.target.given
            collection = given if isinstance(given, AsyncCollection) else None
            slot = self._slots.setdefault(loop, _Slot(collection=collection))
        if slot.dropped != self._door.dropped:
            slot.dropped, slot.collection = self._door.dropped, None
        return slot

    async def _open(self, slot: _Slot, dimension: int | None) -> AsyncCollection | None:
        """Opens the collection; creates it where a dimension is given."""
        async with slot.lock:
            if slot.collection is not None:
                return slot.collection
            store = await self._store(slot)
            if isinstance(store, Door):
                opened = await asyncio.to_thread(
                    store.existing if dimension is None else partial(store.ready, dimension)
                )
                slot.collection = None if opened is None else in_threads(opened)
            elif dimension is None:
                slot.collection = await opening_async.find(store, self.target)
            else:
                slot.collection = await opening_async.find_or_create(store, self.target, dimension)
            return slot.collection

    async def _store(self, slot: _Slot) -> AsyncStore | Door:
        """The store of this event loop, or the sync door, through which it goes in worker threads."""
        target = self.target
        given = target.given_async or target.given
        if isinstance(given, AsyncStore):
            return given
        if isinstance(given, Store | Collection | AsyncCollection) or slot.threads:
            return self._door
        if self._closed:
            raise Closed("the store is closed", hint="Make another one.")
        if slot.store is None:
            await self._release()
            store = await aio.connect(given, timeout=target.timeout, retries=target.retries, **target.options)
            if not store.capabilities.persistent:  # another connection would be another database
                await store.close()
                slot.threads = True
                return self._door
            slot.store = store
        return slot.store

    async def _release(self) -> None:
        """Closes the connections of event loops that have ended."""
        for loop, slot in list(self._slots.items()):
            if loop.is_closed() and self._slots.pop(loop, None) is slot and slot.store is not None:
                await slot.store.close()


def _check_droppable(target: Target) -> None:
    if isinstance(target.given_async or target.given, Collection | AsyncCollection):
        raise InvalidInput("a collection that was given is not deleted here", hint="Delete it with its store.")
