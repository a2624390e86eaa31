"""The metadata of a collection as columns, and filters decided over them. Pure.

A column has a code a record, and each distinct value once. So a leaf is decided once a distinct value, and what it
means is what the reference (``vstore.spi.evaluate``) says of that value.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from copy import deepcopy
from functools import reduce
from itertools import compress
from threading import Lock
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vstore.filters.tree import And, DocumentContains, Eq, Exists, Filter, In, Leaf, Not, Or, Order, Path, leaves
from vstore.records import Records, Scalar
from vstore.spi.codec import to_json
from vstore.spi.deadline import Deadline
from vstore.spi.evaluate import predicate, token

__all__ = ["Columns", "decides"]

Mask: TypeAlias = NDArray[np.bool_]

_ID_BYTES: Final = 160  # of a str and its place in a list and an answer, besides its characters
_VALUE_BYTES: Final = 550  # of a distinct value, its token, its text and their places, besides its characters
_CODE_BYTES: Final = 4
_ROW_BYTES: Final = 100  # of an id's place, once a write has asked for it
_MOST_GONE: Final = 1_000  # rows without a record are taken out once they are as many, and more than the others


def decides(where: Filter) -> bool:
    """Return whether columns decide a filter: no leaf of it asks for documents."""
    return not any(isinstance(leaf, DocumentContains) for leaf in leaves(where))


def _path(leaf: Leaf) -> Path:
    assert not isinstance(leaf, DocumentContains), "decides() has not been asked"
    return leaf.path


def _same(value: Any) -> tuple[str, Any]:
    """Return what two values have in common that no filter tells apart."""
    return token(value) or ("json", to_json({"": value}))


class _Column:
    """The values of one key."""

    def __init__(self) -> None:
        self._codes = array("i")  # of each record; 0 where it has not the key
        self._values: list[Any] = []  # that of code 1 first
        self._places: dict[tuple[str, Any], int] = {}
        self._known: dict[object, int] = {}  # the same by type and value, which takes less to look up
        self._orders: dict[str, tuple[list[Any], NDArray[np.intp]]] = {}

    def put(self, row: int, value: Any) -> int:
        """Takes the value of a record beyond all before; returns how many bytes more that holds."""
        size = _CODE_BYTES * (row + 1 - len(self._codes))
        plain = None if isinstance(value, list | dict) else (value.__class__, value)
        code = self._known.get(plain)
        if code is None:
            same = _same(value)
            code = self._places.get(same)
            if code is None:
                # the caller may change what is in a list or a dict later
                self._values.append(value if plain is not None else deepcopy(value))
                code = self._places[same] = len(self._values)
                self._orders.pop(same[0], None)
                size += _VALUE_BYTES + 2 * len(str(same[1]))
            if plain is not None:
                self._known[plain] = code
        self._codes.frombytes(bytes(self._codes.itemsize * (row - len(self._codes))))  # those that have not the key
        self._codes.append(code)
        return size

    def keep(self, rows: Mask) -> int:
        """Leaves the codes of these rows alone; returns how many bytes that frees."""
        before = len(self._codes)
        self._codes = array("i", np.frombuffer(self._codes, dtype=np.intc)[rows[:before]].tobytes())
        return _CODE_BYTES * (before - len(self._codes))

    def mask(self, leaf: Leaf, rows: int, deadline: Deadline) -> Mask:
        """Return for which of the records a leaf on this key is true."""
        true = np.zeros(len(self._values) + 1, dtype=np.bool_)
        match leaf:
            case Exists((_,)):
                true[1:] = True
            case Eq((_,), value):
                true[self._places.get(_same(value), 0)] = True
            case In((_,), values):
                true[[self._places.get(_same(value), 0) for value in values]] = True
            case Order((_,), op, value):
                true[self._ordered(op, value)] = True
            case _:
                test = predicate(leaf, deadline)
                key = _path(leaf)[0]
                for code, value in enumerate(self._values, 1):
                    deadline.check()
                    true[code] = test({key: value}, None)
        true[0] = False
        found = np.zeros(rows, dtype=np.bool_)
        codes = np.frombuffer(self._codes, dtype=np.intc)
        found[: len(codes)] = true[codes]
        return found

    def _ordered(self, op: str, value: Scalar) -> NDArray[np.intp]:
        """Return the codes of the values of one kind that stand in an order to ``value``."""
        kind, plain = _same(value)
        if kind not in self._orders:
            pairs = sorted((same[1], code) for same, code in self._places.items() if same[0] == kind)
            self._orders[kind] = [pair[0] for pair in pairs], np.array([pair[1] for pair in pairs], dtype=np.intp)
        values, codes = self._orders[kind]
        place = (bisect_left if op in ("<", ">=") else bisect_right)(values, plain)
        return codes[:place] if op in ("<", "<=") else codes[place:]


class Columns:
    """The metadata of the records of one collection at one moment. Calls from several threads take turns.

    A record that is written again has a new row. What its old one held is left until half of the rows are such.

    Attributes:
        size: About how many bytes all of it takes in memory.
    """

    def __init__(self) -> None:
        self.size = 0
        self._ids: list[str] = []
        self._there = bytearray()  # of each row: 1, or 0 where the record is gone
        self._gone = 0
        self._places: dict[str, int] | None = None  # the row of each record
        self._keys: dict[str, _Column] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._ids) - self._gone

    def append(self, records: Records) -> None:
        """Takes records that are not here yet, with their metadata."""
        with self._lock:
            self._append(records)

    def put(self, records: Records) -> None:
        """Takes records, each in place of the one of its id."""
        with self._lock:
            self._remove(records.ids)
            self._append(records)

    def remove(self, ids: Sequence[str]) -> None:
        """Lets go of the records with these ids; others are no error."""
        with self._lock:
            self._remove(ids)

    def matching(self, where: Filter) -> list[str]:
        """Return the ids of the records that match a filter which ``decides`` allows.

        Raises:
            Timeout: It takes longer than a request may.
        """
        deadline = Deadline()
        with self._lock:
            mask = self._mask(where, deadline)
            if self._gone:
                mask = mask & self._is_there()
            return list(compress(self._ids, mask.tolist()))

    def _append(self, records: Records) -> None:
        metadatas = records.metadatas if records.metadatas is not None else [{}] * len(records)
        for record_id, metadata in zip(records.ids, metadatas, strict=True):
            row = len(self._ids)
            self._ids.append(record_id)
            self.size += _ID_BYTES + len(record_id)
            if self._places is not None:
                self._places[record_id] = row
                self.size += _ROW_BYTES
            for key, value in metadata.items():
                column = self._keys.get(key)
                if column is None:
                    column = self._keys[key] = _Column()
                self.size += column.put(row, value)
        self._there += b"\x01" * len(records)

    def _remove(self, ids: Sequence[str]) -> None:
        if self._places is None:
            self._places = {record_id: row for row, record_id in enumerate(self._ids)}
            self.size += _ROW_BYTES * len(self._ids)
        for record_id in ids:
            row = self._places.pop(record_id, None)
            if row is not None:
                self._there[row] = 0
                self._gone += 1
                self.size -= _ROW_BYTES
        if self._gone > max(_MOST_GONE, len(self)):
            self._take_out()

    def _take_out(self) -> None:
        """Leaves the rows of the records that are there."""
        there = self._is_there().copy()
        self.size -= sum(_ID_BYTES + len(self._ids[row]) for row in np.flatnonzero(~there))
        self._ids = list(compress(self._ids, there.tolist()))
        self._there = bytearray(b"\x01" * len(self._ids))
        self._gone = 0
        self._places = {record_id: row for row, record_id in enumerate(self._ids)}
        self.size -= sum(column.keep(there) for column in self._keys.values())

    def _is_there(self) -> Mask:
        return np.frombuffer(self._there, dtype=np.bool_)

    def _mask(self, node: Filter, deadline: Deadline) -> Mask:
        match node:
            case And(items):
                return reduce(np.logical_and, (self._mask(item, deadline) for item in items))
            case Or(items):
                return reduce(np.logical_or, (self._mask(item, deadline) for item in items))
            case Not(item):
                return ~self._mask(item, deadline)
            case _:
                (leaf,) = leaves(node)
                column = self._keys.get(_path(leaf)[0])
                if column is None:
                    return np.zeros(len(self._ids), dtype=np.bool_)
                return column.mask(leaf, len(self._ids), deadline)
