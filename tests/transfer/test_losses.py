"""What a copy does not carry is named before anything is written, and is in every report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromadb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from qdrant_client import QdrantClient, models
from typer.testing import CliRunner

from tests.transfer.faulty import filled, many, source_of, target_in
from vstore import F, InvalidInput, Mismatch, RecordMapping, Store, Unsupported, connect
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer import CollectionSource, CollectionTarget, Status, VerifyMode, copy, verify
from vstore.transfer.dryrun import dry_run
from vstore.transfer.files import Columns, FileLocation, Foreign, open_data_set

pytestmark = clause("MIG-3")

PART = {"document": "document", "metadata": None, "metric": "l2"}


@pytest.fixture
def store() -> Store:
    return connect("memory:")


@pytest.fixture
def qdrant() -> Iterator[Store]:
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=2, distance=models.Distance.DOT)
    client.create_collection(
        "made", vectors_config={"dense": params}, sparse_vectors_config={"sparse": models.SparseVectorParams()}
    )
    words = models.SparseVector(indices=[1], values=[1.0])
    points = [
        models.PointStruct(id=i, vector={"dense": [1, i], "sparse": words}, payload={"n": i, "o": {"x": i, "y": i}})
        for i in range(30)
    ]
    client.upsert("made", points)
    with connect(client=client) as opened:
        yield opened
    client.close()


def kinds(losses: Any) -> list[str]:
    return [str(loss.kind) for loss in losses]


def test_a_further_vector_is_refused_before_anything_is_made_and_can_be_allowed(qdrant: Store, store: Store) -> None:
    source = CollectionSource(qdrant, qdrant.get_collection("made", mapping="auto"))
    plan = dry_run(source, target_in(store))
    assert kinds(plan.losses) == ["other-vectors"]
    assert plan.plan is not None
    assert plan.plan["allowed_by"] == ["other-vectors"]
    with pytest.raises(Unsupported, match="other-vectors: the sparse vector 'sparse'"):
        copy(source, target_in(store))
    assert store.list_collections() == []
    report = copy(source, target_in(store), allow=["other-vectors"])
    assert (report.status, kinds(report.losses)) == (Status.VERIFIED, ["other-vectors"])
    assert report.verification is not None
    assert kinds(report.verification.not_compared) == ["other-vectors"]
    right = CollectionSource(store, store.get_collection("docs"))
    for found in (verify(source, right), verify(right, source)):
        assert (found.equal, found.differences, found.unequal) == (False, 0, ["other-vectors"])
        assert [line for line in found.lines() if line.startswith("not compared: other-vectors")]
    assert verify(source, right, allow=["other-vectors"]).equal


def test_keys_that_the_mapping_leaves_are_counted_before_anything_is_made(qdrant: Store, store: Store) -> None:
    mapping = RecordMapping(vector="dense", metadata=("o",), hidden=("y",))
    source = CollectionSource(qdrant, qdrant.get_collection("made", mapping=mapping))
    for refused in ([], ["other-vectors"], ["other-fields"]):
        with pytest.raises(Unsupported):
            copy(source, target_in(store), allow=refused)
    assert store.list_collections() == []
    report = copy(source, target_in(store), allow=["other-vectors", "other-fields"], where=F("x") < 10)
    assert report.status is Status.VERIFIED
    assert [(str(loss.kind), loss.text, loss.needs_leave) for loss in report.losses[1:]] == [
        ("other-fields", "'n' is not read; 10 of 10 rows have it", True),
        ("other-fields", "'y' is hidden by the mapping; 10 of 10 rows have it", False),
    ]


def test_what_the_caller_hides_by_name_needs_no_leave(qdrant: Store, store: Store) -> None:
    mapping = RecordMapping(vector="dense", hidden=("o",))
    source = CollectionSource(qdrant, qdrant.get_collection("made", mapping=mapping))
    report = copy(source, target_in(store), allow=["other-vectors"])
    assert [loss.text for loss in report.losses if not loss.needs_leave] == [
        "'o' is hidden by the mapping; 30 of 30 rows have it"
    ]


def _chroma(folder: Path, records: int) -> str:
    client = chromadb.PersistentClient(str(folder))
    made = client.create_collection("made", metadata={"hnsw:space": "l2"}, embedding_function=None)
    ids = [f"r{i:04}" for i in range(records)]
    made.add(
        ids, [[1.0, float(i)] for i in range(records)], documents=ids, metadatas=[{"n": i} for i in range(records)]
    )
    client.close()
    return f"chroma:{folder}"


def _command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "part.json").write_text(json.dumps(PART))
    arguments = [_chroma(tmp_path / "from", 40), f"qdrant:{tmp_path / 'to'}", "--collection", "made"]
    return [*arguments, "--mapping", str(tmp_path / "part.json")]


def _run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_the_command_refuses_names_and_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = _command(tmp_path, monkeypatch)
    code, lines, err = _run("copy", *ends)
    assert code == 2
    assert "--allow other-fields" in err
    assert not (tmp_path / "to").exists() or not connect(f"qdrant:{tmp_path / 'to'}").list_collections()
    code, lines, _ = _run("copy", *ends, "--dry-run")
    assert (code, lines[-1]["plan"]["allowed_by"]) == (0, ["other-fields"])
    code, lines, err = _run("copy", *ends, "--allow", "other-fields")
    assert (code, err) == (0, "")
    assert [loss["kind"] for loss in lines[-1]["losses"]] == ["other-fields"]
    code, lines, _ = _run("verify", *ends)
    assert (code, lines[-1]["equal"], lines[-1]["unequal"]) == (3, False, ["other-fields"])
    code, lines, _ = _run("verify", *ends, "--allow", "other-fields")
    assert (code, lines[-1]["equal"]) == (0, True)
    assert [loss["kind"] for loss in lines[-1]["not_compared"]] == ["other-fields"]
    code, lines, _ = _run("copy", *ends, "--allow", "other-fields")
    assert code == 0
    assert [loss["kind"] for loss in lines[-1]["losses"]] == ["other-fields"], "a copy that is only compared again"


def test_a_killed_copy_keeps_its_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = _command(tmp_path, monkeypatch)
    script = [sys.executable, str(Path(__file__).with_name("crashing.py"))]
    arguments = ["copy", *ends, "--allow", "other-fields", "--chunk-rows", "10"]
    killed = subprocess.run(
        [*script, "after a chunk is noted:2", *arguments], check=False, capture_output=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    code, lines, err = _run(*arguments)
    assert (code, err) == (0, "")
    report = lines[-1]
    assert (report["resumed"], report["status"], report["copied"]) == (True, "verified", 40)
    assert [loss["text"] for loss in report["losses"]] == ["'metadata' is not read; 40 of 40 rows have it"]


def test_columns_of_files_that_are_not_read(tmp_path: Path, store: Store) -> None:
    own = source_of(many(5))
    path = str(tmp_path / "own.parquet")
    assert copy(own, FileLocation(path).target("docs")).status is Status.VERIFIED
    table = pq.read_table(path)
    wider = table.append_column("extra", pa.array(range(5))).replace_schema_metadata(table.schema.metadata)
    pq.write_table(wider, path)
    with pytest.raises(Unsupported, match="other-fields: extra"):
        copy(open_data_set(path), target_in(store))
    report = copy(open_data_set(path), target_in(store), allow=["other-fields"])
    assert (report.status, kinds(report.losses)) == (Status.VERIFIED, ["other-fields"])
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), tmp_path / "theirs.parquet")
    columns = Columns(metadata=("extra",), object="metadata")
    theirs = open_data_set(str(tmp_path / "theirs.parquet"), foreign=Foreign(metric="dot", columns=columns))
    assert theirs.omissions() == []
    frame = pq.read_table(path).append_column("__index_level_0__", pa.array(list("abcde"))).replace_schema_metadata({})
    pq.write_table(frame, tmp_path / "pandas.parquet")
    labelled = open_data_set(str(tmp_path / "pandas.parquet"), foreign=Foreign(metric="dot"))
    assert [(one.name, one.needs_leave) for one in labelled.omissions()] == [("__index_level_0__", True)]


def test_keys_of_json_lines_that_are_not_read(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "own.jsonl"
    rows = [{"id": str(i), "vector": [1, i], "n": i, **({"late": 1} if i == 7 else {})} for i in range(9)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = open_data_set(
        str(path), foreign=Foreign(metric="l2", columns=Columns(metadata=("n",), allow=frozenset(["float32"])))
    )
    report = copy(source, target_in(store))
    assert report.status is Status.VERIFIED
    assert [(loss.text, loss.needs_leave) for loss in report.losses] == [
        ("float32: numbers in vectors that float32 cannot hold are rounded", False),
        ("late is not read", False),
    ], "both were chosen by name"


@pytest.mark.parametrize(
    ("where", "said", "offered"),
    [
        ({"prat": 1}, "no record has the key 'prat'", "'part'"),
        ({"$and": [{"part": 1}, {"Weight": {"$lt": 2}}]}, "no record has the key 'Weight'", "'weight'"),
        ({"zzz": 1}, "no record has the key 'zzz'", "There are "),
    ],
)
def test_a_mistyped_key_ends_a_copy_before_anything_is_made(
    store: Store, where: dict[str, Any], said: str, offered: str
) -> None:
    from vstore.filters.dictform import parse

    condition = parse(where)
    with pytest.raises(InvalidInput) as caught:
        copy(source_of(many(20)), target_in(store), where=condition)
    assert said in caught.value.message
    assert offered in caught.value.hint
    assert store.list_collections() == []
    plan = dry_run(source_of(many(20)), target_in(store), where=condition).plan
    assert plan is not None
    assert [problem for problem in plan["problems"] if said in problem]
    filled(store, many(20))
    right = CollectionSource(store, store.get_collection("docs"))
    with pytest.raises(InvalidInput, match="nothing matches"):
        verify(source_of(many(20)), right, where=condition, subset=True)


def test_a_filter_that_matches_nothing_is_told(store: Store) -> None:
    report = copy(source_of(many(20)), target_in(store), where=F("part") == "text")
    assert (report.status, report.copied) == (Status.VERIFIED, 0)
    assert report.notes == ["nothing matches the filter. Of the records looked at 'part' is int"]
    report = copy(source_of(many(20)), CollectionTarget(store, "other"), where=~(F("prat") == 1))
    assert report.copied == 20
    assert "'prat'" in report.notes[0]


def test_the_commands_tell_a_mistyped_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    url = f"chroma:{tmp_path / 'from'}"
    with connect(url) as opened:
        filled(opened, many(10, dimension=16))
    wrong = ("--where", '{"prat": 1}')
    for command in (
        ("copy", url, f"qdrant:{tmp_path / 'to'}", "--collection", "docs", *wrong),
        ("export", url, str(tmp_path / "out"), "--collection", "docs", *wrong),
        ("verify", url, url, "--collection", "docs", *wrong),
        ("query", url, "docs", "text", "--embed", "lexical:16", *wrong),
    ):
        code, _, err = _run(*command)
        assert code == 2, command
        assert "'prat'" in err
        assert "'part'" in err


def test_ids_that_the_source_gives_twice_are_the_source_s(tmp_path: Path, store: Store) -> None:
    class Twice(CollectionSource):
        def scan(self, **settings: Any) -> Any:
            for page in super().scan(**settings):
                yield replace(page, records=replace(page.records, ids=["a"] * len(page.records)))

    inner = source_of(many(4))
    report = copy(Twice(inner.store, inner.collection), target_in(store))
    assert report.exit_code == 1
    assert "the source gives several records the id 'a'" in report.error
    assert "transform" not in report.error


def test_an_id_that_stands_in_two_chunks_is_told_before_anything_is_written(store: Store) -> None:
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=2, distance=models.Distance.COSINE)
    client.create_collection("notes", vectors_config=params)
    names = [f"n{n}" for n in range(200)]
    names[1] = names[101] = "b"  # where no chunk's first look falls on
    points = [models.PointStruct(id=n, vector=[1, n], payload={"name": one, "n": n}) for n, one in enumerate(names)]
    client.upsert("notes", points)
    mapping = RecordMapping(id=("name",))
    with connect(client=client) as theirs:
        source = CollectionSource(theirs, theirs.get_collection("notes", mapping=mapping))
        target = CollectionTarget(store, "notes")
        planned = dry_run(source, target, chunk_rows=100)
        assert ["several records the id 'b'" in problem for problem in (planned.plan or {})["problems"]] == [True]
        with pytest.raises(Mismatch, match="several records the id 'b'") as caught:
            copy(source, target, chunk_rows=100, verify=VerifyMode.NONE)
        assert caught.value.ids == ["b"]
        assert not store.has_collection("notes")
        assert copy(source, target, chunk_rows=100, where=F("n") != 1).copied == 199
    client.close()


def test_a_partitioned_collection_stays_partitioned(tmp_path: Path, store: Store) -> None:
    notes = store.create_collection("notes", dimension=2, metric="l2", partition_by="tenant")
    notes.add(["a", "b"], [[1, 0], [2, 0]], metadatas=[{"tenant": "t1"}, {"tenant": "t2"}])
    files = FileLocation(str(tmp_path / "set"))
    copy(CollectionSource(store, notes), files.target("notes")).check()
    with connect(f"qdrant:{tmp_path}/q") as other:
        copy(files.source("notes"), CollectionTarget(other, "notes")).check()
        moved = other.get_collection("notes")
        assert moved.info.partition_by == "tenant"
        assert moved.partition("t2").peek().ids == ["b"]
        whole = other.create_collection("whole", dimension=2, metric="l2")
        with pytest.raises(Unsupported, match="partition-change"):
            copy(CollectionSource(store, notes), CollectionTarget(other, "whole"), if_exists="merge")
        allowed = ["partition-change", "index-change"]
        copy(CollectionSource(store, notes), CollectionTarget(other, "whole"), if_exists="merge", allow=allowed).check()
        assert whole.count() == 2
