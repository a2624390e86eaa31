"""What other packages write into Qdrant. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

from vstore.errors import Unsupported
from vstore.indexing import HNSW, Metric
from vstore.mapping import ALL, IdType, RecordMapping
from vstore.spi.described import OWN_PROGRAM
from vstore.spi.layouts import DIFY_NAMES, Layout, Part, node

__all__ = ["LAYOUTS", "MAPPINGS", "Keyword", "PointLayout", "Text", "described_points"]

MAPPINGS: Final = {
    "dify": RecordMapping(document=("page_content",), metadata=("metadata",), fields=ALL),
    "langchain": RecordMapping(document=("page_content",), metadata=("metadata",), fields=ALL),
    # the text of a node is in the JSON that _node_content holds
    "llamaindex": RecordMapping(document=("_node_content", "text")),
    # whose points have ids of their own, made of those of its documents
    "haystack": RecordMapping(id=("id",), document=("content",), metadata=("meta",), fields=ALL),
    "mem0": RecordMapping(document=("data",)),
    "n8n": RecordMapping(document=("content",), metadata=("metadata",), fields=ALL),
    "open-webui": RecordMapping(document=("text",), metadata=("metadata",), fields=ALL),
    "plain": RecordMapping(document=("document",)),
}
# by which qdrant-haystack makes the id of a point of that of a document
_HAYSTACK: Final = UUID("3896d314-1e95-4a3a-b45a-945f9f0b541d")
# by which vstore makes the id of a point of an id in the payload
_OWN: Final = UUID("0d1f7b1c-6a52-5c0e-9a3e-2f4b8c6d7e10")


def _haystack_point(document: str) -> UUID:
    return uuid5(_HAYSTACK, document)


_OPEN_WEBUI: Final = "open-webui_"
_KINDS: Final = {"user-memory-": "memories", "file-": "files", "web-search-": "web-search"}


def _open_webui_tenants(name: str) -> str:
    """Return the collection of Qdrant that holds one of open-webui's, as its ``_get_collection_and_tenant_id``."""
    for start, kind in _KINDS.items():
        if name.startswith(start):
            return _OPEN_WEBUI + kind
    return _OPEN_WEBUI + ("hash-based" if re.fullmatch("[0-9a-f]{63}", name) else "knowledge")


def _dify_group(name: str) -> str:
    """Return the id of the dataset that the name of one of dify's collections holds; else the name."""
    if not DIFY_NAMES.fullmatch(name):
        return name
    return "-".join(name.rsplit("_", 6)[1:-1])


@dataclass(frozen=True, slots=True)
class Keyword:
    """An index of a key of the payload that holds texts.

    Attributes:
        is_tenant: Whether points with one value are kept together, as the package says it; None where it says nothing.
        on_disk: Whether it is on disk, likewise.
    """

    is_tenant: bool | None = None
    on_disk: bool | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """An index of the words of a text in the payload.

    Attributes:
        tokenizer: Qdrant's name of what parts it.
        shortest: The fewest characters of a word.
        longest: The most.
    """

    tokenizer: str
    shortest: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLayout(Layout):
    """A layout of Qdrant, which keeps the direction of a vector under cosine.

    Attributes:
        id_type: What ids of points are.
        keywords: Keys of the payload that the package makes an index for, and which.
        graph: The settings of the graph, where the package says them for all its collections.
        on_disk: Whether vectors are on disk, as the package says it; None where it says nothing.
        column: The key of the payload that says which collection a point is of, where Qdrant may have one for several.
        owner: Makes what it says of the name of a collection.
        alone: The name that Qdrant has of a collection in the package's other form, with its name in place of ``{}``.
    """

    id_type: IdType = IdType.INT_OR_UUID
    unit_vectors: bool = True
    keywords: Mapping[str, Keyword | Text] = field(default_factory=dict)
    graph: Mapping[str, Any] = field(default_factory=dict)
    on_disk: bool | None = None
    column: str = ""
    owner: Callable[[str], str] = str
    alone: str = ""


