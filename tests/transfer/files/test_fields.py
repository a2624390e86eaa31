"""Named fields in files: every encoding brings them back bit for bit, and refuses what no field holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vstore
from tests.transfer.files.data import (
    FORMS,
    INFO,
    NOWHERE,
    RECORDS,
    assert_same,
    at,
    everything,
    export,
    names,
    no_refusal,
)
from vstore import HNSW, CollectionInfo, Dense, Flat, InvalidInput, Mismatch, NotFound, Records, Sparse, SparseArray
from vstore.columns import Column, absent
from vstore.conformance.fixtures import clause
from vstore.errors import LimitExceeded
from vstore.fields import Field
from vstore.transfer import CollectionSource, CollectionTarget, Status, copy, verify
from vstore.transfer.files import FileTarget, data_set_path, open_data_set, read_manifest

pytestmark = clause("MIG-4", "MIG-19", "MIG-23")

FIELDS: dict[str, Field] = {
    "terms": Sparse(embedder="words"),
    "image": Dense(3, "cosine", index=HNSW(m=5), embedder="clip"),
    "sound": Dense(1, "dot", index=Flat()),
    "nothing": Dense(7, "l2", index=Flat()),
    "empty": Sparse(),
}
WITH = replace(INFO, fields=FIELDS)
ONLY = replace(INFO, dimension=0, fields=FIELDS)


def fielded(n: int = 90) -> Records:
    """Records of which each lacks some of the fields, and all lack two; the numbers are odd ones."""
    rng = np.random.default_rng(7)
    image = rng.normal(size=(n, 3)).astype(np.float32)
    image[2] = [-0.0, 1e-40, 3.4e14]
    image[::4] = np.nan
    sound = rng.normal(size=(n, 1)).astype(np.float32)
    sound[1::3] = np.nan
    rows = [
        {
            int(index): float(value)
            for index, value in zip(rng.integers(0, 2**32 - 2, k), rng.random(k) + 1e-6, strict=True)
        }
        for k in rng.integers(0, 9, n)
    ]
    rows[3] = {0: 1e-15, 2**32 - 3: 1e15, 7: 0.1}
    fields: dict[str, Column] = {
        "terms": SparseArray.of(rows),
        "image": image,
        "sound": sound,
        "nothing": absent(n, 7),
        "empty": absent(n, None),
    }
    return replace(RECORDS[:n], fields=fields)


FULL = fielded()
BARE = replace(FULL, vectors=None)
KINDS = {"beside the vector": (WITH, FULL), "instead of it": (ONLY, BARE)}


def assert_same_fields(found: Records, wanted: Records) -> None:
    assert found == wanted
    assert list(found.fields) == list(wanted.fields)
    for name, column in wanted.fields.items():
        other = found.fields[name]
        if isinstance(column, SparseArray):
            assert isinstance(other, SparseArray)
            assert [other.indices.dtype, other.values.dtype] == [np.uint32, np.float32]
            assert other.values.tobytes() == column.values.tobytes()
        else:
            assert isinstance(other, np.ndarray)
            assert other.dtype == np.float32
            assert np.nan_to_num(other, nan=9).tobytes() == np.nan_to_num(column, nan=9).tobytes()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_fields_come_back_bit_for_bit(kind: str, form: str, tmp_path: Path) -> None:
    info, records = KINDS[kind]
    path = at(tmp_path, form)
    export(path, records, info, size=40)
    source = open_data_set(path)
    assert source.info == info
    assert source.omissions() == []
    assert_same_fields(everything(source, batch_size=33), records)
    wanted = [records.ids[place] for place in (70, 3, 2, 41)]
    assert_same_fields(source.get(wanted), records.ordered(wanted))
    assert source.get(["nowhere"]).fields.keys() == FIELDS.keys()
    part = source.get(wanted, include=["terms", "documents"])  # type: ignore[list-item]
    assert (part.vectors, part.metadatas, list(part.fields)) == (None, None, ["terms"])
    assert part.sparse == records.ordered(wanted).fields["terms"]
    assert next(source.scan(include=["metadatas"])).records.fields == {}
    assert source.count({"part": "x"}) == sum((one or {}).get("part") == "x" for one in records.metadatas or [])
    export_of_none = at(tmp_path / "none", form)
    export(export_of_none, records[:0], info)
    assert open_data_set(export_of_none).info == info


@pytest.mark.parametrize("form", ["parquet:set", "set.arrow", "set.jsonl", "npy:set"])
@pytest.mark.parametrize("kind", KINDS)
def test_from_a_store_to_files_to_another_store(kind: str, form: str, tmp_path: Path) -> None:
    info, records = KINDS[kind]
    with vstore.connect("memory:") as store, vstore.connect("memory:") as other:
        made = store.create_collection(
            "docs",
            dimension=info.dimension or None,
            metric=info.metric,
            index=info.index if info.dimension else None,
            fields=FIELDS,
        )
        made.add(records)
        source = CollectionSource(store, made, "memory:#docs")
        out = copy(source, FileTarget(data_set_path(at(tmp_path, form))), chunk_rows=40)
        assert out.status is Status.VERIFIED, out.error
        manifest = read_manifest(at(tmp_path, form))
        assert manifest is not None
        assert str(manifest.summary.digest) == out.digest
        files = open_data_set(at(tmp_path, form))
        back = copy(files, CollectionTarget(other, "again"))
        assert back.status is Status.VERIFIED, back.error
        again = other.get_collection("again")
        assert (again.info.fields, again.info.dimension) == (made.info.fields, info.dimension)
        assert_same_fields(again.get(records.ids), records)
        found = verify(files, CollectionSource(other, again))
        assert found.equal
        again.update([records.ids[3]], fields={"terms": [{0: 1e-15, 2**32 - 3: 1e15, 7: 0.11}]})
        assert not verify(files, CollectionSource(other, again)).equal


def test_a_copy_of_files_that_ended_early_is_resumed(tmp_path: Path) -> None:
    """A sink reads the parts of an earlier process again, those of fields only too."""
    for form in ("npy:set", "set.jsonl"):
        target = FileTarget(data_set_path(at(tmp_path, form)))
        target.create(ONLY, None, NOWHERE)
        target.sink(no_refusal).write(0, BARE[:50])
        begun = target.existing()
        assert begun is not None
        assert_same_fields(everything(begun), BARE[:50])
        later = FileTarget(data_set_path(at(tmp_path, form))).sink(no_refusal)
        later.write(1, BARE[50:])
        later.finish()
        assert_same_fields(everything(open_data_set(at(tmp_path, form))), BARE)


def test_what_the_data_set_has_not_is_not_written(tmp_path: Path) -> None:
    target = FileTarget(data_set_path(str(tmp_path / "set")))
    target.create(WITH, None, NOWHERE)
    sink = target.sink(no_refusal)
    for fields, said in (
        ({"other": absent(90, 3)}, "no field 'other'"),
        ({"image": absent(90, 4)}, "'image' is another one"),
        ({"image": absent(90, None)}, "'image' is another one"),
        ({"terms": absent(90, 3)}, "'terms' is another one"),
    ):
        with pytest.raises(InvalidInput, match=said):
            sink.write(0, replace(FULL, fields=fields))
    assert names(tmp_path / "set") == ["manifest.json"]
    sink.write(0, RECORDS[:5])  # fields that are not given are absent
    sink.finish()
    assert_same(everything(open_data_set(str(tmp_path / "set"))), RECORDS[:5])


def test_npy_is_what_numpy_and_scipy_read(tmp_path: Path) -> None:
    export(f"npy:{tmp_path}/set", BARE, ONLY)
    part = tmp_path / "set" / "part-000000"
    sparse = [f"{name}.{kind}.npy" for name in ("empty", "terms") for kind in ("indices", "indptr", "values")]
    files = sorted(["image.npy", "jsonl", "nothing.npy", "sound.npy", *sparse])
    assert names(tmp_path / "set") == ["manifest.json", *(f"{part.name}.{name}" for name in files)]
    terms = FULL.fields["terms"]
    assert isinstance(terms, SparseArray)
    for name, wanted in (("indptr", terms.indptr), ("indices", terms.indices), ("values", terms.values)):
        assert np.array_equal(np.load(f"{part}.terms.{name}.npy"), wanted)
    assert np.array_equal(np.load(f"{part}.image.npy"), FULL.fields["image"], equal_nan=True)  # type: ignore[arg-type]


def forged(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
    """Has the manifest vouch for the files as they are now."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for file in (file for part in manifest["parts"] for file in part["files"]):
        if (folder / file["name"]).exists():
            data = (folder / file["name"]).read_bytes()
            file["bytes"], file["sha256"] = len(data), sha256(data).hexdigest()
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refused(path: str, *said: str) -> None:
    with pytest.raises((Mismatch, InvalidInput, LimitExceeded, NotFound)) as caught:
        everything(open_data_set(path))
    for one in said:
        assert one in str(caught.value), str(caught.value)


