"""What a collection is in Qdrant: its settings, and what vstore keeps in its metadata."""

from __future__ import annotations

from typing import Any, Final, assert_never
from uuid import uuid4

from qdrant_client import models
from qdrant_client.http import api_client

from vstore.errors import NotFound
from vstore.fields import Dense
from vstore.indexing import HNSW, Flat, Index, Metric, Quantization
from vstore.info import CollectionInfo
from vstore.spi.codec import info_to_json
from vstore_qdrant.conditions import metadata_field
from vstore_qdrant.layouts import Keyword, PointLayout, Text
from vstore_qdrant.vectors import all_fields, full_scan_kb, vector_name

__all__ = [
    "INFO",
    "check_name",
    "collection_settings",
    "foreign_index",
    "foreign_settings",
    "identity_of",
    "new_collection",
    "payload_indexes",
]

# The key of a collection's metadata under which vstore keeps what it is.
INFO: Final = "vstore"
# The same of a text that no other collection has.
_STAMP: Final = "vstore_stamp"
# whether the client quotes a name in the path of a request; 1.16 to 1.18 do not
_QUOTED: Final = hasattr(api_client, "quote_path_params")
_MARKS: Final = frozenset("?#%\\")
_LONGEST: Final = 255

_DISTANCES: Final[dict[Metric, models.Distance]] = {
    Metric.COSINE: models.Distance.COSINE,
    Metric.L2: models.Distance.EUCLID,
    Metric.DOT: models.Distance.DOT,
}


def check_name(name: str) -> None:
    """Raises ``NotFound`` for a name that no collection has, or by which a client would reach another one.

    A server has no collection of a longer name, or with a slash in it, and answers 422; its client refuses a URL of
    100,000 characters. One that does not quote takes ``docs?x``, or ``docs`` with a line feed in it, for ``docs``.
    """
    if name in (".", "..") or len(name) > _LONGEST or "/" in name:
        raise NotFound("Qdrant has no collections of such names", hint="list_collections() names those that are there.")
    if not _QUOTED and not (_MARKS.isdisjoint(name) and name.isprintable()):
        raise NotFound(
            "this version of qdrant_client cannot ask for such a name", hint="A later one quotes what it sends."
        )


def new_collection(info: CollectionInfo) -> dict[str, Any]:
    """Return arguments of ``create_collection``; no two creations have the same."""
    return {"metadata": {INFO: info_to_json(info), _STAMP: uuid4().hex}, **collection_settings(info)}


def payload_indexes(info: CollectionInfo) -> dict[str, models.PayloadSchemaType | models.KeywordIndexParams]:
    """Return the indexes on payloads that a collection is to have, by where they are."""
    own: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {"terms": models.PayloadSchemaType.KEYWORD}
    if info.partition_by is not None:
        own[metadata_field((info.partition_by,))] = models.KeywordIndexParams(
            type=models.KeywordIndexType.KEYWORD, is_tenant=True
        )
    return own


def collection_settings(info: CollectionInfo) -> dict[str, Any]:
    """Return arguments of ``create_collection`` for the fields of a collection: their metrics and indexes."""
    if not info.fields:
        return {
            "vectors_config": _vector(info.dimension, info.metric, info.index),
            "hnsw_config": _graph(info, info.index, info.dimension),
            "quantization_config": _quantization(info.index),
        }
    vectors: dict[str, models.VectorParams] = {}
    sparse: dict[str, models.SparseVectorParams] = {}
    for name, field in all_fields(info).items():
        if isinstance(field, Dense):
            made = _vector(field.dimension, field.metric, field.index)
            made.hnsw_config = _graph(info, field.index, field.dimension)
            made.quantization_config = _quantization(field.index)
            vectors[vector_name(info, name)] = made
        else:
            sparse[vector_name(info, name)] = models.SparseVectorParams()
    return {"vectors_config": vectors, "sparse_vectors_config": sparse or None}


def foreign_settings(info: CollectionInfo, layout: PointLayout) -> dict[str, Any]:
    """Return arguments of ``create_collection`` for one that another package opens; ``info`` is what it is to be."""
    made = collection_settings(info)
    # False and nothing are not the same to Qdrant
    made["vectors_config"].on_disk = made["vectors_config"].on_disk or layout.on_disk
    if layout.graph:
        made["hnsw_config"] = models.HnswConfigDiff(**layout.graph)
    return made


def foreign_index(
    keyword: Keyword | Text,
) -> models.PayloadSchemaType | models.KeywordIndexParams | models.TextIndexParams:
    """Return an index that another package makes of a key of the payload."""
    if isinstance(keyword, Text):
        return models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            tokenizer=models.TokenizerType(keyword.tokenizer),
            min_token_len=keyword.shortest,
            max_token_len=keyword.longest,
            lowercase=True,
        )
    if keyword == Keyword():
        return models.PayloadSchemaType.KEYWORD
    return models.KeywordIndexParams(
        type=models.KeywordIndexType.KEYWORD, is_tenant=keyword.is_tenant, on_disk=keyword.on_disk
    )


def _vector(dimension: int, metric: Metric, index: Index | None) -> models.VectorParams:
    assert isinstance(index, HNSW | Flat)
    return models.VectorParams(size=dimension, distance=_DISTANCES[metric], on_disk=index.on_disk)


def _graph(info: CollectionInfo, index: Index | None, dimension: int) -> models.HnswConfigDiff:
    assert isinstance(index, HNSW | Flat)
    match index:
        case HNSW():
            return models.HnswConfigDiff(
                m=index.m,
                ef_construct=index.ef_construction,
                on_disk=index.on_disk,
                full_scan_threshold=full_scan_kb(info, dimension),
            )
        case Flat():
            return models.HnswConfigDiff(m=0)
        case _:
            assert_never(index)


def _quantization(index: Index | None) -> models.QuantizationConfig | None:
    match index.quantization if isinstance(index, HNSW) else None:
        case Quantization.INT8:
            return models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            )
        case Quantization.PRODUCT:
            return models.ProductQuantization(
                product=models.ProductQuantizationConfig(compression=models.CompressionRatio.X16, always_ram=True)
            )
        case Quantization.BINARY:
            return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
        case None:
            return None
        case other:
            assert_never(other)


def identity_of(found: models.CollectionInfo) -> tuple[str, str] | None:
    """Return what a collection is, and the stamp of its creation; None where vstore did not create it."""
    metadata = found.config.metadata or {}
    text, stamp = metadata.get(INFO), metadata.get(_STAMP, "")  # those of earlier versions have no stamp
    return (text, stamp) if isinstance(text, str) and isinstance(stamp, str) else None
