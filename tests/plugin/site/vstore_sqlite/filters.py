"""From filters to SQL, without any input or output."""

from __future__ import annotations

from vstore import Filter
from vstore.spi import And, DocumentContains, Eq, Exists, Leaf, Not, Or

__all__ = ["Sql", "compiled", "unanswered"]

Sql = tuple[str, list[str]]
"""A condition, which is never null, and the values bound to its question marks."""


def unanswered(leaf: Leaf) -> bool:
    """Tell whether SQLite is not asked about this leaf: all but presence, equal texts and substrings."""
    match leaf:
        case DocumentContains() | Exists((_,)):
            return False
        case Eq((_,), value):
            return not isinstance(value, str)
        case _:
            return True


def compiled(node: Filter) -> Sql:
    """Return the condition for a filter in normal form whose leaves are all answered."""
    match node:
        case And(items):
            return _joined(" and ", items)
        case Or(items):
            return _joined(" or ", items)
        case Not(item):
            condition, values = compiled(item)
            return f"not {condition}", values
        case Exists((key,)):
            return "(json_type(metadata, ?) is not null)", [_path(key)]
        case Eq((key,), str(value)):
            return "(json_type(metadata, ?) is 'text' and json_extract(metadata, ?) is ?)", [*[_path(key)] * 2, value]
        case DocumentContains(text):
            return "(instr(coalesce(document, ''), ?) > 0)", [text]
        case _:
            raise AssertionError(f"split_filter leaves no {node!r}")


def _path(key: str) -> str:
    return f'$."{key}"'  # a key of the contract has no quote and no backslash


def _joined(word: str, items: tuple[Filter, ...]) -> Sql:
    parts = [compiled(item) for item in items]
    return f"({word.join(condition for condition, _ in parts)})", [value for _, values in parts for value in values]
