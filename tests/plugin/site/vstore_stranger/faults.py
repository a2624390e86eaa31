"""The stranger's adapter, sound and with one promise broken at a time."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from vstore.capabilities import Capabilities, no
from vstore.errors import AlreadyExists, NotFound, Unsupported, VStoreError
from vstore.filters.tree import And, DocumentContains, Eq, Filter, Leaf, Not, Or, leaves
from vstore.hits import Hits
from vstore.indexing import Metric, Search
from vstore.info import CollectionInfo
from vstore.memory.store import CAPABILITIES, MemoryAdapter, MemoryCollection, _Row
from vstore.records import Include, Records, VectorArray
from vstore.spi.threaded import ThreadedAdapter, _ThreadedCollection

__all__ = ["ASYNC_FAULTS", "FAULTS", "StrangerAdapter", "make"]

LESS = ("nested_metadata", "nested_paths", "matches", "string_ordering", "int64_ordering", "rename", "search_probes")
SOUND = replace(
    CAPABILITIES, backend="stranger", **dict.fromkeys((*LESS, "index_ivfflat"), no("this one does not do it"))
)


class StrangerAdapter(MemoryAdapter):
    collection: type[MemoryCollection] = MemoryCollection
    record: Capabilities = SOUND

    @property
    def capabilities(self) -> Capabilities:
        return self.record

    def create(self, info: CollectionInfo) -> MemoryCollection:
        with self.lock:
            made = super().create(info)
            if type(made) is not self.collection:
                made = self.collection(made.info, self)
                self._collections[info.name] = made
            return made


def _rewritten(node: Filter, change: Any) -> Filter:
    """The filter with ``change`` made to each node from the leaves up."""
    match node:
        case And(items) | Or(items):
            return change(type(node)(tuple(_rewritten(item, change) for item in items)))
        case _:
            return change(node)


class _OtherFilters(MemoryCollection):
    """Understands filters otherwise."""

    @staticmethod
    def change(node: Filter) -> Filter:
        raise NotImplementedError

    def _test(self, where: Filter | None) -> Any:
        return super()._test(None if where is None else _rewritten(where, self.change))


class DropsAClause(_OtherFilters):
    @staticmethod
    def change(node: Filter) -> Filter:
        return node.items[0] if isinstance(node, And) and len(node.items) > 2 else node


class NegationSkipsMissing(_OtherFilters):
    @staticmethod
    def change(node: Filter) -> Filter:
        from vstore.filters.tree import Exists

        if isinstance(node, Not) and isinstance(node.item, Eq):
            return And((node, Exists(node.item.path)))
        return node


class TrueIsOne(_OtherFilters):
    @staticmethod
    def change(node: Filter) -> Filter:
        return Or((node, Eq(node.path, True))) if isinstance(node, Eq) and node.value == 1 else node


class LargeIntsAreFloats(_OtherFilters):
    @staticmethod
    def change(node: Filter) -> Filter:
        if isinstance(node, Eq) and type(node.value) is int and abs(node.value) > 2**53:
            from vstore.filters.tree import Order

            near = float(node.value)
            return And((Order(node.path, ">=", near - 1024), Order(node.path, "<=", near + 1024)))
        return node


class DocumentsAreTrickled(MemoryCollection):
    """Says NATIVE, and refuses."""

    def _test(self, where: Filter | None) -> Any:
        found: list[Leaf] = [] if where is None else list(leaves(where))
        if any(isinstance(leaf, DocumentContains) for leaf in found):
            raise Unsupported("not today")
        return super()._test(where)


class ScoreFlipped(MemoryCollection):
    def query(self, *args: Any, **kwargs: Any) -> list[Hits]:
        return [replace(hits, scores=hits.distances) for hits in super().query(*args, **kwargs)]


class SquaredDistance(MemoryCollection):
    def query(self, *args: Any, **kwargs: Any) -> list[Hits]:
        found = super().query(*args, **kwargs)
        if self._info.metric is not Metric.L2:
            return found
        return [replace(hits, distances=hits.distances**2, scores=-(hits.distances**2)) for hits in found]


class TiesUnordered(MemoryCollection):
    def query(self, *args: Any, **kwargs: Any) -> list[Hits]:
        out = []
        for hits in super().query(*args, **kwargs):
            order = sorted(range(len(hits)), key=lambda p, h=hits: (h.distances[p], [-ord(c) for c in h.ids[p]]))
            out.append(Hits(hits.records.take(order), hits.distances[order], hits.scores[order]))
        return out


class OneTooFew(MemoryCollection):
    def query(self, vectors: VectorArray, k: int, *args: Any, **kwargs: Any) -> list[Hits]:
        return [hits[: k - 1] if k > 1 else hits for hits in super().query(vectors, k, *args, **kwargs)]


class FiltersAfterwards(MemoryCollection):
    def query(
        self,
        vectors: VectorArray,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
    ) -> list[Hits]:
        if exact or where is None:
            return super().query(vectors, k, where, include, exact=exact, search=search)
        test = self._test(where)
        out = []
        for hits in super().query(vectors, k, None, include, exact=exact, search=search):
            kept = [place for place, name in enumerate(hits.ids) if test(name)]
            out.append(Hits(hits.records.take(kept), hits.distances[kept], hits.scores[kept]))
        return out


class IncludesEverything(MemoryCollection):
    def get(self, ids: Sequence[str], include: Include) -> Records:
        return super().get(ids, Include(vectors=True, documents=True, metadatas=True))


class FloatsBecomeInts(MemoryCollection):
    def _columns(self, ids: list[str], include: Include) -> Records:
        found = super()._columns(ids, include)
        for metadata in found.metadatas or []:
            for key, value in metadata.items():
                if type(value) is float and value.is_integer():
                    metadata[key] = int(value)
        return found


class NormalisedVectors(MemoryCollection):
    def _columns(self, ids: list[str], include: Include) -> Records:
        found = super()._columns(ids, include)
        if found.vectors is not None and len(found) and self._info.metric is Metric.COSINE:
            found = replace(found, vectors=found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True))
        return found


class AddOverwrites(MemoryCollection):
    def add(self, records: Records) -> None:
        self.upsert(records)


class AddWritesTheOthers(MemoryCollection):
    def add(self, records: Records) -> None:
        with self._open():
            taken = [name for name in records.ids if name in self._rows]
            self.upsert(records.take([p for p, name in enumerate(records.ids) if name not in taken]))
            if taken:
                raise AlreadyExists("some exist", ids=taken, hint="Use upsert.")


class UpsertMerges(MemoryCollection):
    def upsert(self, records: Records) -> None:
        with self._open():
            old = {name: self._rows[name].metadata for name in records.ids if name in self._rows}
            super().upsert(records)
            for name, metadata in old.items():
                self._rows[name].metadata = metadata | self._rows[name].metadata


class UpdateCreates(MemoryCollection):
    def update(self, records: Records, *, replace_metadata: bool) -> None:
        with self._open():
            for name in records.ids:
                self._rows.setdefault(name, _Row(np.ones(self._info.dimension, dtype=np.float32), None, {}))
            super().update(records, replace_metadata=replace_metadata)


class DeleteOfMissingWipes(MemoryCollection):
    def delete_ids(self, ids: Sequence[str]) -> None:
        with self._open():
            found = [name for name in ids if name in self._rows]
            super().delete_ids(found or list(self._rows))


class LosesTheLastRow(MemoryCollection):
    def upsert(self, records: Records) -> None:
        super().upsert(records[:-1] if len(records) > 5000 else records)


class MutatesVectors(MemoryCollection):
    def upsert(self, records: Records) -> None:
        super().upsert(records)
        if records.vectors is not None and records.vectors.flags.writeable:
            records.vectors *= 2


class MutatesMetadata(MemoryCollection):
    def upsert(self, records: Records) -> None:
        super().upsert(records)
        for metadata in records.metadatas or []:
            metadata["mine"] = True


class KeepsTheCallersArray(MemoryCollection):
    def upsert(self, records: Records) -> None:
        super().upsert(records)
        for place, name in enumerate(records.ids):
            self._rows[name].vector = records.vectors[place]  # type: ignore[index]


class OffsetScan(MemoryCollection):
    def scan(self, where: Any, batch_size: int, after: str | None, include: Include) -> Iterator[tuple[Records, str]]:
        start = 0 if after is None else int(after)
        while True:
            with self._open():
                ids = sorted(self._matching(where))[start : start + batch_size]
                page = self._columns(ids, include)
            if not ids:
                return
            start += len(ids)
            yield page, str(start)


class CursorIsAnOffset(MemoryCollection):
    """Holds the ids of one scan, and goes on by their number."""

    def scan(self, where: Any, batch_size: int, after: str | None, include: Include) -> Iterator[tuple[Records, str]]:
        with self._open():
            ids = sorted(self._matching(where))
        for start in range(0 if after is None else int(after), len(ids), batch_size):
            with self._open():
                page = self._columns([i for i in ids[start : start + batch_size] if i in self._rows], include)
            if len(page):
                yield page, str(start + batch_size)


class DeletesTheFirst(MemoryCollection):
    """As many as a database lists at once."""

    def delete_where(self, where: Filter) -> None:
        with self._open():
            self.delete_ids(self._matching(where)[:5000])


class BuildsAnEmptyIndex(MemoryCollection):
    built = 0

    def defer_index(self) -> None:
        self.built = 0

    def build_index(self) -> None:
        self.built = len(self._rows)

    def query(self, *args: Any, **kwargs: Any) -> list[Hits]:
        known = set(list(self._rows)[: self.built or None])
        found = super().query(*args, **kwargs)
        return [hits if known >= set(hits.ids) else hits[:0] for hits in found]


class FollowsTheName(MemoryCollection):
    def _open(self) -> Any:
        made_anew = self._store._collections.get(self._info.name)
        if self._dropped and made_anew is not None:
            self._rows, self._dropped, self._sorted = made_anew._rows, False, None
        return super()._open()


class StaleHandles(StrangerAdapter):
    def open(self, name: str) -> MemoryCollection:
        found = super().open(name)
        twin = MemoryCollection(found.info, self)
        twin._rows = dict(found._rows)
        return twin


class TornUpsert(MemoryCollection):
    """Writes column by column, with nothing to hold others off, and takes longer for one column than for another."""

    def upsert(self, records: Records) -> None:
        if len(records) != 1 or records.ids[0] not in self._rows:
            return super().upsert(records)
        row = self._rows[records.ids[0]]
        row.vector = records.vectors[0].copy()  # type: ignore[index]
        time.sleep(random.uniform(0, 0.004))  # writers that all take the same time end in the order they began
        row.document = None if records.documents is None else records.documents[0]
        time.sleep(random.uniform(0, 0.004))
        row.metadata = {} if records.metadatas is None else dict(records.metadatas[0])
        return None


class LeaksKeyErrors(MemoryCollection):
    def count(self, where: Filter | None) -> int:
        try:
            return super().count(where)
        except NotFound:
            raise KeyError(self._info.name) from None


class Leaky(StrangerAdapter):
    collection = LeaksKeyErrors

    def translate(self, error: Exception) -> VStoreError:
        raise error


class ForgetsTheMetric(StrangerAdapter):
    def open(self, name: str) -> MemoryCollection:
        found = super().open(name)
        found._info = replace(found._info, metric=Metric.COSINE)
        return found


class TakesNamesForPaths(StrangerAdapter):
    def open(self, name: str) -> MemoryCollection:
        return super().open(os.path.normpath(name))

    def drop(self, name: str) -> None:
        super().drop(os.path.normpath(name))


class Lenient(Capabilities):
    """Says NO and does not mean it."""

    __slots__ = ()

    def require(self, name: str, asked: str) -> None:
        return None


class SaysNoAndDoes(StrangerAdapter):
    record = Lenient(**{field.name: getattr(SOUND, field.name) for field in fields(SOUND)})


class BlockingAdapter(ThreadedAdapter):
    """Async that is sync on the event loop."""

    async def create(self, info: CollectionInfo) -> Any:
        return _BlockingCollection(self._inner.create(info))


class ForgetfulAdapter(ThreadedAdapter):
    """A write that is cancelled never gives its lock back."""

    async def create(self, info: CollectionInfo) -> Any:
        return _ForgetfulCollection(self._inner.create(info))


class _ForgetfulCollection(_ThreadedCollection):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._lock = asyncio.Lock()

    async def upsert(self, records: Records) -> None:
        async with asyncio.timeout(1):
            await self._lock.acquire()
        await super().upsert(records)
        self._lock.release()


class _BlockingCollection(_ThreadedCollection):
    async def upsert(self, records: Records) -> None:
        if len(records) > 1000:  # as long as there is much to write
            time.sleep(0.4)  # noqa: ASYNC251  # this is the fault
        self._inner.upsert(records)


ASYNC_FAULTS: dict[str, type[ThreadedAdapter]] = {
    "blocks_the_loop": BlockingAdapter,
    "keeps_a_cancelled_lock": ForgetfulAdapter,
}


def _with(kind: type[MemoryCollection]) -> type[StrangerAdapter]:
    return type(kind.__name__, (StrangerAdapter,), {"collection": kind})


FAULTS: dict[str, tuple[type[StrangerAdapter], str]] = {
    "drops_a_clause": (_with(DropsAClause), "FLT-3"),
    "negation_skips_missing": (_with(NegationSkipsMissing), "FLT-3"),
    "true_is_one": (_with(TrueIsOne), "FLT-4"),
    "large_ints_are_floats": (_with(LargeIntsAreFloats), "FLT-5"),
    "native_but_refused": (_with(DocumentsAreTrickled), "CAP-2"),
    "no_but_works": (SaysNoAndDoes, "CAP-2"),
    "score_flipped": (_with(ScoreFlipped), "MET-2"),
    "squared_distance": (_with(SquaredDistance), "MET-1"),
    "ties_unordered": (_with(TiesUnordered), "QRY-2"),
    "one_too_few": (_with(OneTooFew), "QRY-1"),
    "filters_afterwards": (_with(FiltersAfterwards), "QRY-4"),
    "includes_everything": (_with(IncludesEverything), "INC-1"),
    "floats_become_ints": (_with(FloatsBecomeInts), "META-2"),
    "normalised_vectors": (_with(NormalisedVectors), "VEC-3"),
    "add_overwrites": (_with(AddOverwrites), "ADD-1"),
    "add_writes_the_others": (_with(AddWritesTheOthers), "ADD-1"),
    "upsert_merges": (_with(UpsertMerges), "UPS-1"),
    "update_creates": (_with(UpdateCreates), "UPD-2"),
    "delete_of_missing_wipes": (_with(DeleteOfMissingWipes), "DEL-1"),
    "loses_the_last_row": (_with(LosesTheLastRow), "WR-2"),
    "mutates_vectors": (_with(MutatesVectors), "WR-3"),
    "mutates_metadata": (_with(MutatesMetadata), "WR-3"),
    "keeps_the_callers_array": (_with(KeepsTheCallersArray), "WR-3"),
    "offset_scan": (_with(OffsetScan), "SCAN-1"),
    "cursor_is_an_offset": (_with(CursorIsAnOffset), "SCAN-2"),
    "deletes_the_first": (_with(DeletesTheFirst), "WR-2"),
    "builds_an_empty_index": (_with(BuildsAnEmptyIndex), "QRY-3"),
    "follows_the_name": (_with(FollowsTheName), "COL-3"),
    "stale_handles": (StaleHandles, "WR-1"),
    "torn_upsert": (_with(TornUpsert), "CON-1"),
    "leaks_key_errors": (Leaky, "ERR-1"),
    "forgets_the_metric": (ForgetsTheMetric, "COL-2"),
    "takes_names_for_paths": (TakesNamesForPaths, "COL-1"),
    "keeps_a_cancelled_lock": (StrangerAdapter, "CON-2"),
    "blocks_the_loop": (StrangerAdapter, "CON-2"),
}


def make(fault: str) -> StrangerAdapter:
    """The sound adapter, or the one with this fault."""
    return FAULTS[fault][0]() if fault else StrangerAdapter()
