"""How records stand in collections of this version, and of older ones, which have a marker beside every key."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import F
from vstore.indexing import Metric
from vstore.records import Records
from vstore.spi.scores import distances

New = Callable[..., vstore.Collection]

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
_NUMBERS = itertools.count()
VALUES: dict[str, Any] = {
    "s": "a", "i": 1, "f": 1.5, "b": True, "x": 1 / 3, "z": -0.0, "t": MOMENT, "l": [1, 2], "v": [1 / 3], "u": [MOMENT],
}  # fmt: skip
# as a version that knew markers only wrote it
MARKED: dict[str, dict[str, Any]] = {
    "s": {"k": "a", "_vs.k": "s"},
    "i": {"k": 1, "_vs.k": "i"},
    "f": {"k": 1.5, "_vs.k": "f"},
    "b": {"k": True, "_vs.k": "b"},
    "x": {"_vs~k": 4599676419421066581, "_vs.k": "x"},
    "z": {"k": -0.0, "_vs.k": "z"},
    "t": {"k": 1704067200000000, "_vs.k": "t"},
    "l": {"k": [1, 2], "_vs.k": "l"},
    "v": {"_vs~k": [4599676419421066581], "_vs.k": "v"},
    "u": {"k": [1704067200000000], "_vs.k": "u"},
}
INFO = (
    '{"dimension":2,"embedder":null,"format":1,"index":{"ef_construction":100,"ef_search":100,"kind":"hnsw","m":16},'
    '"metadata":{},"metric":"l2"}'
)


@pytest.fixture
def old(store: vstore.Store) -> vstore.Collection:
    """A collection of an older version, with one record of each kind and one without metadata."""
    name = f"old_{next(_NUMBERS)}"
    configuration = {"hnsw": {"space": "l2", "max_neighbors": 16, "ef_construction": 100, "ef_search": 100}}
    made = store.native.create_collection(
        name, metadata={"_vs_info": INFO}, embedding_function=None, configuration=configuration
    )
    made.add([*MARKED], np.ones((len(MARKED), 2), np.float32), [*MARKED.values()])
    made.add(["none"], np.ones((1, 2), np.float32))
    return store.get_collection(name)


@pytest.fixture(params=["old", "new"])
def kinds(request: pytest.FixtureRequest, new: New) -> vstore.Collection:
    if request.param == "old":
        found: vstore.Collection = request.getfixturevalue("old")
        return found
    c = new()
    c.add([*VALUES, "none"], np.ones((len(VALUES) + 1, 2)), None, [*({"k": value} for value in VALUES.values()), {}])
    return c


def matching(c: vstore.Collection, where: Any) -> set[str]:
    return {i for page in c.scan(where=where, include=()) for i in page.records.ids}


def test_both_layouts_are_read_alike(kinds: vstore.Collection) -> None:
    got = kinds.get([*VALUES, "none"]).metadatas
    assert got == [*({"k": value} for value in VALUES.values()), {}]
    assert [type(m["k"]) for m in got[:-1]] == [type(value) for value in VALUES.values()]
    assert repr(got[5]) == "{'k': -0.0}"


def test_both_layouts_answer_filters_alike(kinds: vstore.Collection) -> None:
    everything, numbers = {*VALUES, "none"}, {"i", "f", "x", "z", "t"}
    assert matching(kinds, F("k").exists()) == everything - {"none"}
    assert matching(kinds, ~F("k").exists()) == {"none"}
    assert matching(kinds, F("k") < 1.5) == {"i", "x", "z"}
    assert matching(kinds, ~(F("k") < 1.5)) == everything - {"i", "x", "z"}
    assert matching(kinds, ~(F("k") >= 0)) == everything - numbers
    assert matching(kinds, F("k") == 1.5) == {"f"}
    assert matching(kinds, F("k") == MOMENT) == {"t"}
    assert matching(kinds, F("k").has(1)) == {"l"}
    assert matching(kinds, ~F("k").has(1)) == everything - {"l"}
    assert matching(kinds, F("k").exists() & (F("k") > 1)) == {"f", "t"}
    assert kinds.count(~F("k").exists() | (F("k") == "a")) == 2


def test_whole_floats_of_16_digits_come_back_and_are_found(new: New) -> None:
    """The JSON reader of Chroma takes ``4236034431487910.0`` for a number of 17 digits and is off by 0.5."""
    values = [4236034431487910.0, 7668171669245900.0, -3869862859645950.0, 4000000000000020.0]
    c = new()
    c.add([*map(str, values)], np.ones((4, 2)), None, [{"k": value, "l": [value]} for value in values])
    assert c.get([*map(str, values)]).metadatas == [{"k": value, "l": [value]} for value in values]
    for value in values:
        assert matching(c, F("k") == value) == matching(c, F("l").has(value)) == {str(value)}
        assert matching(c, F("k") < value) == {str(one) for one in values if one < value}
        assert matching(c, F("k") > value - 0.5) == {str(one) for one in values if one > value - 0.5}
        assert matching(c, F("k") >= value + 0.5) == {str(one) for one in values if one >= value + 0.5}


def test_an_old_collection_is_written_as_before(old: Any) -> None:
    old.add(["new"], [[1, 2]], None, [{"n": 1}])
    old.upsert(["s"], [[1, 2]], None, [{"k": "b"}])
    old.update(["i"], metadatas=[{"m": 1.5}])
    old.update(["x", "t"], metadatas=[{"k": 2}, {}], replace_metadata=True)
    kept = dict(zip(*(old.native.get(["new", "s", "i", "x", "t"])[name] for name in ("ids", "metadatas")), strict=True))
    assert kept == {
        "new": {"n": 1, "_vs.n": "i"},
        "s": {"k": "b", "_vs.k": "s"},
        "i": {"k": 1, "_vs.k": "i", "m": 1.5, "_vs.m": "f"},
        "x": {"k": 2, "_vs.k": "i"},
        "t": None,
    }


def test_a_new_collection_is_none_of_an_older_version_s(new: New) -> None:
    c: Any = new()
    assert [*c.native.metadata] == ["_vs_info2"]


def test_a_filter_that_chroma_cannot_answer_is_looked_at_among_the_nearest_first(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(400, 8)).astype(np.float32)
    ids = [f"{n:03}" for n in range(400)]
    c: Any = new(8)
    c.add(ids, vectors, None, [{"k": n} if n % 3 else {"few": n} for n in range(400)])
    read: list[int] = []
    get = c.native._client._get

    def counted(*args: Any, **columns: Any) -> Any:
        found = get(*args, **columns)
        read.append(len(found["ids"]))
        return found

    monkeypatch.setattr(c.native._client, "_get", counted)
    query = vectors[:2] + 0.1
    for where, matches in ((F("k").exists(), [n for n in range(400) if n % 3]), (~(F("k") < 390), None)):
        there = matches or [n for n in range(400) if n % 3 == 0 or n >= 390]
        some = Records([ids[n] for n in there], vectors[there])
        for hits, one in zip(c.query_many(query, k=9, where=where), query, strict=True):
            truth = distances(Metric.L2, one, some.vectors)  # type: ignore[arg-type]
            assert hits.ids == [some.ids[p] for p in np.argsort(truth)[:9]]
            assert hits.records.metadatas == [{"k": n} if n % 3 else {"few": n} for n in map(int, hits.ids)]
            assert hits.vectors is None
    assert not read
    assert len(c.query(query[0], k=9, where=F("few").exists() & (F("few") < 12), include=["documents"])) == 4
    assert max(read) < 10
