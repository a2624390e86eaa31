# Generated from adapters/vstore_chroma/_async/reading.py by tools/unasync.py: do not edit.
"""Reads: by id, by filter, and the nearest to a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from chromadb.api.models.Collection import Collection

from vstore.errors import Unavailable
from vstore.hits import Hits
from vstore.info import CollectionInfo
from vstore.records import Include, Metadata, Records, VectorArray
from vstore.spi._sync._run import run_blocking
from vstore.spi.scores import TopK, distances, ranked
from vstore_chroma._sync._run import sleep
from vstore_chroma.codec import included, to_records
from vstore_chroma.compile import EVERYTHING, MAX_VARIABLES, Question, Where, variables
from vstore_chroma.errors import guarded, passing
from vstore_chroma.precision import always_rough, blind, brought, rough

__all__ = ["Reader"]

_COLUMNS: Final = ("ids", "embeddings", "documents", "metadatas")
_NOTHING: Final[dict[str, list[Any]]] = {name: [] for name in _COLUMNS}
_MAX_IDS: Final = 5000
_CHUNK_FLOATS: Final = 400_000
_REQUEST_FLOATS: Final = 400_000
_RESPONSE_HITS: Final = 20_000
_RETRIES: Final = 6


class Reader:
    """Reads of one collection. They take no lock."""

    def __init__(self, native: Collection, info: CollectionInfo, max_rows: int) -> None:
        self._native = native
        self._metric = info.metric
        self._dimension = info.dimension
        self._rows = min(_MAX_IDS, max_rows)

    def _call(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """One call of Chroma; made again where it only met the writing of another call."""
        for attempt in range(_RETRIES):
            try:
                with guarded():
                    return call(**arguments)
            except Unavailable as error:
                if not passing(error):
                    raise
                sleep(0.02 * 2**attempt)
        with guarded():
            return call(**arguments)

    def ids(self, asked: Question = EVERYTHING) -> list[str]:
        """The ids of the records that match."""
        found = self._call(self._native.get, where=asked.where, include=[])
        ids: list[str] = list(found["ids"])
        if asked.partial is None:
            return ids
        matches: list[str] = []
        for start in range(0, len(ids), self._rows):
            matches += (self.matching(ids[start : start + self._rows], Include(), asked)).ids
        return matches

    def matching(self, ids: Sequence[str], include: Include, asked: Question) -> Records:
        """The records with these ids that match, in Chroma's order."""
        if asked.partial is None:
            return self.by_ids(ids, include, asked.where)
        records = self.by_ids(ids, asked.partial.read(include), asked.where)
        return run_blocking(asked.partial.keep, records, include)

    def count(self, asked: Question) -> int:
        """How many records match."""
        if asked == EVERYTHING:
            number: int = self._call(self._native.count)
            return number
        return len(self.ids(asked))

    def present(self, ids: Sequence[str]) -> set[str]:
        """Those of ``ids`` that exist."""
        found: set[str] = set()
        for start in range(0, len(ids), self._rows):
            part = self._call(self._native.get, ids=list(ids[start : start + self._rows]), include=[])
            found.update(part["ids"])
        return found

    def stored_metadata(self, ids: Sequence[str]) -> dict[str, Metadata | None]:
        """What Chroma has as metadata of those of ``ids`` that exist."""
        found: dict[str, Metadata | None] = {}
        for start in range(0, len(ids), self._rows):
            part = self._call(self._native.get, ids=list(ids[start : start + self._rows]), include=["metadatas"])
            found.update(zip(part["ids"], part["metadatas"], strict=True))
        return found

    def by_ids(self, ids: Sequence[str], include: Include, where: Where | None = None) -> Records:
        """The records with these ids, that match, in Chroma's order."""
        room = self._rows if where is None else min(self._rows, MAX_VARIABLES + 500 - variables(where))
        columns = included(include)
        parts = [to_records(_NOTHING, include, self._dimension)]
        for start in range(0, len(ids), room):
            wanted = list(ids[start : start + room])
            found = self._call(self._native.get, ids=wanted, where=where, include=columns)
            parts.append(to_records(found, include, self._dimension))
        return Records.concat(parts[1:] or parts)

    def nearest(self, queries: VectorArray, k: int, ids: Sequence[str], include: Include) -> list[Hits]:
        """The true nearest among ``ids``: reads their vectors in chunks, and keeps k for each query."""
        best = TopK(self._metric, queries, k)
        rows = max(16, min(self._rows, _CHUNK_FLOATS // self._dimension))
        for start in range(0, len(ids), rows):
            chunk = self.by_ids(ids[start : start + rows], Include(vectors=True))
            run_blocking(best.take, chunk)
        wanted = best.ids
        records = self.by_ids(wanted, include) if included(include) else Records(wanted)
        return best.hits(records)

    def approximate(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits]:
        """The k nearest as the index finds them, never fewer than match."""
        if asked.partial is not None:
            return self.nearest(queries, k, self.ids(asked), include)
        rows = max(1, min(_REQUEST_FLOATS // self._dimension, _RESPONSE_HITS // k))
        hits: list[Hits] = []
        for start in range(0, len(queries), rows):
            hits += self._search(queries[start : start + rows], k, asked, include)
        return hits

    def _search(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits]:
        again = always_rough(self._metric, self._dimension)
        fetched = Include(include.vectors or again, include.documents, include.metadatas)
        found = self._call(
            self._native.query,
            query_embeddings=queries,
            n_results=k,
            where=asked.where,
            include=[*included(fetched), "distances"],
        )
        hits = [self._refined(query, k, found, row, fetched, include) for row, query in enumerate(queries)]
        if short := [row for row, one in enumerate(hits) if one is None or len(one) < k]:
            # the index lost some: of few matches, of records it cannot reach, or of a k near the count
            matches = None if asked == EVERYTHING else self.ids(asked)
            total = len(matches) if matches is not None else self.count(asked)
            short = [row for row in short if (one := hits[row]) is None or len(one) < min(k, total)]
            if short:
                ids = matches if matches is not None else self.ids()
                for row, one in zip(short, self.nearest(queries[short], k, ids, include), strict=True):
                    hits[row] = one
        return [one for one in hits if one is not None]

    def _refined(
        self, query: VectorArray, k: int, found: Any, row: int, fetched: Include, include: Include
    ) -> Hits | None:
        """One query's hits with distances as exact as MET-3 asks; None where the index was blind."""
        reported = np.asarray(found["distances"][row], dtype=np.float64)
        if blind(self._metric, query, reported):
            return None
        columns = {name: found[name][row] for name in _COLUMNS if found[name] is not None}
        records = to_records(columns, fetched, self._dimension)
        if not rough(self._metric, query, reported):
            return ranked(self._metric, records, brought(self._metric, reported), k)
        vectors = records.vectors
        if vectors is None:
            again = self.by_ids(records.ids, Include(vectors=True))
            records, vectors = _both(records, again), again.ordered(records.ids).vectors
        assert vectors is not None
        return ranked(self._metric, records.only(include), distances(self._metric, query, vectors), k)


def _both(records: Records, others: Records) -> Records:
    """The records that are in both."""
    there = set(others.ids)
    return records if len(there) == len(records) else records.ordered([i for i in records.ids if i in there])
