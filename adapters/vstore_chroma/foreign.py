"""Collections that vstore did not create: how Chroma's answers become rows, and what packages write. Pure.

A record has two fields, ``document`` and ``metadata``. LangChain, LlamaIndex and Haystack fill them as they are
meant; mem0 stores no documents and keeps the text of a memory as ``data`` in the metadata.

Before 1.0 the metric and the index were told by ``hnsw:*`` keys of the collection's metadata. The ``configuration`` of
such a collection has the defaults whatever the keys say, and the engine follows the keys that it was created with, also
where ``modify(metadata=…)`` has since removed them (measured on 1.5.9 with directories of 0.4.24, 0.5.23 and 0.6.3). So
the metric is taken from the distance of one query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np

from vstore.errors import InvalidInput, LimitExceeded, Mismatch
from vstore.indexing import Flat, Index, Metric
from vstore.info import CollectionInfo
from vstore.mapping import IdType, RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.records import Include, VectorArray
from vstore.spi.foreign import Rows, carried_metadata, dimension_told, fields_read, hnsw, id_type_told, metric_told
from vstore_chroma.layouts import LAYOUTS, MEM0, USUAL
from vstore_chroma.requests import Columns, fits

__all__ = ["columns", "complete", "metric_seen", "probe", "proposal", "to_columns", "to_rows"]

_METRICS: Final = {"cosine": Metric.COSINE, "l2": Metric.L2, "ip": Metric.DOT}
_DEFAULTS: Final = {"space": "l2", "max_neighbors": 16, "ef_construction": 100, "ef_search": 100}
_OLD_KEYS: Final = {
    "hnsw:space": "space",
    "hnsw:M": "max_neighbors",
    "hnsw:construction_ef": "ef_construction",
    "hnsw:search_ef": "ef_search",
}
_FIELDS: Final = ("document", "metadata", "uri")


def proposal(layout: str | None, first: Rows) -> RecordMapping:
    """Return how to read a collection; without a layout its first record, if it has one, tells."""
    if layout is not None:
        return LAYOUTS[layout].mapping
    one = first.fields[0] if first.fields else {}
    return MEM0 if one.get("document") is None and isinstance(one.get("metadata", {}).get("data"), str) else USUAL


def probe(vector: VectorArray) -> VectorArray:
    """Return a query, near a record's vector of shape (d,), that has another distance to it by each metric."""
    aside = np.where(np.arange(len(vector)) % 2, -1.0, 1.0) * (float(np.linalg.norm(vector.astype(np.float64))) or 1.0)
    query: VectorArray = (2.0 * vector + aside / len(vector) ** 0.5).astype(np.float32)
    return query


def metric_seen(query: VectorArray, found: Mapping[str, Any]) -> Metric | None:
    """Return the metric by which an answer of ``query`` has its distance; None where it is not plain."""
    if not found["ids"][0]:
        return None
    q, x = query.astype(np.float64), np.asarray(found["embeddings"][0][0], dtype=np.float64)
    size = float(np.linalg.norm(q) * np.linalg.norm(x))
    by = {Metric.L2: float((q - x) @ (q - x)), Metric.DOT: 1.0 - float(q @ x)}
    if size:
        by[Metric.COSINE] = 1.0 - float(q @ x) / size
    distance = float(found["distances"][0][0])
    fit = [metric for metric, expected in by.items() if abs(distance - expected) <= 1e-3 * abs(expected) + 1e-6]
    return fit[0] if len(fit) == 1 else None


