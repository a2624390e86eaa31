"""open-webui moved from each of its databases to another: written by its client there, read by its client here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.foreign.webui import open_client, shut
from tests.milvus_server import milvus_server
from tests.qdrant_double import qdrant_double
from vstore.cli.app import app

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        os.environ.get("VSTORE_FOREIGN", "requirements") != "requirements", reason="another environment"
    ),
]
DIMENSION = 24
SPACE = UUID(int=16)
NAMES = {
    f"file-{uuid5(SPACE, 'one')}": 30,
    f"file-{uuid5(SPACE, 'two')}": 3,
    str(uuid5(SPACE, "knowledge")): 12,
    f"user-memory-{uuid5(SPACE, 'user')}": 4,
    "web-search-" + "0a1b" * 13: 5,
    "0123456789abcdef" * 3 + "0123456789abcde": 5,
    "knowledge-bases": 3,
    "mine": 2,
}
"""How many chunks each collection has: all kinds of names that open-webui has."""
# to fill up to the length of its table is what it does itself; without the length it could not ask
LENGTH = {"pgvector": ["--vector-length", str(DIMENSION)]}
MOVES = [
    ("chroma", "qdrant_multitenancy"),
    ("chroma", "milvus"),
    ("chroma", "milvus_2_3"),
    ("qdrant_multitenancy", "pgvector"),
    ("qdrant", "chroma"),
    ("qdrant_multitenancy", "milvus"),
    ("milvus", "chroma"),
    ("milvus_2_3", "qdrant_multitenancy"),
    ("milvus_multitenancy", "pgvector"),
    ("pgvector", "chroma"),
    ("pgvector", "qdrant_multitenancy"),
]


@contextmanager
def place(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, str, str]]:
    """Yield the file of its client, what its settings have, and vstore's URL."""
    match kind:
        case "chroma":
            yield "chroma", str(folder / "vector_db"), f"chroma:{folder / 'vector_db'}"
        case "pgvector":
            url = request.getfixturevalue("postgres")
            yield kind, url, url
        case "qdrant" | "qdrant_multitenancy":
            with qdrant_double() as double:
                yield kind, double.url.replace("qdrant:", "http:"), double.url
        case "milvus_2_3":
            with milvus_server() as url:
                yield "milvus", url.replace("milvus:", "http:"), url
        case _:
            folder.mkdir(exist_ok=True)
            yield kind, f"{folder}/milvus.db", f"milvus:{folder}/milvus.db"


def fill(client: Any) -> dict[str, dict[str, tuple[list[float], str, dict[str, Any]]]]:
    """Write the collections, and return vector, text and metadata by id."""
    random = np.random.default_rng(16)
    made: dict[str, dict[str, tuple[list[float], str, dict[str, Any]]]] = {}
    for name, number in NAMES.items():
        made[name] = {}
        for page in range(number):
            vector = random.normal(size=DIMENSION)
            vector = (vector / np.linalg.norm(vector)).astype(np.float32)
            metadata = {"name": 'it\'s "a" file.pdf', "file_id": name, "hash": f"h{page % 3}", "page": page}
            text = f"chunk {page} of {name}: naïve \U0001f600 \\ 'quoted'"
            made[name][str(uuid5(SPACE, f"{name} {page}"))] = vector.tolist(), text, metadata
        items = [
            {"id": one, "vector": [*vector], "text": text, "metadata": metadata}
            for one, (vector, text, metadata) in made[name].items()
        ]
        client.upsert(name, items)
    return made


def copy(folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Copy all collections, and return the reports by collection."""
    state = {"XDG_STATE_HOME": str(folder / "state"), "ANONYMIZED_TELEMETRY": "False"}
    done = CliRunner().invoke(app, ["copy", *arguments, "--app", "open-webui"], env=state)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["collection"]: one for one in lines if one["event"] == "report"}


@pytest.mark.parametrize(("here", "there"), MOVES, ids=[f"{here}-to-{there}" for here, there in MOVES])
def test_open_webui_reads_what_was_moved(here: str, there: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with (
        place(here, tmp_path / "from", request) as (kind, setting, source),
        place(there, tmp_path / "to", request) as (other, place_there, target),
    ):
        client = open_client(kind, setting)
        made = fill(client)
        shut(client)
        more = LENGTH.get(here, [])
        planned = copy(tmp_path, source, target, *more, "--dry-run")
        reports = copy(tmp_path, source, target, *more)
        assert {one["target_collection"] for one in reports.values()} == set(NAMES) == set(reports)
        assert {one["status"] for one in reports.values()} == {"verified"}
        assert {name: one["losses"] for name, one in reports.items()} == {
            name: one["losses"] for name, one in planned.items()
        }
        assert not any(loss["needs_leave"] for one in reports.values() for loss in one["losses"])
        client = open_client(other, place_there)
        try:
            for name, chunks in made.items():
                check_reads(client, name, chunks)
            check_writes(client, made)
        finally:
            shut(client)


def check_reads(client: Any, name: str, chunks: dict[str, tuple[list[float], str, dict[str, Any]]]) -> None:
    assert client.has_collection(name)
    found = client.get(name)
    assert dict(zip(found.ids[0], zip(found.documents[0], found.metadatas[0], strict=True), strict=True)) == {
        one: (text, metadata) for one, (_, text, metadata) in chunks.items()
    }
    first, (vector, text, _) = next(iter(chunks.items()))
    answer = client.search(name, [[*vector]], limit=3)
    assert (answer.ids[0][0], answer.documents[0][0]) == (first, text)
    assert answer.distances[0][0] == pytest.approx(1.0, abs=1e-5)
    rows = np.array([chunks[one][0] for one in chunks])
    order = np.argsort(-(rows @ np.array(vector)))[:3]
    assert answer.ids[0] == [[*chunks][one] for one in order]
    filtered = client.search(name, [[*vector]], filter={"hash": "h1"}, limit=3)
    assert {one["hash"] for one in filtered.metadatas[0]} == {"h1"}
    page = client.query(name, {"page": 1}, 5)
    assert page.ids == [[one for one, (_, _, metadata) in chunks.items() if metadata["page"] == 1]]
    both = client.hybrid_search(name, "chunk", [[*vector]], limit=2)
    assert both is None or first in both.ids[0]


def check_writes(client: Any, made: dict[str, dict[str, tuple[list[float], str, dict[str, Any]]]]) -> None:
    name, emptied = [*made][:2]
    new = str(uuid5(SPACE, "new"))
    vector = [1.0] + [0.0] * (DIMENSION - 1)
    client.upsert(name, [{"id": new, "text": "t", "vector": vector, "metadata": {"page": 99, "hash": "new"}}])
    assert client.query(name, {"hash": "new"}, 5).ids == [[new]]
    client.delete(name, ids=[next(iter(made[name]))])
    client.delete(name, filter={"hash": "h2"})
    kept = {one for one, (_, _, metadata) in made[name].items() if metadata["hash"] != "h2"} - {next(iter(made[name]))}
    assert set(client.get(name).ids[0]) == kept | {new}
    client.delete_collection(emptied)
    assert not client.has_collection(emptied)
    assert client.has_collection("mine")
