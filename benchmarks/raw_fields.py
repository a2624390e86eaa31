"""Two dense vectors, a sparse one and a tenant for each record, by each raw client as its experts would write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import chromadb
import numpy as np
import qdrant_edge as edge
from pgvector import SparseVector as PgSparse
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import Connection, sql
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from pymilvus import AnnSearchRequest, DataType, MilvusClient, RRFRanker

from vstore import Records, SparseVector

__all__ = ["RawMilvus", "RawPgvector", "RawQdrantEdge", "RawTenants"]

DEPTH = 100
RRF = 60
INDICES = 30_000


class RawQdrantEdge:
    """One shard a collection, an index of tenants, graphs built after the load, the engine's fusion over prefetches."""

    def __init__(self, folder: Path, dimensions: dict[str, int]) -> None:
        self._folder = folder
        self._dimensions = dimensions
        self._shard: Any = None

    def create(self, name: str) -> None:
        vectors = {
            field: edge.EdgeVectorParams(size=size, distance=edge.Distance.Euclid)
            for field, size in self._dimensions.items()
        }
        config = edge.EdgeConfig(vectors=vectors, sparse_vectors={"terms": edge.EdgeSparseVectorParams()})
        (self._folder / name).mkdir(parents=True)
        self._shard = edge.EdgeShard.create(str(self._folder / name), config)
        tenant = edge.KeywordIndexParams(is_tenant=True)
        self._shard.update(edge.UpdateOperation.create_field_index("metadata.tenant", tenant))

    def ingest(self, records: Records) -> None:
        for start in range(0, len(records), 1000):
            points = [
                edge.Point(
                    id=str(uuid5(NAMESPACE_URL, one.id)),
                    vector={
                        "vector": one.vector.tolist(),
                        "image": one.fields["image"].tolist(),
                        "terms": _edge_sparse(one.fields["terms"]),
                    },
                    payload={"id": one.id, "document": one.document, "metadata": one.metadata},
                )
                for one in records[start : start + 1000]
            ]
            self._shard.update(edge.UpdateOperation.upsert_points(points))
        self._shard.flush()
        self._shard.optimize()

    def _nearest(self, query: Any, k: int, chosen: Any = None) -> Any:
        found = self._shard.search(edge.SearchRequest(query, limit=k, filter=chosen, with_payload=True))
        return [(hit.payload, hit.score) for hit in found]

    def sparse(self, terms: SparseVector, k: int) -> Any:
        return self._nearest(edge.Query.Nearest(_edge_sparse(terms), using="terms"), k)

    def dense(self, image: np.ndarray, k: int) -> Any:
        return self._nearest(edge.Query.Nearest(image.tolist(), using="image"), k)

    def inside(self, tenant: str, vector: np.ndarray, k: int) -> Any:
        own = edge.Filter(must=[edge.FieldCondition(key="metadata.tenant", match=edge.MatchValue(tenant))])
        return self._nearest(edge.Query.Nearest(vector.tolist(), using="vector"), k, own)

    def hybrid(self, vector: np.ndarray, terms: SparseVector, k: int) -> Any:
        legs = [
            edge.Query.Nearest(vector.tolist(), using="vector"),
            edge.Query.Nearest(_edge_sparse(terms), using="terms"),
        ]
        request = edge.QueryRequest(
            limit=k,
            query=edge.Fusion.Rrf(k=RRF),
            prefetches=[edge.Prefetch(DEPTH, query=leg) for leg in legs],
            with_payload=True,
        )
        return [(hit.payload, hit.score) for hit in self._shard.query(request)]

    def drop(self, name: str) -> None:
        self._shard.close()

    def close(self) -> None:
        pass


def _edge_sparse(vector: SparseVector) -> Any:
    return edge.SparseVector(vector.indices.tolist(), vector.values.tolist())


