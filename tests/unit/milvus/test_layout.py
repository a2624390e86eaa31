"""Where the vectors and the partition of a collection stand, without Milvus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.milvus.answered import answered
from vstore import F, SparseArray
from vstore.errors import LimitExceeded
from vstore.fields import Dense, Sparse
from vstore.filters.tree import And, Eq, Filter, Order
from vstore.indexing import HNSW, Flat, Metric
from vstore.info import CollectionInfo
from vstore.records import Include, Records
from vstore.sparse_input import MAX_INDEX
from vstore_milvus.capabilities import capabilities
from vstore_milvus.codec import encode, to_records
from vstore_milvus.layout import Kind, Layout
from vstore_milvus.messages import upserts
from vstore_milvus.schema import layout_of, new_properties
from vstore_milvus.vectors import MAX_PACKED_DIMENSION, MAX_PACKED_VALUES

NAN = float("nan")
FIELDS: dict[str, Dense | Sparse] = {"image": Dense(3, "cosine", index=HNSW()), "terms": Sparse()}


def described(dimension: int = 2, **more: Any) -> CollectionInfo:
    return CollectionInfo(name="any", dimension=dimension, metric=Metric.L2, index=Flat(), fields=FIELDS, **more)


def records() -> Records:
    image = np.array([[1, 2, 3], [NAN, NAN, NAN], [0.1, 0, -0.0]], dtype=np.float32)
    terms = SparseArray.of([{0: 1.0, MAX_INDEX: 0.1}, {5: 1e15}, None])
    return Records(["a", "b", "c"], None, None, None, {"image": image, "terms": terms})


@pytest.mark.parametrize("kind", list(Kind))
def test_vectors_come_back_bit_for_bit_and_absent_ones_absent(kind: Kind) -> None:
    layout = Layout(described(dimension=0), kind)
    rows = answered(records(), layout)
    found = to_records(rows, Include(fields=("image", "terms")), layout)
    assert found == records()
    assert found.vectors is None
    assert to_records(rows[:1], Include(fields=("terms",)), layout).fields.keys() == {"terms"}
    assert to_records([], Include(fields=("image", "terms")), layout).fields["image"].shape == (0, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_field_that_is_not_given_is_absent(kind: Kind) -> None:
    layout = Layout(described(), kind)
    rows = answered(Records(["a"], np.ones((1, 2), dtype=np.float32)), layout)
    found = to_records(rows, Include(True, fields=("image", "terms")), layout)
    assert found[0].fields == {"image": None, "terms": None}
    assert found.vectors is not None
    assert found.vectors.tolist() == [[1, 1]]


def test_milvus_is_given_no_zero_and_no_empty_vector() -> None:
    row = answered(records(), Layout(described(dimension=0)))[1]
    assert np.linalg.norm(row["vector_image"]) == 1
    assert row["has_image"] is False
    row = answered(records(), Layout(described(dimension=0)))[2]
    assert row["vector_terms"] == {2**32 - 2: 1.0}
    assert MAX_INDEX < 2**32 - 2


def test_which_columns_there_are() -> None:
    whole = Include(True, True, True, ("image", "terms"))
    for kind, vectors in (
        (Kind.COLUMNS, ["vector_image", "has_image", "vector_terms"]),
        (Kind.PACKED, ["packed_image", "packed_terms"]),
    ):
        layout = Layout(described(partition_by="tenant"), kind)
        assert layout.columns(whole) == ["id", "vector", *vectors, "document", "metadata"]
        names = [field.name for field in layout.schema().fields]
        assert sorted(names) == sorted([*layout.columns(whole), "facts", "partition_key"])
        (row,) = answered(Records(["a"], np.ones((1, 2), dtype=np.float32), None, [{"tenant": "x"}]), layout)
        assert sorted(row) == sorted(names)
        assert row["partition_key"] == "x"


def test_a_collection_of_text_alone_has_a_vector_for_milvus() -> None:
    layout = Layout(described(dimension=0), Kind.PACKED)
    assert [one.field_name for one in layout.indexes()] == ["vector"]
    assert answered(records(), layout)[0]["vector"] == [1.0, 0.0]
    assert layout.columns(Include()) == ["id"]
    assert [one.field_name for one in Layout(described(dimension=0)).indexes()] == ["vector_image", "vector_terms"]


def test_the_largest_packed_vectors_fit_into_a_column() -> None:
    layout = Layout(described(), Kind.PACKED)
    one = SparseArray.of([(np.arange(MAX_PACKED_VALUES), np.ones(MAX_PACKED_VALUES))])
    assert len(layout.vectors["terms"].cells(one)["packed_terms"][0]) <= 65_535
    wide = CollectionInfo(
        name="any",
        dimension=2,
        metric=Metric.L2,
        index=Flat(),
        fields={"image": Dense(MAX_PACKED_DIMENSION, index=Flat())},
    )
    Layout(wide, Kind.PACKED).check()
    cells = Layout(wide, Kind.PACKED).vectors["image"].cells(np.ones((1, MAX_PACKED_DIMENSION), dtype=np.float32))
    assert len(cells["packed_image"][0]) <= 65_535
    wider = Layout(
        CollectionInfo(
            name="any",
            dimension=2,
            metric=Metric.L2,
            index=Flat(),
            fields={"image": Dense(MAX_PACKED_DIMENSION + 1, index=Flat())},
        ),
        Kind.PACKED,
    )
    with pytest.raises(LimitExceeded, match="image"):
        wider.check()


def test_parts_of_a_write_count_every_vector() -> None:
    long = SparseArray.of([(np.arange(1000), np.ones(1000))] * 4)
    given = Records(list("abcd"), np.ones((4, 2), dtype=np.float32), None, None, {"terms": long})
    for kind in Kind:
        layout = Layout(described(), kind)
        assert [len(ids) for ids, _ in upserts(given, encode(given, layout), layout, 100, 20_000)] in (
            [2, 2],
            [1, 1, 1, 1],
        )


def test_a_collection_says_how_its_fields_stand() -> None:
    for kind in Kind:
        properties = new_properties(Layout(described(), kind))
        assert layout_of("any", {"properties": properties}).kind is kind
    assert layout_of("any", {"properties": properties}).numbers
    del properties["vstore.layout"]
    without = {"vstore.info": properties.pop("vstore.info2"), **properties}
    assert layout_of("any", {"properties": without}).kind is Kind.COLUMNS
    assert not layout_of("any", {"properties": without}).numbers


@pytest.mark.parametrize(
    ("where", "partition", "rest"),
    [
        (None, "", None),
        (Eq(("tenant",), "x"), '(partition_key == "x")', None),
        (And((Eq(("tenant",), 'x"'), F("n") < 2)), '(partition_key == "x\\"")', Order(("n",), "<", 2)),
        (Eq(("tenant",), 1), "", Eq(("tenant",), 1)),
        (Eq(("n",), "x"), "", Eq(("n",), "x")),
        (~Eq(("tenant",), "x"), "", ~Eq(("tenant",), "x")),
    ],
)
def test_the_partition_is_asked_in_its_own_column(where: Filter | None, partition: str, rest: Filter | None) -> None:
    assert Layout(described(partition_by="tenant")).split(where) == (partition, rest)
    assert Layout(described()).split(where) == ("", where)


def test_what_servers_have_goes_by_their_version() -> None:
    for reported, support, most in (
        ("v2.3.5", "emulated", 16),
        ("2.3.22", "emulated", 16),
        ("v2.4.0", "native", 3),
        ("2.6.0-rc1", "native", 3),
        ("v3.0", "native", 3),
        ("milvus_lite-3.2.2", "native", 16),
    ):
        found = capabilities(reported=reported, client_version="3.0.2")
        assert (found.named_vectors.support, found.sparse_vectors.support) == (support, support), reported
        assert found.limits.max_fields == most
        assert found.limits.max_sparse_values >= 4096
