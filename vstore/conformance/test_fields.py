"""Named fields: FLD-1 and FLD-2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vstore import (
    AlreadyExists,
    Dense,
    F,
    InvalidInput,
    LimitExceeded,
    Mismatch,
    Record,
    Sparse,
    Store,
    Unsupported,
)
from vstore.conformance.checks import assert_hits, close, names, raises, refusing, rows, unchanged
from vstore.conformance.corpus import unique_name
from vstore.conformance.fixtures import New, Supports, clause
from vstore.fields import MAX_FIELDS
from vstore.indexing import Metric
from vstore.records import Records

FIELDS = {"image": Dense(3, "l2"), "title": Dense(5, "dot")}
NAN = float("nan")


def _shape(fields: Any) -> dict[str, Any]:
    return {name: (field.dimension, field.metric) for name, field in fields.items()}


@clause("FLD-1", "CAP-2", "COL-4")
def test_named_fields_are_kept_or_refused(store: Store, new: New, supports: Supports) -> None:
    if not supports("named_vectors"):
        before, name = store.list_collections(), unique_name()
        with raises(Unsupported):
            store.create_collection(name, dimension=4, fields=FIELDS)
        assert store.list_collections() == before
        return
    c = new(4, "cosine", fields=FIELDS)
    for info in (c.info, store.get_collection(c.name).info):
        assert _shape(info.fields) == {"image": (3, Metric.L2), "title": (5, Metric.DOT)}
        assert list(info.fields) == ["image", "title"], "the order of the fields is that in which they were given"
        assert all(isinstance(field, Dense) and field.index is not None for field in info.fields.values())
        assert (info.dimension, info.metric) == (4, Metric.COSINE)
    again = store.create_collection(c.name, dimension=4, fields=FIELDS, exist_ok=True)
    assert again.info == c.info
    for other in (None, {"image": FIELDS["image"]}, FIELDS | {"image": Dense(4, "l2")}, FIELDS | {"title": Dense(5)}):
        with raises(Mismatch):
            store.create_collection(c.name, dimension=4, fields=other, exist_ok=True)
    with raises(AlreadyExists):
        store.create_collection(c.name, dimension=4, fields=FIELDS)
    if store.capabilities.rename:
        renamed = unique_name()
        c.add(["a"], [[1, 2, 3, 4]], fields={"image": [[1, 2, 3]]})
        held = c.get(["a"])
        c.rename(renamed)
        assert c.get(["a"]) == held
        assert store.get_collection(renamed).info.fields == c.info.fields


@clause("FLD-1", "COL-1")
def test_names_and_kinds_of_fields(store: Store, supports: Supports) -> None:
    before = store.list_collections()
    wrong_names: list[Any] = [
        "",
        "1a",
        "a b",
        "a.b",
        "é",
        "a" * 49,
        "_a",
        "vector",
        "vectors",
        "documents",
        "sparse",
        3,
    ]
    for name in wrong_names:
        with raises(InvalidInput):
            store.create_collection(unique_name(), dimension=4, fields={name: Dense(3)})
    wrong: list[Any] = [[], "image", {"image": 3}, {"image": None}, {"image": Dense}]
    for fields in wrong:
        with raises(InvalidInput):
            store.create_collection(unique_name(), dimension=4, fields=fields)
    with raises(InvalidInput):
        store.create_collection(unique_name())
    many = {f"f{place}": Dense(2) for place in range(MAX_FIELDS + 1)}
    with raises(InvalidInput):
        store.create_collection(unique_name(), dimension=4, fields=many)
    if supports("named_vectors"):
        limits = store.capabilities.limits
        with raises(LimitExceeded):
            store.create_collection(unique_name(), fields={"image": Dense(limits.max_dimension + 1)})
        if limits.max_fields < MAX_FIELDS:
            with raises(LimitExceeded):
                fields = dict(list(many.items())[: limits.max_fields + 1])
                store.create_collection(unique_name(), dimension=4, fields=fields)
    assert store.list_collections() == before


def _same(found: Record, vector: Any, image: list[float] | None, title: list[float] | None) -> bool:
    have: list[Any] = [found.vector, found.fields["image"], found.fields["title"]]
    return [None if one is None else list(one) for one in have] == [vector, image, title]


@clause("FLD-2", "UPS-1", "UPD-1", "GET-1")
def test_a_record_may_lack_a_named_field(new: New, supports: Supports) -> None:
    if not supports("named_vectors"):
        return
    c = new(2, fields=FIELDS)
    image, title = [1.0, 0.0, -2.5], [0.5, 0.0, 0.0, 0.0, 3.0]
    ids = ["both", "image", "neither", "title"]
    vectors = [[1, 1], [2, 2], [3, 3], [4, 4]]
    c.add(ids, vectors, fields={"image": [image, image, None, None], "title": [title, None, None, title]})
    expected = {"both": (image, title), "image": (image, None), "neither": (None, None), "title": (None, title)}

    def check() -> None:
        found = c.get(ids)
        assert found.ids == ids
        scanned = Records.concat([page.records for page in c.scan(batch_size=3)]).ordered(ids)
        peeked = c.peek(4).ordered(ids)
        for records in (found, scanned, peeked):
            assert records == found
            record: Record
            for record, vector in zip(records, vectors, strict=True):
                assert _same(record, vector, *expected[record.id]), record
        image_column = found.fields["image"]
        assert isinstance(image_column, np.ndarray)
        assert np.isnan(image_column).any(axis=1).tolist() == [expected[name][0] is None for name in ids]

    check()
    c.update(["neither", "both"], fields={"image": [image, None]})
    expected |= {"neither": (image, None), "both": (None, title)}
    check()
    c.update(["image"], documents=["a text"], metadatas=[{"n": 1}])
    c.update(["image"], [[2, 5]])
    vectors[1] = [2, 5]
    check()
    assert (c.get(["image"]).documents, c.get(["image"]).metadatas) == (["a text"], [{"n": 1}])
    c.upsert(["image", "title"], [[2, 5], [4, 4]], fields={"title": [title, title]})
    expected |= {"image": (None, title), "title": (None, title)}
    check()
    c.upsert(["title"], [[4, 4]])
    expected["title"] = (None, None)
    check()
    c.update(ids, fields={"image": np.full((4, 3), NAN), "title": [None] * 4})
    expected = dict.fromkeys(ids, (None, None))
    check()
    c.add([], [], fields={"image": []})
    c.update([], fields={"title": []})
    check()


@clause("FLD-2", "VEC-3", "WR-2", "SCAN-1")
@pytest.mark.much
@pytest.mark.parametrize("metric", list(Metric))
def test_many_fields_come_back_equal(new: New, supports: Supports, metric: Metric) -> None:
    if not supports("named_vectors"):
        return
    number, dimension = 3000, 9
    c = new(2, fields={"a": Dense(dimension, metric), "b": Dense(1, "l2")})
    rng = np.random.default_rng(8)
    given = rng.normal(size=(number, dimension)).astype(np.float32)
    given[: number // 2] *= (10.0 ** rng.uniform(-12, 12, size=(number // 2, 1))).astype(np.float32)
    given[rng.random(number) < 0.3] = np.nan
    other = rng.normal(size=(number, 1)).astype(np.float32)
    other[::7] = np.nan
    ids = names(number)
    kept = given.copy()
    c.add(ids, rows(number, 2), fields={"a": given, "b": other})
    assert given.tobytes() == kept.tobytes()
    scanned = Records.concat([page.records for page in c.scan(batch_size=700)]).ordered(ids)
    for found in (c.get(ids), scanned):
        a, b = found.fields["a"], found.fields["b"]
        assert isinstance(a, np.ndarray)
        assert isinstance(b, np.ndarray)
        assert a.dtype == b.dtype == np.float32
        assert np.array_equal(np.isnan(a), np.isnan(given))
        if metric is Metric.COSINE:
            size = np.linalg.norm(given.astype(np.float64), axis=1, keepdims=True)
            assert (np.abs(a.astype(np.float64) - given)[~np.isnan(a)] <= (1e-6 * size + 0 * a)[~np.isnan(a)]).all()
        else:
            assert np.array_equal(a, given, equal_nan=True)
        assert np.array_equal(b, other, equal_nan=True)


@clause("FLD-2", "QRY-1", "QRY-2", "QRY-3", "QRY-4", "MET-1", "MET-2")
@pytest.mark.much
@pytest.mark.parametrize("metric", list(Metric))
def test_a_query_of_a_field_finds_the_records_that_have_it(new: New, supports: Supports, metric: Metric) -> None:
    if not supports("named_vectors"):
        return
    number, dimension = 400, 6
    c = new(2, fields={"other": Dense(3, "l2"), "image": Dense(dimension, metric)})
    vectors = rows(number, dimension, seed=3)
    there = [place for place in range(number) if place % 3]
    column = vectors.copy()
    column[::3] = np.nan
    metadatas = [{"n": place} for place in range(number)]
    c.add(names(number), rows(number, 2), metadatas=metadatas, fields={"image": column, "other": rows(number, 3)})
    records = Records(names(number), vectors, [None] * number, metadatas).take(there)
    for query in rows(4, dimension, seed=4):
        for k in (1, 20, number):
            hits = c.query({"image": query}, k=k, exact=True)
            assert_hits(hits, metric, query, records, k)
            assert hits.legs == {}
            assert_hits(c.query({"image": query}, k=k), metric, query, records, k, exact=False)
        few = records.take([place for place, n in enumerate(there) if n < 50])
        for exact in (True, False):
            hits = c.query({"image": query}, k=60, where=F("n") < 50, exact=exact, include=["image", "metadatas"])
            assert_hits(hits, metric, query, few, 60, exact=exact)
            assert hits.vectors is None
            assert hits.documents is None
            for hit in hits:
                assert hit.metadata == metadatas[int(hit.id[1:])]
                image = hit.fields["image"]
                assert isinstance(image, np.ndarray)
                np.testing.assert_allclose(image, vectors[int(hit.id[1:])], rtol=1e-5, atol=1e-6)
                assert list(hit.fields) == ["image"]
    many = c.query_many({"image": vectors[:5]}, k=3, exact=True)
    for query, hits in zip(vectors[:5], many, strict=True):
        assert_hits(hits, metric, query, records, 3)
    assert c.query_many({"image": []}, k=3) == []
    c.update(names(number), fields={"image": [None] * number})
    assert c.query({"image": vectors[0]}, exact=True).ids == []
    assert c.query({"image": vectors[0]}).ids == []
    assert len(c.query(rows(1, 2)[0], k=number, exact=True)) == number


@clause("FLD-2", "INC-1")
def test_include_names_fields(new: New, supports: Supports) -> None:
    if not supports("named_vectors"):
        return
    c = new(2, fields=FIELDS)
    c.add(["a"], [[1, 2]], fields={"image": [[1, 2, 3]]})
    for include, wanted in (
        ([], set()),
        (["vectors"], set()),
        (["fields"], {"image", "title"}),
        (["image"], {"image"}),
        (["documents", "title"], {"title"}),
        (["title", "image", "vectors"], {"image", "title"}),
    ):
        for records in (
            c.get(["a"], include=include),
            next(iter(c.scan(include=include))).records,
            c.query([1, 2], include=include).records,
            c.query({"image": [1, 2, 3]}, include=include).records,
        ):
            assert set(records.fields) == wanted
            assert (records.vectors is not None) == ("vectors" in include)
        assert set(c.get([], include=include).fields) == wanted
        assert set(c.get(["absent"], include=include).fields) == wanted
    refusing(InvalidInput, c, lambda: c.get(["a"], include=["imagee"]))
    refusing(InvalidInput, c, lambda: c.get(["a"], include=["sparse"]))


@clause("FLD-2", "VEC-1", "VEC-2")
def test_what_is_wrong_in_a_field_is_named_and_nothing_is_written(new: New, supports: Supports) -> None:
    if not supports("named_vectors"):
        return
    c = new(2, fields={"image": Dense(3, "cosine"), "title": Dense(5, "dot")})
    good = [1.0, 2.0, 3.0]
    c.add(["a"], [[1, 2]], fields={"image": [good]})
    wrong: list[Any] = [
        [1, 2],
        [1, 2, 3, 4],
        [1, NAN, 3],
        [1, float("inf"), 3],
        [0, 0, 0],
        [1e-20, 0, 0],
        [1e16, 0, 0],
        ["a", "b", "c"],
        "abc",
    ]
    for bad in wrong:
        for write in (c.add, c.upsert, c.update):
            error = refusing(
                InvalidInput,
                c,
                lambda write=write, bad=bad: write(["a", "b", "c"], [[1, 2]] * 3, fields={"image": [good, None, bad]}),  # type: ignore[misc]
            )
            assert "image[2]" in str(error), error
    columns: list[Any] = [
        {"image": [good]},
        {"imge": [good, good]},
        {"image": "ab"},
        {"image": 3},
        [good, good],
        "image",
    ]
    for fields in columns:
        refusing(InvalidInput, c, lambda fields=fields: c.upsert(["a", "b"], [[1, 2]] * 2, fields=fields))  # type: ignore[misc]
    refusing(InvalidInput, c, lambda: c.upsert(["a"], [[1, 2]], sparse=[{1: 1.0}]))
    for query in ({"image": [1, 2]}, {"image": [0, 0, 0]}, {"imge": good}, {}, {"image": "text"}, {"image": None}):
        refusing(InvalidInput, c, lambda query=query: c.query(query))  # type: ignore[misc]
    refusing(InvalidInput, c, lambda: c.query(sparse={1: 1.0}))


@clause("FLD-1", "FLD-2")
def test_a_collection_may_have_named_fields_only(store: Store, new: New, supports: Supports) -> None:
    if not supports("named_vectors"):
        return
    c = new(None, fields=FIELDS)  # type: ignore[arg-type]
    assert store.get_collection(c.name).info.dimension == 0
    c.add(["a", "b", "c"], documents=["x", None, None], fields={"image": [[1, 2, 3], [1, 2, 4], None]})
    found = c.get(["a", "b", "c"])
    assert found.vectors is None
    assert found.documents == ["x", None, None]
    assert [record.fields["image"] is None for record in found] == [False, False, True]
    assert sorted(record.id for page in c.scan() for record in page) == ["a", "b", "c"]
    assert c.query({"image": [1, 2, 4]}, k=5, exact=True).ids == ["b", "a"]
    assert c.count() == 3
    c.update(["c"], fields={"title": [[1, 0, 0, 0, 0]]})
    assert c.query({"title": [1, 0, 0, 0, 0]}, exact=True).ids == ["c"]
    for call in (
        lambda: c.query([1, 2, 3]),
        lambda: c.add(["d"], [[1, 2]]),
        lambda: c.query({"vector": [1, 2]}),
        lambda: c.query(text="x"),
    ):
        refusing(InvalidInput, c, call)
    with raises(InvalidInput):
        new(None, index=c.info.index, fields=FIELDS)  # type: ignore[arg-type]


class _Counting:
    """Embeds a text as its length and the number of its words."""

    dimension = 3

    def __init__(self, name: str, factor: float = 1.0) -> None:
        self.name, self.factor, self.calls = name, factor, 0

    def embed(self, texts: Any) -> Any:
        self.calls += 1
        return np.array([[self.factor * len(t), len(t.split()), 1] for t in texts], dtype=np.float32)


@clause("FLD-1", "FLD-2", "COL-4", "UPD-1")
def test_fields_have_embedders(store: Store, new: New, supports: Supports) -> None:
    if not supports("named_vectors"):
        return
    image, own = _Counting("counting"), _Counting("own", 2.0)
    c = new(3, fields={"image": Dense(3, "l2"), "title": Dense(5, "l2")}, embedder={"image": image, "vector": own})
    assert (c.info.embedder, c.info.fields["image"].embedder, c.info.fields["title"].embedder) == (
        "own",
        "counting",
        None,
    )
    c.add(["a", "b"], documents=["one", "two words"])
    assert c.get(["a", "b"]).fields["image"].tolist() == [[3, 1, 1], [9, 2, 1]]  # type: ignore[union-attr]
    c.add(["c"], [[1, 1, 1]], documents=[None])
    assert c.get(["c"])[0].fields == {"image": None, "title": None}
    c.add(["d"], documents=["four"], fields={"image": [[7, 7, 7]]})
    assert c.get(["d"]).fields["image"].tolist() == [[7, 7, 7]]  # type: ignore[union-attr]
    c.update(["d"], documents=["a new one"])
    assert c.get(["d"]).fields["image"].tolist() == [[9, 3, 1]]  # type: ignore[union-attr]
    assert c.query({"image": "two words"}, k=1, exact=True).ids == ["b"]
    assert close(c.query({"image": "two words"}, k=1).distances[0], 0.0, 1.0)
    bare = store.get_collection(c.name)
    refusing(InvalidInput, c, lambda: bare.update(["a"], [[1, 1, 1]], documents=["changed"]))
    refusing(InvalidInput, c, lambda: bare.query({"image": "one"}))
    only = store.get_collection(c.name, embedder={"image": image})
    only.update(["a"], [[1, 1, 1]], documents=[None])
    assert only.get(["a"])[0].fields["image"] is None
    for wrong in ({"image": own}, {"title": image}):
        with raises(Mismatch):
            store.get_collection(c.name, embedder=wrong)
    nothing: list[Any] = [{"imge": image}, {"image": 3}]
    for embedder in nothing:
        with raises(InvalidInput):
            store.get_collection(c.name, embedder=embedder)
    with unchanged(c), raises(InvalidInput):
        c.query(text="one")


@clause("FLD-1", "CAP-2")
def test_a_field_of_each_kind_beside_another(new: New, supports: Supports) -> None:
    if not (supports("named_vectors") and supports("sparse_vectors")):
        return
    c = new(2, fields={"image": Dense(3, "l2"), "terms": Sparse(), "title": Dense(2, "dot")})
    c.add(["a", "b"], [[1, 2]] * 2, fields={"image": [[1, 2, 3], None]}, sparse=[None, {7: 1.0}])
    found = c.get(["b", "a"])
    assert [record.fields["terms"] is None for record in found] == [False, True]
    assert [record.fields["image"] is None for record in found] == [True, False]
    assert list(found.fields) == ["image", "terms", "title"]
    assert c.query(sparse={7: 2.0}).ids == ["b"]
    assert c.query({"image": [0, 0, 0]}, exact=True).ids == ["a"]
    assert c.query([1, 2], k=5, exact=True).ids == ["a", "b"]
