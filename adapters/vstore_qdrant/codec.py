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
``norms``       the same of the named fields, by name
``terms``       what equality, ``in_`` and ``contains`` ask for, as keywords; for ``exists``, what is no number;
                beside a lean shadow the key of every value that is there
``high``        the upper bits of every number, in the same order; ``exists`` asks for it too
``low``         the lower bits, where they are not 0
``creation``    the stamp of the collection that the point was written to, by a client
==============  ====================================================================================

Qdrant's own conditions cannot keep the contract's meaning on the metadata itself: they match any element
of a list as they match a scalar, have no equality of floats, tell 1 from 1.0, and compare numbers in
float64 after a parser (serde_json's) that is off by one in the last place for one double in five
(measured on qdrant-edge 0.9). One keyword field also takes one payload index that serves every key.

A full shadow (``terms``, ``high``, ``low``) has every value. A lean one has only those that Qdrant's conditions do not
tell from all others (``filter_fields.is_plain``): lists, datetimes, numbers from 2**53 on, floats that its parser reads
wrong. All else is asked of the metadata itself. The engine's collections have a lean one, unless an earlier version
made them: two thirds of the time that its binding takes for a payload went into a full one. With a client it is full:
local mode compares as Python does, to which True is 1, and a server reads the bounds of a range by the same parser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha1
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np

from vstore.columns import dense, take_rows
from vstore.errors import InvalidInput, brief
from vstore.fields import Dense
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.metadata import micros
from vstore.records import Include, Metadata, Records
from vstore.spi.codec import from_json, to_json
from vstore_qdrant.filter_fields import halves, is_plain, survives, value_text
from vstore_qdrant.vectors import Columns, columns_of, included, kept, restored, value_counts

__all__ = [
    "CREATION",
    "NOBODY",
    "Fields",
    "Found",
    "Payload",
    "Points",
    "changed",
    "decode_metadata",
    "encode_payload",
    "fields",
    "lengths_of",
    "merged",
    "next_point_id",
    "point_id",
    "split",
    "to_points",
    "to_records",
    "weights",
]

Payload: TypeAlias = dict[str, Any]

# uuid5's own construction over a namespace of this adapter: 122 bits of SHA-1, so that among 10**12 ids
# the odds that any two meet are below 10**-12
_NAMESPACE: Final = bytes.fromhex("5c1f3c0e8a6b5b0f9d4e7a21c36f80d2")
# the id of no point: all but it are all points
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
CREATION: Final = "creation"
_POINT_BYTES: Final = 96  # about those of its id and its stamp
# a float32 as Python writes it, widened to float64, with its comma
_JSON_FLOAT_BYTES: Final = 24


def point_id(record_id: str) -> str:
    """Return the UUID under which a record is kept."""
    text = sha1(_NAMESPACE + record_id.encode()).hexdigest()  # noqa: S324  # an identifier, not a signature
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:32]}"


def next_point_id(cursor: str) -> str:
    """Return the first id after that of a page's last point."""
    try:
        return str(UUID(int=UUID(cursor).int + 1))
    except ValueError as error:
        raise InvalidInput(f"{brief(cursor)} is where no page ends", hint="Pass the cursor of a Page.") from error


class _Encoder:
    """Walks one record's metadata."""

    __slots__ = ("inexact", "lean", "terms")

    def __init__(self, *, lean: bool) -> None:
        self.terms: list[str] = []
        self.inexact = False
        self.lean = lean

    def walk(self, metadata: Mapping[str, Any], prefix: str, high: Payload, low: Payload) -> tuple[Payload, Payload]:
        """Return a dict as plain JSON, and those of its values that this does not keep exactly."""
        plain: Payload = {}
        exact: Payload = {}
        for key, value in metadata.items():
            if self.lean and is_plain(value):
                plain[key] = value
                continue
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
                if kind is str or self.lean:
                    self.terms.append(name)
                if kind is not str and kind is not bool:
                    high[key], rest = halves(micros(value) if kind is datetime else value)
                    if rest:
                        low[key] = rest
            if self.inexact:
                exact[key] = value
        return plain, exact

    def _scalar(self, value: Any) -> Any:
        if type(value) is float:
            if not survives(value):
                self.inexact = True
        elif type(value) is datetime:
            self.inexact = True
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return value


def encode_payload(
    record_id: str,
    document: str | None,
    metadata: Mapping[str, Any],
    lengths: Mapping[str, float],
    *,
    lean: bool = False,
) -> Payload:
    """Return one point's payload; ``lengths`` are those of its vectors, by field; ``lean`` is which shadow it has."""
    encoder = _Encoder(lean=lean)
    high: Payload = {}
    low: Payload = {}
    plain, exact = encoder.walk(metadata, "", high, low)
    payload: Payload = {"id": record_id, "metadata": plain}
    if encoder.terms:
        payload["terms"] = encoder.terms
    if document is not None:
        payload["document"] = document
    if exact:
        payload["exact"] = to_json(exact)
    if "" in lengths:
        payload["norm"] = lengths[""]
    if norms := {name: length for name, length in lengths.items() if name}:
        payload["norms"] = norms
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


def lengths_of(payload: Payload) -> dict[str, float]:
    """Return the lengths of a point's vectors by field, as far as they are kept."""
    unnamed: dict[str, float] = {"": payload["norm"]} if "norm" in payload else {}
    return {**unnamed, **payload.get("norms", {})}


