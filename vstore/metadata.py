"""What metadata may be (META-1, META-3): checked once, before any I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sized
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vstore.errors import InvalidInput, Unsupported, brief, reading
from vstore.keys import check_key, encodable
from vstore.records import Metadata
from vstore.scalars import as_python, as_text

__all__ = [
    "MAX_INT",
    "MAX_LIST",
    "MAX_METADATA_BYTES",
    "check_length",
    "check_metadata",
    "check_metadatas",
    "micros",
]

MAX_KEYS: Final = 1000
MAX_LIST: Final = 1000
MAX_METADATA_BYTES: Final = 32 * 1024
MAX_NESTING: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_INT: Final = 1 << 63
"""Integers are from ``-MAX_INT`` to ``MAX_INT - 1``."""


def micros(moment: datetime) -> int:
    """Microseconds from the epoch to an aware ``moment``, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def check_length(name: str, column: Sized, n: int) -> None:
    """Raises ``InvalidInput`` unless a column has as many rows as there are ids."""
    if len(column) != n:
        raise InvalidInput(f"{name} has {len(column)} rows for {n} ids", hint="All columns have equal length.")


def check_metadatas(
    metadatas: object, n: int, *, nested: bool, keep_none: bool = False, most: int = MAX_METADATA_BYTES
) -> list[Metadata]:
    """The metadata dicts (META-1, META-3); a dict that holds plain values and no None is the caller's own.

    Args:
        metadatas: One dict or None a record.
        n: Number of records.
        nested: Whether dicts inside are allowed.
        keep_none: Whether None values stay (in an update they remove their key).
        most: Bytes that one dict may have as JSON.

    Raises:
        InvalidInput: A value, key or size that the contract refuses, naming the record.
        Unsupported: A dict inside where ``nested`` is False.
    """
    if isinstance(metadatas, str | bytes | Mapping) or not isinstance(metadatas, Iterable):
        raise InvalidInput(f"metadatas must be a list of dicts, not {type(metadatas).__name__}")
    with reading("metadatas"):
        given = list(metadatas)
    check_length("metadatas", given, n)
    known: set[str] = set()
    out: list[Metadata] = []
    for place, one in enumerate(given):
        if one is None:
            out.append({})
            continue
        try:
            out.append(check_metadata(one, known, nested=nested, keep_none=keep_none, most=most))
        except (InvalidInput, Unsupported) as error:
            error.message = f"metadatas[{place}]: {error.message}"
            raise
    return out


def check_metadata(
    metadata: object,
    known: set[str] | None = None,
    *,
    nested: bool | None = None,
    keep_none: bool = False,
    most: int = MAX_METADATA_BYTES,
) -> Metadata:
    """One metadata dict; ``known`` collects keys found legal, so that each is looked at once.

    ``nested`` tells whether this backend takes dicts inside; None where no backend does. ``most`` is how many bytes it
    may have as JSON.
    """
    if type(metadata) is not dict:
        raise InvalidInput(f"metadata must be a dict, not {type(metadata).__name__}")
    bound, plain = _measure(metadata, set() if known is None else known, nested, MAX_NESTING)
    if len(metadata) > MAX_KEYS:
        raise InvalidInput(f"{len(metadata):,} keys; at most {MAX_KEYS:,} are allowed")
    clean = metadata if plain else _cleaned(metadata, keep_none=keep_none)
    if bound > most:
        size = len(json.dumps(clean, default=micros, ensure_ascii=False, separators=(",", ":")).encode())
        if size > most:
            raise InvalidInput(f"{size:,} bytes as JSON; at most {most:,} are allowed")
    return clean


def _cleaned(metadata: Metadata, *, keep_none: bool) -> Metadata:
    """A copy in plain values; a None that removes a key stands at the top, inside a dict it means absent."""
    clean: Metadata = {}
    for key, value in metadata.items():
        if type(value) is dict:
            value = _cleaned(value, keep_none=False)
        elif type(value) is list:
            value = [as_python(element) for element in value]
        if value is not None or keep_none:
            clean[key if type(key) is str else str.__str__(key)] = as_python(value)
    return clean


