"""The best path through pymilvus itself, as its experts would write it."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

from vstore import Records

__all__ = ["RawMilvus"]


class RawMilvus:
    """Rows with NumPy vectors in batches of 5,000, session consistency, pages from the query iterator."""

    _OUTPUT = ("document", "metadata")

    def __init__(self, uri: str, dimension: int, *, hnsw: bool) -> None:
        self._client = MilvusClient(uri)
        self._dimension = dimension
        self._hnsw = hnsw
        self._name = ""

    def create(self, name: str) -> None:
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=512)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dimension)
        schema.add_field("document", DataType.VARCHAR, max_length=65_535)
        schema.add_field("metadata", DataType.JSON)
        index = self._client.prepare_index_params()
        if self._hnsw:
            index.add_index("vector", index_type="HNSW", metric_type="L2", params={"M": 16, "efConstruction": 100})
        else:
            index.add_index("vector", index_type="FLAT", metric_type="L2")
        self._client.create_collection(name, schema=schema, index_params=index, consistency_level="Session")
        self._name = name

    def ingest(self, records: Records) -> None:
        assert records.vectors is not None
        assert records.documents is not None
        assert records.metadatas is not None
        columns = zip(records.ids, records.vectors, records.documents, records.metadatas, strict=True)
        rows = [dict(zip(("id", "vector", "document", "metadata"), row, strict=True)) for row in columns]
        for start in range(0, len(rows), 5_000):
            self._client.insert(self._name, rows[start : start + 5_000])

    def query(self, vector: np.ndarray, k: int) -> Any:
        return self._search(vector, k, "")

    def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        return self._search(vector, k, 'metadata["year"] >= 2010')

    def _search(self, vector: np.ndarray, k: int, where: str) -> Any:
        found = self._client.search(
            self._name,
            [vector],
            filter=where,
            limit=k,
            output_fields=list(self._OUTPUT),
            search_params={"params": {"ef": 100} if self._hnsw else {}},
        )
        return list(found[0])  # pymilvus parses the metadata of hits when they are read

    def scan(self) -> int:
        rows = 0
        pages = self._client.query_iterator(
            self._name, batch_size=1000, output_fields=["id", "vector", *self._OUTPUT], consistency_level="Session"
        )
        while page := pages.next():
            rows += len(np.array([row["vector"] for row in page], dtype=np.float32))
        pages.close()
        return rows

    def drop(self, name: str) -> None:
        self._client.drop_collection(name)

    def close(self) -> None:
        self._client.close()
