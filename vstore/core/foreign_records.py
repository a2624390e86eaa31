"""From the rows of a collection that vstore did not create to records: pure.

Nothing is converted in silence. A value the contract has comes as it is; null means absent (META-3). A UUID comes as
its text and a decimal as its digits, since no value of the contract is either; a moment with a time zone comes in
UTC. What is left is outside the contract, and the mapping says what becomes of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import numpy as np

from vstore.columns import Column
from vstore.core.field_input import check_dense
from vstore.core.validate import check_ids, check_vectors
from vstore.errors import InvalidInput, Mismatch
from vstore.fields import Dense, Field
from vstore.info import CollectionInfo
from vstore.keys import check_key, encodable
from vstore.mapping import ALL, IdType, Outside, Path, RecordMapping
from vstore.records import Include, Metadata, Records, VectorArray
from vstore.sparse import SparseArray
from vstore.sparse_input import read_column
from vstore.spi.foreign import NOTHING, Rows, parsed, record_id, walk
from vstore.wording import a_type

__all__ = ["RecordReader", "to_records"]

_INT64: Final = 1 << 63


def to_records(mapping: RecordMapping, info: CollectionInfo, rows: Rows, include: Include) -> Records:
    """The records in rows, in that order.

    Args:
        mapping: Where things are.
        info: Dimension and metric of the collection.
        rows: What the database gave.
        include: The columns wanted; ``rows`` has what they need.

    Raises:
        Mismatch: A row that is no record of the contract; the error names it and what is wrong.
    """
    raw = rows.keys if not mapping.id else [walk(mapping.id, one) for one in rows.fields]
    ids = [_id(key, mapping) for key in raw]
    try:
        check_ids(ids, distinct=False)
    except InvalidInput as error:
        raise Mismatch(error.message) from error
    reader = RecordReader(mapping)
    documents = metadatas = vectors = None
    if include.documents:
        documents = [reader.document(i, one) for i, one in zip(ids, rows.fields, strict=True)]
    if include.metadatas:
        metadatas = [reader.metadata(i, one) for i, one in zip(ids, rows.fields, strict=True)]
    if include.vectors:
        vectors = _vectors(info, ids, rows.vectors or [])
    fields = {name: _named(name, info.fields[name], ids, rows.named.get(name, [])) for name in include.fields}
    return Records(ids, vectors, documents, metadatas, fields)


def _id(key: object, mapping: RecordMapping) -> str:
    if key is NOTHING or key is None:
        raise Mismatch(f"a row has no id at {_told(mapping.id)}")
    if mapping.id_type is IdType.TEXT and not isinstance(key, str):
        raise Mismatch(f"the id {key!r:.80} at {_told(mapping.id)} is not a text", hint="It could not be looked for.")
    return record_id(key)


def _vectors(info: CollectionInfo, ids: Sequence[str], found: Sequence[VectorArray | None]) -> VectorArray:
    for one, vector in zip(ids, found, strict=True):
        if vector is None:
            raise Mismatch(
                "a row has no vector", ids=[one], hint="missing_vector='skip' in the mapping leaves such rows out."
            )
        if len(vector) != info.dimension:
            raise Mismatch(f"a vector has {len(vector)} dimensions; the collection has {info.dimension}", ids=[one])
    if not ids:
        return np.empty((0, info.dimension), dtype=np.float32)
    array = np.asarray(found, dtype=np.float32)
    try:
        return check_vectors(array, info.dimension, info.metric)
    except InvalidInput:
        for one, vector in zip(ids, array, strict=True):
            try:
                check_vectors(vector[None], info.dimension, info.metric, name="vector")
            except InvalidInput as error:
                raise Mismatch(f"{error.message}, which the contract refuses", ids=[one]) from error
        raise


def _named(name: str, field: Field, ids: Sequence[str], found: Sequence[Any]) -> Column:
    try:
        return _column(name, field, found)
    except InvalidInput:
        for one, vector in zip(ids, found, strict=True):
            try:
                _column(name, field, [vector])
            except InvalidInput as error:
                raise Mismatch(
                    f"{error.message}, which the contract refuses",
                    ids=[one],
                    hint=f"Leave {name!r} out of vectors= in the mapping.",
                ) from error
        raise


def _column(name: str, field: Field, found: Sequence[Any]) -> Column:
    if isinstance(field, Dense):
        return check_dense(found, field, len(found), name)
    return SparseArray(*read_column(found, name))


class RecordReader:
    """Reads documents and metadata by one mapping.

    Attributes:
        odd: The keys, or the path of the document, whose values were dropped or became text.
    """

    def __init__(self, mapping: RecordMapping) -> None:
        self._mapping = mapping
        self._hidden = set(mapping.hidden)
        self._known: set[str] = set()
        self.odd: set[str] = set()
        used = [path for path in (mapping.id, mapping.document) if path]
        self._used_at_top = {path[0] for path in used if len(path) == 1} | {mapping.vector} - {""}
        # what is the document, or the id, is not metadata as well
        self._used_inside = {path[-1] for path in used if path[:-1] == mapping.metadata and mapping.metadata}

    def document(self, record: str, fields: Mapping[str, Any]) -> str | None:
        """The document in the fields of a row; ``record`` names it in an error."""
        path = self._mapping.document
        found = None if path is None else walk(path, fields)
        if found is None or found is NOTHING:
            return None
        if not isinstance(found, str):
            self.odd.add(_told(path))
            match self._mapping.outside:
                case Outside.DROP:
                    return None
                case Outside.TEXT:
                    return _text(found)
                case Outside.REFUSE:
                    pass
            raise Mismatch(f"the document at {_told(path)} is {a_type(type(found))}, not a text", ids=[record])
        if "\x00" in found or not encodable(found):
            raise Mismatch(f"the document at {_told(path)} has NUL or a lone surrogate", ids=[record])
        return found

    def metadata(self, record: str, fields: Mapping[str, Any]) -> Metadata:
        """The metadata in the fields of a row; ``record`` names it in an error."""
        out: Metadata = {}
        mapping = self._mapping
        if mapping.metadata:
            found = walk(mapping.metadata, fields)
            read = parsed(found) if isinstance(found, str) else found
            if found is not NOTHING and read is not None:
                if not isinstance(read, Mapping):  # a text that is no JSON among them
                    raise Mismatch(f"there is no object at {_told(mapping.metadata)}", ids=[record])
                self._take(record, {k: v for k, v in read.items() if k not in self._used_inside}, out)
        if mapping.metadata == ():
            self._take(record, {k: v for k, v in fields.items() if k not in self._used_at_top}, out)
        elif mapping.fields:
            container = mapping.metadata[:1] if mapping.metadata else ()
            named = fields if mapping.fields == ALL else mapping.fields
            left = [k for k in named if mapping.fields != ALL or k not in (*self._used_at_top, *container)]
            self._take(record, {k: fields.get(k) for k in left if not self._holds_document(k, fields.get(k))}, out)
        return out

    def _holds_document(self, key: str, value: object) -> bool:
        """Whether a field is an object with the document and nothing else."""
        path = self._mapping.document or ()
        return path[:-1] == (key,) and isinstance(value, Mapping) and value.keys() == {path[-1]}

    def _take(self, record: str, found: Mapping[str, Any], out: Metadata) -> None:
        for key, value in found.items():
            if value is None or key in self._hidden:
                continue
            if key in out:
                raise Mismatch(
                    f"the key {key!r} is in the metadata and in a field of its own",
                    ids=[record],
                    hint="Name one place only: take it out of fields=, or hide it.",
                )
            converted = self._converted(record, key, value)
            if converted is not NOTHING:
                out[key] = converted

    def _converted(self, record: str, key: str, value: object) -> object:
        try:
            if key not in self._known:
                check_key(key)
                self._known.add(key)
            return _value(key, value, self._known)
        except InvalidInput as error:
            legal = key in self._known
            self.odd.add(key)
            if self._mapping.outside is Outside.DROP:
                return NOTHING
            if self._mapping.outside is Outside.TEXT and legal:
                return _text(value)
            raise Mismatch(
                f"the metadata of a record are outside the contract: {error.message}",
                ids=[record],
                hint=f"hidden={[key]!r} in the mapping leaves the key out"
                + (", outside='text' brings such values as JSON text." if legal else "."),
            ) from error


def _value(key: str, value: object, known: set[str]) -> object:
    """A value of the contract; raises ``InvalidInput`` where there is none."""
    match value:
        case str():
            if "\x00" in value or not encodable(value):
                raise InvalidInput(f"{key!r}: the str contains NUL or a lone surrogate")
            return value
        case bool():
            return value
        case int():
            if not -_INT64 <= value < _INT64:
                raise InvalidInput(f"{key!r}: {value} is outside the 64-bit integers")
            return value
        case float():
            if not math.isfinite(value):
                raise InvalidInput(f"{key!r}: {value} is not a finite number")
            return value
        case datetime():
            if value.tzinfo is None:
                raise InvalidInput(f"{key!r}: the datetime has no time zone")
            return value.astimezone(UTC)
        case UUID() | Decimal():
            return str(value)
        case list():
            return _list(key, value, known)
        case dict():
            for inner in value:
                if inner not in known:
                    check_key(inner)
                    known.add(inner)
            return {k: _value(f"{key}.{k}", v, known) for k, v in value.items() if v is not None}
        case _:
            raise InvalidInput(f"{key!r} has a value of type {type(value).__module__}.{type(value).__qualname__}")


def _list(key: str, value: list[Any], known: set[str]) -> list[Any]:
    if not value:
        raise InvalidInput(f"{key!r} is an empty list")
    elements = [None if isinstance(x, list | dict) or x is None else _value(key, x, known) for x in value]
    kinds = set(map(type, elements))
    if len(kinds) > 1 or None in elements:
        names = ", ".join(sorted({type(x).__name__ for x in value}))
        raise InvalidInput(f"{key!r}: a list holds elements of one type, and no null, list or dict, not {names}")
    return elements


def _text(value: object) -> str:
    # repr of what JSON does not have, such as bytes, is ASCII
    return json.dumps(value, ensure_ascii=True, default=repr, separators=(",", ":"))


def _told(path: Path | None) -> str:
    return ".".join(path) if path else "the key"
