"""What a copy must not destroy or pass over, whatever goes wrong: points 6 and 11 to 19 of what moving data must be."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vstore
from tests.transfer.faulty import Lasting, faulty_store, filled, many, refusing, source_of, target_in
from vstore import (
    AlreadyExists,
    F,
    InvalidInput,
    LimitExceeded,
    Mismatch,
    Record,
    Records,
    Unavailable,
    Unsupported,
    connect,
)
from vstore.capabilities import Exactness
from vstore.conformance.fixtures import clause
from vstore.transfer import (
    CollectionSource,
    CollectionTarget,
    IfExists,
    Status,
    VerifyMode,
    copy,
    open_location,
    verify,
)
from vstore.transfer.checkpoint import CopyCheckpoint, State
from vstore.transfer.collections import CollectionSink
from vstore.transfer.dryrun import dry_run
from vstore.transfer.files import FileTarget, data_set_path, open_data_set


def shifted(record: Record) -> Record:
    assert record.vector is not None
    return Record(record.id, record.vector + 1, record.document, record.metadata)


@clause("MIG-6")
@pytest.mark.parametrize("options", [{"if_exists": "replace"}, {"if_exists": "merge", "transform": shifted}])
def test_another_name_of_one_server_is_the_same_collection(options: dict[str, Any]) -> None:
    # nothing but the server itself can tell that two URLs are one store: here there is no URL at all
    store = faulty_store()
    there = filled(store, many(20))
    with pytest.raises(InvalidInput, match="same collection"):
        copy(CollectionSource(store, there), target_in(store), **options)
    assert store.list_collections() == ["docs"]
    assert there.get(["id-000003"]).vectors == pytest.approx(many(20).take([3]).vectors)
    assert there.count() == 20
    assert copy(CollectionSource(store, there), target_in(store, "other"), **options).status is Status.VERIFIED
    assert copy(CollectionSource(store, there), target_in(store, "other"), **options).status is Status.VERIFIED
    assert store.list_collections() == ["docs", "other"]


@clause("MIG-6")
def test_a_data_set_behind_a_link_is_not_copied_onto_itself(tmp_path: Path) -> None:
    copy(source_of(many(20)), FileTarget(data_set_path(f"jsonl:{tmp_path / 'set'}"))).check()
    (tmp_path / "link").symlink_to(tmp_path / "set")
    with pytest.raises(InvalidInput, match="same files"):
        copy(
            open_data_set(str(tmp_path / "set")),
            FileTarget(data_set_path(f"jsonl:{tmp_path / 'link'}")),
            if_exists="replace",
        )
    assert open_data_set(str(tmp_path / "set")).count() == 20


class Flat(Lasting):
    """Its database has no such index for this dimension, which it tells when it is to make one."""

    def _make(self, name: str, info: Any, index: Any) -> Any:
        if index is not None:
            raise LimitExceeded("the index takes 4 dimensions, not 8")
        return super()._make(name, info, index)


@clause("MIG-6")
def test_what_is_there_is_deleted_only_when_it_can_be_made_anew(tmp_path: Path) -> None:
    store = faulty_store()
    filled(store, many(5), "docs")
    source, settings = source_of(many(20)), {"if_exists": "replace", "state": tmp_path}
    with pytest.raises(Unsupported, match="index-change"):
        copy(source, Flat(store, "docs"), **settings)
    assert store.get_collection("docs").count() == 5
    assert store.list_collections() == ["docs"]
    allow = (name for name in ["index-change"])  # an iterable of any kind, which can be read once
    assert copy(source, Flat(store, "docs"), allow=allow, **settings).status is Status.VERIFIED
    assert store.get_collection("docs").count() == 20


@clause("MIG-6")
def test_a_plan_that_was_not_begun_is_made_anew_first(tmp_path: Path) -> None:
    store, source = faulty_store(), source_of(many(20))
    filled(store, many(5), "docs")

    class Dying(Lasting):
        def remove(self) -> None:
            raise SystemExit

    settings = {"if_exists": "replace", "state": tmp_path}
    with pytest.raises(SystemExit):
        copy(source, Dying(store, "docs"), **settings)
    source.collection.delete(ids=["id-000001"])  # as many records as before, but others
    source.collection.upsert(["new"], np.ones((1, 8)))
    assert copy(source, Lasting(store, "docs"), **settings).status is Status.VERIFIED
    assert store.get_collection("docs").get(["new", "id-000001"]).ids == ["new"]


@clause("MIG-6")
def test_a_killed_dry_create_is_cleared_away(tmp_path: Path) -> None:
    store, source = faulty_store(), source_of(many(20))
    filled(store, many(5), "docs")
    delete = store.delete_collection
    store.delete_collection = lambda name, *, missing_ok=False: delete(name, missing_ok=True) if missing_ok else None  # type: ignore[method-assign]
    Lasting(store, "docs").dry_create(source.info, None, source)
    store.delete_collection = delete  # type: ignore[method-assign]
    assert len(store.list_collections()) == 2
    assert copy(source, Lasting(store, "docs"), if_exists="replace", state=tmp_path).status is Status.VERIFIED
    assert store.list_collections() == ["docs"]


@clause("MIG-6")
@pytest.mark.parametrize("name", ["set", "set.jsonl"])
def test_a_merge_into_files_is_refused_first(name: str, tmp_path: Path) -> None:
    def target() -> FileTarget:
        path = str(tmp_path / name)
        return FileTarget(data_set_path(path if "." in name else f"jsonl:{path}"))

    first, second, state = source_of(many(20)), source_of(many(30)), tmp_path / "state"
    copy(first, target()).check()
    plan = dry_run(second, target(), if_exists=IfExists.MERGE).plan
    assert plan is not None
    assert "written once" in plan["problems"][0]
    with pytest.raises(Unsupported, match="written once"):
        copy(second, target(), if_exists="merge", state=state)
    assert open_data_set(str(tmp_path / name)).count() == 20
    assert copy(second, target(), if_exists="replace", state=state).status is Status.VERIFIED


@clause("MIG-6")
def test_a_merge_into_an_unfinished_data_set_is_refused(tmp_path: Path) -> None:
    target = FileTarget(data_set_path(f"jsonl:{tmp_path / 'set'}"))
    source = source_of(many(20))
    target.create(source.info, None, source)
    target.sink(lambda *_: None).write(0, many(20))
    with pytest.raises(Unsupported, match="written once"):
        copy(source_of(many(3)), target, if_exists="merge")
    there = target.existing()
    assert there is not None
    assert there.count() == 20


@clause("MIG-6")
def test_a_data_set_without_records_is_no_obstacle(tmp_path: Path) -> None:
    target = FileTarget(data_set_path(f"jsonl:{tmp_path / 'set'}"))
    copy(source_of(many(1).take([])), target).check()
    copy(source_of(many(20)), target).check()
    assert open_data_set(str(tmp_path / "set")).count() == 20


@clause("MIG-12")
@pytest.mark.usefixtures("no_pauses")
def test_a_record_taken_by_a_later_attempt_is_not_rejected(tmp_path: Path) -> None:
    answers = [LimitExceeded("4 are too many"), LimitExceeded("2"), LimitExceeded("1"), Unavailable("lost")]

    def call(records: Records) -> Records:
        if answers:
            raise answers.pop(0)
        return records

    store = faulty_store(on_upsert=call)
    report = copy(source_of(many(4)), Lasting(store, "docs"), max_errors=4, state=tmp_path)
    assert (report.status, report.rejected, report.retries) == (Status.VERIFIED, 0, 1)


@clause("MIG-12")
def test_a_file_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("precious")
    with pytest.raises(InvalidInput, match="something else than rejected records"):
        copy(source_of(many(4)), target_in(faulty_store()), rejected_file=file)
    assert file.read_text() == "precious"
    refused, dead = faulty_store(on_upsert=refusing("id-000001")), tmp_path / "dead.jsonl"
    report = copy(source_of(many(4)), target_in(refused), rejected_file=dead, max_errors=1)
    assert (report.status, report.rejected_file) == (Status.REJECTED, str(dead))
    assert json.loads(dead.read_text())["id"] == "id-000001"
    assert copy(source_of(many(4)), target_in(faulty_store()), rejected_file=dead).status is Status.VERIFIED
    assert not dead.exists()


@clause("MIG-12")
def test_a_file_that_cannot_be_written_does_not_cost_the_report(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = faulty_store(on_upsert=refusing("id-000001"))
    report = copy(source_of(many(4)), target_in(store), rejected_file=tmp_path / "file" / "dead", max_errors=1)
    assert (report.status, report.rejected, report.copied) == (Status.REJECTED, 1, 3)
    assert "cannot be written" in report.error


@clause("MIG-15")
def test_a_refused_copy_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    source, store = source_of(many(20)), faulty_store()
    assert copy(source, Lasting(store, "docs"), state=tmp_path).status is Status.VERIFIED
    for other in ({"restart": True}, {"where": F("part") == 1}):
        with pytest.raises(AlreadyExists):
            copy(source, Lasting(store, "docs"), state=tmp_path, **other)  # type: ignore[arg-type]
    again = copy(source, Lasting(store, "docs"), state=tmp_path)
    assert (again.status, again.resumed, again.copied) == (Status.VERIFIED, True, 20)


@clause("MIG-15")
def test_the_error_names_an_unusable_checkpoint(tmp_path: Path) -> None:
    source, store = source_of(many(20)), faulty_store()
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be used"):
        copy(source, Lasting(store, "docs"), state=tmp_path / "file" / "state")
    checkpoint = CopyCheckpoint.of(source.identity, "memory:kept#docs", tmp_path)
    checkpoint.close()
    assert checkpoint.path is not None
    checkpoint.path.write_bytes(b"no database at all, but something else" * 100)
    with pytest.raises(Unavailable, match="cannot be used"):
        copy(source, Lasting(store, "docs"), state=tmp_path)
    assert store.list_collections() == []


@clause("MIG-15")
def test_a_checkpoint_of_another_format_needs_restart(tmp_path: Path) -> None:
    source, store = source_of(many(20)), faulty_store()
    path = Path(copy(source, Lasting(store, "docs"), state=tmp_path).checkpoint)
    with sqlite3.connect(path) as database:
        database.execute("update job set value = '9' where key = 'format'")
        database.execute("alter table chunks rename column ids to names")
    database.close()
    with pytest.raises(Mismatch, match="another format"):
        copy(source, Lasting(store, "docs"), state=tmp_path)
    again = copy(source, Lasting(store, "docs"), state=tmp_path, restart=True, if_exists="replace")
    assert (again.status, again.copied) == (Status.VERIFIED, 20)


@clause("MIG-16")
def test_an_unwritable_checkpoint_ends_a_copy_as_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, store = source_of(many(20)), faulty_store()
    real = CopyCheckpoint.done

    def full(self: CopyCheckpoint, chunk: int, *arguments: Any) -> None:
        if chunk == 1:
            self._db.execute("pragma max_page_count = 1")
            self._db.execute("pragma query_only = on")  # as a full disk: the statement fails, the process goes on
        real(self, chunk, *arguments)

    monkeypatch.setattr(CopyCheckpoint, "done", full)
    report = copy(source, Lasting(store, "docs"), state=tmp_path, chunk_rows=5)
    assert report.status is Status.INCOMPLETE
    assert "cannot be used" in report.error
    monkeypatch.undo()
    assert copy(source, Lasting(store, "docs"), state=tmp_path).status is Status.VERIFIED


def _interrupt_at(moment: threading.Event) -> threading.Thread:
    """Interrupts this process when ``moment`` has come, and the thread that reads has had time to wait for another."""

    def work() -> None:
        if moment.wait(60):
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@clause("MIG-18")
def test_an_interruption_waits_for_the_last_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(many(30))
    write, under_way = CollectionSink.write, set[int]()
    moments = [threading.Event(), threading.Event()]

    def slow(self: CollectionSink, chunk: int, records: Records) -> None:
        under_way.add(chunk)
        moments[min(chunk, 1)].set()
        time.sleep(0.4)
        write(self, chunk, records)
        under_way.discard(chunk)

    def finish(self: CollectionSink) -> None:
        raise AssertionError("who has interrupted does not wait for an index")

    monkeypatch.setattr(CollectionSink, "write", slow)
    monkeypatch.setattr(CollectionSink, "finish", finish)
    # all is read at once: this thread waits for room in the queue, and then for the last chunk
    for chunk in (0, 1):
        state = tmp_path / str(chunk)
        store = faulty_store()
        for moment in moments:
            moment.clear()
        thread = _interrupt_at(moments[chunk])
        report = copy(source, Lasting(store, "docs"), state=state, chunk_rows=10)
        thread.join()
        assert (report.status, report.error, under_way) == (Status.INCOMPLETE, "interrupted", set())
        assert report.copied == store.get_collection("docs").count()
        assert report.copied > 0


@clause("MIG-18")
def test_an_interruption_waits_for_no_database_that_is_down(tmp_path: Path) -> None:
    tried = threading.Event()

    def down(records: Records) -> Records:
        tried.set()
        raise Unavailable("the server went away")

    source, store = source_of(many(30)), faulty_store(on_upsert=down)
    thread = _interrupt_at(tried)
    began = time.monotonic()
    report = copy(source, Lasting(store, "docs"), state=tmp_path, chunk_rows=10, retries=8)  # 20 s and more
    thread.join()
    assert report.status is Status.INCOMPLETE
    assert report.error.startswith("interrupted; ")
    assert "went away" in report.error
    assert time.monotonic() - began < 8
    checkpoint = CopyCheckpoint(Path(report.checkpoint))
    assert checkpoint.state is State.WRITING
    checkpoint.close()


@clause("MIG-19")
@pytest.mark.parametrize("mode", ["full", "sample"])
def test_ids_that_change_meanwhile_do_not_pass_as_equal(mode: str) -> None:
    scans = 0

    def late(records: Records) -> Records:
        nonlocal scans
        scans += records.vectors is None  # the first look at the ids sees one record less
        return records[1:] if records.vectors is None and scans == 1 else records

    store = faulty_store(on_scan=late, cosine_exactness=Exactness.RELATIVE)  # so that records are compared one by one
    right = CollectionSource(store, filled(store, many(20), metric="cosine"))
    with pytest.raises(Mismatch, match="have changed"):
        verify(source_of(many(20), metric="cosine"), right, mode=VerifyMode(mode), queries=0)


@clause("MIG-19")
def test_another_metric_differs_in_a_subset_unless_allowed() -> None:
    store = connect("memory:")
    left = CollectionSource(store, filled(store, many(20), "left", metric="l2"))
    right = CollectionSource(store, filled(store, many(20), "right", metric="dot"))
    assert not verify(left, right, subset=True).equal
    assert verify(left, right, any_metric=True).equal
    store.create_collection("docs", dimension=8, metric="dot", index=left.info.index)
    report = copy(left, target_in(store), allow=["metric-change"])
    assert report.status is Status.VERIFIED
    assert report.verification is not None
    assert "metric" in report.verification.settings[0]


@pytest.mark.parametrize("value", [object(), b"x", {"a": 1}, [[1]], 1.5, np.array([1, 2]), -1])
@pytest.mark.parametrize(
    "name",
    [
        "where",
        "transform",
        "mode",
        "allow",
        "workers",
        "engine",
        "retries",
        "max_errors",
        "chunk_rows",
        "verify",
        "sample",
        "queries",
        "restart",
        "state",
        "rejected_file",
        "on_progress",
        "source",
        "target",
    ],
)
def test_an_illegal_argument_is_refused_first(name: str, value: Any) -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        given = {"source": CollectionSource(store, docs), "target": CollectionTarget(store, "copy"), name: value}
        with pytest.raises(InvalidInput):
            copy(**given)
        assert store.list_collections() == ["docs"]
        for make in (CollectionSource, CollectionTarget):
            with pytest.raises(InvalidInput, match="it takes a Store"):
                make(value, docs)
        with pytest.raises(InvalidInput, match="must be a Source"):
            verify(CollectionSource(store, docs), value)
        with pytest.raises(InvalidInput):
            open_location(value, new=False)