class RawMilvus:
    """Milvus Lite: a column for each vector and for the tenant, flushed after the load; its own hybrid search."""

    def __init__(self, path: Path, dimensions: dict[str, int]) -> None:
        self._client = MilvusClient(str(path))
        self._dimensions = dimensions
        self._name = ""

    def create(self, name: str) -> None:
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=512)
        schema.add_field("tenant", DataType.VARCHAR, max_length=255)
        index = self._client.prepare_index_params()
        for field, size in self._dimensions.items():
            schema.add_field(field, DataType.FLOAT_VECTOR, dim=size)
            index.add_index(field, index_type="FLAT", metric_type="L2")
        schema.add_field("terms", DataType.SPARSE_FLOAT_VECTOR)
        index.add_index("terms", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
        schema.add_field("document", DataType.VARCHAR, max_length=65_535)
        schema.add_field("metadata", DataType.JSON)
        self._client.create_collection(name, schema=schema, index_params=index, consistency_level="Session")
        self._name = name

    def ingest(self, records: Records) -> None:
        rows = [
            {
                "id": one.id,
                "tenant": one.metadata["tenant"],
                "vector": one.vector,
                "image": one.fields["image"],
                "terms": one.fields["terms"].to_dict(),
                "document": one.document,
                "metadata": one.metadata,
            }
            for one in records
        ]
        for start in range(0, len(rows), 5_000):
            self._client.insert(self._name, rows[start : start + 5_000])
        self._client.flush(self._name)

    def _search(self, field: str, query: Any, k: int, where: str = "") -> Any:
        output = ["document", "metadata"]
        found = self._client.search(self._name, [query], anns_field=field, filter=where, limit=k, output_fields=output)
        return list(found[0])

    def sparse(self, terms: SparseVector, k: int) -> Any:
        return self._search("terms", terms.to_dict(), k)

    def dense(self, image: np.ndarray, k: int) -> Any:
        return self._search("image", image, k)

    def inside(self, tenant: str, vector: np.ndarray, k: int) -> Any:
        return self._search("vector", vector, k, f'tenant == "{tenant}"')

    def hybrid(self, vector: np.ndarray, terms: SparseVector, k: int) -> Any:
        legs = [
            AnnSearchRequest([vector], "vector", {"metric_type": "L2"}, DEPTH),
            AnnSearchRequest([terms.to_dict()], "terms", {"metric_type": "IP"}, DEPTH),
        ]
        output = ["document", "metadata"]
        return list(self._client.hybrid_search(self._name, legs, RRFRanker(RRF), limit=k, output_fields=output)[0])

    def drop(self, name: str) -> None:
        self._client.drop_collection(name)

    def close(self) -> None:
        self._client.close()


class RawPgvector:
    """A column for each vector, binary COPY, a btree on the tenant, and the fusion of two queries in one statement."""

    def __init__(self, conninfo: str, dimensions: dict[str, int]) -> None:
        self._dimensions = dimensions
        with Connection.connect(conninfo, autocommit=True) as connection:
            connection.execute("create extension if not exists vector")
        self._pool = ConnectionPool(
            conninfo, min_size=1, max_size=2, configure=register_vector, kwargs={"autocommit": True}, open=True
        )
        self._table = sql.Identifier("raw")

    def create(self, name: str) -> None:
        self._table = sql.Identifier(name)
        columns = ", ".join(f"{field} vector({size})" for field, size in self._dimensions.items())
        self._run(
            f'create table {{}} (id text collate "C" primary key, tenant text, {columns}, '
            f"terms sparsevec({INDICES}), document text, metadata jsonb not null)"
        )
        self._run("create index on {} (tenant)")
        self._run("create index on {} using gin (metadata jsonb_path_ops)")

    def ingest(self, records: Records) -> None:
        copy = "copy {} (id, tenant, vector, image, terms, document, metadata) from stdin (format binary)"
        with (
            self._pool.connection() as connection,
            connection.cursor() as cursor,
            cursor.copy(sql.SQL(copy).format(self._table)) as sink,
        ):
            sink.set_types(["text", "text", "vector", "vector", "sparsevec", "text", "jsonb"])
            for one in records:
                terms = PgSparse(one.fields["terms"].to_dict(), INDICES)
                tenant, metadata = one.metadata["tenant"], Jsonb(one.metadata)
                sink.write_row((one.id, tenant, one.vector, one.fields["image"], terms, one.document, metadata))

    def _run(self, statement: str, values: tuple[object, ...] = ()) -> Any:
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute(sql.SQL(statement).format(self._table), values or None, prepare=bool(values))
            return cursor.fetchall() if cursor.description else None

    def sparse(self, terms: SparseVector, k: int) -> Any:
        statement = "select id, document, metadata, terms <#> %b as d from {} order by d limit %s"
        return self._run(statement, (PgSparse(terms.to_dict(), INDICES), k))

    def dense(self, image: np.ndarray, k: int) -> Any:
        return self._run(
            "select id, document, metadata, image <-> %b as d from {} order by d limit %s", (Vector(image), k)
        )

    def inside(self, tenant: str, vector: np.ndarray, k: int) -> Any:
        return self._run(
            "select id, document, metadata, vector <-> %b as d from {} where tenant = %s order by d limit %s",
            (Vector(vector), tenant, k),
        )

    def hybrid(self, vector: np.ndarray, terms: SparseVector, k: int) -> Any:
        leg = (
            "select id, row_number() over (order by d, id) as r "
            "from (select id, {column} as d from {{0}} order by d, id limit {depth})"
        )
        legs = [leg.format(column=column, depth=DEPTH) for column in ("vector <-> %b", "terms <#> %b")]
        statement = (
            f"select t.id, document, metadata, score from (select id, sum(1.0 / ({RRF} + r)) as score "
            f"from ({legs[0]} union all {legs[1]}) group by id order by score desc, id limit %s) "
            "join {0} t using (id) order by score desc, id"
        )
        return self._run(statement, (Vector(vector), PgSparse(terms.to_dict(), INDICES), k))

    def drop(self, name: str) -> None:
        self._run("drop table {}")

    def close(self) -> None:
        self._pool.close()


class RawTenants:
    """A collection for each tenant in embedded Chroma, which has neither further vectors nor sparse ones."""

    def __init__(self, path: Path) -> None:
        self._client = chromadb.PersistentClient(str(path), chromadb.Settings(anonymized_telemetry=False))

    def load(self, records: Records, tenants: list[str]) -> None:
        for tenant in tenants:
            own = [place for place, one in enumerate(records.metadatas or ()) if one["tenant"] == tenant]
            part = records.take(own)
            made = self._client.create_collection(tenant, configuration={"hnsw": {"space": "l2"}})
            made.add(part.ids, part.vectors, part.metadatas, part.documents)

    def inside(self, tenant: str, vector: np.ndarray, k: int) -> Any:
        return self._client.get_collection(tenant).query([vector], n_results=k)
