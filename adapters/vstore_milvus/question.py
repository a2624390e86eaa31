"""What is asked of one field of a collection."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vstore.filters.tree import Filter
from vstore.indexing import Search
from vstore.records import Include

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one field, whatever the vector.

    Attributes:
        field: The name of the field; empty for the one without.
        where: A filter in normal form, or None.
        include: The columns that are wanted.
        search: Settings for the index, or None.
    """

    field: str
    where: Filter | None
    include: Include
    search: Search | None = None

    @property
    def compared(self) -> Include:
        """The field alone."""
        return Include(fields=(self.field,)) if self.field else Include(vectors=True)

    @property
    def fetched(self) -> Include:
        """What is wanted, and the field."""
        if not self.field:
            return replace(self.include, vectors=True)
        return replace(self.include, fields=tuple(dict.fromkeys((*self.include.fields, self.field))))
