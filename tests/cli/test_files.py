"""``vstore export`` and ``vstore import``, as a person meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import vstore
from vstore import Dense, Sparse, SparseArray
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.data import load_digits
from vstore.fields import Field
from vstore.transfer.files import read_manifest

pytestmark = clause("MIG-23")

runner = CliRunner()
Run: TypeAlias = Callable[..., tuple[int, list[dict[str, Any]], str]]
DIGITS = load_digits().records()[:200]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def call(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        result = runner.invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
        return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr

    with vstore.connect("chroma:data") as store:
        for name, metric in (("digits", "l2"), ("letters", "cosine")):
            made = store.create_collection(name, dimension=64, metric=metric)
            made.add(DIGITS.ids, DIGITS.vectors, DIGITS.documents, DIGITS.metadatas)
    return call


def test_out_and_in(run: Run, tmp_path: Path) -> None:
    code, lines, err = run("export", "chroma:data", "dump", "--collection", "digits")
    assert (code, err, lines[-1]["status"]) == (0, "", "verified")
    manifest = read_manifest("dump")
    assert manifest is not None
    assert (manifest.info.name, manifest.origin.backend, manifest.summary.records) == ("digits", "chroma", 200)
    with vstore.connect("chroma:data") as store:
        assert manifest.origin.server_version == store.capabilities.server_version != ""
    code, lines, err = run("import", "dump", "chroma:other", "--name", "again")
    assert (code, err, lines[-1]["status"]) == (0, "", "verified")
    with vstore.connect("chroma:other") as store:
        assert store.list_collections() == ["again"]
    code, lines, _ = run("verify", "./dump", "chroma:data", "--collection", "digits")
    assert (code, lines[-1]["equal"]) == (0, True)
    code, _, err = run("import", "dump", "chroma:data")
    assert code == 1
    assert "--if-exists" in err


def test_all_collections_out_and_in(run: Run, tmp_path: Path) -> None:
    assert run("export", "chroma:data", "dump", "--all")[0] == 0
    assert sorted(path.name for path in (tmp_path / "dump").iterdir()) == ["digits", "letters"]
    assert run("import", "dump", "chroma:other")[0] == 0
    with vstore.connect("chroma:other") as store:
        assert store.list_collections() == ["digits", "letters"]
        assert store.get_collection("letters").info.metric == "cosine"
    assert run("copy", "./dump", "memory:", "--collection", "letters")[0] == 0


def test_several_collections_do_not_go_into_one_file(run: Run, tmp_path: Path) -> None:
    code, _, err = run("export", "chroma:data", "all.parquet", "--all")
    assert (code, "names one file" in err) == (2, True)
    assert not (tmp_path / "all.parquet").exists()


def test_an_earlier_export_is_replaced_only_if_asked(run: Run, tmp_path: Path) -> None:
    assert run("export", "chroma:data", "d.jsonl", "--collection", "digits")[0] == 0
    assert run("export", "chroma:data", "d.jsonl", "--collection", "digits")[0] == 0  # the same again: nothing to do
    code, _, err = run("export", "chroma:data", "d.jsonl", "--collection", "letters")
    assert code == 1
    assert "holds 200 records" in err
    assert run("export", "chroma:data", "d.jsonl", "--collection", "letters", "--replace")[0] == 0
    manifest = read_manifest("d.jsonl")
    assert manifest is not None
    assert manifest.info.name == "letters"


def test_a_dry_run_makes_nothing(run: Run, tmp_path: Path) -> None:
    code, lines, _ = run("export", "chroma:data", "dump", "--all", "--dry-run")
    assert (code, [line["planned"] for line in lines]) == (0, [200, 200])
    assert not (tmp_path / "dump").exists()


def foreign(tmp_path: Path, **columns: object) -> None:
    ids = [100 + n for n in range(9)]
    vectors = np.random.default_rng(2).normal(size=(9, 4)).astype(np.float32).astype(float).tolist()
    table = {"key": ids, "emb": vectors, "text": [f"t{n}" for n in ids], "year": ids, "extra": ids} | columns
    pq.write_table(pa.table(table), tmp_path / "theirs.parquet")


THEIRS = ("import", "theirs.parquet", "chroma:other", "--id", "key", "--vector", "emb", "--document", "text")


def test_files_of_others(run: Run, tmp_path: Path) -> None:
    foreign(tmp_path)
    code, _, err = run("import", "theirs.parquet", "chroma:other")
    assert code == 2
    assert "--id" in err
    code, _, err = run(*THEIRS)
    assert code == 2
    assert "--metric" in err
    assert not (tmp_path / "other").exists()
    code, lines, err = run(*THEIRS, "--metric", "dot", "--metadata", "year", "--model", "m-1", "--index", "hnsw")
    assert (code, err) == (0, "")
    assert lines[0]["event"] == "source"
    assert lines[0]["notes"] == [
        "not read: extra",
        "ids: int64 as text",
        "vectors: double kept exactly in float32",
    ]
    with vstore.connect("chroma:other") as store:
        found = store.get_collection("theirs")
        assert (found.info.metric, found.info.embedder, found.count()) == ("dot", "m-1", 9)
        assert found.get(["104"]).metadatas == [{"year": 104}]


def test_what_may_change_is_allowed_by_name(run: Run, tmp_path: Path) -> None:
    foreign(tmp_path, emb=[[0.1, 0.2]] * 9)
    code, _, err = run(*THEIRS, "--metric", "l2")
    assert code == 2
    assert "--allow float32" in err
    code, _, err = run(*THEIRS, "--metric", "l2", "--allow", "float32,everything")
    assert code == 2
    assert "no loss is called 'everything'" in err
    assert run(*THEIRS, "--metric", "l2", "--allow", "float32")[0] == 0


def test_what_cannot_be_read_is_told_and_nothing_is_made(run: Run, tmp_path: Path) -> None:
    assert run("export", "chroma:data", "dump", "--collection", "digits")[0] == 0
    part = tmp_path / "dump" / "part-000000.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    code, _, err = run("import", "dump", "chroma:other")
    assert code == 1
    assert "part-000000.parquet" in err
    code, _, err = run("import", "nowhere", "chroma:other")
    assert code == 1
    assert "no file or directory" in err
    code, _, err = run("export", "chroma:nowhere", "dump2", "--all")
    assert code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "dump", "state"]
    code, _, err = run("import", "dump", "chroma:other", "--index", "tree")
    assert code == 2
    assert "'tree' is no kind of index" in err


def test_named_fields_out_and_into_another_database(run: Run, tmp_path: Path) -> None:
    fields: dict[str, Field] = {"image": Dense(3, "l2"), "terms": Sparse()}
    image = np.random.default_rng(2).normal(size=(40, 3)).astype(np.float32)
    image[::3] = np.nan
    terms = SparseArray.of([{2**31 + place: 0.1 * place + 0.1} if place % 4 else None for place in range(40)])
    records = replace(DIGITS[:40], vectors=None, fields={"image": image, "terms": terms})
    with vstore.connect("chroma:data") as store:
        store.create_collection("pictures", fields=fields).add(records)
    for form in ("parquet:dump", "pictures.jsonl"):
        code, lines, err = run("export", "chroma:data", form, "--collection", "pictures")
        assert (code, err, lines[-1]["status"]) == (0, "", "verified")
        code, lines, err = run("import", form, "qdrant:other", "--if-exists", "replace")
        assert (code, err, lines[-1]["status"]) == (0, "", "verified"), lines
        with vstore.connect("qdrant:other") as store:
            assert store["pictures"].get(records.ids) == records
        code, lines, _ = run("verify", form, "qdrant:other", "--collection", "pictures")
        assert (code, lines[-1]["equal"]) == (0, True)
        with vstore.connect("qdrant:other") as store:
            store["pictures"].update(records.ids[1:2], fields={"terms": [{2**31 + 1: 0.3}]})
        assert run("verify", form, "qdrant:other", "--collection", "pictures")[0] == 3


def test_columns_of_others_become_named_fields(run: Run, tmp_path: Path) -> None:
    lines = [{"id": "a", "clip": [1, 0], "splade": {"7": 0.5}}, {"id": "b", "clip": None, "splade": {}}]
    (tmp_path / "theirs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    code, _, err = run(
        "import", "theirs.jsonl", "chroma:data", "--field", "image=clip", "--field", "terms=splade:sparse"
    )
    assert (code, "what the field 'image' is" in err) == (2, True)
    code, _, err = run(
        "import", "theirs.jsonl", "chroma:data", "--field", "image=clip:dot", "--field", "terms=splade:sparse"
    )
    assert (code, err) == (0, "")
    with vstore.connect("chroma:data") as store:
        found = store["theirs"].get(["a", "b"])
        assert found.sparse == SparseArray.of([{7: 0.5}, None])
        assert found[1].fields == {"image": None, "terms": None}
