"""Collections that vstore did not create: how points become rows, and what packages write. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import numpy as np

from vstore.errors import Mismatch
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.mapping import ALL, IdType, RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.records import Include, VectorArray
from vstore.spi.foreign import (
    DOCUMENT_NAMES,
    Key,
    Rows,
    carried_metadata,
    dimension_told,
    fields_read,
    hnsw,
    id_type_told,
    metric_told,
)

__all__ = [
    "Dense",
    "Described",
    "complete",
    "is_one_of",
    "native_id",
    "needs_payload",
    "payload_key",
    "proposal",
    "to_rows",
    "token",
    "untoken",
]

_METRICS: Final = {"Cosine": Metric.COSINE, "Euclid": Metric.L2, "Dot": Metric.DOT}
_LAYOUTS: Final = {
    "langchain": RecordMapping(document=("page_content",), metadata=("metadata",), fields=ALL),
    # the text of a node is in the JSON that _node_content holds
    "llamaindex": RecordMapping(document=("_node_content", "text")),
    # whose points have ids of their own, made of those of its documents
    "haystack": RecordMapping(id=("id",), document=("content",), metadata=("meta",), fields=ALL),
    "mem0": RecordMapping(document=("data",)),
}
# what every payload of a layout has, and one of another does not
_SIGNS: Final = {
    "langchain": {"page_content", "metadata"},
    "llamaindex": {"_node_content"},
    "haystack": {"id", "content", "meta"},
    "mem0": {"data", "hash"},
}
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
        indexed: The payload keys that have an index.
        quantization: Qdrant's name of how vectors are made smaller, or None.
        metadata: The collection's own.
        aliases: Its other names.
    """

    dense: Mapping[str, Dense]
    sparse: Sequence[str] = ()
    indexed: Sequence[str] = ()
    quantization: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    aliases: Sequence[str] = ()

    def omissions(self, mapping: RecordMapping) -> Iterator[Omission]:
        """Yield what a mapping does not bring, beside payload."""
        for name, dense in self.dense.items():
            if name != mapping.vector:
                kind = "multivector" if dense.multi else "dense vector"
                yield Omission(OmissionKind.VECTORS, name, f"the {kind} {name!r}")
        for name in self.sparse:
            yield Omission(OmissionKind.VECTORS, name, f"the sparse vector {name!r}")
        for name in self.aliases:
            yield Omission(OmissionKind.SETTINGS, name, f"the alias {name!r}")
        for name in self.indexed:
            text = f"the index of the payload key {name!r}, without which filters are no less exact"
            yield Omission(OmissionKind.SETTINGS, "", text, needs_leave=False)
        if self.quantization is not None:
            text = f"{self.quantization} quantization, which is about speed and memory"
            yield Omission(OmissionKind.SETTINGS, "", text, needs_leave=False)
        if mapping.id:
            yield Omission(OmissionKind.FIELDS, "", "the points' own ids: the id is in the payload", needs_leave=False)


def proposal(name: str, layout: str | None, first: Rows, vectors: Mapping[str, Dense]) -> RecordMapping:
    """Return how to read a collection: by its layout, or by what its first point looks like."""
    payload = set(first.fields[0]) if first.fields else set()
    if layout is None:
        layout = next((kind for kind, signs in _SIGNS.items() if signs <= payload), None)
    elif payload and not _SIGNS[layout] <= payload | {"hash"}:
        raise Mismatch(
            f"{name!r} does not have the layout that {layout} writes",
            hint=f"A point of it has {', '.join(map(repr, sorted(payload)))}; mapping='auto' proposes one from them.",
        )
    document = next((one for one in DOCUMENT_NAMES if payload and isinstance(first.fields[0].get(one), str)), None)
    made = RecordMapping(document=(document,) if document else None) if layout is None else _LAYOUTS[layout]
    single = [one for one, dense in vectors.items() if not dense.multi]
    return replace(made, vector=single[0]) if single else made


def complete(name: str, mapping: RecordMapping, described: Described) -> tuple[RecordMapping, CollectionInfo]:
    """Return what a collection is.

    Raises:
        Mismatch: The mapping does not fit.
    """
    vectors = described.dense
    if mapping.table or mapping.only or mapping.id_columns:
        raise Mismatch("table, only and id_columns are PostgreSQL's: they must be empty")
    chosen = mapping.vector
    if not chosen and "" not in vectors and len(vectors) == 1:
        chosen = next(iter(vectors))
    if chosen not in vectors:
        told = ", ".join(map(repr, sorted(vectors))) or "none"
        raise Mismatch(f"{name!r} has no dense vector {chosen!r}; it has {told}", hint="Say vector= in the mapping.")
    dense = vectors[chosen]
    if dense.multi:
        raise Mismatch(f"the vector {chosen!r} is a multivector, of which a point has several; vstore has one a record")
    if dense.distance not in _METRICS:
        raise Mismatch(f"the vector {chosen!r} is compared by {dense.distance}, which vstore has no metric for")
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
        omitted=(*described.omissions(full), *left),
    )


def needs_payload(mapping: RecordMapping, include: Include) -> bool:
    """Return whether a read needs the payload; a part of it cannot be asked for, since a key may look like a path."""
    return fields_read(mapping, include) != set()


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


def to_rows(points: Sequence[Any], vector: str, *, vectors: bool) -> Rows:
    """Return points as rows; ``vector`` is the name of the one to read, if ``vectors`` are wanted."""
    return Rows(
        [point.id if isinstance(point.id, int) else UUID(str(point.id)) for point in points],
        [point.payload or {} for point in points],
        [_vector(point.vector, vector) for point in points] if vectors else None,
    )


def _vector(found: Any, name: str) -> VectorArray | None:
    if isinstance(found, dict):  # a collection of several vectors, even where the point has one
        found = found.get(name)
    return None if found is None else np.asarray(found, dtype=np.float32)
