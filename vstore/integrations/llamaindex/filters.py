"""LlamaIndex's ``MetadataFilters`` as filters of vstore: exact, or refused before anything is sent.

The meaning is that of LlamaIndex's in-memory store (``build_metadata_filter_fn``), in nested groups too: of a missing
key and of None only ``!=``, ``nin`` and ``is_empty`` are true. Where that store raises ``TypeError`` for a record, as
for an ordering between a text and a number, the operator is false of the record. ``contains``, ``any`` and ``all`` look
into lists, as ``FilterOperator`` describes them, not into texts.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from vstore.capabilities import Capabilities
from vstore.errors import InvalidInput
from vstore.filters.tree import Filter, HasText, Matches, Not, Order, OrderOp, Path
from vstore.integrations.llamaindex.nodes import CONTENT
from vstore.integrations.terms import (
    FALSE,
    TOKENS,
    all_of,
    any_of,
    equals,
    has_element,
    is_legal_key,
    is_present,
    ordered,
)

__all__ = ["Condition", "translate"]

_ORDER: Final[dict[FilterOperator, OrderOp]] = {
    FilterOperator.GT: ">",
    FilterOperator.GTE: ">=",
    FilterOperator.LT: "<",
    FilterOperator.LTE: "<=",
}
_TEXTUAL: Final = (FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE)
# lower-cased they become two characters, or another one at the end of a word: no class of characters stands for them
_UNSTEADY: Final = "\u0307\u03c2\u03c3"
_DOTTED_I: Final = "\u0130"


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter that was translated.

    Attributes:
        where: It in vstore's form; None where there is nothing to filter by.
        needs: Capabilities that it takes, each with the words for what takes it.
    """

    where: Filter | None
    needs: tuple[tuple[str, str], ...] = ()

    def on(self, capabilities: Capabilities) -> Filter | None:
        """Return the filter for a store; raises ``Unsupported``, naming the operator, where it cannot answer it."""
        for feature, asked in self.needs:
            capabilities.require(feature, asked)
        return self.where


def translate(filters: MetadataFilters | None) -> Condition:
    """Return the condition that means the same as LlamaIndex's filters.

    Raises:
        InvalidInput: An operator with a value that it has no meaning for, named with its key.
    """
    if filters is None:
        return Condition(None)
    if not isinstance(filters, MetadataFilters):
        raise InvalidInput(f"filters must be MetadataFilters, not {type(filters).__name__}")
    if not filters.filters:
        return Condition(None)
    needs: list[tuple[str, str]] = []
    return Condition(_group(filters, needs), tuple(needs))


def _group(group: MetadataFilters, needs: list[tuple[str, str]]) -> Filter:
    parts = [_group(part, needs) if isinstance(part, MetadataFilters) else _leaf(part, needs) for part in group.filters]
    match group.condition:
        case FilterCondition.OR if parts:
            return any_of(parts)
        case FilterCondition.NOT if parts:
            return Not(any_of(parts))
        case _:  # LlamaIndex takes no condition for `and`, and an empty group for true
            return all_of(parts)


def _leaf(part: MetadataFilter, needs: list[tuple[str, str]]) -> Filter:
    operator, value, key = part.operator, part.value, part.key
    asked = f"the operator {operator.name} on {key!r}"
    if operator in _TEXTUAL:
        # an empty text is in every text, which no part of a text says
        exact = operator is FilterOperator.TEXT_MATCH and value
        needs.append(("metadata_contains" if exact else "matches", asked))
    elif operator in _ORDER and isinstance(value, str):
        needs.append(("string_ordering", f"{asked} with a str"))
    path = (key,) if is_legal_key(key) and key not in (CONTENT, TOKENS) else None
    try:
        return _condition(operator, value, key, path)
    except InvalidInput as error:
        error.message = f"{asked}: {error.message}"
        raise


def _condition(operator: FilterOperator, value: Any, key: str, path: Path | None) -> Filter:
    match operator:
        case FilterOperator.EQ:
            return _equal(key, path, value)
        case FilterOperator.NE:
            return Not(_equal(key, path, value))
        case FilterOperator.IN:
            return equals(key, path, _listed(value))
        case FilterOperator.NIN:
            return Not(equals(key, path, _listed(value)))
        case FilterOperator.CONTAINS:
            if value is None or isinstance(value, list):
                raise InvalidInput(f"it takes a str or a number, not {type(value).__name__}", hint="Ask ANY or ALL.")
            return has_element(key, path, [value])
        case FilterOperator.ANY:
            return has_element(key, path, _listed(value))
        case FilterOperator.ALL:
            if not _listed(value):
                raise InvalidInput("it takes a list of one value or more", hint="Ask NOT of IS_EMPTY for presence.")
            return all_of([has_element(key, path, [one]) for one in value])
        case FilterOperator.IS_EMPTY:
            return any_of([Not(is_present(key, path)), equals(key, path, ["", []], lists=True)])
        case FilterOperator.TEXT_MATCH:
            text = _text(value)
            return HasText(_addressable(path, key), text) if text else Matches(_addressable(path, key), "")
        case FilterOperator.TEXT_MATCH_INSENSITIVE:
            return Matches(_addressable(path, key), _any_case(_text(value)))
    if operator in _ORDER:
        return _ordering(_ORDER[operator], value, _addressable(path, key))
    raise InvalidInput("vstore does not know it")


def _equal(key: str, path: Path | None, value: Any) -> Filter:
    if isinstance(value, list):
        raise InvalidInput("a list as a whole cannot be compared", hint="Ask ALL for the elements.")
    return FALSE if value is None else equals(key, path, [value])


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInput(f"it takes a list, not {type(value).__name__}")
    return value


def _addressable(path: Path | None, key: str) -> Path:
    if path is None:
        raise InvalidInput(f"{key!r} cannot be the key of metadata", hint="Ask ==, !=, in, nin or is_empty.")
    return path


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"it takes a str, not {type(value).__name__}")
    return value


def _ordering(op: OrderOp, value: Any, path: Path) -> Filter:
    if isinstance(value, str):
        return Order(path, op, value)
    if not isinstance(value, int | float):
        raise InvalidInput(f"it takes a number or a str, not {type(value).__name__}")
    return ordered(path, op, value)


def _literal(char: str) -> str:
    """A character as RE2 takes it for itself."""
    return char if char.isalnum() or ord(char) > 127 else f"\\{char}"


def _any_case(text: str) -> str:
    """The pattern of the texts whose lower case has that of ``text`` in it."""
    wanted = text.lower()
    if unsteady := next((char for char in wanted if char in _UNSTEADY), None):
        raise InvalidInput(
            f"the lower case of {unsteady!r} depends on the characters around it", hint="Ask TEXT_MATCH."
        )
    classes = ["".join(_literal(char) for char in sorted({char, *_upper_forms()[char]})) for char in wanted]
    if wanted.endswith("i"):  # the lower case of this one is an i and a dot above
        classes[-1] += _DOTTED_I
    return "".join(f"[{members}]" for members in classes)


@cache
def _upper_forms() -> dict[str, list[str]]:
    """For each character those whose lower case it is."""
    forms: defaultdict[str, list[str]] = defaultdict(list)
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if (lower := char.lower()) != char:
            forms[lower].append(char)
    return forms
