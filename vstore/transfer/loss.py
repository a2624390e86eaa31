"""What a copy would change, each kind by a name under which it can be allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from vstore.capabilities import Capabilities
from vstore.errors import InvalidInput, LimitExceeded, Mismatch, Unsupported, brief, reading
from vstore.filters.tree import Filter
from vstore.indexing import Index, Metric
from vstore.info import CollectionInfo
from vstore.omission import Omission, OmissionKind
from vstore.transfer.endpoint import Target
from vstore.transfer.plan import Survey

__all__ = [
    "Loss",
    "LossKind",
    "Omitting",
    "check_limits",
    "lacking",
    "not_allowed",
    "parse_allowed",
    "refuse_losses",
    "source_losses",
    "static_losses",
    "survey_losses",
]


class LossKind(StrEnum):
    """The name of a loss."""

    INDEX = "index-change"
    """Another index: recall and speed differ, what is stored does not."""
    METRIC = "metric-change"
    """Another metric: nearness means something else."""
    NESTED = "nested-as-json"
    """Dicts inside metadata become JSON texts."""
    EMBEDDER = "embedder-change"
    """The target's vectors were made by another embedder."""
    PARTITIONS = "partition-change"
    """Another key parts the target, or none: partitions cannot be asked for by name."""
    METADATA = "collection-metadata"
    """The collection's own metadata stay those of the target."""
    IDS = "id-form"
    """Ids become others, of the form that the layout has."""
    DOCUMENTS = "empty-document"
    """Records without a document get an empty one."""
    DATETIMES = "datetime-as-text"
    """Datetimes inside metadata become texts."""
    FLOATS = "float-digits"
    """Floats inside metadata are cut to 15 digits."""
    KEYS = "reserved-keys"
    """Metadata keys are dropped whose places the layout uses itself."""
    UNMAPPED = "unmapped-keys"
    """Metadata keys are dropped for which the mapping that is written by has no place."""
    TYPES = "other-types"
    """Values of metadata are dropped that are not of the type which their column has."""
    TEXTS = "dropped-documents"
    """Documents are dropped, as the mapping that is written by has no place for them."""
    LENGTHS = "vector-length"
    """Vectors keep their direction, and get the length 1."""
    PADDED = "padded-vectors"
    """Zeros at the end of vectors come, go or stay, by the length that the layout has for all."""
    CUT = "cut-vectors"
    """Vectors lose their last components, beyond the length that the layout has for all."""
    EMPTY = "empty-collection"
    """A collection without records is none in the target."""
    VECTORS = OmissionKind.VECTORS.value
    """Further vectors of a record stay behind: a mapping does not read them, or the target does not take them."""
    FIELDS = OmissionKind.FIELDS.value
    """Fields, columns or keys stay behind that are neither document nor metadata."""
    OUTSIDE = OmissionKind.OUTSIDE.value
    """Values that the contract does not have are dropped, or become text."""
    ROWS = OmissionKind.ROWS.value
    """Rows without a vector stay behind, and those of tables that inherit."""
    SETTINGS = OmissionKind.SETTINGS.value
    """Aliases, partitions, functions or a description of the collection stay behind."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that the target will not have as the source has it.

    Attributes:
        kind: The name under which it can be allowed.
        text: What it is, in words.
        needs_leave: Whether it must be allowed; otherwise it is only told, as what the caller has chosen by name.
    """

    kind: LossKind
    text: str
    needs_leave: bool = True


@runtime_checkable
class Omitting(Protocol):
    """A source of which not everything is read."""

    def omissions(self, where: Filter | None = None) -> Sequence[Omission]:
        """What stays behind of the records that match; may read all of them."""
        ...


def parse_allowed(names: Iterable[str]) -> frozenset[LossKind]:
    """The kinds of these names; raises ``InvalidInput`` on any other."""
    known = {kind.value: kind for kind in LossKind}
    with reading("allow"):
        names = [names] if isinstance(names, str) else list(names)
    if unknown := [name for name in names if not isinstance(name, str) or name not in known]:
        raise InvalidInput(f"no loss is called {brief(unknown[0])}", hint=f"Their names are {', '.join(known)}.")
    return frozenset(known[name] for name in names)


