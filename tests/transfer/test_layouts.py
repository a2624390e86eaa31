"""A copy in the layout of another package: what it writes, what it tells beforehand, and that it resumes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid5

import chromadb
import numpy as np
import pytest
from qdrant_client import QdrantClient
from typer.testing import CliRunner

import vstore
from vstore import AlreadyExists, F, InvalidInput, Metric, Mismatch, Record, RecordMapping, Store, Unsupported, connect
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.mapping import LAYOUTS
from vstore.transfer import CollectionSource, LayoutTarget, Loss, Progress, Status, copy
from vstore.transfer.dryrun import dry_run
from vstore.transfer.transform import load_transform

pytestmark = clause("MIG-3", "MIG-30")

IDS = [str(uuid5(UUID(int=0), str(i))) for i in range(30)]
VECTORS = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)


@pytest.fixture
def source() -> Iterator[Store]:
    """``plain`` fits every layout; ``odd`` has something of each kind that some layout cannot hold."""
    with connect("memory:") as store:
        texts = [f"text {i}" for i in range(30)]
        plain = store.create_collection("plain", dimension=4, index="hnsw", metadata={"team": "search"})
        units = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
        plain.add(IDS, units, texts, [{"n": i, "tags": ["a", "b"]} for i in range(30)])
        odd = store.create_collection("odd", dimension=4, index="hnsw")
        metadatas: list[dict[str, Any]] = [
            {"at": datetime(2024, 1, 1, tzinfo=UTC)},
            {"of": {"x": 1}},
            {"f": 0.1 + 0.2},
            {"text": "a key that Milvus's layout uses"},
        ]
        odd.add(["a", "b", "c", IDS[3]], VECTORS[:4], ["t", None, "t", "t"], metadatas)
        yield store


@pytest.fixture
def qdrant() -> Iterator[Store]:
    client = QdrantClient(":memory:")
    with connect(client=client) as opened:
        yield opened
    client.close()


def of(store: Store, name: str) -> CollectionSource:
    return CollectionSource(store, store.get_collection(name))


def named(losses: list[Loss]) -> set[str]:
    return {str(loss.kind) for loss in losses if loss.needs_leave}


def test_what_langchain_reads_in_chroma(source: Store, tmp_path: Path) -> None:
    client = chromadb.PersistentClient(str(tmp_path / "c"))
    with connect(client=client) as store:
        report = copy(of(source, "plain"), LayoutTarget(store, "docs", "langchain", of(source, "plain").info))
        assert report.status is Status.VERIFIED
        assert store.list_collections() == []
    found = client.get_collection("docs", embedding_function=None)
    one = found.get(ids=[IDS[3]])
    assert (one["documents"], one["metadatas"]) == (["text 3"], [{"n": 3, "tags": ["a", "b"]}])
    assert found.metadata == {"team": "search"}
    assert dict(found.configuration)["hnsw"]["space"] == "cosine"


def test_floats_are_cut_to_what_chroma_keeps(source: Store, tmp_path: Path) -> None:
    floats = source.create_collection("floats", dimension=4, index="hnsw")
    values = [0.1 + 0.2, 4236034431487910.0, 4236034431487912.0, 7668171669245900.0]
    floats.add(IDS[:4], VECTORS[:4], ["t"] * 4, [{"f": value} for value in values])
    with connect(f"chroma:{tmp_path / 'c'}") as store:
        left = of(source, "floats")
        report = copy(left, LayoutTarget(store, "docs", "langchain", left.info), allow=["float-digits"])
        assert report.status is Status.VERIFIED
        native: Any = store.native
        found = native.get_collection("docs", embedding_function=None).get(IDS[:4])
    assert {one["f"] for one in found["metadatas"]} == {0.3, 4236034431487900.0, 7668171669246000.0}


def test_what_langchain_reads_in_qdrant(source: Store, qdrant: Store) -> None:
    target = LayoutTarget(qdrant, "docs", "langchain", of(source, "plain").info)
    with pytest.raises(Unsupported, match="collection-metadata"):
        copy(of(source, "plain"), target)
    assert copy(of(source, "plain"), target, allow=["collection-metadata"]).status is Status.VERIFIED
    (point,) = qdrant.native.retrieve("docs", [IDS[3]], with_payload=True)
    assert point.payload == {"page_content": "text 3", "metadata": {"n": 3, "tags": ["a", "b"]}}


@pytest.mark.parametrize("backend", ["qdrant", "chroma"])
def test_a_dry_run_tells_what_a_copy_does(source: Store, qdrant: Store, tmp_path: Path, backend: str) -> None:
    """What the dry run names is what the copy refuses, and with leave for it what it wrote is what it told."""
    store = qdrant if backend == "qdrant" else connect(client=chromadb.PersistentClient(str(tmp_path / "c")))
    left = of(source, "odd")
    target = LayoutTarget(store, "docs", "langchain", left.info)
    told = dry_run(left, target).losses
    assert target.existing() is None
    expected = (
        {"id-form", "empty-document", "datetime-as-text", "vector-length"}
        if backend == "qdrant"
        else {"empty-document", "datetime-as-text", "nested-as-json", "float-digits"}
    )
    assert named(told) == expected
    for kind in sorted(expected):
        with pytest.raises(Unsupported, match=kind):
            copy(left, target, allow=sorted(expected - {kind}))
        assert target.existing() is None, "nothing is written"
    report = copy(left, target, allow=sorted(expected))
    assert report.status is Status.VERIFIED, report.as_dict()
    assert [loss.text for loss in report.losses] == [loss.text for loss in told]
    made = store.get_collection("docs", mapping="langchain")
    assert made.count(F("at") == "2024-01-01T00:00:00+00:00") == 1
    assert sorted(made.peek(10).documents or []) == ["", "t", "t", "t"]


@pytest.mark.nightly
@pytest.mark.parametrize("backend", ["chroma", "qdrant", "milvus", "pgvector"])
def test_every_layout_loses_what_its_dry_run_tells(source: Store, qdrant: Store, backend: str) -> None:
    """Of every layout that a database has: the same names and counts in dry run, refusal and run."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True))
        places = {"chroma": f"chroma:{folder}/c", "milvus": f"milvus:{folder}/m.db", "pgvector": f"pgvector:{folder}/p"}
        store = qdrant if backend == "qdrant" else stack.enter_context(connect(places[backend]))
        left, written = of(source, "odd"), 0
        for layout in LAYOUTS:
            try:
                target = LayoutTarget(store, f"docs_{written}", layout, left.info)
            except Unsupported:
                continue
            written += 1
            planned = dry_run(left, target)
            assert planned.exit_code == 0, planned.plan
            names = sorted(named(planned.losses))
            if names:
                with pytest.raises(Unsupported) as refused:
                    copy(left, target)
                # what the collection itself loses is refused before its records are read
                assert [kind for kind in names if f"{kind}: " in refused.value.message]
            report = copy(left, target, allow=names)
            assert report.status is Status.VERIFIED, (layout, report.as_dict())
            told = Counter((loss.kind, loss.text, loss.needs_leave) for loss in planned.losses)
            assert Counter((loss.kind, loss.text, loss.needs_leave) for loss in report.losses) == told, layout
        assert written == {"chroma": 6, "qdrant": 8, "milvus": 5, "pgvector": 8}[backend]


