"""What vstore keeps in the properties of a collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from vstore.errors import Mismatch
from vstore.info import CollectionInfo
from vstore.spi.codec import info_from_json, info_to_json
from vstore_milvus.layout import Kind, Layout

__all__ = [
    "info_of",
    "layout_of",
    "new_properties",
    "partition_of",
    "token_of",
    "without_partition",
]

_INFO: Final = "vstore.info2"
# Collections whose filters compare strings alone, numbers too; a vstore that knows no others finds the new ones no
# collections of vstore's, rather than filter them wrongly.
_OLDER_INFO: Final = "vstore.info"
_TOKEN: Final = "vstore.token"  # noqa: S105  # names one creation, guards nothing
_PARTITION: Final = "vstore.partition"
_LAYOUT: Final = "vstore.layout"  # how named fields stand; collections of older versions have none


def new_properties(layout: Layout) -> dict[str, str]:
    """Return the properties of a new collection; no two creations have the same."""
    token = uuid4().hex
    return {
        _INFO: info_to_json(layout.info),
        _LAYOUT: layout.kind.value,
        _TOKEN: token,
        _PARTITION: f"vstore_{token}",
    }


def layout_of(name: str, described: Mapping[str, Any]) -> Layout:
    """Return where everything of a described collection stands.

    Raises:
        Mismatch: vstore did not create it.
    """
    kept = _properties(described)
    kind = kept.get(_LAYOUT)
    return Layout(
        info_of(name, described), Kind(kind or Kind.COLUMNS), partitions=kind is not None, numbers=_INFO in kept
    )


def info_of(name: str, described: Mapping[str, Any]) -> CollectionInfo:
    """Return what a described collection is.

    Raises:
        Mismatch: vstore did not create it.
    """
    kept = _properties(described)
    text = kept.get(_INFO) or kept.get(_OLDER_INFO)
    if text is None:
        raise Mismatch.not_created_here(name)
    return info_from_json(name, text)


def token_of(described: Mapping[str, Any]) -> str:
    """Return what tells one creation from another of the same name; empty where vstore did not create it."""
    return str(_properties(described).get(_TOKEN, ""))


def partition_of(described: Mapping[str, Any]) -> str:
    """Return the partition that holds the records; empty where they stand in Milvus's default one."""
    return str(_properties(described).get(_PARTITION, ""))


def without_partition(described: Mapping[str, Any]) -> bool:
    """Return whether the partition that should hold the records is not made yet; the other one is Milvus's default."""
    return bool(partition_of(described)) and described["num_partitions"] < 2


def _properties(described: Mapping[str, Any]) -> Mapping[str, str]:
    return described.get("properties") or {}
