"""Collections that vstore did not create: on a server, or in the client's local mode."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

from qdrant_client import AsyncQdrantClient, models

from vstore.errors import AlreadyExists, Mismatch, NotFound
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.mapping import MissingVector, RecordMapping
from vstore.records import Include, VectorArray
from vstore.spi._async.batching import write_parts
from vstore.spi.batching import batches
from vstore.spi.foreign import Key, Rows, walk
from vstore.spi.layouts import Layout, replaced_whole
from vstore_qdrant.capabilities import MAX_BATCH_BYTES, MAX_BATCH_ROWS
from vstore_qdrant.errors import guarded
from vstore_qdrant.foreign import (
    Dense,
    Described,
    complete,
    index_types,
    is_one_of,
    largest,
    native_id,
    payload_key,
    payload_read,
    proposal,
    to_points,
    to_rows,
    token,
    untoken,
    vectors_read,
)
from vstore_qdrant.layouts import LAYOUTS, PointLayout, described_points
from vstore_qdrant.narrowing import narrowed
from vstore_qdrant.schema import INFO, check_name, foreign_index, foreign_settings

__all__ = ["AsyncQdrantForeign"]

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class AsyncQdrantForeign:
    """Implements ``AsyncForeignStore``.

    Attributes:
        client: The client.
        guard: Entered around every call, as in ``AsyncClientDatabase``.
        local: Whether it is local mode, which has no indexes.
        substrings: Whether there is the condition ``MatchSubstring``.
    """

    client: AsyncQdrantClient
    guard: Callable[[], AbstractContextManager[Any]]
    local: bool
    substrings: bool

    @property
    def layouts(self) -> Mapping[str, Layout]:
        return LAYOUTS

    def described(self, mapping: RecordMapping) -> Layout:
        return described_points(mapping)

    async def create(self, layout: Layout, info: CollectionInfo) -> RecordMapping:
        assert isinstance(layout, PointLayout)
        mapping = replace(layout.mapping, metric=info.metric, dimension=info.dimension)
        if layout.native is None:
            await self._make(info.name, layout, info)
            return replace(mapping, only={layout.column: layout.owner(info.name)} if layout.column else {})
        shared = replace(mapping, table=(layout.native(info.name),), only={layout.column: info.name})
        if not await self._exists(shared.table[0]):
            await self._make(shared.table[0], layout, info)
        elif await (await self.open(info.name, shared)).count():
            raise AlreadyExists("the collection exists already")
        return shared

    async def _make(self, name: str, layout: PointLayout, info: CollectionInfo) -> None:
        check_name(name)
        with self.guard(), guarded():
            await self.client.create_collection(name, **foreign_settings(info, layout))
        for key, index in {} if self.local else layout.keywords.items():
            with self.guard(), guarded():
                await self.client.create_payload_index(name, key, field_schema=foreign_index(index), wait=True)

    async def _exists(self, name: str) -> bool:
        try:
            check_name(name)
        except NotFound:
            return False
        with self.guard(), guarded():
            return await self.client.collection_exists(name)

    async def drop(self, name: str, layout: Layout) -> None:
        assert isinstance(layout, PointLayout)
        if layout.native is not None:
            shared = replace(layout.mapping, table=(layout.native(name),), only={layout.column: name})
            await (await self.open(name, shared)).clear()
            return
        await self._described(name)
        if layout.column and await self._has_others(name, layout):
            await (await self.open(name, replace(layout.mapping, only={layout.column: layout.owner(name)}))).clear()
            return
        with self.guard(), guarded():
            if not await self.client.delete_collection(name):
                raise NotFound("it was deleted meanwhile")

    async def _has_others(self, name: str, layout: PointLayout) -> bool:
        """Return whether points of other collections are in the one of this name."""
        with self.guard(), guarded():
            everything = await self.client.count(name, exact=True)
        mapping = replace(layout.mapping, only={layout.column: layout.owner(name)})
        return everything.count > await (await self.open(name, mapping)).count()

    async def names(self) -> list[str]:
        with self.guard(), guarded():
            found = await self.client.get_collections()
        out: list[str] = []
        for one in found.collections:
            try:
                await self._described(one.name)
            except (Mismatch, NotFound):  # vstore's own, or deleted since
                continue
            out.append(one.name)
        return sorted(out)

    async def propose(self, name: str, layout: str | None) -> RecordMapping:
        known = None if layout is None else LAYOUTS.get(layout)
        if known is not None and known.native is not None:
            return await self._of_several(name, known)
        found = await self._proposed(name, layout)
        return found if known is None or not known.column else replace(found, only={known.column: known.owner(name)})

    async def _of_several(self, name: str, layout: PointLayout) -> RecordMapping:
        """Return how to read a collection whose points are with those of others, or in the package's other form."""
        assert layout.native is not None
        shared, alone = layout.native(name), layout.alone.format(name)
        mapping = replace(layout.mapping, table=(shared,), only={layout.column: name})
        there = await self._exists(shared)
        if there and await (await self.open(name, mapping)).count():
            return mapping
        if alone != shared and await self._exists(alone):
            return replace(layout.mapping, table=(alone,))
        if there:
            return mapping
        raise NotFound(f"there is no collection {shared!r}", hint=f"{layout.package} keeps {name!r:.80} in it.")

    async def _proposed(self, name: str, layout: str | None) -> RecordMapping:
        described = await self._described(name)
        with self.guard(), guarded():
            points, _ = await self.client.scroll(name, limit=1, with_payload=True)
        return proposal(name, layout, to_rows(points, RecordMapping(), Include()), described)

    async def open(self, name: str, mapping: RecordMapping) -> AsyncQdrantForeignCollection:
        native = mapping.table[-1] if mapping.table else name
        described = await self._described(native)
        full, info = complete(name, mapping, replace(described, aliases=await self._aliases(native)))
        return AsyncQdrantForeignCollection(self.client, self.guard, full, info, self.substrings)

    async def _aliases(self, name: str) -> list[str]:
        try:
            with self.guard(), guarded():
                return sorted(one.alias_name for one in (await self.client.get_collection_aliases(name)).aliases)
        except NotFound:  # deleted since, as the first read tells
            return []

    async def _described(self, name: str) -> Described:
        check_name(name)
        with self.guard(), guarded():
            told = await self.client.get_collection(name)
        config = told.config
        if INFO in (config.metadata or {}):
            raise Mismatch.created_here(name)
        found = config.params.vectors or {}
        named = found if isinstance(found, dict) else {"": found}
        sparse = config.params.sparse_vectors or {}
        smaller = config.quantization_config
        return Described(
            {one: _dense(params, config.hnsw_config) for one, params in named.items()},
            sparse=list(sparse),
            weighted=[one for one, params in sparse.items() if params.modifier is models.Modifier.IDF],
            indexed=sorted(told.payload_schema or {}),
            quantization=None if smaller is None else type(smaller).__name__.removesuffix("Quantization").lower(),
            metadata=config.metadata or {},
        )


