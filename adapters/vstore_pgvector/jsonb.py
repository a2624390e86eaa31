"""Metadata to and from jsonb. Pure.

Its numbers are decimals, so a float is written such that the decimal has the float's exact place among all numbers, and
a point or exponent that keeps it a float. A datetime is the int of its microseconds; ``moments`` says, in the shape of
the metadata, which values are datetimes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from vstore.metadata import micros
from vstore.records import Metadata
from vstore.spi.codec import each_text, from_micros
from vstore_pgvector.binary import JSONB_OID, Packed, pack_array

__all__ = ["decode_metadatas", "encode_metadatas", "json_array", "json_text", "jsonb"]

_VERSION: Final = b"\x01"


def _exact(value: float) -> str:
    """Return a float as JSON whose decimal lies among ints exactly where the float does.

    Up to 2**53 the shortest decimal does. Above it every float is a whole number: its digits are written out,
    because jsonb gives 1e16 back as an int and would hold 2.0**60 for 1152921504606847000.
    """
    return f"{int(value)}.0" if abs(value) >= 2.0**53 else float.__repr__(value)


class _Moment(Exception):  # not an error: it ends the fast way through the encoder
    pass


def _found_moment(value: object) -> object:
    raise _Moment(value)


_FAST: Final[Callable[[Any], str]] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_found_moment
).encode


def json_text(value: object) -> str:
    """Return a metadata value, dict or list as JSON for jsonb; a datetime as its microseconds."""
    try:
        text = _FAST(value)
    except _Moment:
        return _slow(value)
    return _slow(value) if "e+" in text else text  # an exponent such as 1e+16: or these letters in a text


def _slow(value: object) -> str:
    match value:
        case datetime():
            return str(micros(value))
        case float():
            return _exact(value)
        case list():
            return "[" + ",".join([_slow(element) for element in value]) + "]"
        case dict():
            return "{" + ",".join([f"{_FAST(key)}:{_slow(element)}" for key, element in value.items()]) + "}"
        case _:
            return _FAST(value)


def json_array(values: Sequence[object]) -> Packed:
    """Return a ``jsonb[]`` of values."""
    return pack_array(JSONB_OID, [jsonb(json_text(value)) for value in values])


def jsonb(text: str) -> bytes:
    """Return a jsonb; layout of ``jsonb_recv`` in PostgreSQL's jsonb.c."""
    return _VERSION + text.encode()


def _datetime_keys(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return which values are datetimes: ``{key: True}``, or a dict of the same for a nested dict."""
    marks: dict[str, Any] = {}
    for key, value in metadata.items():
        if type(value) is datetime or (type(value) is list and type(value[0]) is datetime):
            marks[key] = True
        elif type(value) is dict and (inner := _datetime_keys(value)):
            marks[key] = inner
    return marks


def encode_metadatas(metadatas: Sequence[Metadata]) -> tuple[list[bytes], list[bytes | None]]:
    """Return the jsonb of the metadata of each record, and that of its datetime keys, None where it has none."""
    try:
        texts = each_text(_FAST, ",", metadatas)
    except _Moment:
        pairs = [_encode(one) for one in metadatas]
        return [data for data, _ in pairs], [marks for _, marks in pairs]
    exact = (_slow(one) if "e+" in text else text for one, text in zip(metadatas, texts, strict=True))
    return [jsonb(text) for text in exact], [None] * len(texts)


def _encode(metadata: Metadata) -> tuple[bytes, bytes | None]:
    try:
        text = _FAST(metadata)
    except _Moment:
        return jsonb(_slow(metadata)), jsonb(json.dumps(_datetime_keys(metadata), ensure_ascii=False))
    return jsonb(_slow(metadata) if "e+" in text else text), None


_LOADS: Final[Callable[[str], Any]] = json.JSONDecoder().decode


def decode_metadatas(texts: Sequence[str], marks: Sequence[str | None]) -> list[Metadata]:
    """Return the metadata of records from the texts of their jsonb and of their datetime keys.

    One call of the decoder reads all: to begin one takes longer than to read a small dict.
    """
    found: list[Metadata] = _LOADS(f"[{','.join(texts)}]")
    if marks.count(None) < len(marks):
        for data, mark in zip(found, marks, strict=True):
            if mark is not None:
                _restore(data, _LOADS(mark))
    return found


def _restore(data: Metadata, marks: Mapping[str, Any]) -> None:
    for key, mark in marks.items():
        value = data[key]
        if mark is not True:
            _restore(value, mark)
        elif isinstance(value, list):
            data[key] = [from_micros(element) for element in value]
        else:
            data[key] = from_micros(value)
