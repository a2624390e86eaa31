"""What results do for who looks at them: iterate, compare, print within bounds, show as tables."""

from __future__ import annotations

import numpy as np
import pytest

import vstore
from vstore import Hit, Hits, Page, Record, Records


def _records(n: int) -> Records:
    return Records(
        [f"r{i:04}" for i in range(n)],
        np.arange(n * 4, dtype=np.float32).reshape(n, 4) + 1,
        [f"text {i} " * 1000 for i in range(n)],
        [{"n": i, "tags": ["a"] * 1000} for i in range(n)],
    )


def _hits(n: int) -> Hits:
    distances = np.linspace(0, 1, n)
    return Hits(_records(n), distances, 1 - distances)


def test_a_page_iterates_and_has_length_and_ids() -> None:
    page = Page(_records(3), "memory:x")
    assert len(page) == 3
    assert page.ids == ["r0000", "r0001", "r0002"]
    assert [record.id for record in page] == page.ids


def test_hits_have_columns() -> None:
    hits = _hits(2)
    assert hits.documents is not None
    assert hits.documents[1] == hits[1].document
    assert hits.metadatas is not None
    assert hits.metadatas[1]["n"] == 1
    assert hits.vectors is not None
    assert hits.vectors.shape == (2, 4)


def test_hits_make_a_data_frame() -> None:
    frame = _hits(3).to_pandas()
    assert list(frame.columns) == ["id", "distance", "score", "vector", "document", "metadata"]
    assert frame["distance"].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("make", [lambda: _records(3), lambda: _hits(3), lambda: _records(3)[1], lambda: _hits(3)[1]])
def test_equal_columns_are_equal_with_vectors_too(make) -> None:  # type: ignore[no-untyped-def]
    assert make() == make()
    assert (make() != make()) is False


def test_what_differs_in_one_component_is_not_equal() -> None:
    one, other = _records(3), _records(3)
    assert other.vectors is not None
    other.vectors[2, 3] += 1
    assert one != other
    assert one[2] != other[2]
    assert one[1] == other[1]
    assert one.without_vectors() != one
    assert one != "r0000"
    assert Hit("a", 1.0, 2.0) != Hit("a", 1.0, 3.0)
    assert Record("a", document="x") != Record("a")


@pytest.mark.parametrize("result", [_records(1000), _hits(1000), Page(_records(1000), "memory:" + "x" * 5000)])
def test_a_repr_is_bounded(result: object) -> None:
    assert len(repr(result)) < 400
    assert "1,000" in repr(result)


@pytest.mark.parametrize("one", [_records(2)[0], _hits(2)[0]])
def test_the_repr_of_one_record_is_bounded(one: object) -> None:
    assert len(repr(one)) < 400
    assert "r0000" in repr(one)


def test_a_notebook_shows_a_bounded_table_with_everything_escaped() -> None:
    records = Records(["<script>", *[f"r{i}" for i in range(99)]], None, ["<b>bold</b>"] * 100, [{"k": "<i>"}] * 100)
    text = records._repr_html_()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert text.count("<tr>") == 21
    assert "80 more" in text
    assert "<table>" in _hits(3)._repr_html_()


def test_results_of_a_store_compare() -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=4)
        docs.upsert(["a", "b"], [[1, 0, 0, 0], [0, 1, 0, 0]])
        assert docs.get(["a"]) == docs.get(["a"])
        assert docs.query([1, 0, 0, 0]) == docs.query([1, 0, 0, 0])
        (page,) = docs.scan()
        assert sorted(record.id for record in page) == ["a", "b"]


def test_queries_that_are_alike_share_no_records() -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2, fields={"words": vstore.Sparse()})
        docs.add(["a"], [[1, 0]], fields={"words": [{1: 1.0}]})
        vectors, sparse = [[1, 0], [1, 0]], [{1: 1.0}, {1: 1.0}]
        one, other = docs.query_many(vectors, sparse=sparse, fuse=vstore.RRF(), k=1, include=["vectors"])
        assert one.records.vectors is not None
        one.records.vectors[0, 0] = 5
        assert other.records.vectors is not None
        assert other.records.vectors.tolist() == [[1, 0]]
