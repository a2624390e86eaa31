"""The named fields of a copy: which of them a target takes, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from vstore.capabilities import Capabilities
from vstore.columns import Column, absent
from vstore.errors import InvalidInput, Mismatch, Unsupported
from vstore.fields import Dense, Field, Sparse
from vstore.indexing import Index
from vstore.info import CollectionInfo
from vstore.records import Record, Records
from vstore.sparse import SparseArray
from vstore.transfer.loss import Loss, LossKind, lacking

__all__ = [
    "creatable",
    "field_losses",
    "fields_of",
    "keep_fields",
    "same_field_metrics",
    "same_shape",
    "same_shapes",
    "shared_fields",
    "unshared_fields",
    "without_indexes",
]


def field_losses(info: CollectionInfo, target: Capabilities | None, there: CollectionInfo | None) -> Iterator[Loss]:
    """The losses of named fields that can be told without reading a record.

    Args:
        info: The source.
        target: What the target can do; None where it takes whatever the contract allows.
        there: The collection that is written to, where it exists already.

    Raises:
        Mismatch: A field of this name is there with another dimension, or is of another kind.
        Unsupported: The target takes none of the source's vectors.
    """
    if there is None:
        refused = {} if target is None else _refused(info, target)
        if not info.dimension and len(refused) == len(info.fields):
            raise Unsupported(f"the target takes none of the source's vectors: {'; '.join(refused.values())}")
        for name, why in refused.items():
            yield Loss(LossKind.VECTORS, f"the field {name!r}: {why}")
        if target is not None:
            yield from (
                Loss(LossKind.INDEX, f"the field {name!r}: {text}; the target chooses its own")
                for name, field in info.fields.items()
                if name not in refused
                for text in _lacking(field, target)
            )
        return
    for name, ours in info.fields.items():
        theirs = there.fields.get(name)
        if theirs is None:
            yield Loss(LossKind.VECTORS, f"the existing target has no field {name!r}")
        elif not same_shape(ours, theirs):
            raise Mismatch(f"the target's field {name!r} is {_shape(theirs)}, that of the source {_shape(ours)}")
        else:
            yield from _settings(name, ours, theirs)


def _settings(name: str, ours: Field, theirs: Field) -> Iterator[Loss]:
    told = [(LossKind.EMBEDDER, "embedder", ours.embedder, theirs.embedder)]
    if isinstance(ours, Dense) and isinstance(theirs, Dense):
        told += [(LossKind.METRIC, "metric", ours.metric, theirs.metric)]
        told += [(LossKind.INDEX, "index", str(ours.index), str(theirs.index))]
    for kind, word, one, other in told:
        if one != other:
            yield Loss(
                kind, f"the field {name!r}: the source's {word} is {one!r:.200}, that of the target {other!r:.200}"
            )


def _refused(info: CollectionInfo, target: Capabilities) -> dict[str, str]:
    """Why a target does not take a field, in words, for each that it does not take; the first fields go first."""
    refused: dict[str, str] = {}
    limits, taken = target.limits, 0
    for name, field in info.fields.items():
        feature = target.sparse_vectors if isinstance(field, Sparse) else target.named_vectors
        if not feature:
            refused[name] = f"the target does not take it: {feature.note}"
        elif isinstance(field, Dense) and field.dimension > limits.max_dimension:
            refused[name] = f"it has {field.dimension:,} dimensions; the target takes {limits.max_dimension:,}"
        elif taken == limits.max_fields:
            refused[name] = f"the target takes {limits.max_fields} named fields"
        else:
            taken += 1
    return refused


def _lacking(field: Field, target: Capabilities) -> list[str]:
    if isinstance(field, Sparse) or field.index is None:
        return []
    return lacking(field.index, field.dimension, target)


def creatable(info: CollectionInfo, target: Capabilities | None) -> tuple[CollectionInfo, Index | None]:
    """What of a source a target takes: its fields, with the indexes that the target has; and the index.

    An index that the target lacks is None, which leaves the choice to the target.
    """
    if target is None:
        return info, info.index
    refused = _refused(info, target)
    fields = {
        name: _without_index(field) if _lacking(field, target) else field
        for name, field in info.fields.items()
        if name not in refused
    }
    index = None if lacking(info.index, info.dimension, target) else info.index
    return replace(info, fields=fields), index


def without_indexes(info: CollectionInfo) -> CollectionInfo:
    """The same, where the target chooses the index of each field."""
    return replace(info, fields={name: _without_index(field) for name, field in info.fields.items()})


def _without_index(field: Field) -> Field:
    return field if isinstance(field, Sparse) else Dense(field.dimension, field.metric, embedder=field.embedder)


def same_shape(one: Field, other: Field) -> bool:
    """Whether two fields hold vectors of one kind and dimension."""
    return _shape(one) == _shape(other)


def _shape(field: Field) -> str:
    return f"Dense({field.dimension})" if isinstance(field, Dense) else "Sparse()"


def shared_fields(left: CollectionInfo, right: CollectionInfo) -> list[str]:
    """The names of the fields that both have."""
    return [name for name in left.fields if name in right.fields]


def same_shapes(left: CollectionInfo, right: CollectionInfo) -> bool:
    """Whether vectors have one dimension, and those of the fields that both have one kind and dimension."""
    shared = shared_fields(left, right)
    return left.dimension == right.dimension and all(same_shape(left.fields[n], right.fields[n]) for n in shared)


def same_field_metrics(left: CollectionInfo, right: CollectionInfo) -> bool:
    """Whether each field that both have is compared in one way."""
    return all(left.fields[name].metric is right.fields[name].metric for name in shared_fields(left, right))


def unshared_fields(left: CollectionInfo, right: CollectionInfo) -> list[Loss]:
    """The fields that only one of two collections has, which are not compared."""
    return [
        Loss(LossKind.VECTORS, f"only the {side} has the field {name!r}")
        for side, info, other in (("left", left, right), ("right", right, left))
        for name in info.fields
        if name not in other.fields
    ]


def keep_fields(records: Records, names: Names[str]) -> Records:
    """The same records with these named fields only."""
    if records.fields.keys() <= set(names):
        return records
    return replace(records, fields={name: column for name, column in records.fields.items() if name in names})


def fields_of(made: list[Record], like: Mapping[str, Column]) -> dict[str, Column]:
    """The columns of named fields of records that a transform has made.

    Args:
        made: The records; a field that one lacks is absent.
        like: The columns of the records that it was given.

    Raises:
        InvalidInput: A field that the source has not, or a vector that does not fit.
    """
    for record in made:
        if unknown := record.fields.keys() - like.keys():
            raise InvalidInput(
                f"the transform gave the record {record.id!r} the field {min(unknown)!r}, which the source has not",
                hint=f"The source has {', '.join(map(repr, like)) or 'no named field'}.",
                ids=[record.id],
            )
    return {name: _column(name, made, column) for name, column in like.items()}


def _column(name: str, made: list[Record], like: Column) -> Column:
    given: list[Any] = [record.fields.get(name) for record in made]
    if isinstance(like, SparseArray):
        return SparseArray.of(given)
    column = absent(len(made), like.shape[1])
    assert not isinstance(column, SparseArray)
    for place, vector in enumerate(given):
        if vector is not None:
            try:
                column[place] = vector
            except (TypeError, ValueError) as error:
                raise InvalidInput(
                    f"the transform gave {name!r} of the record {made[place].id!r} no vector of {like.shape[1]}: "
                    f"{error}",
                    ids=[made[place].id],
                ) from error
    return column
