"""LangChain's filters: the ``$`` operators that its stores share, as vstore's filters, each exact or refused by name.

LangChain has no definition of them, and its stores differ. Here they mean what vstore's filters mean (FLT-1 to FLT-9):
strict types, a condition on a missing key is false, and a negation is the exact complement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from vstore.capabilities import Capabilities
from vstore.errors import InvalidInput, brief, reading
from vstore.filters import Filter
from vstore.filters.dictform import parse
from vstore.filters.tree import And, ContainsAny, HasText, Matches, Not, Or, Order
from vstore.integrations.metadata import filterable

__all__ = ["as_filter", "check_patterns", "like"]

_SYNTAX: Final = frozenset(r"\.+*?()|[]{}^$")


def as_filter(given: Filter | Mapping[str, Any] | None) -> Filter | None:
    """Return the filter that an application gave: vstore's own, a dict in LangChain's form, or None.

    Raises:
        InvalidInput: An operator that has no equal here, which the error names, or an illegal operand.
    """
    if given is None or isinstance(given, Filter):
        return given
    if not isinstance(given, Mapping):
        raise InvalidInput(
            f"filter= takes a filter of vstore or a dict, not {type(given).__name__}",
            hint="Write F('year') >= 2020 or {'year': {'$gte': 2020}}.",
        )
    with reading("filter="):
        return _translated(given)


def check_patterns(given: object, capabilities: Capabilities) -> None:
    """Raises ``Unsupported`` that names ``$like`` or ``$ilike`` where the database has no such expressions."""
    if capabilities.matches:
        return
    if isinstance(given, Mapping):
        for name, value in given.items():
            if name == "$ilike" or (name == "$like" and _plain_part(filterable(value)) is None):
                capabilities.require("matches", name)
            check_patterns(value, capabilities)
    elif isinstance(given, list | tuple):
        for item in given:
            check_patterns(item, capabilities)


def _translated(given: Mapping[str, Any]) -> Filter:
    parts: list[Filter] = []
    for key, value in given.items():
        match key.lower() if isinstance(key, str) and key.startswith("$") else key:
            case "$and" if _is_list(value):
                parts.append(_joined(And, [_inner(item) for item in value]))
            case "$or" if _is_list(value):
                parts.append(_joined(Or, [_inner(item) for item in value]))
            case "$not" if _is_list(value):  # none of them, as langchain-postgres has it
                parts.append(Not(_joined(Or, [_inner(item) for item in value])))
            case "$not":
                parts.append(Not(_inner(value)))
            case "$document" | "$nested":
                parts.append(parse({key: value}))
            case _ if isinstance(value, Mapping):
                parts.append(_field((key,), value))
            case _:
                parts.append(parse({key: filterable(value)}))
    return _joined(And, parts)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _inner(item: object) -> Filter:
    if not isinstance(item, Mapping):
        raise InvalidInput(f"a filter is a dict, not {brief(item)}")
    return _translated(item)


def _joined(kind: type[And] | type[Or], parts: list[Filter]) -> Filter:
    if not parts:
        raise InvalidInput("an empty filter is refused", hint="Leave the filter out to mean every record.")
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _field(path: tuple[str, ...], value: Mapping[str, Any]) -> Filter:
    """What is said of one key, all of which must hold."""
    parts: list[Filter] = []
    plain: dict[str, Any] = {}
    for name, operand in value.items():
        if name in _OPERATORS:
            parse(_nested(path, {"$exists": True}))  # refuses what no path can be
            parts.append(_OPERATORS[name](path, filterable(operand)))
        elif name == "$not" and isinstance(operand, Mapping):
            parts.append(Not(_field(path, operand)))
        elif isinstance(operand, Mapping) and not name.startswith("$"):
            parts.append(_field((*path, name), operand))
        else:
            plain[name] = filterable(operand)
    if plain or not parts:
        parts.insert(0, parse(_nested(path, plain)))
    return _joined(And, parts)


def _nested(path: tuple[str, ...], condition: dict[str, Any]) -> dict[str, Any]:
    for key in reversed(path):
        condition = {key: condition}
    return condition


def _between(path: tuple[str, ...], bounds: object) -> Filter:
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise InvalidInput(f"$between takes two bounds, [low, high], not {brief(bounds)}")
    return And((Order(path, ">=", bounds[0]), Order(path, "<=", bounds[1])))


_OPERATORS: Final[dict[str, Callable[[tuple[str, ...], Any], Filter]]] = {
    "$between": _between,
    "$like": lambda path, pattern: _liked(path, pattern),
    "$ilike": lambda path, pattern: Matches(path, f"(?i){like('$ilike', pattern)}"),
    "$contains": lambda path, value: ContainsAny(path, (value,)),  # of a list, as Chroma has it
    "$not_contains": lambda path, value: Not(ContainsAny(path, (value,))),
}


def _liked(path: tuple[str, ...], pattern: object) -> Filter:
    if (part := _plain_part(pattern)) is None:
        return Matches(path, like("$like", pattern))
    text, at_start = part
    return HasText(path, text, at_start=at_start)


def _plain_part(pattern: object) -> tuple[str, bool] | None:
    """Return the text that a pattern finds anywhere, as ``%text%``, or at the start, as ``text%``; None for others."""
    if not isinstance(pattern, str):
        return None
    rest = iter(pattern)
    pieces = [character + next(rest, "") if character == "\\" else character for character in rest]
    anywhere = pieces[:1] == ["%"]
    inner = pieces[1:-1] if anywhere else pieces[:-1]
    if pieces[-1:] != ["%"] or not inner or {"%", "_", "\\"} & set(inner):
        return None
    return "".join(piece[-1] for piece in inner), not anywhere


def like(operator: str, pattern: object) -> str:
    r"""Return the regular expression of RE2 that a pattern of SQL's LIKE means, for the whole text.

    ``%`` stands for any text, ``_`` for one character, ``\`` makes the next one literal.

    Raises:
        InvalidInput: It is no str, or ends with a single backslash.
    """
    if not isinstance(pattern, str):
        raise InvalidInput(f"{operator} takes a pattern as a str, not {brief(pattern)}")
    return f"(?s)^{''.join(_pieces(operator, iter(pattern)))}$"


def _pieces(operator: str, characters: Iterable[str]) -> Iterable[str]:
    rest = iter(characters)
    for character in rest:
        if character == "%":
            yield ".*"
        elif character == "_":
            yield "."
        else:
            if character == "\\":
                character = next(rest, "")
                if not character:
                    raise InvalidInput(f"the pattern of {operator} ends with a backslash that escapes nothing")
            yield f"\\{character}" if character in _SYNTAX else character