def static_losses(
    info: CollectionInfo, target: Target, there: CollectionInfo | None, who: str = "the source"
) -> Iterator[Loss]:
    """The losses that can be told without reading a record.

    Args:
        info: What is copied.
        target: Where it goes.
        there: The collection that is written to, where it exists already.
        who: What has the dimension.

    Raises:
        Mismatch: The dimensions differ.
    """
    if there is None:
        can = target.capabilities
        for text in [] if can is None else lacking(info.index, info.dimension, can, info.metric, who):
            yield Loss(LossKind.INDEX, f"{text}; the target chooses its own")
        if info.partition_by is not None and can is not None and not can.partitions:
            yield Loss(
                LossKind.PARTITIONS, f"the target cannot part records by {info.partition_by!r}: {can.partitions.note}"
            )
        return
    if there.dimension != info.dimension:
        raise Mismatch(f"the target has dimension {there.dimension}, {who} {info.dimension}")
    for kind, word, ours, theirs in (
        (LossKind.METRIC, "metric", info.metric, there.metric),
        (LossKind.INDEX, "index", info.index, there.index),
        (LossKind.EMBEDDER, "embedder", info.embedder, there.embedder),
        (LossKind.PARTITIONS, "key of partitions", info.partition_by, there.partition_by),
        (LossKind.METADATA, "metadata of the collection", info.metadata, there.metadata),
    ):
        if ours != theirs:
            yield Loss(kind, f"the source's {word} is {ours!r:.200}, that of the existing target {theirs!r:.200}")


def lacking(index: Index, dimension: int, target: Capabilities, metric: Metric, who: str = "the source") -> list[str]:
    """Why a target does not take an index of vectors of a dimension, in words; empty where it does."""
    if not dimension:  # the source has named fields only
        return []
    found = [f"the target has no {words}: {no.note}" for _, words, no in target.for_index(index) if not no]
    most = target.limits.index_dimension(index, metric)
    if not found and dimension > most:
        kind = type(index).__name__
        found = [f"{who} has {dimension:,} dimensions, and {kind} takes up to {most:,} in the target"]
    return found


def source_losses(source: object, where: Filter | None) -> list[Loss]:
    """The losses of reading a source, wherever it goes; every record may be read for it."""
    if not isinstance(source, Omitting):
        return []
    return [Loss(LossKind(one.kind.value), one.text, one.needs_leave) for one in source.omissions(where)]


def not_allowed(losses: Iterable[Loss], allowed: frozenset[LossKind]) -> list[Loss]:
    """Those that must be allowed, and are not."""
    return [loss for loss in losses if loss.needs_leave and loss.kind not in allowed]


def survey_losses(survey: Survey, target: Capabilities | None) -> Iterator[Loss]:
    """The losses that only the records tell."""
    if survey.nested and target is not None and not target.nested_metadata:
        yield Loss(
            LossKind.NESTED,
            f"{survey.nested:,} records have nested metadata, of which the target has none: "
            f"{target.nested_metadata.note}",
        )


def check_limits(info: CollectionInfo, target: Capabilities | None, who: str = "the source") -> None:
    """Raises ``LimitExceeded`` for a dimension that the target does not take."""
    if target is not None and info.dimension > target.limits.max_dimension:
        raise LimitExceeded(
            f"{who} has {info.dimension:,} dimensions; the target takes {target.limits.max_dimension:,}"
        )


def refuse_losses(losses: Iterable[Loss], allowed: frozenset[LossKind]) -> None:
    """Raises ``Unsupported`` that names every loss which is not allowed."""
    if refused := not_allowed(losses, allowed):
        names = sorted({loss.kind.value for loss in refused})
        raise Unsupported(
            "; ".join(f"{loss.kind}: {loss.text}" for loss in refused),
            hint=f"To accept this: --allow {','.join(names)} (in Python allow={names!r}).",
        )
