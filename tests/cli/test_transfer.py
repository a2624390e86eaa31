"""``vstore copy`` and ``vstore verify``: points 1, 2, 12, 14, 18, 24 and 25 of what moving data must be."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.transfer.faulty import filled, many
from vstore import HNSW, Record, Records, connect
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer.collections import CollectionSink

runner = CliRunner()


def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, JSON lines, standard error."""
    result = runner.invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


class Ends:
    """A Chroma with the collections ``docs`` and ``more``, and a place for a copy."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        self.folder = folder
        self.source, self.target = f"chroma:{folder / 'from'}", f"qdrant:{folder / 'to'}"
        with connect(self.source) as store:
            filled(store, many(60))
            filled(store, many(7), name="more")

    def names(self) -> list[str]:
        with connect(self.target) as store:
            return store.list_collections()


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ends:
    return Ends(tmp_path, monkeypatch)


@clause("MIG-25")
def test_copied_and_verified_is_0_and_all_is_in_the_report(ends: Ends) -> None:
    report = ends.folder / "report.json"
    code, lines, err = run("copy", ends.source, ends.target, "--collection", "docs", "--report", str(report))
    assert (code, err) == (0, "")
    assert lines[-1]["event"] == "report"
    assert lines[-1]["status"] == "verified"
    story = json.loads(report.read_text())
    [found] = story["collections"]
    assert (found["copied"], found["verification"]["compared"], found["exit_code"]) == (60, 60, 0)
    assert found["source"] == f"{ends.source}#docs"
    assert found["checkpoint"].startswith(str(ends.folder / "state" / "vstore"))
    code, lines, _ = run("verify", ends.source, ends.target, "--collection", "docs")
    assert code == 0
    assert lines[-1]["equal"]


@clause("MIG-1")
def test_all_or_named_collections_are_copied(ends: Ends) -> None:
    assert run("copy", ends.source, ends.target, "--all")[0] == 0
    assert ends.names() == ["docs", "more"]
    code, _, _ = run("copy", ends.source, ends.target, "--collection", "docs", "--name", "other")
    assert code == 0
    assert ends.names() == ["docs", "more", "other"]
    assert run("verify", ends.source, ends.target, "--collection", "docs", "--name", "other")[0] == 0


@clause("MIG-25")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "exactly one of --collection and --all"),
        (["--all", "--collection", "docs"], "exactly one of --collection and --all"),
        (["--all", "--name", "x"], "--name is for one"),
        (["--collection", "docs", "--where", "{"], "not JSON"),
        (["--collection", "docs", "--where", '{"a": {"$near": 1}}'], "near"),
        (["--collection", "docs", "--map", "json"], "module:function"),
        (["--collection", "docs", "--map", "json:nothing"], "cannot be loaded"),
        (["--collection", "docs", "--allow", "anything"], "no loss is called"),
        (["--collection", "docs", "--mapping", "/nowhere.json"], "cannot be read"),
        (["--collection", "docs", "--mode", "append"], "append"),
    ],
)
def test_a_wrong_use_is_2_and_writes_nothing(ends: Ends, arguments: list[str], said: str) -> None:
    code, _, err = run("copy", ends.source, ends.target, *arguments)
    assert code == 2
    assert said in err
    assert ends.names() == []


@clause("MIG-25")
def test_a_failure_is_1_and_a_missing_source_is_not_made(ends: Ends) -> None:
    typo = ends.folder / "form"
    code, _, err = run("copy", f"chroma:{typo}", ends.target, "--all")
    assert code == 1
    assert "NotFound" in err
    assert not typo.exists()
    assert not (ends.folder / "to").exists()
    code, _, err = run("copy", ends.source, ends.target, "--collection", "dcos")
    assert code == 1
    assert "NotFound" in err
    code, _, err = run("copy", ends.source, "postgresql://joe:geheim@127.0.0.1:1/db", "--collection", "docs")
    assert code == 1
    assert "geheim" not in err


@clause("MIG-25")
def test_different_is_3(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    write = CollectionSink.write

    def losing(self: CollectionSink, chunk: int, records: Records) -> None:
        write(self, chunk, records[1:])

    monkeypatch.setattr(CollectionSink, "write", losing)
    code, lines, _ = run("copy", ends.source, ends.target, "--collection", "docs")
    assert code == 3
    assert lines[-1]["verification"]["examples"] == ["id-000000"]
    code, lines, _ = run("verify", ends.source, ends.target, "--collection", "docs")
    assert code == 3
    assert lines[-1]["missing"] == 1


@clause("MIG-25")
def test_rejected_records_are_5(ends: Ends) -> None:
    with connect(ends.source) as store:
        long = Records(["long"], np.ones((1, 8), dtype=np.float32), ["x" * 70_000], [{}])
        filled(store, long, name="long")
    target = f"milvus:{ends.folder / 'to.db'}"
    code, lines, _ = run("copy", ends.source, target, "--collection", "long")
    assert code == 5
    dead = Path(lines[-1]["rejected_file"])
    assert dead.is_relative_to(ends.folder / "state")
    assert json.loads(dead.read_text())["id"] == "long"
    code, lines, _ = run("copy", ends.source, target, "--collection", "long", "--max-errors", "1")
    assert code == 5
    assert lines[-1]["copied"] == 0
    assert lines[-1]["verification"]["equal"]


@clause("MIG-2")
def test_a_dry_run_writes_nothing(ends: Ends) -> None:
    before = sorted(ends.folder.rglob("*"))
    for target in (ends.target, f"milvus:{ends.folder / 'to.db'}", f"pgvector:{ends.folder / 'pg'}"):
        code, lines, _ = run("copy", ends.source, target, "--all", "--dry-run")
        assert code == 0
        assert [(line["planned"], line["plan"]["dimension"]) for line in lines] == [(60, 8), (7, 8)]
    assert [p for p in sorted(ends.folder.rglob("*")) if p not in before] == []


def drop_the_first(record: Record) -> Record | None:
    return None if record.id == "id-000000" else record


@clause("MIG-14")
def test_a_filter_and_a_function(ends: Ends) -> None:
    name = f"{__name__}:drop_the_first"
    code, lines, _ = run(
        "copy", ends.source, ends.target, "--collection", "docs", "--where", '{"part": 0}', "--map", name
    )
    assert code == 0
    assert lines[-1]["copied"] == 19


@clause("MIG-24")
def test_json_lines_where_nobody_looks(ends: Ends) -> None:
    _, lines, _ = run("copy", ends.source, ends.target, "--collection", "docs", "--chunk-rows", "25")
    assert [line["event"] for line in lines if line.get("rows") == 0] == ["plan", "copy", "verify"]
    last = next(line for line in reversed(lines) if line["event"] == "copy")
    assert last["rows"] == last["total"] == 60
    assert last["mb_per_second"] > 0
    assert last["eta_seconds"] == 0
    assert last["retries"] == 0


def _argv(ends: Ends, *more: str) -> list[str]:
    main = "from vstore.cli import main; main()"
    return [sys.executable, "-c", main, "copy", ends.source, ends.target, "--collection", "docs", *more]


@clause("MIG-24")
def test_a_bar_on_a_terminal_and_nothing_asks(ends: Ends) -> None:
    master, slave = pty.openpty()
    # COLUMNS so that no line is cut; standard input is closed: what asked would fail
    with subprocess.Popen(
        _argv(ends), stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env={**os.environ, "COLUMNS": "160"}
    ) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65_536)
            except OSError:  # Linux says so that the other side has closed
                break
            if not part:
                break
            shown += part
    os.close(master)
    text = shown.decode()
    assert process.returncode == 0, text
    assert "60 of 60 records copied" in text.replace("\x1b[1;36m", "").replace("\x1b[0m", "")
    assert "60/60" in text
    assert "verified" in text
    assert '"event"' not in text


@clause("MIG-18")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_copy_is_4_and_says_how_to_go_on(ends: Ends, number: signal.Signals) -> None:
    # 60 calls, of which it makes 8 a second: it is under way when the signal comes
    slow = _argv(ends, "--chunk-rows", "2", "--max-rps", "8")
    with subprocess.Popen(slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "copy" and json.loads(line)["rows"] > 0:
                process.send_signal(number)
                break
        out, err = process.communicate(timeout=300)
    assert process.returncode == 4, err
    report = json.loads(out.splitlines()[-1])
    assert report["status"] == "incomplete"
    assert 0 < report["copied"] < 60
    code, lines, _ = run("copy", ends.source, ends.target, "--collection", "docs")
    assert code == 0
    assert lines[-1]["resumed"]
    assert lines[-1]["copied"] == 60


@clause("MIG-18")
def test_on_a_terminal_it_says_to_run_the_same_command_again(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vstore.cli import copy as command
    from vstore.transfer import Report, Status

    command._print_report(Report("a", "b", "docs", Status.INCOMPLETE, error="interrupted"), as_json=False)
    assert "Run the same command again" in capsys.readouterr().err


@clause("MIG-1")
def test_nothing_is_made_for_a_copy_that_cannot_begin(ends: Ends) -> None:
    docs = ["--collection", "docs"]
    for arguments in (["--collection", "dcos"], [], ["--all", "--name", "x"], [*docs, "--allow", "x"],
                      [*docs, "--max-rps", "0"]):  # fmt: skip
        assert run("copy", ends.source, ends.target, *arguments)[0] in (1, 2)
        assert not (ends.folder / "to").exists()


@clause("MIG-1")
def test_a_source_in_which_there_is_nothing_to_copy_is_told(ends: Ends) -> None:
    connect(f"chroma:{ends.folder / 'empty'}").close()
    code, lines, err = run("copy", f"chroma:{ends.folder / 'empty'}", ends.target, "--all")
    assert (code, lines) == (1, [])
    assert "nothing to copy" in err
    assert not (ends.folder / "to").exists()


@clause("MIG-2")
def test_a_dry_run_tries_writing_where_it_has_a_place_of_its_own(ends: Ends) -> None:
    plans = {
        target: run("copy", ends.source, target, "--collection", "docs", "--dry-run")[1][0]["plan"]
        for target in (ends.target, f"milvus:{ends.folder / 'to.db'}", f"pgvector:{ends.folder / 'pg'}")
    }
    assert all(plan["write_seconds"] > 0 for plan in plans.values())
    assert run("copy", ends.source, ends.target, "--collection", "more")[0] == 0
    [line] = run("copy", ends.source, ends.target, "--collection", "docs", "--dry-run")[1]
    assert line["plan"]["write_seconds"] is None  # it is there, and nothing is written to it
    assert ends.names() == ["more"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """PostgreSQL's server runs as a user of its own, to whom pytest closes its folders."""
    with tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@clause("MIG-2")
