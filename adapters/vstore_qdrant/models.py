"""Conditions and settings in the words of qdrant_client."""

from __future__ import annotations

from typing import Any, Final, assert_never

from qdrant_client import models
from qdrant_client.http import api_client

from vstore.errors import NotFound
from vstore.indexing import HNSW, Flat, Index, Metric, Quantization
from vstore.info import CollectionInfo
from vstore_qdrant.conditions import All, AnyOf, Condition, NoneOf, Number, Shorter, Terms, Text

__all__ = ["DISTANCES", "check_path", "client_filter", "collection_settings", "search_params"]

# whether the client quotes a name in the path of a request; 1.16 to 1.18 do not
_QUOTED: Final = hasattr(api_client, "quote_path_params")
_MARKS: Final = frozenset("?#%\\")
_LONGEST: Final = 255

DISTANCES: Final[dict[Metric, models.Distance]] = {
    Metric.COSINE: models.Distance.COSINE,
    Metric.L2: models.Distance.EUCLID,
    Metric.DOT: models.Distance.DOT,
}


def check_path(name: str) -> None:
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


def client_filter(condition: Condition) -> models.Filter:
    """A condition as a filter, never an empty one: that would select everything."""
    match condition:
        case All(items):
            return models.Filter(must=[_inner(item) for item in items])
        case AnyOf(items):
            return models.Filter(should=[_inner(item) for item in items])
        case NoneOf(item):
            return models.Filter(must_not=[_inner(item)])
        case _:
            return models.Filter(must=[_inner(condition)])


def _inner(condition: Condition) -> models.Condition:
    match condition:
        case Terms((term,)):
            return models.FieldCondition(key="terms", match=models.MatchValue(value=term))
        case Terms(terms):
            return models.FieldCondition(key="terms", match=models.MatchAny(any=list(terms)))
        case Number():
            return models.FieldCondition(key=condition.field, range=models.Range(**condition.limits))
        case Shorter(bound):
            return models.FieldCondition(key="norm", range=models.Range(lt=bound))
        case Text(text):
            return models.FieldCondition(key="document", match=models.MatchSubstring(substring=text))
        case All() | AnyOf() | NoneOf():
            return client_filter(condition)
        case _:
            assert_never(condition)


def collection_settings(info: CollectionInfo) -> dict[str, Any]:
    """Arguments of ``create_collection`` for the dimension, metric and index of a collection."""
    index = info.index
    assert isinstance(index, HNSW | Flat)
    return {
        "vectors_config": models.VectorParams(
            size=info.dimension, distance=DISTANCES[info.metric], on_disk=index.on_disk
        ),
        "hnsw_config": _graph(index),
        "quantization_config": _quantization(index),
    }


def _graph(index: HNSW | Flat) -> models.HnswConfigDiff:
    match index:
        case HNSW():
            return models.HnswConfigDiff(m=index.m, ef_construct=index.ef_construction, on_disk=index.on_disk)
        case Flat():
            return models.HnswConfigDiff(m=0)
        case _:
            assert_never(index)


def _quantization(index: HNSW | Flat) -> models.QuantizationConfig | None:
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


def search_params(index: Index, *, exact: bool, ef: int | None) -> models.SearchParams:
    """Settings of one search; what was found through quantized vectors is scored again with the full ones."""
    if exact or not isinstance(index, HNSW):
        return models.SearchParams(exact=True)
    rescored = models.QuantizationSearchParams(rescore=True) if index.quantization is not None else None
    return models.SearchParams(hnsw_ef=ef or index.ef_search, quantization=rescored)
