"""Metadata that stays in memory between the queries of one file of Milvus Lite, and follows the writes of vstore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from weakref import ref

from vstore_milvus.columns import Columns

__all__ = ["MAX_HELD_BYTES", "Held", "State", "Watch"]

MAX_HELD_BYTES: Final = 256 << 20  # of all collections of a file


@dataclass(frozen=True, slots=True)
class State:
    """Which records a collection has. It is read from Milvus Lite's engine, which runs in this process.

    Attributes:
        engine: The collection there; another object once it was dropped, truncated or opened anew.
        sequence: The number of its next write, which the engine gives out before it carries one out.
    """

    engine: ref[Any]
    sequence: int

    @classmethod
    def of(cls, collection: Any) -> State:
        """Return the state of a collection of the engine as it is now."""
        return cls(ref(collection), collection._next_seq)


class Watch:
    """Tells whether reads since it was made have seen all writes before it, and none after."""

    def __init__(self, collection: Any) -> None:
        self.state = State.of(collection)
        self._collection = collection
        self._memory = collection._memtable  # the engine makes another one while it puts the last writes into files
        self._at_rest = _is_at_rest(collection)

    def has_seen_all(self) -> bool:
        """Return whether there was no write since, and none under way, such as one that timed out here."""
        unchanged = State.of(self._collection) == self.state and self._collection._memtable is self._memory
        return unchanged and self._at_rest and _is_at_rest(self._collection)


def _is_at_rest(collection: Any) -> bool:
    """Whether every write that has a number is carried out."""
    last = max(collection._manifest.current_seq, collection._memtable.max_seq)
    return bool(last + 1 == collection._next_seq)


def _tells_writes(collection: Any) -> bool:
    """Whether the engine has this collection, and numbers writes as milvus-lite 3.2 does; it promises neither."""
    return all(hasattr(collection, name) for name in ("_next_seq", "_memtable", "_manifest"))


class Held:
    """The columns of the collections of one file, shared by all stores of this process on it.

    They are current as long as the engine has given out no number for a write: to a store, or to the application
    through pymilvus. One process has a file, so there are no others. A write of a store is applied to them where the
    engine has given out the numbers of this one write meanwhile, and no other.
    """

    def __init__(self, find: Callable[[str], Any]) -> None:
        """Holds nothing yet.

        Args:
            find: Returns the engine's collection of a name, or None.
        """
        self._find = find
        self._lock = Lock()
        self._columns: dict[str, tuple[State, Columns]] = {}  # by token, the one used last at the end

    def watch(self, name: str) -> Watch | None:
        """Return a watch on a collection whose records are about to be read; None where its writes cannot be told."""
        collection = self._find(name)
        return Watch(collection) if _tells_writes(collection) else None

    def get(self, token: str, name: str) -> Columns | None:
        """Return the columns of a collection; None where they are not held, or not as its records are now."""
        collection = self._find(name)
        with self._lock:
            found = self._columns.pop(token, None)
            if found is None or not _tells_writes(collection) or State.of(collection) != found[0]:
                return None
            self._columns[token] = found
            return found[1]

    def before_write(self, token: str, name: str) -> State | None:
        """Return the state before a write that the columns are to follow; None where they are not current."""
        collection = self._find(name)
        with self._lock:
            found = self._columns.get(token)
            if found is None or not _tells_writes(collection):
                return None
            state = State.of(collection)
            return state if state == found[0] and _is_at_rest(collection) else None

    def follow(self, token: str, name: str, before: State, numbers: int, change: Callable[[Columns], None]) -> None:
        """Applies a write that was carried out, if it is the only one since.

        Args:
            token: Which collection.
            name: Its name.
            before: What ``before_write`` returned.
            numbers: How many numbers the engine gives out for this write.
            change: Applies it.
        """
        collection = self._find(name)
        after = State(before.engine, before.sequence + numbers)
        with self._lock:
            state, columns = self._columns.pop(token, (None, None))
        if columns is None or state != before or not _tells_writes(collection) or not _is_at_rest(collection):
            return
        if State.of(collection) == after:
            change(columns)
            self.put(token, after, columns)

    def put(self, token: str, state: State, columns: Columns) -> None:
        """Holds the columns of a collection, in place of those not used for longest; too large ones are not held."""
        if columns.size > MAX_HELD_BYTES:
            return
        with self._lock:
            self._columns.pop(token, None)
            self._columns[token] = state, columns
            while sum(columns.size for _, columns in self._columns.values()) > MAX_HELD_BYTES:
                del self._columns[next(iter(self._columns))]

    def forget(self, token: str) -> None:
        """Lets go of the columns of a collection that is deleted."""
        with self._lock:
            self._columns.pop(token, None)
