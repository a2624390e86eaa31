"""What a new collection will be: everything that ``create_collection`` is given, checked before any I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vstore.capabilities import Capabilities
from vstore.core.embedders import Embedders
from vstore.core.validate import check_count
from vstore.embedding import Embedder
from vstore.errors import InvalidInput, LimitExceeded, Mismatch, Unsupported, brief, reading
from vstore.fields import MAX_FIELDS, Dense, Field, Sparse, check_field_name
from vstore.indexing import IVFPQ, Flat, Index, Metric, check_index, check_metric
from vstore.info import CollectionInfo
from vstore.keys import check_key, check_name
from vstore.mapping import RecordMapping
from vstore.metadata import check_metadata
from vstore.scalars import as_text

if TYPE_CHECKING:
    from vstore.spi.layouts import Layout

__all__ = ["Plan", "check_holds", "check_same", "completed", "read_fields"]


def read_fields(fields: object) -> dict[str, Field]:
    """Return the named fields that a collection is to have (FLD-1).

    Raises:
        InvalidInput: A name that is not legal, or a field that is neither ``Dense`` nor ``Sparse``.
    """
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        raise InvalidInput(f"fields must be a dict from name to Dense(…) or Sparse(), not {brief(fields)}")
    found: dict[str, Field] = {}
    with reading("fields"):
        pairs = list(fields.items())
    for key, field in pairs:
        name = check_field_name(as_text(key))
        if not isinstance(field, Dense | Sparse):
            raise InvalidInput(f"the field {name!r} must be Dense(…) or Sparse(), not {brief(field)}")
        found[name] = field
    if len(found) > MAX_FIELDS:
        raise InvalidInput(f"{len(found):,} fields; at most {MAX_FIELDS} are allowed")
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """Plans collections for one connection.

    Attributes:
        capabilities: What the connection can do.
        default_index: Tells the index of a dimension and a metric where its creator names none.
    """

    capabilities: Capabilities
    default_index: Callable[[int, Metric], Index]

    def info(
        self,
        name: str,
        dimension: int | None,
        metric: Metric | str,
        index: Index | str | None,
        fields: Mapping[str, Field],
        embedders: Embedders,
        metadata: Mapping[str, Any] | None,
        partition_by: str | None,
        *,
        foreign: bool = False,
    ) -> CollectionInfo:
        """Return what the collection will be.

        Args are those of ``create_collection``; ``foreign`` leaves the rules for names to the database.
        """
        name = name if foreign else check_name(name)
        embedder = embedders.get("")
        assert embedder is None or isinstance(embedder, Embedder)
        if dimension is None and embedder is None and not fields:
            raise InvalidInput("a collection needs dimension=, an embedder= that has one, or fields=")
        if dimension is None:
            dimension = 0 if embedder is None else embedder.dimension
        elif embedder is not None and embedder.dimension != dimension:
            raise Mismatch(f"dimension={dimension}, but the embedder makes vectors of {embedder.dimension}")
        else:
            dimension = check_count("dimension", dimension)
        checked = check_metric(metric)
        planned: Index = Flat()
        if dimension:
            self._check_dimension(dimension, "dimension")
            planned = self._index(index, dimension, checked)
        elif index is not None:
            raise InvalidInput(
                "index= is that of the field without a name, and the collection has named fields only",
                hint="Pass fields={name: Dense(…, index=…)}.",
            )
        if metadata is not None and not isinstance(metadata, Mapping):
            raise InvalidInput(f"metadata must be a dict, not {type(metadata).__name__}")
        with reading("metadata"):
            own = {} if metadata is None else dict(metadata)
        return CollectionInfo(
            name=name,
            dimension=dimension,
            metric=checked,
            index=planned,
            metadata=check_metadata(own),
            embedder=None if embedder is None else embedder.name,
            fields=self._fields(fields, embedders),
            partition_by=self._partition_key(partition_by),
        )

    def _partition_key(self, key: object) -> str | None:
        if key is None:
            return None
        text = as_text(key)
        check_key(text)
        self.capabilities.require("partitions", "partition_by=")
        return str(text)

    def _fields(self, fields: Mapping[str, Field], embedders: Embedders) -> dict[str, Field]:
        """The fields with the index and the embedder's name that they will have."""
        planned: dict[str, Field] = {}
        for name, field in fields.items():
            embedder = embedders.get(name)
            known = field.embedder if embedder is None else embedder.name
            if field.embedder is not None and field.embedder != known:
                raise Mismatch(f"the field {name!r} names the embedder {field.embedder!r}, and embedder= {known!r}")
            if isinstance(field, Sparse):
                self.capabilities.require("sparse_vectors", f"the sparse field {name!r}")
                planned[name] = replace(field, embedder=known)
                continue
            self.capabilities.require("named_vectors", f"the field {name!r}")
            self._check_dimension(field.dimension, f"the dimension of {name!r}")
            if isinstance(embedder, Embedder) and embedder.dimension != field.dimension:
                raise Mismatch(f"the field {name!r} has dimension {field.dimension}, its embedder {embedder.dimension}")
            index = self._index(field.index, field.dimension, field.metric)
            planned[name] = Dense(field.dimension, field.metric, index=index, embedder=known)
        if len(planned) > self.capabilities.limits.max_fields:
            raise LimitExceeded(
                f"{len(planned)} named fields; at most {self.capabilities.limits.max_fields} are possible here"
            )
        return planned

    def _check_dimension(self, dimension: int, what: str) -> None:
        most = self.capabilities.limits.max_dimension
        if dimension > most:
            raise LimitExceeded(f"{what} is {brief(dimension)}; at most {most:,} is possible here")

    def _index(self, index: object, dimension: int, metric: Metric) -> Index:
        if index is None:
            return self.default_index(dimension, metric)
        chosen = check_index(index)
        self.capabilities.require_index(chosen)
        if isinstance(chosen, IVFPQ) and dimension % chosen.segments:
            raise InvalidInput(f"IVFPQ(segments={chosen.segments}) must divide the dimension, {dimension}")
        return chosen


