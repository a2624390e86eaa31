"""Copying a collection between stores, and comparing two collections record by record."""

from vstore.transfer.compare import Comparison, compare
from vstore.transfer.copy import copy

__all__ = ["Comparison", "compare", "copy"]