NAN = float("nan")
ROWS: dict[str, tuple[str, Any, str]] = {
    "an index twice": ("terms", {"indices": [1, 1], "values": [1.0, 2.0]}, "terms[4] has the index 1 twice"),
    "an index beyond": ("terms", {"indices": [2**32 - 1], "values": [1.0]}, "terms[4] has an index outside"),
    "NaN": ("terms", {"indices": [1], "values": [NAN]}, "terms[4] contains NaN"),
    "a negative value": ("terms", {"indices": [1], "values": [-1.0]}, "terms[4] has the value -1"),
    "an infinite value": ("terms", {"indices": [1], "values": [float("inf")]}, "terms[4] contains NaN or inf"),
    "more indices": ("terms", {"indices": [1, 2], "values": [1.0]}, "terms[4] has 2 indices and 1 values"),
    "a short vector": ("image", [1.0, 2.0], ""),
    "no direction": ("image", [0.0, 0.0, 0.0], "image[4] is zero"),
    "NaN in it": ("image", [1.0, NAN, 0.0], "image[4] contains NaN"),
    "NaN throughout": ("image", [NAN, NAN, NAN], "image[4]"),
}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A fresh copy of a data set of an encoding."""
    number = 0

    def make(encoding: str) -> Path:
        nonlocal number
        number += 1
        folder = tmp_path_factory.mktemp(f"{encoding}-{number}") / "set"
        export(f"{encoding}:{folder}", FULL[:9], WITH)
        return folder

    return make


@pytest.mark.parametrize("encoding", ["parquet", "arrow", "jsonl"])
@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_no_field_holds_is_refused(case: str, encoding: str, sets: Callable[[str], Path]) -> None:
    name, value, said = ROWS[case]
    folder = sets(encoding)
    part = folder / f"part-000000.{encoding}"
    if encoding == "jsonl":
        lines = part.read_text().splitlines()
        lines[4] = json.dumps(json.loads(lines[4]) | {name: value})
        part.write_text("\n".join(lines) + "\n")
        said = "image[4]" if name == "image" else said
    else:
        table = pq.read_table(part) if encoding == "parquet" else pa.ipc.open_file(part).read_all()
        place = table.column_names.index(name)
        rows = table.column(name).to_pylist()
        rows[4] = value
        kind = table.schema.field(name).type
        try:
            changed = table.set_column(place, table.schema.field(name), pa.array(rows, kind))
        except pa.ArrowInvalid:
            return  # Arrow itself holds no such list
        if encoding == "parquet":
            pq.write_table(changed, part, write_page_checksum=True)
        else:
            with pa.ipc.new_file(part, changed.schema) as writer:
                writer.write_table(changed)
    forged(folder)
    refused(str(folder), said)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("terms", pa.struct([("indices", pa.list_(pa.int64())), ("values", pa.list_(pa.float32()))])),
        ("terms", pa.struct([("indices", pa.list_(pa.uint32())), ("values", pa.list_(pa.float64()))])),
        ("terms", pa.struct([("indices", pa.list_(pa.uint32()))])),
        ("terms", pa.list_(pa.float32(), 3)),
        ("image", pa.list_(pa.float64())),
        ("image", pa.list_(pa.float32(), 4)),
        ("image", pa.string()),
    ],
)
def test_a_column_of_another_type_is_refused(name: str, kind: Any, sets: Callable[[str], Path]) -> None:
    for encoding in ("parquet", "arrow"):
        folder = sets(encoding)
        part = folder / f"part-000000.{encoding}"
        table = pq.read_table(part) if encoding == "parquet" else pa.ipc.open_file(part).read_all()
        place = table.column_names.index(name)
        changed = table.set_column(place, name, pa.nulls(len(table), kind))
        if encoding == "parquet" and name == "image" and pa.types.is_fixed_size_list(kind):
            continue  # pyarrow before 22 writes none
        if encoding == "parquet":
            pq.write_table(changed, part)
        else:
            with pa.ipc.new_file(part, changed.schema) as writer:
                writer.write_table(changed)
        forged(folder)
        refused(str(folder), "not those that its manifest tells of")


def _saved(part: str, array: Any) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / f"part-000000.{part}.npy", array)


STARTS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], dtype=np.int64)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_saved("image", np.zeros((8, 3), dtype=np.float32)), "8 rows"),
        (_saved("image", np.zeros((9, 4), dtype=np.float32)), "image: 4 dimensions; the collection has 3"),
        (_saved("image", np.zeros(27, dtype=np.float32)), "not numbers of shape (n, d)"),
        (_saved("image", np.full((9, 3), "x")), "not numbers of shape (n, d)"),
        (_saved("image", np.array([[1, NAN, 0]] * 9, dtype=np.float32)), "image[0] contains NaN"),
        (_saved("terms.indptr", STARTS[:-1]), "do not fit"),
        (_saved("terms.indptr", STARTS.astype(np.int32)), "holds int32"),
        (_saved("terms.indptr", np.zeros(0, dtype=np.int64)), "do not fit"),
        (_saved("terms.indptr", STARTS + 1), "do not fit"),
        (_saved("terms.indptr", np.array([0, 2**62, -(2**62), *STARTS[3:]])), "do not fit"),
        (_saved("terms.indices", np.zeros(9, dtype=np.int64)), "holds int64"),
        (_saved("terms.values", np.zeros(9, dtype=np.float64)), "holds float64"),
        (_saved("terms.values", np.ones((3, 3), dtype=np.float32)), "of shape (3, 3)"),
        (lambda folder: (folder / "part-000000.terms.values.npy").write_bytes(b"\x93NUMPY"), "terms.values.npy"),
        (lambda folder: (folder / "part-000000.terms.values.npy").unlink(), "terms.values.npy is missing"),
        (lambda folder: (folder / "part-000000.terms.more.npy").write_bytes(b""), "does not belong to the data set"),
    ],
)
def test_arrays_that_are_no_field_are_refused(
    change: Callable[[Path], object], said: str, sets: Callable[[str], Path]
) -> None:
    folder = sets("npy")
    change(folder)
    forged(folder)
    refused(str(folder), said)


def _told(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: change(manifest["collection"]["fields"])


@pytest.mark.parametrize(
    "change",
    [
        _told(lambda fields: fields["image"].update(dimension=0)),
        _told(lambda fields: fields["image"].update(dimension=1 << 30)),
        _told(lambda fields: fields["image"].update(dimension="3")),
        _told(lambda fields: fields["image"].update(metric="near")),
        _told(lambda fields: fields["image"].update(embedder=5)),
        _told(lambda fields: fields["image"].update(index={"kind": "none"})),
        _told(lambda fields: fields.update({"a/../b": fields["terms"]})),
        _told(lambda fields: fields.update(vector=fields["terms"])),
        _told(lambda fields: fields.update({f"f{n}": fields["terms"] for n in range(17)})),
        lambda manifest: manifest["collection"].update(fields=[]),
        lambda manifest: manifest["collection"].update(dimension=0, fields={}),
    ],
)
def test_a_manifest_of_fields_that_are_none_is_refused(
    change: Callable[[dict[str, Any]], object], sets: Callable[[str], Path]
) -> None:
    folder = sets("jsonl")
    forged(folder, change)
    refused(str(folder), "manifest.json")


@pytest.mark.parametrize("encoding", ["parquet", "arrow", "jsonl", "npy"])
def test_a_manifest_that_tells_of_other_fields_is_refused(encoding: str, sets: Callable[[str], Path]) -> None:
    for change in (
        _told(lambda fields: fields["image"].update(dimension=4)),
        _told(lambda fields: fields.update(more=fields["terms"])),
        _told(lambda fields: fields.update(terms=fields["image"])),
    ):
        folder = sets(encoding)
        forged(folder, change)
        refused(str(folder))


def test_a_field_that_the_manifest_does_not_tell_of_is_a_loss_that_is_named(sets: Callable[[str], Path]) -> None:
    for encoding in ("parquet", "arrow", "jsonl"):
        folder = sets(encoding)
        forged(folder, _told(lambda fields: fields.pop("image")))
        source = open_data_set(str(folder))
        everything(source)
        assert [one.name for one in source.omissions()] == ["image"]


def test_absent_vectors_do_not_grow(tmp_path: Path) -> None:
    """A few bytes may stand for sixteen long vectors, and what is decoded at once is bounded all the same."""
    info = CollectionInfo(
        name="docs",
        dimension=0,
        metric=INFO.metric,
        index=INFO.index,
        fields={f"f{n}": Dense(65_536, "l2", index=Flat()) for n in range(16)},
    )
    bare = Records([f"r{n}" for n in range(40)], None, [None] * 40, [{}] * 40, {})
    for form in ("parquet:set", "arrow:set", "jsonl:set"):
        target = FileTarget(data_set_path(at(tmp_path, form)))
        target.create(info, None, NOWHERE)
        sink = target.sink(no_refusal)
        for chunk in range(5):
            sink.write(chunk, bare[chunk * 8 : chunk * 8 + 8])
        sink.finish()
        pages = list(open_data_set(at(tmp_path, form)).scan(batch_size=1000))
        assert max(map(len, pages)) <= 8
        assert sum(map(len, pages)) == 40
        target.remove()


def test_a_record_that_is_too_long_for_a_line_says_so(tmp_path: Path) -> None:
    terms = SparseArray.of([{place: 0.1 + place for place in range(200_000)}])
    info = replace(INFO, dimension=0, fields={"terms": Sparse()})
    records = Records(["a"], None, [None], [{}], {"terms": terms})
    with pytest.raises(LimitExceeded, match=r"4 MB besides its texts.*Parquet"):
        export(f"jsonl:{tmp_path}/lines", records, info)
    for encoding in ("parquet", "arrow", "npy"):
        export(f"{encoding}:{tmp_path}/{encoding}", records, info)
        assert everything(open_data_set(f"{tmp_path}/{encoding}")).sparse == terms
