"""The dict form of filters, for JSON and the command line: it parses to the tree and prints back.

``{"year": {"$gte": 2020}, "tags": {"$has": "rag"}, "$or": [{"a": 1}, {"b": {"$exists": False}}]}``
Several entries mean *and*. A dict below a key whose names do not begin with ``$`` is a nested path.
The document is ``{"$document": {"$contains": "text"}}``. ``$icontains_text`` and ``$istarts_with`` ignore case. What
looks like an operator without its ``$``, as in ``{"year": {"gte": 2020}}``, is refused; a nested key of such a name
stands inside ``{"$nested": {…}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from vstore.errors import InvalidInput, brief, reading
from vstore.filters.tree import (
    MAX_DEPTH,
    And,
    ContainsAll,
    ContainsAny,
    DocumentContains,
    Eq,
    Exists,
    Filter,
    HasText,
    In,
    Matches,
    Not,
    Or,
    Order,
    OrderOp,
    Path,
    depth,
)
from vstore.wording import did_you_mean, sentences

__all__ = ["parse", "to_dict"]


def _exists(path: Path, wanted: object) -> Filter:
    if type(wanted) is not bool:
        raise InvalidInput(f"$exists takes true or false, not {brief(wanted)}")
    return Exists(path) if wanted else Not(Exists(path))


def _contains(path: Path, value: object) -> Filter:
    if isinstance(value, str):
        raise InvalidInput(
            "$contains of a text may mean an element of a list, or a part of a text",
            hint="Write $has for an element of a list, $contains_text for a part of a text; "
            'a part of the document is {"$document": {"$contains": text}}.',
        )
    return ContainsAny(path, (value,))  # type: ignore[arg-type]  # the leaf checks its own value


def _list(operator: str, values: object) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise InvalidInput(f"{operator} takes a list, not {type(values).__name__}")
    return tuple(values)


_ORDER: Final[dict[str, OrderOp]] = {"$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_NAME_OF_ORDER: Final = {op: name for name, op in _ORDER.items()}
_LEAVES: Final[dict[str, Callable[[Path, Any], Filter]]] = {
    "$eq": Eq,
    "$ne": lambda path, value: Not(Eq(path, value)),
    "$in": lambda path, values: In(path, _list("$in", values)),
    "$nin": lambda path, values: Not(In(path, _list("$nin", values))),
    "$has": lambda path, value: ContainsAny(path, (value,)),
    "$contains": _contains,
    "$contains_any": lambda path, values: ContainsAny(path, _list("$contains_any", values)),
    "$contains_all": lambda path, values: ContainsAll(path, _list("$contains_all", values)),
    "$exists": _exists,
    "$matches": Matches,
    "$contains_text": HasText,
    "$icontains_text": partial(HasText, ignore_case=True),
    "$starts_with": partial(HasText, at_start=True),
    "$istarts_with": partial(HasText, at_start=True, ignore_case=True),
}


_LOGIC: Final = ("$and", "$or", "$not")
# what people write for an operator; as the name of a nested key it would match nothing, in silence
_MISTAKEN: Final[dict[str, str]] = {
    **{name.removeprefix("$"): name for name in (*_LOGIC, *_LEAVES, *_ORDER)},
    "ge": "$gte",
    "le": "$lte",
    "neq": "$ne",
    "not_in": "$nin",
    "notin": "$nin",
    "regex": "$matches",
    "icontains": "$icontains_text",
    "startswith": "$starts_with",
    "istartswith": "$istarts_with",
    ">": "$gt",
    ">=": "$gte",
    "<": "$lt",
    "<=": "$lte",
    "=": "$eq",
    "==": "$eq",
    "!=": "$ne",
    "<>": "$ne",
}


def _meant(name: object) -> str:
    """The operator that a nested key looks like, or nothing."""
    return _MISTAKEN.get(name.strip().lower(), "") if isinstance(name, str) else ""


def _no_operator(name: object, meant: str) -> InvalidInput:
    return InvalidInput(
        f"{brief(name)} is no operator, and as a nested key it would match nothing",
        hint=f'Did you mean {meant}? Where it is a nested key, put {{"$nested": …}} around the condition.',
    )


def parse(data: Mapping[str, Any]) -> Filter:
    """The filter that a dict means.

    Raises:
        InvalidInput: An unknown operator, an empty dict, or a value no filter compares with.
    """
    with reading("the filter"):
        return _all(_parse(data, MAX_DEPTH))


def _all(parts: list[Filter]) -> Filter:
    if not parts:
        raise InvalidInput("an empty filter is refused", hint="Leave the filter out to mean every record.")
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _parse(data: object, room: int) -> list[Filter]:
    if not isinstance(data, Mapping):
        raise InvalidInput(f"a filter in dict form must be a dict, not {type(data).__name__}")
    if room < 1:
        raise InvalidInput(f"a filter is nested deeper than {MAX_DEPTH}")
    parts: list[Filter] = []
    for key, value in data.items():
        match key:
            case "$and" | "$or":
                items = tuple(_all(_parse(item, room - 1)) for item in _list(key, value))
                if not items:
                    raise InvalidInput(f"{key} of nothing is refused: an empty filter")
                parts.append(items[0] if len(items) == 1 else And(items) if key == "$and" else Or(items))
            case "$not":
                parts.append(Not(_all(_parse(value, room - 1))))
            case "$document":
                if not isinstance(value, Mapping) or list(value) != ["$contains"]:
                    raise InvalidInput('$document takes {"$contains": text}')
                parts.append(DocumentContains(value["$contains"]))
            case "$nested":
                if not isinstance(value, Mapping) or not value:
                    raise InvalidInput('$nested takes a dict of keys, as in {"$nested": {"a": {"not": 1}}}')
                for outer, inner in value.items():
                    parts.extend(_field((outer,), inner, literal=True))
            case str() if key.startswith("$"):
                raise InvalidInput(
                    f"unknown operator {brief(key)} where a key is expected",
                    hint=did_you_mean(key, (*_LOGIC, "$document", "$nested"))
                    or "Here $and, $or, $not, $document and $nested are known.",
                )
            case str() if _meant(key) in _LOGIC and _composite(value):
                raise _no_operator(key, _meant(key))
            case _:
                parts.extend(_field((key,), value))
    return parts


def _composite(value: object) -> bool:
    """Whether a value is that of ``$and``, ``$or`` or ``$not`` rather than of a key."""
    if isinstance(value, Mapping):
        return not all(isinstance(name, str) and name.startswith("$") for name in value)
    return isinstance(value, list | tuple)


def _field(path: Path, value: object, *, literal: bool = False) -> list[Filter]:
    if not isinstance(value, Mapping):
        return [Eq(path, value)]  # type: ignore[arg-type]  # the leaf checks its own value
    if not value or len(path) > MAX_DEPTH:
        raise InvalidInput(f"the filter on {brief(path)} is empty or nested too deep")
    parts: list[Filter] = []
    for name, operand in value.items():
        if name in _ORDER:
            parts.append(Order(path, _ORDER[name], operand))
        elif name in _LEAVES:
            parts.append(_LEAVES[name](path, operand))
        elif isinstance(name, str) and name.startswith("$"):
            known = [*_LEAVES, *_ORDER]
            hint = sentences(did_you_mean(name, known), f"Known: {', '.join(known)}.")
            raise InvalidInput(f"unknown operator {brief(name)}", hint=hint)
        elif not literal and (meant := _meant(name)):
            raise _no_operator(name, meant)
        else:
            parts.extend(_field((*path, name), operand, literal=literal))
    return parts


def to_dict(node: Filter) -> dict[str, Any]:
    """The dict form; ``parse(to_dict(f)) == f`` for every filter.

    Raises:
        InvalidInput: It is nested deeper than a filter may be.
    """
    if depth(node) > MAX_DEPTH:
        raise InvalidInput(f"the filter is nested deeper than {MAX_DEPTH}")
    return _printed(node)


def _printed(node: Filter) -> dict[str, Any]:
    match node:
        case And(items):
            return {"$and": [_printed(item) for item in items]}
        case Or(items):
            return {"$or": [_printed(item) for item in items]}
        case Not(Eq(path, value)):
            return _nested(path, {"$ne": value})
        case Not(In(path, values)):
            return _nested(path, {"$nin": list(values)})
        case Not(Exists(path)):
            return _nested(path, {"$exists": False})
        case Not(item):
            return {"$not": _printed(item)}
        case Eq(path, value):
            return _nested(path, {"$eq": value})
        case Order(path, op, value):
            return _nested(path, {_NAME_OF_ORDER[op]: value})
        case In(path, values):
            return _nested(path, {"$in": list(values)})
        case ContainsAny(path, (value,)):
            return _nested(path, {"$has": value})
        case ContainsAny(path, values):
            return _nested(path, {"$contains_any": list(values)})
        case ContainsAll(path, values):
            return _nested(path, {"$contains_all": list(values)})
        case Exists(path):
            return _nested(path, {"$exists": True})
        case Matches(path, pattern):
            return _nested(path, {"$matches": pattern})
        case HasText(path, text, at_start, ignore_case):
            name = f"{'i' if ignore_case else ''}{'starts_with' if at_start else 'contains_text'}"
            return _nested(path, {f"${name}": text})
        case DocumentContains(text):
            return {"$document": {"$contains": text}}
        case _:
            raise InvalidInput(f"not a filter node of vstore: {type(node).__name__}")


def _nested(path: Path, condition: dict[str, Any]) -> dict[str, Any]:
    for key in reversed(path):
        condition = {key: condition}
    plain = len(path) == 1 or not (_meant(path[0]) in _LOGIC or any(map(_meant, path[1:])))
    return condition if plain else {"$nested": condition}
