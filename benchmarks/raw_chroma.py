"""The best path through chromadb itself, as its experts would write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.config import Settings

from vstore import Records

__all__ = ["RawChroma"]


class RawChroma:
    """Embedded Chroma: NumPy arrays in, the largest batch the client takes."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        self._batch = self._client.get_max_batch_size()
        self._collection: Any = None

    def create(self, name: str) -> None:
        self._collection = self._client.create_collection(
            name,
            embedding_function=None,
            configuration={"hnsw": {"space": "l2", "max_neighbors": 16, "ef_construction": 100, "ef_search": 100}},
        )

    def ingest(self, records: Records) -> None:
        for start in range(0, len(records), self._batch):
            part = records[start : start + self._batch]
            self._collection.add(part.ids, part.vectors, part.metadatas, part.documents)

    def query(self, vector: np.ndarray, k: int) -> Any:
        return self._collection.query(
            query_embeddings=vector[None], n_results=k, include=["documents", "metadatas", "distances"]
        )

    def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        return self._collection.query(
            query_embeddings=vector[None],
            n_results=k,
            where={"year": {"$gte": 2010}},
            include=["documents", "metadatas", "distances"],
        )

    def scan(self) -> int:
        """By ids, as a scan that must not lose rows has to; offsets skip rows while others write."""
        rows = 0
        ids = sorted(self._collection.get(include=[])["ids"])
        for start in range(0, len(ids), 1000):
            page = self._collection.get(ids[start : start + 1000], include=["embeddings", "documents", "metadatas"])
            rows += len(np.asarray(page["embeddings"], dtype=np.float32))
        return rows

    def drop(self, name: str) -> None:
        self._client.delete_collection(name)

    def close(self) -> None:
        self._client.close()