def check_same(asked: CollectionInfo, found: CollectionInfo) -> None:
    """Raises ``Mismatch`` where a collection that exists has another dimension, metric or other fields (COL-2)."""
    for what, one, other in (
        ("dimension", asked.dimension, found.dimension),
        ("metric", asked.metric, found.metric),
        ("fields", _shape(asked), _shape(found)),
        ("partition_by", asked.partition_by, found.partition_by),
    ):
        if one != other:
            raise Mismatch(f"it exists with {what} {other or 'none'}, not {one or 'none'}") from None


def _shape(info: CollectionInfo) -> str:
    """The fields without what may differ: their indexes and embedders."""
    return ", ".join(
        f"{name} Dense({field.dimension}, {field.metric.value})" if isinstance(field, Dense) else f"{name} Sparse()"
        for name, field in info.fields.items()
    )


def check_holds(layout: Layout, info: CollectionInfo) -> None:
    """Raises ``Unsupported`` for what a layout of another package has no place for."""
    asked = {
        "named fields": bool(info.fields),
        "partitions (partition_by=)": info.partition_by is not None,
        "metadata of the collection": bool(info.metadata) and not layout.keeps_settings,
        f"index {info.index!r}": layout.index is not None and info.index != layout.index,
        "quantized vectors": getattr(info.index, "quantization", None) is not None and not layout.quantizes,
        f"metric {info.metric.value!r}": info.metric not in layout.metrics,
        f"vectors of {info.dimension:,} dimensions": info.dimension > (layout.max_dimension or info.dimension)
        or layout.mapping.dimension not in (None, info.dimension),
    }
    if lacking := [what for what, wanted in asked.items() if wanted]:
        raise Unsupported(
            f"the layout of {layout.package} has no {lacking[0]}", hint="Leave it out, or leave out layout=."
        )


def completed(mapping: RecordMapping, layout: Layout, metric: Metric, dimension: int | None) -> RecordMapping:
    """Return a mapping with what the database does not say of an empty collection of a layout."""
    if layout.tells_metric:
        metric = mapping.metric or metric
    elif metric not in layout.metrics:
        metric = layout.metrics[0]
    return replace(mapping, metric=metric, dimension=dimension)
