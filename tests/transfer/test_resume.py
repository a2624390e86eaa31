"""Going on after an interruption: points 15 to 18 of what moving data must be."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.transfer.crashing import POINTS
from tests.transfer.faulty import Lasting, faulty_store, filled, many, refusing, source_of
from vstore import AlreadyExists, F, LimitExceeded, Mismatch, Records, Unavailable, Unsupported, connect
from vstore.conformance.fixtures import clause
from vstore.spi.urls import StoreURL
from vstore.transfer import Status, copy
from vstore.transfer.checkpoint import CopyCheckpoint
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.engine import SourceChanged
from vstore.transfer.opening import open_location, store_identity

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``copy`` with a checkpoint."""

    def call(source: Source, target: Target, **options: Any) -> Any:
        settings = {"state": tmp_path, "chunk_rows": 10, "retries": 0, **options}
        return copy(source, target, **settings)

    return call


class Failing:
    """Fails for good at the ``n``-th write, once."""

    def __init__(self, n: int) -> None:
        self.left = n
        self.batches: list[list[str]] = []

    def __call__(self, records: Records) -> Records:
        self.left -= 1
        if self.left == 0:
            raise Unavailable("the server went away")
        self.batches.append(records.ids)
        return records


@clause("MIG-15")
def test_nothing_of_the_copy_is_left_in_the_target(run: Run) -> None:
    store = faulty_store()
    source = source_of(many(50), metadata={"n": 1})
    assert run(source, Lasting(store, "docs")).status is Status.VERIFIED
    assert store.list_collections() == ["docs"]
    assert store.get_collection("docs").info.metadata == {"n": 1}
    assert store.get_collection("docs").count() == 50


@clause("MIG-15")
def test_the_checkpoint_holds_no_secret_and_is_private(tmp_path: Path) -> None:
    url = StoreURL.parse("pgvector://joe:geheim@localhost:5433/shop?schema=s&timeout=9")
    assert store_identity(url) == "pgvector://localhost:5433/shop?schema=s"
    assert "geheim" not in store_identity(StoreURL.parse("qdrant://h:6333?api_key=geheim"))
    assert "geheim" not in store_identity(StoreURL.parse("chroma://h:1?token=geheim"))
    folder = tmp_path / "state"
    target = Lasting(faulty_store(on_upsert=refusing("id-000003")), "docs")
    report = copy(source_of(many(20)), target, state=folder)
    assert Path(report.checkpoint).parent == Path(report.rejected_file).parent == folder
    for path in (folder, Path(report.checkpoint), Path(report.rejected_file)):
        assert path.stat().st_mode & 0o077 == 0


@clause("MIG-15")
def test_copies_with_other_ends_have_other_checkpoints(run: Run) -> None:
    first = run(source_of(many(5)), Lasting(faulty_store(), "docs"))

    class Elsewhere(Lasting):
        identity = "memory:elsewhere#docs"  # type: ignore[assignment]

    second = run(source_of(many(5)), Elsewhere(faulty_store(), "docs"))
    assert first.checkpoint != second.checkpoint


@clause("MIG-16")
def test_a_chunk_is_noted_after_its_acknowledgement(run: Run, tmp_path: Path) -> None:
    write = Failing(4)
    report = run(source_of(many(100)), Lasting(faulty_store(on_upsert=write), "docs"))
    assert report.status is Status.INCOMPLETE
    assert report.exit_code == 4
    assert "went away" in report.error
    with sqlite3.connect(report.checkpoint) as checkpoint:
        rows = checkpoint.execute("select rows, written, digest is not null from chunks order by number").fetchall()
    assert rows == [(10, 10, 1)] * 3 + [(10, None, 0)] * 7
    assert report.copied == 30


@clause("MIG-17")
@pytest.mark.parametrize("workers", [1, 3])
def test_a_resume_sends_unfinished_chunks_whole_and_no_others(run: Run, workers: int) -> None:
    write = Failing(4)
    source, store = source_of(many(100)), faulty_store(on_upsert=write)
    assert run(source, Lasting(store, "docs")).exit_code == 4
    sent = [record_id for batch in write.batches for record_id in batch]
    write.batches.clear()
    report = run(source, Lasting(store, "docs"), workers=workers)
    assert report.status is Status.VERIFIED
    assert report.resumed
    again = [record_id for batch in write.batches for record_id in batch]
    assert len(sent) == 30
    assert sorted(sent + again) == many(100).ids
    assert report.copied == 100
    assert report.verification.digest == report.digest


