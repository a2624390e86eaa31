"""What a collection is in Qdrant: its settings, and what vstore keeps in its metadata."""

from __future__ import annotations

from typing import Any, Final, assert_never
from uuid import uuid4

from qdrant_client import models
from qdrant_client.http import api_client

from vstore.errors import NotFound
from vstore.indexing import HNSW, Flat, Metric, Quantization
from vstore.info import CollectionInfo
from vstore.spi.codec import info_to_json

__all__ = ["INFO", "check_name", "collection_settings", "identity_of", "new_collection"]

# The key of a collection's metadata under which vstore keeps what it is.
INFO: Final = "vstore"
# The same of a text that no other collection has.
_STAMP: Final = "vstore_stamp"
# whether the client quotes a name in the path of a request; 1.16 to 1.18 do not
_QUOTED: Final = hasattr(api_client, "quote_path_params")
_MARKS: Final = frozenset("?#%\\")
_LONGEST: Final = 255

_DISTANCES: Final[dict[Metric, models.Distance]] = {
    Metric.COSINE: models.Distance.COSINE,
    Metric.L2: models.Distance.EUCLID,
    Metric.DOT: models.Distance.DOT,
}


def check_name(name: str) -> None:
    """Raises ``NotFound`` for a name that no collection has, or by which a client would reach another one.

    A server has no collection of a longer name, or with a slash in it, and answers 422; its client refuses a URL of
    100,000 characters. One that does not quote takes ``docs?x``, or ``docs`` with a line feed in it, for ``docs``.
    """
    if name in (".", "..") or len(name) > _LONGEST or "/" in name:
        raise NotFound("Qdrant has no collections of such names", hint="list_collections() names those that are there.")
    if not _QUOTED and not (_MARKS.isdisjoint(name) and name.isprintable()):
        raise NotFound(
            "this version of qdrant_client cannot ask for such a name", hint="A later one quotes what it sends."
        )


def new_collection(info: CollectionInfo) -> dict[str, Any]:
    """Return arguments of ``create_collection``; no two creations have the same."""
    return {"metadata": {INFO: info_to_json(info), _STAMP: uuid4().hex}, **collection_settings(info)}


def collection_settings(info: CollectionInfo) -> dict[str, Any]:
    """Return arguments of ``create_collection`` for the dimension, metric and index of a collection."""
    index = info.index
    assert isinstance(index, HNSW | Flat)
    return {
        "vectors_config": models.VectorParams(
            size=info.dimension, distance=_DISTANCES[info.metric], on_disk=index.on_disk
        ),
        "hnsw_config": _graph(index),
        "quantization_config": _quantization(index),
    }


def _graph(index: HNSW | Flat) -> models.HnswConfigDiff:
    match index:
        case HNSW():
            return models.HnswConfigDiff(m=index.m, ef_construct=index.ef_construction, on_disk=index.on_disk)
        case Flat():
            return models.HnswConfigDiff(m=0)
        case _:
            assert_never(index)


def _quantization(index: HNSW | Flat) -> models.QuantizationConfig | None:
    match index.quantization if isinstance(index, HNSW) else None:
        case Quantization.INT8:
            return models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            )
        case Quantization.PRODUCT:
            return models.ProductQuantization(
                product=models.ProductQuantizationConfig(compression=models.CompressionRatio.X16, always_ram=True)
            )
        case Quantization.BINARY:
            return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
        case None:
            return None
        case other:
            assert_never(other)


def identity_of(found: models.CollectionInfo) -> tuple[str, str] | None:
    """Return what a collection is, and the stamp of its creation; None where vstore did not create it."""
    metadata = found.config.metadata or {}
    text, stamp = metadata.get(INFO), metadata.get(_STAMP, "")  # those of earlier versions have no stamp
    return (text, stamp) if isinstance(text, str) and isinstance(stamp, str) else None
