"""The JSON form of what a database cannot type: moments in metadata, and what a collection is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vstore.errors import Mismatch
from vstore.filters.rewrite import micros
from vstore.types import CollectionInfo, Metadata, Metric, index_from_dict, index_to_dict

__all__ = ["FORMAT", "from_json", "from_micros", "info_from_json", "info_to_json", "to_json"]

FORMAT: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TAG: Final = "$datetime"  # no metadata key begins with $
# json.dumps would make an encoder for each record
_encode: Final = json.JSONEncoder(
    default=lambda moment: {_TAG: micros(moment)}, ensure_ascii=False, allow_nan=False
).encode


def from_micros(value: int) -> datetime:
    """The moment in UTC that is so many microseconds from the epoch; inverse of ``micros``."""
    return _EPOCH + timedelta(microseconds=value)


def to_json(metadata: Mapping[str, Any]) -> str:
    """Metadata as JSON with every type kept; a datetime becomes ``{"$datetime": microseconds}``."""
    return _encode(metadata)


def from_json(text: str) -> Metadata:
    """The inverse of ``to_json``."""
    data: Metadata = json.loads(text, object_hook=_untag)
    return data


def _untag(found: dict[str, Any]) -> Any:
    return from_micros(found[_TAG]) if _TAG in found else found


def info_to_json(info: CollectionInfo) -> str:
    """What a collection is, without its name, for the adapter's catalogue."""
    return to_json(
        {
            "format": FORMAT,
            "dimension": info.dimension,
            "metric": info.metric.value,
            "index": index_to_dict(info.index),
            "metadata": info.metadata,
            "embedder": info.embedder,
        }
    )


def info_from_json(name: str, text: str) -> CollectionInfo:
    """The inverse of ``info_to_json``.

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
    )
