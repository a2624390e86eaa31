"""The JSON form of what a database cannot type: moments in metadata, and what a collection is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vstore.errors import Mismatch
from vstore.fields import field_from_dict, field_to_dict
from vstore.indexing import Metric, index_from_dict, index_to_dict
from vstore.info import CollectionInfo
from vstore.metadata import micros
from vstore.records import Metadata

__all__ = [
    "FORMAT",
    "canonical_json",
    "canonical_texts",
    "each_text",
    "from_json",
    "from_micros",
    "info_from_json",
    "info_to_json",
    "to_json",
]

FORMAT: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TAG: Final = "$datetime"  # no metadata key begins with $


def _tagged(moment: datetime) -> dict[str, int]:
    return {_TAG: micros(moment)}


# json.dumps would make an encoder for each record
_encode: Final = json.JSONEncoder(default=_tagged, ensure_ascii=False, allow_nan=False).encode
_encode_sorted: Final = json.JSONEncoder(default=_tagged, ensure_ascii=False, allow_nan=False, sort_keys=True).encode


def from_micros(value: int) -> datetime:
    """Return the moment in UTC that is so many microseconds from the epoch; inverse of ``micros``."""
    return _EPOCH + timedelta(microseconds=value)


def to_json(metadata: Mapping[str, Any]) -> str:
    """Return metadata as JSON with every type kept; a datetime becomes ``{"$datetime": microseconds}``."""
    return _encode(metadata)


def canonical_json(metadata: Mapping[str, Any]) -> str:
    """Return ``to_json`` with equal texts for equal metadata: keys in order, -0.0 as the equal 0.0 (META-2)."""
    text = _encode_sorted(metadata)
    return _encode_sorted(_unsigned(metadata)) if "-0.0" in text else text


def canonical_texts(metadatas: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return ``canonical_json`` of each, in less time."""
    texts = each_text(_encode_sorted, ", ", metadatas)
    return [canonical_json(one) if "-0.0" in text else text for one, text in zip(metadatas, texts, strict=True)]


def each_text(encode: Callable[[Any], str], separator: str, values: Sequence[Any]) -> list[str]:
    """Return the JSON of each value by one call of an encoder, which takes longer to begin than for a small dict.

    Args:
        encode: ``encode`` of a ``JSONEncoder``.
        separator: What it writes between two items.
        values: Dicts or lists.
    """
    divided: list[Any] = ["\0"] * (2 * len(values) - 1)
    divided[::2] = values
    texts = encode(divided)[1:-1].split(f'{separator}"\\u0000"{separator}')
    # a text that is NUL, among the values themselves, is the only other thing that looks like a divider
    return texts if len(texts) == len(values) and values else [encode(value) for value in values]


def _unsigned(value: Any) -> Any:
    match value:
        case dict() | Mapping():
            return {key: _unsigned(element) for key, element in value.items()}
        case list():
            return [_unsigned(element) for element in value]
        case float():
            return value + 0.0
        case _:
            return value


def from_json(text: str, *, strict: bool = False) -> Metadata:
    """Inverts ``to_json``; raises ``ValueError`` for a text that it cannot have returned.

    With ``strict`` that is a key that stands twice in one object, too.
    """
    try:
        data: Metadata = _decode_strict(text) if strict else _decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (OverflowError, TypeError) as error:  # a moment that is none
        raise ValueError(f"{_TAG}: {error}") from None
    return data


def _untag(found: dict[str, Any]) -> Any:
    return from_micros(found[_TAG]) if _TAG in found else found


def _once(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return _untag(found)


# json.loads would make a decoder for each record
_decode: Final = json.JSONDecoder(object_hook=_untag).decode
_decode_strict: Final = json.JSONDecoder(object_pairs_hook=_once).decode


def info_to_json(info: CollectionInfo) -> str:
    """Return what a collection is, without its name, for the adapter's catalogue."""
    return to_json(
        {
            "format": FORMAT,
            "dimension": info.dimension,
            "metric": info.metric.value,
            "index": index_to_dict(info.index),
            "metadata": info.metadata,
            "embedder": info.embedder,
            "fields": {name: field_to_dict(field) for name, field in info.fields.items()},
            "partition_by": info.partition_by,
        }
    )


def info_from_json(name: str, text: str) -> CollectionInfo:
    """Inverts ``info_to_json``.

    Raises:
        Mismatch: It was written by a version of vstore with another format.
    """
    data = from_json(text)
    if data["format"] != FORMAT:
        raise Mismatch(f"{name!r} has format {data['format']} of another vstore version; this one reads {FORMAT}")
    return CollectionInfo(
        name=name,
        dimension=data["dimension"],
        metric=Metric(data["metric"]),
        index=index_from_dict(data["index"]),
        metadata=data["metadata"],
        embedder=data["embedder"],
        fields={name: field_from_dict(field) for name, field in data.get("fields", {}).items()},
        partition_by=data.get("partition_by"),
    )