@clause("MIG-17")
@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.delete(ids=["id-000090"]),
        lambda c: c.upsert(["zzz"], np.ones((1, 8))),
        lambda c: (c.delete(ids=["id-000090"]), c.upsert(["id-000090x"], np.ones((1, 8)))),
    ],
)
def test_a_source_that_has_changed_is_refused(run: Run, change: Callable[[Any], None]) -> None:
    source, store = source_of(many(100)), faulty_store(on_upsert=Failing(4))
    assert run(source, Lasting(store, "docs")).exit_code == 4
    change(source.collection)
    if source.count() != 100:  # it is seen before anything is sent
        with pytest.raises(SourceChanged, match="--restart"):
            run(source, Lasting(store, "docs"))
    else:  # it is seen by the ids of a chunk
        report = run(source, Lasting(store, "docs"))
        assert report.status is Status.FAILED
        assert "has changed" in report.error
        assert report.exit_code == 1
    again = run(source, Lasting(store, "docs"), restart=True, if_exists="replace")
    assert again.status is Status.VERIFIED
    assert not again.resumed


@clause("MIG-17")
def test_a_source_that_changes_during_the_copy_is_found_out(run: Run) -> None:
    source = source_of(many(100))

    def on_upsert(records: Records) -> Records:
        if "id-000020" in records.ids:
            source.collection.upsert(["id-000085x"], np.ones((1, 8)))
        return records

    report = run(source, Lasting(faulty_store(on_upsert=on_upsert), "docs"))
    assert report.status is Status.FAILED
    assert "has changed" in report.error


@clause("MIG-17")
def test_a_record_that_changes_during_the_copy_is_found(run: Run) -> None:
    source = source_of(many(100))

    def on_upsert(records: Records) -> Records:
        if "id-000050" in records.ids:
            source.collection.update(["id-000001"], documents=["new"])
        return records

    report = run(source, Lasting(faulty_store(on_upsert=on_upsert), "docs"))
    assert report.status is Status.DIFFERENT
    assert report.verification.examples == ["id-000001"]


@clause("MIG-17")
@pytest.mark.parametrize(
    "changed",
    [{"where": F("part") == 1}, {"if_exists": "merge"}, {"allow": ["index-change"]}, {"transform": lambda r: r}],
)
def test_other_options_are_refused(run: Run, changed: dict[str, Any]) -> None:
    source, store = source_of(many(100)), faulty_store(on_upsert=Failing(4))
    assert run(source, Lasting(store, "docs")).exit_code == 4
    with pytest.raises(Mismatch, match="other options") as caught:
        run(source, Lasting(store, "docs"), **changed)
    assert "--restart" in caught.value.hint
    same = {"workers": 4, "verify": "sample", "queries": 0, "max_rps": 10_000.0, "max_errors": 3, "chunk_rows": 3}
    assert run(source, Lasting(store, "docs"), **same).status is Status.VERIFIED


@clause("MIG-17")
def test_a_target_that_has_lost_what_it_acknowledged_is_refused(run: Run) -> None:
    source, store = source_of(many(100)), faulty_store(on_upsert=Failing(4))
    assert run(source, Lasting(store, "docs")).exit_code == 4
    store.get_collection("docs").delete(ids=["id-000001"])
    with pytest.raises(Mismatch, match="no longer has"):
        run(source, Lasting(store, "docs"))
    store.delete_collection("docs")
    with pytest.raises(Mismatch, match="no longer has"):
        run(source, Lasting(store, "docs"))
    assert run(source, Lasting(store, "docs"), restart=True).status is Status.VERIFIED


@clause("MIG-17")
@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_a_target_that_somebody_has_made_anew_is_not_written_to(run: Run, metric: str) -> None:
    source, store = source_of(many(100)), faulty_store(on_upsert=Failing(4))
    assert run(source, Lasting(store, "docs"), workers=1).exit_code == 4
    store.delete_collection("docs")
    other = store.create_collection("docs", dimension=8, metric=metric)
    other.upsert([f"other-{place}" for place in range(200)], np.ones((200, 8)))
    with pytest.raises(Mismatch, match="no longer has"):
        run(source, Lasting(store, "docs"))
    assert other.count() == 200


