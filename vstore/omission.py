"""What a mapping leaves of a collection that vstore did not create: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Omission", "OmissionKind"]


class OmissionKind(StrEnum):
    """The name under which a copy may leave something behind."""

    VECTORS = "other-vectors"
    """Further vectors of a record: named, sparse, binary ones and multivectors."""
    FIELDS = "other-fields"
    """Fields, columns and keys that are neither document nor metadata."""
    OUTSIDE = "outside-values"
    """Values that the contract does not have, dropped or turned into text."""
    ROWS = "rows-left-out"
    """Rows that have no vector, and so are no records; rows of tables that inherit from a table."""
    SETTINGS = "collection-settings"
    """What the collection is told or known by beside its records: aliases, partitions, functions, a description."""


@dataclass(frozen=True, slots=True)
class Omission:
    """Something of a collection that vstore did not create, which its mapping does not bring.

    Attributes:
        kind: The name under which a copy may leave it behind.
        name: What it is called there: a vector, a field, a key.
        text: What it is, in words.
        needs_leave: Whether a copy must be allowed to leave it behind. What the mapping itself names, as ``hidden=``
            does, and what is only about speed, is told.
    """

    kind: OmissionKind
    name: str
    text: str
    needs_leave: bool = True
