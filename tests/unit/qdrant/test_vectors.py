"""Vectors to and from those of points, without Qdrant."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from vstore.columns import dense
from vstore.fields import Dense, Sparse
from vstore.filters.tree import And, Eq, Not
from vstore.indexing import HNSW, Metric
from vstore.info import CollectionInfo
from vstore.records import Include, Records
from vstore.sparse import SparseArray, SparseVector
from vstore_qdrant.codec import Found, fields, to_points, to_records
from vstore_qdrant.compile import compile_filter
from vstore_qdrant.conditions import All, Has, NoneOf, Shorter, Tenant, Terms, is_of_one_tenant, metadata_field
from vstore_qdrant.vectors import full_scan_kb, having, point_vectors, read_columns

NAN = float("nan")
INFO = CollectionInfo(
    name="c",
    dimension=2,
    metric=Metric.L2,
    index=HNSW(),
    fields={"image": Dense(2, "cosine"), "title": Dense(1, "dot"), "terms": Sparse()},
)
RECORDS = Records(
    ["a", "b"],
    np.array([[1, 2], [3, 4]], dtype=np.float32),
    fields={
        "image": np.array([[NAN, NAN], [3, -4]], dtype=np.float32),
        "terms": SparseArray.stack([SparseVector(np.array([5], np.uint32), np.array([0.5], np.float32)), None]),
    },
)


def _sparse(indices: list[int], values: list[float]) -> Any:
    return SimpleNamespace(indices=indices, values=values)


def test_absent_vectors_are_not_sent_and_come_back_absent() -> None:
    points = to_points(RECORDS, ["1", "2"], INFO)
    sent = list(point_vectors(INFO, points.vectors, 2, _sparse))
    assert [list(one) for one in sent] == [["vector", "terms"], ["vector", "image"]]
    np.testing.assert_allclose(sent[1]["image"], [0.6, -0.8], rtol=1e-6)
    assert [payload.get("norms") for payload in points.payloads] == [None, {"image": 5.0}]
    include = Include(True, fields=("image", "title", "terms"))
    wanted = fields(include, INFO)
    assert (wanted.payload, wanted.vectors) == (("id", "norms"), ("", "image", "title", "terms"))
    back = to_records(Found(points.payloads, read_columns(INFO, wanted.vectors, sent)), include, INFO)
    assert back.fields["terms"] == RECORDS.fields["terms"]
    np.testing.assert_allclose(dense(back.fields["image"]), dense(RECORDS.fields["image"]), rtol=1e-6)
    assert np.isnan(dense(back.fields["title"])).all()
    np.testing.assert_array_equal(dense(back.column()), dense(RECORDS.column()))


def test_a_point_without_any_vector_has_all_fields_absent() -> None:
    columns = read_columns(INFO, ["title", "terms"], [None, {}])
    assert np.isnan(dense(columns["title"])).all()
    assert columns["terms"] == SparseArray.empty(2)


def test_a_condition_on_a_field_leaves_records_without_it() -> None:
    assert having(INFO, "", None) is None
    assert having(INFO, "image", None) == Has("image")
    assert having(INFO, "image", Terms(("a",))) == All((Terms(("a",)), Has("image")))
    assert (Shorter(1.0).field, Shorter(1.0, "image").field) == ("norm", "norms.image")


def test_the_partition_is_recognised_by_its_key_and_type() -> None:
    own = Eq(("tenant",), "a")
    assert compile_filter(own, "tenant") == Tenant("tenant", "a")
    assert compile_filter(own) == compile_filter(own, "other") == Terms(('tenant"sa',))
    assert compile_filter(Eq(("tenant",), 1), "tenant") == Terms(('tenant"n1',))
    assert compile_filter(Eq(("tenant", "x"), "a"), "tenant") == Terms(('tenant\\x"sa',))
    assert is_of_one_tenant(compile_filter(And((own, Eq(("n",), 1))), "tenant"))
    assert not is_of_one_tenant(compile_filter(Not(own), "tenant"))
    assert not is_of_one_tenant(NoneOf(All((Tenant("tenant", "a"),))))
    assert not is_of_one_tenant(None)
    assert (metadata_field(("my-key",)), metadata_field(("a.b",))) == ("metadata.my-key", 'metadata."a.b"')


def test_ten_thousand_records_of_a_partition_are_compared_one_by_one() -> None:
    parted = CollectionInfo(name="c", dimension=1536, metric=Metric.L2, index=HNSW(), partition_by="tenant")
    assert full_scan_kb(parted, 1536) * 1024 > 10_000 * 1536 * 4
    assert full_scan_kb(parted, 2) == full_scan_kb(INFO, 1536) == 10_000
