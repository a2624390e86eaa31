"""What holds for every write: WR-1 to WR-4."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from vstore import F, Store
from vstore.conformance.checks import cheapest, names, rows, scanned, typed, unchanged
from vstore.conformance.fixtures import New, clause


@clause("WR-1")
def test_what_was_written_is_seen_by_the_next_call(new: New) -> None:
    c = new()
    for place in range(20):
        name, vector = f"r{place}", rows(1, seed=place)
        c.add([name], vector, [f"text {place}"], [{"n": place}])
        assert c.count() == place + 1
        assert c.get([name]).documents == [f"text {place}"]
        assert c.query(vector=vector[0], k=1).ids == [name]
        assert c.query(vector=vector[0], k=1, exact=True).ids == [name]
        assert scanned(c, F("n") == place) == [name]
        c.update([name], metadatas=[{"n": -place - 1}])
        assert (c.count(F("n") == place), c.count(F("n") == -place - 1)) == (0, 1)
    c.delete(["r7"])
    assert "r7" not in c.query(vector=rows(1, seed=7)[0], k=20).ids
    c.upsert(["r7"], rows(1, seed=7))
    assert c.query(vector=rows(1, seed=7)[0], k=1).ids == ["r7"]


@clause("WR-1")
def test_what_one_handle_has_written_another_sees(store: Store, new: New) -> None:
    c = new()
    other = store.get_collection(c.name)
    for turn, (one, two) in enumerate([(c, other), (other, c)] * 2):
        name, vector = f"r{turn}", rows(1, seed=turn)
        one.add([name], vector, [f"text {turn}"], [{"n": turn}])
        assert two.count() == turn + 1
        assert two.get([name]).documents == [f"text {turn}"]
        assert two.query(vector=vector[0], k=1).ids == two.query(vector=vector[0], k=1, exact=True).ids == [name]
        one.update([name], metadatas=[{"n": -1 - turn}])
        assert scanned(two, F("n") == -1 - turn) == [name]
    other.clear()
    assert (c.count(), scanned(c), c.get(["r0"]).ids, c.query(vector=[1, 0, 0, 0]).ids) == (0, [], [], [])


@clause("WR-2")
@pytest.mark.much
def test_a_call_of_any_size_works(store: Store, new: New) -> None:
    number = 6000 if store.capabilities.limits.max_batch_rows < 6000 else 12_000  # more than is sent at once
    ids, vectors = names(number), rows(number)
    c = new(4, index=cheapest(store.capabilities))
    c.add(ids, vectors, [f"text {p}" for p in range(number)], [{"n": p, "even": p % 2 == 0} for p in range(number)])
    assert c.count() == number
    found = c.get(ids)
    assert found.ids == ids
    assert found.vectors is not None
    assert found.vectors.tobytes() == vectors.tobytes()
    c.upsert(ids, vectors, None, [{"n": -p} for p in range(number)])
    c.update(ids, metadatas=[{"m": p} for p in range(number)])
    found = c.get(ids[::-1], include=["documents", "metadatas"])
    assert found.ids == ids[::-1]
    assert found.metadatas == [{"n": -p, "m": p} for p in reversed(range(number))]
    assert found.documents == [None] * number
    c.delete(where=F("m") >= 100)
    assert c.count() == 100
    c.delete(ids)
    assert c.count() == 0


@clause("WR-2")
@pytest.mark.much
def test_a_call_of_many_bytes_works(new: New) -> None:
    number = 600
    texts = [chr(97 + place % 26) * 60_000 for place in range(number)]  # 36 MB
    c = new()
    c.add(names(number), rows(number), texts)
    assert c.count() == number
    assert sum(1 for p in c.scan(batch_size=100) for r in p.records if r.document == texts[int(r.id[1:])]) == number


@clause("WR-3")
@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_callers_data_is_never_changed(new: New, metric: str, kind: str) -> None:
    c = new(metric=metric)
    vectors = (rows(2) * 100).astype(kind)
    ids, texts = ["a", "b"], ["one", None]
    dicts: list[Any] = [
        {"k": None, "t": datetime(2024, 1, 1, tzinfo=UTC), "l": [1, 2], "x'y": "v"},
        {"m": 1, "t": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))), "f": [0.5]},
    ]
    where = {"$or": [{"k": 1}, {"t": {"$lt": datetime(2025, 1, 1, tzinfo=UTC)}}]}
    query = rows(1)[0].astype(kind)
    kept = deepcopy((ids, texts, dicts, where)), vectors.tobytes(), query.tobytes()
    c.add(ids, vectors, texts, dicts)
    c.upsert(ids, vectors, texts, dicts)
    c.update(ids, vectors, texts, dicts)
    c.update(ids, metadatas=dicts, replace_metadata=True)
    c.get(ids)
    for exact in (True, False):
        c.query(vector=query, where=where, k=2, exact=exact)
        c.query_many(vectors=vectors, where=where, k=2, exact=exact)
    c.delete(where=where)
    c.delete(ids)
    assert typed(list(kept[0])) == typed([ids, texts, dicts, where])
    assert (vectors.tobytes(), query.tobytes()) == kept[1:]


@clause("WR-3")
def test_what_comes_back_is_the_callers_own(new: New) -> None:
    c = new()
    given = rows(1)
    metadata = {"l": ["x"]}
    c.add(["a"], given, metadatas=[metadata])
    given[:] = 0
    metadata["l"].append("y")
    found = c.get(["a"])
    assert found.vectors is not None
    assert found.metadatas == [{"l": ["x"]}]
    found.metadatas[0]["l"].append("z")
    found.vectors[:] = 7
    again = c.get(["a"])
    assert again.metadatas == [{"l": ["x"]}]
    np.testing.assert_array_equal(again.vectors, rows(1))


@clause("WR-4")
def test_an_empty_batch_is_a_no_op(new: New) -> None:
    c = new()
    c.add(["a", "b"], rows(2), ["x", None], [{"k": 1}, None])
    with unchanged(c):
        c.add([], np.empty((0, 4)), [], [])
        c.add([], [])
        c.upsert([], [], [], [])
        c.update([], [], [], [])
        assert c.get([]).ids == []
        assert c.query_many(vectors=[]) == []
        assert c.query_many(vectors=np.empty((0, 4))) == []
