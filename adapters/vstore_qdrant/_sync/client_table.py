# Generated from adapters/vstore_qdrant/_async/client_table.py by tools/unasync.py: do not edit.
"""The points of one collection over a client of qdrant_client: of a server, or of the client's own local mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from qdrant_client import QdrantClient, models

from vstore.columns import Column, dense
from vstore.errors import AuthenticationFailed, BackendError, NotFound, Timeout
from vstore.fields import Dense
from vstore.info import CollectionInfo
from vstore.records import VectorArray
from vstore.sparse import SparseVector
from vstore.spi.latest import Latest
from vstore_qdrant.capabilities import MAX_BATCH_ROWS
from vstore_qdrant.client_models import client_filter, search_params
from vstore_qdrant.codec import CREATION, NOBODY, Fields, Found, Payload, Points
from vstore_qdrant.conditions import Condition, compared_fields, is_of_one_tenant
from vstore_qdrant.errors import guarded
from vstore_qdrant.schema import identity_of
from vstore_qdrant.vectors import point_vectors, read_columns, vector_name

__all__ = ["ClientTable"]

# of a cluster's replicas all take concurrent writes of one point in the same order, so that one whole record is left
_ORDERING: Final = models.WriteOrdering.STRONG


@dataclass(frozen=True, slots=True)
class ClientTable:
    """Implements ``Table``. Every write waits until it is applied.

    Qdrant knows a collection by its name only. So a write comes with another request before it, which reads the stamp
    of whatever has the name, and does not go into the next collection of the name. Points bear the stamp of the
    collection that they were written to: it comes with those that are read, and proves where they are from. Where none
    were found, or one without it (by earlier versions, or other clients), the stamp of the collection is read after
    them: what is still there then was there all along.

    Attributes:
        client: The client.
        guard: As in ``ClientDatabase``.
        info: What the collection is.
        identity: The same as its metadata has it, and its stamp.
        local: As in ``ClientDatabase``.
        indexed: The numbers for which an index was asked.
        translated: Makes of a condition a filter, and the names of the numbers that it compares.
    """

    client: QdrantClient
    guard: Callable[[], AbstractContextManager[Any]]
    info: CollectionInfo
    identity: tuple[str, str]
    local: bool
    indexed: set[str] = field(default_factory=set)
    translated: Latest[Condition, tuple[models.Filter, list[str]]] = field(default_factory=lambda: Latest(_translated))

    @property
    def native(self) -> QdrantClient:
        return self.client

    @property
    def lean(self) -> bool:
        return False

    def _check(self) -> None:
        with guarded():
            found = self.client.get_collection(self.info.name)
        if identity_of(found) != self.identity:
            raise NotFound(
                "the collection was deleted, and another one has its name", hint="get_collection() opens that one."
            )

    def _prove(self, found: Sequence[Payload | None]) -> None:
        """Raises ``NotFound`` where points are not, or may not be, of this collection, and it is not there."""
        if not (stamp := self.identity[1]) or {payload and payload.get(CREATION) for payload in found} != {stamp}:
            self._check()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self.guard():
            self._check()
            with guarded():
                yield

    def _chosen(self, condition: Condition) -> models.Filter:
        """Return a condition as a filter, with an index on every number it compares.

        Without one the answer is right, and slow: where the server refuses one, or takes longer to build it than one
        request may last, the filter is asked for all the same.
        """
        chosen, numbers = self.translated(condition)
        for name in numbers if not self.local else ():
            if name not in self.indexed:
                with suppress(AuthenticationFailed, BackendError, Timeout):
                    self._make_index(name)
                self.indexed.add(name)
        return chosen

    def _make_index(self, name: str) -> None:
        with self._writing():
            self.client.create_payload_index(
                self.info.name, name, field_schema=models.PayloadSchemaType.FLOAT, wait=True
            )

    @property
    def rows(self) -> int:
        return MAX_BATCH_ROWS

    def upsert(self, points: Points) -> None:
        if stamp := self.identity[1]:
            for payload in points.payloads:
                payload[CREATION] = stamp
        # not validated, as every number of every vector would be
        batch: models.Batch | list[models.PointStruct]
        if not self.info.fields:
            vectors = dense(points.vectors[""]).tolist()
            batch = models.Batch.model_construct(ids=points.ids, vectors=vectors, payloads=points.payloads)
        else:  # columns of a batch have no place for an absent vector
            named = point_vectors(self.info, points.vectors, len(points), _sparse)
            batch = [
                models.PointStruct.model_construct(id=i, vector=vector, payload=payload)
                for i, vector, payload in zip(points.ids, named, points.payloads, strict=True)
            ]
        with self._writing():
            self.client.upsert(self.info.name, batch, wait=True, ordering=_ORDERING)

    def delete(self, ids: Sequence[str]) -> None:
        self._delete(models.PointIdsList(points=list(ids)))

    def delete_where(self, condition: Condition) -> None:
        self._delete(models.FilterSelector(filter=self._chosen(condition)))

    def clear(self) -> None:
        # an empty filter would select everything too; this one says so
        everything = models.Filter(must_not=[models.HasIdCondition(has_id=[NOBODY])])
        self._delete(models.FilterSelector(filter=everything))

    def _delete(self, selector: models.PointIdsList | models.FilterSelector) -> None:
        with self._writing():
            self.client.delete(self.info.name, selector, wait=True, ordering=_ORDERING)

    def present(self, ids: Sequence[str]) -> list[str]:
        with _Reading(self):
            found = self.client.retrieve(self.info.name, list(ids), with_payload=False, with_vectors=False)
        return [str(point.id) for point in found]

    def retrieve(self, ids: Sequence[str], fields: Fields) -> Found:
        with _Reading(self) as seen:
            found = self.client.retrieve(
                self.info.name, list(ids), with_payload=_payload(fields), with_vectors=self._vectors(fields)
            )
            seen += [point.payload for point in found]
        return self._columns(found, fields)

    def nearest(
        self,
        vectors: Column,
        k: int,
        condition: Condition | None,
        fields: Fields,
        *,
        field: str,
        exact: bool,
        ef: int | None,
    ) -> list[Found]:
        chosen = None if condition is None else self._chosen(condition)
        wanted, read, using = _payload(fields), self._vectors(fields), vector_name(self.info, field) or None
        settings = None if self.local else self._settings(field, condition, exact=exact, ef=ef)
        asked = [_query(vector) for vector in vectors]
        with _Reading(self) as seen:
            if self.local or len(asked) == 1:  # a batch is copied number by number before it is sent
                answers = [
                    self.client.query_points(
                        self.info.name,
                        query,
                        using=using,
                        query_filter=chosen,
                        search_params=settings,
                        limit=k,
                        with_payload=wanted,
                        with_vectors=read,
                    )
                    for query in asked
                ]
            else:
                requests = [
                    models.QueryRequest(
                        query=query,
                        using=using,
                        limit=k,
                        filter=chosen,
                        params=settings,
                        with_payload=wanted,
                        with_vector=read,
                    )
                    for query in asked
                ]
                answers = self.client.query_batch_points(self.info.name, requests)
            seen += [point.payload for answer in answers for point in answer.points]
        return [self._columns(answer.points, fields, [point.score for point in answer.points]) for answer in answers]

    def _settings(self, name: str, condition: Condition | None, *, exact: bool, ef: int | None) -> models.SearchParams:
        own = self.info.field(name)
        index = own.index if isinstance(own, Dense) else None
        return search_params(index, exact=exact, ef=ef, tenant=is_of_one_tenant(condition))

    def scroll(self, condition: Condition | None, limit: int, start: str | None, fields: Fields) -> tuple[Found, str]:
        chosen = None if condition is None else self._chosen(condition)
        with _Reading(self) as seen:
            found, _ = self.client.scroll(
                self.info.name,
                scroll_filter=chosen,
                limit=limit,
                offset=start,
                with_payload=_payload(fields),
                with_vectors=self._vectors(fields),
            )
            seen += [point.payload for point in found]
        return self._columns(found, fields), str(found[-1].id) if found else ""

    def count(self, condition: Condition | None) -> int:
        chosen = None if condition is None else self._chosen(condition)
        with _Reading(self):
            return (self.client.count(self.info.name, count_filter=chosen, exact=True)).count

    def _vectors(self, fields: Fields) -> bool | list[str]:
        if not self.info.fields or not fields.vectors:
            return bool(fields.vectors)
        return [vector_name(self.info, name) for name in fields.vectors]

    def _columns(self, points: Sequence[Any], fields: Fields, scores: list[float] | None = None) -> Found:
        vectors = read_columns(self.info, fields.vectors, (point.vector for point in points))
        return Found([point.payload for point in points], vectors, scores or [])


class _Reading:
    """Around one read; takes the payloads of the points that were found. A generator would take twice the calls."""

    __slots__ = ("_found", "_guard", "_table")

    def __init__(self, table: ClientTable) -> None:
        self._table = table
        self._guard = table.guard()
        self._found: list[Payload | None] = []

    def __enter__(self) -> list[Payload | None]:
        self._guard.__enter__()
        return self._found

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if error is None:
                self._table._prove(self._found)
                return
            try:
                with guarded():
                    raise error
            except BackendError:  # one of another dimension refuses the vectors
                self._table._check()
                raise
        finally:
            self._guard.__exit__(None, None, None)


def _translated(condition: Condition) -> tuple[models.Filter, list[str]]:
    return client_filter(condition), sorted(compared_fields(condition))


def _payload(fields: Fields) -> list[str]:
    return [*fields.payload, CREATION]


def _sparse(indices: list[int], values: list[float]) -> models.SparseVector:
    return models.SparseVector.model_construct(indices=indices, values=values)


def _query(vector: VectorArray | SparseVector) -> list[float] | models.SparseVector:
    if isinstance(vector, SparseVector):
        return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
    numbers: list[float] = vector.tolist()
    return numbers
