"""A copy in the layout of another package: what it writes, what it tells beforehand, and that it resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import chromadb
import numpy as np
import pytest
from qdrant_client import QdrantClient
from typer.testing import CliRunner

from vstore import F, InvalidInput, Store, Unsupported, connect
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer import CollectionSource, LayoutTarget, Loss, Status, copy
from vstore.transfer.dryrun import dry_run

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
