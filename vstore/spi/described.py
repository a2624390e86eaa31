"""Layouts that a caller describes by a mapping of his own: what such a mapping can say, and what it has a place for.

Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from vstore.errors import Unsupported
from vstore.mapping import ALL, ColumnType, MissingVector, Outside, RecordMapping

__all__ = ["OWN_PROGRAM", "check_described", "holds", "keys_held"]

OWN_PROGRAM: Final = "a program of one's own"
_KINDS: Final[dict[ColumnType, type]] = {
    ColumnType.TEXT: str,
    ColumnType.BIGINT: int,
    ColumnType.DOUBLE: float,
    ColumnType.BOOLEAN: bool,
    ColumnType.TIMESTAMPTZ: datetime,
}


def check_described(mapping: RecordMapping) -> None:
    """Raises ``Unsupported`` for what a mapping can say of a collection that is read, and not of one that is made."""
    said = {
        "table": mapping.table,
        "only": mapping.only,
        "vectors": mapping.vectors,
        "hidden": mapping.hidden,
        "id_columns": mapping.id_columns,
        "outside": mapping.outside is not Outside.REFUSE,
        "missing_vector": mapping.missing_vector is not MissingVector.REFUSE,
    }
    if found := [name for name, one in said.items() if one]:
        raise Unsupported(
            f"a layout that is written by a mapping takes no {found[0]}",
            hint="Leave it out. The collection has the name that it is created with, and every value as it is.",
        )


def keys_held(mapping: RecordMapping) -> frozenset[str] | None:
    """Return the keys that metadata can have; None for any."""
    if mapping.metadata is None:
        return None if mapping.fields == ALL else frozenset(mapping.fields)
    return frozenset(mapping.types) if mapping.metadata == () and mapping.types else None


def holds(kind: ColumnType | None, value: Any) -> bool:
    """Whether a field of a type holds a value as it is; None is any type."""
    return kind is None or kind is ColumnType.JSONB or type(value) is _KINDS[kind]
