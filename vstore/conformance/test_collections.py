"""Collections: COL-1, COL-2, COL-3, COL-5 and COL-8."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from vstore import (
    AlreadyExists,
    BackendError,
    Collection,
    F,
    InvalidInput,
    LimitExceeded,
    Metric,
    Mismatch,
    NotFound,
    Page,
    RecordMapping,
    Store,
    Unsupported,
)
from vstore.conformance.checks import contents, names, raises, rows, typed, unchanged
from vstore.conformance.corpus import METADATA, unique_name
from vstore.conformance.fixtures import New, Supports, clause
from vstore.conformance.session import Session


@clause("COL-1")
def test_portable_names_are_taken(store: Store, new: New) -> None:
    tail = unique_name()
    for name in (
        f"A{tail}",
        f"a_{tail}_9",
        f"Z__{tail}Z",
        f"{tail}".ljust(48, "x"),
        f"select{tail}",
        tail.upper(),
        "q" + tail[-2:],
    ):
        c = new(name=name)
        assert c.name == c.info.name == name
        assert store.has_collection(name)
        assert name in store.list_collections()
        c.add(["a"], rows(1))
        assert store.get_collection(name).count() == 1


@clause("COL-1")
def test_names_that_differ_in_case_are_different(new: New) -> None:
    name = unique_name()
    low, high = new(name=name), new(name=name.upper())
    low.add(["a"], rows(1))
    assert (low.count(), high.count()) == (1, 0)


@clause("COL-1")
@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "ab",
        "1abc",
        "_abc",
        "abc_",
        "a-b-c",
        "a.b.c",
        "a b c",
        "äbc",
        "a" * 49,
        "abc\n",
        "a'bc",
        'a"bc',
        "a;drop",
        None,
        7,
        b"abc",
    ],
    ids=lambda value: repr(value)[:12],
)
def test_other_names_are_refused(store: Store, new: New, wrong: Any) -> None:
    before = store.list_collections()
    with raises(InvalidInput):
        store.create_collection(wrong, dimension=4)
    c = new()
    with raises(InvalidInput if store.capabilities.rename else Unsupported):
        c.rename(wrong)
    assert store.list_collections() == sorted([*before, c.name])


@clause("COL-2")
def test_creating_an_existing_collection(store: Store, new: New) -> None:
    c = new(4, "l2", metadata=METADATA)
    c.add(["a"], rows(1))
    with raises(AlreadyExists) as caught:
        store.create_collection(c.name, dimension=4, metric="l2")
    assert caught.error.collection == c.name
    again = store.create_collection(c.name, dimension=4, metric="l2", exist_ok=True)
    assert again.info == c.info
    assert again.count() == 1
    for wrong in (
        {"dimension": 5, "metric": "l2"},
        {"dimension": 4, "metric": "cosine"},
        {"dimension": 4, "metric": "dot"},
    ):
        with raises(Mismatch):
            store.create_collection(c.name, exist_ok=True, **wrong)  # type: ignore[arg-type]
        with raises(AlreadyExists):
            store.create_collection(c.name, **wrong)  # type: ignore[arg-type]
    assert c.count() == 1


@clause("COL-2")
def test_what_cannot_be_created_is_refused(store: Store) -> None:
    before = store.list_collections()
    name = unique_name()
    for wrong in (
        {}, {"dimension": 0}, {"dimension": -1}, {"dimension": 4.0}, {"dimension": "4"}, {"dimension": True},
        {"dimension": 4, "metric": "hamming"}, {"dimension": 4, "metric": None}, {"dimension": 4, "index": "hnws"},
        {"dimension": 4, "index": 7},
        {"dimension": 4, "metadata": {"x": object()}}, {"dimension": 4,
        "metadata": {"x": {"nested": 1}}}, {"dimension": 4, "embedder": 7},
        {"dimension": 4, "metadata": 7}, {"dimension": 4, "metadata": [("x", 1)]}, {"dimension": -(10**5000)},
    ):  # fmt: skip
        with raises(InvalidInput):
            store.create_collection(name, **wrong)
    with raises(LimitExceeded):
        store.create_collection(name, dimension=store.capabilities.limits.max_dimension + 1)
    assert store.list_collections() == before


@clause("COL-3")
def test_a_missing_collection_is_not_found(store: Store) -> None:
    name = unique_name()
    for call in (lambda: store.get_collection(name), lambda: store.delete_collection(name)):
        with raises(NotFound) as caught:
            call()
        assert caught.error.collection == name
    store.delete_collection(name, missing_ok=True)
    assert not store.has_collection(name)


ALMOST = ["{}/", "./{}", "{}/.", "x/../{}", " {}", "{} ", "{}\n", "{}?x=1", "{}#", "%s{}", "{}%20", "*", "{}';--", ".."]


@clause("COL-1", "COL-3")
def test_a_name_is_taken_as_it_is(store: Store, new: New) -> None:
    c = new()
    c.add(["a"], rows(1))
    for pattern in ALMOST:
        name = pattern.format(c.name)
        assert not store.has_collection(name)
        with raises(NotFound):
            store.get_collection(name)
        with raises(NotFound):
            store.delete_collection(name)
    wrong: list[Any] = ["", "a\x00", "\ud800", 7, None]
    for name in wrong:
        for call in (store.has_collection, store.get_collection, store.delete_collection):
            with raises(InvalidInput):
                call(name)
    assert c.count() == 1


@clause("COL-3", "ERR-1")
def test_a_handle_of_a_deleted_collection_says_not_found(store: Store, new: New) -> None:
    c = new()
    c.add(["a"], rows(1))
    other = store.get_collection(c.name)
    store.delete_collection(c.name)
    calls: list[Callable[[Collection], Any]] = [
        lambda h: h.count(),
        lambda h: h.get(["a"]),
        lambda h: h.add(["b"], rows(1)),
        lambda h: h.upsert(["b"], rows(1)),
        lambda h: h.update(["a"], documents=["x"]),
        lambda h: h.delete(["a"]),
        lambda h: h.delete(where=F("n") == 1),
        lambda h: h.query(vector=rows(1)[0]),
        lambda h: h.query(vector=rows(1)[0], exact=True),
        lambda h: list(h.scan()),
        lambda h: h.clear(),
    ]

    def not_found() -> None:
        for handle in (c, other):
            for call in calls:
                with raises(NotFound):
                    call(handle)

    not_found()
    again = new(name=c.name)
    assert store.get_collection(c.name).count() == 0, "a collection made anew is empty"
    again.add(["a"], rows(1))
    with unchanged(again):
        not_found()


def _every_call(handle: Collection, page: Iterator[Page]) -> dict[str, Callable[[], Any]]:
    """Each call that reaches the database, with what was right for the collection that the handle was made for."""
    vector = rows(1)[0]
    return {
        "count": handle.count,
        "count where": lambda: handle.count(F("n") == 1),
        "get": lambda: handle.get(["a"]),
        "get a missing id": lambda: handle.get(["nowhere"]),
        "peek": handle.peek,
        "query": lambda: handle.query(vector=vector),
        "query where": lambda: handle.query(vector=vector, where=F("n") == 1),
        "query exactly": lambda: handle.query(vector=vector, exact=True),
        "query many": lambda: handle.query_many(vectors=rows(3), k=2),
        "scan": lambda: list(handle.scan()),
        "scan where": lambda: list(handle.scan(where=F("n") > 0)),
        "the next page": lambda: list(page),
        "add": lambda: handle.add(["b"], rows(1)),
        "add of many": lambda: handle.add(names(600), rows(600)),
        "upsert": lambda: handle.upsert(["a"], rows(1)),
        "update": lambda: handle.update(["a"], documents=["x"]),
        "update of a missing id": lambda: handle.update(["nowhere"], documents=["x"]),
        "delete": lambda: handle.delete(["a"]),
        "delete of a missing id": lambda: handle.delete(["nowhere"]),
        "delete where": lambda: handle.delete(where=F("n") == 1),
        "clear": handle.clear,
        # nothing is asked of a database that indexes in its own way
        "defer_index": handle.defer_index,
        "build_index": handle.build_index,
    }


_ASK_NOTHING = ("defer_index", "build_index")


@clause("COL-3")
@pytest.mark.parametrize("retries", [0, 5])
@pytest.mark.parametrize(
    ("dimension", "metric", "away"),
    [(4, "l2", False), (4, "dot", False), (6, "cosine", False), (4, "l2", True), (6, "dot", True)],
    ids=["the same", "another metric", "another dimension", "renamed", "renamed, another"],
)
def test_a_handle_never_meets_a_collection_that_another_store_made(
    session: Session, new: New, supports: Supports, retries: int, dimension: int, metric: str, away: bool
) -> None:
    """Whatever another store does with the name: the handle says NotFound, or follows its collection."""
    if away and not supports("rename"):
        with raises(Unsupported):
            new().rename(unique_name())
        return
    other = session.store
    store = session.connect(session.target.url, retries=retries)
    try:
        c = new(4, "l2")
        c.add(["a", "c", "d"], rows(3), metadatas=[{"n": 1}] * 3)
        if not store.has_collection(c.name):
            assert not store.capabilities.persistent, "two stores on one database see the same"
            return
        name = c.name
        handle = store.get_collection(name)
        page = iter(handle.scan(batch_size=1))
        next(page)
        handle.upsert(["c"], rows(1))
        if away:
            c.rename(unique_name())
        else:
            other.delete_collection(name)
        again = new(dimension, metric, name=name)
        again.add(["a", "z"], rows(2, dimension), ["text"] * 2, [{"n": 1}] * 2)
        with unchanged(again):
            for label, call in _every_call(handle, page).items():
                if away or label in _ASK_NOTHING:
                    with suppress(NotFound):
                        call()
                else:
                    with raises(NotFound) as caught:
                        call()
                    assert caught.error.collection, label
            if other.capabilities.rename and not away:
                for new_name in (handle.name, unique_name()):
                    with raises(NotFound):
                        handle.rename(new_name)
        assert store.get_collection(name).count() == 2
        if away:
            assert c.name != name
            assert other.get_collection(c.name).info.metric == "l2"
    finally:
        store.close()


@clause("COL-3")
@pytest.mark.parametrize("anew", [False, True], ids=["gone", "made anew"])
def test_a_stale_handle_is_not_renamed(store: Store, new: New, supports: Supports, anew: bool) -> None:
    """To the name it has had either, and in the store that deleted the collection: it would take another's with it."""
    c = new()
    name = c.name
    handles = [c, store.get_collection(name)]
    store.delete_collection(name)
    again = new(name=name) if anew else None
    for handle in handles:
        for new_name in (name, unique_name()):
            with raises(NotFound if supports("rename") else Unsupported):
                handle.rename(new_name)
            assert store.has_collection(name) == anew
    if again is not None:
        assert again.count() == 0
        assert again.name == name


