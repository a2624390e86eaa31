"""Applications by name: the shape of their databases, as their sources make it, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from vstore import InvalidInput, NotFound, Unsupported
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer.apps import app_names, load_app, open_app

FILE, KNOWLEDGE = "file-0b1c2d3e-0000-4000-8000-000000000001", "0b1c2d3e-0000-4000-8000-000000000002"


@pytest.fixture
def sql(server: str) -> Iterator[psycopg.Connection[Any]]:
    """The table that open-webui's pgvector.py makes, and rows as it inserts them."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create extension if not exists vector")
        connection.execute(
            "create table document_chunk (id text not null primary key, vector vector(6), "
            "collection_name text not null, text text, vmetadata jsonb)"
        )
        connection.execute(
            "create index idx_document_chunk_vector on document_chunk using ivfflat (vector vector_cosine_ops) "
            "with (lists = 100)"
        )
        connection.execute("create index idx_document_chunk_collection_name on document_chunk (collection_name)")
        for name, number in ((FILE, 3), (KNOWLEDGE, 2), ("a 'name' of \"theirs\"", 1)):
            for place in range(number):
                values = (
                    f"{name} {place}",
                    f"[1,{place},0,0,0,0]",
                    name,
                    f"chunk {place}",
                    json.dumps({"page": place}),
                )
                connection.execute("insert into document_chunk values (%s, %s, %s, %s, %s)", values)
        yield connection
        connection.execute("drop table document_chunk")
        connection.execute("drop schema if exists vstore cascade")


def test_what_is_known_is_data() -> None:
    assert app_names() == ["dify", "n8n", "open-webui"]
    known = load_app("open-webui")
    assert known.means(FILE) == "one uploaded file"
    assert known.means(KNOWLEDGE) == "a knowledge base"
    assert known.means("user-memory-x") == "the memories of a user"
    assert known.means("mine") == "a name of the caller's"
    with pytest.raises(InvalidInput, match="Did you mean open-webui"):
        load_app("openwebui")
    with pytest.raises(InvalidInput, match="There are dify, n8n, open-webui"):
        load_app("../digits")


@pytest.mark.usefixtures("sql")
def test_open_webui_on_postgresql_is_one_table(server: str) -> None:
    with open_app(server, load_app("open-webui")) as location:
        assert location.names() == []
        assert location.others() == [KNOWLEDGE, "a 'name' of \"theirs\"", FILE]
        source = location.source(FILE)
        [page] = source.scan()
        assert page.records.ids == [f"{FILE} {place}" for place in range(3)]
        assert page.records.documents == ["chunk 0", "chunk 1", "chunk 2"]
        assert page.records.metadatas == [{"page": 0}, {"page": 1}, {"page": 2}]
        assert (source.info.dimension, source.info.metric) == (6, "cosine")
        assert [one for one in source.omissions() if one.needs_leave] == []
        with pytest.raises(NotFound):
            location.source("file-nobody")
        with pytest.raises(InvalidInput):
            location.source(FILE, "langchain")


@pytest.mark.usefixtures("sql")
@clause("MIG-27")
def test_all_collections_of_an_application_are_copied(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    target = f"qdrant:{tmp_path / 'to'}"
    done = CliRunner().invoke(
        app, ["copy", server, target, "--app", "open-webui", "--layout", "vstore", "--allow", "index-change"]
    )
    assert done.exit_code == 0, done.output
    names = {one["collection"]: one["target"] for one in json.loads(done.stdout.splitlines()[0])["collections"]}
    assert names == {name: name.replace("-", "_") for name in (FILE,)} | {
        KNOWLEDGE: "kb_" + KNOWLEDGE.replace("-", "_"),
        "a 'name' of \"theirs\"": "a_name_of_theirs",
    }


def test_encrypted_texts_are_refused(server: str, sql: psycopg.Connection[Any]) -> None:
    sql.execute("alter table document_chunk alter column text type bytea using text::bytea")
    sql.execute("alter table document_chunk alter column vmetadata type bytea using vmetadata::text::bytea")
    done = CliRunner().invoke(app, ["copy", server, "memory:", "--app", "open-webui", "--layout", "vstore"])
    assert done.exit_code == 1
    assert done.output.count("there is no object at vmetadata") == 3, done.output


def test_another_database_is_refused(tmp_path: Path) -> None:
    with (
        open_app("memory:", load_app("open-webui")) as location,
        pytest.raises(Unsupported, match="how open-webui uses memory is not known"),
    ):
        location.others()
    with pytest.raises(InvalidInput):
        open_app(str(tmp_path), load_app("open-webui"))
