"""How Chroma keeps named fields: what other clients see, what it costs, what is not lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import Dense, F, Sparse, SparseArray
from vstore.conformance.checks import true_order
from vstore.indexing import Metric
from vstore.records import Records

New = Callable[..., vstore.Collection]
FIELDS = {"image": Dense(3, "l2"), "terms": Sparse()}


class _Calls:
    """Counts calls of a method of Chroma's collection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, c: vstore.Collection, name: str) -> None:
        self.number = 0
        original = getattr(type(c.native), name)

        def call(*arguments: Any, **more: Any) -> Any:
            self.number += 1
            return original(*arguments, **more)

        monkeypatch.setattr(type(c.native), name, call)


def test_a_field_is_one_key_and_no_metadata(new: New) -> None:
    c: Any = new(fields=FIELDS)
    c.add(["a", "b"], [[1, 2], [3, 4]], metadatas=[{"k": 1}, {}], fields={"image": [[1, 2, 3], None]})
    kept = c.native.get(["a", "b"])["metadatas"]
    assert [sorted(one or {}) for one in kept] == [["_vs@image", "k"], []]
    assert c.get(["a"]).metadatas == [{"k": 1}]
    c.update(["a"], metadatas=[{"n": 2}], replace_metadata=True)
    assert c.get(["a"]).metadatas == [{"n": 2}]
    assert c.get(["a"]).fields["image"].tolist() == [[1, 2, 3]]
    c.upsert(["a"], [[1, 2]], metadatas=[{"n": 2}])
    assert sorted(c.native.get("a")["metadatas"][0]) == ["n"]


def test_damaged_text_is_an_error_and_not_an_absent_vector(new: New) -> None:
    c: Any = new(fields=FIELDS)
    c.add(["a"], [[1, 2]], fields={"image": [[1, 2, 3]]})
    c.native.update(["a"], metadatas=[{"_vs@image": "AAAA"}])
    for read in (lambda: c.get(["a"]), lambda: c.query({"image": [1, 2, 3]}), lambda: list(c.scan())):
        with pytest.raises(vstore.BackendError, match="_vs@image"):
            read()
    assert c.get(["a"], include=["metadatas", "vectors"]).metadatas == [{}]
    c.update(["a"], fields={"image": [[3, 2, 1]]})
    assert c.query({"image": [3, 2, 1]}, k=1)[0].distance == 0


def test_a_large_record_keeps_its_fields(new: New, store: vstore.Store) -> None:
    c: Any = new(fields=FIELDS)
    lists = {f"k{number}": [number] * 1000 for number in range(4)}
    c.add(["a"], [[1, 2]], metadatas=[lists], fields={"image": [[1, 2, 3]]})
    c.update(["a"], metadatas=[{f"m{number}": [number] * 1000 for number in range(4)}])
    long = SparseArray.of([(np.arange(65_536), np.ones(65_536))])
    c.update(["a"], [[5, 6]], fields={"terms": long})
    found = store.get_collection(c.name).get(["a"])
    assert found.vectors.tolist() == [[5, 6]]
    assert found.fields["image"].tolist() == [[1, 2, 3]]
    assert found.sparse == long
    assert len(found.metadatas[0]) == 8


def test_a_document_changes_where_there_are_named_fields_only(new: New) -> None:
    c: Any = new(None, fields=FIELDS)
    c.add(["a"], documents=["old"], fields={"image": [[1, 2, 3]]})
    c.update(["a"], documents=["new"])
    assert c.get(["a"]).documents == ["new"]
    assert [hit.id for hit in c.query({"image": [1, 2, 3]}, where=F.document.contains("new"))] == ["a"]


def test_one_request_compares_and_one_brings_the_columns(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    c: Any = new(fields=FIELDS)
    c.add([f"r{n}" for n in range(900)], np.ones((900, 2)), sparse=[{n % 7: 1.0 + n} for n in range(900)])
    gets = _Calls(monkeypatch, c, "get")
    assert c.query(sparse={3: 1.0}, k=2, include=[]).ids == ["r899", "r892"]
    assert gets.number == 1
    c.query(sparse={3: 1.0}, k=2, include=["metadatas"])
    assert gets.number == 3
    monkeypatch.setattr("vstore_chroma.fields._RESPONSE_CHARS", 100_000)
    assert c.query(sparse={3: 1.0}, k=1000, include=[]).ids == [f"r{n}" for n in range(899, -1, -1) if n % 7 == 3]


@pytest.mark.parametrize("metric", list(Metric))
def test_few_matches_are_compared_without_the_index(new: New, monkeypatch: pytest.MonkeyPatch, metric: Metric) -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(1200, 8)).astype(np.float32)
    c: Any = new(8, metric.value, partition_by="tenant")
    ids = [f"r{n:04}" for n in range(1200)]
    c.add(ids, vectors, metadatas=[{"tenant": f"t{n % 40}", "half": n % 2} for n in range(1200)])
    asked = _Calls(monkeypatch, c, "query")
    nearest = true_order(metric, vectors[0], Records(ids[7::40], vectors[7::40]))[:10]
    for found in (c.partition("t7").query(vectors[0], k=10), c.query(vectors[0], k=10, where=F("tenant") == "t7")):
        assert found.ids == nearest
    assert asked.number == 0
    assert len(c.query(vectors[0], k=10, where=F("half") == 1)) == 10
    assert asked.number == 1


def test_few_matches_are_compared_though_an_earlier_query_failed_to_find_out(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    c: Any = new(2, "l2")
    c.add(["a", "b", "c"], [[1, 0], [2, 0], [3, 0]], metadatas=[{"n": 1}, {"n": 1}, {"n": 2}])
    with monkeypatch.context() as patched:
        patched.setattr(type(c.native), "get", _broken)
        with pytest.raises(vstore.VStoreError):
            c.query([0, 0], k=1, where=F("n") == 1)
    asked = _Calls(monkeypatch, c, "query")
    assert c.query([0, 0], k=1, where=F("n") == 1).ids == ["a"]
    assert asked.number == 0


def _broken(*_: Any, **__: Any) -> None:
    raise RuntimeError("broken")


def test_how_many_match_is_not_asked_again_where_there_were_many_lately(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    c: Any = new(2, "l2")
    vectors = np.random.default_rng(5).normal(size=(600, 2))
    c.add([f"r{n}" for n in range(600)], vectors, metadatas=[{"half": n % 2, "ten": n < 10} for n in range(600)])
    gets = _Calls(monkeypatch, c, "get")

    def asks(where: vstore.Filter) -> int:
        gets.number = 0
        assert len(c.query(vectors[0], k=10, where=where)) == 10
        return gets.number

    half, ten = F("half") == 0, F("ten") == True  # noqa: E712
    assert asks(half) == 1 + asks(half)
    assert asks(ten) == asks(ten)  # few are counted each time
    c.delete([f"r{n}" for n in range(20, 600)])  # half of the records that are left are no longer many
    assert set(c.query(vectors[0], k=11, where=half).ids) == {f"r{n}" for n in range(0, 20, 2)}
    monkeypatch.setattr("vstore.spi.recent.SECONDS", -1.0)
    c.add([f"r{n}" for n in range(20, 600)], vectors[20:], metadatas=[{"half": n % 2} for n in range(20, 600)])
    assert asks(half) == asks(half)
