"""How metadata that a framework writes and META-1 does not have is kept, beside what filters can ask for.

A value that META-1 has stays as it is. Everything else stands as canonical JSON under the key ``vstore_json``, from
which it is read back with its type: None, nested dicts on a flat store, empty, long and mixed lists, tuples, sets,
bytes, dates, UUIDs, NumPy scalars, numbers that are not finite or beyond 64 bits, keys that are not legal.
docs/integrations.md has the whole table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np

from vstore.errors import InvalidInput, Mismatch, Unsupported, brief, reading
from vstore.integrations.tagged import decode, encode, moment
from vstore.keys import encodable
from vstore.metadata import check_metadata
from vstore.records import Metadata

__all__ = ["KEY", "filterable", "is_restored", "pack", "pack_all", "unpack", "written"]

KEY: Final = "vstore_json"
"""The metadata key under which the JSON stands."""

_MISSING: Final = object()


def filterable(value: Any) -> Any:
    """Return the META-1 value that ``value`` stands for, or the value itself where it stands for none.

    A NumPy scalar stands for the Python number, a member of a ``StrEnum`` or ``IntEnum`` for its value, a pandas
    ``Timestamp`` for a datetime, a tuple for the list of its elements.
    """
    kind = type(value)
    if kind in (str, bool, int, float, datetime):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [filterable(element) for element in value]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, datetime):
        return moment(value)
    return value


def pack(metadata: Mapping[str, Any], known: set[str] | None = None, *, nested: bool) -> Metadata:
    """Return metadata that a collection takes, from which ``unpack`` returns an equal of ``metadata``.

    Args:
        metadata: What the framework has; it is not changed.
        known: Keys found legal so far, so that each is looked at once.
        nested: Whether the collection takes dicts inside (``capabilities.nested_metadata``).

    Raises:
        InvalidInput: It is no dict, or holds an object that has no JSON here, such as a function.
    """
    if type(metadata) is dict and KEY not in metadata and _is_legal(metadata, known, nested):
        return metadata
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"metadata must be a dict, not {type(metadata).__name__}")
    plain: Metadata = {}
    rest: dict[Any, Any] = {}
    with reading("metadata"):
        for key, value in metadata.items():
            stands_for = filterable(value)
            legal = key != KEY and _is_legal({key: stands_for}, known, nested)
            if legal:
                plain[key] = stands_for
            if not legal or not is_restored(value):
                rest[key] = value
        if rest:
            plain[KEY] = written(rest)
    return plain


def pack_all(metadatas: Iterable[Mapping[str, Any]], *, nested: bool) -> list[Metadata]:
    """Return ``pack`` of each; an error names the record."""
    known: set[str] = set()
    packed: list[Metadata] = []
    for place, metadata in enumerate(metadatas):
        try:
            packed.append(pack(metadata, known, nested=nested))
        except InvalidInput as error:
            error.message = f"metadatas[{place}]: {error.message}"
            raise
    return packed


def unpack(metadata: Metadata) -> Metadata:
    """Return the metadata that ``pack`` was given, its keys in order.

    Databases return keys in orders of their own, some in another one each time; frameworks print metadata into prompts.
    Where a key beside the JSON was written, changed or removed since, the change counts.

    Raises:
        Mismatch: What stands under ``vstore_json`` is not what ``pack`` writes.
    """
    if KEY not in metadata:
        return dict(sorted(metadata.items())) if len(metadata) > 1 else metadata
    plain = {key: value for key, value in metadata.items() if key != KEY}
    try:
        rest = decode(json.loads(metadata[KEY]))
        if not isinstance(rest, dict):
            raise TypeError("it is no object")
    except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError) as error:
        raise Mismatch(
            f"the metadata {KEY!r} is not what vstore writes there: {brief(metadata[KEY])}",
            hint="Only vstore.integrations writes this key.",
        ) from error
    for key, value in rest.items():
        found, stands_for = plain.get(key, _MISSING), filterable(value)
        if is_restored(value) or not _is_legal({key: stands_for}, None, nested=False):
            unchanged = found is _MISSING
        else:
            unchanged = type(found) is type(stands_for) and found == stands_for
        if unchanged:
            plain[key] = value
    return dict(sorted(plain.items(), key=lambda item: str(item[0])))


def _is_legal(metadata: dict[Any, Any], known: set[str] | None, nested: bool) -> bool:
    """Whether a collection takes it whole and loses nothing of it: None means absent there."""
    try:
        return check_metadata(metadata, known, nested=nested) is metadata
    except (InvalidInput, Unsupported):
        return False


def is_restored(value: Any) -> bool:
    """Return whether ``filterable(value)`` is all that is to be read back."""
    if isinstance(value, list):
        return all(map(is_restored, value))
    return not isinstance(value, tuple) and (isinstance(value, str) or not isinstance(value, np.generic))


def written(rest: dict[Any, Any]) -> str:
    """Return the JSON that stands under ``vstore_json``; raises ``InvalidInput`` for an object that has none."""
    tagged = encode(rest)
    text = json.dumps(tagged, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text if encodable(text) else json.dumps(tagged, separators=(",", ":"), sort_keys=True)