def _measure(metadata: Metadata, known: set[str], nested: bool | None, room: int) -> tuple[int, bool]:
    """Checks a dict; returns an upper bound of its size as JSON, and whether it holds plain values and no None."""
    bound, plain = 2, True
    for key, value in metadata.items():
        if type(key) is not str or key not in known:
            name = as_text(key)
            check_key(name)
            known.add(str(name))
            plain = plain and name is key
        kind = type(value)
        bound += 4 * len(key) + 4
        if kind is str:
            bound += 6 * len(value) + 2
            if "\x00" in value or not value.isascii():
                _check_text(key, value)
        elif kind is bool:
            bound += 5
        elif kind is int:
            bound += 20
            _check_int(key, value)
        elif kind is float:
            bound += 25
            _check_float(key, value)
        elif kind is datetime:
            bound += 20
            _check_datetime(key, value)
        elif kind is list:
            kinds = set(map(type, value))
            if not kinds <= _ELEMENTS:
                value = [_meant(key, element) for element in value]
                kinds, plain = set(map(type, value)), False
            bound += _check_list(key, value, kinds)
        elif value is None:
            plain = False
        elif kind is dict:
            if nested is None:
                raise InvalidInput(f"{key!r} is a dict; the metadata of a collection is flat")
            if not nested:
                raise Unsupported(
                    f"{key!r} is a dict, and this backend takes flat metadata only",
                    hint="store.capabilities.nested_metadata tells beforehand.",
                )
            if room == 0:
                raise InvalidInput(f"{key!r}: dicts are nested deeper than {MAX_NESTING}")
            inner, same = _measure(value, known, nested, room - 1)
            bound, plain = bound + inner, plain and same
        elif (meant := _meant(key, value)) is not value:
            bound, plain = bound + _measure({key: meant}, known, nested, room)[0], False
        else:
            raise InvalidInput(
                f"{key!r} has a value of type {kind.__module__}.{kind.__qualname__}", hint=_hint_for(kind)
            )
    return bound, plain


def _meant(key: str, value: object) -> object:
    """The Python value that a value stands for, or itself."""
    try:
        return as_python(value)
    except InvalidInput as error:
        error.message = f"{key!r}: {error.message}"
        raise


def _hint_for(kind: type) -> str:
    if kind is tuple or kind is set:
        return "Pass a list."
    if kind.__module__ == "numpy":
        return "Use .tolist() for an array."
    return "Values are str, bool, int, float, datetime with a time zone, or a list of one of these."


def _check_text(key: str, value: str) -> None:
    if "\x00" in value or not encodable(value):
        raise InvalidInput(f"{key!r}: the str contains NUL or a lone surrogate")


def _check_int(key: str, value: int) -> None:
    if not -MAX_INT <= value < MAX_INT:
        raise InvalidInput(f"{key!r}: {brief(value)} is outside the 64-bit integers")


def _check_float(key: str, value: float) -> None:
    if not math.isfinite(value):
        raise InvalidInput(f"{key!r}: {value} is not a finite number", hint="Leave the key out instead.")


def _check_datetime(key: str, value: datetime) -> None:
    if value.utcoffset() is None:
        raise InvalidInput(f"{key!r}: the datetime has no time zone", hint="Use datetime(..., tzinfo=UTC).")
    if value.tzinfo is not UTC:
        try:
            value.astimezone(UTC)
        except OverflowError:
            raise InvalidInput(f"{key!r}: in UTC {value} is outside the years 1 to 9999") from None


_ELEMENT_CHECKS: Final[dict[type, Callable[[str, Any], None]]] = {
    str: _check_text,
    int: _check_int,
    float: _check_float,
    datetime: _check_datetime,
}


_ELEMENTS: Final = frozenset({str, bool, int, float, datetime})


def _check_list(key: str, value: list[Any], kinds: set[type]) -> int:
    if not 1 <= len(value) <= MAX_LIST:
        raise InvalidInput(
            f"{key!r}: the list has {len(value):,} elements; 1 to {MAX_LIST:,} are allowed",
            hint="Leave the key out instead of an empty list." if not value else "",
        )
    if len(kinds) > 1 or not kinds <= _ELEMENTS:
        names = ", ".join(sorted(k.__name__ for k in kinds))
        raise InvalidInput(
            f"{key!r}: a list holds elements of one type of str, bool, int, float, datetime, not {names}"
        )
    check = _ELEMENT_CHECKS.get(kinds.pop())
    bound = 2
    for element in value:
        if check is not None:
            check(key, element)
        bound += 6 * len(element) + 3 if type(element) is str else 26
    return bound
