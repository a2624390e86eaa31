"""n8n moved between PostgreSQL and Qdrant: the form that its nodes make, and what they ask of it, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import psycopg
import pytest
from qdrant_client import QdrantClient, models
from typer.testing import CliRunner

from tests.qdrant_double import Double
from vstore.cli.app import app
from vstore.conformance.fixtures import clause

pytestmark = clause("MIG-27", "MIG-30")

DIMENSION = 6
VECTORS = np.random.default_rng(8).normal(size=(9, DIMENSION)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
IDS = [str(uuid5(UUID(int=8), str(place))) for place in range(9)]
TEXTS = [f"chunk {place}: 'naïve' \U0001f600" for place in range(9)]
METADATAS: list[dict[str, Any]] = [
    {"source": "blob", "line": place, "loc": {"lines": {"from": place, "to": place + 2}}} for place in range(9)
]


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def run(*arguments: str) -> dict[str, dict[str, Any]]:
    done = CliRunner().invoke(app, ["copy", *arguments, "--app", "n8n"])
    assert done.exit_code == 0, done.output
    reports = [one for one in map(json.loads, done.stdout.splitlines()) if one["event"] == "report"]
    return {one["collection"]: one for one in reports}


def ensure_table(sql: psycopg.Connection[Any], name: str) -> None:
    """``ensureTableInDatabase`` of PGVectorStore, with the name as n8n quotes it."""
    made: Any = (
        f'CREATE TABLE IF NOT EXISTS "{name}" ("id" uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, '
        '"text" text, "metadata" jsonb, "embedding" vector)'
    )
    sql.execute(made)


def shape(sql: psycopg.Connection[Any], name: str) -> list[Any]:
    columns = sql.execute(
        "select column_name, udt_name, is_nullable, column_default from information_schema.columns "
        "where table_name = %s order by ordinal_position",
        (name,),
    ).fetchall()
    return [columns, sql.execute("select count(*) from pg_indexes where tablename = %s", (name,)).fetchone()]


def test_tables_become_collections_and_come_back(
    double: Double, client: QdrantClient, server: str, sql: psycopg.Connection[Any]
) -> None:
    ensure_table(sql, "n8n_vectors")
    ensure_table(sql, "Emptied")
    for one in zip(TEXTS, map(str, VECTORS.tolist()), map(json.dumps, METADATAS), IDS, strict=True):
        sql.execute("insert into n8n_vectors (text, embedding, metadata, id) values (%s, %s, %s, %s)", one)
    sql.execute("create table mine (id uuid primary key, embedding vector(3))")
    made = shape(sql, "n8n_vectors")

    dimension = ["--dimension", str(DIMENSION)]
    planned = run(server, double.url, *dimension, "--dry-run")
    reports = run(server, double.url, *dimension)
    assert {name: one["status"] for name, one in reports.items()} == {"n8n_vectors": "verified", "Emptied": "verified"}
    assert [one["losses"] for one in reports.values()] == [one["losses"] for one in planned.values()]
    points, _ = client.scroll("n8n_vectors", limit=99)
    assert {str(one.id): one.payload for one in points} == {
        i: {"content": text, "metadata": metadata} for i, text, metadata in zip(IDS, TEXTS, METADATAS, strict=True)
    }
    assert client.get_collection("Emptied").config.params.vectors == models.VectorParams(
        size=DIMENSION, distance=models.Distance.COSINE
    )
    request = models.QueryRequest(query=VECTORS[4].tolist(), limit=1, with_payload=["metadata", "content"])
    [answer] = client.query_batch_points("n8n_vectors", [request])
    assert answer.points[0].payload == {"content": TEXTS[4], "metadata": METADATAS[4]}

    sql.execute('drop table n8n_vectors, "Emptied"')
    reports = run(double.url, server)
    assert {name: one["status"] for name, one in reports.items()} == {"n8n_vectors": "verified", "Emptied": "verified"}
    assert shape(sql, "n8n_vectors") == made
    found = sql.execute(
        'SELECT *, "embedding" <=> %s as "_distance" FROM n8n_vectors WHERE metadata->>%s = %s '
        'ORDER BY "_distance" ASC LIMIT 2',
        (str(VECTORS[4].tolist()), "source", "blob"),
    ).fetchall()
    assert (str(found[0][0]), *found[0][1:3]) == (IDS[4], TEXTS[4], METADATAS[4])
    assert sql.execute('select count(*) from "Emptied"').fetchone() == (0,)
