"""Haystack's documents as records of vstore and back.

Id, content and embedding are the record's id, document and vector. Meta that META-1 has is metadata under its own key,
so that any program can filter by it; what META-1 does not have stands as JSON under ``vstore_json``. Keys that begin
with ``vstore_`` hold what Haystack's filters ask for besides: dates, values inside dicts, and tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
from haystack import Document
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy

from vstore.errors import InvalidInput, Mismatch, brief
from vstore.integrations.haystack.dates import moment_of
from vstore.integrations.haystack.places import BLANK, EXTRA, PREFIX, SCORE, meta_key, utc_key, wall_key
from vstore.integrations.metadata import KEY, filterable, is_restored, unpack, written
from vstore.integrations.tagged import decode
from vstore.integrations.terms import TOKENS, basic_date_token, check_tokens, is_native, presence_token, value_token
from vstore.records import IncludeName, Metadata, Record, VectorArray

__all__ = [
    "check_documents",
    "columns",
    "dimension_of",
    "distinct",
    "document_from_record",
    "metadata_from_document",
    "vectors_from_documents",
]

_OTHERS: Final[dict[str, Any]] = {"blob": ByteStream, "sparse_embedding": SparseEmbedding}


def metadata_from_document(document: Document) -> Metadata:
    """Return the metadata of a document's record.

    Raises:
        InvalidInput: The meta hold an object that has no JSON here, or lists of too many elements.
    """
    metadata: Metadata = {}
    rest: dict[Any, Any] = {}
    tokens: list[str | None] = []
    for key, value in document.meta.items():
        stands_for = filterable(value)
        if isinstance(key, str) and "." not in key:  # a filter takes a dot for the way into a dict
            _index(key, value, metadata, tokens)
        elif isinstance(key, str) and _is_kept(key, stands_for):
            metadata[key] = stands_for
        as_it_is = isinstance(key, str) and not key.startswith(PREFIX) and key in metadata
        if not as_it_is or not is_restored(value):
            rest[key] = value
    for name, value in (("id", document.id), ("content", document.content)):
        if value is not None:
            tokens += [presence_token(name), value_token(name, value)]
            _add_date(name, value, metadata, tokens)
    others = {name: getattr(document, name).to_dict() for name in _OTHERS if getattr(document, name) is not None}
    tokens += map(presence_token, others)
    metadata[TOKENS] = check_tokens([token for token in tokens if token is not None])
    if rest:
        metadata[KEY] = written(rest)
    if others:
        metadata[EXTRA] = written(others)
    if document.score is not None:
        metadata[SCORE] = float(document.score)
    if document.embedding is None:
        metadata[BLANK] = True
    return metadata


def document_from_record(record: Record, *, embedding: bool = True, score: float | None = None) -> Document:
    """Return the document of a record, read with documents and metadata.

    Args:
        record: One of Haystack's store, or any other: then all its metadata are meta.
        embedding: Whether the document has its embedding; then the record was read with its vector.
        score: The document's score; None for the one that it was written with.

    Raises:
        Mismatch: What stands under a key of Haystack's store is not what it writes.
    """
    found = record.metadata or {}
    meta = unpack({key: value for key, value in found.items() if key == KEY or not key.startswith(PREFIX)})
    vector = record.vector if embedding and BLANK not in found else None
    try:
        written_others = decode(json.loads(found.get(EXTRA, "{}")))
        others = {name: _OTHERS[name].from_dict(data) for name, data in written_others.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Mismatch(f"the metadata {EXTRA!r} of {record.id!r} is no document: {brief(found[EXTRA])}") from error
    return Document(
        id=record.id,
        content=record.document,
        meta=dict(meta),
        score=found.get(SCORE) if score is None else score,
        embedding=None if vector is None else vector.tolist(),
        **others,
    )


def vectors_from_documents(documents: list[Document], dimension: int) -> VectorArray:
    """Return float32 vectors of shape (n, dimension); one without an embedding has the first unit vector.

    Raises:
        InvalidInput: An embedding of another dimension.
    """
    vectors = np.zeros((len(documents), dimension), dtype=np.float32)
    vectors[:, 0] = 1.0
    for place, document in enumerate(documents):
        if document.embedding is not None:
            if len(document.embedding) != dimension:
                raise InvalidInput(
                    f"the embedding of {document.id!r} has {len(document.embedding)} dimensions; "
                    f"the collection has {dimension}"
                )
            vectors[place] = document.embedding
    return vectors


def check_documents(documents: Any) -> None:
    """Raises ``ValueError``, as Haystack wants it, unless these are documents in a list."""
    if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
        raise ValueError("Please provide a list of Documents.")


def distinct(documents: list[Document], policy: DuplicatePolicy) -> list[Document]:
    """Return the documents of one call that are to be written, each id once.

    Raises:
        DuplicateDocumentError: An id is repeated, and the policy is FAIL or NONE.
    """
    chosen: dict[str, Document] = {}
    for document in documents:
        if document.id in chosen and policy not in (DuplicatePolicy.OVERWRITE, DuplicatePolicy.SKIP):
            raise DuplicateDocumentError(f"ID '{document.id}' stands more than once in one call; nothing was written.")
        if document.id not in chosen or policy is DuplicatePolicy.OVERWRITE:
            chosen[document.id] = document
    return list(chosen.values())


def dimension_of(documents: list[Document], dimension: int | None) -> int:
    """Return how many components the embeddings of a new collection have.

    Raises:
        InvalidInput: No document has an embedding, and no dimension is given.
    """
    found = next((len(document.embedding) for document in documents if document.embedding is not None), dimension)
    if found is None:
        raise InvalidInput("the first documents have no embedding", hint="Pass embedding_dimension=.")
    return found


def columns(*, embedding: bool) -> tuple[IncludeName, ...]:
    """Return the columns that a document is read from."""
    return ("documents", "metadatas", "vectors") if embedding else ("documents", "metadatas")


def _is_kept(key: str, value: Any) -> bool:
    """Whether a value is metadata as it is. A datetime is not: vstore's filters take it for a number."""
    if key.startswith(PREFIX) or not is_native(key, value):
        return False
    return not isinstance(value[0] if isinstance(value, list) else value, datetime)


def _index(key: str, value: Any, metadata: Metadata, tokens: list[str | None]) -> None:
    """Adds the value at ``key``, names with dots between, as filters ask for it."""
    stands_for, name, own = filterable(value), f"meta.{key}", meta_key(key)
    if stands_for is None:
        return
    kept = _is_kept("value", stands_for) and (own == key or not isinstance(stands_for, list))
    if kept:
        metadata[own] = stands_for
    else:
        tokens.append(presence_token(name))
    if not kept or isinstance(stands_for, list):
        tokens.append(value_token(name, value if isinstance(value, tuple) else stands_for))
    _add_date(name, stands_for, metadata, tokens)
    if isinstance(stands_for, Mapping):
        for inner, element in stands_for.items():
            if isinstance(inner, str) and "." not in inner:
                _index(f"{key}.{inner}", element, metadata, tokens)


def _add_date(name: str, value: Any, metadata: Metadata, tokens: list[str | None]) -> None:
    moment = moment_of(value)
    if moment is None:
        return
    metadata[wall_key(name)] = moment.wall
    if moment.utc is not None:
        metadata[utc_key(name)] = moment.utc
    if not moment.equated:
        tokens.append(basic_date_token(name))
