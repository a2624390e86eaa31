"""Filters: the table of cases, operator by operator, and random ones; both over the corpus."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from vstore.capabilities import Capabilities
from vstore.conformance.corpus import HOSTILE_KEYS, LISTS, SCALARS
from vstore.filters import F, Filter
from vstore.filters.tree import And, ContainsAll, ContainsAny, In, Not, Or
from vstore.metadata import micros

__all__ = ["FAMILIES", "random_filter", "smaller", "table"]

TEXT_PARTS: Final = [
    "a", "A", "al", "Al", "beta", "BETA", "100%", "%", "_", "it's", "'", '"', '"hi"', "\\", "back\\slash", "ï",
    "\u0308", "日本", "\U0001f600", "\n", "\t", ".*", "a.*b", "[x]", "(x)", "$where", "  ", "Alpha beta", "sm",
    "smile",
]  # fmt: skip
PATTERNS: Final = [
    "a",
    "^a",
    "a$",
    "^$",
    "[ab]+",
    "\\d",
    "^.$",
    "a|é",
    "\\\\",
    "%",
    "'",
    "(?i)TRUE",
    "(a+)+$",
    "\\pL",
    "é\\z",
]
_ATOMS: Final = [
    "a",
    "b",
    "é",
    ".",
    "1",
    "T",
    " ",
    "[ab]",
    "[^a]",
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    "\\pL",
    "\\x{e9}",
]
_ATOMS_OF_NO_WIDTH: Final = ["^", "$", "\\A", "\\z", "\\b", "\\B", "(?i)", "(?s)", "(?m)"]
_REPEATS: Final = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,}", "{0,3}"]
# of the texts in metadata: parts of them, and what is one only where case is ignored
PARTS: Final = [
    "a", "A", "ab", "AB", "b", "1", "TRUE", "true", "e\u0301", "E\u0301", "É", "\u00e9", "ß", "ss", "s",
    "\u017f", "日本", "\U0001f600", "%", "_", "'", '"', "\\", "\\'", "[", "{", "$", "#A", "\n", " ", ".",
    "*", "x" * 300, "XX", "' OR 1", "I", "z",
]  # fmt: skip
FAMILIES: Final = [
    "eq",
    "order",
    "string order",
    "in",
    "contains",
    "exists",
    "document",
    "parts",
    "keys",
    "matches",
    "nested",
]


def _elements() -> list[Any]:
    found = {(type(item), item): item for values in LISTS for item in values}
    return list(found.values())


def _orderable(value: Any, capabilities: Capabilities) -> bool:
    number = micros(value) if isinstance(value, datetime) else value
    return bool(capabilities.int64_ordering) or not 2**53 - 1 < abs(number) <= 2**63


def _numbers(capabilities: Capabilities) -> list[Any]:
    near = [0.25, 1.25, -0.75, 2002, 2002.0, 2002.5, 1999.5, 99.5, 2**53 - 1, 1e300, 2**40 + 0.5]
    numbers = [x for x in SCALARS if isinstance(x, int | float | datetime) and not isinstance(x, bool)]
    return [x for x in [*numbers, *near] if _orderable(x, capabilities)]


def _orders(path: Any, value: Any) -> list[Filter]:
    return [path < value, path <= value, path > value, path >= value]


def _parts(path: F, text: str) -> list[Filter]:
    calls = (path.contains_text, path.starts_with)
    return [call(text, ignore_case=ignore_case) for call in calls for ignore_case in (False, True)]


def table(family: str, capabilities: Capabilities) -> list[Filter]:
    """The cases of one of ``FAMILIES``; they are used plain, negated and combined.

    A family that is a capability is given all the same: whether it is refused or answered is up to the test.
    """
    v, texts = F("v"), [x for x in SCALARS if isinstance(x, str)]
    match family:
        case "eq":
            near = [1.25, 2002, 2002.0, 2**53 + 2, 2**53 + 2.0, -(2**63) + 2, 5.0, "A ", "aa", "E\u0301"]
            return [v == x for x in [*SCALARS, *near]] + [
                F("year") == 2003,
                F("year") == 2003.0,
                F("tags") == "a",
                F("w") == 1,
            ]
        case "order":
            numbers = _numbers(capabilities)
            return [f for x in numbers for f in _orders(v, x)] + [
                f for x in numbers[::4] for f in _orders(F("year"), x)
            ]
        case "string order":
            return [f for x in texts[::2] for f in _orders(v, x)] + [(v > "a") & (v < "b"), ~(v >= "z")]
        case "in":
            rng = random.Random(1)  # a fixed choice, no secret
            some = [v.in_(rng.sample(SCALARS, size)) for size in (1, 2, 3, 5, 8, 20, 60) for _ in range(4)]
            kinds: list[list[Any]] = [
                [1, "1"],
                [1, True],
                [True, "true"],
                [0, False, ""],
                [1.5, 1],
                [0.1, 0.3],
                [2**53, 2**53 + 1.0],
                [-0.0],
                ["'", '"', "\\"],
            ]
            long: list[list[Any]] = [
                list(range(10_000)),
                [f"t{n}" for n in range(9_999)] + ["a"],
                [n + 0.5 for n in range(9_999)] + [True],
            ]
            return (
                some + [v.in_(x) for x in kinds + long] + [F("year").in_(range(2001, 2004)), F("tags").in_(["a", "b"])]
            )
        case "contains":
            single = [v.has(x) for x in [*_elements(), "z", 1.25, 3.0, 2**53 + 2]]
            many = [f for x in LISTS for f in (v.contains_all(x), v.contains_any(x))]
            mixed: list[list[Any]] = [["a", 1], [1, 1.5], [True, 1], ["a", "b", "c"], [1, True, "1"], [0.1, 2]]
            tags = F("tags")
            more = [
                tags.has("a"),
                tags.contains_all(["a", "b"]),
                tags.contains_any(["a", "b"]),
                ~tags.contains_all(["c", "d"]),
            ]
            return single + many + [f for x in mixed for f in (v.contains_all(x), v.contains_any(x))] + more
        case "exists":
            return [F(key).exists() for key in ("v", "w", "it's", "year", "tags", "flag", "part")]
        case "document":
            return [F.document.contains(text) for text in TEXT_PARTS]
        case "parts":
            return [f for text in PARTS for f in _parts(v, text)]
        case "keys":
            return [
                f
                for key in HOSTILE_KEYS
                for f in (F(key).exists(), F(key) == "hit", F(key).in_([1, "hit"]), F(key).has("hit"))
            ]
        case "matches":
            return [v.matches(pattern) for pattern in PATTERNS]
        case "nested":
            o = [
                F("o", "a") == 1,
                F("o", "a") == "1",
                F("o", "a") == True,
                F("o", "a") > 1,
                F("o", "a").in_([1, 2]),
                F("o", "a").has(2),
            ]
            deep = [
                F("o", "b", "c") == "x",
                F("o", "b", "c").exists(),
                F("o", "b", "c").has("x"),
                F("o", "b.c") == "x",
            ]
            odd = [
                F("o", "it's", "%s") == 1,
                F("o", "0").exists(),
                F("o", "0") == "zero",
                F("o", "a") == datetime(2024, 1, 1, tzinfo=UTC),
            ]
            return [
                *o,
                *deep,
                *odd,
                F("o.a") == 1,
                F("o", "a").exists(),
                F("o").exists(),
                F("o") == "a",
                F("o").has("a"),
                F("v", "a") == 1,
            ]
        case _:
            raise ValueError(family)


def random_filter(rng: random.Random, capabilities: Capabilities) -> Filter:
    """Any filter the store says it can answer; 1 to about 12 leaves."""
    makers = _leaf_makers(rng, capabilities)
    return _node(rng, makers, rng.choice([0, 1, 1, 2, 2, 3]))


def _node(rng: random.Random, makers: list[Callable[[], Filter]], depth: int) -> Filter:
    if depth == 0:
        leaf = rng.choice(makers)()
        return Not(leaf) if rng.random() < 0.3 else leaf
    items = tuple(_node(rng, makers, rng.randint(0, depth - 1)) for _ in range(rng.randint(2, 3)))
    node: Filter = And(items) if rng.random() < 0.5 else Or(items)
    return Not(node) if rng.random() < 0.25 else node


def _leaf_makers(rng: random.Random, capabilities: Capabilities) -> list[Callable[[], Filter]]:
    scalars = SCALARS
    elements = _elements()
    numbers = _numbers(capabilities)
    texts = [x for x in SCALARS if isinstance(x, str)]

    def key() -> F:
        return F(rng.choice(["v", "v", "w", "w", "it's", "year", "tags", "flag", "part", rng.choice(HOSTILE_KEYS)]))

    def order(values: list[Any]) -> Filter:
        return rng.choice(_orders(key(), rng.choice(values)))

    makers: list[Callable[[], Filter]] = [
        lambda: key() == rng.choice(scalars),
        lambda: key() != rng.choice(scalars),
        lambda: key().in_(rng.sample(scalars, rng.randint(0, 12))),
        lambda: key().not_in(rng.sample(scalars, rng.randint(1, 12))),
        lambda: F("part").in_(rng.sample("xyzk", 2)),
        lambda: F("flag") == (rng.random() < 0.5),
        lambda: order(numbers),
        lambda: rng.choice(_orders(F("year"), rng.choice([2001, 2002.0, 2002.5, 2003, 2004.25]))),
        lambda: key().has(rng.choice(elements)),
        lambda: key().contains_any(rng.sample(elements, rng.randint(0, 5))),
        lambda: key().contains_all(rng.sample(elements, rng.randint(1, 2))),
        lambda: F("tags").contains_any(rng.sample("abcde", 2)),
        lambda: F("tags").contains_all(rng.sample("abcd", 2)),
        lambda: key().exists(),
    ]
    if capabilities.document_contains:
        makers.append(lambda: F.document.contains(rng.choice(TEXT_PARTS)))
    if capabilities.metadata_contains:
        makers.append(lambda: rng.choice(_parts(key(), rng.choice(PARTS))))
    if capabilities.string_ordering:
        makers.append(lambda: order(texts))
    if capabilities.matches:
        makers.append(lambda: key().matches(rng.choice(PATTERNS)))
        makers.append(lambda: key().matches(random_pattern(rng)))
    if capabilities.nested_paths and capabilities.nested_metadata:
        nested = table("nested", capabilities)
        makers.append(lambda: rng.choice(nested))
    return makers


def random_pattern(rng: random.Random, depth: int = 3) -> str:
    """A regular expression of every construct that RE2 has."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(_ATOMS_OF_NO_WIDTH) if rng.random() < 0.2 else rng.choice(_ATOMS)
    parts = [random_pattern(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    match rng.randrange(4):
        case 0:
            return "(?:" + "|".join(parts) + ")"
        case 1:
            return f"({''.join(parts)}){rng.choice(_REPEATS)}"
        case 2:
            return f"(?i:{''.join(parts)})"
        case _:
            return "".join(parts)


def smaller(node: Filter) -> Iterator[Filter]:
    """Filters that are one step simpler, to find the least one that still fails."""
    match node:
        case Not(item):
            yield item
            yield from (Not(inner) for inner in smaller(item))
        case And(items) | Or(items):
            yield from items
            for place in range(len(items)):
                rest = items[:place] + items[place + 1 :]
                if len(rest) > 1:
                    yield type(node)(rest)
                for inner in smaller(items[place]):
                    yield type(node)((*items[:place], inner, *items[place + 1 :]))
        case In(path, values) | ContainsAny(path, values) | ContainsAll(path, values) if len(values) > 1:
            half = len(values) // 2
            for part in (values[:half], values[half:], values[1:], values[:-1]):
                yield type(node)(path, part)
        case _:
            return
