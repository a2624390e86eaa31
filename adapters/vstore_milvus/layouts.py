"""What other packages write into Milvus. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pymilvus import CollectionSchema, DataType, MilvusClient
from pymilvus.milvus_client.index import IndexParams

from vstore.fields import Dense
from vstore.info import CollectionInfo
from vstore.mapping import ALL, RecordMapping
from vstore.spi.layouts import Layout, node
from vstore_milvus.vectors import DenseVectors

__all__ = ["LAYOUTS", "MAPPINGS", "EntityLayout"]

_LONGEST: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityLayout(Layout):
    """A layout of Milvus.

    Attributes:
        primary: The primary field, a text, and the length that it may have.
        fields: The other fields with a value, each with its type; of a text the greatest length.
        dynamic: Whether entities have further fields.
    """

    primary: tuple[str, int]
    fields: Mapping[str, DataType]
    dynamic: bool

    def schema(self, info: CollectionInfo) -> CollectionSchema:
        """Return the fields of a collection."""
        made = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=self.dynamic)
        for name, kind in self.fields.items():
            made.add_field(name, kind, **({"max_length": _LONGEST} if kind is DataType.VARCHAR else {}))
        name, longest = self.primary
        made.add_field(name, DataType.VARCHAR, is_primary=True, auto_id=False, max_length=longest)
        self._vectors(info).declare(made)
        return made

    def indexes(self, info: CollectionInfo) -> IndexParams:
        """Return the index of its vectors."""
        made = MilvusClient.prepare_index_params()
        self._vectors(info).index(made)
        return made

    def _vectors(self, info: CollectionInfo) -> DenseVectors:
        field = info.field()
        assert isinstance(field, Dense)
        return DenseVectors(field, self.mapping.vector)


MAPPINGS: Final[Mapping[str, RecordMapping]] = {
    "langchain": RecordMapping(vector="vector", document=("text",)),
    "llamaindex": RecordMapping(vector="embedding", document=("text",)),
    "haystack": RecordMapping(vector="vector", document=("text",)),
    "mem0": RecordMapping(vector="vectors", document=("metadata", "data"), metadata=("metadata",), fields=ALL),
    "plain": RecordMapping(vector="vector", document=("document",)),
}
# mem0 is missing: Milvus makes a sparse vector of each memory's text
LAYOUTS: Final[Mapping[str, EntityLayout]] = {
    # with enable_dynamic_field=True: otherwise it makes a field of each key of the first record, and drops other keys
    "langchain": EntityLayout(
        package="langchain-milvus",
        mapping=MAPPINGS["langchain"],
        primary=("pk", _LONGEST),
        fields={"text": DataType.VARCHAR},
        dynamic=True,
        reserved=frozenset({"pk", "vector"}),
    ),
    "llamaindex": EntityLayout(
        package="llama-index-vector-stores-milvus",
        mapping=MAPPINGS["llamaindex"],
        derived=node(""),
        primary=("id", _LONGEST),
        fields={"doc_id": DataType.VARCHAR, "text": DataType.VARCHAR},
        dynamic=True,
        reserved=frozenset({"id", "embedding"}),
    ),
    "haystack": EntityLayout(
        package="milvus-haystack",
        mapping=MAPPINGS["haystack"],
        primary=("id", _LONGEST),
        fields={"text": DataType.VARCHAR},
        dynamic=True,
        reserved=frozenset({"id", "vector"}),
    ),
    "plain": EntityLayout(
        package="a program of one's own",
        mapping=MAPPINGS["plain"],
        primary=("id", 512),
        fields={"document": DataType.VARCHAR},
        dynamic=True,
        reserved=frozenset({"id", "vector"}),
    ),
}