def test_an_index_that_the_dimension_is_too_large_for_is_a_loss(ends: Ends, open_folder: Path) -> None:
    with connect(ends.source) as store:
        filled(store, many(3, 4001), name="wide")
    target = f"pgvector:{open_folder / 'pg'}"
    [line] = run("copy", ends.source, target, "--collection", "wide", "--dry-run")[1]
    assert [loss["kind"] for loss in line["losses"]] == ["index-change"]
    assert "4,001 dimensions" in line["losses"][0]["text"]
    assert line["plan"]["write_seconds"] > 0
    code, _, err = run("copy", ends.source, target, "--collection", "wide")
    assert code == 2
    assert "--allow index-change" in err
    code, lines, _ = run("copy", ends.source, target, "--collection", "wide", "--allow", "index-change")
    assert code == 0
    assert [loss["kind"] for loss in lines[-1]["losses"]] == ["index-change"]


@clause("MIG-2")
def test_an_illegal_name_is_refused_before_reading(ends: Ends) -> None:
    for more in ([], ["--dry-run"]):
        code, _, err = run("copy", ends.source, ends.target, "--collection", "docs", "--name", "my-docs", *more)
        assert code == 2
        assert "Pass --name to give another" in err


@clause("MIG-2")
def test_a_dry_run_heeds_function_and_chunk_rows(ends: Ends) -> None:
    dry = ["copy", ends.source, ends.target, "--collection", "docs", "--dry-run"]
    [line] = run(*dry, "--map", f"{__name__}:drop_the_first", "--chunk-rows", "10")[1]
    assert (line["planned"], line["chunks"], line["plan"]["rows_per_chunk"]) == (59, 6, 10)
    assert run(*dry, "--allow", "anything")[0] == 2


