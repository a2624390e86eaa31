"""What Milvus does otherwise than the contract says of named fields and partitions; each fails without its remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import HNSW, Dense, F, Flat, Sparse
from vstore.errors import LimitExceeded, NotFound
from vstore.spi.scores import distances
from vstore_milvus._sync import session

New = Callable[..., vstore.Collection]
FIELDS: dict[str, Dense | Sparse] = {"image": Dense(2, "cosine"), "terms": Sparse()}
HOSTILE = ['"', "\\", '" or id != "', "x'] or id in ['y", "é", "\U0001f600" * 63, "%", "\n", "\x01", "true", " "]


def requests(monkeypatch: pytest.MonkeyPatch, client: Any) -> list[str]:
    """Return a list that grows by the name of each request."""
    made: list[str] = []

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def sent(*args: Any, **kwargs: Any) -> Any:
            made.append(name)
            return call(*args, **kwargs)

        return sent

    for name in ("upsert", "query", "describe_collection", "flush"):
        monkeypatch.setattr(client, name, counted(name, getattr(client, name)))
    monkeypatch.setattr(session, "search", counted("search", session.search))
    return made


def test_a_batch_with_and_without_vectors_stores_no_zeros(new: New) -> None:
    """Milvus Lite stores a null as zeros where a batch has both, and zeros are a record of every query."""
    c = new(fields=FIELDS)
    c.add(["a", "b", "c"], np.ones((3, 2)), fields={"image": [[0, 1], None, [1, 0]], "terms": [None, {1: 1.0}, None]})
    assert c.query({"image": [1, 0]}, k=5).ids == c.query({"image": [1, 0]}, k=5, exact=True).ids == ["c", "a"]
    assert c.query(sparse={1: 1.0}, k=5).ids == ["b"]
    assert np.isnan(c.get(["b"]).fields["image"]).all()  # type: ignore[call-overload]


def test_the_index_that_marks_absence_matches_no_query(new: New) -> None:
    c = new(fields=FIELDS)
    c.add(["a", "b"], np.ones((2, 2)), sparse=[{2**32 - 3: 1.0}, None])
    assert c.query(sparse={2**32 - 3: 1.0}, k=5).ids == ["a"]


def test_a_field_may_have_an_index_of_its_own(new: New, store: vstore.Store) -> None:
    written = np.random.default_rng(3).standard_normal((400, 8)).astype(np.float32)
    c = new(fields={"image": Dense(8, "l2", index=HNSW(m=4)), "title": Dense(2, "dot", index=Flat())})
    titles = [None if n % 3 else [n, 1] for n in range(400)]
    c.add([f"r{n:03}" for n in range(400)], np.ones((400, 2)), fields={"image": written, "title": titles})
    hits = c.query({"image": written[7]}, k=400)
    assert len(hits) == 400
    order = np.argsort(distances(vstore.indexing.Metric.L2, written[7], written))
    assert c.query({"image": written[7]}, k=9, exact=True).ids == [f"r{n:03}" for n in order[:9]]
    assert len(c.query({"title": [1, 1]}, k=400)) == 134
    if store.capabilities.mode == "embedded":
        assert set(store.native.list_indexes(c.name)) == {"vector", "vector_image", "vector_title"}


@pytest.mark.parametrize("sparse", [False, True])
def test_much_is_flushed_before_it_is_asked(
    new: New, store: vstore.Store, monkeypatch: pytest.MonkeyPatch, sparse: bool
) -> None:
    """Milvus Lite makes arrays and postings of what it has in memory anew for every search."""
    if store.capabilities.mode != "embedded":
        return
    made = requests(monkeypatch, store.native)
    c = new(fields={"terms": Sparse()})

    def write(first: int, number: int) -> None:
        numbers = range(first, first + number)
        c.upsert([f"r{n:03}" for n in numbers], [[1.0, n] for n in numbers], sparse=[{n + 1: 1.0} for n in numbers])

    def nearest(n: int) -> list[str]:
        return (c.query(sparse={n + 1: 1.0}, k=1) if sparse else c.query([1.0, n], k=1)).ids

    write(0, 500)
    assert nearest(7) == ["r007"]
    assert "flush" not in made
    write(499, 2)
    c.count()
    assert "flush" not in made
    assert [nearest(n) for n in (0, 499, 500)] == [["r000"], ["r499"], ["r500"]]
    assert made.count("flush") == 1
    write(500, 2)
    assert nearest(501) == ["r501"]
    assert made.count("flush") == 1
    assert c.count() == 502


def test_one_request_a_query(new: New, store: vstore.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    c = new(fields={"image": Dense(2, "l2", index=Flat()), "terms": Sparse()}, index=Flat(), partition_by="t")
    sparse = [{1: 1.0 + n} for n in range(20)]
    c.add(
        [f"r{n:02}" for n in range(20)],
        np.ones((20, 2)),
        None,
        [{"t": "x"}] * 20,
        fields={"image": np.eye(20, 2), "terms": sparse},
    )
    c.query([1, 1], k=1)
    made = requests(monkeypatch, store.native)
    mine = c.partition("x")
    for one in (c, mine):
        made.clear()
        assert one.query(sparse={1: 1.0}, k=1).ids == ["r19"]
        assert one.query({"image": [1, 0]}, k=1).ids == ["r00"]
        if store.capabilities.named_vectors.support == "native":
            assert made == ["search", "search"]


def test_more_sparse_values_than_text_holds_are_refused(new: New, store: vstore.Store) -> None:
    most = store.capabilities.limits.max_sparse_values
    c = new(fields=FIELDS)
    with pytest.raises(LimitExceeded):
        c.add(["a"], np.ones((1, 2)), sparse=[dict.fromkeys(range(most + 1), 1.0)])
    if store.capabilities.named_vectors.support == "emulated":
        before = store.list_collections()
        with pytest.raises(LimitExceeded, match="wide"):
            new(fields={"wide": Dense(12_288)})
        assert store.list_collections() == before


def test_a_partition_is_told_by_a_column(new: New, store: vstore.Store) -> None:
    c = new(partition_by="t", index=HNSW())
    ids = [f"r{n}" for n in range(len(HOSTILE))]
    c.add(ids, np.ones((len(ids), 2)), None, [{"t": value, "n": place} for place, value in enumerate(HOSTILE)])
    assert c.partitions() == sorted(HOSTILE)
    for place, value in enumerate(HOSTILE):
        mine = c.partition(value)
        assert (mine.count(), mine.count(F("n") == place), mine.count(F("n") != place)) == (1, 1, 0)
        assert mine.query([1, 1]).ids == [ids[place]] == mine.query([1, 1], where=F("n") < 99).ids
    c.upsert(["r0"], np.ones((1, 2)), None, [{"t": HOSTILE[1]}])
    assert c.partition(HOSTILE[1]).query([1, 1]).ids == ["r0", "r1"]
    assert c.partition(HOSTILE[0]).count() == 0


def test_a_collection_with_partitions_meets_no_other_of_its_name(new: New, store: vstore.Store) -> None:
    c = new(fields=FIELDS, partition_by="t")
    c.add(["a"], np.ones((1, 2)), None, [{"t": "x"}], sparse=[{1: 1.0}])
    store.native.drop_collection(c.name)
    again = store.create_collection(c.name, dimension=2, fields=FIELDS, partition_by="t")
    again.add(["a"], np.ones((1, 2)), None, [{"t": "x"}], sparse=[{1: 1.0}])
    mine = c.partition("x")
    for call in (
        lambda: c.query(sparse={1: 1.0}),
        lambda: mine.query([1, 1]),
        lambda: mine.query(sparse={1: 1.0}),
        mine.count,
        lambda: mine.get(["a"]),
        lambda: mine.upsert(["b"], np.ones((1, 2))),
        lambda: mine.delete(["a"]),
        mine.clear,
    ):
        with pytest.raises(NotFound):
            call()
    assert again.count() == 1
