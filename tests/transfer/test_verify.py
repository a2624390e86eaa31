"""What a comparison finds: points 19 to 22 of what moving data must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transfer.faulty import changing, faulty_store, filled, many, source_of, target_in
from vstore import HNSW, Collection, F, InvalidInput, Record, Records, Store, connect
from vstore.capabilities import Exactness, no
from vstore.conformance.corpus import records as corpus
from vstore.conformance.fixtures import clause
from vstore.indexing import Metric
from vstore.memory.store import CAPABILITIES
from vstore.transfer import CollectionSource, CollectionTarget, Status, VerifyMode, copy, verify
from vstore.transfer.equality import Digest, agreed, digest_ids, digest_records, same_vectors

N = 200


def lose(c: Collection) -> None:
    c.delete(ids=["id-000003"])


def add_another(c: Collection) -> None:
    c.upsert(["another"], np.ones((1, 8)))


def turn_a_bit(c: Collection) -> None:
    vector = c.get(["id-000003"]).vectors
    assert vector is not None
    vector.view(np.uint32)[0, 5] ^= 1
    c.update(["id-000003"], vectors=vector)


def int_to_float(c: Collection) -> None:
    c.update(["id-000003"], metadatas=[{"part": 0.0}])


def int_to_bool(c: Collection) -> None:
    c.update(["id-000003"], metadatas=[{"part": False}])


def int_to_text(c: Collection) -> None:
    c.update(["id-000003"], metadatas=[{"part": "0"}])


def drop_a_key(c: Collection) -> None:
    c.update(["id-000003"], metadatas=[{"weight": None}])


def add_a_key(c: Collection) -> None:
    c.update(["id-000003"], metadatas=[{"more": ""}])


def reorder_a_list(c: Collection) -> None:
    c.update(["id-000003"], metadatas=[{"tags": ["3", "a"]}])


def drop_a_document(c: Collection) -> None:
    c.update(["id-000003"], documents=[None])


def empty_a_document(c: Collection) -> None:
    c.update(["id-000004"], documents=[""])  # it had none


DAMAGES = [
    (lose, "missing"), (add_another, "extra"), (turn_a_bit, "vectors"), (int_to_float, "metadatas"),
    (int_to_bool, "metadatas"), (int_to_text, "metadatas"), (drop_a_key, "metadatas"), (add_a_key, "metadatas"),
    (reorder_a_list, "metadatas"), (drop_a_document, "documents"), (empty_a_document, "documents"),
]  # fmt: skip
COLUMNS = ("missing", "extra", "doubled", "vectors", "documents", "metadatas")


@clause("MIG-19")
@pytest.mark.parametrize("backends", ["exact", "by record"])
@pytest.mark.parametrize(("damage", "where"), DAMAGES)
def test_any_difference_is_found_and_named(damage: Callable[[Collection], None], where: str, backends: str) -> None:
    # under cosine this store promises no more than VEC-3: each record is compared, and only a bit may be off
    metric = "l2" if backends == "exact" else "cosine"
    store = faulty_store(cosine_exactness=Exactness.RELATIVE)
    made = filled(store, many(N), metric=metric)
    damage(made)
    found = verify(source_of(many(N), metric=metric), CollectionSource(store, made), queries=0)
    if damage is turn_a_bit and backends == "by record":
        assert found.equal
        assert not found.bitwise
        return
    assert not found.equal
    assert {name: getattr(found, name) for name in COLUMNS} == {name: int(name == where) for name in COLUMNS}
    named = {"extra": "another", "documents": "id-000004" if damage is empty_a_document else "id-000003"}
    assert found.examples == [named.get(where, "id-000003")]
    assert found.digest is None
    found = verify(CollectionSource(store, made), source_of(many(N), metric=metric), queries=0)
    assert not found.equal


@clause("MIG-19")
def test_neither_order_nor_the_sign_of_zero_is_a_difference() -> None:
    records = many(N)
    assert records.vectors is not None
    records.vectors[7] = 0.0
    records.metadatas[7]["weight"] = 0.0  # type: ignore[index]
    store = connect("memory:")
    turned = records.take(list(range(N))[::-1])
    assert turned.vectors is not None
    turned.vectors[N - 8] = -0.0
    turned.metadatas[N - 8] = dict(reversed({**turned.metadatas[N - 8], "weight": -0.0}.items()))  # type: ignore[index]
    found = verify(source_of(records), CollectionSource(store, filled(store, turned)))
    assert found.equal
    assert found.bitwise
    assert found.rows == (N, N)
    assert found.digest == str(digest_records(records))


@clause("MIG-19")
def test_another_dimension_or_metric_is_a_difference() -> None:
    for other in (source_of(many(N, dimension=4)), source_of(many(N), metric="cosine")):
        found = verify(source_of(many(N)), other)
        assert not found.equal
        assert not found.comparable
        assert len(found.settings) == 1
    found = verify(source_of(many(N)), source_of(many(N), index=HNSW(m=9), metadata={"n": 1}))
    assert found.equal
    assert len(found.settings) == 2


def a_flipped_bit(record: Record) -> list[Record]:
    assert record.vector is not None
    vector = record.vector.copy()
    vector.view(np.uint32)[0] ^= 1
    return [replace(record, vector=vector)]


def another_type(record: Record) -> list[Record]:
    assert record.metadata is not None
    return [replace(record, metadata={"part": float(record.metadata["part"])})]


FAULTS = [
    (lambda _: [], "missing"),
    (a_flipped_bit, "vectors"),
    (another_type, "metadatas"),
    (lambda record: [replace(record, document=None)], "documents"),
    (lambda record: [record, replace(record, id="id-0twice")], "extra"),
]


def _spoiled(n: int, metric: str, fault: Callable[[Record], list[Record]], where: str) -> None:
    store = faulty_store(on_upsert=changing("id-001313", fault))
    report = copy(source_of(many(n, dimension=4, light=True), metric=metric), target_in(store), queries=0)
    assert report.status is Status.DIFFERENT
    assert report.exit_code == 3
    assert report.copied == n  # so the target has said
    found = report.verification
    assert found is not None
    assert {name: getattr(found, name) for name in COLUMNS} == {name: int(name == where) for name in COLUMNS}
    assert found.examples == ["id-0twice" if where == "extra" else "id-001313"]


@clause("MIG-19")
@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize(("fault", "where"), FAULTS)
def test_a_target_that_spoils_one_record_is_found_out(
    fault: Callable[[Record], list[Record]], where: str, metric: str
) -> None:
    _spoiled(2_000, metric, fault, where)


@clause("MIG-19")
@pytest.mark.parametrize(("fault", "where"), [FAULTS[0], FAULTS[2], FAULTS[4]])
def test_one_wrong_record_in_20000_is_found(fault: Callable[[Record], list[Record]], where: str) -> None:
    _spoiled(20_000, "l2", fault, where)


@clause("MIG-19")
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_target_that_stores_a_row_twice_is_found_out(metric: str) -> None:
    store = faulty_store(on_scan=changing("id-001313", lambda record: [record, record]))
    report = copy(source_of(many(2_000), metric=metric), target_in(store), queries=0)
    assert report.status is Status.DIFFERENT
    assert report.verification is not None
    assert report.verification.doubled == 1
    assert report.verification.examples == ["id-001313"]


@clause("MIG-20")
@pytest.mark.parametrize(
    ("left", "right", "metric", "expected"),
    [
        (Exactness.ULP, Exactness.RELATIVE, Metric.L2, Exactness.BITS),
        (Exactness.ULP, Exactness.RELATIVE, Metric.DOT, Exactness.BITS),
        (Exactness.BITS, Exactness.BITS, Metric.COSINE, Exactness.BITS),
        (Exactness.BITS, Exactness.ULP, Metric.COSINE, Exactness.ULP),
        (Exactness.ULP, Exactness.RELATIVE, Metric.COSINE, Exactness.RELATIVE),
        (Exactness.BITS, Exactness.RELATIVE, Metric.COSINE, Exactness.RELATIVE),
    ],
)
def test_vectors_are_compared_by_the_looser_class(
    left: Exactness, right: Exactness, metric: Metric, expected: Exactness
) -> None:
    assert agreed(left, right, metric) is expected
    assert agreed(right, left, metric) is expected


@clause("MIG-20")
def test_the_classes_measure_what_they_say() -> None:
    one = np.array([[1.0, -3.0, 0.0, 1e-30]], dtype=np.float32)
    steps = {n: one.copy() for n in (1, 2, 3)}
    for n, changed in steps.items():
        for _ in range(n):
            changed[0, 1] = np.nextafter(changed[0, 1], np.float32(0))
    assert not same_vectors(one, steps[1], Exactness.BITS)[0]
    assert same_vectors(one, steps[2], Exactness.ULP)[0]
    assert not same_vectors(one, steps[3], Exactness.ULP)[0]
    assert same_vectors(one, steps[3], Exactness.RELATIVE)[0]
    assert not same_vectors(one, one * np.float32(1.00001), Exactness.RELATIVE)[0]
    tiny = np.array([[np.float32(1e-45), 1.0]], dtype=np.float32)
    assert same_vectors(tiny, tiny * np.array([[-1, 1]], dtype=np.float32), Exactness.ULP)[0]  # two steps across zero
    for exactness in Exactness:
        assert same_vectors(one, one * np.array([[1, 1, -1, 1]], dtype=np.float32), exactness)[0]


@clause("MIG-20")
@pytest.mark.parametrize("scheme", ["memory", "chroma", "qdrant", "milvus", "pgvector"])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_each_database_keeps_its_class_and_the_report_names_it(scheme: str, metric: str, tmp_path: Path) -> None:
    url = "memory:" if scheme == "memory" else f"{scheme}:{tmp_path / 'data.db'}"
    rng = np.random.default_rng(20)
    vectors = rng.standard_normal((500, 48), dtype=np.float32) * rng.uniform(1e-6, 1e6, (500, 1)).astype(np.float32)
    source = source_of(Records([f"v{n}" for n in range(500)], vectors), metric=metric)
    with connect(url) as store:
        declared = store.capabilities.cosine_exactness
        report = copy(source, target_in(store), queries=3)
    found = report.verification
    assert report.status is Status.VERIFIED
    assert found is not None
    assert found.exactness == agreed(Exactness.BITS, declared, Metric(metric)).value
    if metric == "l2" or scheme in ("memory", "milvus", "pgvector"):
        assert found.exactness == "bit for bit"
        assert found.bitwise
        assert found.digest == report.digest


@clause("MIG-21")
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_digest_sees_every_change_and_no_order(data: st.DataObject) -> None:
    records = corpus(CAPABILITIES)
    whole = digest_records(records)
    order = data.draw(st.permutations(range(len(records))))
    cut = data.draw(st.integers(0, len(records)))
    shuffled = records.take(order)
    assert digest_records(shuffled[:cut]) + digest_records(shuffled[cut:]) == whole
    assert Digest.parse(whole.rows, str(whole)) == whole
    place = data.draw(st.integers(0, len(records) - 1))
    rest = [n for n in range(len(records)) if n != place]
    assert digest_records(records.take(rest)) != whole
    assert digest_records(records.take([*rest, place, place])) != whole
    other = data.draw(st.sampled_from(rest))
    if records.metadatas is not None and records.metadatas[place] != records.metadatas[other]:
        swapped = list(records.metadatas)
        swapped[place], swapped[other] = swapped[other], swapped[place]
        assert digest_records(replace(records, metadatas=swapped)) != whole


@clause("MIG-21")
def test_no_two_parts_of_a_record_run_together() -> None:
    vector = np.zeros((1, 1), dtype=np.float32)
    seen = {
        str(digest_records(Records([i], vector, [d], [m])))
        for i, d, m in [("a", "b", {}), ("ab", "", {}), ("ab", None, {}), ("a", None, {"b": ""}), ("a", "b{}", {})]
    }
    assert len(seen) == 5
    assert digest_ids(["ab", "c"]) != digest_ids(["a", "bc"])


@clause("MIG-21")
def test_a_sample_compares_all_ids_and_says_what_it_is_worth() -> None:
    store = connect("memory:")
    made = filled(store, many(5_000))
    source = source_of(many(5_000))
    found = verify(source, CollectionSource(store, made), mode=VerifyMode.SAMPLE, sample=300, queries=0)
    assert found.equal
    assert found.compared == 300
    assert "had 0.99% of all" in found.confidence  # 1 - 0.05 ** (1 / 300)
    assert "300 of 5,000" in found.confidence
    assert found.digest is None
    made.delete(ids=["id-004321"])
    made.upsert(["zz"], np.ones((1, 8)))
    found = verify(source, CollectionSource(store, made), mode=VerifyMode.SAMPLE, sample=300, queries=0)
    assert (found.missing, found.extra) == (1, 1)
    assert sorted(found.examples) == ["id-004321", "zz"]


@clause("MIG-21")
def test_a_sample_of_all_records_finds_all() -> None:
    store = connect("memory:")
    made = filled(store, replace(many(500), documents=["other"] * 500))
    found = verify(source_of(many(500)), CollectionSource(store, made), mode=VerifyMode.SAMPLE, sample=20, queries=0)
    assert found.documents == 20
    found = verify(source_of(many(500)), CollectionSource(store, made), mode=VerifyMode.SAMPLE, sample=999, queries=0)
    assert found.documents == 500
    assert found.confidence == "every record was compared"
    with pytest.raises(InvalidInput):
        verify(source_of(many(5)), CollectionSource(store, made), mode=VerifyMode.NONE)


@clause("MIG-21")
def test_the_digest_of_what_was_sent_is_that_of_what_is_there() -> None:
    report = copy(source_of(many(300)), target_in(connect("memory:")), chunk_rows=17, workers=3)
    assert report.verification is not None
    assert report.digest == report.verification.digest == str(digest_records(many(300)))


@clause("MIG-22")
def test_both_sides_find_the_same_with_and_without_a_filter(tmp_path: Path) -> None:
    with connect(f"chroma:{tmp_path / 'data'}") as store:
        report = copy(source_of(many(400)), target_in(store), queries=7)
    assert report.status is Status.VERIFIED
    assert report.verification is not None
    search_agreement = report.verification.search_agreement
    assert search_agreement is not None
    assert (search_agreement.queries, search_agreement.k, search_agreement.exact_disagreements) == (7, 10, 0)
    assert search_agreement.filter is not None
    assert set(search_agreement.recall) == {"left", "right", "left, filtered", "right, filtered"}
    assert search_agreement.recall["left"] == 1.0
    assert all(share is not None and 0.5 < share <= 1.0 for share in search_agreement.recall.values())


@clause("MIG-22")
def test_ties_are_no_disagreement() -> None:
    vectors = np.ones((50, 4), dtype=np.float32)
    found = verify(
        source_of(Records([f"a{n}" for n in range(50)], vectors)),
        source_of(Records([f"a{n}" for n in range(50)], vectors)),
    )
    assert found.search_agreement is not None
    assert found.search_agreement.exact_disagreements == 0


@clause("MIG-22")
def test_a_database_that_finds_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    store: Store = faulty_store()
    made = filled(store, many(100))
    kind: Any = type(made._adapter)
    query = kind.query

    def shifted(self: Any, vectors: Any, *rest: Any, **more: Any) -> Any:
        return query(self, vectors + 1, *rest, **more)

    monkeypatch.setattr(kind, "query", shifted)
    found = verify(source_of(many(100)), CollectionSource(store, made))
    assert not found.differences
    assert found.search_agreement is not None
    assert found.search_agreement.exact_disagreements > 0
    assert not found.equal


@clause("MIG-22")
def test_a_database_that_cannot_answer_exactly_is_not_asked() -> None:
    store = faulty_store(exact_query=no("not here"))
    assert verify(source_of(many(100)), CollectionSource(store, filled(store, many(100)))).search_agreement is None


@clause("MIG-22")
def test_where_the_right_holds_other_things_nothing_is_asked() -> None:
    store = connect("memory:")
    filled(store, many(10))
    report = copy(source_of(many(100)), CollectionTarget(store, "docs"), if_exists="merge", where=F("part") == 1)
    assert report.verification is not None
    assert report.verification.search_agreement is None