@clause("MIG-12")
def test_each_collection_has_its_own_rejected_file(ends: Ends) -> None:
    file = ends.folder / "dead.jsonl"
    code, _, err = run("copy", ends.source, ends.target, "--all", "--dead-letters", str(file))
    assert code == 2
    assert "--rejected is for one collection" in err


@clause("MIG-25")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["copy", "SOURCE", "TARGET", "--collection", "docs", "--where", "{"], 2),
        (["copy", "SOURCE", "TARGET", "--collection", "dcos"], 1),
        (["copy", "SOURCE", "NOWHERE", "--collection", "docs", "--dry-run"], 1),
        (["copy", "NOWHERE", "TARGET", "--collection", "docs"], 1),
        (["verify", "SOURCE", "TARGET", "--collection", "docs"], 1),
        (["verify", "SOURCE", "SOURCE", "--collection", "docs", "--verify", "none"], 2),
        (["import", "BROKEN", "TARGET", "--metric", "l2"], 1),
        (["import", "BROKEN", "TARGET", "--index", "none"], 2),
        (["export", "SOURCE", "OTHERS", "--collection", "docs"], 1),
    ],
)
def test_a_report_is_written_whatever_fails(ends: Ends, arguments: list[str], expected: int) -> None:
    broken, others = ends.folder / "broken.jsonl", ends.folder / "others.jsonl"
    broken.write_text('{"id": "a", "vector": [1,')
    others.write_text('{"id": "a", "vector": [1, 2]}')
    places = {"SOURCE": ends.source, "TARGET": ends.target, "BROKEN": str(broken), "OTHERS": str(others)}
    places["NOWHERE"] = "postgresql://joe:geheim@127.0.0.1:1/db"
    report = ends.folder / "report.json"
    code, _, err = run(*[places.get(argument, argument) for argument in arguments], "--report", str(report))
    assert code == expected, err
    story = report.read_text()
    error = " ".join(json.loads(story)["error"].split())
    assert error.partition(": ")[0] in err
    assert error.partition(": ")[2] in " ".join(err.split())
    assert "geheim" not in story