def test_the_command_writes_a_layout(tmp_path: Path) -> None:
    with connect(f"chroma:{tmp_path}/c") as store:
        docs = store.create_collection("docs", dimension=4)
        docs.add(IDS, VECTORS, ["text"] * 30, [{"n": i, "text": "x"} for i in range(30)])
    asked = ["copy", f"chroma:{tmp_path}/c", f"milvus:{tmp_path}/m.db", "--collection", "docs", "--layout", "langchain"]
    runner = CliRunner()
    refused = runner.invoke(app, asked)
    assert refused.exit_code == 2, refused.output
    assert "reserved-keys" in refused.output
    again = [*asked, "--allow", "reserved-keys,index-change", "--report", f"{tmp_path}/report.json"]
    done = runner.invoke(app, again)
    assert done.exit_code == 0, done.output
    (report,) = json.loads((tmp_path / "report.json").read_text())["collections"]
    assert "reserved-keys" in [loss["kind"] for loss in report["losses"]]
    with connect(f"milvus:{tmp_path}/m.db") as store:
        assert store.list_collections() == []
        made = store.get_collection("docs", mapping="langchain")
        assert made.get([IDS[3]])[0].metadata == {"n": 3}
    assert runner.invoke(app, again).exit_code == 0, "compared anew"
    other = runner.invoke(app, [*again[:-4], "nothing", *again[-3:]])
    assert other.exit_code == 2


def test_a_layout_that_is_not_written_is_refused_before_anything_is_sent(source: Store, tmp_path: Path) -> None:
    left = of(source, "plain")
    with pytest.raises(Unsupported, match="does not write the layout 'langchain' into memory"):
        LayoutTarget(source, "docs", "langchain", left.info)
    with pytest.raises(InvalidInput, match="langchain"):
        LayoutTarget(source, "docs", "langchian", left.info)
    with pytest.raises(InvalidInput, match="layout"):
        copy(left, str(tmp_path / "docs.parquet"), layout="langchain")
    with connect(client=chromadb.EphemeralClient()) as store:
        for asked in ({"partition_by": "n"}, {"metric": "l2", "fields": {}, "partition_by": "n"}):
            with pytest.raises(Unsupported, match="has no partitions"):
                store.create_collection("docs", dimension=4, layout="langchain", **asked)  # type: ignore[arg-type]
        assert store.list_foreign_collections() == []


