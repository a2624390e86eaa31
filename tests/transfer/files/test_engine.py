"""Files as the two ends of a copy that is planned, resumed and verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vstore
from tests.transfer.files.data import FORMS, INFO, RECORDS, assert_same, at, damaged, everything, export, names
from vstore import AlreadyExists, Collection, Mismatch, NotFound, Records, Store, Unsupported
from vstore.conformance.fixtures import clause
from vstore.filters import F
from vstore.transfer import CollectionSource, CollectionTarget, Status, copy, verify
from vstore.transfer.files import FileLocation, FileTarget, data_set_path, open_data_set, read_manifest
from vstore.transfer.opening import open_location

pytestmark = clause("MIG-1", "MIG-15", "MIG-19", "MIG-23")


@pytest.fixture
def store() -> Iterator[Store]:
    with vstore.connect("memory:") as store:
        yield store


def filled(store: Store, records: Records = RECORDS) -> Collection:
    made = store.create_collection(
        "docs", dimension=INFO.dimension, metric=INFO.metric, index=INFO.index, metadata=INFO.metadata
    )
    made.add(records.ids, records.vectors, records.documents, records.metadatas)
    return made


@pytest.mark.parametrize("form", FORMS)
def test_out_and_back_again(form: str, store: Store, tmp_path: Path) -> None:
    source = filled(store)
    out = copy(
        CollectionSource(store, source, "memory:#docs"),
        FileTarget(data_set_path(at(tmp_path, form))),
        chunk_rows=50,
        workers=3,
    )
    assert out.check() is None
    assert (out.status, out.copied, out.chunks) == (Status.VERIFIED, len(RECORDS), 8)
    manifest = read_manifest(at(tmp_path, form))
    assert manifest is not None
    assert (manifest.origin.identity, manifest.origin.backend) == ("memory:#docs", "memory")
    assert str(manifest.summary.digest) == out.digest
    with vstore.connect("memory:") as other:
        back = copy(open_data_set(at(tmp_path, form)), CollectionTarget(other, "again"))
        assert back.status is Status.VERIFIED
        made = other.get_collection("again")
        assert (made.info.metric, made.info.index, made.info.metadata) == (INFO.metric, INFO.index, INFO.metadata)
        assert_same(Records.concat([page.records for page in made.scan()]))


def test_many_records_out_and_back(store: Store, tmp_path: Path) -> None:
    n = 20_000
    rng = np.random.default_rng(1)
    records = Records(
        [f"r{row:05}" for row in range(n)],
        rng.normal(size=(n, 16)).astype(np.float32),
        [None if row % 7 == 0 else f"text {row}" for row in range(n)],
        [{"n": row, "x": row / 3, "even": row % 2 == 0, "tags": ["a", str(row % 5)]} for row in range(n)],
    )
    source = store.create_collection("docs", dimension=16, metric="l2")
    source.add(records.ids, records.vectors, records.documents, records.metadatas)
    out = copy(CollectionSource(store, source), FileTarget(data_set_path(str(tmp_path / "set"))), workers=2)
    assert out.status is Status.VERIFIED
    manifest = read_manifest(str(tmp_path / "set"))
    assert manifest is not None
    assert manifest.summary.to_dict()["metadata"]["n"] == {"types": {"int": n}, "missing": 0, "null": 0}
    with vstore.connect("memory:") as other:
        assert copy(open_data_set(str(tmp_path / "set")), CollectionTarget(other, "docs")).status is Status.VERIFIED
        found = Records.concat([page.records for page in other.get_collection("docs").scan()])
        assert_same(found.ordered(records.ids), records)


def test_a_part_of_a_data_set(store: Store, tmp_path: Path) -> None:
    export(str(tmp_path / "set"))
    where = F("part") == "x"
    done = copy(open_data_set(str(tmp_path / "set")), CollectionTarget(store, "some"), where=where)
    assert done.status is Status.VERIFIED
    assert store.get_collection("some").count() == open_data_set(str(tmp_path / "set")).count(where) > 10


def test_an_export_that_was_stopped_goes_on(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = CollectionSource(store, filled(store), "memory:#docs")
    target = FileTarget(data_set_path(str(tmp_path / "set.parquet")))
    with monkeypatch.context() as patch:
        from vstore.transfer.files.sink import FileSink

        write = FileSink.write

        def stopped(self: FileSink, chunk: int, records: Records) -> None:
            if chunk == 4:
                raise KeyboardInterrupt
            write(self, chunk, records)

        patch.setattr(FileSink, "write", stopped)
        begun = copy(source, target, state=tmp_path / "state", chunk_rows=30)
        assert begun.exit_code == 4
    assert names(tmp_path) == ["set.parquet.parts", "state"]
    done = copy(source, target, state=tmp_path / "state", chunk_rows=30, workers=2)
    assert (done.status, done.resumed) == (Status.VERIFIED, True)
    assert names(tmp_path) == ["set.parquet", "state"]
    assert_same(everything(open_data_set(str(tmp_path / "set.parquet"))))


@pytest.mark.parametrize("form", ["set.parquet", "set.jsonl"])
def test_an_export_that_was_stopped_while_it_cleared_away_goes_on(
    form: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = CollectionSource(store, filled(store), "memory:#docs")
    target = FileTarget(data_set_path(str(tmp_path / form)))

    def stopped(folder: Path) -> None:
        max(folder.glob("part-*")).unlink()
        raise KeyboardInterrupt

    settings = {"state": tmp_path / "state", "chunk_rows": 30}
    with monkeypatch.context() as patch:
        patch.setattr("vstore.transfer.files.sink.rmtree", stopped)
        assert copy(source, target, **settings).exit_code == 4
    done = copy(source, target, **settings)
    assert (done.status, done.resumed) == (Status.VERIFIED, True)
    assert f"{form}.parts" not in names(tmp_path)
    assert_same(everything(open_data_set(str(tmp_path / form))))


def test_a_folder_of_others_where_parts_would_be_is_left_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "set.jsonl.parts").mkdir()
    (tmp_path / "set.jsonl.parts" / "mine.txt").write_text("precious")
    with pytest.raises(AlreadyExists, match="in the way"):
        copy(CollectionSource(store, filled(store)), FileTarget(data_set_path(str(tmp_path / "set.jsonl"))))
    assert (tmp_path / "set.jsonl.parts" / "mine.txt").read_text() == "precious"


def test_what_is_there_is_replaced_only_if_asked(store: Store, tmp_path: Path) -> None:
    source = CollectionSource(store, filled(store), "memory:#docs")
    target = export(str(tmp_path / "set"), RECORDS[:50])
    with pytest.raises(AlreadyExists, match="holds 50 records"):
        copy(source, target)
    with pytest.raises(Unsupported, match="written once"):
        copy(source, target, if_exists="merge", allow=["embedder-change"])
    assert open_data_set(str(tmp_path / "set")).count() == 50
    damaged(tmp_path / "set" / "part-000000.parquet")
    assert copy(source, target, if_exists="replace").status is Status.VERIFIED
    assert_same(everything(open_data_set(str(tmp_path / "set"))))


def test_verify_finds_what_differs(store: Store, tmp_path: Path) -> None:
    export(str(tmp_path / "set"))
    source = CollectionSource(store, filled(store), "memory:#docs")
    files = open_data_set(str(tmp_path / "set"))
    assert verify(source, files).equal
    assert verify(files, source).equal
    source.collection.delete(ids=["r0007"])
    source.collection.update(["r0100"], metadatas=[{"part": "changed"}])
    found = verify(files, source)
    assert not found.equal
    assert (found.missing, found.metadatas) == (1, 1)


def test_a_damaged_data_set_is_not_copied(store: Store, tmp_path: Path) -> None:
    export(str(tmp_path / "set"))
    damaged(tmp_path / "set" / "part-000003.parquet")
    with pytest.raises(Mismatch, match=r"part-000003\.parquet is damaged"):
        copy(open_data_set(str(tmp_path / "set")), CollectionTarget(store, "docs"))
    assert store.list_collections() == []


def test_files_are_opened_where_stores_are(tmp_path: Path) -> None:
    export(str(tmp_path / "all" / "docs"))
    with open_location(str(tmp_path / "all"), new=False, timeout=9) as several:
        assert several.names() == ["docs"]
        assert several.source("docs").count() == len(RECORDS)
        with pytest.raises(NotFound, match="no data set 'other'"):
            several.source("other")
    with open_location(f"parquet:{tmp_path}/all/docs", new=False, timeout=9) as one:
        assert one.names() == ["docs"]
        with pytest.raises(NotFound, match="of 'docs', not of 'other'"):
            one.source("other")
    with FileLocation(str(tmp_path / "new"), several=True) as new:
        assert new.target("docs").identity == f"parquet:{tmp_path}/new/docs"
    assert names(tmp_path) == ["all"]