@clause("COL-5")
def test_rename_to_the_name_it_has(session: Session, new: New, supports: Supports) -> None:
    """It takes the name back where another store has changed it, or says NotFound (COL-3)."""
    if not supports("rename"):
        with raises(Unsupported):
            (c := new()).rename(c.name)
        return
    c = new()
    c.add(["a"], rows(1))
    name, other = c.name, unique_name()
    c.rename(name)
    assert (c.name, c.count(), session.store.has_collection(name)) == (name, 1, True)
    store = session.connect(session.target.url)
    try:
        if not store.has_collection(name):
            assert not store.capabilities.persistent, "two stores on one database see the same"
            return
        handle = store.get_collection(name)
        c.rename(other)
        back = True
        try:
            handle.rename(name)
        except NotFound:
            back = False
        assert (store.has_collection(name), store.has_collection(other)) == (back, not back)
        assert store.get_collection(name if back else other).count() == 1
    finally:
        store.close()


@clause("COL-5")
def test_rename_keeps_everything(store: Store, new: New, supports: Supports) -> None:
    c = new(4, "dot", metadata=METADATA)
    c.add(names(5), rows(5), ["x"] * 5, [{"n": p} for p in range(5)])
    taken, old, name = new(), c.name, unique_name()
    if not supports("rename"):
        with raises(Unsupported):
            c.rename(name)
        assert (store.has_collection(old), store.has_collection(name), c.count()) == (True, False, 5)
        return
    before, info = contents(c), c.info
    with raises(AlreadyExists):
        c.rename(taken.name)
    assert contents(c) == before
    c.rename(old)
    c.rename(name)
    assert c.name == c.info.name == name
    assert (store.has_collection(old), store.has_collection(name)) == (False, True)
    for handle in (c, store.get_collection(name)):
        assert contents(handle) == before
        assert (handle.info.dimension, handle.info.metric, handle.info.index) == (4, info.metric, info.index)
        assert typed(handle.info.metadata) == typed(METADATA)
        assert handle.query(vector=rows(1)[0], k=2, exact=True).ids
    with raises(NotFound):
        store.get_collection(old)
    c.add(["new"], rows(1))
    other = new(name=old)
    assert (other.count(), c.count()) == (0, 6)


