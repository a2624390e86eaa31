"""Conditions and settings of a search in the words of qdrant_client."""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

from qdrant_client import models

from vstore.indexing import HNSW, Index
from vstore_qdrant.conditions import (
    All,
    AnyOf,
    Bound,
    Condition,
    Flag,
    Has,
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
            return models.FieldCondition(key=condition.field, range=models.Range(lt=bound))
        case Has(name):
            return models.HasVectorCondition(has_vector=name)
        case Tenant():
            return models.FieldCondition(key=condition.field, match=models.MatchValue(value=condition.value))
        case Text(text):
            return models.FieldCondition(key="document", match=models.MatchSubstring(substring=text))
        case All() | AnyOf() | NoneOf():
            return client_filter(condition)
        case Split() | OneOf() | Flag() | Bound() | Present():
            raise AssertionError(f"a condition on records with a lean shadow, of which a client has none: {condition}")
        case _:
            assert_never(condition)


@lru_cache(64)
def search_params(index: Index | None, *, exact: bool, ef: int | None, tenant: bool) -> models.SearchParams:
    """Return the settings of one search; hits of quantized vectors are scored again with the full ones.

    Args:
        index: That of the field; None for a sparse one.
        exact: Whether to compare with every record.
        ef: The ``hnsw_ef`` of this search.
        tenant: Whether it is one of a single partition, which compares full vectors only.
    """
    if exact or not isinstance(index, HNSW):
        return models.SearchParams(exact=True)
    quantized = index.quantization is not None
    rescored = models.QuantizationSearchParams(ignore=tenant, rescore=not tenant) if quantized else None
    return models.SearchParams(hnsw_ef=ef or index.ef_search, quantization=rescored)
