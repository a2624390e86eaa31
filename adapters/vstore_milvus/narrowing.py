"""A condition that every entity fulfils of which a filter is true: for collections that vstore did not create. Pure.

It may hold for other entities too (``vstore.spi.narrowing``), and is an expression of Milvus. What versions of it
disagree on is not asked: ``not``, ``!=``, ``exists``, numbers in a list, and parts of a text. Milvus compares a value
of JSON with a literal of its own type only; a literal with a fraction is compared with all numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from vstore.filters.tree import ContainsAny, DocumentContains, Eq, Filter, HasText, In, Leaf, Matches, Order
from vstore.mapping import Outside, Path, RecordMapping
from vstore.spi.narrowing import Interval, asks_texts, beyond, compared, containers, intervals, necessary
from vstore_milvus.compile import MAX_EXPRESSION_BYTES, joined
from vstore_milvus.filter_fields import literal

__all__ = ["narrowed"]

# pymilvus's DataType by number
_BOOL: Final = 1
_INTS: Final = {2: 8, 3: 16, 4: 32, 5: 64}
_FLOAT: Final = 10
_DOUBLE: Final = 11
_VARCHAR: Final = 21
_JSON: Final = 23
_LARGEST: Final = {_FLOAT: 3e38, _DOUBLE: math.inf}
_MARGINS: Final = {_FLOAT: 1e-6, _DOUBLE: 2.0**-40}
_TEXT: Final = '>= ""'
# Of more values their place among all values is asked: each comparison reads the JSON of every entity.
_FEW: Final = 8
# code points without a next one that a text can have
_LAST: Final = (0xD7FF, 0x10FFFF)


def narrowed(
    node: Filter, mapping: RecordMapping, types: Mapping[str, int], *, dynamic: bool, lite: bool, objects: bool
) -> str | None:
    """Return an expression; None where no entity can be ruled out, or where it would be too long.

    Args:
        node: The filter, in normal form.
        mapping: How the entities are read.
        types: The type of each field with a value but the key, by pymilvus's number.
        dynamic: Whether an entity may have further fields.
        lite: Whether it is Milvus Lite, which looks into no list of a further field.
        objects: Whether a field of JSON is known to hold objects only, and no text that holds one.
    """

    def leaf(one: Leaf) -> str | None:
        if isinstance(one, DocumentContains) or one.path[0] in mapping.hidden:
            return None
        # a value outside the contract may be told as a text of its JSON, which no condition here can know
        if mapping.outside is Outside.TEXT and asks_texts(one):
            return None
        places = [_place(one, above) for above in containers(one.path[0], mapping)]
        return _any(places) if places else None

    def _place(one: Leaf, above: Path) -> str | None:
        assert not isinstance(one, DocumentContains)
        name, *steps = (*above, *one.path)
        kind = types.get(name)
        if kind is None:
            if not dynamic or (lite and isinstance(one, ContainsAny)):
                return None
            found = [_in_json(one, f"$meta{_path((name, *steps))}", lite)]
            found += [f"($meta{_path(above[: place + 1])} {_TEXT})" for place in range(len(above))]
            return _any(found)
        if kind == _JSON and steps and (objects or not above):
            found = [_in_json(one, f"{name}{_path(steps)}", lite)]
            found += [f"({name}{_path(above[1 : place + 1])} {_TEXT})" for place in range(1, len(above))]
            return _any(found)
        return None if steps else _in_column(one, name, kind)

    found = necessary(node, leaf, lambda parts: joined("and", parts), lambda parts: joined("or", parts))
    return None if found is None or len(found.encode()) > MAX_EXPRESSION_BYTES else found


def _path(steps: Sequence[str]) -> str:
    return "".join(f"[{literal(step)}]" for step in steps)


def _any(parts: Sequence[str | None]) -> str | None:
    """The condition that one of some holds; None where one of them can be anything."""
    found = [part for part in parts if part is not None]
    return joined("or", found) if found and len(found) == len(parts) else None


def _in_json(leaf: Leaf, at: str, lite: bool) -> str | None:
    match leaf:
        case Eq() | In():
            values = compared(leaf)
            texts = [value for value in values if isinstance(value, str)]
            parts: list[str | None] = [f"({at} == {str(value).lower()})" for value in values if isinstance(value, bool)]
            parts += [_within(at, near, math.inf) for near in intervals(values, _MARGINS[_DOUBLE], _FEW)]
            return _any([*parts, *_texts(at, texts, lite)])
        case ContainsAny(_, values):
            texts = [value for value in values if isinstance(value, str)]
            if len(texts) < len(values):
                return None
            return f"(json_contains_any({at}, [{','.join(map(literal, texts))}]))"
        case Order(_, op, str(value)):
            return f"({at} {op} {literal(value)})"
        case Order(_, op, int() | float() as value):
            return _within(at, beyond(op, value, _MARGINS[_DOUBLE]), math.inf)
        case HasText(_, text, True, False):
            return _prefix(at, text)
        case HasText() | Matches():
            return f"({at} {_TEXT})"
        case _:
            return None


def _texts(at: str, texts: Sequence[str], lite: bool) -> list[str]:
    if texts and not lite:
        return [f"({at} in [{','.join(map(literal, texts))}])"]
    if len(texts) <= _FEW:  # Milvus Lite has no `in` on a path
        return [f"({at} == {literal(text)})" for text in texts]
    return [f"(({at} >= {literal(min(texts))}) and ({at} <= {literal(max(texts))}))"]


def _prefix(at: str, text: str) -> str:
    """The condition that a text begins with one: it is between that one and the next of its length, if there is one."""
    last = ord(text[-1])
    after = "" if last in _LAST else f" and {at} < {literal(text[:-1] + chr(last + 1))}"
    return f"({at} >= {literal(text)}{after})"


def _in_column(leaf: Leaf, name: str, kind: int) -> str | None:
    match leaf:
        case Eq() | In():
            values = compared(leaf)
        case Order(_, op, str(value)):
            return f"({name} {op} {literal(value)})" if kind == _VARCHAR else None
        case Order(_, op, int() | float() as value):
            near = beyond(op, value, _MARGINS.get(kind, 0.0))
            return _number(name, kind, near)
        case HasText(_, text, True, False):
            return _prefix(name, text) if kind == _VARCHAR else None
        case _:
            return None
    if kind == _BOOL:
        bools = [value for value in values if isinstance(value, bool)]
        return _any([f"({name} == {str(value).lower()})" for value in bools])
    if kind == _VARCHAR:
        texts = [literal(value) for value in values if isinstance(value, str)]
        return f"({name} in [{','.join(texts)}])" if texts else None
    return _any([_number(name, kind, near) for near in intervals(values, _MARGINS.get(kind, 0.0))])


def _number(name: str, kind: int, near: Interval) -> str | None:
    if kind in _LARGEST:
        return _within(name, near, _LARGEST[kind])
    if kind not in _INTS:
        return None
    end = 1 << (_INTS[kind] - 1)
    low, high = (math.ceil(max(near[0], -end)), math.floor(min(near[1], end - 1)))
    # the server does not read -2**63; an interval without room is refused
    parts = [f"{name} >= {low}"] if low > -end else []
    parts += [f"{name} <= {high}"] if high < end - 1 else []
    return f"({' and '.join(parts)})" if parts and low <= high else None


def _within(at: str, near: Interval, largest: float) -> str | None:
    low, high = near
    parts = [f"{at} >= {float(low)!r}"] if low > -largest else []
    parts += [f"{at} <= {float(high)!r}"] if high < largest else []
    return f"({' and '.join(parts)})" if parts and low < largest and high > -largest else None
