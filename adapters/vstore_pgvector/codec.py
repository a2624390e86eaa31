"""Records to and from PostgreSQL's binary forms, whole columns at a time.

A batch travels as one array a column, so that one statement of fixed text writes any number of rows in one
round trip; measured as fast as ``COPY … (format binary)`` into a temporary table, without the table.

Metadata is jsonb. Its numbers are decimals, so a float is written such that the decimal has the float's
exact place among all numbers, and a point or exponent that keeps it a float. A datetime is the int of its
microseconds; ``moments`` says, in the shape of the metadata, which values are datetimes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import Any, Final

import numpy as np

from vstore.metadata import micros
from vstore.records import Include, Metadata, Records, VectorArray
from vstore.spi.codec import from_micros

__all__ = [
    "COPY_END",
    "COPY_START",
    "Encoded",
    "Packed",
    "copy_rows",
    "decode",
    "decode_metadata",
    "decode_vectors",
    "encode",
    "json_array",
    "json_text",
    "pack_texts",
    "pack_vector",
    "pack_vectors",
]

TEXT_OID: Final = 25
JSONB_OID: Final = 3802
_INT: Final = Struct("!i")
_ARRAY: Final = Struct("!iiIii")
_VECTOR: Final = Struct("!hh")
_NULL: Final = b"\xff\xff\xff\xff"
_JSONB_VERSION: Final = b"\x01"
# What precedes and follows the rows of COPY … (format binary).
COPY_START: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END: Final = b"\xff\xff"
_FIVE_COLUMNS: Final = b"\x00\x05"


@dataclass(frozen=True, slots=True)
class Packed:
    """A parameter that is in PostgreSQL's binary form already."""

    data: bytes


def _array(oid: int, items: Sequence[bytes | None]) -> Packed:
    """Return a one-dimensional array; layout of ``array_recv`` in PostgreSQL's arrayfuncs.c."""
    parts = [_ARRAY.pack(1, 1 if None in items else 0, oid, len(items), 1)]
    size = _INT.pack
    for item in items:
        if item is None:
            parts.append(_NULL)
        else:
            parts.append(size(len(item)))
            parts.append(item)
    return Packed(b"".join(parts))


def pack_texts(texts: Sequence[str | None]) -> Packed:
    """Return a ``text[]``."""
    return _array(TEXT_OID, [None if text is None else text.encode() for text in texts])


def pack_vector(vector: VectorArray) -> Packed:
    """Return a ``vector``; layout of ``vector_recv`` in pgvector's vector.c."""
    return Packed(_VECTOR.pack(len(vector), 0) + vector.astype(">f4").tobytes())


def pack_vectors(vectors: VectorArray, oid: int) -> Packed:
    """Return a ``vector[]`` of the rows of an array (n, d); ``oid`` is the type's in this database."""
    dimension = vectors.shape[1]
    stride = 4 * dimension
    head, data = _VECTOR.pack(dimension, 0), memoryview(vectors.astype(">f4").tobytes())
    size = _INT.pack(stride + 4) + head
    parts: list[bytes | memoryview] = [_ARRAY.pack(1, 0, oid, len(vectors), 1)]
    for place in range(len(vectors)):
        parts.append(size)
        parts.append(data[place * stride : (place + 1) * stride])
    return Packed(b"".join(parts))


def _exact(value: float) -> str:
    """Return a float as JSON whose decimal lies among ints exactly where the float does.

    Up to 2**53 the shortest decimal does. Above it every float is a whole number: its digits are written out,
    because jsonb gives 1e16 back as an int and would hold 2.0**60 for 1152921504606847000.
    """
    return f"{int(value)}.0" if abs(value) >= 2.0**53 else float.__repr__(value)


class _Moment(Exception):  # not an error: it ends the fast way through the encoder
    pass


def _found_moment(value: object) -> object:
    raise _Moment(value)


_FAST: Final[Callable[[Any], str]] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_found_moment
).encode