def merged(old: Metadata, changes: Mapping[str, Any]) -> Metadata:
    """Return metadata after an update: key by key, a value of None removes its key."""
    return {key: value for key, value in {**old, **changes}.items() if value is not None}


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Columns of one write.

    Attributes:
        ids: UUIDs.
        vectors: As Qdrant is to keep them; a field that is not there is absent in all points.
        payloads: One a point.
    """

    ids: list[str]
    vectors: Columns
    payloads: list[Payload]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice) -> Points:
        vectors = {name: column[rows] for name, column in self.vectors.items()}
        return Points(self.ids[rows], vectors, self.payloads[rows])

    @property
    def numbers(self) -> list[int]:
        """How many numbers the vectors of each point have."""
        counts: list[int] = value_counts(self.vectors, len(self)).tolist()
        return counts


def to_points(records: Records, ids: list[str], info: CollectionInfo, *, lean: bool = False) -> Points:
    """Return whole records as points of these ids, with a lean shadow or a full one."""
    vectors, lengths = kept(info, columns_of(records), len(records))
    documents = records.documents or [None] * len(records)
    metadatas = records.metadatas or [{}] * len(records)
    return Points(
        ids,
        vectors,
        [
            encode_payload(i, document, metadata, known, lean=lean)
            for i, document, metadata, known in zip(records.ids, documents, metadatas, lengths, strict=True)
        ],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """What of a point to read. It is made once for many reads, and by being the same it tells that they are alike.

    Attributes:
        payload: Names in the payload.
        vectors: Fields whose vectors, the empty name for the one without.
    """

    payload: tuple[str, ...]
    vectors: tuple[str, ...]


def fields(include: Include, info: CollectionInfo) -> Fields:
    """Return what to read for the columns of ``include``."""
    names = ["id"]
    if include.documents:
        names.append("document")
    if include.metadatas:
        names += ("metadata", "exact")
    if include.vectors and info.metric is Metric.COSINE:
        names.append("norm")
    if any(_is_unit(info, name) for name in include.fields):
        names.append("norms")
    return Fields(tuple(names), included(include))


def _is_unit(info: CollectionInfo, name: str) -> bool:
    """Return whether Qdrant keeps unit vectors of a field."""
    field = info.field(name)
    return isinstance(field, Dense) and field.metric is Metric.COSINE


@dataclass(slots=True, eq=False)
class Found:
    """Columns of one read.

    Attributes:
        payloads: One a point.
        vectors: Those that were read, by field.
        scores: Qdrant's scores, of a query.
    """

    payloads: list[Payload]
    vectors: Columns
    scores: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.payloads)

    def take(self, places: Sequence[int], include: Include) -> Found:
        """Return the points at ``places``, in that order, without scores; of the vectors only what ``include`` has."""
        rows = np.array(places, dtype=np.intp)
        vectors = {name: take_rows(self.vectors[name], rows) for name in included(include)}
        return Found([self.payloads[place] for place in places], vectors)


def to_records(found: Found, include: Include, info: CollectionInfo) -> Records:
    """Return points as records with exactly the columns of ``include``; their vectors were read if it has them."""
    payloads = found.payloads
    vectors, columns = None, {}
    if found.vectors:
        columns = {name: found.vectors[name] for name in included(include)}
        for name in columns:
            if _is_unit(info, name):
                lengths = [lengths_of(payload).get(name, 1.0) for payload in payloads]
                columns[name] = restored(dense(columns[name]), lengths)
        if "" in columns:
            vectors = dense(columns.pop(""))
    return Records(
        [payload["id"] for payload in payloads],
        vectors,
        [payload.get("document") for payload in payloads] if include.documents else None,
        [decode_metadata(one) if "exact" in one else one["metadata"] for one in payloads]
        if include.metadatas
        else None,
        columns,
    )


def changed(
    old: Payload,
    changes: Records,
    place: int,
    *,
    replace_metadata: bool,
    lengths: Mapping[str, float],
    lean: bool = False,
) -> Payload:
    """Return the payload of one point after an update.

    Args:
        old: Its payload without the terms and numbers, which are made anew.
        changes: The columns of the update.
        place: Which row of them.
        replace_metadata: Whether metadata replaces instead of merging.
        lengths: Those of the new vectors, by field; where there is no new one, the old one stays.
        lean: Whether its shadow is a lean one.
    """
    metadata = decode_metadata(old)
    if changes.metadatas is not None:
        metadata = merged({} if replace_metadata else metadata, changes.metadatas[place])
    document = old.get("document") if changes.documents is None else changes.documents[place]
    given = columns_of(changes)
    stay = {name: length for name, length in lengths_of(old).items() if name not in given}
    return encode_payload(old["id"], document, metadata, stay | dict(lengths), lean=lean)


def weights(points: Points) -> list[int]:
    """Return about how many bytes each point has as JSON."""
    return [
        _POINT_BYTES + _JSON_FLOAT_BYTES * numbers + len(json.dumps(payload))
        for numbers, payload in zip(points.numbers, points.payloads, strict=True)
    ]


def split(sizes: Sequence[int], most: int) -> list[slice]:
    """Return parts whose sizes add up to at most ``most``, each of one row at least."""
    parts: list[slice] = []
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and total + size > most:
            parts.append(slice(start, place))
            start, total = place, 0
        total += size
    parts.append(slice(start, len(sizes)))
    return parts
