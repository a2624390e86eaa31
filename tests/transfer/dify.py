"""What dify asks of its vector databases: its calls and statements, written after its sources.

No package has them: ``dify-vdb-qdrant`` and ``dify-vdb-pgvector`` are parts of the application. These are the calls of
``QdrantVector`` and ``PGVector`` at the versions that ``vstore/data/apps/dify.toml`` names, in their order, with their
arguments. ``client.search``, which later clients do not have, is ``query_batch_points`` here; what the application
locks and remembers with Redis is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import md5
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import psycopg
from qdrant_client import QdrantClient, models

__all__ = ["Chunk", "PostgresOfDify", "QdrantOfDify", "annotations", "chunks", "collection_name"]

_NAMESPACE = UUID(int=15)


@dataclass(frozen=True)
class Chunk:
    """What dify gives to its vector database: a ``Document``, and its vector."""

    text: str
    metadata: dict[str, Any]
    vector: list[float]

    @property
    def id(self) -> str:
        return str(self.metadata["doc_id"])


def collection_name(owner: str) -> str:
    """``Dataset.gen_collection_name_by_id``."""
    return f"Vector_index_{owner.replace('-', '_')}_Node"


def chunks(dataset: str, number: int, dimension: int) -> list[Chunk]:
    """The chunks of two documents, with unit vectors, as embedding models have them."""
    vectors = np.random.default_rng(number).normal(size=(number, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        Chunk(
            f"chunk {place}: naïve \U0001f600 \\ 'quoted' \"twice\"; drop table embedding; --",
            {
                "doc_id": str(uuid5(_NAMESPACE, f"{dataset} {place}")),
                "doc_hash": f"{place:064x}",
                "document_id": str(uuid5(_NAMESPACE, f"{dataset} document {place % 2}")),
                "dataset_id": dataset,
            },
            vector.tolist(),
        )
        for place, vector in enumerate(vectors)
    ]


def annotations(app: str, number: int, dimension: int) -> list[Chunk]:
    """The questions that an app has answers to."""
    return [
        Chunk(one.text, {"annotation_id": one.id, "app_id": app, "doc_id": one.id}, one.vector)
        for one in chunks(app, number, dimension)
    ]


@dataclass
class QdrantOfDify:
    """``QdrantVector``.

    Attributes:
        client: Its client.
        collection: The collection of the dataset's binding, or of its class prefix.
        group: The id of the dataset, or of the app.
    """

    client: QdrantClient
    collection: str
    group: str

    def create(self, given: list[Chunk]) -> None:
        if not self.client.collection_exists(self.collection):
            self.client.create_collection(
                collection_name=self.collection,
                vectors_config=models.VectorParams(size=len(given[0].vector), distance=models.Distance.COSINE),
                hnsw_config=models.HnswConfigDiff(
                    m=0,
                    payload_m=16,
                    ef_construct=100,
                    full_scan_threshold=10000,
                    max_indexing_threads=0,
                    on_disk=False,
                ),
            )
            for key in ("group_id", "metadata.doc_id", "metadata.document_id"):
                self.client.create_payload_index(self.collection, key, field_schema=models.PayloadSchemaType.KEYWORD)
            words = models.TextIndexParams(
                type=models.TextIndexType.TEXT,
                tokenizer=models.TokenizerType.MULTILINGUAL,
                min_token_len=2,
                max_token_len=20,
                lowercase=True,
            )
            self.client.create_payload_index(self.collection, "page_content", field_schema=words)
        points = [
            models.PointStruct(
                id=one.id,
                vector=one.vector,
                payload={"page_content": one.text, "metadata": one.metadata, "group_id": self.group},
            )
            for one in given
        ]
        self.client.upsert(collection_name=self.collection, points=points)

    def search_by_vector(self, vector: list[float], top_k: int = 4, documents: list[str] | None = None) -> list[Chunk]:
        must: list[models.Condition] = [self._group()]
        if documents:
            must.append(models.FieldCondition(key="metadata.document_id", match=models.MatchAny(any=documents)))
        request = models.QueryRequest(
            query=vector,
            filter=models.Filter(must=must),
            limit=top_k,
            with_payload=True,
            with_vector=True,
            score_threshold=0.0,
        )
        [found] = self.client.query_batch_points(self.collection, [request])
        return [_of_point(one) for one in found.points]

    def text_exists(self, one: str) -> bool:
        return bool(self.client.retrieve(collection_name=self.collection, ids=[one]))

    def delete_by_ids(self, ids: list[str]) -> None:
        self._delete(models.FieldCondition(key="metadata.doc_id", match=models.MatchAny(any=ids)))

    def delete_by_metadata_field(self, key: str, value: str) -> None:
        self._delete(models.FieldCondition(key=f"metadata.{key}", match=models.MatchValue(value=value)))

    def delete(self) -> None:
        self._delete(self._group())

    def everything(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Text and metadata of all chunks by id, which dify never asks for."""
        points, _ = self.client.scroll(self.collection, scroll_filter=models.Filter(must=[self._group()]), limit=1000)
        return {str(one.id): (one.payload["page_content"], one.payload["metadata"]) for one in points if one.payload}

    def _group(self) -> models.FieldCondition:
        return models.FieldCondition(key="group_id", match=models.MatchValue(value=self.group))

    def _delete(self, condition: models.FieldCondition) -> None:
        chosen = models.FilterSelector(filter=models.Filter(must=[condition]))
        self.client.delete(collection_name=self.collection, points_selector=chosen)


