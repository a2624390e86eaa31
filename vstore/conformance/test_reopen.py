"""What outlives a handle, a store and a process: COL-4, COL-6 and COL-7."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vstore import HNSW, Closed, F, InvalidInput, VStoreError
from vstore.conformance.checks import contents, names, raises, rows, scanned, typed
from vstore.conformance.corpus import METADATA, unique_name
from vstore.conformance.fixtures import New, clause
from vstore.conformance.session import Session
from vstore.core.registry import factory_for_scheme
from vstore.spi.urls import StoreURL


@clause("COL-4")
def test_what_a_collection_is_reads_back(session: Session, new: New) -> None:
    store = session.store
    index = HNSW(m=9, ef_construction=70, ef_search=33) if store.capabilities.index_hnsw else None
    c = new(7, "cosine", index=index, metadata=METADATA)
    name, info = c.name, c.info
    assert (info.dimension, info.metric, info.embedder) == (7, "cosine", None)
    assert index is None or info.index == index
    assert typed(info.metadata) == typed(METADATA)
    assert store.get_collection(name).info == info
    assert typed(store.get_collection(name).info.metadata) == typed(METADATA)
    if store.capabilities.persistent:
        script = """
            i = store.get_collection(name).info
            result = [i.name, i.dimension, i.metric, repr(i.index), i.metadata, i.embedder]
        """
        found = session.elsewhere(script, name=name)
        assert found[:4] == [name, 7, "cosine", repr(info.index)]
        assert typed(found[4]) == typed(METADATA)
    else:
        other = session.connect(session.target.url)
        assert other.list_collections() == [], "a store that keeps nothing starts empty"
        other.close()


@clause("COL-6")
def test_a_store_opened_again_has_everything(session: Session, new: New) -> None:
    ids = [*names(1200), "é'", "\U0001f600"]
    vectors = rows(len(ids))
    c = new()
    name = c.name
    c.add(
        ids,
        vectors,
        [f"text {p}" for p in range(len(ids))],
        [{"n": p, "f": float(p), "l": ["x"]} for p in range(len(ids))],
    )
    c.update(ids[:10], metadatas=[{"n": None, "new": True}] * 10)
    c.delete(ids[20:30])
    before = contents(c)
    nearest = c.query(vector=vectors[40], k=5, exact=True).ids
    if not session.store.capabilities.persistent:
        assert contents(session.store.get_collection(name)) == before
        return
    session.release()
    c = session.store.get_collection(name)
    assert contents(c) == before
    assert c.query(vector=vectors[40], k=5, exact=True).ids == nearest
    assert len(c.query(vector=vectors[40], k=5)) == 5
    script = """
        c = store.get_collection(name)
        c.add(["elsewhere"], [[1, 2, 3, 4]], ["x"], [{"n": 1}])
        result = [c.count(), c.count(F("l").has("x"))]
    """
    assert session.elsewhere(script, name=name) == [len(before) + 1, len(before)]
    c = session.store.get_collection(name)
    after = contents(c)
    assert after.pop("elsewhere").vector == (1, 2, 3, 4)
    assert after == before


@clause("COL-7")
def test_a_closed_store_says_closed(session: Session) -> None:
    session.release()
    other = session.connect(session.target.url)
    name = unique_name()
    c = other.create_collection(name, dimension=4)
    pages = iter(c.scan())
    c.add(names(3), rows(3))
    if other.capabilities.persistent:
        other.delete_collection(name)
    other.close()
    other.close()
    for call in (
        lambda: other.list_collections(),
        lambda: other.create_collection(unique_name(), dimension=4),
        lambda: other.get_collection(name),
        lambda: other.has_collection(name),
        lambda: other.delete_collection(name),
        lambda: other.ping(),
        lambda: c.count(),
        lambda: c.add(["b"], rows(1)),
        lambda: c.query(vector=rows(1)[0]),
        lambda: next(pages),
        lambda: c.delete(["a"]),
        lambda: c.clear(),
    ):
        with raises(Closed):
            call()
    assert "closed" in repr(other)


@clause("COL-7", "CON-1")
def test_calls_that_run_when_the_store_is_closed_end_with_closed(session: Session) -> None:
    session.release()
    other = session.connect(session.target.url)
    name = unique_name()
    c = other.create_collection(name, dimension=4)
    c.add(names(50), rows(50))
    calls: list[Callable[[], Any]] = [
        lambda: c.upsert(names(50), rows(50)),
        lambda: c.query(vector=rows(1)[0], k=3, exact=True),
        lambda: scanned(c, batch_size=10),
        lambda: c.count(F("n").exists()),
    ]
    begun = threading.Barrier(len(calls) + 1)

    def work(call: Callable[[], Any]) -> VStoreError:
        begun.wait()
        while True:
            try:
                call()
            except VStoreError as error:
                return error

    with ThreadPoolExecutor(len(calls)) as pool:
        ends = [pool.submit(work, call) for call in calls]
        begun.wait()
        time.sleep(0.1)
        other.close()
        errors = [end.result(60) for end in ends]
    assert {type(error) for error in errors} == {Closed}, errors
    if other.capabilities.persistent:
        session.store.delete_collection(name)


@clause("COL-7")
def test_a_borrowed_client_is_never_closed(session: Session, new: New) -> None:
    store = session.store
    c = new()
    c.add(["a"], rows(1))
    if not factory_for_scheme(StoreURL.parse(session.target.url).scheme).client_packages:
        with pytest.raises(InvalidInput):  # the database has no client of its own: there is nothing to borrow
            session.connect(client=store.native)
        return
    borrowed = session.connect(client=store.native)
    assert borrowed.get_collection(c.name).count() == 1
    borrowed.get_collection(c.name).add(["b"], rows(1))
    borrowed.close()
    with raises(Closed):
        borrowed.list_collections()
    store.ping()
    assert c.count() == 2
    again = session.connect(client=store.native)
    assert sorted(scanned(again.get_collection(c.name))) == ["a", "b"]
    again.close()
