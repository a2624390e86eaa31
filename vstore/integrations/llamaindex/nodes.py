"""LlamaIndex's nodes as records of vstore and back, in the layout of LlamaIndex's own stores.

The document is the node's text. The metadata are the node's own, as far as META-1 has them, beside LlamaIndex's keys:
``_node_content`` is the whole node as JSON without its text and embedding, ``_node_type`` its class, ``document_id``,
``doc_id`` and ``ref_doc_id`` the document that it is from. Nodes come back from ``_node_content``, so that nothing of
them is lost. Metadata that META-1 does not have, such as ``[]`` and dicts, can be asked for by the tokens of
``vstore.integrations.terms``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    TextNode,
)
from pydantic_core import to_jsonable_python

from vstore.errors import InvalidInput, Mismatch, brief
from vstore.integrations.terms import TOKENS, check_tokens, element_token, is_native, presence_token, value_token
from vstore.keys import encodable
from vstore.records import Metadata, Records, VectorArray

__all__ = [
    "CONTENT",
    "REF_DOC_ID",
    "embedding_of",
    "node_from_record",
    "nodes_from_records",
    "record_from_node",
]

CONTENT: Final = "_node_content"
REF_DOC_ID: Final = "ref_doc_id"
_TYPE: Final = "_node_type"
_OF_DOCUMENT: Final = ("document_id", "doc_id", REF_DOC_ID)
_OWN: Final = frozenset((CONTENT, _TYPE, *_OF_DOCUMENT, TOKENS))
_NO_DOCUMENT: Final = "None"  # what LlamaIndex's own stores write there
_CLASSES: Final[dict[str, type[BaseNode]]] = {
    kind.class_name(): kind for kind in (TextNode, ImageNode, IndexNode, Node, Document, ImageDocument)
}


def record_from_node(node: BaseNode) -> tuple[str | None, Metadata]:
    """Return the document and the metadata of a node's record.

    Raises:
        InvalidInput: It is no node, or its metadata cannot be JSON.
    """
    if not isinstance(node, BaseNode):
        raise InvalidInput(f"a node must be a BaseNode of LlamaIndex, not {type(node).__name__}")
    try:
        content = node.model_dump(mode="json")
        filterable, tokens = _filterable(content.get("metadata", {}))
        # in LlamaIndex's form a number that is not finite is None: no filter finds it, but it comes back
        content["metadata"] = to_jsonable_python(node.metadata, inf_nan_mode="constants")
    except ValueError as error:
        raise InvalidInput(f"the node {node.node_id!r} has no JSON form: {error}") from error
    text = _take_text(content)
    content["embedding"] = None
    metadata = filterable if not tokens else {**filterable, TOKENS: check_tokens(tokens)}
    metadata[CONTENT] = _json(content)
    metadata[_TYPE] = node.class_name()
    metadata.update(dict.fromkeys(_OF_DOCUMENT, node.ref_doc_id or _NO_DOCUMENT))
    return text, metadata


def node_from_record(
    record_id: str, document: str | None, metadata: Metadata, vector: VectorArray | None = None
) -> BaseNode:
    """Return the node of a record; of one that LlamaIndex did not write a ``TextNode`` with its metadata.

    Raises:
        Mismatch: What stands under ``_node_content`` is no node.
    """
    embedding = None if vector is None else vector.tolist()
    if CONTENT not in metadata:
        return TextNode(id_=record_id, text=document or "", metadata=dict(metadata), embedding=embedding)
    try:
        content = json.loads(metadata[CONTENT])
        _put_text(content, document)
        node = _CLASSES.get(metadata.get(_TYPE, ""), TextNode).from_dict(content)
        if document is not None and node.get_content(MetadataMode.NONE) != document:
            node.set_content(document)  # LlamaIndex's own stores leave no place for it
    except (TypeError, ValueError) as error:
        raise Mismatch(
            f"the metadata {CONTENT!r} of {record_id!r} is no node: {brief(metadata[CONTENT])}",
            hint="LlamaIndex and vstore.integrations.llamaindex write this key.",
        ) from error
    node.embedding = embedding
    return node


def nodes_from_records(records: Records) -> list[BaseNode]:
    """Return the nodes of records that were read with all columns; errors are those of ``node_from_record``."""
    return [node_from_record(one.id, one.document, one.metadata or {}, one.vector) for one in records]


def embedding_of(node: BaseNode) -> list[float]:
    """Return a node's embedding; raises ``InvalidInput`` where it has none."""
    if node.embedding is None:
        raise InvalidInput(f"the node {node.node_id!r} has no embedding", hint="Give the index an embed_model.")
    return node.embedding


def _take_text(content: dict[str, Any]) -> str | None:
    """Removes the text of a node's JSON form and returns it."""
    if isinstance(content.get("text"), str):
        text: str = content.pop("text")
        return text
    resource = content.get("text_resource")
    return resource.pop("text", None) if isinstance(resource, dict) else None


def _put_text(content: dict[str, Any], text: str | None) -> None:
    """Puts a record's document where ``_take_text`` found it."""
    if isinstance(content.get("text_resource"), dict):
        content["text_resource"]["text"] = text
    elif text is not None:
        content["text"] = text


def _filterable(metadata: Mapping[str, Any]) -> tuple[Metadata, list[str]]:
    """What can be asked for of a node's metadata: as values that META-1 has, and as tokens."""
    native: Metadata = {}
    tokens: list[str | None] = []
    for key, value in metadata.items():
        if key in _OWN - {TOKENS} or value is None:
            continue
        if key != TOKENS and is_native(key, value):
            native[key] = value
            continue
        tokens += [presence_token(key), value_token(key, value)]
        if isinstance(value, list):
            tokens += [element_token(key, element) for element in value]
    return native, [token for token in tokens if token is not None]


def _json(content: dict[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text if encodable(text) else json.dumps(content, separators=(",", ":"))
