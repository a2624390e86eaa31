"""What a layout of another package does to records: the losses, each by name, and the records as they will be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.mapping import IdType
from vstore.records import Metadata, Records, VectorArray
from vstore.spi.foreign import foreign_key
from vstore.spi.layouts import Layout, derived, taken_keys
from vstore.transfer.loss import Loss, LossKind
from vstore.transfer.places import Places, each, leaves
from vstore.transfer.transform import Rewrite

__all__ = ["Shape"]

# of ids that are no UUIDs, in layouts whose ids are
_NAMESPACE: Final = UUID("5b3a5f9c-6c43-5b53-9c5d-1a0f3c1f0a77")
_DIGITS: Final = 15
# whole floats of 16 digits may need two less
_LEAST_DIGITS: Final = 13
_UNIT: Final = 1e-6


@dataclass(slots=True)
class Shape:
    """Counts what records lose in a layout, and gives them the form that they have there.

    Attributes:
        layout: The layout.
        info: The source.
        dimension: That of the target; by default that of the source.
    """

    layout: Layout
    info: CollectionInfo
    dimension: int = 0
    _rows: int = field(init=False, default=0)
    _longest: int = field(init=False, default=0)
    _found: Counter[LossKind] = field(init=False, default_factory=Counter)
    _taken: set[str] = field(init=False)
    _places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.dimension = self.dimension or self.info.dimension
        self._taken = taken_keys(self.layout.mapping, self.layout)
        self._places = Places(self.layout.mapping, frozenset(self._taken))

    @property
    def held(self) -> CollectionInfo:
        """The source, of which what the layout keeps."""
        info, layout = self.info, self.layout
        return replace(
            info,
            dimension=self.dimension,
            metric=info.metric if info.metric in layout.metrics else layout.metrics[0],
            index=layout.index or info.index,
            metadata=info.metadata if layout.keeps_settings else {},
            embedder=None,
            partition_by=None,
        )

    def static_losses(self) -> Iterator[Loss]:
        """The losses of the collection itself."""
        info, layout = self.info, self.layout
        package = layout.package
        if layout.index is not None and info.index != layout.index:
            text = layout.index_told or f"{package} makes {layout.index!r}"
            text = f"{text}; the source has {info.index!r:.200}"
            yield Loss(LossKind.INDEX, text, needs_leave=not layout.index_told)
        if info.metric not in layout.metrics:
            yield Loss(LossKind.METRIC, f"{package} does not compare by {info.metric.value!r}")
        elif not layout.tells_metric:
            text = f"{package} keeps no metric: set it up for {info.metric.value!r} where it reads the collection"
            yield Loss(LossKind.SETTINGS, text, needs_leave=info.metric is not Metric.COSINE)
        if info.metadata and not layout.keeps_settings:
            yield Loss(LossKind.METADATA, f"{package} keeps none, and the source has {info.metadata!r:.200}")
        if info.embedder is not None:
            text = f"{package} does not keep the name of the embedder, {info.embedder!r}"
            yield Loss(LossKind.SETTINGS, text, needs_leave=False)
        if info.partition_by is not None:
            yield Loss(LossKind.PARTITIONS, f"{package} does not part records by {info.partition_by!r}")

    def look(self, records: Records) -> None:
        """Takes in records, with all columns."""
        layout, found = self.layout, self._found
        self._rows += len(records)
        if layout.resizes and records.vectors is not None:
            lengths = _lengths(records.vectors)
            self._longest = max(self._longest, int(lengths.max(initial=0)))
            found[LossKind.CUT] += int((lengths > self.dimension).sum())
        found[LossKind.IDS] += sum(map(self._is_other_id, records.ids))
        if layout.mapping.document is None:
            found[LossKind.TEXTS] += sum(text is not None for text in records.documents or [])
        if layout.needs_document:
            found[LossKind.DOCUMENTS] += sum(text is None for text in records.documents or [])
        for metadata in records.metadatas or []:
            found[LossKind.KEYS] += not self._taken.isdisjoint(metadata)
            found.update(self._places.look(metadata))
            if layout.exact_float is not None:
                exact = layout.exact_float
                found[LossKind.FLOATS] += any(not exact(one) for one in leaves(metadata) if isinstance(one, float))
        if self._keeps_directions and records.vectors is not None:
            lengths = np.linalg.norm(records.vectors.astype(np.float64), axis=1)
            found[LossKind.LENGTHS] += int((np.abs(lengths - 1.0) > _UNIT).sum())

    def losses(self) -> list[Loss]:
        """The losses of the records that were looked at."""
        package = self.layout.package
        words = {
            LossKind.IDS: f"records have ids that {package} cannot have here: they get a UUID made of the id",
            LossKind.DOCUMENTS: f"records have no document, without which {package} does not read them: it is empty",
            LossKind.KEYS: f"records have metadata keys whose places {package} uses itself, and lose them: "
            f"{', '.join(map(repr, sorted(self._taken)))}",
            LossKind.DATETIMES: f"records have datetimes, which {package} keeps as texts",
            LossKind.TEXTS: "records have documents, for which the mapping has no place",
            LossKind.UNMAPPED: "records have metadata keys for which the mapping has no place, and lose them: "
            f"{self._places.unmapped}",
            LossKind.TYPES: "records have values of other types than the mapping says of their columns, and lose "
            f"them: {self._places.mistyped}",
            LossKind.FLOATS: f"records have floats that the database changes: they are cut to {_DIGITS} digits at most",
            LossKind.LENGTHS: "records have vectors whose length is not 1, of which the database keeps the direction",
        }
        losses = [Loss(kind, f"{self._found[kind]:,} {text}") for kind, text in words.items() if self._found[kind]]
        if self.layout.by_rows and not self._rows:
            text = f"it has no records, without which {package} has no collection here"
            losses.append(Loss(LossKind.EMPTY, text, needs_leave=False))
        return [*losses, *self._of_lengths()] if self._rows and self.layout.resizes else losses

    def _of_lengths(self) -> Iterator[Loss]:
        """What becomes of the length of vectors, of which zeros at the end change no cosine."""
        package, here, there = self.layout.package, self.info.dimension, self.dimension
        if cut := self._found[LossKind.CUT]:
            yield Loss(LossKind.CUT, f"{cut:,} records have vectors of which {package} keeps {there:,} components")
        elif here > there:
            text = f"the zeros at the end of {self._rows:,} vectors are cut, from {here:,} to {there:,} components"
            yield Loss(LossKind.PADDED, text, needs_leave=False)
        elif here < there:
            text = f"{package} fills {self._rows:,} vectors up with zeros, from {here:,} to {there:,} components"
            yield Loss(LossKind.PADDED, text, needs_leave=False)
        elif self.layout.vector_length is None and self._longest < there:
            text = (
                f"all {self._rows:,} vectors end in zeros, with which {package} cannot ask here: "
                f"pass --vector-length {self._longest}, or the dimension of its embedder"
            )
            yield Loss(LossKind.PADDED, text)

    def rewrites(self, allowed: frozenset[LossKind]) -> list[Rewrite]:
        """The rewrites that make records what the layout can hold, of the losses that are allowed."""
        made: dict[LossKind, Rewrite] = {
            LossKind.IDS: self._ids,
            LossKind.DOCUMENTS: _documents,
            LossKind.KEYS: partial(_metadatas, change=self._without_taken),
            LossKind.DATETIMES: partial(_metadatas, change=self._places.dated),
            LossKind.TEXTS: _without_documents,
            LossKind.UNMAPPED: partial(_metadatas, change=self._places.without_unmapped),
            LossKind.TYPES: partial(_metadatas, change=self._places.without_mistyped),
            LossKind.FLOATS: partial(_metadatas, change=partial(each, change=self._short)),
            LossKind.LENGTHS: _units,
        }
        applies = {
            LossKind.DOCUMENTS: self.layout.needs_document,
            LossKind.KEYS: bool(self._taken),
            LossKind.TEXTS: self.layout.mapping.document is None,
            LossKind.UNMAPPED: self._places.some_unmapped,
            LossKind.TYPES: bool(self.layout.mapping.types),
            LossKind.FLOATS: self.layout.exact_float is not None,
            LossKind.LENGTHS: self._keeps_directions,
        }
        chosen = [rewrite for kind, rewrite in made.items() if kind in allowed and applies.get(kind, True)]
        if self.dimension != self.info.dimension:
            chosen.append(partial(_resized, dimension=self.dimension))
        return chosen

    def ids(self, ids: Sequence[str], allowed: frozenset[LossKind]) -> list[str]:
        """The ids that records get."""
        return self._ids(Records(list(ids))).ids if LossKind.IDS in allowed else list(ids)

    @property
    def ids_made(self) -> Callable[[Sequence[str]], list[str]] | None:
        """What makes ids of the form that the layout has of others; None where it takes any."""
        fixed = self.layout.key is not None or self.layout.id_type is IdType.TEXT
        return None if fixed else partial(self.ids, allowed=frozenset({LossKind.IDS}))

    def as_read(self) -> list[Rewrite]:
        """The rewrite that adds what the package adds, to compare with what is read back."""
        return [self._derived] if self.layout.derived else []

    @property
    def _keeps_directions(self) -> bool:
        return self.layout.unit_vectors and self.info.metric is Metric.COSINE

    def _is_other_id(self, record: str) -> bool:
        return self.layout.key is None and foreign_key(record, self.layout.id_type) is None

    def _ids(self, records: Records) -> Records:
        return replace(records, ids=[_uuid(i) if self._is_other_id(i) else i for i in records.ids])

    def _without_taken(self, metadata: Metadata) -> Metadata:
        return {key: value for key, value in metadata.items() if key not in self._taken}

    def _short(self, value: Any) -> Any:
        exact = self.layout.exact_float
        if type(value) is float and exact is not None and not exact(value):
            cut = [float(f"{value:.{digits}g}") for digits in range(_DIGITS, _LEAST_DIGITS - 1, -1)]
            return next(filter(exact, cut), cut[0])
        return value

    def _derived(self, records: Records) -> Records:
        documents = records.documents or [None] * len(records)
        columns = zip(records.ids, documents, records.metadatas or [], strict=True)
        return replace(records, metadatas=[derived(self.layout, *one) for one in columns])


def _uuid(record: str) -> str:
    with suppress(ValueError):
        return str(UUID(record))  # a UUID in another form, as ``uuid4().hex`` is one
    return str(uuid5(_NAMESPACE, record))


def _documents(records: Records) -> Records:
    return replace(records, documents=[text or "" for text in records.documents or []])


def _without_documents(records: Records) -> Records:
    return replace(records, documents=None if records.documents is None else [None] * len(records))


def _metadatas(records: Records, change: Any) -> Records:
    return replace(records, metadatas=[change(one) for one in records.metadatas or []])


def _units(records: Records) -> Records:
    assert records.vectors is not None
    vectors = records.vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return replace(records, vectors=(vectors / lengths).astype(np.float32))


def _lengths(vectors: VectorArray) -> NDArray[np.intp]:
    """Return for each vector the number of its components but for zeros at the end, shape (n,)."""
    filled = vectors[:, ::-1] != 0
    return np.where(filled.any(axis=1), vectors.shape[1] - filled.argmax(axis=1), 0)


def _resized(records: Records, dimension: int) -> Records:
    vectors = records.vectors
    if vectors is None:
        return records
    kept = min(dimension, vectors.shape[1])
    made = np.zeros((len(vectors), dimension), dtype=np.float32)
    made[:, :kept] = vectors[:, :kept]
    return replace(records, vectors=made)
