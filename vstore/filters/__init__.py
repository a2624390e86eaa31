"""Filters: a Boolean algebra over records, its two notations, its normal form and its meaning."""

from vstore.filters.builder import F
from vstore.filters.dictform import parse, to_dict
from vstore.filters.evaluate import predicate
from vstore.filters.rewrite import normalize
from vstore.filters.tree import Filter

__all__ = ["F", "Filter", "normalize", "parse", "predicate", "to_dict"]
