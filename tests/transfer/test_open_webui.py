"""open-webui on Qdrant and Milvus, in the shapes that its own files make: read, written, and refused beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from qdrant_client import QdrantClient, models
from typer.testing import CliRunner

from tests.qdrant_double import Double, qdrant_double
from vstore import AlreadyExists, NotFound, Store, Unsupported, connect
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer.apps import AppLocation, load_app, open_app

FILE, OTHER = "file-0b1c2d3e-0000-4000-8000-000000000001", "file-0b1c2d3e-0000-4000-8000-000000000002"
KNOWLEDGE, HASH = "0b1c2d3e-0000-4000-8000-000000000002", "0123456789abcdef" * 3 + "0123456789abcde"
NAMES = {FILE: 3, OTHER: 1, KNOWLEDGE: 2, f"user-memory-{KNOWLEDGE}": 1, "web-search-0a1b": 1, HASH: 1, "mine": 2}
SHARED = {
    FILE: "files", OTHER: "files", KNOWLEDGE: "knowledge", f"user-memory-{KNOWLEDGE}": "memories",
    "web-search-0a1b": "web-search", HASH: "hash-based", "mine": "knowledge",
}  # fmt: skip
DIMENSION = 4


@pytest.fixture(scope="module")
def running() -> Iterator[Double]:
    with qdrant_double() as double:
        yield double


@pytest.fixture
def double(running: Double) -> Iterator[Double]:
    yield running
    for one in running.client.get_collections().collections:
        running.client.delete_collection(one.name)


def ids_of(name: str) -> list[str]:
    return [str(uuid5(UUID(int=9), f"{name} {place}")) for place in range(NAMES.get(name, 1))]


def vectors(number: int, dimension: int = DIMENSION) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Vectors of the length 1 that are nearest to themselves, and do not end in zeros."""
    made = np.eye(number, dimension, dtype=np.float32) + np.float32(0.1)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def source(store: Store, name: str, dimension: int = DIMENSION) -> None:
    """A collection of Chroma's as open-webui makes it."""
    made = store.create_collection(name, dimension=dimension, metric="cosine", layout="open-webui")
    ids = ids_of(name)
    texts = [f"chunk {place}" for place in range(len(ids))]
    metadatas = [{"page": place, "hash": "h"} for place in range(len(ids))]
    made.add(ids, vectors(len(ids), dimension), texts, metadatas)


def copy(folder: Path, *arguments: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    done = CliRunner().invoke(
        app, ["copy", *arguments, "--app", "open-webui"], env={"XDG_STATE_HOME": str(folder / "state")}
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.exit_code, {one["collection"]: one for one in lines if one["event"] == "report"}, done.output


def point(name: str, place: int, **more: str) -> models.PointStruct:
    vector = vectors(DIMENSION)[place].tolist()
    payload = {"text": f"chunk {place}", "metadata": {"page": place, "hash": "h"}, **more}
    return models.PointStruct(id=ids_of(name)[place], vector=vector, payload=payload)


@pytest.mark.parametrize("alone", [False, True], ids=["multitenancy", "alone"])
def test_both_forms_on_qdrant_are_read(alone: bool, tmp_path: Path) -> None:
    client = QdrantClient(path=str(tmp_path / "q"))
    for name, number in NAMES.items():
        native = f"open-webui_{name if alone else SHARED[name]}"
        if not client.collection_exists(native):
            params = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE, on_disk=False)
            client.create_collection(native, params)
        own = {} if alone else {"tenant_id": name}
        client.upsert(native, [point(name, place, **own) for place in range(number)])
    client.create_collection("another", models.VectorParams(size=3, distance=models.Distance.DOT))
    with connect(client=client) as store:
        read_all(store)
    client.close()


def read_all(store: Store) -> None:
    """What open-webui has in a store is read under its names."""
    location = AppLocation(store, "here")
    location.app = load_app("open-webui")
    assert location.others() == sorted(NAMES)
    for name, number in NAMES.items():
        found = location.source(name)
        [page] = found.scan()
        assert sorted(page.records.ids) == sorted(ids_of(name))
        assert sorted(page.records.documents or []) == [f"chunk {place}" for place in range(number)]
        assert {one["page"] for one in page.records.metadatas or []} == set(range(number))
        assert all(set(one) == {"page", "hash"} for one in page.records.metadatas or [])
        assert (found.count(), found.info.name, found.info.dimension, found.info.metric) == (number, name, 4, "cosine")
        assert [one.text for one in found.omissions() if one.needs_leave] == []
        hits = found.collection.query(vectors(1)[0], k=9)
        assert {hit.id for hit in hits} == set(ids_of(name))
        assert list(found.get(ids_of(FILE)).ids) == (ids_of(FILE) if name == FILE else [])
    with pytest.raises(NotFound):
        location.source("file-nobody")


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "multitenancy"])
def test_both_forms_on_milvus_are_read(shared: bool, tmp_path: Path) -> None:
    client = MilvusClient(str(tmp_path / "m.db"))
    for name, number in NAMES.items():
        native = "open_webui_" + (SHARED[name] if shared else name).replace("-", "_")
        if not client.has_collection(native):
            schema = client.create_schema(auto_id=False, enable_dynamic_field=not shared)
            schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=36)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
            if shared:
                schema.add_field("text", DataType.VARCHAR, max_length=65_535)
                schema.add_field("resource_id", DataType.VARCHAR, max_length=255)
            else:  # as before Milvus 2.5
                schema.add_field("data", DataType.JSON)
            schema.add_field("metadata", DataType.JSON)
            index = client.prepare_index_params()
            index.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 100})
            client.create_collection(native, schema=schema, index_params=index)
        own = {"resource_id": name} if shared else {}
        for place in range(number):
            text = {"text": f"chunk {place}"}
            row = {"id": ids_of(name)[place], "vector": vectors(DIMENSION)[place]}
            client.insert(
                native, [row | own | (text if shared else {"data": text}) | {"metadata": {"page": place, "hash": "h"}}]
            )
    client.close()
    with connect(f"milvus:{tmp_path / 'm.db'}") as store:
        read_all(store)


