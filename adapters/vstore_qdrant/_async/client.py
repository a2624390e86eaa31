"""The port over a client of qdrant_client: a server, or the client's own local mode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from qdrant_client import AsyncQdrantClient, models

from vstore.codec import info_from_json, info_to_json
from vstore.errors import AuthenticationFailed, BackendError, Mismatch, NotFound, Timeout, Unsupported
from vstore.types import CollectionInfo, VectorArray
from vstore_qdrant._async._run import Closer
from vstore_qdrant._async.foreign import AsyncQdrantForeign
from vstore_qdrant.capabilities import MAX_BATCH_ROWS
from vstore_qdrant.codec import INFO, Fields, Found, Payload, Points, stacked
from vstore_qdrant.conditions import Condition, number_fields
from vstore_qdrant.errors import guarded
from vstore_qdrant.models import check_path, client_filter, collection_settings, search_params

__all__ = ["AsyncClientDatabase", "AsyncClientTable"]

# of a cluster's replicas all take concurrent writes of one point in the same order, so that one whole record is left
_ORDERING: Final = models.WriteOrdering.STRONG
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class AsyncClientDatabase:
    """Implements ``AsyncDatabase``.

    Attributes:
        client: The client.
        guard: Entered around every call: local mode is corrupted by a second thread, and so has a lock.
        closer: What ``close`` does.
        local: Whether it is local mode, which has neither indexes nor settings of a search.
        drops: How often each name was deleted: Qdrant knows a collection by its name only, and a handle of one that was
            deleted must not meet the next of the same name.
    """

    client: AsyncQdrantClient
    guard: Callable[[], AbstractContextManager[Any]]
    closer: Closer
    local: bool
    drops: Counter[str] = field(default_factory=Counter)

    @property
    def native(self) -> AsyncQdrantClient:
        return self.client

    @property
    def foreign(self) -> AsyncQdrantForeign:
        return AsyncQdrantForeign(self.client, self.guard)

    async def create(self, info: CollectionInfo) -> AsyncClientTable:
        with self.guard(), guarded():
            await self.client.create_collection(
                info.name, metadata={INFO: info_to_json(info)}, **collection_settings(info)
            )
        return await self.open(info.name)

    async def open(self, name: str) -> AsyncClientTable:
        found = await self._described(name)
        text = _info_text(found)
        if text is None:
            raise Mismatch(
                f"{name!r} exists, but vstore did not create it",
                hint="Work on it through store.native, or copy it into a new collection.",
            )
        if not self.local and "terms" not in found.payload_schema:  # also where whoever created it got no further
            with suppress(AuthenticationFailed), guarded():
                await self.client.create_payload_index(
                    name, "terms", field_schema=models.PayloadSchemaType.KEYWORD, wait=True
                )
        return AsyncClientTable(
            self.client, self.guard, info_from_json(name, text), self.local, self.drops, self.drops[name]
        )

    async def _described(self, name: str) -> models.CollectionInfo:
        check_path(name)
        with self.guard(), guarded():
            return await self.client.get_collection(name)

    async def names(self) -> list[str]:
        with self.guard(), guarded():
            found = await self.client.get_collections()
        out: list[str] = []
        for one in found.collections:
            try:
                if _info_text(await self._described(one.name)) is not None:
                    out.append(one.name)
            except NotFound:  # deleted since
                continue
        return out

    async def drop(self, name: str) -> None:
        await self.open(name)  # what vstore did not create it does not delete
        with self.guard(), guarded():
            if not await self.client.delete_collection(name):
                raise NotFound("it was deleted meanwhile")
            self.drops[name] += 1

    async def rename(self, name: str, new: str) -> None:
        raise Unsupported("Qdrant does not rename collections")  # the capability says so before

    async def ping(self) -> None:
        with self.guard(), guarded():
            await self.client.info()

    async def close(self) -> None:
        with self.guard():
            await self.closer()


def _info_text(found: models.CollectionInfo) -> str | None:
    text = (found.config.metadata or {}).get(INFO)
    return text if isinstance(text, str) else None


@dataclass(frozen=True, slots=True)
class AsyncClientTable:
    """Implements ``AsyncTable``. Every write waits until it is applied.

    Attributes:
        client: The client.
        guard: As in ``AsyncClientDatabase``.
        info: What the collection is.
        local: Likewise.
        drops: Likewise.
        number: How often its name had been deleted when it was opened.
        indexed: The numbers for which an index was asked.
    """

    client: AsyncQdrantClient
    guard: Callable[[], AbstractContextManager[Any]]
    info: CollectionInfo
    local: bool
    drops: Counter[str]
    number: int
    indexed: set[str] = field(default_factory=set)

    @property
    def native(self) -> AsyncQdrantClient:
        return self.client

    @contextmanager
    def _using(self) -> Iterator[None]:
        with self.guard(), guarded():
            if self.drops[self.info.name] != self.number:
                raise NotFound("the collection was deleted")
            yield

    async def _chosen(self, condition: Condition) -> models.Filter:
        """A condition as a filter, with an index on every number it compares.

        Without one the answer is right, and slow: where the server refuses one, or takes longer to build it than one
        request may last, the filter is asked for all the same.
        """
        for name in sorted(number_fields(condition) - self.indexed if not self.local else ()):
            with suppress(AuthenticationFailed, BackendError, Timeout), self._using():
                await self.client.create_payload_index(
                    self.info.name, name, field_schema=models.PayloadSchemaType.FLOAT, wait=True
                )
            self.indexed.add(name)
        return client_filter(condition)

    @property
    def rows(self) -> int:
        return MAX_BATCH_ROWS

    async def upsert(self, points: Points) -> None:
        # not validated, as every number of every vector would be
        batch = models.Batch.model_construct(ids=points.ids, vectors=points.vectors.tolist(), payloads=points.payloads)
        with self._using():
            await self.client.upsert(self.info.name, batch, wait=True, ordering=_ORDERING)

    async def overwrite(self, ids: Sequence[str], payloads: Sequence[Payload]) -> None:
        steps = [
            models.OverwritePayloadOperation(overwrite_payload=models.SetPayload(payload=payload, points=[i]))
            for i, payload in zip(ids, payloads, strict=True)
        ]
        with self._using():
            await self.client.batch_update_points(self.info.name, steps, wait=True, ordering=_ORDERING)

    async def delete(self, ids: Sequence[str]) -> None:
        await self._delete(models.PointIdsList(points=list(ids)))

    async def delete_where(self, condition: Condition) -> None:
        await self._delete(models.FilterSelector(filter=await self._chosen(condition)))

    async def clear(self) -> None:
        # an empty filter would select everything too; this one says so
        everything = models.Filter(must_not=[models.HasIdCondition(has_id=[_NOBODY])])
        await self._delete(models.FilterSelector(filter=everything))

    async def _delete(self, selector: models.PointIdsList | models.FilterSelector) -> None:
        with self._using():
            await self.client.delete(self.info.name, selector, wait=True, ordering=_ORDERING)

    async def present(self, ids: Sequence[str]) -> list[str]:
        with self._using():
            found = await self.client.retrieve(self.info.name, list(ids), with_payload=False, with_vectors=False)
        return [str(point.id) for point in found]

    async def retrieve(self, ids: Sequence[str], fields: Fields) -> Found:
        with self._using():
            found = await self.client.retrieve(
                self.info.name, list(ids), with_payload=list(fields.payload), with_vectors=fields.vectors
            )
        return self._columns(found, fields)

    async def nearest(
        self, vectors: VectorArray, k: int, condition: Condition | None, fields: Fields, *, exact: bool, ef: int | None
    ) -> list[Found]:
        chosen = None if condition is None else await self._chosen(condition)
        wanted = list(fields.payload)
        with self._using():
            if self.local:  # which makes several copies of each request of a batch
                answers = [
                    await self.client.query_points(
                        self.info.name,
                        vector,
                        query_filter=chosen,
                        limit=k,
                        with_payload=wanted,
                        with_vectors=fields.vectors,
                    )
                    for vector in vectors
                ]
            else:
                settings = search_params(self.info.index, exact=exact, ef=ef)
                requests = [
                    models.QueryRequest(
                        query=vector,
                        limit=k,
                        filter=chosen,
                        params=settings,
                        with_payload=wanted,
                        with_vector=fields.vectors,
                    )
                    for vector in vectors.tolist()
                ]
                answers = await self.client.query_batch_points(self.info.name, requests)
        return [self._columns(answer.points, fields, [point.score for point in answer.points]) for answer in answers]

    async def scroll(
        self, condition: Condition | None, limit: int, start: str | None, fields: Fields
    ) -> tuple[Found, str]:
        chosen = None if condition is None else await self._chosen(condition)
        with self._using():
            found, _ = await self.client.scroll(
                self.info.name,
                scroll_filter=chosen,
                limit=limit,
                offset=start,
                with_payload=list(fields.payload),
                with_vectors=fields.vectors,
            )
        return self._columns(found, fields), str(found[-1].id) if found else ""

    async def count(self, condition: Condition | None) -> int:
        chosen = None if condition is None else await self._chosen(condition)
        with self._using():
            return (await self.client.count(self.info.name, count_filter=chosen, exact=True)).count

    def _columns(self, points: Sequence[Any], fields: Fields, scores: list[float] | None = None) -> Found:
        vectors = None
        if fields.vectors:
            vectors = stacked((point.vector for point in points), len(points), self.info.dimension)
        return Found([point.payload for point in points], vectors, scores)
