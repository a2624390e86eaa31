"""Filters over columns, against the reference."""

from __future__ import annotations

import random
from typing import Any

import pytest

import vstore
from vstore import F, Timeout
from vstore.conformance.corpus import records
from vstore.conformance.generate import random_filter
from vstore.filters import Filter
from vstore.records import Records
from vstore.spi.deadline import bounding
from vstore.spi.evaluate import predicate
from vstore_milvus import columns as module
from vstore_milvus.columns import Columns, decides

with vstore.connect("memory:") as _store:
    EVERYTHING = _store.capabilities
CORPUS = records(EVERYTHING)


def columns_of(*parts: Records) -> Columns:
    made = Columns()
    for part in parts:
        made.append(part)
    return made


def expected(where: Filter) -> list[str]:
    test = predicate(where)
    metadatas = CORPUS.metadatas or []
    return [i for i, metadata in zip(CORPUS.ids, metadatas, strict=True) if test(metadata, None)]


def test_filters_mean_what_the_reference_says() -> None:
    columns = columns_of(CORPUS.take(list(range(100))), CORPUS.take(list(range(100, len(CORPUS)))))
    rng = random.Random(7)
    tried = 0
    while tried < 400:
        where = random_filter(rng, EVERYTHING)
        if decides(where):
            tried += 1
            assert columns.matching(where) == expected(where), where


@pytest.mark.parametrize("most_gone", [5, 1_000])
def test_records_that_are_written_again_and_removed(most_gone: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_GONE", most_gone)
    rng = random.Random(8)
    columns, kept = Columns(), dict[str, int]()  # by id, whose metadata in the corpus it has
    for _ in range(60):
        places = rng.sample(range(len(CORPUS)), 30)
        ids = [f"r{place}" for place in rng.sample(range(120), 30)]
        if rng.random() < 0.4:
            columns.remove(ids)
            for one in ids:
                kept.pop(one, None)
        else:
            columns.put(Records(ids, metadatas=CORPUS.take(places).metadatas))
            kept |= zip(ids, places, strict=True)
        assert len(columns) == len(kept)
        for _ in range(6):
            where = random_filter(rng, EVERYTHING)
            if decides(where):
                matching = {*expected(where)}
                found = columns.matching(where)
                assert sorted(found) == sorted(one for one, place in kept.items() if CORPUS.ids[place] in matching)
    columns.remove(list(kept))
    assert columns.matching(~F("a").exists()) == []
    assert columns.size > 0


def test_what_asks_for_documents_is_not_decided() -> None:
    assert not decides((F("a") == 1) & ~F.document.contains("x"))
    assert decides((F("a") == 1) | F("a").matches("x"))


@pytest.mark.parametrize("where", [F("a") == 1, ~(F("a") == 1), F("a").exists() | ~F("b").exists()])
def test_no_records_and_keys_that_none_has(where: Filter) -> None:
    assert Columns().matching(where) == []
    one = columns_of(Records(["x"], metadatas=[{}]))
    assert one.matching(where) == (["x"] if predicate(where)({}, None) else [])


def test_a_key_may_come_late_and_end_early() -> None:
    metadatas: list[dict[str, Any]] = [{}, {"a": 1}, {"a": True}, {"a": 1.0}, {}]
    made = columns_of(Records(list("vwxyz"), metadatas=metadatas))
    assert made.matching(F("a") == 1) == ["w", "y"]
    assert made.matching(F("a").in_([True, 7])) == ["x"]
    assert made.matching(~F("a").exists()) == ["v", "z"]
    assert made.matching(~(F("a") >= 1)) == ["v", "x", "z"]


def test_what_the_caller_changes_later_is_not_asked() -> None:
    metadata: dict[str, Any] = {"tags": ["a"], "nested": {"tags": ["a"]}}
    made = columns_of(Records(["x"], metadatas=[metadata]))
    metadata["tags"].append("b")
    metadata["nested"]["tags"].append("b")
    assert made.matching(F("tags").has("b") | F("nested", "tags").has("b")) == []
    assert made.matching(F("tags").has("a") & F("nested", "tags").has("a")) == ["x"]


def test_the_size_grows_with_ids_and_with_values() -> None:
    few = columns_of(Records(["a", "b"], metadatas=[{"k": "x" * 1000}] * 2))
    many = columns_of(Records(["a", "b"], metadatas=[{"k": "x" * 1000}, {"k": "y" * 1000}]))
    assert many.size - few.size > 2_000
    assert few.size > 2_000


def test_it_ends_with_the_timeout() -> None:
    made = columns_of(Records([str(n) for n in range(1000)], metadatas=[{"s": str(n)} for n in range(1000)]))
    with bounding(0), pytest.raises(Timeout):
        made.matching(F("s").matches("9"))