@clause("MIG-27")
def test_a_copy_is_in_the_form_that_open_webui_has_by_default(double: Double, tmp_path: Path) -> None:
    with connect(f"chroma:{tmp_path / 'c'}") as store:
        for name in NAMES:
            source(store, name)
    code, planned, output = copy(tmp_path, f"chroma:{tmp_path / 'c'}", double.url, "--dry-run")
    assert code == 0, output
    assert not double.client.get_collections().collections, "a dry run writes nothing"
    code, reports, output = copy(tmp_path, f"chroma:{tmp_path / 'c'}", double.url)
    assert code == 0, output
    assert {name: one["losses"] for name, one in reports.items()} == {n: one["losses"] for n, one in planned.items()}
    assert {one["status"] for one in reports.values()} == {"verified"}

    found = {
        one.name: double.client.scroll(one.name, limit=9)[0] for one in double.client.get_collections().collections
    }
    assert {name: sorted(str(one.payload["tenant_id"]) for one in points) for name, points in found.items()} == {
        f"open-webui_{kind}": sorted(name for name in NAMES if SHARED[name] == kind for _ in range(NAMES[name]))
        for kind in set(SHARED.values())
    }
    [memory] = found["open-webui_memories"]
    assert memory.id == ids_of(f"user-memory-{KNOWLEDGE}")[0]
    assert memory.payload == {
        "text": "chunk 0", "metadata": {"page": 0, "hash": "h"}, "tenant_id": f"user-memory-{KNOWLEDGE}"
    }  # fmt: skip
    asked = double.client.asked["open-webui_files"]
    assert asked.vectors == models.VectorParams(size=4, distance=models.Distance.COSINE, on_disk=False)
    assert asked.hnsw_config == models.HnswConfigDiff(payload_m=16, m=0)
    tenant = double.client.indexes["open-webui_files"].pop("tenant_id").params
    assert tenant == models.KeywordIndexParams(type="keyword", is_tenant=True, on_disk=False)
    assert set(double.client.indexes["open-webui_files"]) == {"metadata.hash", "metadata.file_id"}

    code, reports, output = copy(tmp_path, double.url, f"milvus:{tmp_path / 'm.db'}")
    assert code == 0, output
    with connect(f"milvus:{tmp_path / 'm.db'}") as store:
        assert set(store.list_foreign_collections()) == {"open_webui_" + name.replace("-", "_") for name in NAMES}
        read_all(store)


def test_a_name_that_milvus_has_not_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with connect(f"chroma:{tmp_path / 'c'}") as store:
        for name in ("a.b", "a-b", "a_b", "mine"):
            source(store, name)
    here, there = f"chroma:{tmp_path / 'c'}", f"milvus:{tmp_path / 'm.db'}"
    for dry in ([], ["--dry-run"]):
        code, reports, output = copy(tmp_path, here, there, *dry)
        assert (code, reports) == (2, {})
        assert "has no collection of such a name in Milvus: 'a.b'; nothing was written" in output.replace("\n", " ")
        code, reports, output = copy(tmp_path, here, there, "--rename", r"\.=x", *dry)
        assert (code, reports) == (2, {})
        assert "'open_webui_a_b' from 'a-b', 'a_b'; nothing was written" in output.replace("\n", " ")
    (tmp_path / "names.json").write_text(json.dumps({"a.b": "axb", "a-b": False}))
    code, reports, output = copy(tmp_path, here, there, "--name-map", str(tmp_path / "names.json"))
    assert code == 0, output
    with open_app(there, load_app("open-webui")) as location:
        assert location.others() == ["a_b", "axb", "mine"]
        [told] = [one for one in location.source("a_b").omissions() if one.name == "name"]
        assert "may have been another one, as open-webui writes '_' for '-' here" in told.text
        assert not [one for one in location.source("mine").omissions() if one.name == "name"]


