"""Columns of records to requests that Chroma takes. Pure.

Chroma writes the metadata of one row of a request with one statement for its scalars and one for the elements of its
lists, of six variables each. Beyond SQLite's 32,766 variables the row can be neither applied nor taken back, and no
later call on the collection succeeds (measured on 1.5.2 and 1.5.9, embedded and server). Rows of one request that have
the same id are applied one after the other and merge, all of them or none: so a large record is sent as several rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from vstore.records import Metadata, VectorArray
from vstore.spi.batching import slices

__all__ = ["Columns", "fits", "requests", "spread"]

# 32,766 // 6 is 5,461. A list, of 1,000 elements at most, is not divided.
_MOST_KEYS: Final = 5_000
_MOST_ELEMENTS: Final = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """One call's columns as Chroma takes them; a column that is None is left out of the call.

    Attributes:
        ids: The id of each row.
        embeddings: Their vectors.
        documents: Their documents.
        metadatas: Their metadata as Chroma stores it.
        repeated: Whether an id may stand on consecutive rows, which make one record.
    """

    ids: list[str]
    embeddings: VectorArray | None = None
    documents: list[str | None] | None = None
    metadatas: list[Metadata] | None = None
    repeated: bool = False

    def __getitem__(self, rows: slice) -> Columns:
        return Columns(
            self.ids[rows],
            None if self.embeddings is None else self.embeddings[rows],
            None if self.documents is None else self.documents[rows],
            None if self.metadatas is None else self.metadatas[rows],
            self.repeated,
        )

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of Chroma's ``add``, ``upsert`` and ``update``.

        A column without any value is left out: Chroma refuses an empty dict, and a column of None costs.
        """
        documents, metadatas = self.documents, self.metadatas
        given: dict[str, Any] = {"ids": self.ids}
        if self.embeddings is not None:
            given["embeddings"] = self.embeddings
        if documents is not None and any(d is not None for d in documents):
            given["documents"] = documents
        if metadatas is not None and any(metadatas):
            given["metadatas"] = [m or None for m in metadatas]
        return given


def spread(columns: Columns) -> Columns:
    """Return the same records, those whose metadata one row cannot bring on several rows."""
    if columns.metadatas is None or all(fits(m) for m in columns.metadatas if m):
        return columns
    places: list[int] = []
    documents: list[str | None] = []
    metadatas: list[Metadata] = []
    for place, metadata in enumerate(columns.metadatas):
        for number, part in enumerate(_parts(metadata)):
            places.append(place)
            metadatas.append(part)
            documents.append(None if number or columns.documents is None else columns.documents[place])
    return Columns(
        [columns.ids[place] for place in places],
        None if columns.embeddings is None else columns.embeddings[np.asarray(places, dtype=np.intp)],
        None if columns.documents is None else documents,
        metadatas,
        repeated=True,
    )


def fits(metadata: Metadata) -> bool:
    """Return whether one row can bring the metadata of a record."""
    return len(metadata) <= _MOST_KEYS and sum(map(_elements, metadata.values())) <= _MOST_ELEMENTS


def _elements(value: object) -> int:
    return len(value) if type(value) is list else 0


def _parts(metadata: Metadata) -> Iterator[Metadata]:
    """Yield the keys of a record, divided among rows; one row without any where it has none."""
    part: Metadata = {}
    elements = 0
    for key, value in metadata.items():
        more = _elements(value)
        if len(part) == _MOST_KEYS or elements + more > _MOST_ELEMENTS:
            yield part
            part, elements = {}, 0
        part[key] = value
        elements += more
    yield part


def requests(columns: Columns, max_rows: int, max_bytes: int | None) -> Iterator[Columns]:
    """Yield parts of at most ``max_rows`` rows and ``max_bytes`` bytes as JSON, each of one record at least."""
    total = len(columns.ids)
    if max_bytes is None and not columns.repeated:
        for rows in slices(total, max_rows):
            yield columns[rows]
        return
    start = weight = 0
    for place, end, size in _records(columns, weighed=max_bytes is not None):
        if place > start and (end - start > max_rows or (max_bytes is not None and weight + size > max_bytes)):
            yield columns[start:place]
            start, weight = place, 0
        weight += size
    yield columns[start:total]


def _records(columns: Columns, *, weighed: bool) -> Iterator[tuple[int, int, int]]:
    """Yield the first row of each record, the one after its last, and its bytes in a request."""
    sizes = _sizes(columns) if weighed else iter([0] * len(columns.ids))
    ids, first, weight = columns.ids, 0, 0
    for place, size in enumerate(sizes, start=1):
        weight += size
        if place == len(ids) or not columns.repeated or ids[place] != ids[first]:
            yield first, place, weight
            first, weight = place, 0


def _sizes(columns: Columns) -> Iterator[int]:
    """Yield bytes of each row in a request: JSON, with vectors as numbers (base64 is shorter)."""
    fixed = 16 + (0 if columns.embeddings is None else 16 * columns.embeddings.shape[1])
    for place, record_id in enumerate(columns.ids):
        parts = (
            record_id,
            None if columns.documents is None else columns.documents[place],
            None if columns.metadatas is None else columns.metadatas[place],
        )
        yield fixed + sum(len(orjson.dumps(part)) for part in parts)
