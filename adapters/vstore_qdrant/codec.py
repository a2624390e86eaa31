"""Records to and from points of Qdrant: pure.

A point's payload has names of our own only, and the user's metadata in one of them:

==============  ====================================================================================
``id``          the record's id; the point's own is a UUID made of it (``point_id``)
``document``    the document; missing where there is none
``metadata``    the metadata as plain JSON, for other clients to read and filter
``exact``       JSON text of those of its values that plain JSON does not bring back: datetimes, and
                floats that Qdrant's JSON parser rounds wrong
``norm``        under cosine and dot, the vector's length: Qdrant keeps the unit vector only, and is the less sure of a
                product the longer the vector
``terms``       what equality, ``in_`` and ``contains`` ask for, as keywords; for ``exists``, what is no number
``high``        the upper bits of every number, in the same order; ``exists`` asks for it too
``low``         the lower bits, where they are not 0
==============  ====================================================================================

Qdrant's own conditions cannot keep the contract's meaning on the metadata itself: they match any element
of a list as they match a scalar, have no equality of floats, tell 1 from 1.0, and compare numbers in
float64 after a parser (serde_json's) that is off by one in the last place for one double in five
(measured on qdrant-edge 0.9). One keyword field also takes one payload index that serves every key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1
from itertools import chain
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from vstore.errors import InvalidInput, brief
from vstore.indexing import Metric
from vstore.metadata import micros
from vstore.records import Include, Metadata, Records, VectorArray
from vstore.spi.codec import from_json, to_json
from vstore_qdrant.filter_fields import halves, value_text

__all__ = [
    "Fields",
    "Found",
    "Payload",
    "Points",
    "changed",
    "decode_metadata",
    "encode_payload",
    "fields",
    "kept",
    "merged",
    "next_point_id",
    "point_id",
    "split",
    "stacked",
    "to_points",
    "to_records",
    "units",
]

Payload: TypeAlias = dict[str, Any]

# uuid5's own construction over a namespace of this adapter: 122 bits of SHA-1, so that among 10**12 ids
# the odds that any two meet are below 10**-12
_NAMESPACE: Final = bytes.fromhex("5c1f3c0e8a6b5b0f9d4e7a21c36f80d2")
# a float32 as Python writes it, widened to float64, with its comma
_JSON_FLOAT_BYTES: Final = 24
# Servers write a float32 in its shortest form. Read as float64 and rounded, one alone of all of them comes out wrong:
# its text is nearer to it than to the next, and its float64 half-way between them
_HALFWAY: Final = 7.038531e-26


def point_id(record_id: str) -> str:
    """Return the UUID under which a record is kept."""
    text = sha1(_NAMESPACE + record_id.encode()).hexdigest()  # noqa: S324  # an identifier, not a signature
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:32]}"


def _survives(value: float) -> bool:
    """Return whether serde_json's fast parser reads a float back: at most 15 digits and no far exponent.

    It counts every digit, and those of 4e15 are 17: ``4000000000000000.0``. From 1e16 on they are ``1e16``.
    """
    size = abs(value)
    return value == 0.0 or ((1e-7 < size < 1e15 or 1e16 <= size < 1e22) and float(f"{value:.15g}") == value)


def next_point_id(cursor: str) -> str:
    """Return the first id after that of a page's last point."""
    try:
        return str(UUID(int=UUID(cursor).int + 1))
    except ValueError as error:
        raise InvalidInput(f"{brief(cursor)} is where no page ends", hint="Pass the cursor of a Page.") from error


class _Encoder:
    """Walks one record's metadata."""

    __slots__ = ("inexact", "terms")

    def __init__(self) -> None:
        self.terms: list[str] = []
        self.inexact = False

    def walk(self, metadata: Mapping[str, Any], prefix: str, high: Payload, low: Payload) -> tuple[Payload, Payload]:
        """Return a dict as plain JSON, and those of its values that this does not keep exactly."""
        plain: Payload = {}
        exact: Payload = {}
        for key, value in metadata.items():
            name = prefix + key
            kind = type(value)
            self.inexact = False
            if kind is list:
                plain[key] = [self._scalar(element) for element in value]
                self.terms.append(name)
                self.terms += dict.fromkeys([f'{name}"["{value_text(element)}' for element in value])
            elif kind is dict:
                self.terms.append(name)
                inner_high: Payload = {}
                inner_low: Payload = {}
                plain[key], inner = self.walk(value, name + "\\", inner_high, inner_low)
                self.inexact = bool(inner)
                if inner_high:
                    high[key] = inner_high
                if inner_low:
                    low[key] = inner_low
            else:
                plain[key] = self._scalar(value)
                self.terms.append(f'{name}"{value_text(value)}')
                if kind is str:
                    self.terms.append(name)
                elif kind is not bool:
                    high[key], rest = halves(micros(value) if kind is datetime else value)
                    if rest:
                        low[key] = rest
            if self.inexact:
                exact[key] = value
        return plain, exact

    def _scalar(self, value: Any) -> Any:
        if type(value) is float:
            if not _survives(value):
                self.inexact = True
        elif type(value) is datetime:
            self.inexact = True
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return value


def encode_payload(record_id: str, document: str | None, metadata: Mapping[str, Any], norm: float | None) -> Payload:
    """Return one point's payload."""
    encoder = _Encoder()
    high: Payload = {}
    low: Payload = {}
    plain, exact = encoder.walk(metadata, "", high, low)
    payload: Payload = {"id": record_id, "metadata": plain, "terms": encoder.terms}
    if document is not None:
        payload["document"] = document
    if exact:
        payload["exact"] = to_json(exact)
    if norm is not None:
        payload["norm"] = norm
    if high:
        payload["high"] = high
    if low:
        payload["low"] = low
    return payload