@clause("MIG-17")
def test_what_is_finished_is_compared_again_and_not_sent_again(run: Run) -> None:
    source, write = source_of(many(50)), Failing(-1)
    store = faulty_store(on_upsert=write)
    assert run(source, Lasting(store, "docs")).status is Status.VERIFIED
    write.batches.clear()
    assert run(source, Lasting(store, "docs")).status is Status.VERIFIED
    assert write.batches == []
    store.get_collection("docs").delete(ids=["id-000001"])
    assert run(source, Lasting(store, "docs")).status is Status.DIFFERENT
    with pytest.raises(AlreadyExists):
        run(source, Lasting(store, "docs"), where=F("part") == 1)
    store.delete_collection("docs")
    assert run(source, Lasting(store, "docs")).copied == 50
    source.collection.upsert(["new"], np.ones((1, 8)))
    assert run(source, Lasting(store, "docs"), if_exists="replace").status is Status.VERIFIED
    assert store.get_collection("docs").count() == 51


@clause("MIG-18")
def test_one_run_at_a_time(run: Run, tmp_path: Path) -> None:
    source, store = source_of(many(50)), faulty_store()
    held = CopyCheckpoint.of(source.identity, "memory:kept#docs", tmp_path)
    try:
        with pytest.raises(Unavailable, match="another run is at work"):
            run(source, Lasting(store, "docs"))
        assert store.list_collections() == []
        program = "import sys, pathlib, vstore.transfer.checkpoint as l; l.CopyCheckpoint(pathlib.Path(sys.argv[1]))"
        other = subprocess.run([sys.executable, "-c", program, str(held.path)], capture_output=True, text=True)
        assert "another run is at work" in other.stderr
    finally:
        held.close()
    assert run(source, Lasting(store, "docs")).status is Status.VERIFIED


@clause("MIG-18")
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_writes_what_was_read_and_goes_on_later(run: Run, workers: int) -> None:
    writes = 0

    def on_upsert(records: Records) -> Records:
        nonlocal writes
        writes += 1
        if writes == 3:
            signal.raise_signal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else os.kill(
                os.getpid(), signal.SIGINT
            )
        return records

    source, store = source_of(many(1000)), faulty_store(on_upsert=on_upsert)
    report = run(source, Lasting(store, "docs"), workers=workers)
    assert report.status is Status.INCOMPLETE
    assert report.error == "interrupted"
    assert report.copied == 10 * writes == store.get_collection("docs").count()
    assert report.copied < 1000
    assert run(source, Lasting(store, "docs")).status is Status.VERIFIED


@clause("MIG-17")
def test_a_plan_of_which_nothing_was_written_binds_nobody(run: Run) -> None:
    source = source_of(many(30))

    class Picky(Lasting):
        def create(self, info: Any, index: Any, source: Any) -> None:
            if index is not None:
                raise LimitExceeded("no such index for 8 dimensions")
            super().create(info, index, source)

    store = faulty_store()
    with pytest.raises(Unsupported, match="index-change"):
        run(source, Picky(store, "docs"))
    source.collection.upsert(["more"], np.ones((1, 8)))
    report = run(source, Picky(store, "docs"), allow=["index-change"])
    assert report.status is Status.VERIFIED
    assert report.copied == 31


@clause("MIG-18")
@pytest.mark.parametrize("mode", [None, "replace", "merge"])
@pytest.mark.parametrize("point", ["planned", "made"])
def test_a_death_before_the_first_write_is_no_obstacle(run: Run, point: str, mode: str | None) -> None:
    source, store = source_of(many(30)), faulty_store()
    if mode is not None:
        filled(store, Records(["old"], np.ones((1, 8), dtype=np.float32)))

    class Died(Exception):
        pass

    class Dying(Lasting):
        def create(self, *arguments: Any) -> None:
            if point == "made":
                super().create(*arguments)
            raise Died

    if mode == "merge":
        assert run(source, Lasting(store, "docs"), if_exists=mode).status is Status.VERIFIED
        assert store.get_collection("docs").count() == 31
        return
    with pytest.raises(Died):
        run(source, Dying(store, "docs"), if_exists=mode)
    report = run(source, Lasting(store, "docs"), if_exists=mode)
    assert report.status is Status.VERIFIED
    assert report.resumed
    assert store.get_collection("docs").count() == 30