def complete(
    name: str,
    mapping: RecordMapping,
    configuration: Mapping[str, Any],
    metadata: Mapping[str, Any] | None,
    first: Rows,
    seen: Metric | None,
    kept: int | None = None,
) -> tuple[RecordMapping, CollectionInfo]:
    """Return what a collection is.

    Args:
        name: Its name.
        mapping: How it is to be read.
        configuration: Chroma's own of it.
        metadata: The collection's, in which older versions of Chroma kept the metric and the index.
        first: A record with its vector, if there is one.
        seen: The metric that the engine was seen to follow, if there is a record.
        kept: The dimension that Chroma has noted, if it has.

    Raises:
        Mismatch: The mapping does not fit.
    """
    named = mapping.id or mapping.id_columns or mapping.vector or mapping.vectors
    if named or mapping.table or mapping.only:
        raise Mismatch(
            "Chroma's ids and vectors are its own: id, id_columns, vector, vectors, table and only must be empty"
        )
    names = {path[0] for path in (mapping.document, mapping.metadata) if path} | set(mapping.fields)
    if unknown := sorted(names - {*_FIELDS, "*"}):
        raise Mismatch(f"a record of Chroma has the fields 'document', 'metadata' and 'uri', not {unknown[0]!r}")
    settings = _settings(configuration, metadata or {})
    vectors = [vector for vector in first.vectors or () if vector is not None]
    metric = metric_told(name, mapping, seen or _METRICS.get(str(settings.get("space"))))
    dimension = dimension_told(name, mapping, len(vectors[0]) if vectors else kept)
    index: Index = Flat()
    if configuration.get("hnsw"):
        index = hnsw(settings.get("max_neighbors"), settings.get("ef_construction"), settings.get("ef_search"))
    full = replace(mapping, metric=metric, dimension=dimension, id_type=id_type_told(name, mapping, IdType.TEXT))
    told = {key: value for key, value in (metadata or {}).items() if not key.startswith("hnsw:")}
    carried, left = carried_metadata(told)
    left += _embedding(configuration.get("embedding_function"))
    return full, CollectionInfo(
        name=name, dimension=dimension, metric=metric, index=index, metadata=carried, omitted=tuple(left)
    )


def _embedding(function: Any) -> Iterator[Omission]:
    """Yield what Chroma would embed texts with; its default is noted for collections that never embed anything."""
    if function is None:
        return
    name = function.get("name", "unknown") if isinstance(function, dict) else function.name()
    text = f"the embedding function {name!r}: to query by texts, open the copy with an embedder"
    yield Omission(OmissionKind.SETTINGS, "", text, needs_leave=name != "default")


def _settings(configuration: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the engine follows: it takes the defaults for those of an older version."""
    found: Mapping[str, Any] = configuration.get("hnsw") or configuration.get("spann") or {}
    if any(found.get(name, default) != default for name, default in _DEFAULTS.items()):
        return dict(found)
    return {**found, **{name: metadata[key] for key, name in _OLD_KEYS.items() if key in metadata}}


def columns(mapping: RecordMapping, include: Include) -> list[str]:
    """Return what to ask Chroma for."""
    names = fields_read(mapping, include)
    wanted = set(_FIELDS) if names is None else names
    chosen = {
        "documents": "document" in wanted,
        "metadatas": "metadata" in wanted,
        "uris": "uri" in wanted,
        "embeddings": include.vectors,
    }
    return [name for name, asked in chosen.items() if asked]


def to_rows(found: Mapping[str, Any]) -> Rows:
    """Return the rows of an answer of ``get``, or of one query of an answer of ``query``."""
    ids, vectors = found["ids"], found.get("embeddings")
    fields: list[dict[str, Any]] = [{} for _ in ids]
    for name in _FIELDS:
        if (column := found.get(f"{name}s")) is not None:
            for one, value in zip(fields, column, strict=True):
                one[name] = value or {} if name == "metadata" else value
    rows = Rows(list(ids), fields)
    if vectors is not None:
        rows.vectors = [np.asarray(vector, dtype=np.float32) for vector in vectors]
    return rows


def to_columns(rows: Rows) -> Columns:
    """Return rows as Chroma takes them.

    Raises:
        InvalidInput: A value or a key that Chroma does not have, or would drop in silence.
    """
    for key, one in zip(rows.keys, rows.fields, strict=True):
        if unknown := sorted(set(one) - {"document", "metadata"}):
            raise InvalidInput(f"a record of Chroma has no field {unknown[0]!r}", ids=[key])
        metadata = one.get("metadata", {})
        if not fits(metadata):
            raise LimitExceeded("Chroma takes 5,000 keys, and as many elements of lists, in one record", ids=[key])
        for name, value in metadata.items():
            if isinstance(value, datetime):
                raise InvalidInput(
                    f"{name!r}: Chroma has no datetimes", ids=[key], hint="Write value.isoformat(), or a number."
                )
            if name.startswith("chroma:"):
                raise InvalidInput(f"{name!r}: Chroma keeps keys that begin with 'chroma:' for itself", ids=[key])
    return Columns(
        list(rows.keys),
        np.asarray(rows.vectors, dtype=np.float32),
        [one.get("document") for one in rows.fields],
        [one.get("metadata", {}) for one in rows.fields],
    )
