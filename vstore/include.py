"""Which columns a read fetches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from vstore.errors import InvalidInput, brief, plain, reading
from vstore.fields import Field, only_sparse
from vstore.wording import did_you_mean, sentences

__all__ = ["INCLUDE_TEXTUAL", "TEXTUAL", "Include", "IncludeName"]

IncludeName: TypeAlias = Literal["vectors", "documents", "metadatas", "fields", "sparse"]

TEXTUAL: Final[tuple[IncludeName, ...]] = ("documents", "metadatas")
"""What a query brings by default; being this very tuple, it needs no check."""
_COLUMNS = frozenset(("vectors", "documents", "metadatas"))
_INCLUDES: tuple[str, ...] = ("vectors", "documents", "metadatas", "fields", "sparse")


@dataclass(frozen=True, slots=True)
class Include:
    """The columns that a read fetches besides the ids.

    Attributes:
        vectors: The vectors of the field without a name.
        documents: The documents.
        metadatas: The metadata.
        fields: The named fields, in the order of the collection's.
    """

    vectors: bool = False
    documents: bool = False
    metadatas: bool = False
    fields: tuple[str, ...] = ()

    @classmethod
    def parse(cls, names: Iterable[str], fields: Mapping[str, Field] | None = None, *, unnamed: bool = True) -> Include:
        """Return it for names of columns.

        Args:
            names: ``"vectors"``, ``"documents"``, ``"metadatas"``, ``"fields"`` for all named fields, ``"sparse"`` for
                the only sparse one, or the name of a field.
            fields: The collection's named fields.
            unnamed: Whether it has the field without a name, which ``"vectors"`` brings.

        Raises:
            InvalidInput: Any other name.
        """
        if names is TEXTUAL:
            return INCLUDE_TEXTUAL
        if type(names) in (tuple, list) and set(map(type, names)) <= {str} and set(names) <= _COLUMNS:
            return cls("vectors" in names and unnamed, "documents" in names, "metadatas" in names)
        if not isinstance(names, Iterable):
            raise InvalidInput(f"include= takes a list of names of columns, not {brief(names)}")
        named = fields or {}
        with reading("include"):
            wanted = [plain(names)] if isinstance(names, str) else list(names)
        known = {*_INCLUDES, *named}
        unknown = [name for name in wanted if not isinstance(name, str) or plain(name) not in known]
        if unknown:
            own = "".join(f", {name!r}" for name in named)
            raise InvalidInput(
                f"include= does not know {brief(unknown[0])}",
                hint=sentences(
                    did_you_mean(unknown[0], known),
                    f"Its names are 'vectors', 'documents' and 'metadatas'{own}; ids always come.",
                ),
            )
        chosen = set(map(plain, wanted))
        if "fields" in chosen:
            chosen.update(named)
        elif "sparse" in chosen:
            chosen.add(only_sparse(named))
        return cls(
            "vectors" in chosen and unnamed,
            "documents" in chosen,
            "metadatas" in chosen,
            tuple(name for name in named if name in chosen),
        )


INCLUDE_TEXTUAL: Final = Include(documents=True, metadatas=True)
"""What ``TEXTUAL`` is parsed to."""
