"""What a collection is in Chroma: its settings, and what vstore keeps in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chromadb.api.collection_configuration import CreateCollectionConfiguration, CreateHNSWConfiguration
from chromadb.api.types import Space

from vstore.errors import Mismatch, NotFound
from vstore.indexing import HNSW, Metric
from vstore.info import CollectionInfo
from vstore.keys import check_plain
from vstore.spi.codec import info_from_json, info_to_json

__all__ = ["check_name", "created_here", "info_of", "is_marked", "new_collection", "new_foreign"]

# The key of a collection's own metadata under which vstore keeps what it is; its number is that of the layout. Versions
# of vstore that know the first only do not take a collection for theirs whose records have no markers: their filters
# would miss those.
_INFO: Final = "_vs_info2"
_MARKED_INFO: Final = "_vs_info"
_MAX_NAME: Final = 512
_SPACES: Final[dict[Metric, Space]] = {Metric.COSINE: "cosine", Metric.L2: "l2", Metric.DOT: "ip"}


def check_name(name: str) -> None:
    """Raises ``NotFound`` for a name that no collection of Chroma has, and that its client does not bring in a URL."""
    check_plain(name)
    if len(name) > _MAX_NAME:
        raise NotFound(f"no collection of Chroma has a name of more than {_MAX_NAME} characters")


def new_collection(info: CollectionInfo) -> dict[str, Any]:
    """Return arguments of ``create_collection``."""
    return {
        "name": info.name,
        "metadata": {_INFO: info_to_json(info)},
        "embedding_function": None,
        "configuration": CreateCollectionConfiguration(hnsw=_graph(info)),
    }


def new_foreign(info: CollectionInfo, *, old_space: bool) -> dict[str, Any]:
    """Return arguments of ``create_collection`` for one that other packages open.

    Args:
        info: What it is to be.
        old_space: Whether its metadata say the metric too.
    """
    metadata = {**({"hnsw:space": _SPACES[info.metric]} if old_space else {}), **info.metadata}
    return {
        "name": info.name,
        "metadata": metadata or None,
        "embedding_function": None,
        "configuration": CreateCollectionConfiguration(hnsw=_graph(info)),
    }


def _graph(info: CollectionInfo) -> CreateHNSWConfiguration:
    if info.dimension == 0:  # of placeholders, which nothing searches: as little work as there can be
        return CreateHNSWConfiguration(space="l2", max_neighbors=2, ef_construction=1)
    index = info.index
    assert isinstance(index, HNSW)
    return CreateHNSWConfiguration(
        space=_SPACES[info.metric],
        max_neighbors=index.m,
        ef_construction=index.ef_construction,
        ef_search=index.ef_search,
    )


def created_here(metadata: Mapping[str, Any] | None) -> bool:
    """Return whether vstore created the collection with this metadata."""
    return any(key in (metadata or {}) for key in (_INFO, _MARKED_INFO))


def is_marked(metadata: Mapping[str, Any] | None) -> bool:
    """Return whether the collection with this metadata has a marker beside every key of a record."""
    return _MARKED_INFO in (metadata or {})


def info_of(name: str, metadata: Mapping[str, Any] | None) -> CollectionInfo:
    """Return what the collection with this metadata is.

    Raises:
        Mismatch: vstore did not create it.
    """
    if metadata is None or not created_here(metadata):
        raise Mismatch.not_created_here(name)
    return info_from_json(name, metadata[_MARKED_INFO if is_marked(metadata) else _INFO])
