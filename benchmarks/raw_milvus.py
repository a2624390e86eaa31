"""The best path through pymilvus itself, as its experts would write it, and the same with vstore's guarantees."""

from __future__ import annotations

import json
import math
from threading import Condition
from typing import Any, ClassVar, TypeAlias
from uuid import uuid4

import numpy as np
from pymilvus import DataType, MilvusClient

from vstore import Records

__all__ = ["YEARS", "ExactMilvus", "Hit", "RawMilvus"]

YEARS = 'metadata["year"] >= 2010'
Hit: TypeAlias = tuple[str, float, str | None, dict[str, Any]]
"""The id of a record, its distance, its document and its metadata."""


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
        return self._search(vector, k, YEARS)

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


class ExactMilvus(RawMilvus):
    """The same by hand with what the contract promises, for these four keys, l2 and a float32 vector alone.

    - COL-3: records stand in a partition with a name of its own, so that no request reaches another collection of the
      same name.
    - ID-1, ID-2, VEC-1, META-1, DOC-1: a batch is checked with NumPy, and key by key, before anything is sent.
    - ADD-1: ids that exist are refused. One search between the first and the last of them tells that there are none.
    - CON-1: rows are upserts, since an insert stores an id twice that another process has added since. Reads and writes
      take turns, since a read beside an upsert sees a record twice, or not at all.
    - META-2: metadata is JSON text, of which pymilvus loses no type.
    - DOC-1: Milvus has no null, so that an empty document is a NUL, and none is empty.
    - WR-1: reads ask for the level of the session.
    - MET-1, MET-3: distances are not squared; those whose square float32 may have lost are computed from the vectors.
    - QRY-1, QRY-4: where fewer than k come, the matches are counted and, if there are more, all compared.
    - QRY-2: hits that float32 leaves too near to one another are compared again in float64; ties go by id.
    - SCAN-1: pages go on from the last id.
    - FLT-2, FLT-4: a comparison of Milvus with a number is false of a text, a bool and a missing key.
    """

    _KEYS: ClassVar = {"year": int, "lang": str, "price": float, "open": bool}
    COMMON: ClassVar = {"consistency_level": "Session", "timeout": 30.0}

    def create(self, name: str) -> None:
        super().create(name)
        self.partition = f"own_{uuid4().hex}"
        self._client.create_partition(name, self.partition)
        self._turns = Condition()
        self._readers = 0

    def ingest(self, records: Records) -> None:
        assert records.vectors is not None
        assert records.documents is not None
        assert records.metadatas is not None
        self._check(records)
        lowest, highest = json.dumps(min(records.ids)), json.dumps(max(records.ids))
        if self._read(self._client.query, filter=f"id >= {lowest} and id <= {highest}", output_fields=["id"], limit=1):
            for start in range(0, len(records), 5_000):
                asked = f"id in {json.dumps(records.ids[start : start + 5_000])}"
                if taken := self._read(self._client.query, filter=asked, output_fields=["id"]):
                    raise ValueError(f"these ids exist: {taken}")
        documents = ["" if one is None else one or "\x00" for one in records.documents]
        columns = zip(records.ids, records.vectors, documents, map(json.dumps, records.metadatas), strict=True)
        rows = [dict(zip(("id", "vector", "document", "metadata"), row, strict=True)) for row in columns]
        for start in range(0, len(rows), 5_000):
            with self._turns:
                self._turns.wait_for(lambda: not self._readers)
                self._client.upsert(
                    self._name, rows[start : start + 5_000], partition_name=self.partition, timeout=30.0
                )

    def _check(self, records: Records) -> None:
        vectors = np.ascontiguousarray(records.vectors, dtype=np.float32)
        if vectors.shape != (len(records), self._dimension):
            raise ValueError("another dimension")
        if not (np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64) <= 1e30).all():
            raise ValueError("not finite, or too long")
        if len({*records.ids}) < len(records):
            raise ValueError("an id twice")
        for one in records.ids:
            if type(one) is not str or not 1 <= len(one.encode()) <= 512 or "\x00" in one:
                raise ValueError("no id")
        for one in records.documents or ():
            if one is not None and (type(one) is not str or "\x00" in one or len(one.encode()) > 65_535):
                raise ValueError("no document")
        for metadata in records.metadatas or ():
            for key, value in metadata.items():
                if type(value) is not self._KEYS[key] and not (key == "year" and type(value) is str):
                    raise ValueError(f"no {key}")
                if (type(value) is str and "\x00" in value) or (type(value) is float and not math.isfinite(value)):
                    raise ValueError(f"no {key}")

    def _read(self, method: Any, **asked: Any) -> Any:
        with self._turns:
            self._readers += 1
        try:
            return method(self._name, partition_names=[self.partition], **asked, **self.COMMON)
        finally:
            with self._turns:
                self._readers -= 1
                self._turns.notify_all()

    def _search(self, vector: np.ndarray, k: int, where: str) -> list[Hit]:
        vector = self.checked(vector)
        (found,) = self._read(self._client.search, **self.asked(vector, k, where))
        hits = list(found)
        if len(hits) < k and len(hits) < self._count(where):
            return self._all_compared(vector, k, where)
        ids, distances, unsure = self.judged(hits)
        if unsure:
            again = f"id in {json.dumps([ids[place] for place in unsure])}"
            self.correct(
                vector, ids, distances, self._read(self._client.query, filter=again, output_fields=["id", "vector"])
            )
        return self.ordered(hits, ids, distances)

    def checked(self, vector: np.ndarray) -> np.ndarray:
        """The vector of a query in float32; raises for one that is none."""
        vector = np.asarray(vector, dtype=np.float32)
        if vector.shape != (self._dimension,) or not float(vector.dot(vector.astype(np.float64))) <= 1e30:
            raise ValueError("no vector")
        return vector

    def asked(self, vector: np.ndarray, k: int, where: str) -> dict[str, Any]:
        """The arguments of a search."""
        settings = {"params": {"ef": 100} if self._hnsw else {}}
        wanted = {"limit": k, "output_fields": list(self._OUTPUT), "search_params": settings}
        return {"data": [vector], "filter": where, **wanted}

    def judged(self, hits: list[Any]) -> tuple[list[str], np.ndarray, list[int]]:
        """Ids and distances of hits, and the places of those that float32 leaves in doubt."""
        ids = [hit["id"] for hit in hits]
        distances = np.sqrt(np.maximum([hit["distance"] for hit in hits], 0.0))
        near = distances[1:] - distances[:-1] <= 1e-6 * (distances[1:] + distances[:-1])
        unsure = np.zeros(len(hits), dtype=np.bool_)
        unsure[1:] = near
        unsure[:-1] |= near
        unsure |= 1e-5 * distances * distances <= self._dimension * np.finfo(np.float32).tiny
        return ids, distances, unsure.nonzero()[0].tolist()

    def correct(self, vector: np.ndarray, ids: list[str], distances: np.ndarray, rows: list[Any]) -> None:
        """Computes distances anew from the vectors in rows."""
        for row in rows:
            distances[ids.index(row["id"])] = self._distance(vector, row["vector"])

    def ordered(self, hits: list[Any], ids: list[str], distances: np.ndarray) -> list[Hit]:
        """Hits by distance and then id."""
        order = sorted(range(len(hits)), key=lambda place: (distances[place], ids[place]))
        return [self._hit(ids[place], float(distances[place]), hits[place]["entity"]) for place in order]

    def _count(self, where: str) -> int:
        return int(self._read(self._client.query, filter=where, output_fields=["count(*)"])[0]["count(*)"])

    def _all_compared(self, vector: np.ndarray, k: int, where: str) -> list[Hit]:
        return self.nearest(vector, k, self._read(self._client.query, **self.whole(where)))

    def whole(self, where: str) -> dict[str, Any]:
        """The arguments of a request for all that match, with their vectors."""
        return {"filter": where or 'id != ""', "output_fields": ["id", "vector", *self._OUTPUT]}

    def nearest(self, vector: np.ndarray, k: int, rows: list[Any]) -> list[Hit]:
        """The k nearest of rows that have their vectors."""
        hits = [self._hit(row["id"], self._distance(vector, row["vector"]), row) for row in rows]
        return sorted(hits, key=lambda hit: (hit[1], hit[0]))[:k]

    @staticmethod
    def _distance(vector: np.ndarray, other: Any) -> float:
        return float(np.linalg.norm(vector.astype(np.float64) - np.array(other, dtype=np.float64)))

    @staticmethod
    def _hit(name: str, distance: float, row: Any) -> Hit:
        document = row["document"]
        return name, distance, None if document == "" else "" if document == "\x00" else document, row["metadata"]

    def scan(self) -> int:
        names = ["id", "vector", *self._OUTPUT]
        rows, last = 0, ""
        while page := self._read(
            self._client.query, filter=f"id > {json.dumps(last)}", output_fields=names, limit=1000
        ):
            last = max(row["id"] for row in page)
            rows += len(np.array([row["vector"] for row in page], dtype=np.float32))
        return rows
