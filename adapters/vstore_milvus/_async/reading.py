"""Reads: by id, by filter, in pages, and the nearest to a vector."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.errors import LimitExceeded
from vstore.filters.evaluate import predicate
from vstore.filters.tree import DocumentContains, Filter, leaves
from vstore.scores import distances, nearest, ranked, scores
from vstore.types import CollectionInfo, Flat, Hits, Include, Metric, Records, Search, VectorArray
from vstore_milvus._async._run import compute
from vstore_milvus._async.session import AsyncSession
from vstore_milvus.capabilities import MAX_WINDOW
from vstore_milvus.codec import fields, to_records
from vstore_milvus.compile import compile_filter, with_ids
from vstore_milvus.schema import searching
from vstore_milvus.tokens import literal

__all__ = ["AsyncReader"]

_MAX_IDS: Final = 5_000
# An answer holds 64 MB at most; what a record's texts take is a guess, and one that fails is halved.
_ANSWER_BYTES: Final = 24 << 20
_TEXT_BYTES: Final = 2_000
_REQUEST_FLOATS: Final = 4_000_000
_VECTORS: Final = Include(vectors=True)
_IDS: Final = Include()


class AsyncReader:
    """Reads of one collection. They take no lock."""

    def __init__(self, session: AsyncSession, info: CollectionInfo, token: str) -> None:
        self._session = session
        self._client = session.client
        self._info = info
        self._token = token

    def renamed(self, info: CollectionInfo) -> None:
        """The collection has another name."""
        self._info = info

    async def _query(self, condition: str, names: list[str], **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._session.read(
            self._token,
            self._client.query,
            self._info.name,
            filter=condition,
            output_fields=names,
            **more,
        )
        return found

    def _width(self, include: Include) -> int:
        return (
            600
            + (4 * self._info.dimension if include.vectors else 0)
            + (_TEXT_BYTES if include.documents or include.metadatas else 0)
        )

    async def _condition(self, where: Filter | str | None) -> str | None:
        """A filter as an expression of Milvus; a str is one already.

        Milvus Lite parses the JSON of every record once a comparison, has no ``in`` on its paths and no
        escapes in LIKE: its filters are answered here, from the metadata, and it gets the ids.
        """
        if where is None or isinstance(where, str):
            return where
        if not self._session.lite:
            return compile_filter(where)
        documents = any(isinstance(leaf, DocumentContains) for leaf in leaves(where))
        columns = Include(documents=documents, metadatas=True)
        rows = await self._query("", fields(columns))
        return await compute(self._matching, where, rows, columns)

    def _matching(self, where: Filter, rows: list[dict[str, Any]], columns: Include) -> str:
        records, test = to_records(rows, columns, self._info.dimension), predicate(where)
        documents = records.documents or [None] * len(records)
        found = zip(records.ids, records.metadatas or (), documents, strict=True)
        return with_ids([record_id for record_id, metadata, document in found if test(metadata, document)])

    async def count(self, where: Filter | str | None) -> int:
        """How many records match."""
        condition = await self._condition(where)
        found = await self._query(condition or "", ["count(*)"])
        return int(found[0]["count(*)"])

    async def present(self, ids: Sequence[str]) -> set[str]:
        """Those of ``ids`` that exist."""
        found: set[str] = set()
        for start in range(0, len(ids), _MAX_IDS):
            part = await self._query(with_ids(ids[start : start + _MAX_IDS]), ["id"])
            found.update(row["id"] for row in part)
        return found

    async def ids(self, where: Filter | str | None) -> list[str]:
        """The ids of the records that match."""
        found: list[str] = []
        async for page, _ in self.pages(where, MAX_WINDOW, None, _IDS):
            found += page.ids
        return found

    async def by_ids(self, ids: Sequence[str], include: Include) -> Records:
        """The records with these ids, in Milvus's order."""
        parts = [to_records([], include, self._info.dimension)]
        room = max(1, min(_MAX_IDS, _ANSWER_BYTES // self._width(include)))
        start = 0
        while start < len(ids):
            wanted = ids[start : start + room]
            try:
                rows = await self._query(with_ids(wanted), fields(include))
            except LimitExceeded:
                if len(wanted) == 1:
                    raise
                room = (len(wanted) + 1) // 2
                continue
            parts.append(await compute(to_records, rows, include, self._info.dimension))
            start += room
        return Records.concat(parts[1:] or parts)

    async def pages(
        self, where: Filter | str | None, size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        """All records that match, by id."""
        condition = await self._condition(where)
        if self._session.lite:
            # Milvus Lite reads everything for every page, and in no order: the ids first, then by id
            found = await self._query(condition or "", ["id"])
            ids = sorted(row["id"] for row in found if after is None or row["id"] > after)
            for start in range(0, len(ids), size):
                wanted = ids[start : start + size]
                page = (await self.by_ids(wanted, include)).ordered(wanted)
                if page.ids:
                    yield page, wanted[-1]
            return
        room = max(1, min(size, MAX_WINDOW, _ANSWER_BYTES // self._width(include)))
        last = after or ""
        while True:
            behind = f"(id > {literal(last)})"
            chosen = behind if condition is None else f"({behind} and {condition})"
            try:
                rows = await self._query(chosen, fields(include), limit=room, reduce_stop_for_best=True)
            except LimitExceeded:
                if room == 1:
                    raise
                room = (room + 1) // 2
                continue
            if not rows:
                return
            page = await compute(to_records, rows, include, self._info.dimension)
            last = max(page.ids)
            yield page.ordered(sorted(page.ids)), last

    async def nearest(self, queries: VectorArray, k: int, condition: str | None, include: Include) -> list[Hits]:
        """The true nearest: reads the vectors that match in chunks, and keeps k for each query."""
        best: list[tuple[list[str], NDArray[np.float64]]] = [([], np.empty(0)) for _ in queries]
        async for chunk, _ in self.pages(condition, MAX_WINDOW, None, _VECTORS):
            best = await compute(self._better, best, chunk, queries, k)
        wanted = list(dict.fromkeys(i for kept, _ in best for i in kept))
        records = await self.by_ids(wanted, include) if fields(include) != ["id"] else Records(wanted)
        return [self._hits(kept, distance, records) for kept, distance in best]

    def _better(
        self,
        best: list[tuple[list[str], NDArray[np.float64]]],
        chunk: Records,
        queries: VectorArray,
        k: int,
    ) -> list[tuple[list[str], NDArray[np.float64]]]:
        assert chunk.vectors is not None
        out = []
        for (kept, known), query in zip(best, queries, strict=True):
            candidates = kept + chunk.ids
            distance = np.concatenate([known, distances(self._info.metric, query, chunk.vectors)])
            order = nearest(distance, candidates, k)
            out.append(([candidates[p] for p in order], distance[order]))
        return out

    def _hits(self, ids: list[str], distance: NDArray[np.float64], records: Records) -> Hits:
        """Hits in the order of ``ids``; one that was deleted meanwhile is left out."""
        chosen = records.ordered(ids)
        if len(chosen) < len(ids):
            there = set(chosen.ids)
            distance = distance[[place for place, i in enumerate(ids) if i in there]]
        return Hits(chosen, distance, scores(self._info.metric, distance))

    async def exact(self, queries: VectorArray, k: int, where: Filter | None, include: Include) -> list[Hits]:
        """The true nearest.

        Without an index Milvus finds them itself, but compares in float32 and breaks ties at random: some more
        than k are fetched and compared in float64, until the last of them is farther than the k-th by more
        than what float32 can be off.
        """
        condition = await self._condition(where)
        if not isinstance(self._info.index, Flat):
            return await self.nearest(queries, k, condition, include)
        hits: dict[int, Hits] = {}
        todo = list(range(len(queries)))
        wanted = k + max(10, k // 8)
        while todo and wanted <= MAX_WINDOW:
            found = await self._search(queries[todo], wanted, condition, include, None)
            hits |= zip(todo, found, strict=True)
            todo = [p for p in todo if len(hits[p]) == wanted and not self._certain(queries[p], hits[p], k)]
            wanted *= 4
        if todo:
            hits |= zip(todo, await self.nearest(queries[todo], k, condition, include), strict=True)
        return [hits[place][:k] for place in range(len(queries))]

    def _certain(self, query: VectorArray, hits: Hits, k: int) -> bool:
        near, far = float(hits.distances[k - 1]), float(hits.distances[-1])
        match self._info.metric:
            case Metric.COSINE:
                slack = 1e-5
            case Metric.L2:
                # of the squares: Milvus may compute them as a difference of large terms
                size = float(np.linalg.norm(query.astype(np.float64))) + far
                return far * far - near * near > 1e-5 * size * size
            case Metric.DOT:
                slack = 1e-5 * max(abs(near), abs(far), 1e-300)
        return far - near > slack

    async def approximate(
        self, queries: VectorArray, k: int, where: Filter | None, include: Include, search: Search | None
    ) -> list[Hits]:
        """The k nearest as the index finds them, never fewer than match."""
        condition = await self._condition(where)
        hits = await self._search(queries, k, condition, include, search)
        if short := [row for row, one in enumerate(hits) if len(one) < k]:
            # few match, or the index lost some: one that is still being built, few probes, a selective filter
            total = await self.count(condition)
            again = [row for row in short if len(hits[row]) < min(k, total)]
            if again:
                for row, one in zip(again, await self.nearest(queries[again], k, condition, include), strict=True):
                    hits[row] = one
        return hits

    async def _search(
        self, queries: VectorArray, k: int, condition: str | None, include: Include, search: Search | None
    ) -> list[Hits]:
        """Milvus's own search.

        Its distances are float32 and, of product-quantized vectors, approximations: they are computed anew
        from the hits' vectors.
        """
        fetched = Include(vectors=True, documents=include.documents, metadatas=include.metadatas)
        room = _ANSWER_BYTES // (k * self._width(fetched))
        if room:
            rows = max(1, min(room, _REQUEST_FLOATS // self._info.dimension, MAX_WINDOW))
            try:
                hits: list[Hits] = []
                for start in range(0, len(queries), rows):
                    hits += await self._searched(queries[start : start + rows], k, condition, fetched, include, search)
                return hits
            except LimitExceeded:
                pass
        # too much for one answer: the ids alone, then the records
        hits = []
        for query in queries:
            found = await self._found(query[None], k, condition, _IDS, search)
            records = await self.by_ids([hit["id"] for hit in found[0]], fetched)
            hits.append(await compute(self._compared, query, records, include))
        return hits

    async def _searched(
        self,
        queries: VectorArray,
        k: int,
        condition: str | None,
        fetched: Include,
        include: Include,
        search: Search | None,
    ) -> list[Hits]:
        found = await self._found(queries, k, condition, fetched, search)

        def compared() -> list[Hits]:
            return [
                self._compared(query, to_records([_row(hit) for hit in one], fetched, self._info.dimension), include)
                for query, one in zip(queries, found, strict=True)
            ]

        return await compute(compared)

    async def _found(
        self, queries: VectorArray, k: int, condition: str | None, fetched: Include, search: Search | None
    ) -> Any:
        return await self._session.read(
            self._token,
            self._client.search,
            self._info.name,
            data=list(queries),
            filter=condition or "",
            limit=k,
            output_fields=fields(fetched),
            search_params=searching(self._info, search, k),
            anns_field="vector",
        )

    def _compared(self, query: VectorArray, records: Records, include: Include) -> Hits:
        assert records.vectors is not None
        distance = distances(self._info.metric, query, records.vectors)
        if not include.vectors:
            records = Records(records.ids, None, records.documents, records.metadatas)
        return ranked(self._info.metric, records, distance, max(1, len(records)))


def _row(hit: Any) -> dict[str, Any]:
    return {"id": hit["id"], **hit["entity"]}
