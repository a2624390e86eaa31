"""The plain copy keeps everything, and the comparison finds whatever it did not keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import vstore
from vstore import HNSW, AlreadyExists, Collection, Store
from vstore.data import load_digits
from vstore.transfer import compare, copy

RECORDS = load_digits().records()[:300]


@pytest.fixture
def source() -> Iterator[Collection]:
    with vstore.connect("memory:") as store:
        made = store.create_collection("digits", dimension=64, metric="l2", index=HNSW(m=8), metadata={"n": 1})
        made.add(RECORDS.ids, RECORDS.vectors, RECORDS.documents, RECORDS.metadatas)
        yield made


@pytest.fixture
def target() -> Iterator[Store]:
    with vstore.connect("memory:") as store:
        yield store


def test_a_copy_is_equal(source: Collection, target: Store) -> None:
    seen: list[int] = []
    made = copy(source, target, name="again", batch_size=70, on_progress=seen.append)
    assert seen == [70, 70, 70, 70, 20]
    assert (made.info.dimension, made.info.metric, made.info.index, made.info.metadata) == (
        64,
        "l2",
        HNSW(m=8),
        {"n": 1},
    )
    found = compare(source, made, batch_size=64)
    assert found.equal
    assert found.bitwise
    assert found.compared == 300


def test_a_name_that_is_taken_is_refused_and_nothing_is_written(source: Collection, target: Store) -> None:
    taken = target.create_collection("digits", dimension=2)
    with pytest.raises(AlreadyExists):
        copy(source, target)
    assert taken.count() == 0


def lose(c: Collection) -> None:
    c.delete(ids=[RECORDS.ids[3]])


def double(c: Collection) -> None:
    c.add(["another"], np.ones((1, 64)))


def turn_a_bit(c: Collection) -> None:
    vector = RECORDS.vectors[3].copy()  # type: ignore[index]
    vector.view(np.uint32)[17] ^= 1
    c.update([RECORDS.ids[3]], vectors=[vector])


def change_a_type(c: Collection) -> None:
    c.update([RECORDS.ids[3]], metadatas=[{"label": float(RECORDS.metadatas[3]["label"])}])  # type: ignore[index]


def drop_a_document(c: Collection) -> None:
    c.update([RECORDS.ids[3]], documents=[None])


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lose, "missing"),
        (double, "extra"),
        (turn_a_bit, "vectors"),
        (change_a_type, "metadatas"),
        (drop_a_document, "documents"),
    ],
)
def test_any_difference_is_found(
    source: Collection, target: Store, damage: Callable[[Collection], None], where: str
) -> None:
    made = copy(source, target)
    damage(made)
    found = compare(source, made)
    assert not found.equal
    counts = {name: getattr(found, name) for name in ("missing", "extra", "vectors", "documents", "metadatas")}
    assert counts == {name: int(name == where) for name in counts}
    assert found.examples == ["another" if where == "extra" else RECORDS.ids[3]]