class _Embedder:
    """A vector of letter counts."""

    dimension = 4

    def __init__(self, name: str = "letters") -> None:
        self.name = name

    def embed(self, texts: Any) -> Any:
        return np.array([[1 + text.count(letter) for letter in "abcd"] for text in texts], dtype=np.float32)


@clause("COL-4", "QRY-1")
def test_texts_are_embedded(store: Store, new: New) -> None:
    embedder = _Embedder()
    c = new(None, "cosine", embedder=embedder)  # type: ignore[arg-type]  # it comes from the embedder
    assert (c.info.dimension, c.info.embedder) == (4, "letters")
    c.add(["a", "b"], documents=["aaaa", "bbbb"])
    c.upsert(["c"], documents=["cccc"], metadatas=[{"n": 1}])
    assert c.query(text="aa", k=1).ids == ["a"]
    assert [hits.ids for hits in c.query_many(texts=["bb", "cc"], k=1)] == [["b"], ["c"]]
    c.update(["a"], documents=["dddd"])
    assert c.query(text="dd", k=1, exact=True).ids == ["a"]
    found = c.get(["a"]).vectors
    assert found is not None
    np.testing.assert_allclose(found, embedder.embed(["dddd"]), rtol=1e-6)
    assert c.query_many(texts=[], k=1) == []
    assert store.get_collection(c.name, embedder=embedder).query(text="bb", k=1).ids == ["b"]
    with raises(Mismatch):
        store.get_collection(c.name, embedder=_Embedder("other"))
    bare = store.get_collection(c.name)
    for call in (
        lambda: bare.query(text="a"),
        lambda: bare.add(["x"], documents=["a"]),
        lambda: bare.query_many(texts=["a"]),
    ):
        with raises(InvalidInput):
            call()
    with raises(InvalidInput):
        c.add(["x", "y"], documents=["a", None])
    assert c.count() == 3