@clause("MIG-25")
def test_a_report_that_cannot_be_written_is_told_first(ends: Ends) -> None:
    for command in (["copy", ends.source, ends.target], ["verify", ends.source, ends.source]):
        code, _, err = run(*command, "--collection", "docs", "--report", str(ends.folder / "none" / "report.json"))
        assert code == 2
        assert "cannot be written" in err
    assert not (ends.folder / "to").exists()


@clause("MIG-25")
@pytest.mark.parametrize(
    ("point", "command", "expected"),
    [
        ("vstore.cli.copy.open_location", ["copy", "SOURCE", "TARGET"], 4),
        ("vstore.transfer.dryrun.size_of", ["copy", "SOURCE", "TARGET", "--dry-run"], 4),
        ("vstore.transfer.preparing.make_plan", ["copy", "SOURCE", "TARGET"], 4),
        ("vstore.transfer.job.verify", ["copy", "SOURCE", "TARGET"], 4),
        ("vstore.cli.verify.verify", ["verify", "SOURCE", "SOURCE"], 1),
    ],
)
def test_interrupted_anywhere_is_4_and_told(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, point: str, command: list[str], expected: int
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(point, interrupt)
    report, places = ends.folder / "report.json", {"SOURCE": ends.source, "TARGET": ends.target}
    code, _, _ = run(*[places.get(word, word) for word in command], "--collection", "docs", "--report", str(report))
    assert code == expected
    story = json.loads(report.read_text())
    assert "interrupted" in json.dumps(story)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(ends.folder / "state"))
    assert run("copy", ends.source, ends.target, "--collection", "docs")[0] == 0


@clause("MIG-25")
def test_a_reader_that_goes_away_does_not_end_the_copy(ends: Ends) -> None:
    report = ends.folder / "report.json"
    slow = _argv(ends, "--chunk-rows", "2", "--max-rps", "40", "--report", str(report))
    with subprocess.Popen(slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert json.loads(report.read_text())["collections"][0]["copied"] == 60


@clause("MIG-25")
def test_a_finished_copy_that_differs_says_how_to_copy_again(ends: Ends) -> None:
    copy = ["copy", ends.source, ends.target, "--collection", "docs"]
    assert run(*copy)[0] == 0
    with connect(ends.source) as store:
        store.get_collection("docs").upsert(["new"], np.ones((1, 8)))
    code, lines, _ = run(*copy)
    assert code == 3
    assert "--if-exists merge" in lines[-1]["error"]
    assert run(*copy, "--mode", "merge")[0] == 0


@clause("MIG-25")
def test_an_error_of_one_collection_names_it(ends: Ends) -> None:
    assert run("copy", ends.source, ends.target, "--collection", "more")[0] == 0
    with connect(ends.source) as store:
        store.get_collection("more").rename("docs2")
    code, _, err = run("copy", ends.source, ends.target, "--collection", "docs2", "--name", "more")
    assert code == 1
    assert "copy on 'docs2': the target holds 7 records" in err


@clause("MIG-20", "MIG-22")
def test_the_report_names_class_and_recall(ends: Ends) -> None:
    with connect(ends.source) as store:
        filled(store, many(40), name="angles", metric="cosine", index=HNSW())
    _, lines, _ = run("copy", ends.source, ends.target, "--collection", "angles")
    found = lines[-1]["verification"]
    assert found["exactness"] == "within 1e-6 of the vector's length"
    assert found["search_agreement"]["recall"]["right"] == 1.0


def test_a_sample_is_enough_where_it_is_asked_for(ends: Ends) -> None:
    code, lines, _ = run(
        "copy", ends.source, ends.target, "--collection", "docs", "--verify", "sample", "--sample", "9"
    )
    assert code == 0
    assert lines[-1]["verification"]["compared"] == 9
    assert "9 of 60" in lines[-1]["verification"]["confidence"]
    code, lines, _ = run("verify", ends.source, ends.target, "--collection", "docs", "--verify", "none")
    assert code == 2
