# Generated from adapters/vstore_qdrant/_async/client.py by tools/unasync.py: do not edit.
"""The port over a client of qdrant_client: a server, or the client's own local mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from qdrant_client import QdrantClient, models

from vstore.codec import info_from_json, info_to_json
from vstore.errors import AuthenticationFailed, Mismatch, NotFound, Unsupported
from vstore.types import CollectionInfo, VectorArray
from vstore_qdrant._sync._run import Closer
from vstore_qdrant._sync.foreign import QdrantForeign
from vstore_qdrant.codec import INFO, Fields, Found, Payload, Points
from vstore_qdrant.conditions import Condition, number_fields
from vstore_qdrant.errors import guarded
from vstore_qdrant.models import client_filter, collection_settings, search_params

__all__ = ["ClientDatabase", "ClientTable"]

# of a cluster's replicas all take concurrent writes of one point in the same order, so that one whole record is left
_ORDERING: Final = models.WriteOrdering.STRONG
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class ClientDatabase:
    """Implements ``Database``.

    Attributes:
        client: The client.
        guard: Entered around every call: local mode is corrupted by a second thread, and so has a lock.
        closer: What ``close`` does.
        local: Whether it is local mode, which has neither indexes nor settings of a search.
    """

    client: QdrantClient
    guard: Callable[[], AbstractContextManager[Any]]
    closer: Closer
    local: bool

    @property
    def native(self) -> QdrantClient:
        return self.client

    @property
    def foreign(self) -> QdrantForeign:
        return QdrantForeign(self.client, self.guard)

    def create(self, info: CollectionInfo) -> ClientTable:
        with self.guard(), guarded():
            self.client.create_collection(info.name, metadata={INFO: info_to_json(info)}, **collection_settings(info))
            if not self.local:
                self.client.create_payload_index(
                    info.name, "terms", field_schema=models.PayloadSchemaType.KEYWORD, wait=True
                )
        return self.open(info.name)

    def open(self, name: str) -> ClientTable:
        text = self._info_text(name)
        if text is None:
            raise Mismatch(
                f"{name!r} exists, but vstore did not create it",
                hint="Work on it through store.native, or copy it into a new collection.",
            )
        return ClientTable(self.client, self.guard, info_from_json(name, text), self.local)

    def _info_text(self, name: str) -> str | None:
        with self.guard(), guarded():
            found = (self.client.get_collection(name)).config.metadata
        text = (found or {}).get(INFO)
        return text if isinstance(text, str) else None

    def names(self) -> list[str]:
        with self.guard(), guarded():
            found = self.client.get_collections()
        out: list[str] = []
        for one in found.collections:
            try:
                if self._info_text(one.name) is not None:
                    out.append(one.name)
            except NotFound:  # deleted since
                continue
        return out

    def drop(self, name: str) -> None:
        self.open(name)  # what vstore did not create it does not delete
        with self.guard(), guarded():
            if not self.client.delete_collection(name):
                raise NotFound("it was deleted meanwhile")

    def rename(self, name: str, new: str) -> None:
        raise Unsupported("Qdrant does not rename collections")  # the capability says so before

    def ping(self) -> None:
        with self.guard(), guarded():
            self.client.info()

    def close(self) -> None:
        with self.guard():
            self.closer()


@dataclass(frozen=True, slots=True)
class ClientTable:
    """Implements ``Table``. Every write waits until it is applied."""

    client: QdrantClient
    guard: Callable[[], AbstractContextManager[Any]]
    info: CollectionInfo
    local: bool
    indexed: set[str] = field(default_factory=set)

    @property
    def native(self) -> QdrantClient:
        return self.client

    def _chosen(self, condition: Condition) -> models.Filter:
        """A condition as a filter, with an index on every number it compares, where the key permits to make one."""
        for name in sorted(number_fields(condition) - self.indexed if not self.local else ()):
            self.indexed.add(name)
            with suppress(AuthenticationFailed), guarded():
                self.client.create_payload_index(
                    self.info.name, name, field_schema=models.PayloadSchemaType.FLOAT, wait=True
                )
        return client_filter(condition)

    def upsert(self, points: Points) -> None:
        batch = models.Batch(ids=points.ids, vectors=points.vectors.tolist(), payloads=points.payloads)  # type: ignore[arg-type]  # list is invariant
        with self.guard(), guarded():
            self.client.upsert(self.info.name, batch, wait=True, ordering=_ORDERING)

    def overwrite(self, ids: Sequence[str], payloads: Sequence[Payload]) -> None:
        steps = [
            models.OverwritePayloadOperation(overwrite_payload=models.SetPayload(payload=payload, points=[i]))
            for i, payload in zip(ids, payloads, strict=True)
        ]
        with self.guard(), guarded():
            self.client.batch_update_points(self.info.name, steps, wait=True, ordering=_ORDERING)

    def delete(self, ids: Sequence[str]) -> None:
        self._delete(models.PointIdsList(points=list(ids)))

    def delete_where(self, condition: Condition) -> None:
        self._delete(models.FilterSelector(filter=self._chosen(condition)))

    def clear(self) -> None:
        # an empty filter would select everything too; this one says so
        everything = models.Filter(must_not=[models.HasIdCondition(has_id=[_NOBODY])])
        self._delete(models.FilterSelector(filter=everything))

    def _delete(self, selector: models.PointIdsList | models.FilterSelector) -> None:
        with self.guard(), guarded():
            self.client.delete(self.info.name, selector, wait=True, ordering=_ORDERING)

    def retrieve(self, ids: Sequence[str], fields: Fields) -> Found:
        with self.guard(), guarded():
            found = self.client.retrieve(
                self.info.name, list(ids), with_payload=_selected(fields), with_vectors=fields.vectors
            )
        return _columns(found, fields)

    def nearest(
        self, vectors: VectorArray, k: int, condition: Condition | None, fields: Fields, *, exact: bool, ef: int | None
    ) -> list[Found]:
        settings = None if self.local else search_params(self.info.index, exact=exact, ef=ef)
        chosen = None if condition is None else self._chosen(condition)
        requests = [
            models.QueryRequest(
                query=vector,
                limit=k,
                filter=chosen,
                params=settings,
                with_payload=_selected(fields),
                with_vector=fields.vectors,
            )
            for vector in vectors.tolist()
        ]
        with self.guard(), guarded():
            answers = self.client.query_batch_points(self.info.name, requests)
        return [_columns(answer.points, fields) for answer in answers]

    def scroll(self, condition: Condition | None, limit: int, start: str | None, fields: Fields) -> Found:
        chosen = None if condition is None else self._chosen(condition)
        with self.guard(), guarded():
            found, _ = self.client.scroll(
                self.info.name,
                scroll_filter=chosen,
                limit=limit,
                offset=start,
                with_payload=_selected(fields),
                with_vectors=fields.vectors,
            )
        return _columns(found, fields)

    def count(self, condition: Condition | None) -> int:
        chosen = None if condition is None else self._chosen(condition)
        with self.guard(), guarded():
            return (self.client.count(self.info.name, count_filter=chosen, exact=True)).count


def _selected(fields: Fields) -> Any:
    return list(fields.payload) or False


def _columns(points: Sequence[Any], fields: Fields) -> Found:
    return Found(
        [point.id for point in points],
        [point.payload or {} for point in points],
        [point.vector for point in points] if fields.vectors else None,
        [point.score for point in points] if points and hasattr(points[0], "score") else None,
    )
