"""dify moved between Qdrant and PostgreSQL, and read by its own calls and statements on either side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from qdrant_client import QdrantClient
from typer.testing import CliRunner

import vstore
from tests.qdrant_double import Double
from tests.transfer.dify import Chunk, PostgresOfDify, QdrantOfDify, chunks, collection_name, questions
from vstore import HNSW, InvalidInput, NotFound
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer import LayoutTarget
from vstore.transfer.apps import load_app, open_app

pytestmark = clause("MIG-27", "MIG-30")

DIMENSION = 8
FIRST, SECOND = "0b1c2d3e-0000-4000-8000-00000000000a", "0b1c2d3e-0000-4000-8000-00000000000b"
THIRD, APP = "0b1c2d3e-0000-4000-8000-00000000000c", "0b1c2d3e-0000-4000-8000-0000000000ff"
BINDING, OF_APPS = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
EMPTY = "0b1c2d3e-0000-4000-8000-00000000000e"
GIVEN = {
    FIRST: chunks(FIRST, 12, DIMENSION),
    SECOND: chunks(SECOND, 7, DIMENSION),
    THIRD: chunks(THIRD, 5, 2 * DIMENSION),
    APP: questions(APP, 3, DIMENSION),
}
WHERE = {FIRST: BINDING, SECOND: BINDING, THIRD: THIRD, APP: OF_APPS}
"""Two datasets share the collection of their embedding model, one has its own; annotations have another one."""


def run(*arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Run ``vstore copy`` and return the report of each collection."""
    done = CliRunner().invoke(app, ["copy", *arguments, "--app", "dify"])
    assert done.exit_code == code, done.output
    reports = [one for one in map(json.loads, done.stdout.splitlines()) if one["event"] == "report"]
    return {one["collection"]: one for one in reports}


