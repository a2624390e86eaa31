"""What a collection may hold after faults, and whether it does: the contract of acknowledged writes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

import vstore
from vstore.conformance.checks import Row, contents, typed

__all__ = ["DIMENSION", "Journal", "columns"]

DIMENSION = 16


def _row(record_id: str, version: int) -> tuple[list[float], str, dict[str, Any]]:
    """A record each of whose parts tells its id and version; each version has a key that no other has."""
    seed = int.from_bytes(record_id.encode(), "big") % 100_003
    vector = np.random.default_rng((seed, version)).standard_normal(DIMENSION, np.float32)
    return vector.tolist(), f"{record_id} as of {version}", {"version": version, f"only{version}": True}


def columns(ids: Sequence[str], version: int) -> dict[str, Any]:
    """The arguments of an upsert of these records in this version."""
    rows = [_row(record_id, version) for record_id in ids]
    vectors, documents, metadatas = zip(*rows, strict=True)
    return {"ids": list(ids), "vectors": list(vectors), "documents": list(documents), "metadatas": list(metadatas)}


class Journal:
    """Upserts and deletes through a client to which the server may do anything, and what they allow.

    A version is a positive int; 0 is "not there".
    """

    def __init__(self) -> None:
        self._allowed: dict[str, set[int]] = {}
        self._batches: list[tuple[list[str], int]] = []

    def upsert(self, collection: vstore.Collection, ids: Sequence[str], version: int) -> vstore.VStoreError | None:
        """Writes; the error, if there is one, is the result."""
        return self._write(ids, version, lambda: collection.upsert(**columns(ids, version)))

    def delete(self, collection: vstore.Collection, ids: Sequence[str]) -> vstore.VStoreError | None:
        """Deletes likewise."""
        return self._write(ids, 0, lambda: collection.delete(ids=ids))

    def _write(self, ids: Sequence[str], version: int, call: Any) -> vstore.VStoreError | None:
        for record_id in ids:
            self._allowed.setdefault(record_id, {0}).add(version)
        try:
            call()
        except vstore.VStoreError as error:
            if isinstance(error, vstore.PartialWrite):
                self._acknowledge(error.written, version)
            else:
                self._batches.append((list(ids), version))
            return error
        self._acknowledge(ids, version)
        return None

    def expect(self, allowed: dict[str, set[int]]) -> None:
        """Takes in what somebody else has written: the versions that each of these records may have."""
        self._allowed |= allowed

    def _acknowledge(self, ids: Sequence[str], version: int) -> None:
        for record_id in ids:
            self._allowed[record_id] = {version}

    def check(self, collection: vstore.Collection, *, atomic: bool) -> None:
        """A full scan holds what it must and nothing else, every record whole and once.

        Args:
            collection: Through a client that works.
            atomic: An unacknowledged call is there with all its records or with none.
        """
        found = _settled(collection)
        versions = {record_id: _version(row) for record_id, row in found.items()}
        wrong = {
            record_id: (versions.get(record_id, 0), allowed)
            for record_id, allowed in self._allowed.items()
            if versions.get(record_id, 0) not in allowed
        }
        assert not wrong, f"{len(wrong)} records are not what was acknowledged, e.g. {list(wrong.items())[:3]}"
        assert not versions.keys() - self._allowed.keys(), "records that nobody wrote"
        for record_id, row in found.items():
            vector, document, metadata = _row(record_id, versions[record_id])
            assert row == Row(tuple(np.float32(vector).tolist()), document, typed(metadata)), f"half of {record_id!r}"
        if atomic:
            for ids, version in self._batches:
                still = [record_id for record_id in ids if version in self._allowed[record_id]]
                there = Counter(versions.get(record_id, 0) == version for record_id in still)
                assert len(there) <= 1, f"a call without an answer has written {there[True]} of {len(ids)} records"


def _settled(collection: vstore.Collection) -> dict[str, Row]:
    """All records, when no write without an answer is under way any more: a server that goes on may still do it."""
    found, deadline = contents(collection), time.monotonic() + 60  # which refuses a record that comes twice
    while (again := contents(collection)) != found or collection.count() != len(found):
        assert time.monotonic() < deadline, "the contents keep changing, or are not what is counted"
        found = again
    return found


def _version(row: Row) -> int:
    kind, fields = row.metadata
    assert kind == "dict"
    version: int = fields["version"][1]
    return version