def _dense(params: models.VectorParams, general: models.HnswConfig) -> Dense:
    own = params.hnsw_config
    return Dense(
        params.size,
        params.distance.value,
        params.multivector_config is not None,
        (own.m if own is not None else None) or general.m,
        (own.ef_construct if own is not None else None) or general.ef_construct,
    )


class AsyncQdrantForeignCollection:
    """Implements ``AsyncForeignCollection`` and ``AsyncForeignWriter``."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        guard: Callable[[], AbstractContextManager[Any]],
        mapping: RecordMapping,
        info: CollectionInfo,
        substrings: bool,
    ) -> None:
        self._client = client
        self._guard = guard
        self._mapping = mapping
        self._info = info
        self._substrings = substrings
        self._name = mapping.table[-1] if mapping.table else info.name
        self._own: list[models.Condition] = [
            models.FieldCondition(key=payload_key((name,)), match=models.MatchValue(value=value))
            for name, value in mapping.only.items()
        ]
        there = [*self._own]
        if mapping.missing_vector is MissingVector.SKIP:
            there.append(models.HasVectorCondition(has_vector=mapping.vector))
        # None for all points
        self._there = models.Filter(must=there) if there else None

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def mapping(self) -> RecordMapping:
        return self._mapping

    @property
    def native(self) -> AsyncQdrantClient:
        return self._client

    async def count(self) -> int:
        with self._guard(), guarded():
            return (await self._client.count(self._name, count_filter=self._there, exact=True)).count

    async def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        rows = Rows(vectors=[] if include.vectors else None)
        for part in batches(keys, _PAGE):
            if self._mapping.id:
                rows.extend(await self._by_payload([str(key) for key in part], include))
                continue
            chosen: list[models.Condition] = [models.HasIdCondition(has_id=[native_id(key) for key in part])]
            rows.extend(await self._scrolled(models.Filter(must=chosen), len(part), include))
        return rows

    async def _by_payload(self, ids: list[str], include: Include) -> Rows:
        """Return the points whose payload has one of these ids: Qdrant finds some more, where it is a list."""
        condition = models.FieldCondition(key=payload_key(self._mapping.id), match=models.MatchAny(any=ids))
        rows = Rows(vectors=[] if include.vectors else None)
        start = None
        wanted = set(ids)
        while True:
            page, start = await self._scroll(models.Filter(must=[condition]), _PAGE, start, include)
            rows.extend(page)
            if start is None:
                return rows.where(lambda _, fields: is_one_of(walk(self._mapping.id, fields), wanted))

    async def _scrolled(self, chosen: models.Filter, limit: int, include: Include) -> Rows:
        return (await self._scroll(chosen, limit, None, include))[0]

    async def _scroll(
        self, chosen: models.Filter | None, limit: int, start: int | str | None, include: Include
    ) -> tuple[Rows, Any]:
        if chosen is None:
            chosen = self._there
        elif self._there is not None:
            chosen = models.Filter(must=[chosen, self._there])
        with self._guard(), guarded():
            points, following = await self._client.scroll(
                self._name,
                scroll_filter=chosen,
                limit=limit,
                offset=start,
                with_payload=payload_read(self._mapping, include),
                with_vectors=vectors_read(self._mapping, include),
            )
        return to_rows(points, self._mapping, include), following

    async def pages(
        self, size: int, after: str | None, include: Include, where: Filter | None = None
    ) -> AsyncIterator[tuple[Rows, str]]:
        start = untoken(after)
        chosen = None if where is None else await self._narrowed(where)
        while True:
            # a page begins with the point that the one before ended with, which may be gone by now
            rows, following = await self._scroll(chosen, size + (start is not None), start, include)
            last = None if not rows.keys else native_id(rows.keys[-1])
            if start is not None:
                rows = rows.where(lambda key, _: native_id(key) != start)  # noqa: B023  # called at once
            if rows.keys and last is not None:
                yield rows, token(last)
                start = last
            if following is None:
                return

    async def _narrowed(self, where: Filter) -> models.Filter | None:
        """Return a condition that all points fulfil that match; None for all points."""
        with self._guard(), guarded():
            told = await self._client.get_collection(self._name)
        strict = told.config.strict_mode_config
        if strict is not None and strict.enabled:  # it may refuse conditions on keys without an index, and many of them
            return None
        found = narrowed(where, self._mapping, index_types(told.payload_schema), substrings=self._substrings)
        return None if found is None else models.Filter.model_validate(found)

    async def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        with self._guard(), guarded():
            found = await self._client.query_points(
                self._name,
                vector.tolist(),
                using=self._mapping.vector or None,
                limit=k,
                query_filter=self._there,
                with_payload=payload_read(self._mapping, include),
                with_vectors=vectors_read(self._mapping, include),
            )
        return to_rows(found.points, self._mapping, include)

    @property
    def read_only(self) -> str:
        return replaced_whole(self._mapping, self._info.omitted)

    async def put(self, rows: Rows) -> None:
        points = [models.PointStruct(**one) for one in to_points(rows, self._mapping)]
        size = min(MAX_BATCH_ROWS, max(1, MAX_BATCH_BYTES // largest(rows, self._info.dimension)))

        async def send(part: list[models.PointStruct]) -> None:
            await self._check_free([one.id for one in part])
            with self._guard(), guarded():
                await self._client.upsert(self._name, part, wait=True)

        ids = (str(one.id) for one in points)
        await write_parts((([next(ids) for _ in part], part) for part in batches(points, size)), send)

    async def _check_free(self, ids: list[Any]) -> None:
        """Raises ``AlreadyExists`` for points of other collections in the same one of Qdrant, which has an id once."""
        if not self._own:
            return
        other = models.Filter(must=[models.HasIdCondition(has_id=ids)], must_not=self._own)
        with self._guard(), guarded():
            found, _ = await self._client.scroll(self._name, scroll_filter=other, limit=len(ids), with_payload=False)
        if found:
            raise AlreadyExists(
                f"other collections in Qdrant's {self._name!r} have these ids, which it keeps once only",
                ids=[str(one.id) for one in found],
                hint="Give the records ids that no other collection has.",
            )

    async def remove(self, keys: Sequence[Key]) -> None:
        if self._mapping.id:
            keys = (await self._by_payload([str(key) for key in keys], Include())).keys
        for part in batches(keys, MAX_BATCH_ROWS):
            chosen: list[models.Condition] = [models.HasIdCondition(has_id=[native_id(key) for key in part])]
            await self._delete([*chosen, *self._own])

    async def clear(self) -> None:
        """Deletes all points of the collection; raises ``NotFound`` where it has none."""
        if not await self.count():
            raise NotFound.of_collection(self._info.name)
        await self._delete(self._own)

    async def _delete(self, conditions: list[models.Condition]) -> None:
        chosen = models.FilterSelector(filter=models.Filter(must=conditions))
        with self._guard(), guarded():
            await self._client.delete(self._name, chosen, wait=True)
