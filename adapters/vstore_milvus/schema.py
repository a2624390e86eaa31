"""What a collection is in Milvus: its fields, its index, and what vstore keeps in its properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, assert_never
from uuid import uuid4

from pymilvus import CollectionSchema, DataType, MilvusClient
from pymilvus.milvus_client.index import IndexParams

from vstore.errors import Mismatch
from vstore.indexing import HNSW, IVFPQ, DiskANN, Flat, Index, IVFFlat, Metric, Search
from vstore.info import CollectionInfo
from vstore.spi.codec import info_from_json, info_to_json

__all__ = [
    "fields_of",
    "index_of",
    "info_of",
    "new_properties",
    "partition_of",
    "searching",
    "token_of",
    "without_partition",
]

_INFO: Final = "vstore.info"
_TOKEN: Final = "vstore.token"  # noqa: S105  # names one creation, guards nothing
_PARTITION: Final = "vstore.partition"
_METRICS: Final[dict[Metric, str]] = {Metric.COSINE: "COSINE", Metric.L2: "L2", Metric.DOT: "IP"}
_MAX_ID_BYTES: Final = 512
_MAX_DOCUMENT_BYTES: Final = 65_535


def fields_of(info: CollectionInfo) -> CollectionSchema:
    """Return the fields.

    None is nullable, since servers before 2.5 know no nulls, and none dynamic, since of those Milvus Lite
    keeps what a record had that an upsert replaces.
    """
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=_MAX_ID_BYTES)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=info.dimension)
    schema.add_field("document", DataType.VARCHAR, max_length=_MAX_DOCUMENT_BYTES)
    schema.add_field("metadata", DataType.JSON)
    schema.add_field("facts", DataType.JSON)
    return schema


def index_of(info: CollectionInfo) -> IndexParams:
    """Return the index on the vectors."""
    kind, settings = _index(info.index)
    params = MilvusClient.prepare_index_params()
    params.add_index("vector", index_type=kind, metric_type=_METRICS[info.metric], params=settings)
    return params


def _index(index: Index) -> tuple[str, dict[str, int]]:
    match index:
        case Flat():
            return "FLAT", {}
        case HNSW():
            return "HNSW", {"M": index.m, "efConstruction": index.ef_construction}
        case IVFFlat():
            return "IVF_FLAT", {"nlist": index.lists}
        case IVFPQ():
            return "IVF_PQ", {"nlist": index.lists, "m": index.segments, "nbits": index.bits}
        case DiskANN():
            return "DISKANN", {}
        case _:
            assert_never(index)


def searching(info: CollectionInfo, search: Search | None, k: int) -> dict[str, Any]:
    """Return the settings of one search; a graph must keep at least k candidates."""
    ef = None if search is None else search.ef
    probes = None if search is None else search.probes
    params: dict[str, int] = {}
    match info.index:
        case HNSW(ef_search=own):
            params = {"ef": max(ef or own, k)}
        case DiskANN(search_list=own):
            params = {"search_list": max(ef or own, k)}
        case IVFFlat(lists=lists, probes=own) | IVFPQ(lists=lists, probes=own):
            params = {"nprobe": min(probes or own, lists)}
        case Flat():
            pass
        case _:
            assert_never(info.index)
    return {"metric_type": _METRICS[info.metric], "params": params}


def new_properties(info: CollectionInfo) -> dict[str, str]:
    """Return the properties of a new collection; no two creations have the same."""
    token = uuid4().hex
    return {_INFO: info_to_json(info), _TOKEN: token, _PARTITION: f"vstore_{token}"}


def info_of(name: str, described: Mapping[str, Any]) -> CollectionInfo:
    """Return what a described collection is.

    Raises:
        Mismatch: vstore did not create it.
    """
    text = _properties(described).get(_INFO)
    if text is None:
        raise Mismatch.not_created_here(name)
    return info_from_json(name, text)


def token_of(described: Mapping[str, Any]) -> str:
    """Return what tells one creation from another of the same name; empty where vstore did not create it."""
    return str(_properties(described).get(_TOKEN, ""))


def partition_of(described: Mapping[str, Any]) -> str:
    """Return the partition that holds the records; empty where they stand in Milvus's default one."""
    return str(_properties(described).get(_PARTITION, ""))


def without_partition(described: Mapping[str, Any]) -> bool:
    """Return whether the partition that should hold the records is not made yet; the other one is Milvus's default."""
    return bool(partition_of(described)) and described["num_partitions"] < 2


def _properties(described: Mapping[str, Any]) -> Mapping[str, str]:
    return described.get("properties") or {}
