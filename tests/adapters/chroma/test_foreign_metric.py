"""The metric of a collection that vstore did not create is the one that Chroma's engine follows."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings

import vstore
from vstore import HNSW, RecordMapping
from vstore.indexing import Metric
from vstore_chroma.foreign import metric_seen, probe

IDS = ["a", "b", "c", "d", "e"]
VECTORS = np.array([[1, 0, 0], [10, 1, 0], [0.5, 0.5, 0], [0, 0, 3], [2, 2, 2]], np.float32)
QUERY = [1.0, 0.2, 0.1]
SPACES = {"cosine": "cosine", "l2": "l2", "ip": "dot"}


def _write(path: Path, name: str, metadata: dict[str, Any] | None, vectors: np.ndarray = VECTORS) -> list[str]:
    client = chromadb.PersistentClient(str(path), Settings(anonymized_telemetry=False))
    collection = client.create_collection(name, metadata=metadata, embedding_function=None)
    found: list[str] = []
    if len(vectors):
        collection.add(ids=IDS, embeddings=vectors)
        found = collection.query(query_embeddings=[QUERY], n_results=5)["ids"][0]
    client.close()
    return found


def _age(path: Path, told: dict[str, Any] | None) -> None:
    """Makes of each collection what Chroma 0.4 wrote: no configuration, its settings with the segment."""
    with sqlite3.connect(path / "chroma.sqlite3") as database:
        database.execute("update collections set config_json_str = null, schema_str = null")
        segments = database.execute("select id from segments where scope = 'VECTOR'").fetchall()
        for (segment,) in segments:
            for key, value in (told or {}).items():
                column = "str_value" if isinstance(value, str) else "int_value"
                database.execute(
                    f"insert into segment_metadata (segment_id, key, {column}) values (?, ?, ?)", (segment, key, value)
                )
    database.close()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("forgotten", [False, True])
def test_an_old_collection_has_the_metric_of_its_metadata(space: str, forgotten: bool, tmp_path: Path) -> None:
    told = {"hnsw:space": space, "hnsw:M": 8, "hnsw:construction_ef": 40, "hnsw:search_ef": 30}
    found = _write(tmp_path, "old", told)
    _age(tmp_path, told)
    if forgotten:  # by `collection.modify(metadata=…)`
        with sqlite3.connect(tmp_path / "chroma.sqlite3") as database:
            database.execute("delete from collection_metadata")
        database.close()
    with vstore.connect(f"chroma:{tmp_path}") as store:
        native = store.native.get_collection("old", embedding_function=None)
        assert native.configuration["hnsw"]["space"] == "l2", "what the client says, whatever the engine does"
        collection = store.get_collection("old", mapping="auto")
        assert collection.info.metric == SPACES[space]
        assert collection.info.index == (HNSW() if forgotten else HNSW(m=8, ef_construction=40, ef_search=30))
        for exact in (True, False):
            assert collection.query(QUERY, k=5, exact=exact).ids == found
        for metric in SPACES.values():
            mapping = RecordMapping(metadata=("metadata",), metric=metric)
            if metric == SPACES[space]:
                assert store.get_collection("old", mapping=mapping).query(QUERY, k=5).ids == found
            else:
                with pytest.raises(vstore.Mismatch):
                    store.get_collection("old", mapping=mapping)


def test_an_empty_old_collection_has_the_metric_of_its_metadata_too(tmp_path: Path) -> None:
    _write(tmp_path, "old", {"hnsw:space": "cosine"}, VECTORS[:0])
    _age(tmp_path, {"hnsw:space": "cosine"})
    with vstore.connect(f"chroma:{tmp_path}") as store:
        mapping = RecordMapping(metadata=("metadata",), metric="cosine", dimension=3)
        assert store.get_collection("old", mapping=mapping).info.metric == "cosine"
        with pytest.raises(vstore.Mismatch):
            store.get_collection("old", mapping=RecordMapping(metadata=("metadata",), metric="l2", dimension=3))


def test_a_configuration_counts_above_the_metadata(tmp_path: Path) -> None:
    client = chromadb.PersistentClient(str(tmp_path), Settings(anonymized_telemetry=False))
    for name, vectors in (("full", VECTORS), ("empty", VECTORS[:0])):
        made = client.create_collection(
            name,
            metadata={"hnsw:space": "ip", "hnsw:M": 4},
            configuration={"hnsw": {"space": "cosine"}},
            embedding_function=None,
        )
        if len(vectors):
            made.add(ids=IDS, embeddings=vectors)
    client.close()
    with vstore.connect(f"chroma:{tmp_path}") as store:
        for name in ("full", "empty"):
            info = store.get_collection(name, mapping=RecordMapping(metadata=("metadata",), dimension=3)).info
            assert (info.metric, info.index) == ("cosine", HNSW())


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("scale", [1e-18, 1e-3, 1.0, 1e6, 1e14])
@pytest.mark.parametrize("dimension", [2, 3, 384])
def test_each_metric_is_seen_from_one_distance(metric: Metric, scale: float, dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    for row in rng.standard_normal((20, dimension)):
        vector = (row * scale).astype(np.float32)
        query = probe(vector)
        q, x = query.astype(np.float32), vector
        with np.errstate(over="ignore"):
            distance = {
                Metric.L2: float(np.sum((q - x) ** 2, dtype=np.float32)),
                Metric.DOT: float(np.float32(1) - np.dot(q, x)),
                Metric.COSINE: float(1 - np.dot(q / np.linalg.norm(q), x / np.linalg.norm(x))),
            }[metric]
        assert metric_seen(query, {"ids": [["a"]], "embeddings": [[x]], "distances": [[distance]]}) in (metric, None)
        if scale == 1.0:
            assert metric_seen(query, {"ids": [["a"]], "embeddings": [[x]], "distances": [[distance]]}) is metric
