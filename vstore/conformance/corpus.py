"""The fixed records that filters are tried on, loaded once for each store and then only read."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from uuid import uuid4

import numpy as np

import vstore
from vstore.capabilities import Capabilities
from vstore.records import Metadata, Records

__all__ = ["DIMENSION", "HOSTILE_KEYS", "LISTS", "METADATA", "SCALARS", "TEXTS", "load", "records", "unique_name"]

DIMENSION: Final = 8

TEXTS: Final = [
    "", " ", "a", "A", "b", "ab", "abc", "1", "1.0", "True", "true", "null", "None", "0", "NaN",
    "2024-01-01T00:00:00Z", "e\u0301", "\u00e9", "\u00df", "SS", "\U0001f600", "\U0001f600x", "\uffee",
    "\u05e9\u05dc\u05d5\u05dd", "\u202eabc", "日本語", "a b", "a\tb", "a\nb", "a\r\nb", "a'b", "''", 'a"b', '"',
    "a\\b", "\\", "\\\\", "\\'", "%", "a%", "_", "a_c", "[]", "{}", '{"$ne": 1}', "$ne", "$a", "#a", "_vs",
    "x'] or id not in ['zz", "' or 1=1 --", "a; drop table t", "a) or (1=1", "%s", "%(x)s", "{0}", "${x}", "*", "?",
    ".*", "like", "/*", "--", "x" * 300, "\u0001", "\u007f",
]  # fmt: skip
_NUMBERS: Final[list[Any]] = [
    0, 1, -1, 2, 3, 7, 10, 100, 255, 2024, 2**31 - 1, 2**31, 2**32, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) + 1,
    -(2**53), -(2**53) - 1, 2**62, 2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1, 0.0, -0.0, 1.0, -1.0, 0.5, 1.5, -1.5,
    2.5, 0.1, 0.2, 0.1 + 0.2, 0.3, 1 / 3, 1e-7, 1e-300, 5e-324, 1e15, 1e16, 1e17, 1e22, 1.7976931348623157e308, -1e16,
    float(2**53), 9.3e18, 123456789.125,
]  # fmt: skip
_MOMENTS: Final[list[Any]] = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(2255, 1, 1, tzinfo=UTC),
    datetime(1, 1, 2, tzinfo=UTC),
]
SCALARS: Final[list[Any]] = [*TEXTS, True, False, *_NUMBERS, *_MOMENTS, 1_709_208_000_000_000]
LISTS: Final[list[list[Any]]] = [
    ["a"], ["a", "b"], ["b", "c"], ["a", "a"], [""], ["1"], ["1.0", "true"], ["a'b", 'a"b', "a\\b"], ["%", "_"],
    ["x'] or id not in ['zz"], ["é", "\U0001f600"], ["ab", "abc"], ["a,b"], ["$a", "#a"], [1], [1, 2], [2, 3], [1, 1],
    [0], [-1], [2**53, 2**53 + 1], [2**63 - 1], [-(2**63)], [1.0], [1.5, 2.5], [0.1, 0.3], [2.0], [1e16], [0.0],
    [-0.0], [True], [False], [True, False], [False, False], [datetime(2024, 2, 29, 12, 0, tzinfo=UTC)],
    [datetime(1970, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)],
]  # fmt: skip
HOSTILE_KEYS: Final = [
    "a.b", "a b", "a'b", "''", "a%b", "%s", "%(x)s", "a$b", "a#b", "a_vs", "chroma:document", "chroma:x", "id",
    "document", "vector", "metadata", "embedding", "key", "name", "ключ", "键", "é", "e\u0301", "\U0001f600",
    "x" * 255, "é" * 127, "a[0]", "[0]", "0", "a->b", "a->>'b", "a,b", "{a}", "{a,b}", "a/b", "~a", "a;b",
    "' or '1'='1", "select", "k) or (1", "*", "a:b", ":a", "?", "@", "a=b", "<a>", " a", "a ", ".", "..", "-", "_",
    "__", "and", "not", "true", "None",
]  # fmt: skip
_DOCUMENTS: Final = [
    None, "", "a", "Alpha beta", "alpha BETA", "100% sure", "under_score", "it's", 'say "hi"', "back\\slash", "naïve",
    "nai\u0308ve", "日本語のテキスト", "\U0001f600 smile", "line\nbreak", "tab\tstop", "a.*b", "[x]", "(x)", "$where",
    "  ",
]  # fmt: skip

METADATA: Final[dict[str, Any]] = {
    "owner": "it's me",
    "n": 1,
    "f": 1.0,
    "b": True,
    "l": ["x", "é"],
    "quo'te": 'a"b\\c',
    "big": 2**63 - 1,
}


def unique_name() -> str:
    """A portable collection name that no one else has."""
    return f"vs{uuid4().hex[:20]}"


def records(capabilities: Capabilities, number: int = 360) -> Records:
    """The records: one for each value and hostile key, and mixed ones up to ``number`` and beyond.

    Args:
        capabilities: Nested dicts are there only where the store takes them.
        number: Records in all, at least.
    """
    rng = random.Random(7)  # a fixed choice, no secret
    rows: list[Metadata] = [{}, {}]
    rows += [{"v": value, "part": rng.choice("xyz")} for value in SCALARS]
    rows += [{"v": value, "part": rng.choice("xyz")} for value in LISTS]
    rows += [{key: value, "part": "k"} for key in HOSTILE_KEYS for value in ("hit", ["hit"])]
    if capabilities.nested_metadata:
        rows += [
            {"v": {"a": 1}},
            {"o": {"a": 1, "b": {"c": "x"}}},
            {"o": {"a": 2, "b": {"c": "y"}, "0": "zero"}},
            {"o": {"a": "1", "b.c": "x"}},
            {"o": {"a": [1, 2], "b": {"c": ["x"]}}},
            {"o": {"a": True, "b": {}}},
            {"o": {"a": datetime(2024, 1, 1, tzinfo=UTC), "it's": {"%s": 1.0}}},
            {"o": {}},
            {"o": ["a", "b"]},
            {"o": "a"},
            {"o.a": 1},
        ]
    while len(rows) < number:
        rows.append(_mixed(rng))
    vectors = np.random.default_rng(7).normal(size=(len(rows), DIMENSION)).astype(np.float32)
    documents = [_DOCUMENTS[place % len(_DOCUMENTS)] for place in range(len(rows))]
    return Records([f"r{place:04}" for place in range(len(rows))], vectors, documents, rows)


def _mixed(rng: random.Random) -> Metadata:
    row: Metadata = {"part": rng.choice("xyz")}
    for key in ("v", "w", "it's"):
        if rng.random() < 0.6:
            row[key] = rng.choice(SCALARS if rng.random() < 0.7 else LISTS)
    if rng.random() < 0.8:
        row["year"] = rng.choice([rng.randint(2000, 2005), float(rng.randint(2000, 2005)), rng.uniform(2000, 2005)])
    if rng.random() < 0.5:
        row["tags"] = rng.sample(["a", "b", "c", "d"], rng.randint(1, 3))
    if rng.random() < 0.3:
        row["flag"] = rng.random() < 0.5
    return row


def load(store: vstore.Store) -> vstore.Collection:
    """A new collection with the records in it."""
    collection = store.create_collection(unique_name(), dimension=DIMENSION, metric="l2")
    rows = records(store.capabilities)
    collection.add(rows.ids, rows.vectors, rows.documents, rows.metadatas)
    return collection
