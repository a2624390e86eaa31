# Generated from vstore/core/_async/searching.py by tools/unasync.py: do not edit.
"""Queries: one leg or several, each answered by the adapter, fused here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.capabilities import Capabilities
from vstore.columns import Column, VectorArray, absent, dense, present
from vstore.core._sync.grouping import Groups, first_of_each
from vstore.core._sync.likeness import vector_like
from vstore.core._sync.texts import check_texts, embed_questions
from vstore.core.embedders import Embedders
from vstore.core.fusing import Found, fuse, public_name
from vstore.core.legs import Leg, leg_vectors
from vstore.core.question import Question, heeds
from vstore.core.reranking import reranked
from vstore.core.validate import check_filter, check_ids, check_k, check_vectors
from vstore.errors import InvalidInput, LimitExceeded
from vstore.fields import Dense
from vstore.filters.tree import Filter
from vstore.fusion import Fusion
from vstore.hits import Hits
from vstore.include import INCLUDE_TEXTUAL, TEXTUAL
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.like import Like
from vstore.records import Include, Records
from vstore.sparse import SparseArray
from vstore.spi._sync._run import run_blocking
from vstore.spi._sync.protocol import CollectionReader
from vstore.spi.latest import Latest
from vstore.spi.scores import distances, nearest, ranked

__all__ = ["Searcher", "no_records"]

_SPARE: Final = 16  # records asked beyond the depth of an exact leg, to see whether its last one has its equal


class Searcher:
    """Answers queries of one collection."""

    def __init__(self, adapter: CollectionReader, capabilities: Capabilities, embedders: Embedders) -> None:
        self._adapter = adapter
        self._capabilities = capabilities
        self._embedders = embedders
        self._checked: Latest[Filter, Filter | bool] = Latest(lambda where: check_filter(where, capabilities))

    @property
    def _info(self) -> CollectionInfo:
        return self._adapter.info

    def nearest(
        self,
        info: CollectionInfo,
        field: str,
        vector: Any,
        k: int,
        where: Filter | Mapping[str, Any] | None,
        include: Iterable[str],
    ) -> Hits:
        """Return the hits of one vector of the field without a name, or of a sparse one, where no more is asked.

        It is what ``answer`` returns of such a question, which most are, with the same checks in the same order. The
        way through its other questions would take three times as long.
        """
        capabilities = self._capabilities
        most = capabilities.limits.max_k
        number = k if type(k) is int and 1 <= k <= most else check_k(k, most)
        columns = INCLUDE_TEXTUAL if include is TEXTUAL else info.include(include)
        asked, nothing = None, False
        if where is not None:
            # a dict may have changed meanwhile
            condition = self._checked(where) if isinstance(where, Filter) else check_filter(where, capabilities)
            nothing = condition is False
            if isinstance(condition, Filter):
                if not field:
                    capabilities.require("filtered_query", "an approximate query with a filter")
                asked = condition
        queries: Column
        if field:
            queries = leg_vectors(Leg(field, vector, is_text=False), info, capabilities.limits, many=False)
            nothing = nothing or not present(queries)[0]
        else:
            given = vector[None] if isinstance(vector, np.ndarray) else [vector]
            queries = check_vectors(given, info.dimension, info.metric, name="vector")
        if nothing:
            return self._none(field, columns)
        return (self._adapter.query(queries, number, asked, columns, exact=False, search=None, field=field))[0]

    def answer(self, legs: Sequence[Leg], asked: Question, *, many: bool) -> list[Hits]:
        """Return the hits of each query; each leg has a vector or a text for each."""
        limits, info = self._capabilities.limits, self._info
        ready: dict[str, Column | list[str] | Like] = {}
        for leg in legs:  # all are checked before any is embedded
            if leg.is_text:
                name = "texts" if many else "text"
                ready[leg.field] = check_texts(leg.given if many else [leg.given], limits.max_document_bytes, name)
            elif isinstance(leg.given, Like):
                check_ids(leg.given.named)
                ready[leg.field] = leg.given
            else:
                ready[leg.field] = leg_vectors(leg, info, limits, many=many)
        number = _number(ready[legs[0].field])
        for leg in legs[1:]:
            if (other := _number(ready[leg.field])) != number:
                raise InvalidInput(
                    f"{public_name(leg.field)!r} has {other} queries and {public_name(legs[0].field)!r} {number}"
                )
        if not number:
            return []
        if likes := [given for given in ready.values() if isinstance(given, Like)]:
            asked = self._without(asked, likes)
        vectors = {name: self._vectors(name, given) for name, given in ready.items()}
        include, rerank = asked.include, asked.rerank
        if rerank is not None:
            asked = replace(asked, include=replace(include, documents=True))
        found = self._found(vectors, asked)
        if asked.within is not None or asked.score_threshold is not None:
            found = [_bounded(hits, asked) for hits in found]
        if rerank is None:
            return found
        words = [given for given in ready.values() if isinstance(given, list)]
        texts: Sequence[str | None] = words[0] if words else [None] * number
        pairs = zip(texts, found, strict=True)
        return [
            replace(hits, records=hits.records.only(include))
            for hits in [run_blocking(reranked, rerank, text, hits) for text, hits in pairs]
        ]

    def _vectors(self, name: str, given: Column | list[str] | Like) -> Column:
        """The vectors that a field is asked by."""
        if isinstance(given, Like):
            return vector_like(self._adapter, given, name)
        if isinstance(given, list):
            return embed_questions(self._embedders, self._info, given, self._capabilities.limits, name)
        return given

    def _without(self, asked: Question, likes: Sequence[Like]) -> Question:
        """The question without the records that are named as hits; as many more are asked for."""
        named = frozenset(record_id for like in likes for record_id in like.named)
        depth = asked.k if asked.fusion is None else max(asked.k, asked.fusion.depth or 0)
        if depth + len(named) > (most := self._capabilities.limits.max_k):
            raise LimitExceeded(
                f"{depth:,} hits beside {len(named):,} records that are named; at most {most:,} are possible together"
            )
        return replace(asked, named=named)

    def _found(self, vectors: dict[str, Column], asked: Question) -> list[Hits]:
        if asked.group_by is not None:
            return self._grouped(vectors, asked)
        if asked.fusion is None:
            ((name, column),) = vectors.items()
            return self._leg(name, column, asked, asked.k, asked.include)
        return self._fused(vectors, asked, asked.fusion)

    def _grouped(self, vectors: dict[str, Column], asked: Question) -> list[Hits]:
        """The nearest of each group. Of a hybrid query the groups are those of all records that its legs found."""
        key, most = str(asked.group_by), self._most(asked)
        wide = replace(asked, include=replace(asked.include, metadatas=True))
        if asked.fusion is not None:
            depth = asked.fusion.depth or min(max(100, asked.k), most)
            fusion = replace(asked.fusion, depth=depth)
            found = self._fused(vectors, replace(wide, k=depth * len(vectors)), fusion)
            grouped = [hits.take(first_of_each(hits, key, {})[: asked.k]) for hits in found]
        else:
            ((name, queries),) = vectors.items()
            where = asked.where if isinstance(asked.where, Filter) else None
            groups, grouped = Groups(key, where, most), []
            for place in range(len(queries)):
                one = queries[place : place + 1]

                def ask(condition: Filter, size: int, one: Column = one) -> Hits:
                    return (self._leg(name, one, replace(wide, where=condition), size, wide.include))[0]

                empty = self._none(name, wide.include)
                grouped.append(empty if asked.where is False else groups.nearest(ask, asked.k, empty))
        return [replace(hits, records=hits.records.only(asked.include)) for hits in grouped]

    def _most(self, asked: Question) -> int:
        """The largest number of hits of one request."""
        return self._capabilities.limits.max_k - len(asked.named)

    def _none(self, name: str, include: Include) -> Hits:
        return ranked(self._info.field(name).metric, no_records(self._info, include), np.empty(0), 1)

    def _leg(self, name: str, queries: Column, asked: Question, k: int, include: Include) -> list[Hits]:
        """The hits of one field; an empty sparse query has none, and asks nothing."""
        if asked.where is False:
            return [self._none(name, include)] * len(queries)
        if not isinstance(queries, SparseArray):  # of a query, where no vector is absent
            return self._ask(name, queries, asked, k, include)
        places = present(queries).nonzero()[0]
        if len(places) == len(queries):
            return self._ask(name, queries, asked, k, include)
        found = [self._none(name, include)] * len(queries)
        if len(places):
            answered = self._ask(name, queries.take(places), asked, k, include)
            for place, hits in zip(places.tolist(), answered, strict=True):
                found[place] = hits
        return found

    def _ask(self, name: str, queries: Column, asked: Question, k: int, include: Include) -> list[Hits]:
        search = asked.search
        if search is not None:
            field = self._info.field(name)
            search = search if isinstance(field, Dense) and heeds(field.index, search) else None
        where = asked.where if isinstance(asked.where, Filter) else None
        size = k + len(asked.named)
        found = self._adapter.query(queries, size, where, include, exact=asked.exact, search=search, field=name)
        return [_unnamed(hits, asked.named, k) for hits in found] if asked.named else found

    def _fused(self, vectors: dict[str, Column], asked: Question, fusion: Fusion) -> list[Hits]:
        depth = fusion.depth or min(max(100, asked.k), self._most(asked))
        legs: list[list[Found]] = []
        for name, queries in vectors.items():
            field = self._info.field(name)
            if isinstance(field, Dense) and asked.exact:
                legs.append(self._exact_leg(name, dense(queries), asked, depth))
            else:
                found = self._leg(name, queries, asked, depth, Include())
                legs.append([Found(name, field.metric, hits.ids, hits.distances) for hits in found])
        fused = [fuse(one, fusion, asked.k) for one in zip(*legs, strict=True)]
        return self._fetched(fused, asked.include)

    def _exact_leg(self, name: str, queries: VectorArray, asked: Question, depth: int) -> list[Found]:
        """The first ``depth`` by distances computed here, so that all stores rank alike.

        Some more are asked for, and twice as many as long as the last of them may be as near as the last that counts.
        """
        metric, most = self._info.field(name).metric, self._most(asked)
        include = Include(fields=(name,)) if name else Include(vectors=True)
        found: dict[int, Found] = {}
        todo, size = list(range(len(queries))), min(depth + _SPARE, most)
        while todo:
            for place, hits in zip(todo, self._leg(name, queries[todo], asked, size, include), strict=True):
                column = dense(hits.records.column(name))
                distance = distances(metric, queries[place], column)
                if len(hits) < size or size == most or _is_settled(metric, queries[place], column, distance, depth):
                    order = nearest(distance, hits.ids, depth)
                    found[place] = Found(name, metric, [hits.ids[p] for p in order], distance[order])
            todo, size = [place for place in todo if place not in found], min(2 * size, most)
        return [found[place] for place in range(len(queries))]

    def _fetched(self, fused: Sequence[Hits], include: Include) -> list[Hits]:
        """The hits with their columns; a record that was deleted meanwhile is left out."""
        if include == Include():
            return list(fused)
        wanted = list(dict.fromkeys(record_id for hits in fused for record_id in hits.ids))
        records = self._adapter.get(wanted, include) if wanted else no_records(self._info, include)
        there = set(records.ids)
        out = []
        for hits in fused:
            kept = hits
            if not there.issuperset(hits.ids):
                kept = hits.take([place for place, record_id in enumerate(hits.ids) if record_id in there])
            is_its_own = len(fused) == 1 and records.ids == kept.ids
            out.append(replace(kept, records=records if is_its_own else records.ordered(kept.ids)))
        return out


def _bounded(hits: Hits, asked: Question) -> Hits:
    """The hits within the bounds of the question, which are the first ones."""
    number = len(hits)
    if asked.within is not None:
        number = min(number, int(np.searchsorted(hits.distances, asked.within, side="right")))
    if asked.score_threshold is not None:
        number = min(number, int(np.count_nonzero(hits.scores >= asked.score_threshold)))
    return hits if number == len(hits) else hits[:number]


def _number(given: Column | list[str] | Like) -> int:
    """How many queries there are of a field."""
    return 1 if isinstance(given, Like) else len(given)


def _unnamed(hits: Hits, named: Set[str], k: int) -> Hits:
    """The first k hits but for those that are named."""
    return hits.take([place for place, record_id in enumerate(hits.ids) if record_id not in named][:k])


def _is_settled(
    metric: Metric, query: VectorArray, column: VectorArray, distance: NDArray[np.float64], depth: int
) -> bool:
    """Whether no record beyond these can be among the first ``depth``, as far as MET-3 lets distances differ."""
    if len(distance) <= depth:
        return False
    cut = float(np.partition(distance, depth - 1)[depth - 1])
    scale = 1.0 if metric is Metric.COSINE else float(np.linalg.norm(query.astype(np.float64)))
    if metric is Metric.DOT:
        scale *= float(np.sqrt(np.max(np.einsum("ij,ij->i", column, column, dtype=np.float64))))
    return float(distance.max()) - cut > 2.0 * max(1e-5 * abs(cut), 1e-6 * scale)


def no_records(info: CollectionInfo, include: Include) -> Records:
    """Return no records, with the columns that are wanted."""
    return Records(
        [],
        dense(absent(0, info.dimension)) if include.vectors else None,
        [] if include.documents else None,
        [] if include.metadatas else None,
        {
            name: absent(0, field.dimension if isinstance(field, Dense) else None)
            for name, field in info.fields.items()
            if name in include.fields
        },
    )
