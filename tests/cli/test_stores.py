"""Stores by name: in the commands, and ``vstore stores``."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import vstore
from tests.servers import free_port, postgres_server

Run = Callable[..., subprocess.CompletedProcess[str]]
SETTINGS = """
[stores.prod]
url = "chroma:./data"

[stores.staging]
url = "pgvector:./pg"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in a process, below a project whose vstore.toml names stores."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "sub").mkdir()
    file = project / "vstore.toml"
    file.write_text(SETTINGS)
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(project / "sub")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from vstore.cli import main; main()", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    return call


def test_collections_move_between_named_stores(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what is named goes before what the environment holds
    monkeypatch.setenv("VSTORE_URL", "nosuch://me:geheim@host")
    project = tmp_path / "project"
    with vstore.connect(f"chroma:{project / 'data'}") as store:
        store.create_collection("docs", dimension=2).add(["a", "b"], [[1, 2], [3, 4]])
    done = run("copy", "prod/docs", "staging/notes")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"status": "verified"' in done.stdout
    done = run("verify", "prod/docs", "staging/notes")
    assert (done.returncode, '"equal": true' in done.stdout) == (0, True), done.stderr
    done = run("inspect", "staging/notes", "--json")
    assert (done.returncode, json.loads(done.stdout)["records"]) == (0, 2), done.stderr
    done = run("export", "prod/docs", "out")
    assert (done.returncode, (project / "sub" / "out" / "manifest.json").exists()) == (0, True), done.stderr
    done = run("import", "out", "staging/again")
    assert (done.returncode, '"status": "verified"' in done.stdout) == (0, True), done.stderr
    assert sorted(path.name for path in (project / "sub").iterdir()) == ["out"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("copy", "prod/docs", "stagin"), "Did you mean staging"),
        (("copy", "prod/docs", "staging", "--collection", "docs"), "Leave out --collection"),
        (("copy", "prod/docs", "staging", "--all"), "Leave out --all"),
        (("copy", "prod/docs", "staging/docs", "--name", "x"), "Leave out --name"),
        (("verify", "prod", "staging"), "no collection is chosen"),
        (("inspect", "prod/docs", "docs"), "names a collection already"),
        (("query", "prod/docs", "docs", "x"), "a store is wanted"),
    ],
)
def test_what_is_named_wrongly_is_told(arguments: tuple[str, ...], said: str, run: Run, tmp_path: Path) -> None:
    with vstore.connect(f"chroma:{tmp_path / 'project' / 'data'}") as store:
        store.create_collection("docs", dimension=2)
    done = run(*arguments)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (2, True), done.stderr
    assert list((tmp_path / "project" / "sub").iterdir()) == []


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


def test_stores_says_which_answer(run: Run, tmp_path: Path, silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    vstore.connect(f"chroma:{project / 'data'}").close()
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server())
        monkeypatch.setenv("SERVER", server)
        text = SETTINGS + '[stores.server]\nurl = "${SERVER}"\n'
        text += f'[stores.refused]\nurl = "qdrant://127.0.0.1:{free_port()}"\n'
        text += '[stores.unset]\nurl = "postgresql://me:${NOT_SET}@h/db"\n'
        text += '[stores.wrong]\nurl = "qdrant://h"\napi_kee = "geheim"\n'
        for number in range(4):
            text += f'[stores.silent{number}]\nurl = "postgresql://me:geheim@127.0.0.1:{silent}/db"\n'
        (project / "vstore.toml").write_text(text)
        started = time.monotonic()
        done = run("stores", "--json", "--timeout", "6")
        seconds = time.monotonic() - started
    assert (done.returncode, done.stderr) == (1, "")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    states = {name: row["state"] for name, row in rows.items()}
    silents = {f"silent{number}" for number in range(4)}
    failing = {"refused", "unset", "wrong", "staging", *silents}
    assert states == {"prod": "is there", "server": "answers", **dict.fromkeys(failing, "fails")}, rows
    assert seconds < 4 * 6, "all at once"
    assert "geheim" not in done.stdout
    assert "Did you mean api_key" in rows["wrong"]["error"]
    assert "NOT_SET is not set" in rows["unset"]["error"]
    assert rows["prod"]["place"] == str(project / "data")
    assert (rows["silent0"]["scheme"], rows["silent0"]["place"]) == ("postgresql", f"127.0.0.1:{silent}/db")
    assert {row["source"] for row in rows.values()} == {str(project / "vstore.toml")}
    assert not (project / "pg").exists(), "nothing is made"


def test_stores_of_files_that_say_nothing_or_nonsense(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "project" / "vstore.toml"
    vstore.connect(f"chroma:{tmp_path / 'project' / 'data'}").close()
    file.write_text('[stores.prod]\nurl = "chroma:./data"')
    done = run("stores")
    assert (done.returncode, "is there" in done.stdout) == (0, True), done.stderr
    file.write_text("stores = geheim")
    done = run("stores")
    assert (done.returncode, "is no TOML" in done.stderr, "geheim" in done.stderr) == (2, True, False)
    file.unlink()
    done = run("stores", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