@clause("UPD-1", "ERR-1")
def test_a_vector_never_stays_behind_its_text(store: Store, new: New) -> None:
    embedder = _Embedder()
    c = new(None, "l2", embedder=embedder)  # type: ignore[arg-type]  # it comes from the embedder
    c.add(["a"], documents=["aaaa"])
    bare = store.get_collection(c.name)
    with raises(InvalidInput):
        bare.update(["a"], documents=["bbbb"])
    embedder.embed = lambda texts: np.zeros((len(texts), 3))  # type: ignore[method-assign]
    for write in (c.add, c.upsert, c.update):
        with raises(BackendError):
            write(["b" if write == c.add else "a"], documents=["bbbb"])
    found = c.get(["a", "b"])
    assert (found.ids, found.documents) == (["a"], ["aaaa"])
    np.testing.assert_array_equal(found.vectors, [[5, 1, 1, 1]])
    bare.update(["a"], documents=["bbbb"], vectors=[[1, 5, 1, 1]])
    bare.update(["a"], documents=[None])
    assert bare.get(["a"]).documents == [None]


@clause("COL-8")
def test_mapping_is_for_what_vstore_did_not_create(store: Store, new: New, supports: Supports) -> None:
    c = new()
    mapped = supports("mapping")
    for call in (
        lambda: store.get_collection(c.name, mapping="auto"),
        lambda: store.get_collection(c.name, mapping=RecordMapping(vector="embedding", id=("id",), metric=Metric.L2)),
        lambda: store.propose_mapping(c.name),
    ):
        with raises(Mismatch if mapped else Unsupported):
            call()
    with raises(InvalidInput if mapped else Unsupported):
        store.get_collection(c.name, mapping="a package that nobody knows")
    for other in (f"{c.name}_not_there", f"{c.name}/", f"x/../{c.name}"):
        with raises(NotFound if mapped else Unsupported):
            store.get_collection(other, mapping="auto")
    if mapped:
        assert c.name not in store.list_foreign_collections()
    assert store.get_collection(c.name).info == c.info
