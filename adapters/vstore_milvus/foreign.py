"""Collections that vstore did not create: what a schema says, how entities become rows, what packages write. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import numpy as np

from vstore.errors import InvalidInput, Mismatch, Unsupported
from vstore.fields import Dense, Field, Sparse
from vstore.indexing import Flat, Index, IVFFlat, Metric
from vstore.info import CollectionInfo
from vstore.mapping import ALL, IdType, RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.records import Include, VectorArray
from vstore.spi.foreign import (
    DOCUMENT_NAMES,
    Key,
    Rows,
    dimension_told,
    fields_for,
    fields_read,
    hnsw,
    id_type_told,
    metric_told,
)
from vstore_milvus.filter_fields import literal
from vstore_milvus.layouts import MAPPINGS

__all__ = ["Schema", "identity", "known_by", "token"]

_METRICS: Final = {"COSINE": Metric.COSINE, "L2": Metric.L2, "IP": Metric.DOT}
# pymilvus's DataType by number, which this module does not import
_VARCHAR: Final = 21
_INT64: Final = 5
_FLOAT_VECTOR: Final = 101
_FLOAT16_VECTOR: Final = 102
_BFLOAT16_VECTOR: Final = 103
_SPARSE: Final = 104
_VECTORS: Final = range(100, 110)
_DENSE: Final = (_FLOAT_VECTOR, _FLOAT16_VECTOR, _BFLOAT16_VECTOR)
_CALLED: Final = {100: "binary", 101: "further dense", 102: "float16", 103: "bfloat16", 104: "sparse", 105: "int8"}
_DYNAMIC: Final = "$meta"
_OWN_PROPERTIES: Final = ("timezone",)  # which Milvus gives to every collection
# Milvus 2.3.5 reads the sign apart and finds this number's digits out of range.
_LOWEST: Final = -(1 << 63)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# the fields that a collection of a layout has
_SIGNS: Final = {
    "langchain": {"pk", "text", "vector"},
    "llamaindex": {"id", "embedding"},
    "haystack": {"id", "text", "vector"},
    "mem0": {"id", "vectors", "metadata"},
    "open-webui": {"id", "vector", "metadata"},
    "plain": {"id", "vector", "document"},
}


# those that are told by their fields alone
_TOLD: Final = ("langchain", "llamaindex", "haystack", "mem0", "plain")


@dataclass(frozen=True, slots=True)
class Schema:
    """What Milvus describes a collection as.

    Attributes:
        name: The collection.
        key: Its primary field.
        text_key: Whether that is text, rather than an integer.
        auto_id: Whether Milvus makes the keys.
        scalars: Fields with a value, the key among them.
        vectors: Type and dimension of each vector field.
        dynamic: Whether an entity may have further fields.
        index: What Milvus says of the index of each vector that has one.
        identity: What another collection of that name has otherwise; on Milvus Lite the fields alone.
        made: Vectors that Milvus makes of other fields, as BM25 does, and of which fields.
        settings: What the collection is known or told by beside its entities.
    """

    name: str
    key: str
    text_key: bool
    auto_id: bool
    scalars: tuple[str, ...]
    vectors: Mapping[str, tuple[int, int]]
    dynamic: bool
    index: Mapping[str, Mapping[str, Any]]
    identity: object
    made: Mapping[str, frozenset[str]] = field(default_factory=dict)
    settings: tuple[Omission, ...] = ()

    @classmethod
    def read(cls, described: Mapping[str, Any], index: Mapping[str, Mapping[str, Any]]) -> Schema:
        """Reads an answer of ``describe_collection``."""
        fields = described["fields"]
        key = next(field for field in fields if field.get("is_primary"))
        vectors = {f["name"]: (int(f["type"]), int(f["params"].get("dim", 0))) for f in fields if f["type"] in _VECTORS}
        return cls(
            described["collection_name"],
            key["name"],
            int(key["type"]) == _VARCHAR,
            bool(key.get("auto_id") or described.get("auto_id")),
            tuple(field["name"] for field in fields if field["name"] not in vectors),
            vectors,
            bool(described.get("enable_dynamic_field")),
            index,
            identity(described),
            {
                name: frozenset(function["input_field_names"])
                for function in described.get("functions") or ()
                for name in function["output_field_names"]
            },
            tuple(_described(described)),
        )

    def proposal(self, layout: str | None) -> RecordMapping:
        """Return how to read it: by its layout, or by its fields."""
        names = {*self.scalars, *self.vectors}
        if layout is not None and layout not in _SIGNS:
            raise Unsupported(f"how {layout} uses Milvus is not known", hint=f"It is known of {', '.join(_SIGNS)}.")
        if layout is None:
            fitting = [MAPPINGS[kind] for kind in _TOLD if _SIGNS[kind] <= names]
        elif _SIGNS[layout] <= names:
            fitting = [MAPPINGS[layout]]
        else:
            raise Mismatch(
                f"{self.name!r} does not have the layout that {layout} writes",
                hint=f"Its fields are {', '.join(map(repr, sorted(names)))}; mapping='auto' proposes one from them.",
            )
        if fitting:
            return self._with_further(fitting[0])
        dense = self._dense()
        document = next((name for name in DOCUMENT_NAMES if name in self.scalars and name != self.key), None)
        made = RecordMapping(vector=dense[0] if dense else "", document=(document,) if document else None)
        return self._with_further(made)

    def _with_further(self, mapping: RecordMapping) -> RecordMapping:
        """The mapping with a named field for each further vector that may be one."""
        return replace(mapping, vectors=fields_for(one for one in self._legal() if one != mapping.vector))

    def _dense(self) -> list[str]:
        return [name for name, (kind, _) in self.vectors.items() if kind in _DENSE]

    def _legal(self) -> list[str]:
        """The vectors that vstore has a meaning for; those that Milvus makes of other fields cannot be read."""
        return [
            name
            for name, (kind, _) in self.vectors.items()
            if name not in self.made
            and (kind == _SPARSE or (kind in _DENSE and self.index.get(name, {}).get("metric_type") in _METRICS))
        ]

    def _field(self, vector: str, chosen: str) -> Field:
        """What a further vector is."""
        legal = [name for name in self._legal() if name != chosen]
        if vector not in legal:
            raise Mismatch(
                f"{self.name!r} has no further vector {vector!r} that can be a field; it has "
                f"{', '.join(map(repr, legal)) or 'none'}",
                hint="Say vectors= in the mapping.",
            )
        kind, dimension = self.vectors[vector]
        if kind == _SPARSE:
            return Sparse()
        index = self.index[vector]
        return Dense(dimension, _METRICS[index["metric_type"]], index=_index(index))

    def complete(self, mapping: RecordMapping) -> tuple[RecordMapping, CollectionInfo]:
        """Return what the collection is.

        Raises:
            Mismatch: The mapping does not fit.
        """
        if len(mapping.table) > 1 or mapping.id_columns or mapping.id not in ((), (self.key,)):
            raise Mismatch(
                f"the id of {self.name!r} is its primary field {self.key!r}",
                hint="Leave id empty, and id_columns and a table in a schema, which are PostgreSQL's.",
            )
        dense = self._dense()
        chosen = mapping.vector or (dense[0] if len(dense) == 1 else "")
        if chosen not in dense:
            told = ", ".join(map(repr, dense)) or "none"
            raise Mismatch(
                f"{self.name!r} has no vector {chosen!r} of floats; it has {told}", hint="Say vector= in the mapping."
            )
        for name in (*(mapping.document or ())[:1], *(mapping.metadata or ())[:1], *mapping.fields, *mapping.only):
            if name != "*" and name not in self.scalars and not self.dynamic:
                raise Mismatch(f"{self.name!r} has no field {name!r}; it has {', '.join(map(repr, self.scalars))}")
        if bad := [name for name in (*self.scalars, *self.vectors) if not _NAME.fullmatch(name)]:
            raise Mismatch(f"the field {bad[0]!r} cannot be named in a query of Milvus")
        index = self.index.get(chosen, {})
        metric_type = index.get("metric_type")
        if metric_type is not None and metric_type not in _METRICS:
            raise Mismatch(f"{chosen!r} is compared by {metric_type}, which vstore has no metric for")
        metric = metric_told(self.name, mapping, None if metric_type is None else _METRICS[metric_type])
        dimension = dimension_told(self.name, mapping, self.vectors[chosen][1])
        kind = id_type_told(self.name, mapping, IdType.TEXT if self.text_key else IdType.INT)
        full = replace(mapping, id=(), vector=chosen, id_type=kind, metric=metric, dimension=dimension)
        fields = {name: self._field(vector, chosen) for name, vector in mapping.vectors.items()}
        left = self._other_vectors({chosen, *mapping.vectors.values()})
        return full, CollectionInfo(
            name=self.name,
            dimension=dimension,
            metric=metric,
            index=_index(index),
            fields=fields,
            omitted=(*left, *self.settings, *_other_index(index), *_other_entities(mapping)),
        )

    def _other_vectors(self, read: set[str]) -> Iterator[Omission]:
        for name, (kind, _) in self.vectors.items():
            if name not in read:
                text = f"the {_CALLED.get(kind, 'further')} vector {name!r}"
                made = ", which Milvus makes of other fields" if name in self.made else ""
                yield Omission(OmissionKind.VECTORS, name, text + made)

    def output(self, mapping: RecordMapping, include: Include) -> list[str]:
        """Return the fields to ask for."""
        names = fields_read(mapping, include)
        if names is None:
            hidden = set(mapping.hidden) if mapping.metadata == () else set()
            chosen = [name for name in self.scalars if name not in hidden]
            dynamic = self.dynamic
        else:
            chosen = [name for name in self.scalars if name in names]
            dynamic = self.dynamic and not names <= set(self.scalars)
        vectors = [mapping.vector] if include.vectors else []
        vectors += [mapping.vectors[name] for name in include.fields]
        return [*dict.fromkeys([self.key, *chosen]), *([_DYNAMIC] if dynamic else []), *vectors]

    def has(self, mapping: RecordMapping) -> bool:
        """Return whether each place of a mapping begins with a field of the schema."""
        places = (mapping.document, mapping.metadata)
        return all(path[0] in self.scalars for path in places if path)

    def of_one(self, mapping: RecordMapping) -> str:
        """Return the condition for the entities of the mapping's collection; empty where all are."""
        return " and ".join(f"{name} == {literal(value)}" for name, value in mapping.only.items())

    def remade(self, mapping: RecordMapping) -> set[str]:
        """Return the vectors that Milvus makes again of what the mapping writes."""
        named = {path[0] for path in (mapping.document, mapping.metadata) if path} | set(mapping.fields)
        every = mapping.metadata == () or mapping.fields == ALL
        return {name for name, inputs in self.made.items() if every or inputs <= named}

    def with_keys(self, keys: Sequence[Key]) -> str:
        """Return the condition for entities with one of these keys."""
        chosen = f"{self.key} in [{','.join(self._literal(key) for key in keys if key != _LOWEST)}]"
        return f"({chosen} or {self.key} < {_LOWEST + 1})" if _LOWEST in keys else f"({chosen})"

    def later_than(self, key: Key | None) -> str:
        """Return the condition for entities beyond a key, or for all of them."""
        if key is None:
            return f'({self.key} >= "")' if self.text_key else f"({self.key} <= {-_LOWEST - 1})"
        return f"({self.key} >= {_LOWEST + 1})" if key == _LOWEST else f"({self.key} > {self._literal(key)})"

    def _literal(self, key: Key) -> str:
        return str(int(key)) if isinstance(key, int) else literal(str(key))

    def to_entities(self, rows: Rows, vector: str) -> list[dict[str, Any]]:
        """Return rows as entities; ``vector`` is the name of their vectors.

        Raises:
            InvalidInput: A row that the collection has no place for.
        """
        taken = {self.key, *self.vectors}
        out: list[dict[str, Any]] = []
        for key, fields, found in zip(rows.keys, rows.fields, rows.vectors or [], strict=True):
            if unknown := [name for name in fields if name in taken or not (self.dynamic or name in self.scalars)]:
                raise InvalidInput(f"the collection has no field {unknown[0]!r} for metadata", ids=[str(key)])
            _check_json(str(key), fields)
            out.append({**fields, self.key: key, vector: found})
        return out

    def to_rows(self, found: Sequence[Mapping[str, Any]], mapping: RecordMapping, include: Include) -> Rows:
        """Return entities as rows."""
        used = {self.key, *self.vectors, *mapping.only}
        return Rows(
            [one[self.key] for one in found],
            [{name: _plain(value) for name, value in one.items() if name not in used} for one in found],
            self._column(found, mapping.vector) if include.vectors else None,
            {name: self._column(found, mapping.vectors[name]) for name in include.fields},
        )

    def _column(self, found: Sequence[Mapping[str, Any]], vector: str) -> list[Any]:
        kind = self.vectors[vector][0]
        return [one.get(vector) if kind == _SPARSE else _vector(one.get(vector), kind) for one in found]


