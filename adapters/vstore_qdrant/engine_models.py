"""Conditions and settings in the words of qdrant_edge."""

from __future__ import annotations

from typing import Any, Final, assert_never

import numpy as np
import qdrant_edge as edge

from vstore.fields import Dense, Field
from vstore.indexing import HNSW, Flat, Index, Metric, Quantization
from vstore.info import CollectionInfo
from vstore_qdrant.conditions import (
    All,
    AnyOf,
    Bound,
    Condition,
    Flag,
    Has,
    Kind,
    NoneOf,
    Number,
    OneOf,
    Present,
    Shorter,
    Split,
    Tenant,
    Terms,
    Text,
)
from vstore_qdrant.vectors import all_fields, full_scan_kb, vector_name

__all__ = ["INDEXES", "engine_config", "engine_filter", "engine_params"]

_DISTANCES: Final = {
    Metric.COSINE: edge.Distance.Cosine,
    Metric.L2: edge.Distance.Euclid,
    Metric.DOT: edge.Distance.Dot,
}

INDEXES: Final[dict[Kind, edge.PayloadSchemaType]] = {
    "text": edge.PayloadSchemaType.Keyword,
    "flag": edge.PayloadSchemaType.Bool,
    "number": edge.PayloadSchemaType.Float,
}
"""The index of a payload's field by what is compared."""


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


def _inner(condition: Condition) -> edge.FieldCondition | edge.HasVectorCondition | edge.Filter:
    match condition:
        case Terms((term,)):
            return edge.FieldCondition(key="terms", match=edge.MatchValue(term))
        case Terms(terms):
            return edge.FieldCondition(key="terms", match=edge.MatchAny(list(terms)))
        case Flag(_, value):
            # the binding takes Python's True for 1 (qdrant-edge-py 0.9), and NumPy's for a bool
            flag: Any = np.bool_(value)
            return edge.FieldCondition(key=condition.field, match=edge.MatchValue(flag))
        case OneOf(_, (text,)):
            return edge.FieldCondition(key=condition.field, match=edge.MatchValue(text))
        case OneOf(_, texts):
            return edge.FieldCondition(key=condition.field, match=edge.MatchAny(list(texts)))
        case Present():
            return edge.Filter(must_not=[edge.IsEmptyCondition(condition.field)])
        case Number() | Bound():
            return edge.FieldCondition(key=condition.field, range=edge.RangeFloat(**condition.limits))
        case Shorter(bound):
            return edge.FieldCondition(key=condition.field, range=edge.RangeFloat(lt=bound))
        case Has(name):
            return edge.HasVectorCondition(name)
        case Tenant():
            return edge.FieldCondition(key=condition.field, match=edge.MatchValue(condition.value))
        case Text(text):
            return edge.FieldCondition(key="document", match=edge.MatchSubstring(text))
        case All() | AnyOf() | NoneOf():
            return engine_filter(condition)
        case Split():
            raise AssertionError(f"what it is depends on the records: {condition}")
        case _:
            assert_never(condition)


def engine_config(info: CollectionInfo) -> edge.EdgeConfig:
    """Return what a new shard is made with."""
    if not info.fields:
        graph = _graph(info, info.index, info.dimension)
        return edge.EdgeConfig(
            vectors=_vector(info.field()), hnsw_config=graph, quantization_config=_quantization(info.index)
        )
    vectors: dict[str, edge.EdgeVectorParams] = {}
    sparse: dict[str, edge.EdgeSparseVectorParams] = {}
    for name, field in all_fields(info).items():
        if isinstance(field, Dense):
            vectors[vector_name(info, name)] = _vector(
                field,
                hnsw_config=_graph(info, field.index, field.dimension),
                quantization_config=_quantization(field.index),
            )
        else:
            sparse[vector_name(info, name)] = edge.EdgeSparseVectorParams()
    return edge.EdgeConfig(vectors=vectors or None, sparse_vectors=sparse or None)


def _vector(field: Field, **settings: Any) -> edge.EdgeVectorParams:
    assert isinstance(field, Dense)
    assert isinstance(field.index, HNSW | Flat)
    return edge.EdgeVectorParams(
        size=field.dimension, distance=_DISTANCES[field.metric], on_disk=field.index.on_disk, **settings
    )


def _graph(info: CollectionInfo, index: Index | None, dimension: int) -> edge.HnswIndexConfig:
    assert isinstance(index, HNSW | Flat)
    graph = index if isinstance(index, HNSW) else None
    return edge.HnswIndexConfig(
        m=graph.m if graph else 0,
        ef_construct=graph.ef_construction if graph else 100,
        full_scan_threshold=full_scan_kb(info, dimension),
        on_disk=index.on_disk,
    )


def _quantization(index: Index | None) -> edge.QuantizationConfigType | None:
    match index.quantization if isinstance(index, HNSW) else None:
        case None:
            return None
        case Quantization.INT8:
            return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, always_ram=True)
        case Quantization.PRODUCT:
            return edge.ProductQuantizationConfig(compression=edge.CompressionRatio.X16, always_ram=True)
        case Quantization.BINARY:
            return edge.BinaryQuantizationConfig(always_ram=True)
        case other:
            assert_never(other)


def engine_params(
    index: Index | None, *, exact: bool, ef: int | None, tenant: bool, filtered: bool
) -> edge.SearchParams:
    """Return the settings of one search; hits of quantized vectors are scored again with the full ones.

    Args:
        index: That of the field; None for a sparse one.
        exact: Whether to compare with every record.
        ef: The ``hnsw_ef`` of this search.
        tenant: Whether it is one of a single partition, which compares full vectors only.
        filtered: Whether it has a filter. The graph has no links for one whose index was made after it: where fewer
            than 40 % match, the search then goes by the neighbours of neighbours.
    """
    if exact or not isinstance(index, HNSW):
        return edge.SearchParams(exact=True)
    quantized = index.quantization is not None
    rescored = edge.QuantizationSearchParams(ignore=tenant, rescore=not tenant) if quantized else None
    beyond = edge.AcornSearchParams(enable=True) if filtered else None
    return edge.SearchParams(hnsw_ef=ef or index.ef_search, quantization=rescored, acorn=beyond)
