"""From a filter in normal form to SQL that is never NULL, so that it needs nothing more under NOT.

Keys and values are bound, none is ever part of the text. Values are compared as jsonb, whose equality is
strict in type, compares numbers as exact decimals and is false between a scalar and a list:

=================  ==================================================================
leaf               SQL, with ``x`` for the value at the path
=================  ==================================================================
``Eq``             ``metadata @> {key: value}``: what a GIN index answers; ``partition = value`` of the key that
                   parts the collection
``In``             ``x = any(values)``, which PostgreSQL hashes
``ContainsAny``    ``metadata @> {key: [value]}``; many values: any element ``= any(values)``
``Order``          ``metadata @@ 'strict $."key" < value'``, a jsonpath: numbers as decimals, texts by code point
``Exists``         ``metadata ? key``
``HasText``        ``jsonb_typeof(x) = 'string'`` and ``strpos`` or ``starts_with`` in collation C
``…contains``      ``strpos``: case-sensitive, and not a pattern as LIKE would be
=================  ==================================================================

The steps of a path go by ``->`` with a text: unlike ``#>`` it does not take ``"0"`` for a place in a list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from vstore.errors import BackendError
from vstore.filters.tree import (
    And,
    ContainsAny,
    DocumentContains,
    Eq,
    Exists,
    Filter,
    HasText,
    In,
    Not,
    Or,
    Order,
    Path,
)
from vstore_pgvector.folding import folded
from vstore_pgvector.jsonb import json_array, json_text

__all__ = ["PARTITION", "Condition", "where"]

# Each @> is a lookup in the GIN index, joined by OR: at 20,000 records 1 to 20 ms for 1 to 64 values, where one
# pass over all elements takes 70 to 160 ms whatever their number.
_FEW: Final = 64
# The column that holds the value of the key which parts the collection.
PARTITION: Final = "partition"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a record.

    Attributes:
        sql: A Boolean expression with ``%s`` placeholders.
        params: What they stand for.
        partition: The one partition that all records it holds for are in, or None.
        key: What tells it from others, to be looked up by.
    """

    sql: str
    params: tuple[Any, ...] = ()
    partition: str | None = None
    key: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", hash((self.sql, *map(repr, self.params))))


def where(node: Filter, key: str | None = None) -> Condition:
    """Return the condition that a filter in normal form means.

    Args:
        node: The filter.
        key: The metadata key that parts the collection, of which every record has a text, or None.
    """
    params: list[Any] = []
    return Condition(_compile(node, params, key), tuple(params), _partition(node, key))


def _partition(node: Filter, key: str | None) -> str | None:
    for item in node.items if isinstance(node, And) else (node,):
        match item:
            case Eq((name,), str(value)) if name == key:
                return value
    return None


def _compile(node: Filter, params: list[Any], key: str | None) -> str:
    match node:
        case And(items):
            return "(" + " and ".join([_compile(item, params, key) for item in items]) + ")"
        case Or(items):
            return "(" + " or ".join([_compile(item, params, key) for item in items]) + ")"
        case Not(item):
            return f"(not {_compile(item, params, key)})"
        case Eq((name,), str(value)) if name == key:
            params.append(value)
            return f"{PARTITION} = %s::text"
        case Eq(path, value):
            params.append(_object(path, value))
            return "metadata @> %s::jsonb"
        case In(path, values):
            found = _at(path, params)
            params.append(json_array(values))
            return f"coalesce({found} = any(%s::jsonb[]), false)"
        case ContainsAny(path, values) if len(values) <= _FEW:
            params.extend(_object(path, [value]) for value in values)
            return "(" + " or ".join(["metadata @> %s::jsonb"] * len(values)) + ")"
        case ContainsAny(path, values):
            # The subquery sees an empty list where there is none: jsonb_array_elements refuses all else.
            guard = _at(path, params)
            found = _at(path, params)
            params.append(json_array(values))
            return (
                f"exists (select from jsonb_array_elements(case when jsonb_typeof({guard}) = 'array' "
                f"then {found} else '[]' end) as e(element) where e.element = any(%s::jsonb[]))"
            )
        case Order(path, op, value):
            # It is unknown, thus NULL, between two types and where there is no value. Of a list a strict path takes no
            # elements. One pass over the metadata takes two thirds of the time of two values compared as jsonb.
            steps = "".join(f".{json.dumps(step)}" for step in path)
            params.append(f"strict ${steps} {op} {json_text(value)}")
            return "coalesce(metadata @@ %s::jsonpath, false)"
        case Exists((key,)):
            params.append(key)
            return "metadata ? %s::text"
        case Exists(path):
            return f"({_at(path, params)} is not null)"
        case HasText(path, text, at_start, ignore_case):
            kind = _at(path, params)
            found = f"({_at(path, params)} #>> '{{}}')"
            if ignore_case:
                text = text.casefold()
                found = folded(found, text, params)
            params.append(text)
            # other collations may be nondeterministic, for which PostgreSQL before 18 finds no parts of texts
            call = f'({found} collate "C", %s::text)'
            test = f"starts_with{call}" if at_start else f"strpos{call} > 0"
            return f"coalesce(jsonb_typeof({kind}) = 'string' and {test}, false)"
        case DocumentContains(text):
            params.append(text)
            return "coalesce(strpos(document, %s::text) > 0, false)"
        case _:
            raise BackendError(f"a filter node that is not in normal form: {type(node).__name__}")


def _at(path: Path, params: list[Any]) -> str:
    params.extend(path)
    return "(metadata" + " -> %s::text" * len(path) + ")"


def _object(path: Path, value: object) -> str:
    text = json_text(value)
    for key in reversed(path):
        text = f"{{{json.dumps(key)}:{text}}}"
    return text
