"""The command, as a person meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import chromadb
import pytest
from typer.testing import CliRunner

import vstore
from vstore import Collection
from vstore.cli.app import app
from vstore.transfer.collections import CollectionSink

runner = CliRunner()


def run(*arguments: str) -> tuple[int, str, str]:
    result = runner.invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
    return result.exit_code, result.stdout, result.stderr


def test_help_teaches() -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name in ("demo", "inspect", "stores", "query", "load", "conform", "copy", "verify", "export", "import"):
        assert name in out
        code, text, _ = run(name, "--help")
        assert code == 0
        assert "Usage" in text


@pytest.mark.parametrize("command", ["inspect", "query", "load", "copy", "export", "conform", "demo"])
def test_help_names_every_option_whole_in_a_narrow_terminal(command: str) -> None:
    out = runner.invoke(app, [command, "--help"], env={"COLUMNS": "60", "NO_COLOR": "1"}).stdout
    assert "--" in out
    assert not re.findall(r"--[\w-]*…", out)


def test_the_installed_command_runs() -> None:
    out = subprocess.run(
        [sys.executable, "-c", "from vstore.cli import main; main()", "--version"], capture_output=True, text=True
    )
    assert out.stdout.strip() == f"vstore {vstore.__version__}"


def test_inspect_shows_collections_and_capabilities(tmp_path: Path) -> None:
    url = f"chroma:{tmp_path / 'data'}"
    with vstore.connect(url) as store:
        store.create_collection("letters", dimension=3, metric="l2").add(["a", "b"], [[1, 2, 3], [4, 5, 6]])
    code, out, err = run("inspect", url)
    assert (code, err) == (0, "")
    assert "letters" in out
    assert "exact_query" in out
    code, out, _ = run("inspect", url, "--json")
    data = json.loads(out)
    assert code == 0
    assert [(c["name"], c["records"], c["metric"]) for c in data["collections"]] == [("letters", 2, "l2")]
    assert data["capabilities"]["backend"] == "chroma"


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("nonsense", 2, "not a store URL"),
        ("nosuch:x", 2, "no adapter for 'nosuch'"),
        ("memory:?colour=red", 2, "unknown option 'colour'"),
        ("postgresql://user:geheim@127.0.0.1:1/db", 1, "Unavailable"),
        ("chroma://127.0.0.1:1", 1, "Unavailable"),
    ],
)
def test_errors_are_told_in_one_message_without_secrets(url: str, code: int, said: str) -> None:
    found, out, err = run("inspect", url, "--timeout", "5")
    assert (found, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert "geheim" not in err


def test_the_demo_gives_the_same_answer_from_all_four_databases(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    code, out, err = run("demo", "--directory", str(kept))
    assert (code, err) == (0, "")
    assert "Nothing was lost, and all 4 give the same 4 digits in the same order" in out
    assert out.count("1,796 records on both sides; vectors equal bit for bit") == 3
    assert out.count("digit-") == 16
    for url in (f"qdrant:{kept / 'qdrant'}", f"milvus:{kept / 'milvus.db'}", f"pgvector:{kept / 'pgvector'}"):
        code, out, _ = run("inspect", url, "--json")
        assert [c["records"] for c in json.loads(out)["collections"]] == [1796]


def test_the_demo_goes_from_one_to_another() -> None:
    code, out, err = run("demo", "--from", "milvus", "--to", "qdrant")
    assert (code, err) == (0, "")
    assert "Nothing was lost, and both give the same 4 digits in the same order" in out
    assert out.index("Milvus") < out.index("Qdrant")
    assert "Chroma" not in out
    code, _, err = run("demo", "--to", "chroma")
    assert code == 2
    assert "--from" in err


def test_the_demo_refuses_a_directory_that_is_there(tmp_path: Path) -> None:
    code, _, err = run("demo", "--directory", str(tmp_path))
    assert code == 2
    assert "exists already" in err


def lose_one(made: Collection) -> None:
    made.delete(ids=["digit-0007"])


def change_one(made: Collection) -> None:
    made.update(["digit-0007"], metadatas=[{"label": 7.0}])


@pytest.mark.parametrize("damage", [lose_one, change_one])
def test_the_demo_fails_where_something_is_lost(
    damage: Callable[[Collection], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = CollectionSink.finish

    def faulty(self: CollectionSink) -> None:
        finish(self)
        damage(self._collection)

    monkeypatch.setattr(CollectionSink, "finish", faulty)
    code, out, err = run("demo", "--from", "chroma", "--to", "pgvector")
    assert code == 1
    assert "for example 'digit-0007'" in out
    assert "Something was lost" in err


def test_conform_tells_clause_by_clause(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    code, out, err = run(
        "conform", "memory:", "--filters", "20", "--sequences", "5", "--mode", "sync", "--report", str(report)
    )
    assert (code, err) == (0, "")
    assert "It conforms" in out
    assert "FLT-3" in out
    assert json.loads(report.read_text())["backend"] == "memory"


def test_conform_on_a_server_that_is_down_fails() -> None:
    code, _, err = run("conform", "chroma://127.0.0.1:1", "--filters", "5", "--sequences", "1", "--mode", "sync")
    assert code == 1
    assert "Unavailable" in err or "could not run" in err


def test_inspect_proposes_how_to_read_what_vstore_did_not_create(tmp_path: Path) -> None:
    path, saved = tmp_path / "data", tmp_path / "mapping.json"
    client = chromadb.PersistentClient(str(path), chromadb.config.Settings(anonymized_telemetry=False))
    theirs = client.create_collection("theirs", embedding_function=None)
    theirs.add(["a", "b"], [[1, 2], [3, 4]], documents=["x", "y"], metadatas=[{"n": 1}, {"n": 2}])
    client.close()
    url = f"chroma:{path}"
    code, out, _ = run("inspect", url)
    assert (code, "theirs" in out) == (0, True)
    assert json.loads(run("inspect", url, "--json")[1])["foreign"] == ["theirs"]
    code, out, err = run("inspect", url, "theirs", "--json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    assert (data["records"], data["dimension"], data["metric"]) == (2, 2, "l2")
    saved.write_text(out)
    with vstore.connect(url) as store:
        again = store.get_collection("theirs", mapping=vstore.RecordMapping.from_dict(data["mapping"]))
        assert again.peek().documents == ["x", "y"]
    for given in (str(saved), "langchain", "auto"):
        code, out, err = run("inspect", url, "theirs", "--mapping", given)
        assert (code, err, '"metadata"' in out) == (0, "", True)
    for given, said in (("nowhere.json", "cannot be read"), (str(path), "cannot be read")):
        code, _, err = run("inspect", url, "theirs", "--mapping", given)
        assert (code, said in err) == (2, True)
    saved.write_text('{"metric": "dot"}')
    code, _, err = run("inspect", url, "theirs", "--mapping", str(saved))
    assert (code, "indexed for l2" in err) == (1, True)
    assert run("inspect", url, "nothing")[0] == 1


def test_inspect_of_one_of_vstore_s_own(tmp_path: Path) -> None:
    url = f"chroma:{tmp_path / 'data'}"
    with vstore.connect(url) as store:
        store.create_collection("letters", dimension=3, metric="l2").add(["a", "b"], [[1, 2, 3], [4, 5, 6]])
    code, out, err = run("inspect", url, "letters")
    assert (code, err) == (0, "")
    assert "l2" in out
    assert "mapping" not in json.loads(run("inspect", url, "letters", "--json")[1])


def test_inspect_cuts_nothing_off_in_a_narrow_terminal(tmp_path: Path) -> None:
    url = f"chroma:{tmp_path / 'data'}"
    with vstore.connect(url) as store:
        store.create_collection("a_name_that_has_nearly_all_of_the_48_characters", dimension=3)
    out = runner.invoke(app, ["inspect", url], env={"COLUMNS": "60", "NO_COLOR": "1"}).stdout
    assert "…" not in out.partition("Capabilities")[0]


def test_a_mapping_without_a_collection_is_told(tmp_path: Path) -> None:
    code, _, err = run("inspect", f"chroma:{tmp_path}", "--mapping", "auto")
    assert (code, "name that behind URL" in err) == (2, True)
