"""Tables and collections that a mapping describes: what a copy makes of them, and what it tells beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from qdrant_client import QdrantClient
from typer.testing import CliRunner

import vstore
from vstore import F, InvalidInput, Mismatch, RecordMapping, Store, Unsupported
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer import CollectionSource, LayoutTarget, Progress, Status, copy
from vstore.transfer.dryrun import dry_run

pytestmark = clause("MIG-30")

VECTORS = np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)
MOMENT = datetime(2024, 1, 1, 12, 30, 0, 5, UTC)
METADATAS: list[dict[str, Any]] = [
    {"title": "naïve", "year": 2024, "score": 0.1 + 0.2, "ok": True, "at": MOMENT, "more": {"x": [1, 2]}},
    {"title": "b", "year": -(2**62), "other": 1},
    {"year": "later", "score": 1, "other": "x", "more": [MOMENT]},
    {},
]
FIELDS: dict[str, Any] = {
    "id": "key",
    "vector": "vec",
    "document": "body",
    "metadata": None,
    "fields": ["title", "year", "score", "ok", "at", "more"],
    "types": {
        "title": "text",
        "year": "bigint",
        "score": "double precision",
        "ok": "boolean",
        "at": "timestamptz",
        "more": "jsonb",
    },
    "metric": "cosine",
}
ALLOWED = ("datetime-as-text", "other-types", "unmapped-keys")
_COLUMNS = (
    "select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a where attnum > 0 and not attisdropped "
    "and attrelid = 'docs'::regclass order by attnum"
)


@pytest.fixture
def source() -> Iterator[CollectionSource]:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=3, index="hnsw")
        docs.add(["a", "b", "c", "d"], VECTORS, ["text a", None, "text c", "text d"], METADATAS)
        yield CollectionSource(store, docs)


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    return done.exit_code, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"error": done.stderr}


def test_a_table_with_columns_of_ones_own(sql: psycopg.Connection[Any], server: str, tmp_path: Path) -> None:
    """The command tells the losses beforehand, makes the typed columns, and reads them back by the same file."""
    with vstore.connect(f"chroma:{tmp_path / 'c'}") as store:
        docs = store.create_collection("docs", dimension=3, index="hnsw")
        docs.add(
            ["a", "b", "c", "d"],
            VECTORS,
            ["text a", None, "text c", "text d"],
            [{**METADATAS[0], "more": [1, 2]}, *METADATAS[1:]],
        )
    file = tmp_path / "table.json"
    file.write_text(json.dumps(FIELDS))
    there = (f"chroma:{tmp_path / 'c'}", server, "--collection", "docs", "--layout", str(file))
    leave = ("--allow", ",".join(ALLOWED), "--state", str(tmp_path / "state"))
    code, told = run("copy", *there, *leave, "--dry-run")
    assert code == 0, told
    assert {loss["kind"] for loss in told["losses"]} == set(ALLOWED)
    assert sql.execute("select count(*) from pg_tables where schemaname = 'public'").fetchall() == [(0,)]

    code, refused = run("copy", *there, "--state", str(tmp_path / "state"))
    assert code, refused
    code, report = run("copy", *there, *leave)
    assert code == 0, report
    assert report["losses"] == told["losses"]
    assert sql.execute(_COLUMNS).fetchall() == [
        ("key", "text"),
        ("vec", "vector(3)"),
        ("body", "text"),
        ("title", "text"),
        ("year", "bigint"),
        ("score", "double precision"),
        ("ok", "boolean"),
        ("at", "timestamp with time zone"),
        ("more", "jsonb"),
    ]
    assert sql.execute("select key, body, title, year, score, ok, at, more from docs order by key").fetchall() == [
        ("a", "text a", "naïve", 2024, 0.1 + 0.2, True, MOMENT, [1, 2]),
        ("b", None, "b", -(2**62), None, None, None, None),
        ("c", "text c", None, None, None, None, None, [MOMENT.isoformat()]),
        ("d", "text d", None, None, None, None, None, None),
    ]
    [index] = sql.execute(
        "select indexdef from pg_indexes where tablename = 'docs' and indexdef !~ 'UNIQUE'"
    ).fetchall()
    assert "USING hnsw (vec vector_cosine_ops)" in index[0]

    compared = ("verify", there[0], server, "--collection", "docs", "--layout", str(file), *leave[:2])
    assert run(*compared)[0] == 0
    assert CliRunner().invoke(app, ["inspect", server, "docs", "--mapping", str(file), "--json"]).exit_code == 0
    sql.execute("update docs set year = 7 where key = 'b'")
    assert run(*compared)[0] == 3
    with vstore.connect(server) as store:
        read = store.get_collection("docs", mapping=RecordMapping.from_dict(FIELDS))
        assert read.count(F("year") >= 7) == 2
        assert read.get(["a"]).metadatas == [{**METADATAS[0], "more": [1, 2]}]


@pytest.mark.parametrize(
    ("given", "metadata"),
    [
        ({"types": {"year": "bigint", "title": "text"}}, {"year": 2024, "title": "naïve"}),
        ({"metadata": "rest", "fields": ["year"], "types": {"year": "bigint"}}, {**METADATAS[0], "at": "TEXT"}),
        ({"metadata": "rest"}, {**METADATAS[0], "at": "TEXT"}),
    ],
)
@pytest.mark.usefixtures("sql")
def test_metadata_in_columns_and_in_an_object(
    source: CollectionSource, server: str, given: dict[str, Any], metadata: dict[str, Any]
) -> None:
    mapping = RecordMapping.from_dict({"id": "key", "vector": "v", "document": "body", **given})
    with vstore.connect(server) as store:
        target = LayoutTarget(store, "docs", mapping, source.collection.info)
        told = dry_run(source, target).losses
        assert target.existing() is None
        allow = sorted({loss.kind.value for loss in told if loss.needs_leave})
        for kind in allow:
            with pytest.raises(Unsupported, match=kind):
                copy(source, target, allow=[one for one in allow if one != kind])
        assert target.existing() is None
        report = copy(source, target, allow=allow)
        assert report.status is Status.VERIFIED, report.as_dict()
        assert report.losses == told
        read = store.get_collection("docs", mapping=replace(mapping, metric="cosine"))  # type: ignore[arg-type]
        expected = {key: MOMENT.isoformat() if one == "TEXT" else one for key, one in metadata.items()}
        assert read.get(["a"]).metadatas == [expected]


def test_types_are_needed_of_a_new_table_only(
    source: CollectionSource, server: str, sql: psycopg.Connection[Any]
) -> None:
    mapping = RecordMapping(id=("key",), vector="v", document=("body",), metadata=None, fields=("year", "title"))
    with vstore.connect(server) as store:
        target = LayoutTarget(store, "docs", mapping, source.collection.info)
        with pytest.raises(InvalidInput, match="of which type the column 'year'") as refused:
            copy(source, target, where=F("year") == 2024, allow=ALLOWED)
        assert '"types": {"year": "text"}' in refused.value.hint
        assert sql.execute("select count(*) from pg_tables where schemaname = 'public'").fetchall() == [(0,)]
        sql.execute("create table docs (key text primary key, v vector(3), body text, year int8, title text, mine int)")
        report = copy(source, target, where=F("year") == 2024, allow=[*ALLOWED, "index-change"])
        assert report.status is Status.VERIFIED, report.as_dict()
        assert sql.execute("select key, year, title, mine from docs").fetchall() == [("a", 2024, "naïve", None)]
        with pytest.raises(Mismatch, match="a column 'mine' that the mapping does not name"):
            store.delete_collection("docs", layout=mapping)


def test_hostile_names_of_columns(server: str, sql: psycopg.Connection[Any]) -> None:
    hostile = "a %s {x} 100%"
    mapping = RecordMapping(
        id=("{0}",),
        vector="v%",
        document=('"',),
        types={hostile: "bigint"},
        metric="l2",  # type: ignore[arg-type,dict-item]
    )
    with vstore.connect(server) as store:
        made = store.create_collection("docs", dimension=3, metric="l2", index="hnsw", layout=mapping)
        made.add(["1"], VECTORS[:1], ["text"], [{hostile: 5}])
        assert made.count(F(hostile) == 5) == 1
        assert sql.execute(_COLUMNS).fetchall() == [
            ("{0}", "text"),
            ("v%", "vector(3)"),
            ('"', "text"),
            (hostile, "bigint"),
        ]
        with pytest.raises(InvalidInput, match="holds values of type bigint"):
            store.get_collection("docs", mapping=mapping).upsert(["2"], VECTORS[:1], metadatas=[{hostile: "text"}])
        store.delete_collection("docs", layout=mapping)
        assert sql.execute("select count(*) from pg_tables where schemaname = 'public'").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"table": ["x"]}, "takes no table"),
        ({"hidden": ["x"]}, "takes no hidden"),
        ({"metadata": "m", "types": {}, "fields": ["*"]}, "have names"),
        ({"outside": "text"}, "takes no outside"),
        ({"id": []}, "the column of the id"),
        ({"vector": ""}, "the column of the vector"),
        ({"document": ["m", "x"]}, "is inside one"),
        ({"id_type": "int"}, "ids of type int"),
        ({"document": "key"}, "two places for the column 'key'"),
        ({"types": {"é" * 32: "text"}}, "longer than 63 bytes"),
        ({"dimension": 4}, "no vectors of 3 dimensions"),
    ],
)
@pytest.mark.usefixtures("sql")
def test_what_a_mapping_cannot_make(server: str, given: dict[str, Any], error: str) -> None:
    mapping = RecordMapping.from_dict({"id": "key", "vector": "v", "types": {"n": "bigint"}} | given)
    with vstore.connect(server) as store, pytest.raises((InvalidInput, Unsupported), match=error):
        store.create_collection("docs", dimension=3, layout=mapping)


@pytest.mark.parametrize(
    ("given", "payload"),
    [
        ({"id": "key", "document": "body"}, {"key": "b", "title": "b", "year": -(2**62), "other": 1}),
        (
            {"id": "key", "document": ["in", "body"], "metadata": ["in", "rest"], "fields": ["*"]},
            {"key": "b", "in": {"rest": {"title": "b", "year": -(2**62), "other": 1}}},
        ),
        ({"types": {"year": "bigint"}, "document": "body"}, {"year": -(2**62)}),
    ],
)
def test_points_with_keys_of_ones_own(source: CollectionSource, given: dict[str, Any], payload: dict[str, Any]) -> None:
    client = QdrantClient(":memory:")
    with vstore.connect(client=client) as store:
        mapping = RecordMapping.from_dict(given)
        target = LayoutTarget(store, "docs", mapping, source.collection.info)
        told = dry_run(source, target).losses
        report = copy(source, target, allow=sorted({loss.kind.value for loss in told}))
        assert report.status is Status.VERIFIED, report.as_dict()
        assert report.losses == told
        points = [point.payload for point in client.scroll("docs")[0]]
        assert payload in points
        assert store.get_collection("docs", mapping=mapping).count(F("year") < 0) == 1
    client.close()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"vector": "named"}, "no name"),
        ({"id": "key", "id_type": "int"}, "is a text"),
        ({"metadata": None, "fields": ["year"]}, "does not read all"),
    ],
)
def test_what_a_mapping_cannot_make_of_points(given: dict[str, Any], error: str) -> None:
    client = QdrantClient(":memory:")
    with vstore.connect(client=client) as store, pytest.raises(Unsupported, match=error):
        store.create_collection("docs", dimension=3, layout=RecordMapping.from_dict(given))
    client.close()


@pytest.mark.parametrize("url", ["memory:", "chroma:{}/c"])
def test_databases_without_layouts_of_ones_own(source: CollectionSource, tmp_path: Path, url: str) -> None:
    def made(store: Store) -> LayoutTarget:
        return LayoutTarget(store, "docs", RecordMapping.from_dict(FIELDS), source.collection.info)

    with vstore.connect(url.format(tmp_path)) as store, pytest.raises(Unsupported):
        made(store)


@pytest.mark.usefixtures("sql")
def test_an_interrupted_copy_resumes_by_the_same_mapping(server: str, tmp_path: Path) -> None:
    ends = f"chroma:{tmp_path}/c/docs", f"{server}/docs"
    with vstore.connect(f"chroma:{tmp_path}/c") as store:
        docs = store.create_collection("docs", dimension=3)
        docs.add(["a", "b", "c", "d"], VECTORS, metadatas=[{"year": i} for i in range(4)])

    def interrupt(told: Progress) -> None:
        if told.phase == "copy" and told.rows >= 2:
            raise KeyboardInterrupt

    mapping = RecordMapping.from_dict({"id": "key", "vector": "v", "metric": "cosine", "types": {"year": "bigint"}})
    other = replace(mapping, document=("body",))
    asked: Any = {"state": tmp_path / "state", "chunk_rows": 2}
    assert vstore.copy(*ends, layout=mapping, on_progress=interrupt, **asked).status is Status.INCOMPLETE
    with pytest.raises(Mismatch, match="layout="):
        vstore.copy(*ends, layout=other, **asked)
    done = vstore.copy(*ends, layout=mapping, **asked)
    assert (done.resumed, done.status, done.copied) == (True, Status.VERIFIED, 4)
    again = vstore.copy(*ends, layout=mapping, if_exists="replace", state=tmp_path / "other")
    assert (again.status, again.copied) == (Status.VERIFIED, 4)
