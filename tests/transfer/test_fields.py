"""A copy carries the named fields of a collection, or names the loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.transfer.faulty import Lasting, faulty_store, many, refusing, target_in
from vstore import (
    HNSW,
    Collection,
    Dense,
    Flat,
    IVFFlat,
    Mismatch,
    Record,
    Records,
    Sparse,
    SparseArray,
    Store,
    Unsupported,
    connect,
)
from vstore.capabilities import no
from vstore.columns import dense, present
from vstore.conformance.fixtures import clause
from vstore.fields import Field
from vstore.memory.store import CAPABILITIES
from vstore.transfer import CollectionSource, LossKind, Status, VerifyMode, copy, verify
from vstore.transfer.dryrun import dry_run
from vstore.transfer.equality import digest_records

FIELDS: dict[str, Field] = {
    "image": Dense(3, "l2", index=HNSW(m=8), embedder="clip"),
    "sound": Dense(5, "dot", index=Flat()),
    "terms": Sparse(embedder="words"),
}

LIMITS = CAPABILITIES.limits


def fielded(n: int = 60) -> Records:
    """Records of which each lacks some of the fields."""
    rng = np.random.default_rng(n)
    image, sound = (rng.standard_normal((n, size), dtype=np.float32) for size in (3, 5))
    image[::4] = np.nan
    sound[::5] = np.nan
    terms = SparseArray.of([{place * 7 + j: rng.random() + 0.1 for j in range(place % 6)} for place in range(n)])
    return replace(many(n), fields={"image": image, "sound": sound, "terms": terms})


def filled(store: Store, records: Records, name: str = "docs", fields: Any = FIELDS, **settings: Any) -> Collection:
    dimension = None if records.vectors is None else records.vectors.shape[1]
    made = store.create_collection(name, dimension=dimension, metric="l2", fields=fields, **settings)
    made.upsert(records)
    return made


def source_of(records: Records, **settings: Any) -> CollectionSource:
    store = connect("memory:")
    return CollectionSource(store, filled(store, records, **settings), "memory:test#docs")


def held(store: Store, records: Records) -> Records:
    return store.get_collection("docs").get(records.ids)


@pytest.fixture
def store() -> Store:
    return connect("memory:")


@clause("MIG-4")
@pytest.mark.parametrize("unnamed", [True, False])
def test_fields_come_with_their_settings_and_vectors(store: Store, unnamed: bool) -> None:
    records = fielded() if unnamed else replace(fielded(), vectors=None)
    source = source_of(records)
    report = copy(source, target_in(store), chunk_rows=7, workers=2)
    assert (report.status, report.losses) == (Status.VERIFIED, [])
    assert held(store, records) == records
    info = store.get_collection("docs").info
    assert (info.fields, info.dimension) == (source.info.fields, source.info.dimension)
    assert report.verification is not None
    assert report.digest == report.verification.digest == str(digest_records(records))
    assert report.verification.fields == {"image": 0, "sound": 0, "terms": 0}


@clause("MIG-2", "MIG-3")
@pytest.mark.parametrize(
    ("lacking", "left", "why"),
    [
        ({"sparse_vectors": no("it is old")}, ["image", "sound"], "'terms': the target does not take it: it is old"),
        ({"limits": replace(LIMITS, max_fields=2)}, ["image", "sound"], "'terms': the target takes 2 named fields"),
        ({"limits": replace(LIMITS, max_dimension=4)}, ["image", "terms"], "'sound': it has 5 dimensions"),
    ],
)
def test_a_field_that_the_target_does_not_take_is_a_named_loss(lacking: Any, left: list[str], why: str) -> None:
    records, poor = replace(fielded(), vectors=None), faulty_store(**lacking)
    source = source_of(records)
    plan = dry_run(source, target_in(poor))
    assert plan.plan is not None
    assert plan.plan["allowed_by"] == ["other-vectors"]
    assert plan.plan["fields"]["image"]["present"] == 45
    with pytest.raises(Unsupported, match=f"other-vectors: the field {why}"):
        copy(source, target_in(poor))
    assert poor.list_collections() == []
    report = copy(source, target_in(poor), allow=["other-vectors"])
    assert (report.status, [loss.kind for loss in report.losses]) == (Status.VERIFIED, [LossKind.VECTORS])
    kept = replace(records, fields={name: records.fields[name] for name in left})
    assert held(poor, records) == kept
    right = CollectionSource(poor, poor.get_collection("docs"))
    found = verify(source, right)
    assert (found.equal, found.differences, found.unequal) == (False, 0, ["other-vectors"])
    assert verify(source, right, allow=["other-vectors"]).equal


@clause("MIG-3")
def test_of_named_fields_only_one_must_be_taken() -> None:
    poor = faulty_store(
        named_vectors=no("no"), sparse_vectors=no("no"), limits=replace(CAPABILITIES.limits, max_fields=0)
    )
    with pytest.raises(Unsupported, match="none of the source's vectors"):
        copy(source_of(replace(fielded(), vectors=None)), target_in(poor), allow=["other-vectors"])
    assert copy(source_of(fielded()), target_in(poor), allow=["other-vectors"]).status is Status.VERIFIED


@clause("MIG-3")
def test_an_index_of_a_field_that_the_target_lacks_leaves_that_of_the_others() -> None:
    fields = {"image": Dense(3, "l2", index=IVFFlat(lists=4)), "sound": Dense(5, "dot", index=HNSW(m=9))}
    records = fielded()
    records = replace(records, fields={name: records.fields[name] for name in fields})
    source, poor = source_of(records, fields=fields, index=HNSW(m=7)), faulty_store(index_ivfflat=no("it has none"))
    with pytest.raises(Unsupported, match="index-change: the field 'image': the target has no the index IVFFlat"):
        copy(source, target_in(poor))
    assert dry_run(source, target_in(poor)).plan["allowed_by"] == ["index-change"]
    assert copy(source, target_in(poor), allow=["index-change"]).status is Status.VERIFIED
    info = poor.get_collection("docs").info
    assert (info.index, info.fields["sound"]) == (HNSW(m=7), fields["sound"])
    assert info.fields["image"] == Dense(3, "l2", index=Flat())


@clause("MIG-6")
def test_with_merge_fields_must_agree_or_be_named(store: Store) -> None:
    records = fielded()
    source = source_of(records)
    some = {"image": Dense(3, "l2", index=HNSW(m=9), embedder="clip"), "sound": FIELDS["sound"]}
    filled(store, many(3), fields=some)
    with pytest.raises(Unsupported) as raised:
        copy(source, target_in(store), if_exists="merge")
    assert "other-vectors: the existing target has no field 'terms'" in str(raised.value)
    assert "index-change: the field 'image': the source's index is" in str(raised.value)
    report = copy(source, target_in(store), if_exists="merge", allow=["other-vectors", "index-change"])
    assert report.status is Status.VERIFIED
    assert held(store, records) == replace(records, fields={name: records.fields[name] for name in some})
    other = connect("memory:")
    filled(other, many(3), fields={"image": Dense(4)})
    with pytest.raises(Mismatch, match=r"the target's field 'image' is Dense\(4\), that of the source Dense\(3\)"):
        copy(source, target_in(other), if_exists="merge", allow=["other-vectors"])
    report = copy(source, target_in(other), if_exists="replace")
    assert report.status is Status.VERIFIED
    assert held(other, records) == records


def image_moved(record: Record) -> Record:
    """Changes one field, drops one and leaves one as it is."""
    vector: Any = record.fields["image"]
    return replace(record, fields={**record.fields, "image": None if vector is None else vector * 2, "sound": None})


@clause("MIG-14")
def test_a_transform_gets_and_gives_fields(store: Store) -> None:
    records = fielded()
    assert copy(source_of(records), target_in(store), transform=image_moved).status is Status.VERIFIED
    found = held(store, records)
    np.testing.assert_array_equal(dense(found.fields["image"]), dense(records.fields["image"]) * 2)
    assert not present(found.fields["sound"]).any()
    assert found.fields["terms"] == records.fields["terms"]


@clause("MIG-14")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: replace(r, fields={"images": None}), "the field 'images', which the source has not"),
        (lambda r: replace(r, fields={"image": [1.0, 2.0]}), "gave 'image' of the record 'id-000000' no vector of 3"),
        (lambda r: replace(r, fields={"terms": {1: -1.0}}), "values"),
    ],
)
def test_what_a_transform_gives_must_fit(store: Store, change: Callable[[Record], Record], message: str) -> None:
    report = copy(source_of(fielded()), target_in(store), transform=change)
    assert report.status in (Status.FAILED, Status.INCOMPLETE)
    assert message in report.error


@clause("MIG-19")
@pytest.mark.parametrize("mode", [VerifyMode.FULL, VerifyMode.SAMPLE])
@pytest.mark.parametrize(
    ("name", "vector"),
    [
        ("image", None),
        ("image", np.array([1, 2, 3], np.float32)),
        ("terms", None),
        ("terms", {5: 1.0}),
    ],
)
def test_one_vector_that_differs_is_found(store: Store, mode: VerifyMode, name: str, vector: Any) -> None:
    records = fielded()
    source = source_of(records)
    copy(source, target_in(store)).check()
    changed = store.get_collection("docs")
    changed.update(ids=["id-000011"], fields={name: [vector]})
    found = verify(source, CollectionSource(store, changed), mode=mode)
    assert (found.equal, found.differences, found.fields[name], found.examples) == (False, 1, 1, ["id-000011"])
    assert f"1 with other vectors of {name!r}" in found.lines()


@clause("MIG-19")
def test_the_last_bit_of_a_sparse_value_counts(store: Store) -> None:
    records = fielded()
    source = source_of(records)
    copy(source, target_in(store)).check()
    vector = records[11].fields["terms"]
    assert vector is not None
    values = vector.values.copy()
    values[-1] = np.nextafter(values[-1], np.float32(9))
    changed = store.get_collection("docs")
    changed.update(ids=["id-000011"], fields={"terms": [(vector.indices, values)]})
    assert verify(source, CollectionSource(store, changed)).fields["terms"] == 1


@clause("MIG-19")
def test_fields_of_other_metrics_or_dimensions_are_not_comparable(store: Store) -> None:
    left = source_of(fielded())
    for place, image in enumerate((Dense(4, "l2"), Dense(3, "dot"))):
        made = store.create_collection(f"other{place}", dimension=8, metric="l2", fields={**FIELDS, "image": image})
        found = verify(left, CollectionSource(store, made))
        assert not found.comparable
        assert [line for line in found.settings if line.startswith("the field 'image' is")]


@clause("MIG-12")
def test_a_rejected_record_is_kept_with_its_fields(tmp_path: Path) -> None:
    records = fielded()
    strict = faulty_store(on_upsert=refusing("id-000011"))
    file = tmp_path / "rejected.jsonl"
    report = copy(source_of(records), target_in(strict), max_errors=1, rejected_file=file)
    assert report.status is Status.REJECTED
    [line] = file.read_text().splitlines()
    kept = json.loads(line)["record"]["fields"]
    assert SparseArray.of([(kept["terms"]["indices"], kept["terms"]["values"])])[0].to_dict() == (
        records.fields["terms"][11].to_dict()
    )
    assert np.array(kept["image"], np.float32).tolist() == dense(records.fields["image"])[11].tolist()


@clause("MIG-17")
def test_a_resume_refuses_a_target_with_other_fields(tmp_path: Path, store: Store) -> None:
    class Failing(Exception):
        pass

    records = fielded()
    source = source_of(records)
    target = Lasting(store, "docs")
    seen = 0

    def stop(progress: Any) -> None:
        nonlocal seen
        seen += progress.phase == "copy" and progress.fresh > 0
        if seen == 2:
            raise KeyboardInterrupt

    report = copy(source, target, chunk_rows=10, state=tmp_path, on_progress=stop)
    assert report.status is Status.INCOMPLETE
    store.delete_collection("docs")
    filled(store, many(40), fields={"image": Dense(4)})
    with pytest.raises(Mismatch, match="which it no longer has"):
        copy(source, target, chunk_rows=10, state=tmp_path)


def test_the_digest_of_records_tells_fields_apart() -> None:
    one = Records(["a"], None, [None], [{}])
    image = np.array([[1, 2]], np.float32)
    terms = SparseArray.of([{1: 2.0}])
    different = [
        one,
        replace(one, vectors=image),
        replace(one, fields={"image": image}),
        replace(one, fields={"sound": image}),
        replace(one, fields={"image": terms}),
        replace(one, fields={"image": image, "terms": terms}),
        replace(one, vectors=image, fields={"image": image}),
    ]
    assert len({str(digest_records(records)) for records in different}) == len(different)
    absent = replace(one, fields={"image": np.full((1, 2), np.nan, np.float32), "terms": SparseArray.empty(1)})
    assert digest_records(absent) == digest_records(one)
    reordered = replace(one, fields={"terms": terms, "image": image})
    assert digest_records(reordered) == digest_records(different[5])
