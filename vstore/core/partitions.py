"""Partitions of a collection by a metadata key (TEN-1): what their values may be, and the key in records."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from vstore.errors import InvalidInput, brief
from vstore.filters.tree import And, Eq, Filter
from vstore.keys import encodable
from vstore.records import Metadata
from vstore.scalars import as_text

__all__ = ["MAX_BYTES", "changed_in", "check_partition", "placed_in", "within"]

MAX_BYTES: Final = 255


def check_partition(value: object, what: str = "a partition") -> str:
    """Return the value that names a partition; raises ``InvalidInput`` unless it is a str of 1 to 255 UTF-8 bytes."""
    if type(value) is str and value.isascii() and 0 < len(value) <= MAX_BYTES and "\x00" not in value:
        return value  # as most are
    text = as_text(value)
    if type(text) is not str or not text or "\x00" in text or not encodable(text) or len(text.encode()) > MAX_BYTES:
        raise InvalidInput(f"{what} is a str of 1 to {MAX_BYTES} UTF-8 bytes without NUL, not {brief(value)}")
    return text


def placed_in(dicts: list[Metadata] | None, n: int, key: str, partition: str | None) -> list[Metadata]:
    """Return the metadata of records to be written, each with its partition.

    Args:
        dicts: What was given, or None.
        n: Number of records.
        key: The key that parts the collection.
        partition: The partition that they are written through, or None where each names its own.

    Raises:
        InvalidInput: A record without a partition, or of another one; it names the record.
    """
    placed = []
    for place, metadata in enumerate(dicts or [{} for _ in range(n)]):
        if partition is None:
            check_partition(metadata.get(key), f"metadatas[{place}]: {key!r} names the record's partition, which")
            placed.append(metadata)
        else:
            _check_own(metadata, key, partition, place)
            placed.append({**metadata, key: partition})
    return placed


def changed_in(dicts: list[Metadata], key: str, partition: str | None, *, replace: bool) -> list[Metadata]:
    """Return the metadata of an update, which leaves every record in its partition.

    Args:
        dicts: What was given.
        key: The key that parts the collection.
        partition: The partition that they are updated through, or None.
        replace: Whether it replaces what is there.

    Raises:
        InvalidInput: It would take a record out of its partition.
    """
    if partition is None:
        hint = f"Update it through collection.partition(…), or write it anew; {key!r} says where it is."
        if replace:
            raise InvalidInput("replace_metadata=True would take records out of their partitions", hint=hint)
        for place, metadata in enumerate(dicts):
            if key in metadata:
                raise InvalidInput(f"metadatas[{place}] has {key!r}: a record stays in its partition", hint=hint)
        return dicts
    for place, metadata in enumerate(dicts):
        _check_own(metadata, key, partition, place)
    return [{**metadata, key: partition} for metadata in dicts] if replace else dicts


def _check_own(metadata: Metadata, key: str, partition: str, place: int) -> None:
    if key in metadata and metadata[key] != partition:
        raise InvalidInput(f"metadatas[{place}] has another {key!r} than the partition it is written through")


@lru_cache(1024)  # most queries of a partition have no other filter, and are asked through a new handle
def _own(key: str, partition: str) -> Filter:
    return Eq((key,), partition)


def within(where: Filter | None, key: str, partition: str) -> Filter:
    """Return a filter, in normal form, of the records of one partition that match."""
    own = _own(key, partition)
    match where:
        case None:
            return own
        case And(items):
            return And((own, *items))
        case _:
            return And((own, where))
