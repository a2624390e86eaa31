"""``vstore copy --all``: every collection of a database, whoever created it, under names that are told beforehand."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.transfer.faulty import filled, many
from vstore import Records, connect
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer.collections import CollectionSink

runner = CliRunner()
RULES = ("--rename", "[^A-Za-z0-9]+=_", "--rename", "^(?=[0-9])=c_")


def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, JSON lines, standard error."""
    result = runner.invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def reports(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {line["collection"]: line for line in lines if line["event"] == "report"}


def theirs(url: str, **collections: int) -> None:
    """Creates collections that vstore did not, with so many records of four dimensions; ``_`` in a name is ``-``."""
    random = np.random.default_rng(5)
    with connect(url) as store:
        for name, number in collections.items():
            made = store.native.create_collection(name.replace("_", "-"), metadata={"hnsw:space": "cosine"})
            if number:
                made.add(
                    ids=[f"{name} {i}" for i in range(number)],
                    embeddings=random.normal(size=(number, 4)).astype(np.float32),
                    documents=[f"text {i}" for i in range(number)],
                    metadatas=[{"page": i, "source": name} for i in range(number)],
                )


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    source = f"chroma:{tmp_path / 'from'}"
    with connect(source) as store:
        filled(store, many(20))
    return source, f"qdrant:{tmp_path / 'to'}"


def names(url: str) -> list[str]:
    with connect(url) as store:
        return store.list_collections()


@clause("MIG-27")
def test_all_copies_foreign_collections_too_under_names_told_beforehand(ends: tuple[str, str], tmp_path: Path) -> None:
    source, target = ends
    theirs(source, file_a=3, other=2)
    expected = {"docs": "docs", "file-a": "file_a", "other": "other"}
    for more in (("--dry-run",), ()):
        code, lines, err = run("copy", source, target, "--all", *RULES, *more)
        assert (code, err) == (0, "")
        assert {one["collection"]: one["target"] for one in lines[0]["collections"]} == expected
        assert [one["foreign"] for one in lines[0]["collections"]] == [False, True, True]
        found = reports(lines)
        assert {name: line["target_collection"] for name, line in found.items()} == expected
        assert found["file-a"]["mapping"]["document"] == "document"
        assert found["docs"]["mapping"] is None
        assert {line["status"] for line in found.values()} == {"planned" if more else "verified"}
    assert names(target) == ["docs", "file_a", "other"]
    code, lines, err = run("export", source, str(tmp_path / "files"), "--all", *RULES)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == ["docs", "file_a", "other"]


@clause("MIG-27")
def test_names_are_settled_before_anything_is_written(ends: tuple[str, str], tmp_path: Path) -> None:
    source, target = ends
    theirs(source, a_b=1, **{"a.b": 1})
    (tmp_path / "x.txt").write_text("a")
    for arguments, said in (
        ((), "takes no collections of the names 'a-b', 'a.b'"),
        (RULES, "several collections would have one name in the target: 'a_b' from 'a-b', 'a.b'"),
        (("--rename", "-=_", "--name", "x"), "--name names the target, and so do"),
        (("--name-map", str(tmp_path / "nowhere.json")), "cannot be read"),
        (("--name-map", str(tmp_path / "x.txt")), "neither JSON nor"),
    ):
        for more in (("--dry-run",), ()):
            code, lines, err = run("copy", source, target, "--all", *arguments, *more)
            assert (code, lines) == (2, [])
            assert said in err
    assert not (tmp_path / "to").exists()


@clause("MIG-27")
@pytest.mark.parametrize("form", ["json", "toml"])
def test_a_name_map_says_each_name_and_leaves_out(ends: tuple[str, str], tmp_path: Path, form: str) -> None:
    source, target = ends
    theirs(source, a_b=1, left_out=1, **{"a.b": 1})
    file = tmp_path / f"names.{form}"
    file.write_text('{"a.b": "dotted", "left-out": null}' if form == "json" else '"a.b" = "dotted"\nleft-out = false\n')
    code, lines, err = run("copy", source, target, "--all", *RULES, "--name-map", str(file))
    assert (code, err) == (0, "")
    assert lines[0]["left_out"] == ["left-out"]
    assert names(target) == ["a_b", "docs", "dotted"]


@clause("MIG-28")
def test_empty_collections_come_along_where_the_dimension_is_told_or_given(ends: tuple[str, str]) -> None:
    source, target = ends
    theirs(source, bare=0, emptied=1, full=2)
    with connect(source) as store:
        store.native.get_collection("emptied").delete(ids=["emptied 0"])
    for more in (("--dry-run",), ()):
        code, lines, _ = run("copy", source, target, "--all", *more)
        assert code == 1
        found = reports(lines)
        assert found["bare"]["status"] == "failed"
        assert "the dimension of 'bare' is not known: it is empty" in found["bare"]["error"]
        assert "--dimension" in found["bare"]["error"]
    assert names(target) == ["docs", "emptied", "full"]
    for more in (("--dry-run",), ()):
        code, lines, err = run("copy", source, target, "--all", "--dimension", "6", *more)
        assert (code, err) == (0, "")
    with connect(target) as store:
        made = {name: store.get_collection(name).info for name in store.list_collections()}
    assert {name: info.dimension for name, info in made.items()} == {"bare": 6, "docs": 8, "emptied": 4, "full": 4}
    assert made["bare"].metric == "cosine"


@clause("MIG-28")
def test_the_trouble_of_one_does_not_stop_the_others(ends: tuple[str, str], tmp_path: Path) -> None:
    source, target = ends
    theirs(source, aaa=2, key=1, zzz=2)
    with connect(source) as store:
        store.native.get_collection("key").add(ids=["x"], embeddings=[[1, 2, 3, 4]], metadatas=[{'a"b': 1}])
    with connect(target) as store:
        filled(store, many(3), name="aaa")
    report = tmp_path / "report.json"
    code, _, _ = run("copy", source, target, "--all", "--report", str(report))
    assert code == 1
    found = {one["collection"]: one for one in json.loads(report.read_text())["collections"]}
    assert {name: (one["status"], one["exit_code"]) for name, one in found.items()} == {
        "aaa": ("failed", 1),
        "docs": ("verified", 0),
        "key": ("failed", 1),
        "zzz": ("verified", 0),
    }
    assert "the target holds 3 records" in found["aaa"]["error"]
    assert "outside the contract" in found["key"]["error"]
    assert names(target) == ["aaa", "docs", "zzz"]


@clause("MIG-28")
def test_a_loss_of_one_is_refused_alone_and_the_next_run_allows_it(ends: tuple[str, str], tmp_path: Path) -> None:
    source, target = ends
    with connect(source) as store:
        other = store.native.create_collection("other", metadata={"list": "x", 'k"': 1})
        other.add(ids=["x"], embeddings=[[1.0, 2.0]])
    code, lines, _ = run("copy", source, target, "--all")
    assert code == 2
    found = reports(lines)
    assert (found["docs"]["status"], found["other"]["status"]) == ("verified", "refused")
    assert "--allow collection-settings" in found["other"]["error"]
    code, lines, err = run("copy", source, target, "--all", "--allow", "collection-settings")
    assert (code, err) == (0, "")
    found = reports(lines)
    assert (found["docs"]["resumed"], found["other"]["resumed"]) == (True, False)


@clause("MIG-29")
def test_a_second_run_goes_on_where_the_first_stopped(ends: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = ends
    theirs(source, eee=5, zzz=2)
    with connect(target) as store:
        for name in ("docs", "eee", "zzz"):
            filled(store, many(1), name=name)
    copy = ("copy", source, target, "--all", "--if-exists", "replace", "--chunk-rows", "2")
    write = CollectionSink.write
    written: list[str] = []

    def counted(self: CollectionSink, chunk: int, records: Records) -> None:
        if len(written) == 11:  # within the second collection
            written.append("stop")
            raise KeyboardInterrupt
        written.append(records.ids[0])
        write(self, chunk, records)

    monkeypatch.setattr(CollectionSink, "write", counted)
    code, lines, _ = run(*copy)
    assert code == 4
    assert {name: one["status"] for name, one in reports(lines).items()} == {
        "docs": "verified",
        "eee": "incomplete",
        "zzz": "incomplete",
    }
    assert reports(lines)["zzz"]["error"] == "not begun: interrupted"
    _, lines, _ = run(*copy, "--dry-run")
    found = reports(lines)
    assert found["docs"]["notes"] == ["the 20 records were copied by an earlier run, and are only compared"]
    assert found["eee"]["notes"] == ["an earlier run is resumed: 2 of 5 records are written"]
    assert not found["zzz"]["resumed"]
    first = len(written)
    code, lines, err = run(*copy)
    assert (code, err) == (0, "")
    assert written[first:] == ["eee 2", "eee 4", "zzz 0"]
    assert [one["resumed"] for one in reports(lines).values()] == [True, True, False]
    # the run is over: the same command is another one, which replaces all
    first = len(written)
    assert run(*copy)[0] == 0
    assert len(written) - first == 14


@clause("MIG-29")
def test_a_finished_one_that_differs_is_copied_again_by_the_run_after(ends: tuple[str, str]) -> None:
    source, target = ends
    theirs(source, bare=0, zzz=2)
    copy = ("copy", source, target, "--all", "--if-exists", "replace")
    assert run(*copy)[0] == 1  # bare has no dimension: the run is not over
    with connect(target) as store:
        store.get_collection("zzz").update(ids=["zzz 0"], documents=["altered"])
    assert reports(run(*copy)[1])["zzz"]["status"] == "different"
    assert reports(run(*copy)[1])["zzz"]["status"] == "verified"


@pytest.fixture
def folder() -> Iterator[Path]:
    """PostgreSQL's server runs as a user of its own, to whom pytest closes its folders."""
    with tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def verified(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {line["collection"]: line for line in lines if line["event"] == "verification"}


@clause("MIG-27", "MIG-28")
def test_verify_all_compares_every_pair_under_the_same_names(ends: tuple[str, str], tmp_path: Path) -> None:
    source, target = ends
    theirs(source, file_a=3, other=2, left=1)
    (tmp_path / "names.json").write_text('{"left": false}')
    asked = (source, target, "--all", *RULES, "--name-map", str(tmp_path / "names.json"))
    assert run("copy", *asked)[0] == 0
    code, lines, err = run("verify", *asked, "--report", str(tmp_path / "report.json"))
    assert (code, err) == (0, "")
    assert lines[0]["left_out"] == ["left"]
    found = verified(lines)
    assert {name: (one["target_collection"], one["equal"], one["compared"]) for name, one in found.items()} == {
        "docs": ("docs", True, 20),
        "file-a": ("file_a", True, 3),
        "other": ("other", True, 2),
    }
    assert found["file-a"]["mapping"]["document"] == "document"
    told = json.loads((tmp_path / "report.json").read_text())
    assert [one["collection"] for one in told["collections"]] == ["docs", "file-a", "other"]
    with connect(target) as store:
        store.get_collection("file_a").delete(["file_a 1"])
        store.delete_collection("other")
    code, lines, _ = run("verify", *asked)
    found = verified(lines)
    assert {name: one["exit_code"] for name, one in found.items()} == {"docs": 0, "file-a": 3, "other": 1}
    assert code == 1
    assert found["file-a"]["missing"] == 1
    assert "NotFound" in found["other"]["error"]
    with connect(target) as store:
        store.create_collection("other", dimension=4)
    assert run("verify", *asked)[0] == 3
    assert run("verify", source, target, "--all", "--collection", "docs")[0] == 2
    code, _, err = run("verify", source, target)
    assert (code, "--all" in err) == (2, True)


@clause("MIG-28", "MIG-30")
@pytest.mark.usefixtures("ends")
def test_verify_compares_with_what_a_copy_into_a_layout_makes(folder: Path) -> None:
    """Such as the vectors of an application's table, which are filled up."""
    source = f"chroma:{folder / 'webui'}"
    theirs(source, file_a=3, notes=2)
    target = f"pgvector:{folder / 'pg'}"
    assert run("copy", source, target, "--app", "open-webui")[0] == 0
    asked = ("verify", source, target, "--app", "open-webui")
    code, lines, err = run(*asked)
    assert (code, err) == (0, "")
    assert {name: one["equal"] for name, one in verified(lines).items()} == {"file-a": True, "notes": True}
    with connect(target) as store:
        opened = store.get_collection("notes", mapping="open-webui")
        vector = np.zeros((1, 1536))
        vector[0, 5] = 1
        opened.upsert(["notes 0"], vector, ["text 0"], [{"page": 0, "source": "notes"}])
    code, lines, _ = run(*asked)
    found = verified(lines)
    assert (code, found["file-a"]["exit_code"], found["notes"]["vectors"]) == (3, 0, 1)
    mapped = f"milvus:{folder / 'm.db'}"
    copied = (source, mapped, "--collection", "file-a", "--mapping", "auto", "--layout", "langchain", "--name", "File")
    assert run("copy", *copied, "--allow", "index-change")[0] == 0
    assert run("verify", *copied)[0] == 0
    code, _, err = run("verify", source, mapped, "--collection", "notes", "--mapping", "auto", "--layout", "langchain")
    assert (code, "NotFound" in err) == (1, True)
    assert run("verify", source, target, "--all", "--vector-length", "8")[0] == 2
