"""The guarantees of vstore on Qdrant's engine, written by hand."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from math import isfinite
from pathlib import Path
from struct import Struct, pack, unpack
from threading import RLock
from typing import Any
from uuid import NAMESPACE_URL, UUID

import numpy as np
import qdrant_edge as edge
from raw_qdrant_edge import RawQdrantEdge

from vstore import Records

__all__ = ["ExactQdrantEdge", "payload_of", "point_id_of", "record_of"]

_BARE = edge.PayloadSelector.Include(["id"])
_NAMESPACE = NAMESPACE_URL.bytes
_KEY = re.compile(r'[\x00-\x1f\x7f"\\]|^(_vs|[$#])')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ExactQdrantEdge(RawQdrantEdge):
    """The same with the guarantees of vstore, by hand, for the records of this benchmark alone: four keys, l2, k = 10.

    - Filters are two-valued and strict in type (FLT-2 to FLT-5). Qdrant's range is true of a list with such an element,
      and its parser reads some floats wrong. So ``odd`` names the keys of such values, and of datetimes, texts in JSON,
      under an index of its own; ``high`` has the upper bits of those that are numbers, which decide against an
      int below 2**52. Where no record has the term, which is counted once and followed by every write, the range
      alone decides.
    - Metadata come back equal (META-2): ``exact`` has as text what JSON would change.
    - An add of an id that exists is refused, and nothing written (ADD-1): the ids are looked for first, under the lock
      that every write holds.
    - All is checked before anything is written: ids, vectors, documents, metadata (ID-1, ID-2, VEC-1, META-1, DOC-1).
    - Hits have a distance and a score (MET-1, MET-2), and come by distance, then id (QRY-2). Where fewer than k come,
      the matches are counted, and the exact search is asked (QRY-4). Near zero, where float32 takes all for one
      (MET-3), distances are computed from the vectors.
    - A scan goes on from an id, whatever is written meanwhile (SCAN-1), and holds one page.
    - One thread at a time is in a shard that may be closed (CON-1), none in a forked child (CON-3), and errors are
      the store's own (ERR-1).
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        super().__init__(folder, dimension)
        self._dimensions = {"": dimension}
        self._process = os.getpid()
        self._lock = RLock()
        self._unused: set[str] = set()
        self._unflushed = 0

    def create(self, name: str) -> None:
        super().create(name)
        self._unused.clear()
        self._unflushed = 0
        for field, kind in (
            ("odd", edge.PayloadSchemaType.Keyword),
            ("metadata.year", edge.PayloadSchemaType.Float),
            ("high.year", edge.PayloadSchemaType.Float),
        ):
            self._shard.update(edge.UpdateOperation.create_field_index(field, kind))

    @contextmanager
    def _using(self) -> Iterator[Any]:
        if os.getpid() != self._process:
            raise RuntimeError("a store belongs to the process that connected")
        with self._lock:
            if self._shard is None:
                raise RuntimeError("the store was closed")
            try:
                yield self._shard
            except (ValueError, RuntimeError):
                raise
            except Exception as error:  # the engine's own have no class
                raise RuntimeError(f"the engine refused: {error}") from error

    def ingest(self, records: Records) -> None:
        vectors, points = self._checked(records), [point_id_of(one) for one in records.ids]
        size = max(1, 200_000 // self._dimension)  # the engine holds the interpreter's lock during a call
        with self._using() as shard:
            for start in range(0, len(points), 1000):
                if taken := shard.retrieve(points[start : start + 1000], True, False):
                    raise ValueError(f"it exists: {taken[0].payload['id']!r}")
            for start in range(0, len(points), size):
                rows = slice(start, start + size)
                payloads = [
                    payload_of(*one)
                    for one in zip(
                        records.ids[rows],
                        (records.documents or ())[rows],
                        (records.metadatas or ())[rows],
                        strict=True,
                    )
                ]
                self._unused -= {key for payload in payloads for key in payload.get("odd", ())}
                made = [
                    edge.Point(id=one, vector=vector.tolist(), payload=payload)
                    for one, vector, payload in zip(points[rows], vectors[rows], payloads, strict=True)
                ]
                shard.update(edge.UpdateOperation.upsert_points(made))
                self._unflushed += len(made)
                if self._unflushed >= 10_000:
                    shard.flush()
                    self._unflushed = 0

    def _checked(self, records: Records) -> np.ndarray:
        vectors = np.asarray(records.vectors)
        if vectors.shape != (len(records.ids), self._dimension) or vectors.dtype.kind not in "fiu":
            raise ValueError("not numbers of the shape (n, dimension)")
        vectors = vectors.astype(np.float32, copy=False)
        squares = np.einsum("ij,ij->i", vectors, vectors)
        if not (squares <= 1e30).all():  # NaN is not either
            raise ValueError("a component is not finite, or a vector longer than 1e15")
        if len(set(records.ids)) < len(records.ids):
            raise ValueError("an id comes twice")
        for one in records.ids:
            if type(one) is not str or not 1 <= len(one.encode()) <= 512 or "\0" in one:
                raise ValueError(f"not an id: {one!r}")
        for text in records.documents or ():
            if text is not None and (type(text) is not str or "\0" in text or len(text.encode()) > 65_535):
                raise ValueError("not a document")
        for metadata in records.metadatas or ():
            _check_metadata(metadata)
        return vectors

    def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        with self._using():
            return self._query(vector, k, self._since(2010))

    def _since(self, year: int) -> Any:
        own = edge.FieldCondition(key="metadata.year", range=edge.RangeFloat(gte=year))
        odd = edge.FieldCondition(key="odd", match=edge.MatchValue("year"))
        if "year" not in self._unused:
            if self._shard.count(edge.CountRequest(exact=True, filter=edge.Filter(must=[odd]))):
                high = edge.FieldCondition(key="high.year", range=edge.RangeFloat(gte=_upper(year)))
                return edge.Filter(should=[edge.Filter(must=[own], must_not=[odd]), high])
            self._unused.add("year")
        return edge.Filter(must=[own])

    def _query(self, vector: np.ndarray, k: int, chosen: Any, field: str = "", *, bare: bool = False) -> Any:
        asked = np.asarray(vector)
        dimension = self._dimensions[field]
        if asked.shape != (dimension,) or asked.dtype.kind not in "fiu" or not 1 <= k <= 10_000:
            raise ValueError("not numbers of the shape (dimension,), or not a number of hits")
        asked = asked.astype(np.float32, copy=False)
        size = float(np.dot(asked, asked))
        if not size <= 1e30:
            raise ValueError("a component is not finite, or a vector longer than 1e15")
        if size < 1e-24:
            return self._compared(asked, k, chosen, field)
        hits = self._nearest(asked, k, chosen, field, bare=bare, exact=False)
        if len(hits) < k:
            with self._using() as shard:
                matches = shard.count(edge.CountRequest(exact=True, filter=chosen))
            if len(hits) < min(k, matches):
                return self._nearest(asked, k, chosen, field, bare=bare, exact=True)
        return hits

    def _nearest(self, asked: np.ndarray, k: int, chosen: Any, field: str, *, bare: bool, exact: bool) -> Any:
        params = (
            edge.SearchParams(exact=True) if exact else edge.SearchParams(acorn=edge.AcornSearchParams(enable=True))
        )
        request = edge.SearchRequest(
            edge.Query.Nearest(asked.tolist(), field or None),
            limit=k,
            filter=chosen,
            with_payload=_BARE if bare else True,
            params=params,
        )
        with self._using() as shard:
            found = shard.search(request)
        if bare:
            hits = [(hit.payload["id"], hit.score, -hit.score) for hit in found]
        else:
            hits = [(record_of(hit.payload), hit.score, -hit.score) for hit in found]
        distances = [distance for _, distance, _ in hits]
        if len(set(distances)) < len(distances) or distances != sorted(distances):
            hits.sort(key=lambda hit: (hit[1], hit[0] if bare else hit[0][0]))
        return hits

    def _compared(self, asked: np.ndarray, k: int, chosen: Any, field: str) -> Any:
        hits: list[Any] = []
        for records, vectors in self._pages(chosen, field):
            away = vectors.astype(np.float64) - asked
            distances = np.sqrt(np.einsum("ij,ij->i", away, away)).tolist()
            hits += [(record, distance, -distance) for record, distance in zip(records, distances, strict=True)]
            hits = sorted(hits, key=lambda hit: (hit[1], hit[0][0]))[:k]
        return hits

    def scan(self) -> int:
        return sum(len(records) for records, _ in self._pages(None))

    def _pages(self, chosen: Any, field: str = "") -> Iterator[tuple[list[Any], np.ndarray]]:
        after = None
        dimension = self._dimensions[field]
        packed_row = Struct(f"{dimension}f").pack
        while True:
            request = edge.ScrollRequest(
                offset=after, limit=1000, filter=chosen, with_payload=True, with_vector=[field] if field else True
            )
            with self._using() as shard:
                page, _ = shard.scroll(request)
            if not page:
                return
            packed = bytearray().join([packed_row(*(point.vector[field] if field else point.vector)) for point in page])
            yield (
                [record_of(point.payload) for point in page],
                np.frombuffer(packed, dtype=np.float32).reshape(-1, dimension),
            )
            after = str(UUID(int=UUID(str(page[-1].id)).int + 1))

    def drop(self, name: str) -> None:
        with self._using() as shard:
            self._shard = None
            shard.flush()
            shard.close()


def point_id_of(record_id: str) -> str:
    """Return the UUID of a record."""
    # uuid5 itself takes three times as long
    text = sha1(_NAMESPACE + record_id.encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:32]}"