def _check_json(key: str, value: object) -> None:
    if isinstance(value, datetime):
        raise InvalidInput("Milvus has no datetimes", ids=[key], hint="Write value.isoformat(), or a number.")
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _check_json(key, inner)


def _described(described: Mapping[str, Any]) -> Iterator[Omission]:
    if text := described.get("description"):
        yield Omission(OmissionKind.SETTINGS, "description", f"the description {text!r:.80}")
    for function in described.get("functions") or ():
        name = function["name"]
        made = ", ".join(function["output_field_names"])
        yield Omission(OmissionKind.SETTINGS, name, f"the function {name!r}, which makes {made}")
    if told := {k: v for k, v in (described.get("properties") or {}).items() if k not in _OWN_PROPERTIES}:
        yield Omission(OmissionKind.SETTINGS, "properties", f"the properties {told!r:.200}")


def known_by(schema: Schema, described: Mapping[str, Any], partitions: Sequence[str], aliases: Sequence[str]) -> Schema:
    """Return the schema with the other names that a collection has."""
    found = [Omission(OmissionKind.SETTINGS, name, f"the alias {name!r}") for name in aliases]
    # with a partition key, a field, partitions are buckets that Milvus makes and fills
    if not any(field.get("is_partition_key") for field in described["fields"]):
        found += [
            Omission(OmissionKind.SETTINGS, name, f"which entities are in the partition {name!r}")
            for name in partitions
            if name != "_default"
        ]
    return replace(schema, settings=(*schema.settings, *found))


