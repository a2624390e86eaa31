"""What other packages write into Milvus. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pymilvus import CollectionSchema, DataType, Function, FunctionType, MilvusClient
from pymilvus.milvus_client.index import IndexParams

from vstore.errors import InvalidInput
from vstore.fields import Dense
from vstore.indexing import HNSW, Metric
from vstore.info import CollectionInfo
from vstore.mapping import ALL, RecordMapping
from vstore.spi.described import OWN_PROGRAM
from vstore.spi.layouts import Layout, node
from vstore_milvus.vectors import DenseVectors

__all__ = ["LAYOUTS", "MAPPINGS", "EntityLayout"]

_LONGEST: Final = 65_535


@dataclass(frozen=True, slots=True)
class Shared:
    """Collections of Milvus that hold several of a package's.

    Attributes:
        column: The field with the name of an entity's collection.
        collections: Their names, by patterns of the names that they hold, the first that fits.
    """

    column: str
    collections: Mapping[str, str]

    def native(self, name: str) -> str:
        """Return the name of the one that holds a collection of the package's."""
        return next(native for pattern, native in self.collections.items() if re.fullmatch(pattern, name, re.DOTALL))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityLayout(Layout):
    """A layout of Milvus.

    Attributes:
        primary: The primary field, a text, and the length that it may have.
        fields: The other fields with a value, each with its type; of a text the greatest length.
        dynamic: Whether entities have further fields.
        consistency: The level of reads that the package leaves a collection with.
        bm25: The sparse vector that Milvus makes of the text for BM25, and the function that makes it; or None.
        without_bm25: What the package makes on a server before 2.5, which has no BM25; or None.
        shared: Where the package keeps a collection in its other form; or None.
    """

    primary: tuple[str, int]
    fields: Mapping[str, DataType]
    dynamic: bool
    consistency: str = "Session"
    bm25: tuple[str, str] | None = None
    without_bm25: EntityLayout | None = None
    shared: Shared | None = None

    def schema(self, info: CollectionInfo) -> CollectionSchema:
        """Return the fields of a collection."""
        made = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=self.dynamic)
        for name, kind in self.fields.items():
            text = {"max_length": _LONGEST} if kind is DataType.VARCHAR else {}
            analyzed = {"enable_analyzer": True} if text and self.bm25 else {}
            made.add_field(name, kind, **text, **analyzed)
        name, longest = self.primary
        made.add_field(name, DataType.VARCHAR, is_primary=True, auto_id=False, max_length=longest)
        self._vectors(info).declare(made)
        if self.bm25:
            sparse, function = self.bm25
            made.add_field(sparse, DataType.SPARSE_FLOAT_VECTOR)
            made.add_function(Function(function, FunctionType.BM25, [*(self.mapping.document or ())], [sparse]))
        return made

    def indexes(self, info: CollectionInfo) -> IndexParams:
        """Return the indexes of its vectors."""
        made = MilvusClient.prepare_index_params()
        self._vectors(info).index(made)
        if self.bm25:
            made.add_index(self.bm25[0], index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
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
    "open-webui": RecordMapping(vector="vector", document=("text",), metadata=("metadata",), fields=ALL),
    "plain": RecordMapping(vector="vector", document=("document",)),
}


def _open_webui(name: str) -> str:
    """Return the collection of Milvus that is one of open-webui's."""
    native = "open_webui_" + name.replace("-", "_")
    if not re.fullmatch(r"\w{1,255}", native, re.ASCII):
        raise InvalidInput(
            "open-webui has no collection of such a name in Milvus", hint="It has up to 244 of A-Z a-z 0-9 _ -."
        )
    return native


# what the layouts of open-webui are alike in; retrieval/vector/dbs/milvus.py of open-webui 0.12.4, as MILVUS_… are by
# default
_BEFORE_2_5: Final = EntityLayout(
    package="open-webui",
    mapping=replace(MAPPINGS["open-webui"], document=("data", "text")),
    primary=("id", _LONGEST),
    fields={"data": DataType.JSON, "metadata": DataType.JSON},
    dynamic=True,
    consistency="Bounded",
    reserved=frozenset({"id", "vector"}),
    native=_open_webui,
    other_form="with others in one (ENABLE_MILVUS_MULTITENANCY_MODE=true)",
    index=HNSW(m=16, ef_construction=100),
    index_told="open-webui makes it as MILVUS_INDEX_TYPE says, by default HNSW",
    metrics=(Metric.COSINE,),
    nested=False,
    resizes=True,
    shared=Shared(
        "resource_id",
        {
            "user-memory-.*": "open_webui_memories",
            "file-.*": "open_webui_files",
            "web-search-.*": "open_webui_web_search",
            "[0-9a-f]{63}": "open_webui_hash_based",
            ".*": "open_webui_knowledge",
        },
    ),
)
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
    "open-webui": replace(
        _BEFORE_2_5,
        mapping=MAPPINGS["open-webui"],
        fields={"text": DataType.VARCHAR, "metadata": DataType.JSON},
        bm25=("sparse", "text_bm25"),
        without_bm25=_BEFORE_2_5,
    ),
    "plain": EntityLayout(
        package=OWN_PROGRAM,
        mapping=MAPPINGS["plain"],
        primary=("id", 512),
        fields={"document": DataType.VARCHAR},
        dynamic=True,
        reserved=frozenset({"id", "vector"}),
    ),
}
