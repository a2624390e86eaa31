"""A query without its vectors: checked first, so that a question that is refused has cost no embedding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vstore.capabilities import Capabilities
from vstore.core.fusing import check_weights, public_name
from vstore.core.legs import Leg
from vstore.core.reranking import Reranker, check_reranker
from vstore.core.validate import check_filter, check_k
from vstore.errors import InvalidInput, brief, check_flag, plain
from vstore.fields import Dense
from vstore.filters.tree import Filter
from vstore.fusion import RRF, Fusion, Weighted
from vstore.indexing import HNSW, IVFPQ, DiskANN, Index, IVFFlat, Search
from vstore.info import CollectionInfo
from vstore.keys import check_key
from vstore.records import Include
from vstore.scalars import as_python
from vstore.wording import a_type

__all__ = ["Question", "check_question", "heeds"]


@dataclass(frozen=True, slots=True)
class Question:
    """A query without its vectors, checked.

    Attributes:
        k: Number of hits.
        where: The normal form of the filter, True or False where it is so of every record, or None.
        include: The columns to fetch.
        exact: Whether to compare with every record.
        search: Settings of this search, or None.
        fusion: How the legs become one list, or None where there is one leg.
        rerank: What orders the hits anew, or None.
        group_by: The metadata key of which each value brings its nearest record alone, or None.
        within: The largest distance of a hit, or None.
        score_threshold: The smallest score of a hit, or None.
    """

    k: int
    where: Filter | bool | None
    include: Include
    exact: bool
    search: Search | None
    fusion: Fusion | None
    rerank: Reranker | None
    group_by: str | None
    within: float | None
    score_threshold: float | None


def check_question(
    info: CollectionInfo,
    capabilities: Capabilities,
    legs: Sequence[Leg],
    k: int,
    where: Filter | Mapping[str, Any] | None,
    include: Iterable[str],
    exact: bool,
    search: Search | None,
    fusion: Fusion | None,
    rerank: Reranker | None,
    group_by: str | None,
    within: float | None,
    score_threshold: float | None,
) -> Question:
    """Checks everything of a query but its vectors.

    Raises:
        InvalidInput: An argument breaks the contract.
        Unsupported: The connection cannot do what it asks for.
    """
    number = check_k(k, capabilities.limits.max_k)
    columns = info.include(include)
    indexes = [field.index for leg in legs if isinstance(field := info.field(leg.field), Dense)]
    check_flag("exact", exact)
    if exact and indexes:
        capabilities.require("exact_query", "exact=True")
    if search is not None:
        _check_search(indexes, capabilities, search, exact=exact)
    condition = None if where is None else check_filter(where, capabilities)
    if group_by is not None:
        group_by = plain(group_by) if isinstance(group_by, str) else group_by
        check_key(group_by)
    if (isinstance(condition, Filter) or (group_by and fusion is None)) and indexes and not exact:
        capabilities.require("filtered_query", "an approximate query with a filter")
    if fusion is not None or len(legs) > 1:
        _check_fusion(fusion, legs, capabilities)
    return Question(
        number,
        condition,
        columns,
        exact,
        search,
        fusion,
        check_reranker(rerank),
        group_by,
        None if within is None else _bound("within", within),
        None if score_threshold is None else _bound("score_threshold", score_threshold),
    )


def _bound(name: str, value: object) -> float | None:
    number = as_python(value)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not -1e300 <= number <= 1e300:
        raise InvalidInput(f"{name} must be a finite number, not {brief(value)}")
    return float(number)


def _check_fusion(fusion: object, legs: Sequence[Leg], capabilities: Capabilities) -> None:
    if fusion is None:
        names = " and ".join(repr(public_name(leg.field)) for leg in legs)
        raise InvalidInput(
            f"the query asks {names}, and does not say how they become one list",
            hint="Pass fuse=RRF(), or ask one field.",
        )
    if not isinstance(fusion, RRF | Weighted):
        raise InvalidInput(f"fuse= takes RRF(…) or Weighted(…), not {a_type(type(fusion))}")
    check_weights(fusion, [leg.field for leg in legs])
    if fusion.depth is not None:
        check_k(fusion.depth, capabilities.limits.max_k)


def _check_search(indexes: Sequence[Index | None], capabilities: Capabilities, search: object, *, exact: bool) -> None:
    if not isinstance(search, Search):
        raise InvalidInput(f"search must be a Search(…), not {type(search).__name__}")
    if exact:
        raise InvalidInput("search= tunes an approximate query; with exact=True it has no meaning")
    for name, value, kinds in _settings(search):
        if value is not None:
            capabilities.require(f"search_{name}", f"Search({name}=…)")
            if not any(isinstance(index, kinds) for index in indexes):
                fitting = " and ".join(kind.__name__ for kind in kinds)
                there = ", ".join(map(str, indexes)) or "none: a sparse field has no settings"
                raise InvalidInput(f"Search({name}=…) is for {fitting}; this index is {there}")


def _settings(search: Search) -> list[tuple[str, int | None, tuple[type, ...]]]:
    return [("ef", search.ef, (HNSW, DiskANN)), ("probes", search.probes, (IVFFlat, IVFPQ))]


def heeds(index: Index | None, search: Search) -> bool:
    """Return whether an index has all the settings of a search."""
    return all(value is None or isinstance(index, kinds) for _, value, kinds in _settings(search))