def test_an_interrupted_copy_resumes_in_the_same_layout(tmp_path: Path) -> None:
    ends = f"chroma:{tmp_path}/c/docs", f"milvus:{tmp_path}/m.db/SomeDocs"
    with connect(f"chroma:{tmp_path}/c") as store:
        store.create_collection("docs", dimension=4).add(IDS, VECTORS, ["text"] * 30, [{"n": i} for i in range(30)])

    def interrupt(told: Progress) -> None:
        if told.phase == "copy" and told.rows >= 10:
            raise KeyboardInterrupt

    asked: Any = {"state": tmp_path / "state", "chunk_rows": 10, "allow": ["index-change"]}
    begun = vstore.copy(*ends, layout="langchain", on_progress=interrupt, **asked)
    assert begun.status is Status.INCOMPLETE
    with pytest.raises(Mismatch, match="layout='langchain'"):
        vstore.copy(*ends, layout="plain", **asked)
    done = vstore.copy(*ends, layout="langchain", **asked)
    assert (done.resumed, done.status, done.copied) == (True, Status.VERIFIED, 30)


@pytest.mark.parametrize("layout", ["langchain", "open-webui"])
def test_ids_that_another_collection_of_the_table_has_are_told(source: Store, tmp_path: Path, layout: str) -> None:
    """Before anything is written, by the dry run and by the run; a transform that gives other ids gets over it."""
    left, leave = of(source, "plain"), ["index-change", "collection-metadata"]
    with connect(f"pgvector:{tmp_path}/pg") as store:
        with store.native.connection() as sql:
            sql.execute("create extension if not exists vector")
            sql.execute("create table public.articles (id text primary key, embedding vector(4))")
        first = LayoutTarget(store, "first-one", layout, left.info)
        assert copy(left, first, allow=leave).exit_code == 0
        assert dry_run(left, first, if_exists="merge").plan["problems"] == [], "its own"  # type: ignore[index]
        second = LayoutTarget(store, "second", layout, left.info)
        told = dry_run(left, second)
        assert told.exit_code == 2
        assert told.plan is not None
        [problem] = told.plan["problems"]
        assert f"other collections have 30 of these: 30 of 'first-one'; for example {min(IDS)!r}" in problem
        for if_exists in (None, "merge", "replace"):
            with pytest.raises(InvalidInput) as refused:
                copy(left, second, allow=leave, if_exists=if_exists)
            assert problem.split(". ")[0] in str(refused.value)
            assert refused.value.ids == sorted(IDS)[:5]
        opened = second.existing()
        assert opened is None or not opened.count(), "nothing is written"
        twice = f"{__file__}:with_another_id"
        made = copy(left, second, allow=leave, transform=load_transform(twice))
        assert made.status is Status.VERIFIED, made.as_dict()
        assert store.get_collection("first-one", mapping=layout).count() == 30
        second_one = store.get_collection("second", mapping=layout)
        with pytest.raises(AlreadyExists, match="other collections of the table have these ids"):
            second_one.upsert(IDS[:1], np.eye(1, second_one.info.dimension), ["text"])
        transformed = dry_run(left, LayoutTarget(store, "third", layout, left.info), transform=load_transform(twice))
        assert transformed.plan is not None
        assert "30 of 'second'" in transformed.plan["problems"][0]


def with_another_id(record: Record) -> Record:
    return replace(record, id=f"other {record.id}")


def test_collections_of_one_copy_that_share_ids_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with connect(f"chroma:{tmp_path}/c") as store:
        for name, ids in (("first-one", ["a", "b", "c"]), ("second-one", ["x", "c"]), ("third-one", ["z"])):
            made = store.create_collection(name, dimension=4, layout="open-webui")
            made.add(ids, VECTORS[: len(ids)], ["text"] * len(ids))
    asked = ["copy", f"chroma:{tmp_path}/c", f"pgvector:{tmp_path}/pg", "--app", "open-webui"]
    runner = CliRunner()

    def reports(*more: str) -> tuple[int, dict[str, Any]]:
        done = runner.invoke(app, [*asked, *more])
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.exit_code, {line["collection"]: line for line in lines if line["event"] == "report"}

    said = "other collections have 1 of these: 1 of 'first-one'; for example 'c'"
    code, planned = reports("--dry-run")
    assert code == 2
    assert [len(one["plan"]["problems"]) for one in planned.values()] == [0, 1, 0]
    assert said in planned["second-one"]["plan"]["problems"][0]
    code, done = reports()
    assert code == 2
    assert {name: one["status"] for name, one in done.items()} == {
        "first-one": "verified",
        "second-one": "refused",
        "third-one": "verified",
    }
    assert said in done["second-one"]["error"]


