"""What two collections are beside their records, compared: whether their vectors are comparable, and how exactly."""

from __future__ import annotations

from vstore.capabilities import Exactness
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.transfer.endpoint import Source
from vstore.transfer.equality import agreed
from vstore.transfer.fields import same_shape, shared_fields

__all__ = ["differing_settings", "exactness_by_field", "same_metrics", "same_shapes"]


def exactness_by_field(left: Source, right: Source) -> dict[str, Exactness]:
    """How exactly the vectors of each field that both have are compared; an empty name is the one without a name."""
    unnamed = [""] if left.info.dimension else []
    return {name: _class_of(left, right, name) for name in (*unnamed, *shared_fields(left.info, right.info))}


def _class_of(left: Source, right: Source, name: str) -> Exactness:
    metrics = left.info.field(name).metric, right.info.field(name).metric
    metric = Metric.COSINE if Metric.COSINE in metrics else metrics[0]
    return agreed(left.cosine_exactness, right.cosine_exactness, metric)


def same_shapes(left: CollectionInfo, right: CollectionInfo) -> bool:
    """Whether vectors have one dimension, and those of the fields that both have one kind and dimension."""
    shared = shared_fields(left, right)
    return left.dimension == right.dimension and all(same_shape(left.fields[n], right.fields[n]) for n in shared)


def same_metrics(left: CollectionInfo, right: CollectionInfo) -> bool:
    """Whether vectors, and those of each field that both have, are compared in one way."""
    shared = shared_fields(left, right)
    return left.metric is right.metric and all(left.field(name).metric is right.field(name).metric for name in shared)


def differing_settings(left: CollectionInfo, right: CollectionInfo) -> list[str]:
    """What differs between the collections themselves, in words."""
    return [
        f"{name} is {ours!s:.100} on the left, {theirs!s:.100} on the right"
        for name, ours, theirs in (
            ("dimension", left.dimension, right.dimension),
            ("metric", left.metric, right.metric),
            ("index", left.index, right.index),
            ("embedder", left.embedder, right.embedder),
            ("metadata of the collection", left.metadata, right.metadata),
            *((f"the field {name!r}", left.fields[name], right.fields[name]) for name in shared_fields(left, right)),
        )
        if ours != theirs
    ]
