"""The best path through qdrant-client itself, as its experts would write it."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from qdrant_client import QdrantClient, models

from vstore import Records

__all__ = ["RawQdrant"]


class RawQdrant:
    """The client's local mode in memory: batches of columns, ids as UUIDs, pages by scroll."""

    def __init__(self, dimension: int) -> None:
        self._client = QdrantClient(":memory:")
        self._dimension = dimension
        self._name = ""

    def create(self, name: str) -> None:
        vectors = models.VectorParams(size=self._dimension, distance=models.Distance.EUCLID)
        self._client.create_collection(name, vectors_config=vectors)
        self._name = name

    def ingest(self, records: Records) -> None:
        assert records.documents is not None
        assert records.metadatas is not None
        for start in range(0, len(records), 1000):
            part = records[start : start + 1000]
            payloads = [
                {"id": record_id, "document": document, "metadata": metadata}
                for record_id, document, metadata in zip(
                    part.ids, part.documents or (), part.metadatas or (), strict=True
                )
            ]
            ids: list[Any] = [str(uuid5(NAMESPACE_URL, record_id)) for record_id in part.ids]
            assert part.vectors is not None
            batch = models.Batch(ids=ids, vectors=part.vectors.tolist(), payloads=payloads)
            self._client.upsert(self._name, batch, wait=True)

    def query(self, vector: np.ndarray, k: int) -> Any:
        return self._client.query_points(self._name, vector, limit=k, with_payload=True)

    def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        year = models.FieldCondition(key="metadata.year", range=models.Range(gte=2010))
        return self._client.query_points(
            self._name, vector, limit=k, with_payload=True, query_filter=models.Filter(must=[year])
        )

    def scan(self) -> int:
        rows, after = 0, None
        while True:
            page, after = self._client.scroll(
                self._name, limit=1000, offset=after, with_payload=True, with_vectors=True
            )
            rows += len(np.array([point.vector for point in page], dtype=np.float32))
            if after is None:
                return rows

    def drop(self, name: str) -> None:
        self._client.delete_collection(name)

    def close(self) -> None:
        self._client.close()
