"""Filters in normal form to Milvus's expressions.

Every record has a JSON field for filters, ``facts``: under ``n`` and a key is a number, under ``s`` and a key the
string of another scalar, under ``l`` and a key are the strings of its list's elements
(``vstore_milvus.filter_fields``). A key is there in at most one of the three ways; but a number beyond those that stand
as such has its string beside. Milvus compares numbers and strings, and says whether a path is there; nothing else is
asked of it.

Versions of Milvus disagree on a path that is missing under ``!=``, ``not in`` and ``not`` (two-valued up to
2.4, three-valued later). A negated leaf therefore asks first whether the path is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vstore.errors import LimitExceeded
from vstore.filters.tree import (
    And,
    ContainsAny,
    DocumentContains,
    Eq,
    Exists,
    Filter,
    HasText,
    In,
    Leaf,
    Matches,
    Not,
    Or,
    Order,
    OrderOp,
)
from vstore.records import Scalar
from vstore_milvus.filter_fields import (
    ABOVE_NUMBERS,
    ABOVE_TEXTS,
    LISTS,
    NUMBERS,
    PLAIN,
    SCALARS,
    TEXTS,
    element,
    literal,
    plain,
    scalar,
)

__all__ = ["MAX_EXPRESSION_BYTES", "both", "compile_filter", "joined", "unanswered", "with_ids"]

MAX_EXPRESSION_BYTES: Final = 8 << 20
_INVERSE: Final[dict[OrderOp, OrderOp]] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def compile_filter(node: Filter, *, numbers: bool) -> str:
    """Return a filter as an expression that a Milvus server evaluates.

    Args:
        node: A filter in normal form (``vstore.spi.rewrite``).
        numbers: Whether numbers stand as such; if not, all are strings.

    Raises:
        LimitExceeded: It is longer than what Milvus reads in reasonable time.
    """
    text = _compile(node, numbers)
    if (size := len(text.encode())) > MAX_EXPRESSION_BYTES:
        raise LimitExceeded(
            f"the filter is {size:,} bytes as an expression of Milvus; at most {MAX_EXPRESSION_BYTES:,} are sent",
            hint="Ask in parts, with fewer or shorter values each.",
        )
    return text


def unanswered(leaf: Leaf) -> bool:
    """Return whether a server cannot be asked a leaf.

    LIKE finds prefixes only on 2.3, and the adapter is not tested on what later versions make of it; there are no
    regular expressions.
    """
    return isinstance(leaf, DocumentContains | Matches | HasText)


def with_ids(ids: Sequence[str]) -> str:
    """Return the condition for records with one of these ids.

    MilvusClient's own ``ids=`` puts them into the expression unescaped: the id ``x'] or id not in ['zz``
    selected every record (pymilvus 3.0.2).
    """
    # no id is empty; what an empty list means is the version's own affair
    return f"(id in [{','.join(map(literal, ids))}])" if ids else '(id == "")'


def both(*conditions: str | None) -> str | None:
    """Return one condition for all of these; None where none of them asks anything."""
    asked = [condition for condition in conditions if condition]
    return joined("and", asked) if asked else None


def _compile(node: Filter, numbers: bool) -> str:  # which layout, in all functions below
    match node:
        case And(items):
            return joined("and", [_compile(item, numbers) for item in items])
        case Or(items):
            return joined("or", [_compile(item, numbers) for item in items])
        case Not(item):
            return _negated(item, numbers)
        case _:
            return _leaf(node, numbers)


def _leaf(node: Filter, numbers: bool) -> str:
    match node:
        case Eq((key,), value):
            path, operand = _operand(key, value, numbers)
            return f"({path} == {operand})"
        case In((key,), values):
            return joined("or", [f"({path} in [{texts}])" for path, texts in _sets(key, values, numbers)])
        case Order((key,), op, value):
            path, operand = _operand(key, value, numbers)
            if path == _number(key):
                return f"({path} {op} {operand})"
            if numbers and _reaches_plain(op, value):
                return f"((exists {_number(key)}) and ((not (exists {path})) or ({path} {op} {operand})))"
            return _ordered(key, op, value)
        case ContainsAny((key,), values):
            return _contains(key, values)
        case Exists((key,)):
            return joined("or", [f"(exists {path})" for path in _paths(key, numbers)])
        case _:
            raise AssertionError(f"not a leaf of this adapter's normal form: {node!r}")


def _negated(node: Filter, numbers: bool) -> str:
    match node:
        case Eq((key,), value):
            path, operand = _operand(key, value, numbers)
            return f"((not (exists {path})) or ({path} != {operand}))"
        case In((key,), values):
            sets = _sets(key, values, numbers)
            return joined("and", [f"((not (exists {path})) or ({path} not in [{texts}]))" for path, texts in sets])
        case Order((key,), op, value):
            path, operand = _operand(key, value, numbers)
            if path == _number(key):
                return f"((not (exists {path})) or ({path} {_INVERSE[op]} {operand}))"
            if numbers and _reaches_plain(op, value):
                return f"((not (exists {_number(key)})) or ((exists {path}) and ({path} {_INVERSE[op]} {operand})))"
            lowest, highest = _bounds(value)
            other_type = f"{path} < {lowest}" if op in ("<", "<=") else f"{path} >= {highest}"
            return f"((not (exists {path})) or (({path} {_INVERSE[op]} {operand}) or ({other_type})))"
        case ContainsAny((key,), values):
            return f"((not (exists {_list(key)})) or (not {_contains(key, values)}))"
        case Exists((key,)):
            return joined("and", [f"(not (exists {path}))" for path in _paths(key, numbers)])
        case _:
            raise AssertionError(f"not a leaf of this adapter's normal form: {node!r}")


def _operand(key: str, value: Scalar, numbers: bool) -> tuple[str, str]:
    """Return where values equal to this one stand, and how it is written there."""
    number = plain(value) if numbers else None
    return (_fact(key), literal(scalar(value))) if number is None else (_number(key), repr(number))


def _sets(key: str, values: Sequence[Scalar], numbers: bool) -> list[tuple[str, str]]:
    """Return the values of each place, as lists of one type: Milvus takes a list for what its first element is."""
    sets: dict[tuple[str, bool], list[str]] = {}
    for value in values:
        path, operand = _operand(key, value, numbers)
        sets.setdefault((path, path == _number(key) and not operand.lstrip("-").isdigit()), []).append(operand)
    return [(path, ",".join(operands)) for (path, _), operands in sets.items()]


def _reaches_plain(op: OrderOp, value: Scalar) -> bool:
    """Return whether the numbers that stand as such are on the side of one beyond them that an operator asks for."""
    return not isinstance(value, str) and (op in ("<", "<=")) == (scalar(value) > scalar(0))


def _ordered(key: str, op: OrderOp, value: Scalar) -> str:
    """Return both bounds in one comparison: for each one Milvus parses the JSON of every record."""
    operand = literal(scalar(value))
    lowest, highest = _bounds(value)
    match op:
        case "<" if operand == lowest:  # below the empty string: a range without room is refused
            return f"(({_fact(key)} < {lowest}) and ({_fact(key)} >= {lowest}))"
        case "<" | "<=":
            return f"({lowest} <= {_fact(key)} {op} {operand})"
        case ">":
            return f"({operand} < {_fact(key)} < {highest})"
        case ">=":
            return f"({operand} <= {_fact(key)} < {highest})"


def _contains(key: str, values: Sequence[Scalar]) -> str:
    texts = [literal(element(value)) for value in values]
    if len(texts) == 1:
        return f"(json_contains({_list(key)}, {texts[0]}))"
    return f"(json_contains_any({_list(key)}, [{','.join(texts)}]))"


def _bounds(value: object) -> tuple[str, str]:
    """Return what the strings of all values of the same type lie between."""
    if isinstance(value, str):
        return literal(TEXTS), literal(ABOVE_TEXTS)
    return literal(NUMBERS), literal(ABOVE_NUMBERS)


def _fact(key: str) -> str:
    return f"facts[{literal(SCALARS + key)}]"


def _number(key: str) -> str:
    return f"facts[{literal(PLAIN + key)}]"


def _paths(key: str, numbers: bool) -> list[str]:
    return [_fact(key), _list(key), *([_number(key)] if numbers else [])]


def _list(key: str) -> str:
    return f"facts[{literal(LISTS + key)}]"


def joined(operator: str, parts: Sequence[str]) -> str:
    """Return a balanced tree: a server parses a flat chain in quadratic time (20,000 terms: 627 s, not 2.3 s)."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({joined(operator, parts[:middle])} {operator} {joined(operator, parts[middle:])})"
