"""Qdrant's own engine in the words of its client, for the double of a server."""

from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import qdrant_edge as edge
from qdrant_client import QdrantClient
from qdrant_client.http import models

__all__ = ["Backed"]

DISTANCES = {
    models.Distance.COSINE: edge.Distance.Cosine,
    models.Distance.EUCLID: edge.Distance.Euclid,
    models.Distance.DOT: edge.Distance.Dot,
    models.Distance.MANHATTAN: edge.Distance.Manhattan,
}
DONE = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


class Backed(QdrantClient):
    """Local mode that keeps the list of collections, over Qdrant's engine, which has their points where it can.

    It remembers what payload indexes were made, of which local mode has none, and what a server was asked to make of
    each collection.

    Attributes:
        strict: The collections in strict mode, which read by no condition on a key without an index.
    """

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.indexes: dict[str, dict[str, models.PayloadIndexInfo]] = {}
        self.strict: set[str] = set()
        self.asked: dict[str, models.CreateCollection] = {}
        self._folder = TemporaryDirectory()
        self._engines: dict[str, Engine] = {}
        self._made = itertools.count()

    def _engine(self, name: str) -> Engine | None:
        aliases = {one.alias_name: one.collection_name for one in self.get_aliases().aliases}
        return self._engines.get(aliases.get(name, name))

    def create_collection(self, collection_name: str, vectors_config: Any = None, **settings: Any) -> bool:
        done = super().create_collection(collection_name, vectors_config, **settings)
        dense = vectors_config if isinstance(vectors_config, dict) else {"": vectors_config}
        if all(one is not None and one.multivector_config is None for one in dense.values()):
            path = Path(self._folder.name) / str(next(self._made))
            self._engines[collection_name] = Engine(path, dense, settings.get("sparse_vectors_config") or {})
        return done

    def delete_collection(self, collection_name: str, **_: Any) -> bool:
        self.indexes.pop(collection_name, None)
        if engine := self._engines.pop(collection_name, None):
            engine.close()
        return super().delete_collection(collection_name)

    def create_payload_index(self, collection_name: str, field_name: str, field_schema: Any = None, **_: Any) -> Any:
        self.get_collection(collection_name)
        params = None if isinstance(field_schema, models.PayloadSchemaType) else field_schema
        kind = field_schema if params is None else models.PayloadSchemaType(params.type.value)
        made = models.PayloadIndexInfo(data_type=kind, params=params, points=0)
        self.indexes.setdefault(collection_name, {})[field_name] = made
        if engine := self._engine(collection_name):
            engine.index(field_name, params if isinstance(params, models.KeywordIndexParams) else kind)
        return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)

    def get_collection(self, collection_name: str, **_: Any) -> models.CollectionInfo:
        found = super().get_collection(collection_name)
        if collection_name in self.strict:
            found.config.strict_mode_config = models.StrictModeConfigOutput(
                enabled=True, unindexed_filtering_retrieve=False
            )
        return found.model_copy(update={"payload_schema": self.indexes.get(collection_name, {})})

    def upsert(self, collection_name: str, points: Any, **_: Any) -> Any:
        engine = self._engine(collection_name)
        return super().upsert(collection_name, points) if engine is None else engine.upsert(points)

    def delete(self, collection_name: str, points_selector: Any, **_: Any) -> Any:
        engine = self._engine(collection_name)
        return super().delete(collection_name, points_selector) if engine is None else engine.delete(points_selector)

    def retrieve(
        self, collection_name: str, ids: Any, with_payload: Any = True, with_vectors: Any = False, **_: Any
    ) -> Any:
        if engine := self._engine(collection_name):
            return engine.retrieve(ids, with_payload, with_vectors)
        return super().retrieve(collection_name, ids, with_payload, with_vectors)

    def query_batch_points(self, collection_name: str, requests: Any, **_: Any) -> Any:
        if engine := self._engine(collection_name):
            return [engine.search(request) for request in requests]
        return super().query_batch_points(collection_name, requests)

    def scroll(
        self,
        collection_name: str,
        scroll_filter: Any = None,
        limit: int = 10,
        order_by: Any = None,
        offset: Any = None,
        with_payload: Any = True,
        with_vectors: Any = False,
        **_: Any,
    ) -> Any:
        if scroll_filter is not None and collection_name in self.strict:
            raise ValueError("Bad request: Index required but not found for one of the keys")
        if engine := self._engine(collection_name):
            return engine.scroll(scroll_filter, limit, offset, with_payload, with_vectors)
        return super().scroll(collection_name, scroll_filter, limit, order_by, offset, with_payload, with_vectors)

    def count(self, collection_name: str, count_filter: Any = None, **_: Any) -> Any:
        engine = self._engine(collection_name)
        return super().count(collection_name, count_filter) if engine is None else engine.count(count_filter)

    def close(self, **_: Any) -> None:
        for engine in self._engines.values():
            engine.close()
        super().close()
        self._folder.cleanup()


