"""Collections that vstore did not create: how points become rows, and what packages write. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np

from vstore.errors import InvalidInput, Mismatch, Unsupported
from vstore.fields import Dense as DenseField
from vstore.fields import Field, Sparse
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.mapping import IdType, RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.records import Include, VectorArray
from vstore.spi.foreign import (
    DOCUMENT_NAMES,
    Key,
    Rows,
    carried_metadata,
    dimension_told,
    fields_for,
    fields_read,
    hnsw,
    id_type_told,
    metric_told,
)
from vstore_qdrant.layouts import MAPPINGS

__all__ = [
    "Dense",
    "Described",
    "complete",
    "is_one_of",
    "largest",
    "native_id",
    "payload_key",
    "payload_read",
    "proposal",
    "to_points",
    "to_rows",
    "token",
    "untoken",
    "vectors_read",
]

_METRICS: Final = {"Cosine": Metric.COSINE, "Euclid": Metric.L2, "Dot": Metric.DOT}
# what every payload of a layout has, and one of another does not
_SIGNS: Final = {
    "langchain": {"page_content", "metadata"},
    "dify": {"page_content", "metadata", "group_id"},
    "llamaindex": {"_node_content"},
    "haystack": {"id", "content", "meta"},
    "mem0": {"data", "hash"},
    "open-webui": set(),
    "plain": set(),
}
_JSON_FLOAT_BYTES: Final = 24
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Dense:
    """One of a collection's vectors.

    Attributes:
        size: Its components.
        distance: Qdrant's name of its metric.
        multi: Whether a point has several of it.
        m: Of its HNSW graph, or None.
        ef_construction: Likewise.
    """

    size: int
    distance: str
    multi: bool
    m: int | None
    ef_construction: int | None


@dataclass(frozen=True, slots=True)
class Described:
    """What Qdrant says of a collection.

    Attributes:
        dense: Its dense vectors by name.
        sparse: The names of its sparse ones.
        weighted: Those of them whose questions Qdrant weighs by IDF.
        indexed: The payload keys that have an index.
        quantization: Qdrant's name of how vectors are made smaller, or None.
        metadata: The collection's own.
        aliases: Its other names.
    """

    dense: Mapping[str, Dense]
    sparse: Sequence[str] = ()
    weighted: Sequence[str] = ()
    indexed: Sequence[str] = ()
    quantization: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    aliases: Sequence[str] = ()

    def omissions(self, mapping: RecordMapping) -> Iterator[Omission]:
        """Yield what a mapping does not bring, beside payload."""
        read = set(mapping.vectors.values())
        for name, dense in self.dense.items():
            if name not in (mapping.vector, *read):
                kind = "multivector" if dense.multi else "dense vector"
                yield Omission(OmissionKind.VECTORS, name, f"the {kind} {name!r}")
        for name in self.sparse:
            if name not in read:
                yield Omission(OmissionKind.VECTORS, name, f"the sparse vector {name!r}")
            elif name in self.weighted:
                text = f"Qdrant weighs questions of the sparse vector {name!r} by IDF"
                yield Omission(OmissionKind.SETTINGS, name, text)
        for name in self.aliases:
            yield Omission(OmissionKind.SETTINGS, name, f"the alias {name!r}")
        for name in self.indexed:
            text = f"the index of the payload key {name!r}, without which filters are no less exact"
            yield Omission(OmissionKind.SETTINGS, "", text, needs_leave=False)
        if self.quantization is not None:
            text = f"{self.quantization} quantization, which is about speed and memory"
            yield Omission(OmissionKind.SETTINGS, "", text, needs_leave=False)
        for name, value in mapping.only.items():
            text = f"the points whose {name!r} is not {value!r:.80}"
            yield Omission(OmissionKind.FIELDS, "", text, needs_leave=False)
        if mapping.id:
            yield Omission(OmissionKind.FIELDS, "", "the points' own ids: the id is in the payload", needs_leave=False)


def proposal(name: str, layout: str | None, first: Rows, described: Described) -> RecordMapping:
    """Return how to read a collection: by its layout, or by what its first point looks like."""
    payload = set(first.fields[0]) if first.fields else set()
    if layout is not None and layout not in _SIGNS:
        raise Unsupported(f"how {layout} uses Qdrant is not known", hint=f"It is known of {', '.join(_SIGNS)}.")
    if layout is None:
        layout = next((kind for kind, signs in _SIGNS.items() if signs and signs <= payload), None)
    elif payload and not _SIGNS[layout] <= payload | {"hash"}:
        raise Mismatch(
            f"{name!r} does not have the layout that {layout} writes",
            hint=f"A point of it has {', '.join(map(repr, sorted(payload)))}; mapping='auto' proposes one from them.",
        )
    document = next((one for one in DOCUMENT_NAMES if payload and isinstance(first.fields[0].get(one), str)), None)
    made = RecordMapping(document=(document,) if document else None) if layout is None else MAPPINGS[layout]
    single = [one for one, dense in described.dense.items() if not dense.multi]
    if not single:
        return made
    further = [one for one in single[1:] if described.dense[one].distance in _METRICS]
    return replace(made, vector=single[0], vectors=fields_for([*further, *described.sparse]))


def complete(name: str, mapping: RecordMapping, described: Described) -> tuple[RecordMapping, CollectionInfo]:
    """Return what a collection is.

    Raises:
        Mismatch: The mapping does not fit.
    """
    vectors = described.dense
    if len(mapping.table) > 1 or mapping.id_columns:
        raise Mismatch("a table in a schema and id_columns are PostgreSQL's: a collection of Qdrant has one name")
    chosen = mapping.vector
    if not chosen and "" not in vectors and len(vectors) == 1:
        chosen = next(iter(vectors))
    if chosen not in vectors:
        told = ", ".join(map(repr, sorted(vectors))) or "none"
        raise Mismatch(f"{name!r} has no dense vector {chosen!r}; it has {told}", hint="Say vector= in the mapping.")
    dense = vectors[chosen]
    _check_dense(chosen, dense)
    told = IdType.TEXT if mapping.id else IdType.INT_OR_UUID
    full = replace(
        mapping,
        vector=chosen,
        id_type=id_type_told(name, mapping, told),
        metric=metric_told(name, mapping, _METRICS[dense.distance]),
        dimension=dimension_told(name, mapping, dense.size),
    )
    metadata, left = carried_metadata(described.metadata)
    return full, CollectionInfo(
        name=name,
        dimension=dense.size,
        metric=_METRICS[dense.distance],
        index=hnsw(dense.m, dense.ef_construction),
        metadata=metadata,
        fields={one: _field(name, vector, full.vector, described) for one, vector in mapping.vectors.items()},
        omitted=(*described.omissions(full), *left),
    )


def _check_dense(name: str, dense: Dense) -> None:
    if dense.multi:
        raise Mismatch(f"the vector {name!r} is a multivector, of which a point has several; vstore has one a record")
    if dense.distance not in _METRICS:
        raise Mismatch(f"the vector {name!r} is compared by {dense.distance}, which vstore has no metric for")


def _field(collection: str, vector: str, chosen: str, described: Described) -> Field:
    """What a further vector is."""
    if vector in described.sparse:
        return Sparse()
    if vector == chosen or vector not in described.dense:
        others = [one for one in (*described.dense, *described.sparse) if one != chosen]
        raise Mismatch(
            f"{collection!r} has no further vector {vector!r}; it has {', '.join(map(repr, others)) or 'none'}",
            hint="Say vectors= in the mapping.",
        )
    dense = described.dense[vector]
    _check_dense(vector, dense)
    return DenseField(dense.size, _METRICS[dense.distance], index=hnsw(dense.m, dense.ef_construction))


def payload_read(mapping: RecordMapping, include: Include) -> bool | list[str]:
    """Return which keys of the payload to ask for, or whether all; a key that may look like a path comes with all."""
    names = fields_read(mapping, include)
    if names is None or not all(map(_PLAIN.fullmatch, names)):
        return True
    return sorted(names) or False


def payload_key(path: Sequence[str]) -> str:
    """Return a path as Qdrant writes it in filters."""
    for step in path:
        if '"' in step:
            raise Mismatch(f"Qdrant cannot look for the key {step!r}, which holds a quote")
    return ".".join(step if _PLAIN.fullmatch(step) else f'"{step}"' for step in path)


def is_one_of(found: object, texts: Collection[str]) -> bool:
    """Return whether what is in a payload is one of these texts, and not a list that holds one."""
    return isinstance(found, str) and found in texts


def native_id(key: Key) -> int | str:
    """Return the id of a point in the form that the client takes."""
    return key if isinstance(key, int) else str(key)


def token(point: int | str) -> str:
    """Return the id of a point as a cursor."""
    return json.dumps(point)


def untoken(text: str | None) -> int | str | None:
    """Inverts ``token``."""
    return None if text is None else json.loads(text)


def vectors_read(mapping: RecordMapping, include: Include) -> bool | list[str]:
    """Return which vectors to ask for: a list of names, or whether all; a vector without a name comes with all."""
    names = [mapping.vectors[name] for name in include.fields]
    if not include.vectors:
        return names or False
    return [mapping.vector, *names] if mapping.vector else True


def to_rows(points: Sequence[Any], mapping: RecordMapping, include: Include) -> Rows:
    """Return points as rows, with the vectors that are wanted."""
    return Rows(
        [point.id if isinstance(point.id, int) else UUID(str(point.id)) for point in points],
        [{key: one for key, one in (point.payload or {}).items() if key not in mapping.only} for point in points],
        [_dense(point.vector, mapping.vector) for point in points] if include.vectors else None,
        {name: [_further(point.vector, mapping.vectors[name]) for point in points] for name in include.fields},
    )


def to_points(rows: Rows, mapping: RecordMapping) -> list[dict[str, Any]]:
    """Return rows as the arguments of points.

    Raises:
        InvalidInput: A row that no point can be.
        Unsupported: The points' own ids are not known.
    """
    vector = mapping.vector
    return [
        {
            "id": _point(key),
            "vector": {vector: one.tolist()} if vector else one.tolist(),
            "payload": _payload(key, row, mapping.only),
        }
        for key, row, one in zip(rows.keys, rows.fields, rows.vectors or [], strict=True)
        if one is not None
    ]


def largest(rows: Rows, dimension: int) -> int:
    """Return about how many bytes the largest of some points takes in a request, as JSON."""
    return 64 + _JSON_FLOAT_BYTES * dimension + max((len(json.dumps(one)) for one in rows.fields), default=0)


def _point(key: Key) -> int | str:
    if isinstance(key, str):
        raise Unsupported(
            "the mapping does not say how ids of points are made of those in the payload",
            ids=[key],
            hint="Open the collection by the name of its layout.",
        )
    return native_id(key)


def _payload(key: Key, fields: dict[str, Any], only: Mapping[str, str]) -> dict[str, Any]:
    if clash := only.keys() & fields.keys():
        raise InvalidInput(f"the metadata key {min(clash)!r} says which collection a point is of", ids=[str(key)])
    _check_json(key, fields)
    return {**fields, **only}


def _check_json(key: Key, value: object) -> None:
    if isinstance(value, datetime):
        raise InvalidInput("a payload has no datetimes", ids=[str(key)], hint="Write value.isoformat(), or a number.")
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _check_json(key, inner)


def _dense(found: Any, name: str) -> VectorArray | None:
    if isinstance(found, dict):  # a collection of several vectors, even where the point has one
        found = found.get(name)
    return None if found is None else np.asarray(found, dtype=np.float32)


def _further(found: Any, name: str) -> Any:
    vector: Any = found.get(name) if isinstance(found, dict) else None
    if hasattr(vector, "indices"):
        return vector.indices, np.asarray(vector.values, dtype=np.float32)
    return None if vector is None else np.asarray(vector, dtype=np.float32)
