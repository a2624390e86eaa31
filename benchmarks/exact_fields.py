"""The guarantees of vstore for named, sparse and hybrid queries and tenants on Qdrant's engine, written by hand."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from exact_qdrant_edge import ExactQdrantEdge, payload_of, point_id_of, record_of
from raw_fields import DEPTH, RRF

from vstore import Records, SparseVector

__all__ = ["ExactQdrantEdgeFields"]

SPARE = 4
GROWTH = 8
ROUNDING = 2.0**-24


class ExactQdrantEdgeFields(ExactQdrantEdge):
    """For the records of fields.py alone: a dense vector, one by name, a sparse one, a key of tenants, l2.

    What ``ExactQdrantEdge`` says of checks, order, locks and errors holds here too. Beside it:

    - Sparse queries give the true nearest by scores in float64, added by ascending index, ties by id (SPV-3). The
      engine ranks by sums in float32. So some more than k come with their vectors, and more of them where the error of
      such a sum leaves it open whether one that did not come belongs to the first k.
    - Indices of a query are distinct and in range, its values above 0 (SPV-1). An empty one has no hits (SPV-2).
    - A hybrid query ranks the first 100 of each field by distance and then id, adds in float64 in the order of the
      fields, and orders by score and then id. Each hit tells its rank and score in each leg (HYB-1, HYB-2). What was
      deleted before its document was read does not come.
    - A tenant is a text of 1 to 255 bytes. A query in one compares all of up to 10,000 records (TEN-1, TEN-3), for
      which the graph's threshold is set.
    """

    def __init__(self, folder: Path, dimensions: dict[str, int]) -> None:
        super().__init__(folder, dimensions["vector"])
        self._dimensions = dimensions

    def create(self, name: str) -> None:
        vectors = {
            field: edge.EdgeVectorParams(
                size=size,
                distance=edge.Distance.Euclid,
                hnsw_config=edge.HnswIndexConfig(
                    m=16, ef_construct=100, full_scan_threshold=max(10_000, size * 10_240 // 256)
                ),
            )
            for field, size in self._dimensions.items()
        }
        config = edge.EdgeConfig(vectors=vectors, sparse_vectors={"terms": edge.EdgeSparseVectorParams()})
        (self._folder / name).mkdir(parents=True)
        self._shard = edge.EdgeShard.create(str(self._folder / name), config)
        tenant = edge.KeywordIndexParams(is_tenant=True)
        self._shard.update(edge.UpdateOperation.create_field_index("metadata.tenant", tenant))

    def ingest(self, records: Records) -> None:
        # without the checks of what is written, which ExactQdrantEdge has: here only queries are compared
        columns = zip(records.ids, records.documents or (), records.metadatas or (), records, strict=True)
        points = [
            edge.Point(
                id=point_id_of(record_id),
                vector={
                    "vector": one.vector.tolist(),
                    "image": one.fields["image"].tolist(),
                    "terms": _engine_vector(one.fields["terms"]),
                },
                payload=payload_of(record_id, document, metadata),
            )
            for record_id, document, metadata, one in columns
        ]
        with self._using() as shard:
            for start in range(0, len(points), 1000):
                shard.update(edge.UpdateOperation.upsert_points(points[start : start + 1000]))
            shard.flush()
            shard.optimize()

    def dense(self, image: np.ndarray, k: int) -> Any:
        return self._query(image, k, None, "image")

    def inside(self, tenant: str, vector: np.ndarray, k: int) -> Any:
        if type(tenant) is not str or not 1 <= len(tenant.encode()) <= 255 or "\0" in tenant:
            raise ValueError(f"not a tenant: {tenant!r}")
        own = edge.FieldCondition(key="metadata.tenant", match=edge.MatchValue(tenant))
        return self._query(vector, k, edge.Filter(must=[own]), "vector")

    def sparse(self, terms: SparseVector, k: int) -> Any:
        return [(record_of(payload), -score, score) for payload, score in self._best(terms, k, True)]

    def _best(self, terms: SparseVector, k: int, payload: Any) -> list[tuple[Any, float]]:
        """Return payloads and scores of the k nearest."""
        indices, values = terms.indices.tolist(), terms.values.tolist()
        if (
            indices != sorted(set(indices))
            or not all(1e-15 <= value <= 1e15 for value in values)
            or not 1 <= k <= 10_000
        ):
            raise ValueError("not a sparse vector, or not a number of hits")
        if not indices:
            return []
        if indices[0] < 0 or indices[-1] > (1 << 32) - 3:
            raise ValueError("an index is out of range")
        pairs = list(zip(indices, values, strict=True))
        asked = edge.Query.Nearest(edge.SparseVector(indices, values), using="terms")
        error = 1.01 * (len(pairs) + 6) * ROUNDING
        limit = k + SPARE
        while True:
            request = edge.SearchRequest(asked, limit=limit, with_payload=payload, with_vector=["terms"])
            with self._using() as shard:
                found = shard.search(request)
            hits = []
            for hit in found:
                vector, score = hit.vector["terms"], 0.0
                there, weights = vector.indices, vector.values
                for index, value in pairs:
                    place = bisect_left(there, index)
                    if place < len(there) and there[place] == index:
                        score += value * weights[place]
                hits.append((hit.payload, score))
            hits.sort(key=lambda one: (-one[1], one[0]["id"]))
            if len(found) < limit or hits[k - 1][1] > found[-1].score * (1 + error):
                return hits[:k]
            limit *= GROWTH

    def hybrid(self, vector: np.ndarray, terms: SparseVector, k: int) -> Any:
        near = self._query(vector, DEPTH, None, "vector", bare=True)
        legs = {
            "vector": {record_id: (rank, score) for rank, (record_id, _, score) in enumerate(near, 1)},
            "terms": {
                payload["id"]: (rank, score) for rank, (payload, score) in enumerate(self._best(terms, DEPTH, _BARE), 1)
            },
        }
        total: dict[str, float] = {}
        for leg in legs.values():
            for record_id, (rank, _) in leg.items():
                total[record_id] = total.get(record_id, 0.0) + 1.0 / (RRF + rank)
        fused = sorted([(-score, record_id) for record_id, score in total.items()])[:k]
        with self._using() as shard:
            points = shard.retrieve([point_id_of(record_id) for _, record_id in fused], True, False)
        records = {point.payload["id"]: record_of(point.payload) for point in points}
        return [
            (
                records[record_id],
                distance,
                -distance,
                {name: leg[record_id] for name, leg in legs.items() if record_id in leg},
            )
            for distance, record_id in fused
            if record_id in records
        ]


def _engine_vector(vector: SparseVector) -> Any:
    return edge.SparseVector(vector.indices.tolist(), vector.values.tolist())


_BARE = edge.PayloadSelector.Include(["id"])