def _of_point(point: Any) -> Chunk:
    return Chunk(point.payload["page_content"], point.payload["metadata"], list(point.vector))


@dataclass
class PostgresOfDify:
    """``PGVector``, whose names PostgreSQL folds and cuts.

    Attributes:
        sql: Its connection.
        collection: The collection of the dataset's class prefix.
    """

    sql: psycopg.Connection[Any]
    collection: str

    def __post_init__(self) -> None:
        self.table: Any = f"embedding_{self.collection}"
        self.digest = md5(self.table.encode(), usedforsecurity=False).hexdigest()[:8]

    def create(self, given: list[Chunk]) -> None:
        dimension = len(given[0].vector)
        self._do(
            f"CREATE TABLE IF NOT EXISTS {self.table} (id UUID PRIMARY KEY, text TEXT NOT NULL, "
            f"meta JSONB NOT NULL, embedding vector({dimension}) NOT NULL) using heap"
        )
        if dimension <= 2000:
            self._do(
                f"CREATE INDEX IF NOT EXISTS embedding_cosine_v1_idx_{self.digest} ON {self.table} "
                "USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)"
            )
        for one in given:
            values = (one.id, one.text, json.dumps(one.metadata), str(one.vector))
            self._do(f"INSERT INTO {self.table} (id, text, meta, embedding) VALUES (%s, %s, %s, %s)", values)

    def search_by_vector(self, vector: list[float], top_k: int = 4, documents: list[str] | None = None) -> list[Chunk]:
        chosen = ", ".join(f"'{one}'" for one in documents or [])
        where = f" WHERE meta->>'document_id' in ({chosen}) " if documents else ""
        rows = self._do(
            f"SELECT meta, text, embedding <=> %s AS distance FROM {self.table} {where} "
            f"ORDER BY distance LIMIT {top_k}",
            (json.dumps(vector),),
        ).fetchall()
        return [Chunk(text, metadata, []) for metadata, text, _ in rows]

    def search_by_full_text(self, query: str, top_k: int = 5) -> list[Chunk]:
        rows = self._do(
            f"SELECT meta, text, ts_rank(to_tsvector(coalesce(text, '')), plainto_tsquery(%s)) AS score "
            f"FROM {self.table} WHERE to_tsvector(text) @@ plainto_tsquery(%s) ORDER BY score DESC LIMIT {top_k}",
            (f"'{query}'", f"'{query}'"),
        ).fetchall()
        return [Chunk(text, metadata, []) for metadata, text, _ in rows]

    def text_exists(self, one: str) -> bool:
        return self._do(f"SELECT id FROM {self.table} WHERE id = %s", (one,)).fetchone() is not None

    def delete_by_ids(self, ids: list[str]) -> None:
        marks = ", ".join("%s" for _ in ids)
        self._do(f"DELETE FROM {self.table} WHERE id IN ({marks})", tuple(ids))

    def delete_by_metadata_field(self, key: str, value: str) -> None:
        self._do(f"DELETE FROM {self.table} WHERE meta->>%s = %s", (key, value))

    def delete(self) -> None:
        self._do(f"DROP TABLE IF EXISTS {self.table}")

    def everything(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Text and metadata of all chunks by id, which dify never asks for."""
        return {str(i): (text, meta) for i, text, meta in self._do(f"SELECT id, text, meta FROM {self.table}")}

    def shape(self) -> list[Any]:
        """Columns and indexes of the table, each as PostgreSQL tells it."""
        columns = self._do(
            "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute "
            f"where attrelid = '{self.table}'::regclass and attnum > 0 order by attnum"
        ).fetchall()
        indexes = self._do(
            "select pg_get_indexdef(indexrelid), indisprimary from pg_index "
            f"where indrelid = '{self.table}'::regclass order by 1"
        ).fetchall()
        return [columns, indexes]

    def _do(self, statement: Any, values: tuple[Any, ...] | None = None) -> psycopg.Cursor[Any]:
        return self.sql.execute(statement, values)