def _check_metadata(metadata: dict[str, Any]) -> None:
    for key, value in metadata.items():
        if type(key) is not str or not 1 <= len(key.encode()) <= 255 or _KEY.search(key):
            raise ValueError(f"not a key: {key!r}")
        for one in value if type(value) is list else (value,):
            kind = type(one)
            if kind is str:
                if "\0" in one:
                    raise ValueError("a text has a NUL")
                one.encode()  # refuses half of a surrogate pair
            elif kind is int:
                if not -(1 << 63) <= one < 1 << 63:
                    raise ValueError("an int of more than 64 bits")
            elif kind is float:
                if not isfinite(one):
                    raise ValueError("a float that is not finite")
            elif kind is not bool and (kind is not datetime or one.tzinfo is None):
                raise ValueError(f"not a value: {one!r}")
    if len(json.dumps(metadata, default=str)) > 32_768:
        raise ValueError("metadata of more than 32 KB")


def payload_of(record_id: str, document: str | None, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of a record beside its vectors."""
    payload: dict[str, Any] = {"id": record_id, "metadata": metadata}
    if document is not None:
        payload["document"] = document
    odd = [key for key, value in metadata.items() if not _is_plain(value)]
    if odd:
        values = {key: metadata[key] for key in odd}
        numbers = {key: _number(value) for key, value in values.items() if type(value) is not list}
        payload |= {
            "metadata": {key: str(value) if type(value) is datetime else value for key, value in metadata.items()},
            "odd": odd,
            "exact": json.dumps(values, default=lambda moment: {"moment": moment.astimezone(UTC).isoformat()}),
            "high": {key: _upper(number) for key, number in numbers.items()},
        }
    return payload


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool:
        return True
    if kind is int:
        return -(1 << 53) < value < 1 << 53
    # the engine's parser reads 15 digits right
    return kind is float and (value == 0.0 or 1e-7 < abs(value) < 1e15) and float(f"{value:.15g}") == value


def _number(value: Any) -> float:
    return (value - _EPOCH) // timedelta(microseconds=1) if type(value) is datetime else value


def _upper(number: float) -> int:
    bits = unpack("<q", pack("<d", float(number)))[0]
    return (bits if bits >= 0 else -(bits & (1 << 63) - 1)) >> 12


def record_of(payload: dict[str, Any]) -> tuple[str, str | None, dict[str, Any]]:
    """Return the id, document and metadata of what is stored."""
    metadata = payload["metadata"]
    if "exact" in payload:
        metadata.update(json.loads(payload["exact"], object_hook=_moment))
    return payload["id"], payload.get("document"), metadata


def _moment(found: dict[str, Any]) -> Any:
    return datetime.fromisoformat(found["moment"]) if "moment" in found else found
