"""How to read a table that vstore did not create: by the layout of a known package, or by its columns. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from vstore.errors import Mismatch
from vstore.indexing import Metric
from vstore.mapping import RecordMapping
from vstore.spi.foreign import DOCUMENT_NAMES, fields_for
from vstore_pgvector.catalogue import JSONS, TEXTS, Column

__all__ = ["named_once", "numbered", "proposal", "with_fields"]

_INDEXED: Final = {"cosine", "l2", "ip"}


def proposal(
    name: str,
    layout: str | None,
    columns: Sequence[Column],
    keys: Sequence[Sequence[str]],
    collection: str | None,
    *,
    custom: bool = False,
    indexed: bool,
) -> RecordMapping:
    """Return how to read a table, by the layout that it has.

    Args:
        name: The table, or the collection of LangChain's.
        layout: The layout it must have, or None.
        columns: Of the table.
        keys: Its unique keys.
        collection: The number under which LangChain's older tables keep a collection of this name, or None.
        custom: Whether every row of that collection has a ``custom_id`` of its own.
        indexed: Whether an index tells the metric.

    Raises:
        Mismatch: It does not have this layout, or there is no telling how to read it.
    """
    known = {column.name: column for column in columns}
    for kind, needed, mapping in _known(known, collection, custom=custom):
        if needed and (layout == kind or (layout is None and kind != "plain")):
            # cosine is what all of them compare with unless they are told otherwise
            return mapping if indexed else replace(mapping, metric=Metric.COSINE)
    if layout is not None:
        raise Mismatch(
            f"{name!r} does not have the layout that {layout} writes",
            hint=f"Its columns are {', '.join(map(repr, known))}. mapping='auto' proposes one from them.",
        )
    return _from_columns(name, columns, keys)


def with_fields(
    mapping: RecordMapping, columns: Sequence[Column], indexes: Sequence[tuple[str, str, str, Sequence[str]]]
) -> RecordMapping:
    """Return a mapping with a named field for each further vector that may be one.

    A column without a dimension may not, nor one whose indexes are for other metrics than one that vstore can tell.
    """
    operators: dict[str, set[str]] = {}
    for name, _, one, _ in indexes:
        operators.setdefault(name, set()).add(one.removesuffix("_ops").rpartition("_")[2])

    def legal(column: Column) -> bool:
        indexed = operators.get(column.name, set())
        if column.sparse:
            return indexed <= {"ip"}
        return column.vector and column.typmod > 0 and len(indexed) < 2 and indexed <= _INDEXED

    vectors = fields_for(column.name for column in columns if legal(column) and column.name != mapping.vector)
    hidden = tuple(name for name in mapping.hidden if name not in vectors.values())
    return replace(mapping, vectors=vectors, hidden=hidden)


def named_once(shared: Sequence[Sequence[Any]]) -> dict[str, str]:
    """Return LangChain's collections: the uuid of each by its name, or by itself where several have one name.

    Args:
        shared: The uuid and the name of each, first.
    """
    times = Counter(row[1] for row in shared)
    return {row[1] if times[row[1]] == 1 else row[0]: row[0] for row in shared}


def numbered(name: str, shared: Sequence[Sequence[Any]]) -> str | None:
    """Return the uuid of one of LangChain's collections, by its name or its uuid; None if there is none.

    Raises:
        Mismatch: Several have this name.
    """
    found = [row[0] for row in shared if row[1] == name] or [row[0] for row in shared if row[0] == name]
    if len(found) > 1:
        raise Mismatch(
            f"several collections of LangChain's are called {name!r}", hint=f"Name one by its uuid: {', '.join(found)}."
        )
    return next(iter(found), None)


def _known(known: dict[str, Column], collection: str | None, *, custom: bool) -> list[tuple[str, bool, RecordMapping]]:
    """Return all layouts: whose each is, whether the table has it, and its mapping."""

    def has(*names: str) -> bool:
        return set(names) <= set(known)

    def left(*used: str) -> tuple[str, ...]:
        return tuple(c.name for c in known.values() if c.name not in used and not c.left)

    # the table of langchain-community has the key uuid, and ids that the application may give
    key = "id" if "id" in known else "custom_id" if custom else "uuid"
    return [
        (
            "langchain",
            collection is not None,
            RecordMapping(
                id=(key,),
                vector="embedding",
                document=("document",),
                metadata=("cmetadata",),
                fields=left(key, "uuid", "collection_id", "embedding", "document", "cmetadata"),
                only={"collection_id": collection or ""},
            ),
        ),
        (
            "langchain",
            has("langchain_id", "content", "embedding", "langchain_metadata"),
            RecordMapping(
                id=("langchain_id",),
                vector="embedding",
                document=("content",),
                metadata=("langchain_metadata",),
                fields=left("langchain_id", "content", "embedding", "langchain_metadata"),
            ),
        ),
        (
            "llamaindex",
            has("id", "text", "metadata_", "node_id", "embedding"),
            RecordMapping(
                id=("node_id",),
                vector="embedding",
                document=("text",),
                metadata=("metadata_",),
                fields=left("id", "text", "metadata_", "node_id", "embedding"),
            ),
        ),
        (
            "haystack",
            has("id", "embedding", "content", "meta", "blob_data", "blob_meta", "blob_mime_type"),
            RecordMapping(
                id=("id",),
                vector="embedding",
                document=("content",),
                metadata=("meta",),
                fields=left("id", "embedding", "content", "meta"),
            ),
        ),
        (
            "mem0",
            set(known) == {"id", "vector", "payload"},
            RecordMapping(id=("id",), vector="vector", document=("payload", "data"), metadata=("payload",)),
        ),
        (
            "dify",
            set(known) == {"id", "text", "meta", "embedding"},
            RecordMapping(id=("id",), vector="embedding", document=("text",), metadata=("meta",)),
        ),
        (
            "plain",
            has("id", "embedding", "document", "metadata"),
            RecordMapping(
                id=("id",),
                vector="embedding",
                document=("document",),
                metadata=("metadata",),
                fields=left("id", "embedding", "document", "metadata"),
            ),
        ),
    ]


def _from_columns(name: str, columns: Sequence[Column], keys: Sequence[Sequence[str]]) -> RecordMapping:
    """Return the first vector, the first key, of one column if there is one, the document by its name, a lone JSON."""
    vectors = [column.name for column in columns if column.vector]
    if not vectors:
        raise Mismatch(f"the table {name!r} has no column of type vector or halfvec")
    single = next((key[0] for key in keys if len(key) == 1), None)
    composite = () if single is not None else tuple(keys[0]) if keys else ()
    named = {column.name for column in columns if column.type in TEXTS}
    document = next((one for one in DOCUMENT_NAMES if one in named and one not in (single, *composite)), None)
    objects = [column.name for column in columns if column.type in JSONS]
    hidden = [column.name for column in columns if column.left and column.name != vectors[0]]
    made = RecordMapping(
        id=() if single is None else (single,),  # a view has no key: the caller says the id
        id_columns=composite,
        vector=vectors[0],
        document=None if document is None else (document,),
    )
    if len(objects) != 1:
        return replace(made, hidden=tuple(hidden))
    used = {single, vectors[0], document, objects[0], *hidden}
    left = tuple(column.name for column in columns if column.name not in used)
    return replace(made, metadata=(objects[0],), fields=left)
