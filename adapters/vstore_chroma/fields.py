"""Named fields of records, which Chroma has no columns for: each as packed text in a record's metadata. Pure.

The name ``_vs@NAME`` holds the text (``vstore.spi.packing``). A record without a vector of that field has no such key.
Chroma keeps one vector a record, and every record has one: where a collection has named fields only, it is a
placeholder, which nothing searches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from vstore.columns import Column, VectorArray, absent, dense, vector_at
from vstore.errors import BackendError
from vstore.fields import Dense, Field
from vstore.info import CollectionInfo
from vstore.records import Include, Metadata, Records
from vstore.sparse import SparseArray, SparseVector
from vstore.spi.packing import from_text, pack_dense, pack_sparse, to_text, unpack_dense, unpack_sparse

__all__ = ["field_column", "packed", "placeholders", "rows_with_fields", "with_fields", "without_fields"]

_FIELD: Final = "_vs@"
# of metadata in one answer, were sparse vectors of about 750 values
_RESPONSE_CHARS: Final = 8_000_000
_SPARSE_CHARS: Final = 8_000
_FEWEST_ROWS: Final = 16


def packed(records: Records, info: CollectionInfo, *, removing: bool = False) -> list[Metadata]:
    """Return the named fields of each record as metadata.

    Args:
        records: The records, with any of the collection's fields.
        info: The collection.
        removing: Whether a vector that is absent is None, which removes it, and not left out.
    """
    columns = {_FIELD + name: records.fields[name] for name in info.fields if name in records.fields}
    rows: list[Metadata] = []
    for place in range(len(records)):
        row: Metadata = {}
        for key, column in columns.items():
            vector = vector_at(column, place)
            if vector is not None:
                row[key] = _text(vector)
            elif removing:
                row[key] = None
        rows.append(row)
    return rows


def with_fields(metadatas: list[Metadata] | None, fields: list[Metadata]) -> list[Metadata] | None:
    """Return stored metadata with the fields of ``packed`` in it; None where there is neither."""
    if not any(fields):
        return metadatas
    if metadatas is None:
        return fields
    return [{**metadata, **own} for metadata, own in zip(metadatas, fields, strict=True)]


def without_fields(metadata: Metadata | None) -> Metadata:
    """Return stored metadata without the fields."""
    return {name: value for name, value in (metadata or {}).items() if not name.startswith(_FIELD)}


def _text(vector: VectorArray | SparseVector) -> str:
    return to_text(pack_sparse(vector) if isinstance(vector, SparseVector) else pack_dense(vector))


def field_column(metadatas: Sequence[Mapping[str, Any] | None], name: str, field: Field) -> Column:
    """Return one named field of records, of their metadata as Chroma has it.

    Raises:
        BackendError: A text is none that vstore wrote.
    """
    texts = [(metadata or {}).get(_FIELD + name) for metadata in metadatas]
    try:
        if not isinstance(field, Dense):
            return SparseArray.stack([None if text is None else unpack_sparse(from_text(text)) for text in texts])
        column = dense(absent(len(texts), field.dimension))
        for place, text in enumerate(texts):
            if text is not None:
                column[place] = unpack_dense(from_text(text), field.dimension)
    except (ValueError, AttributeError) as error:
        raise BackendError(
            f"the metadata {_FIELD + name!r} holds no vector of the field {name!r}: {error}",
            hint="Something else than vstore wrote it. Write these records anew.",
        ) from error
    return column


def placeholders(rows: int) -> VectorArray:
    """Return what Chroma takes for vectors of a collection that has named fields only, float32 of shape (rows, 1)."""
    return np.ones((rows, 1), dtype=np.float32)


def rows_with_fields(info: CollectionInfo, include: Include, most: int) -> int:
    """Return how many records to read at once, given that Chroma answers with the whole metadata or none."""
    if not info.fields or not (include.metadatas or include.fields):
        return most
    chars = sum(6 * field.dimension if isinstance(field, Dense) else _SPARSE_CHARS for field in info.fields.values())
    return min(most, max(_FEWEST_ROWS, _RESPONSE_CHARS // chars))
