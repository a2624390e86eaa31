"""Filters of which a database can be asked a part: what to ask it, and what to leave of its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vstore.filters.tree import And, DocumentContains, Filter, Leaf, Or, leaves
from vstore.records import Include, Records
from vstore.spi.evaluate import bounded

__all__ = ["PartialFilter", "split_filter"]


@dataclass(frozen=True, slots=True)
class PartialFilter:
    """A filter in two steps: exact, at the cost of reading what the first one lets through.

    Attributes:
        where: The filter.
        asked: What the database is to be asked, in normal form: true of every record that ``where`` is true of, and
            of others. None if nothing is left to ask, so that all records are to be read.
    """

    where: Filter
    asked: Filter | None

    def read(self, include: Include) -> Include:
        """Return the columns to read: those that are wanted, and those that the filter looks at."""
        documents = any(isinstance(leaf, DocumentContains) for leaf in leaves(self.where))
        metadatas = any(not isinstance(leaf, DocumentContains) for leaf in leaves(self.where))
        return replace(include, documents=include.documents or documents, metadatas=include.metadatas or metadatas)

    def places(self, records: Records) -> list[int]:
        """Return the places of those that match among records with the columns of ``read``."""
        test = bounded(self.where)
        documents = records.documents or [None] * len(records)
        metadatas = records.metadatas or [{}] * len(records)
        rows = enumerate(zip(metadatas, documents, strict=True))
        return [place for place, (metadata, document) in rows if test(metadata, document)]

    def keep(self, records: Records, include: Include) -> Records:
        """Return the records that match, with the columns that are wanted.

        Args:
            records: As the database answered, with the columns of ``read(include)``.
            include: The columns that are wanted.
        """
        return records.only(include).take(self.places(records))


def split_filter(where: Filter, unanswered: Callable[[Leaf], bool]) -> PartialFilter | None:
    """Return how to answer a filter of which the database cannot answer some leaves; None where it can answer all.

    Args:
        where: A filter in normal form.
        unanswered: Whether the database cannot answer a leaf.
    """
    found = (where,) if isinstance(where, Leaf) else leaves(where)
    return PartialFilter(where, _relaxed(where, unanswered)) if any(map(unanswered, found)) else None


def _relaxed(node: Filter, unanswered: Callable[[Leaf], bool]) -> Filter | None:
    """Return the strongest filter without those leaves that another one implies; None if all records pass."""
    match node:
        case And(items):
            return _joined(And, [part for item in items if (part := _relaxed(item, unanswered)) is not None])
        case Or(items):
            parts = [part for item in items if (part := _relaxed(item, unanswered)) is not None]
            return _joined(Or, parts) if len(parts) == len(items) else None
        case _:
            (leaf,) = leaves(node)
            return None if unanswered(leaf) else node


def _joined(kind: type[And | Or], parts: Sequence[Filter]) -> Filter | None:
    flat = [item for part in parts for item in (part.items if isinstance(part, kind) else (part,))]
    return kind(tuple(flat)) if len(flat) > 1 else next(iter(flat), None)
