"""Searches as requests, and their answers, without Milvus."""

from __future__ import annotations

import numpy as np
import pytest
from pymilvus.client.prepare import Prepare
from pymilvus.grpc_gen.schema_pb2 import SearchResultData

from tests.unit.milvus.answered import answered
from vstore.columns import Column
from vstore.fields import Dense, Field, Sparse
from vstore.indexing import HNSW, Flat, IVFFlat, Metric
from vstore.info import CollectionInfo
from vstore.records import Records
from vstore.sparse import SparseArray
from vstore_milvus.codec import encode
from vstore_milvus.layout import Layout
from vstore_milvus.messages import found, search, upserts
from vstore_milvus.vectors import searching

DENSE = np.array([[1, 2], [0.1, -3e38]], dtype=np.float32)
SPARSE = SparseArray.of([{3: 0.5, 70_000: 1.5}, {2: 1.0}])
FIELDS = {"other": Dense(2, "l2"), "words": Sparse()}
LAYOUT = Layout(CollectionInfo(name="any", dimension=2, metric=Metric.L2, index=Flat(), fields=FIELDS))


@pytest.mark.parametrize("field", [Dense(2, "l2", index=HNSW()), Dense(2, "cosine", index=IVFFlat()), Sparse()])
@pytest.mark.parametrize("condition", [None, '(id != "x")'])
def test_a_search_is_the_request_that_pymilvus_makes(field: Field, condition: str | None) -> None:
    queries: Column = SPARSE if isinstance(field, Sparse) else DENSE
    settings = searching(field, None, 7)
    wanted = Prepare.search_requests_with_expr(
        collection_name="",
        data=[query.to_dict() for query in SPARSE] if isinstance(field, Sparse) else list(DENSE),
        anns_field="vector",
        param=settings,
        limit=7,
        expr=condition or "",
        output_fields=["document"],
        use_default_consistency=False,
    )
    assert search(queries, "vector", settings, 7, condition, ["id", "document"]) == wanted


def test_hits_are_what_the_columns_of_an_answer_hold() -> None:
    records = Records(
        ["a", "b"],
        DENSE,
        ["x", None],
        [{"year": 1, "f": 0.5, "s": "é"}, {"l": [1, 2]}],
        {"other": DENSE * 0.5, "words": SPARSE},
    )
    ((_, (_, written)),) = upserts(records, encode(records, LAYOUT), LAYOUT, 2, 1 << 40)
    answer = SearchResultData(topks=[1, 0, 1], scores=[0.5, 0.25], fields_data=written.fields_data)
    answer.ids.str_id.data.extend(["a", "b"])
    first, second, third = found(answer)
    assert (len(first), second, len(third)) == (1, [], 1)
    for (row, distance), wanted, reported in zip([*first, *third], answered(records, LAYOUT), (0.5, 0.25), strict=True):
        assert distance == reported
        assert row.keys() == wanted.keys()
        for name, value in row.items():
            assert np.array_equal(value, wanted[name]) if name.startswith("vector") else value == wanted[name], name
    answer = SearchResultData(topks=[2], scores=[0.5, 0.25])
    answer.ids.str_id.data.extend(["a", "b"])
    assert found(answer) == [[({"id": "a"}, 0.5), ({"id": "b"}, 0.25)]]
    assert found(SearchResultData(topks=[0])) == [[]]
