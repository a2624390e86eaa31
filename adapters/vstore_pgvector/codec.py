"""Records to and from PostgreSQL's binary forms, whole columns at a time.

A batch travels as one array a column, so that one statement of fixed text writes any number of rows in one
round trip; measured as fast as ``COPY … (format binary)`` into a temporary table, without the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

import numpy as np

from vstore.columns import Column, take_rows
from vstore.info import CollectionInfo
from vstore.records import Include, Metadata, Records
from vstore_pgvector.binary import INT, JSONB_OID, NULL, TEXT_OID, Item, Packed, pack_array, pack_texts
from vstore_pgvector.jsonb import decode_metadatas, encode_metadatas, jsonb
from vstore_pgvector.vectors import TypeIds, column_names, decode_column, decode_vectors, items_of, weights

__all__ = ["COPY_END", "COPY_START", "Encoded", "copied_columns", "copy_rows", "decode", "encode", "place_of"]

# What precedes and follows the rows of COPY … (format binary).
COPY_START: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END: Final = b"\xff\xff"
_COUNT: Final = Struct("!h")


@dataclass(frozen=True, slots=True)
class Encoded:
    """The columns of records in binary form; a column that was not given is None.

    Attributes:
        ids: The ids, ascending: statements that lock rows in one order cannot deadlock.
        order: For each of ``ids`` its place in the records.
        vectors: The records' own vectors by field, in the order of the records; the empty name first.
        info: The collection's.
        documents: UTF-8.
        metadatas: jsonb.
        datetime_keys: jsonb, None for records without a datetime.
        touched: jsonb: for an update the keys that are set or removed.
    """

    ids: list[str]
    order: list[int]
    vectors: Mapping[str, Column]
    info: CollectionInfo
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
        return ["id", *_vector_columns(self.vectors, self.info), *given]

    def arrays(self, part: slice, oids: TypeIds) -> list[Packed]:
        """Return the columns of ``names`` as arrays, from some of the rows."""
        packed = [pack_texts(self.ids[part])]
        places = np.asarray(self.order[part], dtype=np.intp)
        for column in self.vectors.values():
            oid = oids.vector if isinstance(column, np.ndarray) else oids.sparsevec
            packed += [pack_array(oid, items) for items in items_of(take_rows(column, places))]
        if self.documents is not None:
            packed.append(pack_array(TEXT_OID, self.documents[part]))
        columns = (self.metadatas, self.datetime_keys, self.touched)
        return packed + [pack_array(JSONB_OID, column[part]) for column in columns if column is not None]

    def parts(self, rows: int, size: int) -> Iterator[slice]:
        """Yield the rows cut into parts of at most ``rows`` rows and, beyond one row, about ``size`` bytes."""
        columns = [weights(column) for column in self.vectors.values()]
        start = total = 0
        for place in range(len(self.ids)):
            weight = 64 + sum(column[self.order[place]] for column in columns)
            if self.documents is not None:
                weight += len(self.documents[place] or b"")
            if self.metadatas is not None:
                weight += len(self.metadatas[place])
            if place > start and (place - start == rows or total + weight > size):
                yield slice(start, place)
                start, total = place, 0
            total += weight
        yield slice(start, len(self.ids))


def _given(records: Records) -> dict[str, Column]:
    unnamed: dict[str, Column] = {} if records.vectors is None else {"": records.vectors}
    return unnamed | records.fields


def _vector_columns(names: Mapping[str, Column], info: CollectionInfo) -> list[str]:
    return [column for name in names for column in column_names(name, info.field(name))]


def encode(records: Records, info: CollectionInfo, *, merge: bool = False) -> Encoded:
    """Return the columns of ``records`` in binary form, by ascending id.

    Args:
        records: One record or more.
        info: Of their collection.
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
            touched = [jsonb(json.dumps(list(one), ensure_ascii=False)) for one in dicts]
            dicts = [{key: value for key, value in one.items() if value is not None} for one in dicts]
        metadatas, marks = encode_metadatas(dicts)
    ids = [records.ids[place] for place in order]
    return Encoded(ids, order, _given(records), info, documents, metadatas, marks, touched)


def copied_columns(records: Records, info: CollectionInfo) -> list[str]:
    """Return the columns of ``copy_rows``."""
    return ["id", *_vector_columns(_given(records), info), "document", "metadata", "moments"]


def copy_rows(records: Records) -> bytes:
    """Return rows of ``COPY … (…) from stdin (format binary)``."""
    n = len(records)
    vectors = [items for column in _given(records).values() for items in items_of(column)]
    documents: Sequence[str | None] = records.documents if records.documents is not None else [None] * n
    metadatas: Sequence[Metadata] = records.metadatas if records.metadatas is not None else [{}] * n
    columns: list[Sequence[Item]] = [
        [record_id.encode() for record_id in records.ids],
        *vectors,
        [None if document is None else document.encode() for document in documents],
        *encode_metadatas(metadatas),
    ]
    head, size = _COUNT.pack(len(columns)), INT.pack
    parts: list[bytes | memoryview] = []
    for row in zip(*columns, strict=True):
        parts.append(head)
        for value in row:
            parts += (NULL,) if value is None else (size(len(value)), value)
    return b"".join(parts)


def place_of(field: str, include: Include) -> int | None:
    """Return which of the columns that ``statements.columns`` names holds a field, or None."""
    if not field:
        return 0 if include.vectors else None
    if field not in include.fields:
        return None
    return include.vectors + include.documents + 2 * include.metadatas + include.fields.index(field)


def decode(rows: Sequence[Sequence[Any]], include: Include, info: CollectionInfo, start: int = 0) -> Records:
    """Return records from rows of: id, then from ``start + 1`` on the columns that ``statements.columns`` names."""
    empty: list[tuple[Any, ...]] = [()] * (start + 5 + len(include.fields))
    columns = list(zip(*rows, strict=True)) if rows else empty
    given = iter(columns[start + 1 :])
    vectors = documents = metadatas = None
    if include.vectors:
        vectors = decode_vectors(next(given), info.dimension)
    if include.documents:
        documents = list(next(given))
    if include.metadatas:
        metadatas = decode_metadatas(next(given), next(given))
    fields = {name: decode_column(next(given), info.field(name)) for name in include.fields}
    return Records(list(columns[0]), vectors, documents, metadatas, fields)