def json_text(value: object) -> str:
    """Return a metadata value, dict or list as JSON for jsonb; a datetime as its microseconds."""
    try:
        text = _FAST(value)
    except _Moment:
        return _slow(value)
    return _slow(value) if "e+" in text else text  # an exponent such as 1e+16: or these letters in a text


def _slow(value: object) -> str:
    match value:
        case datetime():
            return str(micros(value))
        case float():
            return _exact(value)
        case list():
            return "[" + ",".join([_slow(element) for element in value]) + "]"
        case dict():
            return "{" + ",".join([f"{_FAST(key)}:{_slow(element)}" for key, element in value.items()]) + "}"
        case _:
            return _FAST(value)


def json_array(values: Sequence[object]) -> Packed:
    """Return a ``jsonb[]`` of values."""
    return _array(JSONB_OID, [_jsonb(json_text(value)) for value in values])


def _jsonb(text: str) -> bytes:
    return _JSONB_VERSION + text.encode()


def datetime_keys(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return which values are datetimes: ``{key: True}``, or a dict of the same for a nested dict."""
    marks: dict[str, Any] = {}
    for key, value in metadata.items():
        if type(value) is datetime or (type(value) is list and type(value[0]) is datetime):
            marks[key] = True
        elif type(value) is dict and (inner := datetime_keys(value)):
            marks[key] = inner
    return marks


def _encode_metadata(metadata: Metadata) -> tuple[bytes, bytes | None]:
    try:
        text = _FAST(metadata)
    except _Moment:
        return _jsonb(_slow(metadata)), _jsonb(json.dumps(datetime_keys(metadata), ensure_ascii=False))
    return _jsonb(_slow(metadata) if "e+" in text else text), None


_LOADS: Final[Callable[[str], Any]] = json.JSONDecoder().decode


def decode_metadata(text: str, marks: str | None) -> Metadata:
    """Return metadata from the texts of its jsonb and of its datetime keys."""
    data: Metadata = _LOADS(text)
    if marks is not None:
        _restore(data, _LOADS(marks))
    return data


def _restore(data: Metadata, marks: Mapping[str, Any]) -> None:
    for key, mark in marks.items():
        value = data[key]
        if mark is not True:
            _restore(value, mark)
        elif isinstance(value, list):
            data[key] = [from_micros(element) for element in value]
        else:
            data[key] = from_micros(value)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The columns of records in binary form; a column that was not given is None.

    Attributes:
        ids: The ids, ascending: statements that lock rows in one order cannot deadlock.
        order: For each of ``ids`` its place in the records.
        vectors: The records' own vectors, in the order of the records.
        documents: UTF-8.
        metadatas: jsonb.
        datetime_keys: jsonb, None for records without a datetime.
        touched: jsonb: for an update the keys that are set or removed.
    """

    ids: list[str]
    order: list[int]
    vectors: VectorArray | None = None
    documents: list[bytes | None] | None = None
    metadatas: list[bytes] | None = None
    datetime_keys: list[bytes | None] | None = None
    touched: list[bytes] | None = None

    @property
    def names(self) -> list[str]:
        """The names of the columns that are given, the id first."""
        columns = (
            ("documents", "document"),
            ("metadatas", "metadata"),
            ("datetime_keys", "moments"),
            ("touched", "touched"),
        )
        given = [name for attribute, name in columns if getattr(self, attribute) is not None]
        return ["id", *([] if self.vectors is None else ["embedding"]), *given]

    def arrays(self, part: slice, vector_oid: int) -> list[Packed]:
        """Return the columns of ``names`` as arrays, from some of the rows."""
        packed = [pack_texts(self.ids[part])]
        if self.vectors is not None:
            packed.append(pack_vectors(self.vectors[np.asarray(self.order[part], dtype=np.intp)], vector_oid))
        if self.documents is not None:
            packed.append(_array(TEXT_OID, self.documents[part]))
        columns = (self.metadatas, self.datetime_keys, self.touched)
        return packed + [_array(JSONB_OID, column[part]) for column in columns if column is not None]

    def parts(self, rows: int, size: int) -> Iterator[slice]:
        """Yield the rows cut into parts of at most ``rows`` rows and, beyond one row, about ``size`` bytes."""
        fixed = 64 + (0 if self.vectors is None else 4 * self.vectors.shape[1])
        start = total = 0
        for place in range(len(self.ids)):
            weight = fixed
            if self.documents is not None:
                weight += len(self.documents[place] or b"")
            if self.metadatas is not None:
                weight += len(self.metadatas[place])
            if place > start and (place - start == rows or total + weight > size):
                yield slice(start, place)
                start, total = place, 0
            total += weight
        yield slice(start, len(self.ids))


def encode(records: Records, *, merge: bool = False) -> Encoded:
    """Return the columns of ``records`` in binary form, by ascending id.

    Args:
        records: One record or more.
        merge: Whether metadata is to be merged: a value of None removes its key.
    """
    order = sorted(range(len(records)), key=records.ids.__getitem__)
    documents = metadatas = marks = touched = None
    if records.documents is not None:
        texts = records.documents
        documents = [None if (text := texts[place]) is None else text.encode() for place in order]
    if records.metadatas is not None:
        dicts = [records.metadatas[place] for place in order]
        if merge:
            touched = [_jsonb(json.dumps(list(one), ensure_ascii=False)) for one in dicts]
            dicts = [{key: value for key, value in one.items() if value is not None} for one in dicts]
        pairs = [_encode_metadata(one) for one in dicts]
        metadatas, marks = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Encoded(
        [records.ids[place] for place in order], order, records.vectors, documents, metadatas, marks, touched
    )


def copy_rows(records: Records) -> bytes:
    """Return rows of ``COPY … (id, embedding, document, metadata, moments) from stdin (format binary)``."""
    assert records.vectors is not None
    n, dimension = records.vectors.shape
    form = np.dtype([("size", ">i4"), ("dimension", ">i2"), ("unused", ">i2"), ("vector", ">f4", (dimension,))])
    vectors = np.zeros(n, dtype=form)
    vectors["size"], vectors["dimension"], vectors["vector"] = 4 + 4 * dimension, dimension, records.vectors
    data, stride = memoryview(vectors.tobytes()), form.itemsize
    documents: Sequence[str | None] = records.documents if records.documents is not None else [None] * n
    metadatas: Sequence[Metadata] = records.metadatas if records.metadatas is not None else [{}] * n
    size = _INT.pack
    parts: list[bytes | memoryview] = []
    for place, (record_id, document, metadata) in enumerate(zip(records.ids, documents, metadatas, strict=True)):
        name = record_id.encode()
        parts += (_FIVE_COLUMNS, size(len(name)), name, data[place * stride : (place + 1) * stride])
        for field in (None if document is None else document.encode(), *_encode_metadata(metadata)):
            parts += (_NULL,) if field is None else (size(len(field)), field)
    return b"".join(parts)


def decode_vectors(column: Sequence[bytes], dimension: int) -> VectorArray:
    """Return float32 array (n, d) from values in the form of ``vector_send``, bit for bit."""
    row = np.dtype([("head", "V4"), ("vector", ">f4", (dimension,))])
    return np.frombuffer(b"".join(column), dtype=row)["vector"].astype(np.float32)


def decode(rows: Sequence[Sequence[Any]], include: Include, dimension: int, start: int = 0) -> Records:
    """Return records from rows of: id, then from ``start + 1`` on the columns that ``statements.columns`` names."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * (start + 5)
    place = start + 1
    vectors = documents = metadatas = None
    if include.vectors:
        vectors = decode_vectors(columns[place], dimension)
        place += 1
    if include.documents:
        documents = list(columns[place])
        place += 1
    if include.metadatas:
        metadatas = [
            decode_metadata(text, marks) for text, marks in zip(columns[place], columns[place + 1], strict=True)
        ]
    return Records(list(columns[0]), vectors, documents, metadatas)
