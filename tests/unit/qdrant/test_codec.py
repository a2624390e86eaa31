"""Records to payloads and back, without Qdrant."""

from __future__ import annotations

import json
import struct
import uuid
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vstore.columns import dense
from vstore.conformance.corpus import LISTS, SCALARS
from vstore.indexing import HNSW, Metric
from vstore.info import CollectionInfo
from vstore.metadata import micros
from vstore.records import Include, Records
from vstore.sparse import SparseArray, SparseVector
from vstore_qdrant.codec import (
    Found,
    Payload,
    Points,
    changed,
    decode_metadata,
    encode_payload,
    merged,
    point_id,
    split,
    to_points,
    to_records,
    weights,
)
from vstore_qdrant.filter_fields import halves, scalar_term
from vstore_qdrant.vectors import read_columns

numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable()))
def test_a_point_id_is_the_uuid5_of_the_record_id(record_id: str) -> None:
    namespace = uuid.UUID("5c1f3c0e-8a6b-5b0f-9d4e-7a21c36f80d2")
    assert point_id(record_id) == str(uuid.uuid5(namespace, record_id))


@given(numbers, numbers)
def test_halves_order_as_numbers_do(a: float, b: float) -> None:
    assert (halves(a) < halves(b)) == (Fraction(a) < Fraction(b))
    assert (halves(a) == halves(b)) == (Fraction(a) == Fraction(b))


@given(numbers)
def test_halves_are_exact_in_float64_and_small(a: float) -> None:
    high, low = halves(a)
    assert abs(high) <= 2**52
    assert abs(low) <= 2**24
    assert a != int(a) or abs(a) >= 2**40 or low == 0


def test_terms_are_equal_for_equal_scalars_only() -> None:
    def token(value: object) -> tuple[str, object]:
        if isinstance(value, datetime):
            value = micros(value)
        return ("bool" if isinstance(value, bool) else "str" if isinstance(value, str) else "number", value)

    for a in SCALARS:
        for b in SCALARS:
            assert (scalar_term(["k"], a) == scalar_term(["k"], b)) == (token(a) == token(b)), (a, b)


def test_no_key_or_value_can_be_taken_for_another() -> None:
    terms = [
        term
        for metadata in (
            {"a": "b"}, {"a": ["b"]}, {"a": {"b": "c"}}, {"a.b": "c"}, {"a": '["sb'}, {"a": "x" * 65},
            {"a": ["x" * 65]}, {"a": "S" + "x" * 32},
        )
        for term in encode_payload("i", None, metadata, {})["terms"]
        if '"' in term
    ]  # fmt: skip
    assert len(set(terms)) == len(terms)


def _through_json(payload: dict[str, object]) -> dict[str, object]:
    """As a JSON parser leaves it that is wrong in the last place where a float's digits are no exact float64."""

    def parse(text: str) -> float:
        value = float(text)
        if int(text.replace(".", "").split("e")[0]) < 2**53:
            return value
        return struct.unpack("<d", struct.pack("<q", struct.unpack("<q", struct.pack("<d", value))[0] ^ 1))[0]

    found: dict[str, object] = json.loads(json.dumps(payload), parse_float=parse)
    return found


def test_metadata_comes_back_through_an_inexact_parser() -> None:
    for value in [
        *SCALARS,
        *LISTS,
        8765432109876540.0,
        1.5e16,
        {"a": {"b": 0.1 + 0.2, "t": datetime(2024, 1, 1, tzinfo=UTC)}},
        {},
    ]:
        metadata = {"k": value, "other": 1}
        back = decode_metadata(_through_json(encode_payload("i", None, metadata, {})))
        assert back == metadata
        assert list(back) == ["k", "other"]
        if not isinstance(value, datetime | list):
            assert repr(back["k"]) == repr(value)


def test_other_clients_read_plain_json() -> None:
    metadata = {"n": 1, "t": datetime(2024, 2, 29, tzinfo=UTC), "l": ["a"]}
    payload = encode_payload("i", "text", metadata, {})
    assert payload["metadata"] == {"n": 1, "t": "2024-02-29T00:00:00Z", "l": ["a"]}
    assert (payload["id"], payload["document"]) == ("i", "text")


def test_an_update_changes_what_it_names_and_makes_the_terms_anew() -> None:
    old = encode_payload("i", "text", {"a": 1, "b": 2}, {"": 2.0, "image": 4.0})
    new = changed(old, Records(["i"], None, None, [{"a": None, "c": 3}]), 0, replace_metadata=False, lengths={})
    assert (new["metadata"], new["document"], new["norm"]) == ({"b": 2, "c": 3}, "text", 2.0)
    assert new["norms"] == {"image": 4.0}
    assert set(new["terms"]) == {'b"n2', 'c"n3'}
    assert set(new["high"]) == {"b", "c"}
    gone = changed(old, Records(["i"], None, [None], None), 0, replace_metadata=False, lengths={"": 5.0})
    assert "document" not in gone
    assert gone["norm"] == 5.0
    assert merged({"a": 1}, {"a": None}) == {}


def test_cosine_vectors_come_back_with_their_length() -> None:
    vectors = np.array([[3e-14, 4e-14], [3e14, -4e14]], dtype=np.float32)
    info = CollectionInfo(name="c", dimension=2, metric=Metric.COSINE, index=HNSW())
    points = to_points(Records(["a", "b"], vectors), ["1", "2"], info)
    np.testing.assert_allclose(np.linalg.norm(dense(points.vectors[""]), axis=1), 1, rtol=1e-6)
    found = Found(points.payloads, read_columns(info, [""], dense(points.vectors[""]).tolist()))
    back = to_records(found, Include(vectors=True), info)
    assert back.ids == ["a", "b"]
    assert back.vectors is not None
    np.testing.assert_allclose(back.vectors, vectors, rtol=1e-6)


def test_parts_are_bounded_by_bytes() -> None:
    payloads: list[Payload] = [{"d": "x" * size} for size in (10, 10, 5000, 10, 10)]
    sizes = weights(Points(list("abcde"), {}, payloads))
    assert split(sizes, 4000) == [slice(0, 2), slice(2, 3), slice(3, 5)]
    assert split(sizes, 10**9) == [slice(0, 5)]
    assert split(sizes, 1) == [slice(n, n + 1) for n in range(5)]


def test_a_long_sparse_vector_weighs_as_much_as_its_json() -> None:
    column = SparseArray.stack([SparseVector(np.arange(1000, dtype=np.uint32), np.ones(1000, np.float32) / 3), None])
    long, absent = weights(Points(["a", "b"], {"terms": column}, [{}, {}]))
    text = json.dumps({"indices": column[0].indices.tolist(), "values": column[0].values.tolist()})
    assert absent < 100
    assert len(text) < long < 3 * len(text)
