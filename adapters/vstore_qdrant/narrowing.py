"""A condition that every point fulfils of which a filter is true: for collections that vstore did not create. Pure.

It may hold for other points too (``vstore.spi.narrowing``). It has Qdrant's own form, as JSON.

- A condition on a value holds for a list too that has such an element. Numbers are asked by ranges alone: ``match``
  knows integers only, and none that is written as a float.
- An index answers in place of the payload, and knows the values of its own type only. So where a key has one, only
  what that type has is asked: texts of a keyword index, numbers of a float index.
- A text on the way to a value may hold JSON, into which reading walks. Qdrant tells texts from objects by
  ``MatchSubstring`` alone, which servers have from 1.20 on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

from vstore.filters.tree import ContainsAny, DocumentContains, Eq, Exists, Filter, HasText, In, Leaf, Matches, Order
from vstore.mapping import Outside, Path, RecordMapping
from vstore.spi.narrowing import Interval, asks_texts, beyond, compared, containers, intervals, necessary

__all__ = ["index_key", "narrowed"]

Condition: TypeAlias = dict[str, Any]
Indexes: TypeAlias = Mapping[str, Collection[str]]
"""The types of the indexes of each key of the payload, by ``index_key``."""

# A server's reader of JSON misreads floats by a few units in the last place.
_MARGIN: Final = 2.0**-40
_LARGEST: Final = 16 << 20


def narrowed(node: Filter, mapping: RecordMapping, indexes: Indexes, *, substrings: bool) -> Condition | None:
    """Return a filter of Qdrant; None where no point can be ruled out, or where it is too long for a request.

    Args:
        node: The filter, in normal form.
        mapping: How the points are read.
        indexes: Those that the payload has.
        substrings: Whether there is the condition ``MatchSubstring``.
    """

    def leaf(one: Leaf) -> Condition | None:
        if isinstance(one, DocumentContains):
            if mapping.document is None or mapping.outside is Outside.TEXT:
                return None
            *above, last = mapping.document
            return _at(tuple(above), (last,), lambda key, kinds: _substring(key, kinds, one.text, substrings))
        # a value outside the contract may be told as a text of its JSON, which no condition here can know
        is_text = asks_texts(one) or isinstance(one, Exists)
        if one.path[0] in mapping.hidden or (mapping.outside is Outside.TEXT and is_text):
            return None
        places = [
            _at(above, one.path, lambda key, kinds: _value(one, key, kinds, substrings))
            for above in containers(one.path[0], mapping)
        ]
        return _any(places) if places else None

    def _at(above: Path, path: Path, value: Callable[[str, Collection[str]], Condition | None]) -> Condition | None:
        """The condition on the value at ``path`` in the object at ``above``."""
        whole = (*above, *path)
        if any('"' in step or "\\" in step for step in whole):
            return None
        texts = [_substring(*_key(above[:place], indexes), "", substrings) for place in range(1, len(above) + 1)]
        return _any([value(*_key(whole, indexes)), *texts])

    found = necessary(node, leaf, _every, _either)
    return None if found is None or len(json.dumps(found)) > _LARGEST else _every([found])


def index_key(key: str) -> str:
    """Return what the key of an index and the same key of a condition have in common, whatever is quoted."""
    return key.replace('"', "").replace("[]", "")


def _key(path: Path, indexes: Indexes) -> tuple[str, Collection[str]]:
    """Return a path as Qdrant writes it, and the types of its indexes."""
    return ".".join(f'"{step}"' for step in path), indexes.get(index_key(".".join(path)), ())


def _any(parts: Sequence[Condition | None]) -> Condition | None:
    """The condition that one of some holds; None where one of them can be anything."""
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    return found[0] if len(found) == 1 else _either(found)


def _every(parts: Sequence[Condition]) -> Condition:
    return {"must": list(parts)}


def _either(parts: Sequence[Condition]) -> Condition:
    return {"should": list(parts)}


def _value(leaf: Leaf, key: str, kinds: Collection[str], substrings: bool) -> Condition | None:
    match leaf:
        case Order(_, _, str()) | Matches() | HasText(_, _, _, True):
            return _substring(key, kinds, "", substrings)
        case HasText(_, text, _, False):
            return _substring(key, kinds, text, substrings)
        case Order(_, op, int() | float() as value):
            return _range(key, kinds, beyond(op, value, _MARGIN))
        case Eq() | In() | ContainsAny():
            return _equal(key, kinds, compared(leaf))
        case _:
            return _filled(key, kinds)


def _equal(key: str, kinds: Collection[str], values: Sequence[object]) -> Condition | None:
    texts = [value for value in values if isinstance(value, str)]
    parts: list[Condition | None] = []
    if texts:
        parts.append({"key": key, "match": {"any": texts}} if set(kinds) <= {"keyword"} else None)
    if any(isinstance(value, bool) for value in values):  # for which one of Qdrant's libraries takes numbers
        parts.append(_filled(key, kinds))
    parts += [_range(key, kinds, near) for near in intervals(values, _MARGIN)]
    return _any(parts)


def _filled(key: str, kinds: Collection[str]) -> Condition | None:
    """The condition that there is a value, which is neither null nor an empty list."""
    return None if kinds else {"must_not": [{"is_empty": {"key": key}}]}


def _range(key: str, kinds: Collection[str], near: Interval) -> Condition | None:
    ends = {name: float(end) for name, end in zip(("gte", "lte"), near, strict=True) if math.isfinite(end)}
    return {"key": key, "range": ends} if ends and set(kinds) <= {"float"} else None


def _substring(key: str, kinds: Collection[str], text: str, substrings: bool) -> Condition | None:
    return {"key": key, "match": {"substring": text}} if substrings and not kinds else None
