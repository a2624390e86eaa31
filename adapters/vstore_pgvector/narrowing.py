"""A condition in SQL that every row fulfils of which a filter is true: for tables that vstore did not create. Pure.

It may hold for other rows too (``vstore.spi.narrowing``). It never raises, and NULL counts as false: there is no
negation in it. Keys and values are bound.

Where a value could stand in several places, such as a column or the object that holds the metadata, a row counts where
either fulfils it. JSON is asked as jsonb. A step into a list, which ``#>`` takes and a filter does not, lets more
through and leaves nothing out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from vstore.filters.tree import ContainsAny, DocumentContains, Eq, Exists, Filter, HasText, In, Leaf, Matches, Order
from vstore.keys import encodable
from vstore.mapping import Outside, Path, RecordMapping
from vstore.spi.narrowing import Interval, asks_texts, beyond, compared, containers, intervals, necessary, numbers
from vstore_pgvector.binary import pack_texts
from vstore_pgvector.catalogue import INTS, JSONS, TEXTS, Column, qualified
from vstore_pgvector.jsonb import json_array, json_text

__all__ = ["narrowed"]

Part: TypeAlias = tuple[str, tuple[Any, ...]]
"""SQL, and what its placeholders stand for."""

_NEVER: Final[Part] = ("false", ())
_INT64: Final = 1 << 63
# What json holds and jsonb refuses: NUL, halves of surrogate pairs, and numbers of thousands of digits.
_NOT_JSONB: Final = r"\\u(0000|[dD][89a-fA-F])|[eE][+-]?[0-9]{4}|[0-9]{250}"
_LONGEST_JSON: Final = 10_000_000


def narrowed(node: Filter, mapping: RecordMapping, columns: Mapping[str, Column]) -> Part | None:
    """Return a condition on rows of ``t``; None where no row can be ruled out.

    Args:
        node: The filter, in normal form.
        mapping: How the rows are read.
        columns: The table's, by name.
    """

    def leaf(one: Leaf) -> Part | None:
        if isinstance(one, DocumentContains):
            return _document(one.text, mapping, columns)
        key, *rest = one.path
        if key in mapping.hidden:
            return _NEVER
        # a value outside the contract may be told as a text of its JSON, which no condition here can know
        asked = Exists(one.path) if mapping.outside is Outside.TEXT and not rest and asks_texts(one) else one
        places = list(_places(asked, mapping, columns))
        return None if None in places else _joined("or", [place for place in places if place is not None])

    return necessary(node, leaf, lambda parts: _joined("and", parts), lambda parts: _joined("or", parts))


def _places(leaf: Leaf, mapping: RecordMapping, columns: Mapping[str, Column]) -> Iterator[Part | None]:
    """The condition for each place where the value may be."""
    assert not isinstance(leaf, DocumentContains)
    key, *rest = leaf.path
    for above in containers(key, mapping):
        if above:
            yield _object(leaf, leaf.path, above, columns)
        elif key in columns:
            column = columns[key]
            plain = column.type in (*INTS, *TEXTS, "uuid")
            # the id is read as a key, which is a text where it is of any other type
            yield _column(leaf, column, tuple(rest)) if plain or (key,) != mapping.id else None


def _joined(word: str, parts: Sequence[Part]) -> Part:
    if not parts:
        return _NEVER
    return "(" + f" {word} ".join(sql for sql, _ in parts) + ")", tuple(one for _, params in parts for one in params)


def _document(text: str, mapping: RecordMapping, columns: Mapping[str, Column]) -> Part | None:
    if mapping.document is None:
        return _NEVER
    name, *rest = mapping.document
    column = columns[name]
    if mapping.outside is Outside.TEXT:
        return None
    if column.type in TEXTS and not rest:
        return _has(qualified(name), text)
    if column.type not in JSONS or not all(map(_is_bound, rest)):
        return None
    found, at = _at(_jsonb(column), rest)
    sql, params = _has(f"({found} #>> '{{}}')", text)
    return _readable(column, _joined("or", [(sql, (*at, *params)), *_texts(column, rest, len(rest))]))


def _object(leaf: Leaf, path: Path, above: Path, columns: Mapping[str, Column]) -> Part | None:
    """The condition where ``path`` leads on from the object at ``above``."""
    name, *steps = above
    column = columns[name]
    if column.type not in JSONS or not all(map(_is_bound, steps)):
        return None
    condition = _value(leaf, *_at(_jsonb(column), [*steps, *path]))
    return _readable(column, _joined("or", [condition, *_texts(column, steps, len(steps) + 1)]))


def _texts(column: Column, steps: Sequence[str], number: int) -> list[Part]:
    """The conditions that one of the first objects on a way is a text: it may hold JSON, into which reading walks."""
    found = [_at(_jsonb(column), steps[:place]) for place in range(number)]
    return [(f"jsonb_typeof({sql}) = 'string'", params) for sql, params in found]


def _readable(column: Column, condition: Part) -> Part:
    """The condition, where json that is no jsonb lets the row through in place of an error."""
    if column.type == "jsonb":
        return condition
    text = f"{qualified(column.name)}::text"
    sql, params = condition
    guard = f"length({text}) > {_LONGEST_JSON} or {text} ~ %s::text"
    return f"case when {guard} then true else {sql} end", (_NOT_JSONB, *params)


def _jsonb(column: Column) -> str:
    return qualified(column.name) if column.type == "jsonb" else f"{qualified(column.name)}::jsonb"


def _at(base: str, path: Sequence[str]) -> Part:
    return (f"({base} #> %s::text[])", (pack_texts(path),)) if path else (f"({base})", ())


def _is_bound(step: str) -> bool:
    """Whether PostgreSQL takes a text: a mapping may name any."""
    return "\x00" not in step and encodable(step)


def _value(leaf: Leaf, found: str, at: tuple[Any, ...]) -> Part:
    """The condition on a value in jsonb.

    Args:
        leaf: What is asked.
        found: The value in SQL.
        at: The parameters of ``found``.
    """
    values = compared(leaf)
    match leaf:
        case Order(_, op, str(value)):
            text = f"({found} #>> '{{}}') collate \"C\" {op} %s::text"
            return f"(jsonb_typeof({found}) = 'string' and {text})", (*at, *at, value)
        case Order(_, op, _):
            return _interval(found, at, [beyond(op, numbers(values)[0])])
        case Eq() | In():
            return _joined("or", [*_equal(found, at, values), *_near(found, at, values)])
        case ContainsAny():
            # the subquery sees an empty list where there is none: jsonb_array_elements refuses all else
            each = f"jsonb_array_elements(case when jsonb_typeof({found}) = 'array' then {found} else '[]' end)"
            test, params = _joined("or", [*_equal("e.element", (), values), *_near("e.element", (), values)])
            return f"exists (select from {each} as e(element) where {test})", (*at, *at, *params)
        case HasText(_, text, at_start, False):
            call = f"(({found} #>> '{{}}') collate \"C\", %s::text)"
            test = f"starts_with{call}" if at_start else f"strpos{call} > 0"
            return f"(jsonb_typeof({found}) = 'string' and {test})", (*at, *at, text)
        case HasText() | Matches():
            return f"jsonb_typeof({found}) = 'string'", at
        case _:
            return f"{found} is not null", at


def _equal(found: str, at: tuple[Any, ...], values: Sequence[object]) -> Iterator[Part]:
    if exact := [value for value in values if isinstance(value, str | bool)]:
        yield f"{found} = any(%s::jsonb[])", (*at, json_array(exact))


def _near(found: str, at: tuple[Any, ...], values: Sequence[object]) -> Iterator[Part]:
    if near := intervals(values):
        yield _interval(found, at, near)


def _interval(found: str, at: tuple[Any, ...], near: Sequence[Interval]) -> Part:
    # jsonb orders all texts below all numbers and all bools above them; no number of a record is beyond 1e309
    return _within(found, at, "jsonb", [(_json_end(low), _json_end(high)) for low, high in near])


def _json_end(end: int | float) -> str:
    return json_text(end) if math.isfinite(end) else f"{'-' if end < 0 else ''}1e309"


def _within(found: str, at: tuple[Any, ...], kind: str, ends: Sequence[tuple[str, str]]) -> Part:
    """The condition that a value is in one of some closed intervals, whose ends are texts of a type."""
    if len(ends) == 1:
        [(low, high)] = ends
        return f"({found} >= %s::text::{kind} and {found} <= %s::text::{kind})", (*at, low, *at, high)
    each = f"unnest(%s::text[]::{kind}[], %s::text[]::{kind}[]) as i(low, high)"
    lows, highs = (pack_texts(side) for side in zip(*ends, strict=True))
    return f"exists (select from {each} where {found} >= i.low and {found} <= i.high)", (lows, highs, *at, *at)


def _column(leaf: Leaf, column: Column, rest: Path) -> Part | None:
    """The condition on the value of a column, and within it where it holds JSON."""
    name = qualified(column.name)
    if column.type in JSONS:
        return _readable(column, _value(leaf, *_at(_jsonb(column), rest)))
    if rest:
        return _NEVER
    if isinstance(leaf, Exists):
        return f"{name} is not null", ()
    if column.element:
        return _list(leaf, column)
    match column.type:
        case "bool":
            return _truth(leaf, name)
        case "int2" | "int4" | "int8" | "float4" | "float8" | "timestamptz":
            return _number(leaf, column)
        case "text" | "varchar":
            return _text(leaf, name)
        case _:  # read as PostgreSQL's text of it
            return _text(leaf, f"({name}::text)")


def _list(leaf: Leaf, column: Column) -> Part:
    if not isinstance(leaf, ContainsAny):
        return _NEVER
    name = qualified(column.name)
    if column.element not in TEXTS:
        return f"{name} is not null", ()
    texts = [value for value in leaf.values if isinstance(value, str)]
    return (f"{name}::text[] && %s::text[]", (pack_texts(texts),)) if texts else _NEVER


def _truth(leaf: Leaf, name: str) -> Part:
    values = {value for value in compared(leaf) if isinstance(value, bool)} if isinstance(leaf, Eq | In) else ()
    return _joined("or", [(f"{name} = {str(value).lower()}", ()) for value in sorted(values)])


def _text(leaf: Leaf, name: str) -> Part:
    match leaf:
        case Eq() | In():
            texts = [value for value in compared(leaf) if isinstance(value, str)]
            # a collation that is not deterministic has more texts equal
            return (f"{name} = any(%s::text[])", (pack_texts(texts),)) if texts else _NEVER
        case Order(_, op, str(value)):
            return f'{name} collate "C" {op} %s::text', (value,)
        case HasText(_, text, at_start, False):
            return _has(name, text, at_start=at_start)
        case HasText() | Matches():
            return f"{name} is not null", ()
        case _:
            return _NEVER


def _has(name: str, text: str, *, at_start: bool = False) -> Part:
    call = f'({name} collate "C", %s::text)'
    return f"starts_with{call}" if at_start else f"strpos{call} > 0", (text,)


def _number(leaf: Leaf, column: Column) -> Part:
    match leaf:
        case Eq() | In():
            near = intervals(compared(leaf))
        case Order(_, op, int() | float() as value):
            near = [beyond(op, value)]
        case _:
            return _NEVER
    if not near:
        return _NEVER
    name = qualified(column.name)
    if column.type in INTS:
        return _within(name, (), "bigint", [(_bigint(low, math.ceil), _bigint(high, math.floor)) for low, high in near])
    beside = 0
    if column.type == "timestamptz":  # the microseconds since 1970, to within what float64 holds of them
        name, beside = f"extract(epoch from {name}) * 1000000", 4096
    return _within(name, (), "float8", [(repr(float(low - beside)), repr(float(high + beside))) for low, high in near])


def _bigint(end: int | float, whole: Callable[[int | float], int]) -> str:
    return str(min(max(whole(min(max(end, -2 * _INT64), 2 * _INT64)), -_INT64), _INT64 - 1))
