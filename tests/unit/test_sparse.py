"""Sparse vectors: the forms that are taken, the column, its distances, and its packed form."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import InvalidInput, SparseArray, SparseVector
from vstore.columns import absent, present
from vstore.indexing import Metric
from vstore.records import Records
from vstore.sparse_input import MAX_INDEX
from vstore.spi import TopK, from_text, is_settled, pack_dense, pack_sparse, to_text, unpack_dense, unpack_sparse
from vstore.spi.scores import column_distances, float32_error, sparse_distances


def dicts(column: SparseArray) -> list[dict[int, float]]:
    return [row.to_dict() for row in column]


ROWS: list[Any] = [{7: 0.5, 1: 2}, {}, None, {3: 0.0, 4: 1.0}]
WANTED = [{1: 2.0, 7: 0.5}, {}, {}, {4: 1.0}]


def test_every_form_makes_the_same_column() -> None:
    scipy = pytest.importorskip("scipy.sparse")
    column = SparseArray.of(ROWS)
    assert dicts(column) == WANTED
    assert (column.indptr.dtype, column.indices.dtype, column.values.dtype) == (np.int64, np.uint32, np.float32)
    pairs = [([7, 1], [0.5, 2]), (np.array([], dtype=int), []), None, (np.array([3, 4]), np.array([0, 1]))]
    objects = [None if pair is None else SimpleNamespace(indices=pair[0], values=pair[1]) for pair in pairs]
    matrix = scipy.csr_array(([2, 0.5, 1], ([0, 0, 3], [1, 7, 4])), shape=(4, 9))
    for form in (pairs, objects, matrix, matrix.tocoo(), scipy.csc_matrix(matrix), column, iter(ROWS), list(column)):
        assert SparseArray.of(form) == column
    assert SparseArray.of(column.to_scipy()) == column
    assert column.to_scipy(20).shape == (4, 20)
    for one in ({7: 0.5, 1: 2}, ([7, 1], [0.5, 2]), SparseVector.of({1: 2, 7: 0.5}), column[:1], matrix[[0]]):
        assert SparseVector.of(one).to_dict() == WANTED[0]
    assert SparseArray.of([{np.int64(4): np.float32(1.5)}])[0].to_dict() == {4: 1.5}
    assert dicts(SparseArray.of([])) == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({-1: 1}, "an index outside"),
        ({MAX_INDEX + 1: 1}, "an index outside"),
        ({2**70: 1}, "no list of integers"),
        ({1.5: 1}, "integers"),
        ({True: 1}, "integers|bool"),
        ({"a": 1}, "integers"),
        ({1: True}, "numbers"),
        ({1: "x"}, "numbers"),
        ({1: -1}, "the value -1"),
        ({1: math.nan}, "NaN"),
        ({1: math.inf}, "NaN or inf"),
        ({1: 1e-16}, "outside"),
        ({1: 2e15}, "outside"),
        ({1: 1e300}, "outside"),
        (([1, 1], [1, 2]), "the index 1 twice"),
        (([5, 2, 5], [1, 0, 0]), "the index 5 twice"),
        (([1, 2], [1]), "2 indices and 1 values"),
        (([[1]], [[1]]), "list of"),
        ([1, 2, 3], "no sparse vector"),
        ("ab", "no sparse vector"),
        (3, "no sparse vector"),
    ],
)
def test_what_is_no_sparse_vector_is_named_by_its_row(row: Any, said: str) -> None:
    for rows in ([{1: 1}, row], [None, row, {2: 1}], [([3], [1.0]), row]):
        with pytest.raises(InvalidInput, match=said) as caught:
            SparseArray.of(rows)
        assert "rows[1]" in str(caught.value)
    with pytest.raises(InvalidInput):
        SparseVector.of(row)


def arrays(indices: list[int], values: list[float]) -> SparseVector:
    return SparseVector(np.array(indices, dtype=np.uint32), np.array(values, dtype=np.float32))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (arrays([3, 7], [1.0, 2.0]), {3: 1.0, 7: 2.0}),
        (arrays([7, 3], [1.0, 2.0]), {3: 2.0, 7: 1.0}),
        (arrays([3, 7], [0.0, 2.0]), {7: 2.0}),
        (arrays([], []), {}),
        (arrays(list(range(300)), [1.0] * 300), dict.fromkeys(range(300), 1.0)),
        (arrays([3, 3], [1.0, 2.0]), "the index 3 twice"),
        (arrays([MAX_INDEX + 1], [1.0]), "an index outside"),
        (arrays([3, 7], [1.0, math.nan]), "NaN"),
        (arrays([3, 7], [1.0, -2.0]), "the value -2"),
        (arrays([3, 7], [1.0, 2e15]), "outside"),
        (SparseVector(np.array([3], dtype=np.uint32), np.array([], dtype=np.float32)), "1 indices and 0 values"),
    ],
)
def test_a_vector_that_was_made_by_hand_is_checked_too(given: SparseVector, found: Any) -> None:
    if isinstance(found, dict):
        assert SparseVector.of(given).to_dict() == found
        return
    with pytest.raises(InvalidInput, match=found):
        SparseVector.of(given)


@pytest.mark.parametrize("given", [None, 3, "ab", b"ab", {1: 1.0}])
def test_what_is_no_column_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInput):
        SparseArray.of(given)


def test_a_broken_csr_is_refused() -> None:
    good = SparseArray.of([{1: 1.0, 2: 1.0}, {3: 1.0}])
    for indptr, indices, values in (
        ([0, 2], good.indices, good.values),
        ([0, 2, 4], good.indices, good.values),
        ([1, 2, 3], good.indices, good.values),
        ([0, 3, 2, 3], good.indices, good.values),
        ([], [], []),
        (good.indptr, good.indices[:2], good.values),
        (good.indptr, [1.0, 2.0, 3.0], good.values),
        (good.indptr, [1, 1, 3], good.values),
    ):
        with pytest.raises(InvalidInput):
            SparseArray.of(SparseArray(np.array(indptr), np.array(indices), np.array(values)))


def random_column(rng: random.Random, number: int, terms: int = 30) -> SparseArray:
    rows = [
        {index: rng.choice([0.25, 0.5, 1.0, rng.uniform(1e-3, 9)]) for index in rng.sample(range(terms), size)}
        for size in (rng.randint(0, 6) for _ in range(number))
    ]
    return SparseArray.of(rows)


def test_rows_slices_and_parts_are_those_of_a_list() -> None:
    rng = random.Random(3)
    column = random_column(rng, 40)
    rows = dicts(column)
    for _ in range(300):
        cut = slice(*(rng.choice([None, *range(-45, 45)]) for _ in range(2)), rng.choice([None, 1, 2, -1, -3]))
        assert dicts(column[cut]) == rows[cut], cut
        places = [rng.randrange(40) for _ in range(rng.randint(0, 9))]
        assert dicts(column.take(places)) == [rows[place] for place in places]
        at = sorted(rng.sample(range(41), 2))
        parts = [column[: at[0]], column[at[0] : at[1]], column[at[1] :]]
        assert SparseArray.concat(parts) == column
    assert column[-1].to_dict() == rows[-1]
    assert SparseArray.stack(list(column)) == column == SparseArray.stack([row if len(row) else None for row in column])
    assert SparseArray.concat([]) == SparseArray.empty() == SparseArray.stack([])
    with pytest.raises(IndexError):
        column[40]
    assert len(repr(column)) < 80
    assert len(repr(SparseVector.of(dict.fromkeys(range(5000), 1.0)))) < 120


def sum_in_order(query: dict[int, float], row: dict[int, float]) -> float:
    total = 0.0
    for index in sorted(query.keys() & row.keys()):
        total += query[index] * row[index]
    return total


def test_distances_are_sums_in_float64_by_ascending_index_bit_for_bit() -> None:
    rng = random.Random(5)
    for number, terms in ((0, 5), (1, 5), (60, 12), (60, 3000)):
        column = random_column(rng, number, max(terms, 6))
        many = {index: rng.uniform(1e-12, 1e12) for index in rng.sample(range(max(terms, 6)), min(terms, 400))}
        for query in (SparseVector.of(many), SparseVector.of({1: 1}), SparseVector.of({MAX_INDEX: 2.0})):
            found = sparse_distances(query, column)
            wanted = [0.0 - sum_in_order(query.to_dict(), row.to_dict()) for row in column]
            assert found.tolist() == wanted
            assert not np.signbit(found[found == 0]).any()
    long = SparseVector.of({index: rng.uniform(1e-12, 1e12) for index in range(4096)})
    assert sparse_distances(long, SparseArray.stack([long]))[0] == -sum_in_order(long.to_dict(), long.to_dict())


def test_the_smallest_products_count_and_the_largest_are_finite_in_float32() -> None:
    low, high = SparseVector.of({1: 1e-15}), SparseVector.of(dict.fromkeys(range(4096), 1e15))
    assert np.float32(low.values[0]) * np.float32(low.values[0]) > 0
    assert np.isfinite(np.dot(high.values, high.values))
    assert sparse_distances(low, SparseArray.stack([low]))[0] < 0


def test_absent_rows_match_nothing_and_are_no_candidates() -> None:
    dense = absent(3, 2)
    dense[1] = [3, 4]
    positions, distance = column_distances(Metric.L2, np.zeros(2, np.float32), dense)
    assert (positions.tolist(), distance.tolist()) == ([1], [5.0])
    assert present(dense).tolist() == [False, True, False]
    column = SparseArray.of([{1: 1.0}, None, {2: 1.0}])
    positions, distance = column_distances(Metric.DOT, SparseVector.of({2: 3.0}), column)
    assert (positions.tolist(), distance.tolist()) == ([2], [-3.0])
    assert present(column).tolist() == [True, False, True]


def test_the_running_top_k_takes_columns_in_parts() -> None:
    rng = random.Random(6)
    column = random_column(rng, 200)
    ids = [f"r{rng.randrange(10**6):06}-{place}" for place in range(200)]
    queries = SparseArray.of([{1: 1.0, 2: 0.5}, {29: 1.0}, {28: 1.0, 3: 0.25, 7: 0.25}])
    best = TopK(Metric.DOT, queries, 7, field="terms")
    for start in range(0, 200, 33):
        best.take(Records(ids[start : start + 33], fields={"terms": column[start : start + 33]}))
    whole = Records(ids)
    for query, hits in zip(queries, best.hits(whole), strict=True):
        scored = [(-sum_in_order(query.to_dict(), row.to_dict()), name) for row, name in zip(column, ids, strict=True)]
        wanted = sorted(pair for pair in scored if pair[0] < 0)[:7]
        assert list(zip(hits.distances.tolist(), hits.ids, strict=True)) == wanted


def test_candidates_settle_once_those_left_out_cannot_be_as_near() -> None:
    error = float32_error(10)
    distance = np.array([-9.0, -8.0, -7.0])
    assert is_settled(distance, 2, -7.0, error)
    assert not is_settled(distance, 3, -7.0, error)
    assert not is_settled(np.array([-9.0, -8.0, -8.0]), 2, -8.0, error)
    assert not is_settled(np.array([-9.0, -8.0, -8.0 * (1 - error / 2)]), 2, -8.0 * (1 - error / 2), error)
    assert not is_settled(distance[:1], 2, -9.0, error)


def test_packed_vectors_come_back_bit_for_bit() -> None:
    rng = np.random.default_rng(1)
    for column in (random_column(random.Random(9), 50), SparseArray.of([{0: 1e-15, MAX_INDEX: 1e15}])):
        for row in column:
            again = unpack_sparse(from_text(to_text(pack_sparse(row))))
            assert again == row
            assert (again.indices.dtype, again.values.dtype) == (np.uint32, np.float32)
    vector = rng.normal(size=33).astype(np.float32)
    vector[:2] = [np.float32(1e-42), -0.0]
    assert unpack_dense(from_text(to_text(pack_dense(vector))), 33).tobytes() == vector.tobytes()
    assert len(to_text(pack_sparse(SparseVector.of(dict.fromkeys(range(4096), 1.0))))) < 65_535


def test_packed_data_that_are_damaged_are_refused() -> None:
    whole = pack_sparse(SparseVector.of({3: 1.0, 9: 2.0}))
    swapped = whole[4:8] + whole[:4] + whole[8:]
    twice = whole[:4] * 2 + whole[8:]
    beyond = np.array([2**32 - 1], "<u4").tobytes() + np.array([1], "<f4").tobytes()
    values = [np.array([5], "<u4").tobytes() + np.array([v], "<f4").tobytes() for v in (0, -1, np.nan, np.inf, 1e20)]
    for data in (whole[:-1], whole[:-4], whole + b"x", swapped, twice, beyond, *values):
        with pytest.raises(ValueError, match=r"."):
            unpack_sparse(data)
    dense = pack_dense(np.ones(3, np.float32))
    for data in (dense[:-1], dense[:-4], dense + b"1234", dense[:8] + np.array([np.nan], "<f4").tobytes()):
        with pytest.raises(ValueError, match=r"."):
            unpack_dense(data, 3)
    for text in ("é", "AA\n==", "A", "AAAA*", " "):
        with pytest.raises(ValueError, match=r"."):
            from_text(text)


def test_a_column_of_one_vector_is_a_copy_as_of_several() -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", fields={"words": vstore.Sparse()})
        docs.add(["a"], fields={"words": [{1: 1.0}]})
        read, again = (docs.get(["a"], include=["fields"]).fields["words"] for _ in range(2))
        assert isinstance(read, SparseArray)
        assert isinstance(again, SparseArray)
        read.indices[0], read.values[0] = 7, 9.0
        assert dicts(again) == [{1: 1.0}]


@pytest.mark.parametrize("number", [3, 300])
def test_a_vector_that_was_checked_is_a_copy(number: int) -> None:
    given = SparseVector(np.arange(number, dtype=np.uint32), np.ones(number, dtype=np.float32))
    made = SparseVector.of(given)
    given.indices[0], given.values[0] = 1, 2.0
    assert (made.indices[0], made.values[0]) == (0, 1.0)