def decode_metadata(payload: Payload) -> Metadata:
    """Return the metadata of a payload, equal to what was written."""
    metadata: Metadata = payload["metadata"]
    if "exact" in payload:
        metadata.update(from_json(payload["exact"]))
    return metadata


def merged(old: Metadata, changes: Mapping[str, Any]) -> Metadata:
    """Return metadata after an update: key by key, a value of None removes its key."""
    return {key: value for key, value in {**old, **changes}.items() if value is not None}


def units(vectors: VectorArray) -> VectorArray:
    """Return unit vectors, by way of float64: Qdrant's float32 loses very small and very large vectors."""
    wide = vectors.astype(np.float64)
    return (wide / _lengths(wide)[:, None]).astype(np.float32)


def _lengths(wide: NDArray[np.float64]) -> NDArray[np.float64]:
    norms: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return norms


def kept(vectors: VectorArray, metric: Metric) -> tuple[VectorArray, Sequence[float | None]]:
    """Return vectors as Qdrant is to keep them, and the ``norm`` of each."""
    if metric is Metric.L2:
        return vectors, [None] * len(vectors)
    norms = _lengths(vectors.astype(np.float64)).tolist()
    return (units(vectors) if metric is Metric.COSINE else vectors), norms


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Columns of one write.

    Attributes:
        ids: UUIDs.
        vectors: float32 of shape (n, d), as Qdrant is to keep them.
        payloads: One a point.
    """

    ids: list[str]
    vectors: VectorArray
    payloads: list[Payload]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice) -> Points:
        return Points(self.ids[rows], self.vectors[rows], self.payloads[rows])


def to_points(records: Records, ids: list[str], metric: Metric) -> Points:
    """Return whole records, which have vectors, as points of these ids."""
    assert records.vectors is not None
    vectors, norms = kept(records.vectors, metric)
    documents = records.documents or [None] * len(records)
    metadatas = records.metadatas or [{}] * len(records)
    return Points(
        ids,
        vectors,
        [
            encode_payload(i, document, metadata, norm)
            for i, document, metadata, norm in zip(records.ids, documents, metadatas, norms, strict=True)
        ],
    )


@dataclass(frozen=True, slots=True)
class Fields:
    """What of a point to read.

    Attributes:
        payload: Names in the payload.
        vectors: Whether the vectors.
    """

    payload: tuple[str, ...]
    vectors: bool


def fields(include: Include, metric: Metric) -> Fields:
    """Return what to read for the columns of ``include``."""
    names = ["id"]
    if include.documents:
        names.append("document")
    if include.metadatas:
        names += ("metadata", "exact")
    if include.vectors and metric is Metric.COSINE:
        names.append("norm")
    return Fields(tuple(names), include.vectors)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Columns of one read.

    Attributes:
        payloads: One a point.
        vectors: Shape (n, d), or None where none were read.
        scores: Qdrant's scores of a query, or None.
    """

    payloads: list[Payload]
    vectors: VectorArray | None = None
    scores: list[float] | None = None

    def __len__(self) -> int:
        return len(self.payloads)


def stacked(vectors: Iterable[Sequence[float]], count: int, dimension: int) -> VectorArray:
    """Return vectors under each other. They come one by one, so that not all of them are Python's numbers at once."""
    wide = np.fromiter(chain.from_iterable(vectors), dtype=np.float64, count=count * dimension)
    numbers = wide.astype(np.float32)
    if len(odd := np.flatnonzero(np.abs(wide) == _HALFWAY)):
        numbers[odd] = np.copysign(np.nextafter(np.float32(_HALFWAY), np.float32(0)), wide[odd])
    return numbers.reshape(count, dimension)


def to_records(found: Found, include: Include, metric: Metric) -> Records:
    """Return points as records with exactly the columns of ``include``; their vectors were read if it has them."""
    payloads = found.payloads
    vectors: VectorArray | None = None
    if include.vectors:
        assert found.vectors is not None
        vectors = found.vectors
        if metric is Metric.COSINE:
            norms = np.array([payload["norm"] for payload in payloads], dtype=np.float64).reshape(-1, 1)
            vectors = (vectors.astype(np.float64) * norms).astype(np.float32)
    return Records(
        [payload["id"] for payload in payloads],
        vectors,
        [payload.get("document") for payload in payloads] if include.documents else None,
        [decode_metadata(payload) for payload in payloads] if include.metadatas else None,
    )


def changed(old: Payload, changes: Records, place: int, *, replace_metadata: bool, norm: float | None) -> Payload:
    """Return the payload of one point after an update.

    Args:
        old: Its payload without the terms and numbers, which are made anew.
        changes: The columns of the update.
        place: Which row of them.
        replace_metadata: Whether metadata replaces instead of merging.
        norm: That of a new vector; None where the old one stays.
    """
    metadata = decode_metadata(old)
    if changes.metadatas is not None:
        metadata = merged({} if replace_metadata else metadata, changes.metadatas[place])
    document = old.get("document") if changes.documents is None else changes.documents[place]
    return encode_payload(old["id"], document, metadata, old.get("norm") if norm is None else norm)


def split(payloads: Sequence[Payload], dimension: int, max_bytes: int) -> list[slice]:
    """Return parts of at most ``max_bytes`` bytes as JSON, each of one row at least."""
    parts: list[slice] = []
    start = weight = 0
    fixed = 64 + _JSON_FLOAT_BYTES * dimension
    for place, payload in enumerate(payloads):
        size = fixed + len(json.dumps(payload))
        if place > start and weight + size > max_bytes:
            parts.append(slice(start, place))
            start, weight = place, 0
        weight += size
    parts.append(slice(start, len(payloads)))
    return parts