def identity(described: Mapping[str, Any]) -> object:
    """Return which collection an answer of ``describe_collection`` is about."""
    return described.get("collection_id"), described["fields"]


def token(key: Key) -> str:
    """Return a key as a cursor."""
    return json.dumps(key, ensure_ascii=False)


def _other_index(described: Mapping[str, Any]) -> Iterator[Omission]:
    kind = described.get("index_type")
    if kind is not None and kind not in ("HNSW", "IVF_FLAT", "FLAT"):
        text = f"the index {kind}: a copy has none, unless it is made beforehand and merged into"
        yield Omission(OmissionKind.SETTINGS, "", text, needs_leave=False)


def _other_entities(mapping: RecordMapping) -> Iterator[Omission]:
    for name, value in mapping.only.items():
        text = f"the entities whose {name!r} is not {value!r:.80}"
        yield Omission(OmissionKind.FIELDS, "", text, needs_leave=False)


def _index(described: Mapping[str, Any]) -> Index:
    match described.get("index_type"):
        case "HNSW":
            return hnsw(described.get("M"), described.get("efConstruction"))
        case "IVF_FLAT":
            return IVFFlat(lists=int(described.get("nlist", 128)))
        case _:
            return Flat()


def _plain(value: Any) -> Any:
    """Return a field's value without what is of NumPy or protobuf."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | bool | int | float | dict | list | bytes):
        return value
    return [_plain(element) for element in value]


def _vector(found: Any, kind: int) -> VectorArray | None:
    if found is None:
        return None
    if kind == _FLOAT_VECTOR:
        return np.asarray(found, dtype=np.float32)
    data = found if isinstance(found, bytes) else found[0] if isinstance(found[0], bytes) else None
    if data is None:
        return np.asarray(found, dtype=np.float32)
    if kind == _FLOAT16_VECTOR:
        return np.frombuffer(data, np.float16).astype(np.float32)
    return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
