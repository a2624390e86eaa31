"""What the records of a data set are, in numbers that add up part by part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vstore.errors import Mismatch, brief
from vstore.records import Metadata, Records
from vstore.transfer.equality import Digest, digest_records

__all__ = ["Summary", "natural"]

DIGEST: Final = "sum of blake2b-128, vstore.record.1"
MAX_KEYS: Final = 10_000  # what a key holds is told of the first so many, so that memory is bounded
_NULL: Final = "null"
_DIGEST: Final = re.compile("[0-9a-f]{32}")

Types = dict[str, dict[str, int]]
"""For each metadata key how many values of each type there are."""


def natural(value: object) -> int:
    """A number that is told, which is none of another kind; raises ``TypeError`` or ``ValueError``."""
    if type(value) is not int:
        raise TypeError(f"{value!r:.40} is no whole number")
    if not 0 <= value < 1 << 63:
        raise ValueError(f"{value!r:.40} is no number of things")
    return value


def _type_of(value: object) -> str:
    if value is None:
        return _NULL
    if isinstance(value, list):
        return f"list of {type(value[0]).__name__}" if value else "empty list"
    return type(value).__name__


def _types_of(metadatas: list[Metadata]) -> Types:
    found: Types = {}
    for metadata in metadatas:
        for key, value in metadata.items():
            counts = found.setdefault(key, {})
            kind = _type_of(value)
            counts[kind] = counts.get(kind, 0) + 1
    return found


def _merged(left: Types, right: Types) -> Types:
    total = {key: dict(counts) for key, counts in left.items()}
    for key, counts in right.items():
        if key not in total and len(total) == MAX_KEYS:
            continue
        mine = total.setdefault(key, {})
        for kind, number in counts.items():
            mine[kind] = mine.get(kind, 0) + number
    return total


@dataclass(frozen=True, slots=True)
class Summary:
    """What records are; the summaries of parts add up to that of the whole.

    Attributes:
        records: How many.
        documents: How many have a document.
        digest: The hash of all records, whatever their order.
        types: For each metadata key how many values of each type there are, for at most 10,000 keys. ``"null"``
            is one of the types: a foreign file may say that a value is null, which is not the same as saying nothing.
    """

    records: int = 0
    documents: int = 0
    digest: Digest = field(default_factory=Digest)
    types: Types = field(default_factory=dict)

    @classmethod
    def of(cls, records: Records, told: list[Metadata] | None = None) -> Summary:
        """The summary of records that have all columns; ``told`` is their metadata with the nulls still in it."""
        return cls(
            len(records),
            sum(text is not None for text in records.documents or ()),
            digest_records(records),
            _types_of(told or records.metadatas or []),
        )

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            self.records + other.records,
            self.documents + other.documents,
            self.digest + other.digest,
            _merged(self.types, other.types),
        )

    @property
    def nulls(self) -> int:
        """How many metadata values are null."""
        return sum(counts.get(_NULL, 0) for counts in self.types.values())

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        metadata = {}
        for key, counts in sorted(self.types.items()):
            types = {kind: number for kind, number in sorted(counts.items()) if kind != _NULL}
            missing = self.records - sum(counts.values())
            metadata[key] = {"types": types, "missing": missing, "null": counts.get(_NULL, 0)}
        return {
            "records": self.records,
            "documents": self.documents,
            "digest": {"rule": DIGEST, "value": str(self.digest)},
            "metadata": metadata,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Summary:
        """The inverse of ``to_dict``; raises ``Mismatch`` where the digest follows a rule not known here."""
        records = natural(data["records"])
        if data["digest"]["rule"] != DIGEST:
            raise Mismatch(
                f"the digest follows {brief(data['digest']['rule'])}; known is {DIGEST!r}", hint="Update vstore."
            )
        value = data["digest"]["value"]
        if type(value) is not str or not _DIGEST.fullmatch(value):
            raise ValueError("the digest is none")
        types = {
            key: {kind: natural(number) for kind, number in told["types"].items()}
            | ({_NULL: natural(told["null"])} if told["null"] else {})
            for key, told in data["metadata"].items()
        }
        return cls(records, natural(data["documents"]), Digest.parse(records, value), types)
