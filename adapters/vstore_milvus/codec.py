"""Records to the columns that Milvus stores, and from the rows in which pymilvus hands them out. Pure.

The columns are ``id``, ``document``, ``metadata`` and ``facts``, and those of the vectors (``vstore_milvus.layout``).
``metadata`` is what the user gave, as JSON; ``facts`` is what filters ask (``vstore_milvus.compile``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from vstore.columns import Column, absent, dense
from vstore.errors import LimitExceeded
from vstore.fields import Dense
from vstore.records import Include, Metadata, Records
from vstore.spi.codec import from_json, to_json
from vstore_milvus.filter_fields import BEYOND, LISTS, PLAIN, SCALARS, element, plain, scalar
from vstore_milvus.layout import Layout
from vstore_milvus.vectors import Cells, Row

__all__ = ["check_sizes", "deleted", "encode", "to_records"]

# Milvus can store no absence that all its versions agree on; no document holds NUL (DOC-1). Absent is the
# empty string, which is what another client would expect, and an empty document is one NUL.
_NESTED: Final = frozenset((list, dict))
_EMPTY: Final = "\x00"
_MAX_JSON_BYTES: Final = 65_536  # of one field, unless the server is set up otherwise
# Of what one call brings, only such numbers as have their key twice may be too large, and not with so few keys
_FEW_KEYS: Final = 100
_ZERO: Final = scalar(0)
_dumps: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def check_sizes(records: Records, layout: Layout, *, merged: bool) -> None:
    """Raises ``LimitExceeded`` where a server would refuse a record.

    Args:
        records: What is to be written.
        layout: Where it stands.
        merged: Whether metadata may be larger than what one call brings (META-1).
    """
    for record_id, metadata in zip(records.ids, records.metadatas or (), strict=False):
        if not merged and len(metadata) <= _FEW_KEYS:
            continue
        facts = _filter_fields(metadata, numbers=layout.numbers)
        size = max(len(to_json(metadata).encode()), len(facts.encode()))
        if size > _MAX_JSON_BYTES:
            fewer = "Remove some of its keys by None, or pass replace_metadata=True."
            raise LimitExceeded(
                f"the metadata of record {record_id!r} would have {size} bytes as JSON, and Milvus takes "
                f"{_MAX_JSON_BYTES}; nothing was written",
                hint=fewer if merged else "Numbers beyond ±2**53 take their keys twice: write fewer, or as texts.",
                ids=[record_id],
            )


def encode(records: Records, layout: Layout) -> Cells:
    """Return the columns of records, by name. JSON is bytes."""
    n = len(records)
    documents = records.documents if records.documents is not None else [None] * n
    metadatas = records.metadatas if records.metadatas is not None else [{}] * n
    cells: Cells = {
        "id": records.ids,
        "document": ["" if document is None else document or _EMPTY for document in documents],
        "metadata": [to_json(metadata).encode() for metadata in metadatas],
        "facts": [_filter_fields(metadata, numbers=layout.numbers).encode() for metadata in metadatas],
        **layout.rest(metadatas),
    }
    for name, vectors in layout.vectors.items():
        cells |= vectors.cells(_column(records, name, layout))
    return cells


def _column(records: Records, name: str, layout: Layout) -> Column:
    """Return the vectors of one field, all absent where they were not given."""
    if not name or name in records.fields:
        return records.column(name)
    field = layout.info.fields[name]
    return absent(len(records), field.dimension if isinstance(field, Dense) else None)


def _filter_fields(metadata: Metadata, *, numbers: bool) -> str:
    facts: dict[str, Any] = {}
    for key, value in metadata.items():
        if isinstance(value, dict):
            continue  # nested metadata is for Milvus Lite, whose filters do not ask here
        if isinstance(value, list):
            facts[LISTS + key] = list(dict.fromkeys(map(element, value)))
        elif not numbers or isinstance(value, str | bool):
            facts[SCALARS + key] = scalar(value)
        elif (number := plain(value)) is not None:
            facts[PLAIN + key] = number
        else:
            text = facts[SCALARS + key] = scalar(value)
            facts[PLAIN + key] = BEYOND if text > _ZERO else -BEYOND
    return _dumps(facts)


def to_records(rows: Sequence[Row], include: Include, layout: Layout) -> Records:
    """Return the records in rows as Milvus answers them, in that order."""
    return Records(
        [row["id"] for row in rows],
        dense(layout.vectors[""].column(rows)) if include.vectors else None,
        _documents(rows) if include.documents else None,
        _metadatas(rows) if include.metadatas else None,
        {name: layout.vectors[name].column(rows) for name in include.fields},
    )


def deleted(answer: Any) -> int:
    """Return how many ids an answer to a delete counts: those asked for, be they there or not."""
    return int(answer.get("delete_count", 0)) if isinstance(answer, dict) else len(answer)


def _documents(rows: Sequence[Row]) -> list[str | None]:
    texts = [row["document"] for row in rows]
    return [None if text == "" else "" if text == _EMPTY else text for text in texts]


def _metadatas(rows: Sequence[Row]) -> list[Metadata]:
    """Return the metadata of records, which are handed out as parsed JSON: moments are still tagged."""
    found: list[Metadata] = [row["metadata"] for row in rows]
    for place, metadata in enumerate(found):
        if not _NESTED.isdisjoint(map(type, metadata.values())) and _tagged(metadata.values()):
            found[place] = from_json(json.dumps(metadata))
    return found


def _tagged(values: Iterable[Any]) -> bool:
    return any(
        isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
        for value in values
    )
