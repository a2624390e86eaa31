"""What is written is there whole or not at all, and goes on where it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from tests.transfer.files.data import (
    FOLDERS,
    FORMS,
    INFO,
    NOWHERE,
    RECORDS,
    SINGLE,
    assert_same,
    at,
    chunks,
    damaged,
    everything,
    export,
    names,
    no_refusal,
)
from vstore import AlreadyExists, BackendError, InvalidInput, Mismatch, NotFound, Records, Unsupported
from vstore.transfer.files import FileTarget, data_set_path, open_data_set


def begun(path: str) -> FileTarget:
    target = FileTarget(data_set_path(path))
    target.create(INFO, INFO.index, NOWHERE)
    return target


@pytest.mark.parametrize("form", FORMS)
def test_a_chunk_that_is_written_again_replaces_the_first(form: str, tmp_path: Path) -> None:
    sink = begun(at(tmp_path, form)).sink(no_refusal)
    parts = chunks(RECORDS, 90)
    sink.write(2, parts[0])
    for number in (3, 1, 2, 0, 2):
        sink.write(number, parts[number])
    sink.finish()
    assert_same(everything(open_data_set(at(tmp_path, form))))


@pytest.mark.parametrize("form", FORMS)
def test_another_process_goes_on(form: str, tmp_path: Path) -> None:
    parts = chunks(RECORDS, 90)
    first = begun(at(tmp_path, form)).sink(no_refusal)
    first.write(0, parts[0])
    first.write(2, parts[2])
    with pytest.raises((Mismatch, NotFound)) as caught:
        open_data_set(at(tmp_path, form))
    assert "not finished" in caught.value.message or form in SINGLE
    target = FileTarget(data_set_path(at(tmp_path, form)))
    there = target.existing()
    assert there is not None
    assert there.count() == 180
    second = target.sink(no_refusal)
    second.write(1, parts[1])
    second.write(3, parts[3])
    second.finish()
    assert_same(everything(open_data_set(at(tmp_path, form))))
    third = FileTarget(data_set_path(at(tmp_path, form))).sink(no_refusal)
    third.finish()  # a run that was interrupted just behind it does it again
    with pytest.raises(Unsupported, match="written only once"):
        third.write(0, parts[0])
    assert_same(everything(open_data_set(at(tmp_path, form))))
    expected = {"set", *(["set.jsonl.manifest.json", form] if form.startswith("set") else [])}
    assert set(names(tmp_path)) <= expected


def test_what_another_plan_left_is_no_part_of_it(tmp_path: Path) -> None:
    first = begun(str(tmp_path / "set")).sink(no_refusal)
    for number, part in enumerate(chunks(RECORDS, 50)):
        first.write(number, part)
    second = FileTarget(data_set_path(str(tmp_path / "set"))).sink(no_refusal)
    for number, part in enumerate(chunks(RECORDS, 90)):
        second.write(number, part)
    with pytest.raises(Mismatch, match="stands twice"):
        second.finish()


def test_a_part_that_is_missing_is_found(tmp_path: Path) -> None:
    sink = begun(str(tmp_path / "set")).sink(no_refusal)
    sink.write(0, RECORDS[:9])
    sink.write(2, RECORDS[9:])
    with pytest.raises(Mismatch, match=r"part 1 .* missing"):
        sink.finish()


def test_threads_write_chunks_side_by_side(tmp_path: Path) -> None:
    sink = begun(str(tmp_path / "set")).sink(no_refusal)
    parts = chunks(RECORDS, 30)
    threads = [Thread(target=sink.write, args=item) for item in enumerate(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.finish()
    assert_same(everything(open_data_set(str(tmp_path / "set"))))


@pytest.mark.parametrize("moment", ["fsync", "rename"])
@pytest.mark.parametrize("form", FOLDERS)
def test_an_interruption_in_the_middle_of_a_part_leaves_the_first_attempt(
    form: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = begun(at(tmp_path, form)).sink(no_refusal)
    sink.write(0, RECORDS)
    before = {path: path.read_bytes() for path in (tmp_path / "set").iterdir()}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if moment == "fsync" else (Path, "replace")), interrupted)
        with pytest.raises(KeyboardInterrupt):
            sink.write(0, RECORDS[:10])
    assert {path: path.read_bytes() for path in (tmp_path / "set").iterdir()} == before
    sink.finish()
    assert_same(everything(open_data_set(at(tmp_path, form))))


_WRITER = """
import sys
from tests.transfer.files.data import INFO, NOWHERE, plain, info_for, no_refusal, chunks
from vstore.transfer.files import FileTarget, data_set_path

from vstore.conformance.fixtures import clause

pytestmark = clause("MIG-16", "MIG-18", "MIG-23")
target = FileTarget(data_set_path(sys.argv[1]))
if target.existing() is None:
    target.create(info_for(100), None, NOWHERE)