LAYOUTS: Final[Mapping[str, PointLayout]] = {
    "langchain": PointLayout(package="langchain-qdrant", mapping=MAPPINGS["langchain"]),
    "llamaindex": PointLayout(
        package="llama-index-vector-stores-qdrant",
        mapping=MAPPINGS["llamaindex"],
        derived=node(Part.DOCUMENT),
        keywords={"doc_id": Keyword()},
    ),
    "haystack": PointLayout(
        package="qdrant-haystack",
        mapping=MAPPINGS["haystack"],
        id_type=IdType.TEXT,
        key=_haystack_point,
        row={"content": None, "blob": None, "score": None, "sparse_embedding": None},
        needs_document=False,
        on_disk=False,
    ),
    # The form of versions before 2, which mem0ai 2 reads and writes: in its own it also has a sparse vector of each
    # memory, which a model makes.
    "mem0": PointLayout(
        package="mem0ai",
        mapping=MAPPINGS["mem0"],
        id_type=IdType.UUID,
        derived={"hash": Part.MD5},
        keywords={key: Keyword() for key in ("user_id", "agent_id", "run_id", "actor_id")},
        on_disk=False,
    ),
    # retrieval/vector/dbs/qdrant_multitenancy.py of open-webui 0.12.4, as QDRANT_… are by default. Its answers have ids
    # as texts, which Qdrant's integers are not.
    "open-webui": PointLayout(
        package="open-webui",
        mapping=MAPPINGS["open-webui"],
        id_type=IdType.UUID,
        keywords={
            "tenant_id": Keyword(is_tenant=True, on_disk=False),
            "metadata.hash": Keyword(on_disk=False),
            "metadata.file_id": Keyword(on_disk=False),
        },
        on_disk=False,
        native=_open_webui_tenants,
        column="tenant_id",
        graph={"payload_m": 16, "m": 0},
        alone="open-webui_{}",
        other_form="in a collection of its own (ENABLE_QDRANT_MULTITENANCY_MODE=false)",
        index=HNSW(m=16, ef_construction=100),
        index_told="open-webui has a graph of each collection's points",
        metrics=(Metric.COSINE,),
        nested=False,
        by_rows=True,
        resizes=True,
        whole=RecordMapping(metadata=None, fields=("tenant_id",)),
    ),
    # vdb-qdrant of dify 1.13. Its datasets have one collection of Qdrant each, or share that of an embedding model.
    "dify": PointLayout(
        package="dify",
        mapping=MAPPINGS["dify"],
        id_type=IdType.UUID,
        named=DIFY_NAMES,
        keywords={
            "group_id": Keyword(),
            "metadata.doc_id": Keyword(),
            "metadata.document_id": Keyword(),
            "page_content": Text("multilingual", 2, 20),
        },
        column="group_id",
        owner=_dify_group,
        graph={
            "m": 0,
            "payload_m": 16,
            "ef_construct": 100,
            "full_scan_threshold": 10_000,
            "max_indexing_threads": 0,
            "on_disk": False,
        },
        derived={"doc_id": Part.ID},
        index=HNSW(m=16, ef_construction=100),
        index_told="dify makes HNSW(m=16, ef_construction=100) of the points of each dataset",
        metrics=(Metric.COSINE,),
    ),
    # VectorStoreQdrant of n8n's nodes-langchain 2.41.1, as its keys are by default
    "n8n": PointLayout(
        package="n8n",
        mapping=MAPPINGS["n8n"],
        index=HNSW(m=16, ef_construction=100),
        index_told="n8n takes Qdrant's default",
    ),
    "plain": PointLayout(package=OWN_PROGRAM, mapping=MAPPINGS["plain"], needs_document=False),
}


def described_points(mapping: RecordMapping) -> PointLayout:
    """Return the points that a mapping describes, whose payload has its keys.

    An id that has a place in the payload is any text, and the point's own id is made of it.

    Raises:
        Unsupported: A vector with a name, ids that points do not have, or keys of a payload that are not read, which a
            write would delete.
    """
    if mapping.metadata != () and mapping.fields != ALL:
        raise Unsupported(
            "a payload can have any key, and the mapping does not read all",
            hint='Write "metadata": [] into the mapping, or "fields": ["*"] beside a key of the metadata.',
        )
    if mapping.vector:
        raise Unsupported("points are made with a vector that has no name", hint="Leave out vector= in the mapping.")
    if mapping.id and mapping.id_type not in (None, IdType.TEXT):
        raise Unsupported("an id in the payload is a text", hint="Leave out id_type= in the mapping.")
    return PointLayout(
        package=OWN_PROGRAM,
        mapping=mapping,
        id_type=IdType.TEXT if mapping.id else mapping.id_type or IdType.INT_OR_UUID,
        key=_point if mapping.id else None,
        needs_document=False,
        metrics=tuple(Metric) if mapping.metric is None else (mapping.metric,),
    )


def _point(record: str) -> UUID:
    return uuid5(_OWN, record)