def test_names_that_a_layout_writes_alike_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with connect(f"chroma:{tmp_path}/c") as store:
        for name in ("docs", "Docs"):
            store.create_collection(name, dimension=4).add(["a"], VECTORS[:1], ["text"])
    asked = ["copy", f"chroma:{tmp_path}/c", f"pgvector:{tmp_path}/pg", "--all", "--layout", "llamaindex", "--allow"]
    done = CliRunner().invoke(app, [*asked, "index-change", "--if-exists", "replace"])
    assert done.exit_code == 2
    assert "would be one in the database: 'docs' from 'Docs', 'docs'; nothing was written" in done.output
    with connect(f"pgvector:{tmp_path}/pg") as store:
        assert store.list_foreign_collections() == []


def test_ids_that_become_one_id_are_told(source: Store, qdrant: Store) -> None:
    """A UUID in two forms, in different chunks of a copy that keeps what is there and compares nothing."""
    made = source.create_collection("forms", dimension=4)
    hexed = UUID(IDS[0]).hex
    made.add([IDS[0], *IDS[2:9], hexed], VECTORS[:9], ["text"] * 9)
    left = of(source, "forms")
    target = LayoutTarget(qdrant, "docs", "langchain", left.info)
    leave = sorted(named(dry_run(left, target).losses))
    planned = dry_run(left, target).plan
    assert planned is not None
    said = f"2 records get one id, {IDS[0]!r}, in the form that the layout has: "
    assert said in planned["problems"][0]
    with pytest.raises(InvalidInput, match=said) as refused:
        copy(left, target, allow=leave, if_exists="merge", verify="none", chunk_rows=2)
    assert sorted(refused.value.ids) == sorted([hexed, IDS[0]])
    assert target.existing() is None
    other = {"transform": lambda record: replace(record, id=IDS[1] if record.id == hexed else record.id)}
    assert copy(left, target, allow=leave, **other).status is Status.VERIFIED  # type: ignore[arg-type]


def test_a_table_of_records_takes_what_its_columns_hold(source: Store, tmp_path: Path) -> None:
    left = of(source, "plain")
    with connect(f"pgvector:{tmp_path}/pg") as store:
        made = store.create_collection("typed", dimension=4, layout="plain", index="flat")
        made.add(left.get(IDS[:2]))
        with pytest.raises(InvalidInput, match="no datetimes"):
            made.add(["x"], VECTORS[:1], metadatas=[{"at": datetime(2024, 1, 1, tzinfo=UTC)}])
        with pytest.raises(InvalidInput, match="63 bytes"):
            store.create_collection("x" * 60, dimension=4, layout="llamaindex")


def test_a_table_with_columns_of_ones_own_is_written(tmp_path: Path) -> None:
    with connect(f"pgvector:{tmp_path}/pg") as store:
        store.create_collection("other", dimension=2)  # with which the extension is there
        with store.native.connection() as connection:
            connection.execute(
                "create table public.articles (number bigint primary key, embedding vector(2), body text, author text, "
                "at timestamptz, views int, extra jsonb, noted text default 'new')"
            )
        mapping = RecordMapping(
            id=("number",),
            vector="embedding",
            document=("body",),
            metadata=("extra",),
            fields=("author", "at", "views"),
            metric=Metric.L2,
        )
        articles = store.get_collection("articles", mapping=mapping)
        moment = datetime(2024, 1, 1, tzinfo=UTC)
        metadata = {"author": "Ada", "at": moment, "views": 3, "x": {"y": [1.5, 2e20]}}
        articles.add(["5"], [[1.0, 2.0]], ["on rain"], [metadata])
        assert articles.get(["5"])[0].metadata == metadata
        for wrong in ({"views": "three"}, {"views": True}, {"views": 1.0}, {"author": 5}, {"at": "2024"}):
            with pytest.raises(InvalidInput, match="the column"):
                articles.upsert(["5"], [[1.0, 2.0]], metadatas=[wrong])
        articles.upsert(["5"], [[3.0, 2.0]])
        with store.native.connection() as connection:
            (row,) = connection.execute("select body, author, views, extra, noted from public.articles").fetchall()
        assert row == (None, None, None, {}, "new")
        with pytest.raises(InvalidInput, match="id 'a'"):
            articles.upsert(["a"], [[3.0, 2.0]])