sink = target.sink(no_refusal)
for number, part in enumerate(chunks(plain(1000, 100), 25)):
    sink.write(number, part)
    print(number, flush=True)
sink.finish()
print("finished", flush=True)
"""


@pytest.mark.parametrize(("form", "after"), [("parquet:set", 1), ("set.parquet", 5), ("npy:set", 9), ("set.jsonl", 3)])
def test_a_writer_that_is_killed_leaves_whole_parts_only(form: str, after: int, tmp_path: Path) -> None:
    path = at(tmp_path, form)
    command = [sys.executable, "-c", _WRITER, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if line.strip() == str(after):
                break
        writer.send_signal(signal.SIGKILL)
    target = FileTarget(data_set_path(path))
    there = target.existing()
    assert there is not None
    assert there.count() >= (after + 1) * 25  # all that was acknowledged
    assert there.count() % 25 == 0
    with pytest.raises((Mismatch, NotFound)):
        open_data_set(path)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.endswith("finished\n")
    assert open_data_set(path).count() == 1000
    assert not [name for name in names(tmp_path) if "tmp" in name or "parts" in name]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_there_is_not_written_over(form: str, tmp_path: Path) -> None:
    target = export(at(tmp_path, form))
    with pytest.raises(AlreadyExists, match="--if-exists replace"):
        target.create(INFO, None, NOWHERE)
    target.remove()
    assert target.existing() is None
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    export(at(tmp_path, form))


def test_a_damaged_data_set_can_be_replaced(tmp_path: Path) -> None:
    target = export(str(tmp_path / "set"))
    damaged(tmp_path / "set" / "part-000001.parquet")
    there = target.existing()
    assert there is not None
    with pytest.raises(Mismatch):
        there.count()
    target.remove()
    assert names(tmp_path / "set") == []


@pytest.mark.parametrize("form", [*FOLDERS, *SINGLE])
def test_what_vstore_did_not_write_is_left_alone(form: str, tmp_path: Path) -> None:
    path = tmp_path / (form if form in SINGLE else "set")
    if form in SINGLE:
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    target = FileTarget(data_set_path(at(tmp_path, form)))
    for call in (target.existing, target.remove, lambda: target.create(INFO, None, NOWHERE)):
        with pytest.raises((AlreadyExists, Mismatch)):
            call()
    assert [p.read_text() for p in tmp_path.rglob("*") if p.is_file()] == ["mine"]


def test_removing_leaves_the_files_of_others(tmp_path: Path) -> None:
    target = export(str(tmp_path / "set"))
    (tmp_path / "set" / "README").write_text("mine")
    target.remove()
    assert names(tmp_path / "set") == ["README"]


def test_a_name_and_an_encoding_that_contradict_each_other_are_refused() -> None:
    for path in ("arrow:x.parquet", "jsonl:x.arrow"):
        with pytest.raises(InvalidInput, match="not the name of a file"):
            data_set_path(path)
    for path in ("x.npy", "chroma:x", "parquet:", ""):
        with pytest.raises(InvalidInput):
            data_set_path(path)


def test_records_of_another_shape_are_refused(tmp_path: Path) -> None:
    sink = begun(str(tmp_path / "set")).sink(no_refusal)
    with pytest.raises(InvalidInput, match="have 3 dimensions; the data set has 8"):
        sink.write(0, Records(["a"], np.ones((1, 3), dtype=np.float32), [None], [{}]))
    with pytest.raises(InvalidInput, match="all columns"):
        sink.write(0, Records(["a"]))
    assert names(tmp_path / "set") == ["manifest.json"]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = begun(str(tmp_path / "set")).sink(no_refusal)

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(BackendError, match=r"part-000000\.parquet cannot be written: No space left"):
            sink.write(0, RECORDS)
    assert names(tmp_path / "set") == ["manifest.json"]
    (tmp_path / "file").touch()
    for path in ("file/set", "file/set.parquet"):
        with pytest.raises(BackendError, match="cannot be written"):
            begun(str(tmp_path / path))


def test_what_a_killed_writer_left_in_an_empty_folder_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / ".manifest.json.tmp").write_text("{")
    export(str(tmp_path / "set"))
    assert not [name for name in names(tmp_path / "set") if name.endswith(".tmp")]


@pytest.mark.parametrize("form", FOLDERS)
def test_files_that_go_away_while_they_are_read_are_named(form: str, tmp_path: Path) -> None:
    export(at(tmp_path, form))
    source = open_data_set(at(tmp_path, form))
    for part in (tmp_path / "set").glob("part-000002.*"):
        part.unlink()
    with pytest.raises(Mismatch, match="part-000002"):
        list(source.scan())
    with pytest.raises(Mismatch, match="part-000002"):
        source.get(RECORDS.ids)
