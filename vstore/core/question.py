"""A query without its vectors: checked first, so that a question that is refused has cost no embedding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vstore.capabilities import Capabilities
from vstore.core.validate import check_filter, check_k
from vstore.errors import InvalidInput, check_flag
from vstore.filters.tree import Filter
from vstore.indexing import HNSW, IVFPQ, DiskANN, IVFFlat, Search
from vstore.info import CollectionInfo
from vstore.records import Include, IncludeName

__all__ = ["Question", "check_question"]


@dataclass(frozen=True, slots=True)
class Question:
    """A query without its vectors, checked.

    Attributes:
        k: Number of hits.
        where: The normal form of the filter, True or False where it is so of every record, or None.
        include: The columns to fetch.
        exact: Whether to compare with every record.
        search: Settings of this search, or None.
    """

    k: int
    where: Filter | bool | None
    include: Include
    exact: bool
    search: Search | None


def check_question(
    info: CollectionInfo,
    capabilities: Capabilities,
    k: int,
    where: Filter | Mapping[str, Any] | None,
    include: Iterable[IncludeName],
    exact: bool,
    search: Search | None,
) -> Question:
    """Checks everything of a query but its vectors.

    Raises:
        InvalidInput: An argument breaks the contract.
        Unsupported: The connection cannot do what it asks for.
    """
    number = check_k(k, capabilities.limits.max_k)
    columns = Include.parse(include)
    _check_search(info, capabilities, exact, search)
    condition = None if where is None else check_filter(where, capabilities)
    if isinstance(condition, Filter) and not exact:
        capabilities.require("filtered_query", "an approximate query with a filter")
    return Question(number, condition, columns, exact, search)


def _check_search(info: CollectionInfo, capabilities: Capabilities, exact: bool, search: Search | None) -> None:
    check_flag("exact", exact)
    if exact:
        capabilities.require("exact_query", "exact=True")
    if search is None:
        return
    if not isinstance(search, Search):
        raise InvalidInput(f"search must be a Search(…), not {type(search).__name__}")
    if exact:
        raise InvalidInput("search= tunes an approximate query; with exact=True it has no meaning")
    for name, value, kinds in (("ef", search.ef, (HNSW, DiskANN)), ("probes", search.probes, (IVFFlat, IVFPQ))):
        if value is not None:
            capabilities.require(f"search_{name}", f"Search({name}=…)")
            if not isinstance(info.index, kinds):
                fitting = " and ".join(kind.__name__ for kind in kinds)
                raise InvalidInput(f"Search({name}=…) is for {fitting}; this index is {info.index}")
