"""Writes: ADD, UPS, UPD and DEL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from vstore import AlreadyExists, Collection, F, InvalidInput, NotFound, Store
from vstore.conformance.checks import cheapest, contents, names, refusing, rows, scanned, typed, unchanged
from vstore.conformance.fixtures import New, clause

META: list[Any] = [{"k": 1, "tags": ["x"]}, {"k": 2}, {}]
DOCS: list[str | None] = ["one", "two", None]


@pytest.fixture
def three(new: New) -> Collection:
    """Records a, b and c."""
    c = new()
    c.add(["a", "b", "c"], rows(3), DOCS, META)
    return c


@clause("ADD-1")
def test_add_of_an_existing_id_writes_nothing(three: Collection) -> None:
    error = refusing(
        AlreadyExists, three, lambda: three.add(["d", "b", "e", "a"], rows(4, seed=1), ["x"] * 4, [{"new": 1}] * 4)
    )
    assert sorted(error.ids) == ["a", "b"]


@clause("ADD-1", "WR-2")
def test_add_writes_nothing_even_where_the_last_of_many_exists(store: Store, new: New) -> None:
    c = new(index=cheapest(store.capabilities))
    c.add(["r11999"], rows(1))
    error = refusing(AlreadyExists, c, lambda: c.add(names(12_000), rows(12_000)))
    assert error.ids == ["r11999"]


@clause("UPS-1")
def test_upsert_replaces_the_whole_record(three: Collection) -> None:
    vectors = rows(3, seed=1)
    three.upsert(["a", "b", "d"], vectors, None, [{"other": True}, None, {"k": 9}])
    found = three.get(["a", "b", "c", "d"])
    assert found.documents == [None, None, None, None]
    assert typed(found.metadatas) == typed([{"other": True}, {}, {}, {"k": 9}])
    np.testing.assert_array_equal(found.vectors, [vectors[0], vectors[1], rows(3)[2], vectors[2]])
    assert scanned(three, F("k").exists()) == ["d"]
    assert scanned(three, F("tags").has("x")) == []
    three.upsert(["a"], vectors[:1], ["again"])
    assert three.get(["a"]).metadatas == [{}]
    assert three.get(["a"]).documents == ["again"]
    assert three.count() == 4


@clause("UPS-1")
def test_upsert_replaces_values_of_every_kind(new: New) -> None:
    c = new()
    kinds: list[Any] = [
        "x",
        1,
        1.0,
        True,
        datetime(2024, 1, 1, tzinfo=UTC),
        ["x"],
        [1],
        [datetime(2024, 1, 1, tzinfo=UTC)],
    ]
    for old in kinds:
        c.upsert(["a"], rows(1), ["old"], [{"k": old, "gone": old}])
        for value in kinds:
            c.upsert(["a"], rows(1), [None], [{"k": value}])
            assert typed(c.get(["a"]).metadatas) == typed([{"k": value}])


@clause("UPD-1")
def test_update_changes_only_the_columns_given(three: Collection) -> None:
    before = contents(three)
    three.update(["a"], documents=["changed"])
    three.update(["b"], vectors=[[9, 8, 7, 6]])
    three.update(["c"], metadatas=[{"k": 3.0}])
    after = contents(three)
    assert after["a"].document == "changed"
    assert (after["a"].vector, after["a"].metadata) == (before["a"].vector, before["a"].metadata)
    assert after["b"].vector == (9, 8, 7, 6)
    assert (after["b"].document, after["b"].metadata) == (before["b"].document, before["b"].metadata)
    assert after["c"].metadata == typed({"k": 3.0})
    assert (after["c"].vector, after["c"].document) == (before["c"].vector, before["c"].document)


@clause("UPD-1")
def test_update_merges_metadata_by_key(three: Collection) -> None:
    three.update(["a", "b"], metadatas=[{"k": "new", "more": 1}, {"k": None, "absent": None}])
    assert typed(three.get(["a", "b"]).metadatas) == typed([{"k": "new", "tags": ["x"], "more": 1}, {}])
    three.update(["a"], metadatas=[{"tags": ["y"]}])
    assert typed(three.get(["a"]).metadatas) == typed([{"k": "new", "tags": ["y"], "more": 1}])
    three.update(["a", "b"], metadatas=[None, {}])
    assert typed(three.get(["a", "b"]).metadatas) == typed([{"k": "new", "tags": ["y"], "more": 1}, {}])
    three.update(["a"], metadatas=[{"k": None, "tags": None, "more": None}])
    assert three.get(["a"]).metadatas == [{}]
    assert scanned(three, F("k").exists() | F("tags").exists()) == []


@clause("UPD-1")
def test_update_can_replace_metadata(three: Collection) -> None:
    three.update(["a", "b"], metadatas=[{"only": 1, "none": None}, None], replace_metadata=True)
    found = three.get(["a", "b"])
    assert typed(found.metadatas) == typed([{"only": 1}, {}])
    assert found.documents == DOCS[:2]
    assert scanned(three, F("k").exists()) == []


@clause("UPD-1")
def test_update_can_remove_a_document(three: Collection) -> None:
    three.update(["a", "b"], documents=[None, "new"])
    found = three.get(["a", "b"])
    assert found.documents == [None, "new"]
    assert typed(found.metadatas) == typed(META[:2])
    np.testing.assert_array_equal(found.vectors, rows(3)[:2])
    assert scanned(three, ~F("k").exists() | (F("k") == 2)) == ["b", "c"]


@clause("UPD-1")
def test_update_keeps_types_right_when_a_key_changes_its_kind(three: Collection) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    for value in (moment, 1, [moment], ["x"], moment, "x", True, [True], 1.0, moment):
        three.update(["a"], metadatas=[{"k": value}])
        assert typed(three.get(["a"]).metadatas) == typed([{"k": value, "tags": ["x"]}])
        assert "a" in scanned(three, F("k").exists())


@clause("UPD-2")
def test_update_of_a_missing_id_writes_nothing(three: Collection) -> None:
    for call in (
        lambda: three.update(["a", "x", "b", "y"], documents=["1", "2", "3", "4"]),
        lambda: three.update(["a", "x", "y"], vectors=rows(3, seed=2)),
        lambda: three.update(["x", "y", "a"], metadatas=[{"k": 0}] * 3),
        lambda: three.update(["x", "y", "a"], metadatas=[{"k": 0}] * 3, replace_metadata=True),
    ):
        error = refusing(NotFound, three, call)
        assert sorted(error.ids) == ["x", "y"]


@clause("UPD-1")
def test_update_needs_something_to_change(three: Collection) -> None:
    refusing(InvalidInput, three, lambda: three.update(["a"]))


@clause("DEL-1")
def test_deleting_missing_ids_is_no_error(three: Collection) -> None:
    three.delete(["a", "nothing", "a"])
    assert scanned(three) == ["b", "c"]
    three.delete(["a"])
    three.delete(where=F("k") == 77)
    assert scanned(three) == ["b", "c"]


@clause("DEL-2")
def test_delete_by_filter_deletes_what_matches(three: Collection) -> None:
    three.delete(where=F("k") == 1)
    assert scanned(three) == ["b", "c"]
    three.delete(where={"k": {"$exists": False}})
    assert scanned(three) == ["b"]


@clause("DEL-2")
def test_delete_takes_exactly_one_of_ids_and_where(three: Collection) -> None:
    for call in (
        lambda: three.delete(),
        lambda: three.delete(["a"], where=F("k") == 1),
        lambda: three.delete(where={}),
        lambda: three.delete(where={"$and": []}),
        lambda: three.delete(where={"$or": []}),
        lambda: three.delete(where={"$or": [{}]}),
        lambda: three.delete(where={"k": {}}),
        lambda: three.delete(where=[]),  # type: ignore[arg-type]
        lambda: three.delete(where=True),  # type: ignore[arg-type]
    ):
        refusing(InvalidInput, three, call)


@clause("DEL-2")
def test_a_filter_that_is_always_true_deletes_nothing(three: Collection) -> None:
    for always in (
        F("k").not_in([]),
        ~F("k").in_([]),
        F("k").not_in([]) | (F("k") == 1),
        F("k").not_in([]) & F("m").not_in([]),
    ):
        refusing(InvalidInput, three, lambda always=always: three.delete(where=always))  # type: ignore[misc]
    with unchanged(three):
        three.delete(where=F("k").in_([]))
        three.delete(where=F("k").contains_any([]))


@clause("DEL-2", "WR-4")
def test_deleting_no_ids_is_a_no_op(three: Collection) -> None:
    with unchanged(three):
        three.delete([])
        three.delete(ids=iter(()))


@clause("DEL-2")
def test_clear_empties_and_the_collection_stays_usable(three: Collection) -> None:
    info = three.info
    three.clear()
    assert (three.count(), scanned(three), three.get(["a"]).ids) == (0, [], [])
    assert len(three.query(vector=[1, 0, 0, 0], k=3)) == 0
    assert three.info == info
    three.clear()
    three.add(["a"], rows(1))
    assert contents(three)["a"].metadata == typed({})
    assert contents(three)["a"].document is None
