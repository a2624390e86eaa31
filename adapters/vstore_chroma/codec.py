"""Records to and from what Chroma stores.

A text, an int, a bool and most floats are kept as they are, and Chroma's own types tell them. Beside other values
stand names of our own, which no user's key can have (META-1):

- ``_vs.k``: a marker, one letter for the kind of a datetime, a negative zero or a list.
- ``_vs~k``: instead of ``k`` for a float, or a list of floats, that Chroma would not keep exactly.
- ``_vs=k``: instead of ``k`` where that begins with ``chroma:``.

Collections of older versions are *marked*: a marker stands beside every key, which doubles the rows that Chroma keeps
and reads. It answers ``exists`` and the complement of an ordering, for which Chroma has no means. One scalar a key is
the cheapest form of that; a list of the keys present costs 200 µs a record and more (measured on 1.5.9).

The names ``_vs@NAME`` are those of named fields (``vstore_chroma.fields``).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np

from vstore.info import CollectionInfo
from vstore.metadata import micros
from vstore.records import Include, Metadata, Records
from vstore.spi.codec import from_micros
from vstore_chroma.fields import field_column

__all__ = [
    "KINDS",
    "LIST_KINDS",
    "NEGATIVE_ZERO_IMAGE",
    "NO_DOCUMENT",
    "NUMBER_KINDS",
    "decode_metadata",
    "encode_changes",
    "encode_metadata",
    "image",
    "images",
    "included",
    "marker",
    "replacing",
    "stored",
    "survives",
    "to_records",
]

_INT: Final = struct.Struct("<q")
_DOUBLE: Final = struct.Struct("<d")
_MAGNITUDE: Final = (1 << 63) - 1

_MARKER: Final = "_vs."
_ESCAPE: Final = "_vs="
_IMAGE: Final = "_vs~"
_RESERVED: Final = "chroma:"

_KIND_OF: Final[dict[type, str]] = {str: "s", bool: "b", int: "i", float: "f", datetime: "t"}
_NEGATIVE_ZERO: Final = "z"
_INEXACT: Final = "x"
_LIST: Final = "l"
_INEXACT_LIST: Final = "v"
_LIST_OF_DATETIME: Final = "u"
_SPECIAL: Final = frozenset((_NEGATIVE_ZERO, _INEXACT_LIST, "t", _LIST_OF_DATETIME))
# the kinds that the stored value tells by itself
_TOLD: Final = frozenset(("s", "b", "i", "f", _INEXACT))

NUMBER_KINDS: Final = ["i", "t", "f", _NEGATIVE_ZERO, _INEXACT]
LIST_KINDS: Final = [_LIST, _INEXACT_LIST, _LIST_OF_DATETIME]
KINDS: Final = ["s", "b", *NUMBER_KINDS, *LIST_KINDS]

# SQLite stores a real without fraction as an int, which has no negative zero: alone it has a kind of its
# own, in a list an image that no finite float has
NEGATIVE_ZERO_IMAGE: Final = -(1 << 63)

# Chroma cannot take a document away from a record. No document of a user holds NUL (DOC-1), and no
# text of F.document.contains does, so this one stands for none and is found by nothing.
NO_DOCUMENT: Final = "\x00"


def stored(key: str) -> str:
    """Return the name under which Chroma keeps a key: it silently drops those that begin ``chroma:``."""
    return _ESCAPE + key if key.startswith(_RESERVED) else key


def marker(key: str) -> str:
    """Return the name of the marker that tells the kind of the value of a key."""
    return _MARKER + key


def images(key: str) -> str:
    """Return the name under which floats of a key are kept that Chroma does not keep exactly."""
    return _IMAGE + key


def survives(value: float) -> bool:
    """Return whether Chroma keeps a float exactly: it has at most 15 digits and no far exponent.

    Chroma writes metadata as JSON and reads it with serde_json's fast float parser, which is off by one in
    the last place for about one in four doubles (measured on 1.5.9; serde_json has a feature
    ``float_roundtrip`` against it). It is exact while the digits fit 2**53 and the exponent is within 22.
    """
    size = abs(value)
    if not 1e-7 < size < 1e22 or float(f"{value:.15g}") != value:
        return value == 0.0
    # the zero of 4000000000000010.0 is a digit too; from 1e16 on there is none: 1e16
    return not 1e15 <= size < 1e16 or float(int(size) * 10) / 10 == size


def image(value: float) -> int:
    """Return a 64-bit int that orders as the float does: its bits, mirrored below zero; both zeros are 0."""
    bits: int = _INT.unpack(_DOUBLE.pack(value))[0]
    return bits if bits >= 0 else -(bits & _MAGNITUDE)


def _element_image(value: float) -> int:
    return NEGATIVE_ZERO_IMAGE if _negative_zero(value) else image(value)


def _from_image(number: int) -> float:
    if number == NEGATIVE_ZERO_IMAGE:
        return -0.0
    value: float = _DOUBLE.unpack(_INT.pack(abs(number)))[0]
    return value if number >= 0 else -value


def _negative_zero(value: float) -> bool:
    return value == 0.0 and math.copysign(1.0, value) < 0


def encode_metadata(metadata: Mapping[str, Any], *, marked: bool = False) -> Metadata:
    """Return metadata as Chroma stores it: datetimes as microseconds, inexact floats as images, markers.

    Args:
        metadata: A record's.
        marked: Whether a marker stands beside every key.
    """
    if not marked and all(map(_is_plain, metadata, metadata.values())):
        return dict(metadata)
    out: Metadata = {}
    for key, value in metadata.items():
        kind = type(value)
        name = stored(key)
        code = _KIND_OF.get(kind, _LIST)
        if kind is datetime:
            value = micros(value)
        elif kind is float:
            if not survives(value):
                name, code, value = _IMAGE + key, _INEXACT, image(value)
            elif _negative_zero(value):
                code = _NEGATIVE_ZERO
        elif kind is list and type(value[0]) is datetime:
            code, value = _LIST_OF_DATETIME, [micros(moment) for moment in value]
        elif kind is list and type(value[0]) is float and not all(survives(x) and not _negative_zero(x) for x in value):
            name, code, value = _IMAGE + key, _INEXACT_LIST, [_element_image(x) for x in value]
        out[name] = value
        if marked or code not in _TOLD:
            out[_MARKER + key] = code
    return out


def _is_plain(key: str, value: Any) -> bool:
    """Return whether Chroma keeps a value as it is, under the same key."""
    kind = type(value)
    kept = kind is str or kind is int or kind is bool or (kind is float and value != 0.0 and survives(value))
    return kept and not key.startswith(_RESERVED)


def encode_changes(metadata: Mapping[str, Any], *, marked: bool = False) -> Metadata:
    """Return the same for an update that merges: a value of None removes the key, and no other form of a key stays."""
    out: Metadata = {}
    for key in metadata:
        out[stored(key)] = out[_MARKER + key] = out[_IMAGE + key] = None
    there = {key: value for key, value in metadata.items() if value is not None}
    out.update(encode_metadata(there, marked=marked))
    return out


def replacing(old: Mapping[str, Any] | None, new: Metadata) -> Metadata:
    """Return new stored metadata that also removes every old key: an upsert of Chroma merges."""
    return {**dict.fromkeys(old), **new} if old else new


def decode_metadata(found: Metadata | None) -> Metadata:
    """Inverts ``encode_metadata``, of either form; Chroma has None for empty metadata."""
    if not found:
        return {}
    for name, value in found.items():
        if type(value) is list or name.startswith("_vs"):
            return _decoded(found)
    return found


def _decoded(found: Metadata) -> Metadata:
    out: Metadata = {}
    special: list[tuple[str, str]] = []
    for name, value in found.items():
        if not name.startswith("_vs"):
            # a list without a marker is a ghost: Chroma leaves the lists of a dropped collection behind,
            # and a new record that gets the same row number inherits them
            if type(value) is not list or _MARKER + name in found:
                out[name] = value
        elif name.startswith(_MARKER):
            if value in _SPECIAL:
                special.append((name[len(_MARKER) :], value))
        elif name.startswith(_IMAGE):
            if type(value) is int:
                out[name[len(_IMAGE) :]] = _from_image(value)
        elif name.startswith(_ESCAPE) and (type(value) is not list or _MARKER + name[len(_ESCAPE) :] in found):
            out[name[len(_ESCAPE) :]] = value
    for key, kind in special:
        match kind:
            case "t":
                out[key] = from_micros(found[stored(key)])
            case "u":
                out[key] = [from_micros(moment) for moment in found[stored(key)]]
            case "v":
                out[key] = [_from_image(number) for number in found[_IMAGE + key]]
            case _:
                out[key] = -0.0
    return out


def included(include: Include) -> list[str]:
    """Return the columns to ask Chroma for."""
    names = ["embeddings"] if include.vectors else []
    if include.documents:
        names.append("documents")
    if include.metadatas or include.fields:
        names.append("metadatas")
    return names


def to_records(found: Mapping[str, Any], include: Include, info: CollectionInfo) -> Records:
    """Return a result of Chroma, as it calls its columns, as records with exactly the columns of ``include``."""
    ids: list[str] = found["ids"]
    shape = len(ids), info.dimension
    return Records(
        ids,
        np.asarray(found["embeddings"], dtype=np.float32).reshape(shape) if include.vectors else None,
        [None if text == NO_DOCUMENT else text for text in found["documents"]] if include.documents else None,
        [decode_metadata(one) for one in found["metadatas"]] if include.metadatas else None,
        {name: field_column(found["metadatas"], name, info.fields[name]) for name in include.fields},
    )
