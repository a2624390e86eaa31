"""The reference store with one promise about fields, sparse vectors or hybrid queries broken at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vstore import Capabilities, CollectionInfo, Dense, Filter, Hits, Metric, Records, SparseArray
from vstore.memory.store import MemoryAdapter, MemoryCollection
from vstore.spi import Column, Include, VectorArray

__all__ = ["FIELD_FAULTS", "FaultyMemory"]


class FaultyMemory(MemoryAdapter):
    """``collection`` is what it makes in place of the sound collections."""

    collection: type[MemoryCollection] = MemoryCollection

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, backend="faulty")

    def create(self, info: CollectionInfo) -> MemoryCollection:
        with self.lock:
            sound = super().create(info)
            made = self._collections[info.name] = self.collection(sound.info, self)
            return made


class ForgetsFieldMetrics(FaultyMemory):
    def create(self, info: CollectionInfo) -> MemoryCollection:
        fields = {
            name: replace(field, metric=Metric.COSINE) if isinstance(field, Dense) else field
            for name, field in info.fields.items()
        }
        return super().create(replace(info, fields=fields))


class _OtherColumns(MemoryCollection):
    """Writes the columns of fields otherwise."""

    @staticmethod
    def dense(column: VectorArray) -> VectorArray:
        return column

    @staticmethod
    def sparse(column: SparseArray) -> SparseArray:
        return column

    def upsert(self, records: Records) -> None:
        columns = {
            name: self.sparse(column) if isinstance(column, SparseArray) else self.dense(column)
            for name, column in records.fields.items()
        }
        super().upsert(replace(records, fields=columns))


class AbsentIsZero(_OtherColumns):
    @staticmethod
    def dense(column: VectorArray) -> VectorArray:
        return np.nan_to_num(column)


class DropsLargeIndices(_OtherColumns):
    """Has signed indices of 32 bits."""

    @staticmethod
    def sparse(column: SparseArray) -> SparseArray:
        return SparseArray.of([{i: v for i, v in row.to_dict().items() if i < 2**31} for row in column])


class HalfPrecision(_OtherColumns):
    @staticmethod
    def sparse(column: SparseArray) -> SparseArray:
        values = np.clip(column.values, 1e-7, 6e4).astype(np.float16).astype(np.float32)
        return SparseArray(column.indptr, column.indices, values)


class KeepsWhatIsRemoved(MemoryCollection):
    """An update with None leaves the vector where it is."""

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        before = self.get(records.ids, Include(fields=tuple(records.fields)))
        super().update(records, replace_metadata=replace_metadata)
        for name in records.fields:
            old, new = before.column(name), self.get(records.ids, Include(fields=(name,))).column(name)
            gone = [place for place in range(len(before)) if _is_lost(old, new, place)]
            if gone:
                kept = Records([records.ids[place] for place in gone], fields={name: old[np.array(gone)]})  # type: ignore[dict-item]
                super().update(kept, replace_metadata=False)


def _is_lost(old: Column, new: Column, place: int) -> bool:
    if isinstance(old, SparseArray) or isinstance(new, SparseArray):
        return False
    return bool(np.isnan(new[place, 0]) and not np.isnan(old[place, 0]))


class _OtherHits(MemoryCollection):
    """Answers queries otherwise."""

    def change(self, hits: Hits, field: str, *, exact: bool) -> Hits:
        raise NotImplementedError

    def query(
        self,
        vectors: Column,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        field: str = "",
        **rest: Any,
    ) -> list[Hits]:
        found = super().query(vectors, k, where, include, exact=exact, field=field, **rest)
        return [self.change(hits, field, exact=exact) for hits in found]

    def is_sparse(self, field: str) -> bool:
        return not isinstance(self.info.field(field), Dense)


class SparseInFloat32(_OtherHits):
    def change(self, hits: Hits, field: str, *, exact: bool) -> Hits:
        single = hits.distances.astype(np.float32).astype(np.float64)
        return Hits(hits.records, single, -single) if self.is_sparse(field) else hits


class HitsWithoutASharedIndex(MemoryCollection):
    """Fills a sparse query up with records that share no index with it."""

    def query(
        self, vectors: Column, k: int, where: Filter | None, include: Include, *, field: str = "", **rest: Any
    ) -> list[Hits]:
        found = super().query(vectors, k, where, include, field=field, **rest)
        if not isinstance(vectors, SparseArray):
            return found
        return [self._filled(hits, k, where, include) for hits in found]

    def _filled(self, hits: Hits, k: int, where: Filter | None, include: Include) -> Hits:
        there = [name for page, _ in self.scan(where, 1000, None, Include()) for name in page.ids]
        more = [name for name in there if name not in set(hits.ids)][: k - len(hits)]
        distance = np.concatenate([hits.distances, np.zeros(len(more))])
        return Hits(self.get([*hits.ids, *more], include), distance, -distance)


class SparseTiesUnordered(_OtherHits):
    def change(self, hits: Hits, field: str, *, exact: bool) -> Hits:
        if not self.is_sparse(field):
            return hits
        order = sorted(range(len(hits)), key=lambda place: (hits.distances[place], [-ord(c) for c in hits.ids[place]]))
        return hits.take(order)


class CutsBeforeTheFilter(MemoryCollection):
    """Asks for the first k of all records, and keeps those that match."""

    def query(
        self, vectors: Column, k: int, where: Filter | None, include: Include, *, field: str = "", **rest: Any
    ) -> list[Hits]:
        found = super().query(vectors, k, None, include, field=field, **rest)
        if where is None:
            return found
        matching = {name for page, _ in self.scan(where, 1000, None, Include()) for name in page.ids}
        return [hits.take([place for place, name in enumerate(hits.ids) if name in matching]) for hits in found]


class LosesALeg(_OtherHits):
    """Answers a sparse query alone, and none that is one of several."""

    def query(self, vectors: Column, k: int, where: Filter | None, include: Include, **rest: Any) -> list[Hits]:
        self._is_leg = include == Include()
        return super().query(vectors, k, where, include, **rest)

    def change(self, hits: Hits, field: str, *, exact: bool) -> Hits:
        return hits[:0] if self._is_leg and self.is_sparse(field) else hits


class NormalisedLegs(_OtherHits):
    """Has sparse scores between 0 and 1, in the right order."""

    def change(self, hits: Hits, field: str, *, exact: bool) -> Hits:
        distance = hits.distances / (1 - hits.distances)
        return Hits(hits.records, distance, -distance) if self.is_sparse(field) else hits


class ApproximateLegs(_OtherHits):
    """Misses a record where the true ones were asked for."""

    def change(self, hits: Hits, field: str, *, exact: bool) -> Hits:
        return hits.take([p for p in range(len(hits)) if p != 2]) if exact and not self.is_sparse(field) else hits


class DocumentsOfOtherHits(_OtherHits):
    def change(self, hits: Hits, field: str, *, exact: bool) -> Hits:
        documents = hits.records.documents
        return replace(hits, records=replace(hits.records, documents=documents and documents[1:] + documents[:1]))


class VectorsOfOthers(MemoryCollection):
    def get(self, ids: Sequence[str], include: Include) -> Records:
        found = super().get(ids, include)
        return found if found.vectors is None else replace(found, vectors=found.vectors[::-1].copy())


class LargeIntsAreReadAsFloats(MemoryCollection):
    """Only in pages."""

    def scan(self, *args: Any) -> Iterator[tuple[Records, str]]:
        for page, cursor in super().scan(*args):
            for metadata in page.metadatas or []:
                large = {key: float(v) for key, v in metadata.items() if type(v) is int and abs(v) > 2**53}
                metadata.update(large)
            yield page, cursor


class AnswersById(MemoryCollection):
    """Brings records in an order of its own."""

    def get(self, ids: Sequence[str], include: Include) -> Records:
        return super().get(sorted(ids), include)


def _with(kind: type[MemoryCollection]) -> Callable[[], FaultyMemory]:
    return type(kind.__name__, (FaultyMemory,), {"collection": kind})


FIELD_FAULTS: dict[str, tuple[Callable[[], FaultyMemory], str]] = {
    "forgets_field_metrics": (ForgetsFieldMetrics, "FLD-1"),
    "absent_is_zero": (_with(AbsentIsZero), "FLD-2"),
    "keeps_what_is_removed": (_with(KeepsWhatIsRemoved), "FLD-2"),
    "drops_large_indices": (_with(DropsLargeIndices), "SPV-1"),
    "half_precision": (_with(HalfPrecision), "SPV-2"),
    "sparse_in_float32": (_with(SparseInFloat32), "SPV-3"),
    "hits_without_a_shared_index": (_with(HitsWithoutASharedIndex), "SPV-3"),
    "cuts_before_the_filter": (_with(CutsBeforeTheFilter), "HYB-1"),
    "loses_a_leg": (_with(LosesALeg), "HYB-2"),
    "sparse_ties_unordered": (_with(SparseTiesUnordered), "HYB-2"),
    "normalised_legs": (_with(NormalisedLegs), "HYB-3"),
    "approximate_legs": (_with(ApproximateLegs), "HYB-4"),
    "documents_of_other_hits": (_with(DocumentsOfOtherHits), "HYB-5"),
    "vectors_of_others": (_with(VectorsOfOthers), "QRY-7"),
    "large_ints_are_read_as_floats": (_with(LargeIntsAreReadAsFloats), "SCAN-4"),
    "answers_by_id": (_with(AnswersById), "SCAN-4"),
}
