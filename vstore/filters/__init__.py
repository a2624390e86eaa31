"""Filters: a Boolean algebra over records, in its two notations."""

from vstore.filters.builder import F
from vstore.filters.dictform import parse, to_dict
from vstore.filters.tree import Filter

__all__ = ["F", "Filter", "parse", "to_dict"]