def test_collections_that_qdrant_has_in_one_keep_apart(double: Double, tmp_path: Path) -> None:
    with connect(double.url) as store:
        first = store.create_collection(FILE, dimension=4, metric="cosine", layout="open-webui")
        first.add(ids_of(FILE), vectors(3), ["a", "b", "c"])
        second = store.create_collection(OTHER, dimension=4, metric="cosine", layout="open-webui")
        with pytest.raises(AlreadyExists, match="other collections in Qdrant's 'open-webui_files' have these ids"):
            second.upsert(ids_of(FILE)[:1], vectors(1), ["mine"])
        second.add(ids_of(OTHER), vectors(1), ["d"])
        second.delete(ids_of(FILE))
        assert (first.count(), second.count()) == (3, 1)
        with pytest.raises(AlreadyExists):
            store.create_collection(OTHER, dimension=4, metric="cosine", layout="open-webui")
        store.delete_collection(OTHER, layout="open-webui")
        assert store.get_collection(FILE, mapping="open-webui").count() == 3
        with pytest.raises(NotFound):
            store.delete_collection(OTHER, layout="open-webui")
        double.client.create_collection(f"open-webui_{OTHER}", models.VectorParams(size=4, distance="Cosine"))
    with connect(f"chroma:{tmp_path / 'c'}") as store:
        source(store, OTHER)
    for dry in ([], ["--dry-run"]):
        code, _, output = copy(tmp_path, f"chroma:{tmp_path / 'c'}", double.url, *dry)
        assert code == 2, output
        assert "ENABLE_QDRANT_MULTITENANCY_MODE=false): vstore only reads that form" in output.replace("\n", " ")


def test_one_collection_of_qdrant_has_one_dimension(double: Double, tmp_path: Path) -> None:
    with connect(f"chroma:{tmp_path / 'c'}") as store:
        source(store, FILE)
        source(store, OTHER, dimension=6)
        source(store, "mine", dimension=8)
    here = f"chroma:{tmp_path / 'c'}"
    for dry in ([], ["--dry-run"]):
        code, reports, output = copy(tmp_path, here, double.url, *dry)
        assert (code, reports) == (2, {})
        assert f"in 'open-webui_files': 4 ('{FILE}'), 6 ('{OTHER}'); nothing was" in output.replace("\n", " ")
    code, reports, output = copy(tmp_path, here, double.url, "--vector-length", "8")
    assert code == 0, output
    assert {name: [one["kind"] for one in found["losses"]] for name, found in reports.items()} == {
        FILE: ["padded-vectors"], OTHER: ["padded-vectors"], "mine": []
    }  # fmt: skip


def test_a_form_of_milvus_that_is_only_read_is_refused(tmp_path: Path) -> None:
    there = f"milvus:{tmp_path / 'm.db'}"
    client = MilvusClient(str(tmp_path / "m.db"))
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=36)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    schema.add_field("text", DataType.VARCHAR, max_length=65_535)
    schema.add_field("resource_id", DataType.VARCHAR, max_length=255)
    schema.add_field("metadata", DataType.JSON)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_collection("open_webui_knowledge", schema=schema, index_params=index)
    row = {"id": "a", "vector": [1.0, 0, 0, 0], "text": "t", "resource_id": "mine", "metadata": {}}
    client.insert("open_webui_knowledge", [row])
    client.close()
    with connect(there) as store:
        found = store.get_collection("mine", mapping="open-webui")
        with pytest.raises(Unsupported, match="one of several collections in one of Milvus"):
            found.delete(["a"])
    with connect(f"chroma:{tmp_path / 'c'}") as store:
        source(store, "mine")
    code, _, output = copy(tmp_path, f"chroma:{tmp_path / 'c'}", there)
    assert code == 2, output
    assert "ENABLE_MILVUS_MULTITENANCY_MODE=true): vstore only reads that form" in output.replace("\n", " ")


@pytest.mark.parametrize("ids", [ids_of(FILE), ["a", "b", "c"]], ids=["UUIDs", "made UUIDs"])
def test_an_id_that_two_collections_of_one_in_qdrant_have_is_told(
    double: Double, tmp_path: Path, ids: list[str]
) -> None:
    with connect(f"chroma:{tmp_path / 'c'}") as store:
        for name in (FILE, OTHER, "mine"):
            made = store.create_collection(name, dimension=4, metric="cosine", layout="open-webui")
            made.add(ids, vectors(3), ["a", "b", "c"])
    for dry in (["--dry-run"], []):
        code, reports, output = copy(tmp_path, f"chroma:{tmp_path / 'c'}", double.url, "--allow", "id-form", *dry)
        assert code == 2, output
        told = {name: one["error"] or " ".join(one["plan"]["problems"] if dry else []) for name, one in reports.items()}
        assert (
            f"open-webui keeps an id once for all collections, and other collections have 3 of these: 3 of '{FILE}'"
            in (told[OTHER])
        )
        assert any(f"for example {one!r}" in told[OTHER] for one in ids)
        assert (told[FILE], told["mine"]) == ("", "")