class Engine:
    """The points of one collection without multivectors: a shard."""

    def __init__(
        self, path: Path, dense: dict[str, models.VectorParams], sparse: dict[str, models.SparseVectorParams]
    ) -> None:
        params = {
            name: edge.EdgeVectorParams(size=one.size, distance=DISTANCES[one.distance]) for name, one in dense.items()
        }
        path.mkdir()
        config = edge.EdgeConfig(
            vectors=params or None, sparse_vectors={name: edge.EdgeSparseVectorParams() for name in sparse} or None
        )
        self._shard = edge.EdgeShard.create(str(path), config)

    def close(self) -> None:
        self._shard.close()

    def index(self, name: str, kind: models.PayloadSchemaType | models.KeywordIndexParams) -> None:
        made: Any
        if isinstance(kind, models.KeywordIndexParams):
            made = edge.KeywordIndexParams(is_tenant=kind.is_tenant)
        else:
            made = getattr(edge.PayloadSchemaType, kind.name.capitalize())
        self._shard.update(edge.UpdateOperation.create_field_index(name, made))

    def upsert(self, points: models.Batch | list[models.PointStruct]) -> models.UpdateResult:
        if isinstance(points, models.Batch):
            payloads = points.payloads or [None] * len(points.ids)
            rows = list(zip(points.ids, points.vectors, payloads, strict=True))
        else:
            rows = [(point.id, point.vector, point.payload) for point in points]
        made = [edge.Point(id=i, vector=asked(vector), payload=payload or {}) for i, vector, payload in rows]
        self._shard.update(edge.UpdateOperation.upsert_points(made))
        return DONE

    def delete(self, chosen: models.PointIdsList | models.FilterSelector) -> models.UpdateResult:
        if isinstance(chosen, models.PointIdsList):
            self._shard.update(edge.UpdateOperation.delete_points(list(chosen.points)))
        else:
            self._shard.update(edge.UpdateOperation.delete_points_by_filter(filter_of(chosen.filter)))
        return DONE

    def retrieve(self, ids: list[Any], with_payload: Any, with_vectors: Any) -> list[models.Record]:
        found = self._shard.retrieve(list(ids), selected(with_payload), with_vectors)
        return [record(one) for one in found]

    def search(self, body: models.QueryRequest) -> models.QueryResponse:
        vector = body.query.nearest if isinstance(body.query, models.NearestQuery) else body.query
        params = body.params or models.SearchParams()
        request = edge.SearchRequest(
            query=edge.Query.Nearest(asked(vector), body.using),
            limit=body.limit,
            filter=None if body.filter is None else filter_of(body.filter),
            params=edge.SearchParams(hnsw_ef=params.hnsw_ef, exact=bool(params.exact)),
            with_vector=body.with_vector or False,
            with_payload=selected(body.with_payload),
        )
        found = [
            models.ScoredPoint(
                version=0, score=one.score, **record(one).model_dump(include={"id", "payload", "vector"})
            )
            for one in self._shard.search(request)
        ]
        return models.QueryResponse(points=found)

    def scroll(
        self, chosen: models.Filter | None, limit: int, offset: Any, with_payload: Any, with_vectors: Any
    ) -> tuple[list[models.Record], Any]:
        request = edge.ScrollRequest(
            offset=offset,
            limit=limit,
            filter=None if chosen is None else filter_of(chosen),
            with_payload=selected(with_payload),
            with_vector=with_vectors,
        )
        found, after = self._shard.scroll(request)
        return [record(one) for one in found], identity(after)

    def count(self, chosen: models.Filter | None) -> models.CountResult:
        asked = edge.CountRequest(exact=True, filter=None if chosen is None else filter_of(chosen))
        return models.CountResult(count=self._shard.count(asked))


def identity(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else str(value)


def record(found: Any) -> models.Record:
    return models.Record(id=identity(found.id), payload=found.payload, vector=told(found.vector))


def asked(vector: Any) -> Any:
    """A vector, or vectors by name, in the words of the engine."""
    if isinstance(vector, dict):
        return {name: asked(one) for name, one in vector.items()}
    return edge.SparseVector(vector.indices, vector.values) if isinstance(vector, models.SparseVector) else vector


def told(vector: Any) -> Any:
    """The same in the words of the client."""
    if isinstance(vector, dict):
        return {name: told(one) for name, one in vector.items()}
    if isinstance(vector, edge.SparseVector):
        return models.SparseVector(indices=vector.indices, values=vector.values)
    return vector


def selected(wanted: Any) -> Any:
    if isinstance(wanted, models.PayloadSelectorInclude):
        wanted = wanted.include
    return edge.PayloadSelector.Include(wanted) if isinstance(wanted, list) else bool(wanted)


def filter_of(found: models.Filter) -> edge.Filter:
    def conditions(given: Any) -> list[Any] | None:
        if given is None:
            return None
        return [condition(one) for one in (given if isinstance(given, list) else [given])]

    return edge.Filter(
        must=conditions(found.must), should=conditions(found.should), must_not=conditions(found.must_not)
    )


def condition(found: Any) -> Any:
    match found:
        case models.Filter():
            return filter_of(found)
        case models.HasIdCondition(has_id=ids):
            return edge.HasIdCondition(set(ids))
        case models.HasVectorCondition(has_vector=name):
            return edge.HasVectorCondition(name)
        case models.IsEmptyCondition(is_empty=field):
            return edge.IsEmptyCondition(field.key)
        case models.IsNullCondition(is_null=field):
            return edge.IsNullCondition(field.key)
        case models.FieldCondition(key=key, range=models.Range() as limits):
            return edge.FieldCondition(key=key, range=edge.RangeFloat(**limits.model_dump()))
        case models.FieldCondition(key=key, match=models.MatchValue(value=value)):
            return edge.FieldCondition(key=key, match=edge.MatchValue(value))
        case models.FieldCondition(key=key, match=models.MatchAny(any=values)):
            return edge.FieldCondition(key=key, match=edge.MatchAny(list(values)))
        case models.FieldCondition(key=key, match=match) if hasattr(match, "substring"):  # from client 1.20 on
            return edge.FieldCondition(key=key, match=edge.MatchSubstring(match.substring))
        case _:
            raise ValueError(f"the double has no {type(found).__name__} like this: {found}")
