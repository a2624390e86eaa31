"""Named fields to and from metadata, without Chroma."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vstore.errors import BackendError
from vstore.fields import Dense, Field, Sparse
from vstore.indexing import Flat, Metric
from vstore.info import CollectionInfo
from vstore.records import Include, Records
from vstore.sparse import SparseArray
from vstore.spi.packing import pack_dense, to_text
from vstore_chroma.codec import decode_metadata
from vstore_chroma.fields import field_column, packed, rows_with_fields, with_fields, without_fields

FIELDS: dict[str, Field] = {"image": Dense(3, "l2"), "terms": Sparse()}


def info(fields: dict[str, Field]) -> CollectionInfo:
    return CollectionInfo(name="c", dimension=2, metric=Metric.L2, index=Flat(), fields=fields)


def test_vectors_come_back_bit_for_bit_and_absent_ones_take_no_key() -> None:
    image = np.array([[0.1, -0.0, 1e-38], [np.nan] * 3, [3e38, 1, 2]], dtype=np.float32)
    terms = SparseArray.of([{0: 0.1, 2**32 - 3: 1e15}, None, None])
    rows = packed(Records(["a", "b", "c"], fields={"image": image, "terms": terms}), info(FIELDS))
    assert [sorted(row) for row in rows] == [["_vs@image", "_vs@terms"], [], ["_vs@image"]]
    found = field_column(rows, "image", FIELDS["image"])
    assert isinstance(found, np.ndarray)
    assert found.tobytes() == image.tobytes()
    assert field_column([*rows[:1], None, {}], "terms", FIELDS["terms"]) == terms


def test_an_update_removes_what_is_absent_and_leaves_what_was_not_given() -> None:
    records = Records(["a", "b"], fields={"terms": SparseArray.of([{1: 1.0}, None])})
    rows = packed(records, info(FIELDS), removing=True)
    assert [list(row) for row in rows] == [["_vs@terms"], ["_vs@terms"]]
    assert [row["_vs@terms"] is None for row in rows] == [False, True]


def test_fields_stand_beside_the_metadata_and_are_none_of_it() -> None:
    assert with_fields(None, [{}, {}]) is None
    assert with_fields([{"k": 1}], [{}]) == [{"k": 1}]
    assert with_fields(None, [{}, {"_vs@image": "x"}]) == [{}, {"_vs@image": "x"}]
    stored = {"k": 1, "_vs.k": "i", "_vs@image": "x"}
    assert with_fields([{"k": 1, "_vs.k": "i"}], [{"_vs@image": "x"}]) == [stored]
    assert without_fields(stored) == {"k": 1, "_vs.k": "i"}
    assert without_fields(None) == {}
    assert decode_metadata(stored) == {"k": 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("image", to_text(pack_dense(np.ones(4, dtype=np.float32)))),
        ("image", to_text(pack_dense(np.full(3, np.nan, dtype=np.float32)))),
        ("image", "é"),
        ("image", 3),
        ("terms", "AAA="),
        ("terms", "no base64"),
    ],
)
def test_what_is_no_vector_is_an_error_that_names_the_key(name: str, text: Any) -> None:
    with pytest.raises(BackendError, match=f"_vs@{name}"):
        field_column([{f"_vs@{name}": text}], name, FIELDS[name])


def test_answers_with_long_vectors_have_fewer_records() -> None:
    wide = info({"image": Dense(16_384), "terms": Sparse()})
    assert rows_with_fields(info({}), Include(metadatas=True), 5000) == 5000
    assert rows_with_fields(wide, Include(vectors=True, documents=True), 5000) == 5000
    assert rows_with_fields(info({"image": Dense(3)}), Include(fields=("image",)), 5000) == 5000
    assert 16 <= rows_with_fields(wide, Include(fields=("terms",)), 5000) < 100
    assert rows_with_fields(wide, Include(metadatas=True), 5000) < 100
    assert rows_with_fields(info({f"f{n}": Dense(65_536) for n in range(16)}), Include(metadatas=True), 5000) == 16