def told(reports: dict[str, dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    return {name: sorted((loss["kind"], loss["text"]) for loss in one["losses"]) for name, one in reports.items()}


def fill(client: QdrantClient) -> None:
    for owner, given in GIVEN.items():
        QdrantOfDify(client, collection_name(WHERE[owner]), owner).create(given)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def check(here: QdrantOfDify | PostgresOfDify, given: list[Chunk]) -> None:
    """Read as dify does, and let it add and delete."""
    assert here.everything() == {one.id: (one.text, one.metadata) for one in given}
    found = here.search_by_vector(given[1].vector, top_k=2)
    assert (found[0].text, found[0].metadata) == (given[1].text, given[1].metadata)
    document = given[0].metadata.get("document_id")
    if document is not None:
        only = here.search_by_vector(given[1].vector, top_k=99, documents=[document])
        assert {one.metadata["document_id"] for one in only} == {document}
    assert here.text_exists(given[0].id)
    here.delete_by_ids([given[0].id])
    assert not here.text_exists(given[0].id)
    here.create([given[0]])
    assert here.everything() == {one.id: (one.text, one.metadata) for one in given}
    here.delete_by_metadata_field("doc_id", given[0].id)
    assert len(here.everything()) == len(given) - 1


def test_datasets_of_qdrant_become_tables(
    double: Double, client: QdrantClient, server: str, sql: psycopg.Connection[Any]
) -> None:
    fill(client)
    QdrantOfDify(client, collection_name(EMPTY), EMPTY).create(chunks(EMPTY, 1, DIMENSION))
    QdrantOfDify(client, collection_name(EMPTY), EMPTY).delete()
    client.create_collection("another", vectors_config=cast("Any", {"size": 2, "distance": "Cosine"}))
    planned = run(double.url, server, "--dry-run")
    assert sorted(planned) == sorted(map(collection_name, [*GIVEN, EMPTY]))
    assert {one["status"] for one in planned.values()} == {"planned"}
    assert not any(one["plan"]["problems"] or one["plan"]["allowed_by"] for one in planned.values())
    assert not sql.execute("select from pg_tables where schemaname = 'public'").fetchall(), "nothing was written"
    reports = run(double.url, server)
    assert {one["status"] for one in reports.values()} == {"verified"}
    assert told(reports) == told(planned)
    tables = {name for (name,) in sql.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()}
    assert tables == {f"embedding_{collection_name(one)}".lower()[:63] for one in [*GIVEN, EMPTY]}
    assert PostgresOfDify(sql, collection_name(EMPTY)).everything() == {}
    for owner, given in GIVEN.items():
        made = PostgresOfDify(sql, collection_name(owner))
        shape = made.shape()
        check(made, given)
        assert made.shape() == shape, "dify finds its own index"
        assert made.search_by_full_text("chunk 2") == [Chunk(given[2].text, given[2].metadata, [])]
        made.delete()
        made.create(given)
        assert made.shape() == shape, "which is the one it makes"


def test_tables_become_collections(
    double: Double, client: QdrantClient, server: str, sql: psycopg.Connection[Any]
) -> None:
    for owner, given in GIVEN.items():
        PostgresOfDify(sql, collection_name(owner)).create(given)
    sql.execute("create table embedding_of_mine (id uuid primary key, embedding vector(3))")
    planned = run(server, double.url, "--dry-run")
    assert sorted(planned) == sorted(map(collection_name, GIVEN))
    assert client.get_collections().collections == []
    reports = run(server, double.url)
    assert {one["status"] for one in reports.values()} == {"verified"}
    assert told(reports) == told(planned)
    assert {kind for losses in told(reports).values() for kind, _ in losses} == {"index-change"}
    assert {one.name for one in client.get_collections().collections} == set(map(collection_name, GIVEN))
    for owner, given in GIVEN.items():
        check(QdrantOfDify(client, collection_name(owner), owner), given)


def test_qdrant_is_asked_for_what_dify_asks(double: Double) -> None:
    """Collection and payload indexes, argument by argument."""
    asked: list[tuple[str, Any]] = []

    class Client(QdrantClient):
        def create_collection(self, collection_name: str, **given: Any) -> bool:  # type: ignore[override]  # a spy
            asked.append(("collection", {name: one for name, one in given.items() if one is not None}))
            return super().create_collection(collection_name, **given)

        def create_payload_index(self, collection_name: str, field_name: str, **given: Any) -> Any:  # type: ignore[override]  # a spy
            asked.append((field_name, given["field_schema"]))
            return super().create_payload_index(collection_name, field_name, **given)

    client = Client(url=double.url.replace("qdrant://", "http://"), check_compatibility=False)
    QdrantOfDify(client, collection_name(FIRST), FIRST).create(GIVEN[FIRST])
    theirs, asked[:] = list(asked), []
    with vstore.connect(client=client) as store:
        made = store.create_collection(collection_name(SECOND), dimension=DIMENSION, layout="dify")
        assert made.info.index == HNSW(m=16, ef_construction=100)
        made.add([one.id for one in GIVEN[SECOND]], [one.vector for one in GIVEN[SECOND]], ["t"] * 7)
        assert made.get([GIVEN[SECOND][0].id]).metadatas == [{"doc_id": GIVEN[SECOND][0].id}], "dify deletes by it"
        assert client.scroll(collection_name(SECOND), limit=1)[0][0].payload["group_id"] == SECOND  # type: ignore[index]  # there is one
        store.delete_collection(collection_name(SECOND), layout="dify")
        with pytest.raises(NotFound):
            store.get_collection(collection_name(SECOND), mapping="dify")
    assert asked == theirs
    client.close()


def test_a_collection_of_several_keeps_the_others(double: Double, client: QdrantClient) -> None:
    shared = collection_name(BINDING)
    QdrantOfDify(client, shared, FIRST).create(GIVEN[FIRST])
    with vstore.connect(double.url) as store:
        mine = store.create_collection(shared, dimension=DIMENSION, layout="dify", exist_ok=True)
        assert mine.count() == 0
        mine.add([one.id for one in GIVEN[SECOND]], [one.vector for one in GIVEN[SECOND]], ["t"] * 7)
        assert mine.count() == 7
        store.delete_collection(shared, layout="dify")
        assert len(QdrantOfDify(client, shared, FIRST).everything()) == 12


def test_one_dataset_in_two_collections_is_no_trouble_of_the_others(
    double: Double, client: QdrantClient, server: str, sql: psycopg.Connection[Any]
) -> None:
    fill(client)
    QdrantOfDify(client, collection_name(FIRST), FIRST).create(GIVEN[FIRST][:2])
    reports = run(double.url, server, code=1)
    failed = reports.pop(collection_name(FIRST))
    assert failed["error"].startswith("Mismatch: ")
    assert collection_name(BINDING) in failed["error"]
    assert {one["status"] for one in reports.values()} == {"verified"}
    assert PostgresOfDify(sql, collection_name(SECOND)).everything()


def test_dimensions_without_an_index_in_postgresql(server: str, sql: psycopg.Connection[Any]) -> None:
    long = chunks(FIRST, 3, 3072)
    theirs = PostgresOfDify(sql, collection_name(FIRST))
    theirs.create(long)
    shape = theirs.shape()
    theirs.delete()
    with vstore.connect(server) as store:
        made = store.create_collection(collection_name(FIRST), dimension=3072, layout="dify")
        made.add([one.id for one in long], [one.vector for one in long], [one.text for one in long])
    assert theirs.shape() == shape
    assert theirs.search_by_vector(long[2].vector)[0].text == long[2].text


def test_names(double: Double, client: QdrantClient, server: str, sql: psycopg.Connection[Any]) -> None:
    """Of collections that dify would not ask for none are made; a table never replaces itself."""
    PostgresOfDify(sql, collection_name(FIRST)).create(GIVEN[FIRST])
    reports = run(server, server, "--if-exists", "replace", "--collection", collection_name(FIRST), code=2)
    assert not reports
    assert len(PostgresOfDify(sql, collection_name(FIRST)).everything()) == 12
    done = CliRunner().invoke(app, ["copy", server, double.url, "--app", "dify", "--rename", "^Vector=Other", "--json"])
    assert done.exit_code == 0, done.output
    assert QdrantOfDify(client, collection_name(FIRST).replace("Vector", "Other"), FIRST).everything()
    done = CliRunner().invoke(app, ["copy", server, double.url, "--app", "dify", "--rename", "^.*$=docs"])
    assert done.exit_code == 2
    assert "dify has no collections of such names" in done.output
    with vstore.connect("memory:") as source, vstore.connect(server) as store:
        info = source.create_collection("docs", dimension=3).info
        with pytest.raises(InvalidInput):
            LayoutTarget(store, "docs", "dify", info).native()
    with open_app(server, load_app("dify")) as location, pytest.raises(NotFound, match="Did you mean Vector_index_"):
        location.source(collection_name(SECOND))


def test_the_statement_of_the_page_tells_dify_where_its_datasets_are(sql: psycopg.Connection[Any]) -> None:
    sql.execute(
        "create table datasets (id uuid primary key, indexing_technique varchar(255), index_struct text, "
        "collection_binding_id uuid)"
    )
    on_qdrant = json.dumps({"type": "qdrant", "vector_store": {"class_prefix": "Vector_index_shared_Node"}})
    given = [(FIRST, "high_quality", on_qdrant, BINDING), (SECOND, "economy", None, None)]
    with sql.cursor() as cursor:
        cursor.executemany("insert into datasets values (%s, %s, %s, %s)", given)
    page = (Path(__file__).parents[2] / "docs" / "migration.md").read_text(encoding="utf-8")
    sql.execute(page.partition("```sql\n")[2].partition("```")[0].encode())
    [first, second] = sql.execute("select index_struct, collection_binding_id from datasets order by id").fetchall()
    assert json.loads(first[0]) == {"type": "pgvector", "vector_store": {"class_prefix": collection_name(FIRST)}}
    assert first[1] is None
    assert second == (None, None)
