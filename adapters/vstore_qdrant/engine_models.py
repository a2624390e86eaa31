"""Conditions and settings in the words of qdrant_edge."""

from __future__ import annotations

from typing import Final, assert_never

import qdrant_edge as edge

from vstore.indexing import HNSW, Flat, Index, Metric, Quantization
from vstore.info import CollectionInfo
from vstore_qdrant.conditions import All, AnyOf, Condition, NoneOf, Number, Shorter, Terms, Text

__all__ = ["engine_config", "engine_filter", "engine_params"]

_DISTANCES: Final = {
    Metric.COSINE: edge.Distance.Cosine,
    Metric.L2: edge.Distance.Euclid,
    Metric.DOT: edge.Distance.Dot,
}
# kilobytes of vectors below which Qdrant compares with every record, its own default
_FULL_SCAN_KB: Final = 10_000


def engine_filter(condition: Condition) -> edge.Filter:
    """Return a condition as a filter, never an empty one: that would select everything."""
    match condition:
        case All(items):
            return edge.Filter(must=[_inner(item) for item in items])
        case AnyOf(items):
            return edge.Filter(should=[_inner(item) for item in items])
        case NoneOf(item):
            return edge.Filter(must_not=[_inner(item)])
        case _:
            return edge.Filter(must=[_inner(condition)])


def _inner(condition: Condition) -> edge.FieldCondition | edge.Filter:
    match condition:
        case Terms((term,)):
            return edge.FieldCondition(key="terms", match=edge.MatchValue(term))
        case Terms(terms):
            return edge.FieldCondition(key="terms", match=edge.MatchAny(list(terms)))
        case Number():
            return edge.FieldCondition(key=condition.field, range=edge.RangeFloat(**condition.limits))
        case Shorter(bound):
            return edge.FieldCondition(key="norm", range=edge.RangeFloat(lt=bound))
        case Text(text):
            return edge.FieldCondition(key="document", match=edge.MatchSubstring(text))
        case All() | AnyOf() | NoneOf():
            return engine_filter(condition)
        case _:
            assert_never(condition)


def engine_config(info: CollectionInfo) -> edge.EdgeConfig:
    """Return what a new shard is made with."""
    index = info.index
    assert isinstance(index, HNSW | Flat)
    graph = index if isinstance(index, HNSW) else None
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(size=info.dimension, distance=_DISTANCES[info.metric], on_disk=index.on_disk),
        hnsw_config=edge.HnswIndexConfig(
            m=graph.m if graph else 0,
            ef_construct=graph.ef_construction if graph else 100,
            full_scan_threshold=_FULL_SCAN_KB,
            on_disk=index.on_disk,
        ),
        quantization_config=_quantization(graph.quantization if graph else None),
    )


def _quantization(kind: Quantization | None) -> edge.QuantizationConfigType | None:
    match kind:
        case None:
            return None
        case Quantization.INT8:
            return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, always_ram=True)
        case Quantization.PRODUCT:
            return edge.ProductQuantizationConfig(compression=edge.CompressionRatio.X16, always_ram=True)
        case Quantization.BINARY:
            return edge.BinaryQuantizationConfig(always_ram=True)
        case _:
            assert_never(kind)


def engine_params(index: Index, *, exact: bool, ef: int | None) -> edge.SearchParams:
    """Return the settings of one search; hits of quantized vectors are scored again with the full ones."""
    if exact or not isinstance(index, HNSW):
        return edge.SearchParams(exact=True)
    rescored = edge.QuantizationSearchParams(rescore=True) if index.quantization is not None else None
    return edge.SearchParams(hnsw_ef=ef or index.ef_search, quantization=rescored)