SCHEMES = ["chroma", "milvus", "pgvector", "qdrant"]


def to_path(scheme: str) -> str:
    return "to.db" if scheme == "milvus" else "to"


def _command(*arguments: str, before: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *before, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        timeout=600,
    )


def _arguments(tmp_path: Path, scheme: str, workers: int) -> list[str]:
    return [
        "copy", f"chroma:{tmp_path / 'from'}", f"{scheme}:{tmp_path / to_path(scheme)}", "--collection", "docs",
        "--state", str(tmp_path / "state"), "--chunk-rows", "20", "--workers", str(workers),
    ]  # fmt: skip


def _fill(tmp_path: Path, n: int) -> Records:
    records = many(n)
    with connect(f"chroma:{tmp_path / 'from'}") as store:
        filled(store, records)
    return records


def _check(tmp_path: Path, scheme: str, records: Records) -> None:
    with open_location(f"{scheme}:{tmp_path / to_path(scheme)}", new=False, timeout=60) as place:
        source = place.source("docs")
        assert source.count() == len(records)
        seen = [record_id for page in source.scan(include=()) for record_id in page.records.ids]
        assert sorted(seen) == records.ids
        found = source.get(records.ids)
        assert found.documents == records.documents
        assert found.metadatas == records.metadatas
        np.testing.assert_array_equal(found.vectors, records.vectors)


def _kill_and_resume(tmp_path: Path, scheme: str, specs: list[str]) -> None:
    records = _fill(tmp_path, 150)
    script = [str(Path(__file__).with_name("crashing.py"))]
    environment = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", environment["PYTHONPATH"])
        codes = []
        for number, spec in enumerate(specs):
            ended = _command(*_arguments(tmp_path, scheme, workers=1 + number % 3), before=[*script, spec])
            codes.append(ended.returncode)
            assert ended.returncode in (-signal.SIGKILL, 0), ended.stderr
        assert codes[0] == -signal.SIGKILL
        ended = _command(*_arguments(tmp_path, scheme, workers=3), before=[*script, "before a plan:99"])
    assert ended.returncode == 0, ended.stderr + ended.stdout
    _check(tmp_path, scheme, records)


@clause("MIG-18")
@pytest.mark.parametrize("scheme", ["pgvector", "qdrant"])
def test_a_copy_killed_at_any_instant_resumes_whole(tmp_path: Path, scheme: str) -> None:
    rng = random.Random(scheme)
    _kill_and_resume(tmp_path, scheme, ["within a chunk:2", f"{rng.choice(POINTS[6:8])}:1", f"{rng.choice(POINTS)}:1"])


@clause("MIG-18")
@pytest.mark.nightly
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_point(tmp_path: Path, scheme: str, point: str) -> None:
    _kill_and_resume(tmp_path, scheme, [f"{point}:{n}" for n in (1, 2, 3)])


@clause("MIG-18")
@pytest.mark.nightly
@pytest.mark.parametrize("scheme", SCHEMES)
def test_killed_at_thirty_random_instants(tmp_path: Path, scheme: str) -> None:
    records = _fill(tmp_path, 3_000)
    rng, killed = random.Random(), 0
    while killed < 30:
        command = [sys.executable, "-c", "from vstore.cli import main; main()"]
        arguments = [*_arguments(tmp_path, scheme, rng.randint(1, 4)), "--queries", "0"]
        with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            run.stdout.readline()  # what comes before is loading
            time.sleep(rng.uniform(0.0, 1.0))  # any instant will do: nothing depends on which
            run.kill()
        killed += run.returncode == -signal.SIGKILL
        if run.returncode == 0:  # it was through before: once more from the beginning
            shutil.rmtree(tmp_path / "state")
            shutil.rmtree(tmp_path / to_path(scheme))
    ended = _command(*_arguments(tmp_path, scheme, 3), before=["-c", "from vstore.cli import main; main()"])
    assert ended.returncode == 0, ended.stderr + ended.stdout
    _check(tmp_path, scheme, records)
