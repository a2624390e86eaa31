"""Values that a database compares otherwise than the contract, in other applications' layouts, and filters on them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg

import vstore
from vstore import F, Metric, RecordMapping
from vstore.conformance.generate import random_filter
from vstore.filters.tree import And, Filter, Not, Or
from vstore.mapping import Outside

__all__ = ["ARRANGEMENTS", "JSON_VALUES", "KEYS", "arrange", "filters", "metadatas"]

# as JSON writes them: decimals between two floats, integers where floats have gaps, texts that look like other values
JSON_VALUES = [
    "5", "5.0", "5.0000000000000000000001", "4.9999999999999999999", "-5", "0", "-0.0", "1e-400", "0.1",
    "0.1000000000000000055511151231257827", "9007199254740993", "9007199254740992", "9007199254740992.5",
    "9007199254740993.0", "1e16", "10000000000000000", "9223372036854775807", "-9223372036854775808",
    "9223372036854775807.0", "1e300", "1e400", "9223372036854775808", "true", "false", "null", '"5"', '""', '"true"',
    '"a"', '"A"', '"ab"', '"é"', '"e\\u0301"', '"ß"', '"日本"', '"\\ud83d\\ude00"', '"\\uffff"', '"a b"', '"%"',
    '"[]"', '"[1,\\"a\\"]"', '"2020-01-01T00:00:00Z"', "[]", '["a"]', '["a","b"]', "[5]", "[5.0000000000000000000001]",
    "[9007199254740993]", "[true]", '["5"]', '[1,"a"]', '[["a"]]', "[null]", "{}", '{"a":5}', '{"a":null}',
    '{"a":[]}', '{"a":"x","b":{"c":["x"]}}', '{"a":{"5":"x"}}', '[{"a":5}]', '"{\\"a\\":5}"',
]  # fmt: skip
# what the type json holds, and jsonb does not
_JSON_ALONE = ['"\\u0000"', '"\\ud800"', "1e200000", "0." + "0" * 20_000 + "5"]
KEYS = ["v", "a.b", "it's", "%s", "x y", "metadata", "ключ"]
_COLUMNS = {
    "i2": ("int2", ["5", "-5", "0", "32767"]),
    "i8": ("int8", ["5", "9007199254740993", "9223372036854775807", "-9223372036854775808"]),
    "f4": ("float4", ["5", "0.1", "1e30", "'NaN'", "'-0'"]),
    "f8": ("float8", ["5", "0.1", "9007199254740992", "1e300", "'Infinity'", "5.000000000000001"]),
    "n": ("numeric", ["5", "5.0", "0.1", "'NaN'"]),
    "b": ("bool", ["true", "false"]),
    "t": ("text", ["'a'", "'A'", "'5'", "''", "'é'", "'true'", "'a%s'"]),
    "c": ("bpchar(4)", ["'a'", "'ab'"]),
    "u": ("uuid", ["'12345678-1234-5678-1234-567812345678'"]),
    "at": ("timestamptz", ["'2020-01-01T00:00:00.000001Z'", "'1969-12-31T23:59:59.999999Z'", "'infinity'"]),
    "day": ("date", ["'2020-01-01'"]),
    "ts": ("text[]", ["'{a,b}'", "'{{a},{b}}'", "'{}'", "'{5,NULL}'"]),
    "ns": ("int4[]", ["'{5,6}'", "'{}'"]),
    "j": ("jsonb", ["'5.0000000000000000000001'", "'\"a\"'", "'{\"a\":5}'", "'\"{\\\"a\\\":5}\"'", "'null'", "'[5]'"]),
    "js": ("json", ["'\"\\u0000\"'", "'5'", "'{\"a\":5}'", "'[\"a\"]'"]),
}  # fmt: skip
_MOMENT = datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
_OPERANDS: list[Any] = [
    5, 5.0, 4.999999999999999, 5.000000000000001, -5, 0, -0.0, 0.1, 2**53, 2**53 + 1, 2.0**53, 1e16, 10**16, 2**63 - 1,
    -(2**63), 9.223372036854775e18, 1e300, 32767, True, False, "5", "", "true", "a", "A", "ab", "é", "e\u0301", "ß",
    "日本", "\U0001f600", "\uffff", "%", "a%s", "[]", '[1,"a"]', "[5,6]", "NaN", "null", "1e400", "0.1", "5.0",
    "12345678-1234-5678-1234-567812345678", "2020-01-01", "2020-01-01T00:00:00Z", "x", _MOMENT,
]  # fmt: skip


def filters(rng: random.Random, number: int, keys: Sequence[str]) -> list[Filter]:
    """Filters whose operands are near the values, and those of the suite."""
    with vstore.connect("memory:") as memory:
        capabilities = memory.capabilities
    near = [_node(rng, keys, rng.choice([0, 0, 1, 2])) for _ in range(number - number // 4)]
    ends = [5, 0.1, 2**53 + 1, 1e300, -1e300]
    near += [one for end in ends for field in map(F, keys[:2]) for one in (field <= end, field >= end)]
    return near + [random_filter(rng, capabilities) for _ in range(number // 4)]


def _node(rng: random.Random, keys: Sequence[str], depth: int) -> Filter:
    if depth == 0:
        leaf = _leaf(rng, rng.choice(keys))
        return Not(leaf) if rng.random() < 0.15 else leaf
    items = tuple(_node(rng, keys, depth - 1) for _ in range(2))
    node: Filter = And(items) if rng.random() < 0.4 else Or(items)
    return Not(node) if rng.random() < 0.15 else node


def _leaf(rng: random.Random, key: str) -> Filter:
    field = F(key) if rng.random() < 0.75 else F(key, rng.choice(["a", "b", "0"]))
    value = rng.choice(_OPERANDS)
    some = rng.sample(_OPERANDS, 3)
    text = rng.choice([one for one in _OPERANDS if isinstance(one, str) and one])
    makers: list[Any] = [
        lambda: field == value,
        lambda: field == value,
        lambda: field.in_(some),
        lambda: field.in_([*range(2, 80), *some]),
        lambda: field.has(value),
        lambda: field.contains_any(some),
        lambda: field.exists(),
        lambda: field.contains_text(text, ignore_case=rng.random() < 0.5),
        lambda: field.starts_with(text, ignore_case=rng.random() < 0.5),
        lambda: field.matches("^a|5"),
        lambda: F.document.contains(rng.choice(["text 1", "5", "é"])),
    ]
    if not isinstance(value, bool):
        orders = [field < value, field <= value, field > value, field >= value]
        makers += [lambda: rng.choice(orders)] * 3
    found: Filter = rng.choice(makers)()
    return found


def metadatas(values: Sequence[str]) -> list[str]:
    """JSON of metadata: each value under each key once, and others beside it."""
    texts = []
    for place, value in enumerate(values):
        for turn, key in enumerate(KEYS):
            beside = KEYS[(turn + place) % len(KEYS)]
            other = values[(7 * place + turn) % len(values)] if beside != key else value
            texts.append(f"{{{json.dumps(key)}:{value},{json.dumps(beside)}:{other}}}")
    return texts


TABLE = RecordMapping(id=("id",), document=("document",), metadata=("m",), metric=Metric.L2)
ARRANGEMENTS: dict[str, RecordMapping] = {
    "jsonb": replace(TABLE, document=("document", "text"), fields=("t",), hidden=("x y",)),
    "jsonb in jsonb": replace(TABLE, metadata=("m", "inner")),
    "json": TABLE,
    "json in text": TABLE,
    "columns": replace(TABLE, metadata=None, fields=tuple(_COLUMNS)),
}


def arrange(name: str, outside: Outside, connection: psycopg.Connection[Any]) -> tuple[RecordMapping, Sequence[str]]:
    """Makes the table ``public.hostile``; returns how it is read, and its keys."""
    execute: Any = connection.execute
    execute("create extension if not exists vector with schema public")
    execute("drop table if exists public.hostile")
    mapping = replace(ARRANGEMENTS[name], outside=outside)
    columns = {"document": ("json" if name == "jsonb" else "text", [])}
    if name == "columns":
        columns |= _COLUMNS
    else:
        columns |= {"m": ({"jsonb in jsonb": "jsonb", "json in text": "text"}.get(name, name), []), "t": ("text", [])}
    told = ", ".join(f'"{one}" {kind}' for one, (kind, _) in columns.items())
    execute(f"create table public.hostile (id int primary key, embedding public.vector(2), {told})")
    if name == "columns":
        number = 0
        for turn in range(7):
            for column, (_, values) in _COLUMNS.items():
                value = values[turn % len(values)]
                beside = list(_COLUMNS)[(turn + number) % len(_COLUMNS)]
                other = _COLUMNS[beside][1][turn % len(_COLUMNS[beside][1])]
                more = {column: value, beside: other}
                number += 1
                execute(
                    f"insert into public.hostile (id, embedding, document, {', '.join(more)}) "
                    f"values ({number}, '[{number},1]', 'text {number}', {', '.join(more.values())})"
                )
        return mapping, list(_COLUMNS)
    texts = metadatas([*JSON_VALUES, *(_JSON_ALONE if name in ("json", "json in text") else ())])
    for number, text in enumerate(texts):
        if name == "jsonb in jsonb":
            text = json.dumps({"inner": [None, 5, text][number % 3]}) if number % 7 == 0 else f'{{"inner":{text}}}'
            if number % 21 == 7:  # which is no object, and so no row that can be read
                text = f'{{"inner":{texts[number]}}}'
        if number % 5 == 0 and name != "json in text":  # JSON that was written as a text of JSON
            text = json.dumps(text)
        document = f"text {number}" if name != "jsonb" else json.dumps({"text": f"text {number}é"})
        execute(
            "insert into public.hostile (id, embedding, document, m) values (%s, %s, %s, %s)",
            (number, f"[{number},1]", document, text),
        )
    if name == "jsonb":
        execute("update public.hostile set t = 'a' where mod(id, 6) = 1")
    return mapping, [*KEYS, "t"]
