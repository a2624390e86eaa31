"""Which columns are held, and what a search is told of ids, without Milvus."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from vstore.records import Records
from vstore_milvus import held as module
from vstore_milvus.columns import Columns
from vstore_milvus.held import Held, State
from vstore_milvus.restriction import Restriction


class Engine:
    """What is looked at of a collection of Milvus Lite."""

    def __init__(self, written: int = 4) -> None:
        self._next_seq = written + 1
        self._memtable = SimpleNamespace(max_seq=written)
        self._manifest = SimpleNamespace(current_seq=0)

    def announce(self) -> None:
        self._next_seq += 1

    def carry_out(self) -> None:
        self._memtable.max_seq = self._next_seq - 1

    def put_away(self) -> None:
        self._memtable, last = SimpleNamespace(max_seq=-1), self._memtable.max_seq
        self._manifest.current_seq = last


def columns(number: int = 1) -> Columns:
    made = Columns()
    made.append(Records([str(n) for n in range(number)], metadatas=[{}] * number))
    return made


def holding(engine: Engine | None) -> tuple[Held, dict[str, Any]]:
    there = {"docs": engine}
    return Held(there.get), there


def test_columns_are_current_until_a_write_is_announced() -> None:
    held, _ = holding(engine := Engine())
    watch = held.watch("docs")
    assert watch is not None
    assert watch.has_seen_all()
    held.put("t", watch.state, made := columns())
    engine.put_away()
    assert held.get("t", "docs") is made
    engine.announce()
    assert held.get("t", "docs") is None
    engine._next_seq -= 1
    assert held.get("t", "docs") is None  # it is not held any more


def test_columns_follow_a_write_that_was_the_only_one() -> None:
    held, _ = holding(engine := Engine())
    watch = held.watch("docs")
    assert watch is not None
    held.put("t", watch.state, made := columns())
    new = partial(Columns.put, records=Records(["new"], metadatas=[{}]))

    def written(*numbers: int, carried_out: bool = True) -> Columns | None:
        before = held.before_write("t", "docs")
        if before is not None:
            for _ in range(sum(numbers)):
                engine.announce()
            if carried_out:
                engine.carry_out()
            held.follow("t", "docs", before, numbers[0], new)
        return held.get("t", "docs")

    assert written(1) is made
    assert len(made) == 2
    for numbers, carried_out in (((1, 1), True), ((1,), False)):
        assert written(*numbers, carried_out=carried_out) is None
        assert len(made) == 2
        engine.carry_out()
        held.put("t", State.of(engine), made)
    engine.announce()
    assert held.before_write("t", "docs") is None


def test_a_collection_that_another_has_the_name_of_has_none() -> None:
    held, there = holding(Engine())
    watch = held.watch("docs")
    assert watch is not None
    held.put("t", watch.state, columns())
    there["docs"] = Engine()
    assert held.get("t", "docs") is None
    there["docs"] = None
    assert held.get("t", "docs") is None
    assert held.watch("docs") is None


@pytest.mark.parametrize("meanwhile", [Engine.announce, Engine.put_away])
def test_what_happens_during_the_reads_is_noticed(meanwhile: Any) -> None:
    held, _ = holding(engine := Engine())
    watch = held.watch("docs")
    meanwhile(engine)
    assert watch is not None
    assert not watch.has_seen_all()


def test_a_write_under_way_is_noticed_before_and_after() -> None:
    held, _ = holding(engine := Engine())
    engine.announce()
    watch = held.watch("docs")
    assert watch is not None
    assert not watch.has_seen_all()
    engine.carry_out()
    assert not watch.has_seen_all()


def test_those_not_used_for_longest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 2 * columns(5).size)
    held, _ = holding(Engine())
    watch = held.watch("docs")
    assert watch is not None
    for token in "ab":
        held.put(token, watch.state, columns(5))
    assert held.get("a", "docs")
    held.put("c", watch.state, columns(5))
    assert [bool(held.get(token, "docs")) for token in "abc"] == [True, False, True]
    held.forget("a")
    held.put("large", watch.state, columns(11))
    assert [bool(held.get(token, "docs")) for token in ("a", "large")] == [False, False]
    assert held.get("c", "docs")


def test_few_ids_are_listed_and_many_are_picked_from_more_hits() -> None:
    ids = [f"r{n}" for n in range(500)]
    assert Restriction("(x)", ids, 4_000).wanted(10) == 0
    assert Restriction("(x)", ids, 0).wanted(10) == 0
    assert Restriction("(x)", ids, 1_000).wanted(501) == 0
    assert Restriction("(x)", ids, 1_000).wanted(400) == 0
    assert Restriction("(x)").wanted(10) == 0
    many = Restriction(None, ids, 1_000)
    assert many.wanted(10) == 76
    hits = [({"id": name}, 0.5) for name in ("r7", "other", "r9", "r1")]
    assert many.keep(hits, 2) == [({"id": "r7"}, 0.5), ({"id": "r9"}, 0.5)]
    assert (many.condition or "").startswith('(id in ["r0","r1"')
    assert Restriction("(x)", []).condition == '((x) and (id == ""))'
    assert Restriction("(x)").condition == "(x)"


def test_nothing_is_held_of_an_engine_that_numbers_writes_otherwise() -> None:
    held, there = holding(engine := Engine())
    watch = held.watch("docs")
    assert watch is not None
    held.put("t", watch.state, columns())
    there["docs"] = SimpleNamespace(_memtable=engine._memtable, _manifest=engine._manifest)
    assert held.watch("docs") is None
    assert held.get("t", "docs") is None
