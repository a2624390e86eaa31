"""What adapters share that read collections which vstore did not create: rows, ids, paths, what a database tells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

from vstore.errors import InvalidInput, Mismatch
from vstore.indexing import HNSW, Metric
from vstore.mapping import ALL, IdType, Path, RecordMapping
from vstore.metadata import check_metadata
from vstore.omission import Omission, OmissionKind
from vstore.records import Include, Metadata, VectorArray

__all__ = [
    "DOCUMENT_NAMES",
    "NOTHING",
    "Key",
    "Rows",
    "carried_metadata",
    "dimension_told",
    "fields_read",
    "foreign_key",
    "hnsw",
    "id_type_told",
    "metric_told",
    "parsed",
    "record_id",
    "walk",
]

Key: TypeAlias = str | int | UUID

_INT64: Final = 1 << 63
NOTHING: Final = object()
"""What ``walk`` finds where there is nothing, which is not null."""
DOCUMENT_NAMES: Final = ("document", "content", "page_content", "text", "chunk", "body")
"""What applications call the text of a record, the likeliest first."""


@dataclass(slots=True)
class Rows:
    """Rows as a database holds them, in columns of equal length.

    Attributes:
        keys: The ids, as the database has them.
        fields: The named fields of each; empty dicts where they were not asked for.
        vectors: One float32 array of shape (d,), or None, a row; None as a whole where they were not asked for.
    """

    keys: list[Any] = field(default_factory=list)
    fields: list[dict[str, Any]] = field(default_factory=list)
    vectors: list[VectorArray | None] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def extend(self, more: Rows) -> None:
        """Puts the rows of another answer, with the same columns, behind these."""
        self.keys += more.keys
        self.fields += more.fields
        if self.vectors is not None:
            self.vectors += more.vectors or []

    def in_order_of(self, keys: Sequence[Any]) -> Rows:
        """Return the rows in the order of ``keys``; those that are not there are left out."""
        places = {key: place for place, key in enumerate(self.keys)}
        return self._take([places[key] for key in keys if key in places])

    def where(self, keep: Callable[[Any, dict[str, Any]], bool]) -> Rows:
        """Return the rows of whose key and fields ``keep`` is true."""
        rows = enumerate(zip(self.keys, self.fields, strict=True))
        return self._take([place for place, (key, fields) in rows if keep(key, fields)])

    def _take(self, places: Sequence[int]) -> Rows:
        return Rows(
            [self.keys[p] for p in places],
            [self.fields[p] for p in places],
            None if self.vectors is None else [self.vectors[p] for p in places],
        )


def record_id(key: object) -> str:
    """Return the id of a record as vstore knows it."""
    match key:
        case str():
            return key
        case bool():
            pass
        case int() | UUID():
            return str(key)
    raise Mismatch(f"an id of type {type(key).__name__}: {key!r:.80}", hint="Ids are texts, integers or UUIDs.")


def foreign_key(text: str, kind: IdType) -> Key | None:
    """Inverts ``record_id``; None for a text that no id of this kind has."""
    match kind:
        case IdType.TEXT:
            return text
        case IdType.INT:
            return _integer(text, -_INT64, _INT64)
        case IdType.UUID:
            return _uuid(text)
        case IdType.INT_OR_UUID:
            number = _integer(text, 0, 2 * _INT64)
            return _uuid(text) if number is None else number


def _integer(text: str, low: int, high: int) -> int | None:
    if not re.fullmatch(r"0|-?[1-9][0-9]{0,19}", text):
        return None
    number = int(text)
    return number if low <= number < high else None


def _uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def walk(path: Path, fields: object) -> object:
    """Return what is at a path, walking into a text that holds JSON; ``NOTHING`` where there is none."""
    value = fields
    for step in path:
        if isinstance(value, str):
            value = parsed(value)
        if not isinstance(value, Mapping) or step not in value:
            return NOTHING
        value = value[step]
    return value


def parsed(text: str) -> object:
    """Return what a text holds as JSON; ``NOTHING`` where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return NOTHING


def fields_read(mapping: RecordMapping, include: Include) -> set[str] | None:
    """Return the fields that reads of these columns need; None for all of them."""
    names: set[str] = set(mapping.id[:1])
    if include.documents and mapping.document is not None:
        names.add(mapping.document[0])
    if include.metadatas:
        if mapping.metadata == () or mapping.fields == ALL:
            return None
        names.update((mapping.metadata or ())[:1], mapping.fields)
    return names


def carried_metadata(found: Mapping[str, Any]) -> tuple[Metadata, list[Omission]]:
    """Return the collection's own metadata as far as the contract has it, and what is left of it."""
    carried: Metadata = {}
    left: list[Omission] = []
    for key, value in found.items():
        try:
            carried |= check_metadata({key: value})
        except InvalidInput as error:
            text = f"the collection's own metadata {key!r:.80}: {error.message}"
            left.append(Omission(OmissionKind.SETTINGS, str(key), text))
    return carried, left


def hnsw(m: object, ef_construction: object, ef_search: object = None) -> HNSW:
    """Return the settings of an index that the database calls HNSW; ``HNSW()`` where they exceed vstore's bounds."""
    usual = HNSW()
    try:
        return HNSW(
            usual.m if m is None else int(str(m)),
            usual.ef_construction if ef_construction is None else int(str(ef_construction)),
            usual.ef_search if ef_search is None else int(str(ef_search)),
        )
    except (InvalidInput, ValueError):
        return usual


def dimension_told(name: str, mapping: RecordMapping, told: int | None) -> int:
    """Return the dimension of a collection.

    Args:
        name: The collection.
        mapping: May say it.
        told: What the database says, or its first vector.

    Raises:
        Mismatch: Nobody says it, or the two differ.
    """
    if mapping.dimension is not None and told is not None and mapping.dimension != told:
        raise Mismatch(f"{name!r} has {told} dimensions; the mapping says {mapping.dimension}")
    found = mapping.dimension or told
    if found is None:
        raise Mismatch(
            f"the dimension of {name!r} is not known: it is empty",
            hint="Say dimension= in the mapping, or pass --dimension to copy it.",
        )
    return found


def metric_told(name: str, mapping: RecordMapping, told: Metric | None) -> Metric:
    """Return the metric of a collection; arguments and errors are those of ``dimension_told``."""
    if mapping.metric is not None and told is not None and mapping.metric is not told:
        raise Mismatch(f"{name!r} is indexed for {told.value}; the mapping says {mapping.metric.value}")
    found = mapping.metric or told
    if found is None:
        raise Mismatch(
            f"the database does not say which metric {name!r} has",
            hint="Say metric='cosine', 'l2' or 'dot' in the mapping.",
        )
    return found


def id_type_told(name: str, mapping: RecordMapping, told: IdType) -> IdType:
    """Return the type of the ids; errors are those of ``dimension_told``."""
    if mapping.id_type not in (None, told):
        raise Mismatch(f"the ids of {name!r} are {told.value}; the mapping says {mapping.id_type}")
    return told
