"""A whole application's database, moved by one command that is killed twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import chromadb
import numpy as np
import pytest

from vstore import connect
from vstore.conformance.fixtures import clause

CRASHING = str(Path(__file__).with_name("crashing.py"))
NEVER = "before a plan:99"
MAP = {"Notes.2024": "notes_dot"}  # which the rules would bring together with Notes-2024


def open_webui_names() -> list[str]:
    """Return the collections of an open-webui: files, knowledge bases, memories, searches, and some hostile names."""
    numbers = [str(UUID(bytes=sha256(bytes([i])).digest()[:16], version=4)) for i in range(12)]
    searches = [f"web-search-{sha256(bytes([i])).hexdigest()}"[:63] for i in range(3)]
    return [
        *(f"file-{one}" for one in numbers[:6]),
        *numbers[6:9],
        *(f"user-memory-{one}" for one in numbers[9:12]),
        *searches,
        "knowledge-bases",
        "Notes.2024",
        "Notes-2024",
        "a" * 60,
        "0.0",
    ]


def open_webui(folder: Path) -> dict[str, int]:
    """Creates the database as open-webui does: its calls of chromadb's client; returns how many records each has."""
    client = chromadb.PersistentClient(str(folder))
    random = np.random.default_rng(7)
    counts: dict[str, int] = {}
    for place, name in enumerate(open_webui_names()):
        made = client.get_or_create_collection(name=name, metadata={"hnsw:space": "cosine"})
        counts[name] = 0 if name == "knowledge-bases" else 3 + place
        for part in range(0, counts[name], 7):
            ids = [f"{name[:20]}-{i}" for i in range(part, min(part + 7, counts[name]))]
            made.add(
                ids=ids,
                documents=[f"chunk {i} 'of' \"{name}\" \u2603" for i in ids],
                embeddings=random.normal(size=(len(ids), 8)).astype(np.float32),
                metadatas=[{"name": name, "file_id": i, "start_index": part, "hash": sha256(i.encode()).hexdigest()}
                           for i in ids],
            )  # fmt: skip
    return counts


@pytest.fixture
def folder() -> Iterator[Path]:
    """PostgreSQL's server runs as a user of its own, to whom pytest closes its folders."""
    with tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@clause("MIG-27", "MIG-28", "MIG-29")
@pytest.mark.parametrize("own", [pytest.param(True, marks=pytest.mark.nightly), False], ids=["vstore", "open-webui"])
def test_an_application_is_moved_by_one_command_that_is_killed_twice(folder: Path, own: bool) -> None:
    """In vstore's own layout under other names, or in the application's as it is."""
    counts = open_webui(folder / "vector_db")
    assert len(counts) == 20
    (folder / "names.json").write_text(json.dumps(MAP))
    command = [
        "copy", f"chroma:{folder / 'vector_db'}", f"pgvector:{folder / 'pg'}", "--app", "open-webui",
        "--chunk-rows", "5", "--queries", "1",
    ]  # fmt: skip
    if own:
        command += ["--layout", "vstore", "--name-map", str(folder / "names.json"), "--dimension", "8"]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment, timeout=300
        )
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    code, planned, err = run(CRASHING, NEVER, *command, "--dry-run")
    assert code == 0, err
    assert not (folder / "pg").exists()
    kinds = {one["collection"]: one["means"] for one in planned[0]["collections"]}
    assert [kinds[name] for name in (*list(counts)[:16:3], "0.0")] == [
        "one uploaded file",
        "one uploaded file",
        "a knowledge base",
        "the memories of a user",
        "the pages of a web search",
        "names and descriptions of the knowledge bases",
        "a name of the caller's",
    ]
    for kill in ("after a chunk is noted:20", "before the target is made:5" if own else "before a plan:5"):
        assert run(CRASHING, kill, *command)[0] == -9
    code, lines, err = run(CRASHING, NEVER, *command)
    assert code == 0, err
    found = {line["collection"]: line for line in lines if line["event"] == "report"}
    assert {name: line["status"] for name, line in found.items()} == dict.fromkeys(counts, "verified")
    assert {name: line["copied"] for name, line in found.items()} == counts
    resumed = [line["resumed"] for line in found.values()]
    assert 5 < sum(resumed) < 20
    assert resumed == sorted(resumed, reverse=True)  # all before the point of the second kill, and none after
    # what the dry run has told is what happened
    told = {line["collection"]: line for line in planned if line["event"] == "report"}
    assert {name: (line["planned"], line["target_collection"], line["losses"]) for name, line in told.items()} == {
        name: (line["planned"], line["target_collection"], line["losses"]) for name, line in found.items()
    }
    if not own:
        names = {line["collection"]: line["target_collection"] for line in found.values()}
        assert names == {name: name for name in counts}
        kinds = {name: {loss["kind"] for loss in line["losses"]} for name, line in found.items()}
        assert kinds == {
            name: {"index-change", "collection-settings", "padded-vectors" if number else "empty-collection"}
            for name, number in counts.items()
        }
    with connect(f"pgvector:{folder / 'pg'}") as store:
        mapping = None if own else "open-webui"
        targets = store.list_collections() or list(counts)
        held = {name: store.get_collection(name, mapping=mapping).count() for name in targets}
    assert held == {found[name]["target_collection"]: number for name, number in counts.items()}
