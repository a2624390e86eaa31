"""A whole application moved: open-webui from Chroma to PostgreSQL, by a command that dies twice, read by its client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from tests.foreign.webui import COLLECTIONS, DIMENSION, fill_chroma, open_client

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        os.environ.get("VSTORE_FOREIGN", "requirements") != "requirements", reason="another environment"
    ),
]
CRASHING = str(Path(__file__).parents[1] / "transfer" / "crashing.py")
NEVER = "before a plan:99"
EMPTY = next(name for name, number in COLLECTIONS.items() if not number)


def _command(folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run a program of Python and return its exit code and its reports."""
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"XDG_STATE_HOME": str(folder / "state"), "ANONYMIZED_TELEMETRY": "False"},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
    return done.returncode, [line for line in lines if line["event"] == "report"]


def _losses(reports: list[dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    return {one["collection"]: sorted((loss["kind"], loss["text"]) for loss in one["losses"]) for one in reports}


def test_twenty_collections_move_and_open_webui_reads_them(tmp_path: Path, postgres: str) -> None:
    made = fill_chroma(tmp_path / "vector_db")
    assert len(made) == 20
    copy = ["copy", f"chroma:{tmp_path / 'vector_db'}", postgres, "--app", "open-webui", "--chunk-rows", "4"]
    code, planned = _command(tmp_path, CRASHING, NEVER, *copy, "--dry-run")
    assert (code, len(planned)) == (0, 20)
    assert not any(one["plan"]["problems"] or one["plan"]["allowed_by"] for one in planned)
    with psycopg.connect(postgres) as sql:
        assert sql.execute("select to_regclass('document_chunk')").fetchone() == (None,), "a dry run writes nothing"

    assert _command(tmp_path, CRASHING, "after a chunk is noted:9", *copy)[0] == -signal.SIGKILL
    code, again = _command(tmp_path, CRASHING, "within a chunk:20", *copy)
    assert code == -signal.SIGKILL
    code, reports = _command(tmp_path, CRASHING, NEVER, *copy)
    assert code == 0
    assert {one["collection"]: one["target_collection"] for one in reports} == {name: name for name in COLLECTIONS}
    assert {one["status"] for one in reports} == {"verified"}
    assert sum(one["resumed"] for one in reports) >= 2
    assert again
    assert _losses(reports) == _losses(planned)
    assert {kind for kind, _ in _losses(reports)[EMPTY]} == {"index-change", "empty-collection"}

    client = open_client("pgvector", postgres)
    try:
        for name, chunks in made.items():
            assert client.has_collection(name) is bool(chunks)
            if not chunks:
                assert client.get(name) is None
                continue
            found = client.get(name)
            assert dict(zip(found.ids[0], zip(found.documents[0], found.metadatas[0], strict=True), strict=True)) == {
                one: (text, metadata) for one, (_, text, metadata) in chunks.items()
            }
            first, (vector, text, _) = next(iter(chunks.items()))
            answer = client.search(name, [list(vector)], limit=3)
            assert (answer.ids[0][0], answer.documents[0][0]) == (first, text)
            assert answer.distances[0][0] == pytest.approx(1.0)
            assert answer.ids[0] == _nearest(chunks, vector)
            page = client.query(name, {"page": 2}, limit=5)
            assert page.ids == [[one for one, (_, _, metadata) in chunks.items() if metadata["page"] == 2]]
            assert client.hybrid_search(name, "chunk", [list(vector)], limit=2) is not None
        name = "a.b"
        client.upsert(name, [{"id": "new", "text": "t", "vector": [1.0] * DIMENSION, "metadata": {"page": 99}}])
        client.delete(name, ids=[next(iter(made[name]))])
        assert len(client.get(name).ids[0]) == len(made[name])
        client.delete_collection("a-b")
        assert not client.has_collection("a-b")
        assert client.has_collection("A_b")
    finally:
        client.session.remove()
        client.session.bind.dispose()


def test_the_table_is_the_one_that_open_webui_makes(tmp_path: Path, postgres: str) -> None:
    def shape() -> list[Any]:
        with psycopg.connect(postgres) as sql:
            columns = sql.execute(
                "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute "
                "where attrelid = 'document_chunk'::regclass and attnum > 0 order by attnum"
            ).fetchall()
            indexes = sql.execute(
                "select indexname, indexdef from pg_indexes where tablename = 'document_chunk' order by 1"
            ).fetchall()
            sql.execute("drop table document_chunk")
        return [columns, indexes]

    client = open_client("pgvector", postgres)
    client.session.remove()
    client.session.bind.dispose()
    theirs = shape()
    fill_chroma(tmp_path / "vector_db")
    copy = ["copy", f"chroma:{tmp_path / 'vector_db'}", postgres, "--app", "open-webui", "--collection", "100"]
    assert _command(tmp_path, CRASHING, NEVER, *copy)[0] == 0
    assert shape() == theirs


def _nearest(chunks: dict[str, Any], vector: list[float]) -> list[str]:
    ids = list(chunks)
    rows = np.array([chunks[one][0] for one in ids])
    cosine = rows @ np.array(vector) / np.linalg.norm(rows, axis=1)
    return [ids[place] for place in np.argsort(-cosine)[:3]]
