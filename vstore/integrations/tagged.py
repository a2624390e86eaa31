"""Python values as JSON that keeps their types: what JSON has stands as it is, everything else below a tag.

A tag is an object with one key that begins with ``$``, such as ``{"$tuple": [1, 2]}``. A dict that could be taken for
a tag, or whose keys are not all str, is ``{"$dict": [[key, value], …]}``.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import numpy as np

from vstore.errors import InvalidInput, brief

__all__ = ["decode", "encode", "moment"]

_DEPTH: Final = 64


def encode(value: Any, room: int = _DEPTH) -> Any:
    """Return what ``json.dumps`` takes, from which ``decode`` returns an equal value of the same type.

    A subclass of str, int, float, list, tuple or dict, such as a ``StrEnum``, comes back as what it stands for.

    Raises:
        InvalidInput: An object of any other type, or nested deeper than 64.
    """
    if room == 0:
        raise InvalidInput(f"values are nested deeper than {_DEPTH}")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, np.generic) and not isinstance(value, str | bytes):
        return {"$numpy": [value.dtype.str, b64encode(value.tobytes()).decode()]}
    if isinstance(value, np.ndarray) and value.dtype.kind not in "OV":
        return {"$array": [value.dtype.str, list(value.shape), b64encode(value.tobytes()).decode()]}
    for base, write in _WRITERS.items():
        if isinstance(value, base):
            return write(value, room - 1)
    raise InvalidInput(
        f"a {kind.__module__}.{kind.__qualname__} cannot be kept in metadata",
        hint="Pass its fields as a dict, or a text that stands for it.",
    )


def moment(value: datetime) -> datetime:
    """Return the datetime that a subclass of it stands for, such as a pandas ``Timestamp``.

    Raises:
        InvalidInput: It is none, or finer than microseconds.
    """
    if type(value) is datetime:
        return value
    try:
        plain = datetime.combine(datetime.date(value), datetime.timetz(value))
    except (TypeError, ValueError):
        plain = None
    if plain != value or plain is None:
        raise InvalidInput(f"{brief(value)} is no datetime of whole microseconds", hint="Round it, or leave it out.")
    return plain


def _mapping(value: Mapping[Any, Any], room: int) -> Any:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: _below(key, element, room) for key, element in value.items()}
    pairs = [[encode(key, room), _below(key, element, room)] for key, element in value.items()]
    return {"$dict": sorted(pairs, key=repr)}


def _below(key: object, element: Any, room: int) -> Any:
    try:
        return encode(element, room)
    except InvalidInput as error:
        error.message = f"{brief(key)}: {error.message}"
        raise


def _elements(value: Any, room: int) -> list[Any]:
    return [encode(element, room) for element in value]


def _ordered(value: Any, room: int) -> list[Any]:
    """The elements of a set, in an order that depends on nothing but them."""
    return sorted(_elements(value, room), key=repr)


def _float(value: float, _: int) -> Any:
    return float(value) if math.isfinite(value) else {"$float": repr(float(value))}


# the first that fits: a datetime is a date too
_WRITERS: Final[dict[Any, Callable[[Any, int], Any]]] = {
    str: lambda value, _: str.__str__(value),
    int: lambda value, _: int(value),
    float: _float,
    list: _elements,
    tuple: lambda value, room: {"$tuple": _elements(value, room)},
    Mapping: _mapping,
    frozenset: lambda value, room: {"$frozenset": _ordered(value, room)},
    set: lambda value, room: {"$set": _ordered(value, room)},
    bytes: lambda value, _: {"$bytes": b64encode(value).decode()},
    datetime: lambda value, _: {"$datetime": moment(value).isoformat()},
    date: lambda value, _: {"$date": value.isoformat()},
    time: lambda value, _: {"$time": value.isoformat()},
    timedelta: lambda value, _: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    UUID: lambda value, _: {"$uuid": str(value)},
    Decimal: lambda value, _: {"$decimal": str(value)},
    complex: lambda value, room: {"$complex": [encode(value.real, room), encode(value.imag, room)]},
}


def _scalar(data: list[str]) -> Any:
    dtype, raw = data
    return np.frombuffer(b64decode(raw), dtype=np.dtype(dtype))[0]


def _array(data: list[Any]) -> Any:
    dtype, shape, raw = data
    return np.frombuffer(b64decode(raw), dtype=np.dtype(dtype)).reshape(shape).copy()


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "$float": float,
    "$tuple": lambda data: tuple(map(decode, data)),
    "$dict": lambda data: {decode(key): decode(value) for key, value in data},
    "$frozenset": lambda data: frozenset(map(decode, data)),
    "$set": lambda data: set(map(decode, data)),
    "$bytes": b64decode,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda data: timedelta(*data),
    "$uuid": UUID,
    "$decimal": Decimal,
    "$complex": lambda data: complex(*map(decode, data)),
    "$numpy": _scalar,
    "$array": _array,
}


def decode(data: Any) -> Any:
    """Return the value that ``encode`` was given; raises ``ValueError`` or ``TypeError`` for anything else."""
    if isinstance(data, list):
        return [decode(element) for element in data]
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        (tag,) = data
        if tag.startswith("$"):
            if tag not in _READERS:
                raise ValueError(f"unknown tag {tag!r}")
            return _READERS[tag](data[tag])
    return {key: decode(value) for key, value in data.items()}
