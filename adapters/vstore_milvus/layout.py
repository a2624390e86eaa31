"""Where everything of a collection stands in Milvus."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from pymilvus import CollectionSchema, DataType, MilvusClient
from pymilvus.milvus_client.index import IndexParams

from vstore.errors import LimitExceeded
from vstore.fields import Dense, Field
from vstore.filters.tree import And, Eq, Filter
from vstore.indexing import Flat
from vstore.info import CollectionInfo
from vstore.records import Include, Metadata
from vstore_milvus.filter_fields import literal
from vstore_milvus.vectors import (
    MAX_PACKED_DIMENSION,
    Cells,
    DenseVectors,
    PackedVectors,
    SparseVectors,
    Vectors,
)

__all__ = ["Kind", "Layout"]

_MAX_ID_BYTES: Final = 512
_MAX_DOCUMENT_BYTES: Final = 65_535
_MAX_PARTITION_BYTES: Final = 255
_TEXT_BYTES: Final = 2_000  # what a record's texts take is a guess, and one that fails is halved
_PARTITION: Final = "partition_key"
# Milvus has no collection without a vector: what stands in the place of one, in servers before 2.4
_STAND_IN: Final = DenseVectors(Dense(2, "l2", index=Flat()), "vector")


class Kind(StrEnum):
    """How named fields stand in a collection; it is kept in its properties.

    Attributes:
        COLUMNS: Each as vectors of Milvus.
        PACKED: Each as text.
    """

    COLUMNS = "columns"
    PACKED = "packed"


class Layout:
    """The columns of one collection.

    Attributes:
        info: What the collection is.
        kind: How its named fields stand.
        numbers: Whether filters compare numbers as such.
        vectors: Its fields of vectors; the key of the one without a name is empty.
    """

    def __init__(
        self, info: CollectionInfo, kind: Kind = Kind.COLUMNS, *, partitions: bool = True, numbers: bool = True
    ) -> None:
        """Describes a collection.

        Args:
            info: What it is.
            kind: How its named fields stand.
            partitions: Whether the value of ``info.partition_by`` has a column.
            numbers: Whether filters compare numbers as such, rather than as strings.
        """
        self.info = info
        self.numbers = numbers
        self.kind = kind
        self.vectors: dict[str, Vectors] = {}
        if info.dimension:
            unnamed = info.field()
            assert isinstance(unnamed, Dense)
            self.vectors[""] = DenseVectors(unnamed, "vector")
        for name, field in info.fields.items():
            self.vectors[name] = _vectors(name, field, kind)
        self._parted = info.partition_by if partitions else None
        self._is_filled = all(isinstance(vectors, PackedVectors) for vectors in self.vectors.values())

    def check(self) -> None:
        """Raises ``LimitExceeded`` where a named field does not fit into text."""
        for name, field in self.info.fields.items():
            if self.kind is Kind.PACKED and isinstance(field, Dense) and field.dimension > MAX_PACKED_DIMENSION:
                raise LimitExceeded(
                    f"the field {name!r} has {field.dimension:,} dimensions; before Milvus 2.4 a named field has up to "
                    f"{MAX_PACKED_DIMENSION:,}",
                    hint="Make it the field without a name, by dimension=, or use a later server.",
                )

    def schema(self) -> CollectionSchema:
        """Return the columns.

        None is nullable, since servers before 2.5 know no nulls, and none dynamic, since of those Milvus Lite
        keeps what a record had that an upsert replaces.
        """
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=_MAX_ID_BYTES)
        for vectors in self._stored():
            vectors.declare(schema)
        schema.add_field("document", DataType.VARCHAR, max_length=_MAX_DOCUMENT_BYTES)
        schema.add_field("metadata", DataType.JSON)
        schema.add_field("facts", DataType.JSON)
        if self._parted is not None:
            schema.add_field(_PARTITION, DataType.VARCHAR, max_length=_MAX_PARTITION_BYTES)
        return schema

    @cached_property
    def types(self) -> dict[str, DataType]:
        """The type of each column."""
        return {field.name: field.dtype for field in self.schema().fields}

    def indexes(self) -> IndexParams:
        """Return the indexes of the vectors."""
        params = MilvusClient.prepare_index_params()
        for vectors in self._stored():
            vectors.index(params)
        return params

    def _stored(self) -> list[Vectors]:
        return [*([_STAND_IN] if self._is_filled else []), *self.vectors.values()]

    def columns(self, include: Include) -> list[str]:
        """Return the columns to ask for."""
        names = ["id"]
        for field in self.fields(include):
            names += self.vectors[field].columns
        names += ["document"] if include.documents else []
        names += ["metadata"] if include.metadatas else []
        return names

    def width(self, include: Include) -> int:
        """Return about how many bytes one record takes in an answer."""
        texts = _TEXT_BYTES if include.documents or include.metadatas else 0
        return 600 + texts + sum(self.vectors[field].width for field in self.fields(include))

    @staticmethod
    def fields(include: Include) -> tuple[str, ...]:
        """Return the fields of vectors that are wanted; the one without a name is empty."""
        return ("", *include.fields) if include.vectors else include.fields

    def rest(self, metadatas: Sequence[Metadata]) -> Cells:
        """Return what records have besides their vectors, their texts and their ids."""
        cells: Cells = {} if self._parted is None else {_PARTITION: [one[self._parted] for one in metadatas]}
        if self._is_filled:
            cells["vector"] = np.tile(np.array([1, 0], dtype=np.float32), (len(metadatas), 1))
        return cells

    def split(self, where: Filter | None) -> tuple[str, Filter | None]:
        """Return the condition on the partition that a filter in normal form has, or "", and what else it asks."""
        items = where.items if isinstance(where, And) else () if where is None else (where,)
        for place, item in enumerate(items):
            if isinstance(item, Eq) and item.path == (self._parted,) and isinstance(item.value, str):
                others = (*items[:place], *items[place + 1 :])
                return f"({_PARTITION} == {literal(item.value)})", _all(others)
        return "", where


def _all(items: tuple[Filter, ...]) -> Filter | None:
    return And(items) if len(items) > 1 else next(iter(items), None)


def _vectors(name: str, field: Field, kind: Kind) -> Vectors:
    if kind is Kind.PACKED:
        return PackedVectors(field, f"packed_{name}")
    if isinstance(field, Dense):
        return DenseVectors(field, f"vector_{name}", f"has_{name}")
    return SparseVectors(f"vector_{name}")
