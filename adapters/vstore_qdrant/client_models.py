"""Conditions and settings of a search in the words of qdrant_client."""

from __future__ import annotations

from typing import assert_never

from qdrant_client import models

from vstore.indexing import HNSW, Index
from vstore_qdrant.conditions import All, AnyOf, Condition, NoneOf, Number, Shorter, Terms, Text

__all__ = ["client_filter", "search_params"]


def client_filter(condition: Condition) -> models.Filter:
    """Return a condition as a filter, never an empty one: that would select everything."""
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


def search_params(index: Index, *, exact: bool, ef: int | None) -> models.SearchParams:
    """Return the settings of one search; hits of quantized vectors are scored again with the full ones."""
    if exact or not isinstance(index, HNSW):
        return models.SearchParams(exact=True)
    rescored = models.QuantizationSearchParams(rescore=True) if index.quantization is not None else None
    return models.SearchParams(hnsw_ef=ef or index.ef_search, quantization=rescored)
