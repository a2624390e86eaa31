"""What other packages write into Qdrant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from vstore.mapping import ALL, IdType, RecordMapping
from vstore.spi.layouts import Layout, Part, node

__all__ = ["LAYOUTS", "MAPPINGS", "PointLayout"]

MAPPINGS: Final = {
    "langchain": RecordMapping(document=("page_content",), metadata=("metadata",), fields=ALL),
    # the text of a node is in the JSON that _node_content holds
    "llamaindex": RecordMapping(document=("_node_content", "text")),
    # whose points have ids of their own, made of those of its documents
    "haystack": RecordMapping(id=("id",), document=("content",), metadata=("meta",), fields=ALL),
    "mem0": RecordMapping(document=("data",)),
    "plain": RecordMapping(document=("document",)),
}
# by which qdrant-haystack makes the id of a point of that of a document
_HAYSTACK: Final = UUID("3896d314-1e95-4a3a-b45a-945f9f0b541d")


def _haystack_point(document: str) -> UUID:
    return uuid5(_HAYSTACK, document)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLayout(Layout):
    """A layout of Qdrant, which keeps the direction of a vector under cosine.

    Attributes:
        id_type: What ids of points are.
        keywords: Keys of the payload that the package makes an index for.
        on_disk: Whether vectors are on disk, as the package says it; None where it says nothing.
    """

    id_type: IdType = IdType.INT_OR_UUID
    unit_vectors: bool = True
    keywords: Sequence[str] = ()
    on_disk: bool | None = None


# mem0 is missing: it makes a sparse vector of each memory with a model of its own
LAYOUTS: Final[Mapping[str, PointLayout]] = {
    "langchain": PointLayout(package="langchain-qdrant", mapping=MAPPINGS["langchain"]),
    "llamaindex": PointLayout(
        package="llama-index-vector-stores-qdrant",
        mapping=MAPPINGS["llamaindex"],
        derived=node(Part.DOCUMENT),
        keywords=("doc_id",),
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
    "plain": PointLayout(package="a program of one's own", mapping=MAPPINGS["plain"], needs_document=False),
}
