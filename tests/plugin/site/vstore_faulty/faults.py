"""The adapter for SQLite, sound and with one promise broken at a time."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from vstore_sqlite.collection import SqliteCollection
from vstore_sqlite.store import CAPABILITIES, SqliteAdapter

from vstore import (
    AlreadyExists,
    Capabilities,
    CollectionInfo,
    Filter,
    Hits,
    Metric,
    NotFound,
    Records,
    Search,
    Unsupported,
    VStoreError,
)
from vstore.spi import (
    Adapter,
    And,
    Column,
    DocumentContains,
    Eq,
    Exists,
    HasText,
    Include,
    Not,
    Or,
    Order,
    ThreadedAdapter,
    VectorArray,
    leaves,
)
from vstore_faulty.field_faults import FIELD_FAULTS

__all__ = ["ASYNC_FAULTS", "FAULTS", "FaultyAdapter", "make"]

EVERYTHING = Include(vectors=True, documents=True, metadatas=True)
SOUND = replace(CAPABILITIES, backend="faulty", mode="memory", persistent=False)


class FaultyAdapter(SqliteAdapter):
    """In memory; ``collection`` is what it makes of the sound collections."""

    collection: type[SqliteCollection] = SqliteCollection
    record: Capabilities = SOUND

    def __init__(self) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        super().__init__(connection, in_memory=True)

    @property
    def capabilities(self) -> Capabilities:
        return self.record

    def create(self, info: CollectionInfo) -> SqliteCollection:
        return self._faulty(super().create(info))

    def open(self, name: str) -> SqliteCollection:
        return self._faulty(super().open(name))

    def _faulty(self, sound: SqliteCollection) -> SqliteCollection:
        return self.collection(self, sound.key, sound.info)


def _rewritten(node: Filter, change: Callable[[Filter], Filter]) -> Filter:
    """The filter with ``change`` made to each node from the leaves up."""
    match node:
        case And(items) | Or(items):
            return change(type(node)(tuple(_rewritten(item, change) for item in items)))
        case _:
            return change(node)


class _OtherFilters(SqliteCollection):
    """Understands filters otherwise."""

    @staticmethod
    def change(node: Filter) -> Filter:
        raise NotImplementedError

    def scan(self, where: Filter | None, *args: Any) -> Iterator[tuple[Records, str]]:
        return super().scan(None if where is None else _rewritten(where, self.change), *args)


class DropsAClause(_OtherFilters):
    @staticmethod
    def change(node: Filter) -> Filter:
        return node.items[0] if isinstance(node, And) and len(node.items) > 2 else node


class NegationSkipsMissing(_OtherFilters):
    @staticmethod
    def change(node: Filter) -> Filter:
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
            near = float(node.value)
            return And((Order(node.path, ">=", near - 1024), Order(node.path, "<=", near + 1024)))
        return node


class IgnoresCase(_OtherFilters):
    @staticmethod
    def change(node: Filter) -> Filter:
        return replace(node, ignore_case=True) if isinstance(node, HasText) else node


class RefusesSubstrings(SqliteCollection):
    """Says NATIVE, and refuses."""

    def scan(self, where: Filter | None, *args: Any) -> Iterator[tuple[Records, str]]:
        if where is not None and any(isinstance(leaf, DocumentContains) for leaf in leaves(where)):
            raise Unsupported("not today")
        return super().scan(where, *args)


class ScoreFlipped(SqliteCollection):
    def query(self, *args: Any, **kwargs: Any) -> list[Hits]:
        return [replace(hits, scores=hits.distances) for hits in super().query(*args, **kwargs)]


class SquaredDistance(SqliteCollection):
    def query(self, *args: Any, **kwargs: Any) -> list[Hits]:
        found = super().query(*args, **kwargs)
        if self.info.metric is not Metric.L2:
            return found
        return [replace(hits, distances=hits.distances**2, scores=-(hits.distances**2)) for hits in found]


class TiesUnordered(SqliteCollection):
    def query(self, *args: Any, **kwargs: Any) -> list[Hits]:
        out = []
        for hits in super().query(*args, **kwargs):
            order = sorted(range(len(hits)), key=lambda p, h=hits: (h.distances[p], [-ord(c) for c in h.ids[p]]))
            out.append(Hits(hits.records.take(order), hits.distances[order], hits.scores[order]))
        return out


class OneTooFew(SqliteCollection):
    def query(self, vectors: Column, k: int, *args: Any, **kwargs: Any) -> list[Hits]:
        return [hits[: k - 1] if k > 1 else hits for hits in super().query(vectors, k, *args, **kwargs)]


class FiltersAfterwards(SqliteCollection):
    def query(
        self,
        vectors: Column,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
        field: str = "",
    ) -> list[Hits]:
        if exact or where is None:
            return super().query(vectors, k, where, include, exact=exact, search=search, field=field)
        matching = {name for page, _ in self.scan(where, 1000, None, Include()) for name in page.ids}
        out = []
        for hits in super().query(vectors, k, None, include, exact=exact, search=search):
            kept = [place for place, name in enumerate(hits.ids) if name in matching]
            out.append(Hits(hits.records.take(kept), hits.distances[kept], hits.scores[kept]))
        return out


class IncludesEverything(SqliteCollection):
    def get(self, ids: Sequence[str], include: Include) -> Records:
        return super().get(ids, EVERYTHING)


class FloatsBecomeInts(SqliteCollection):
    def _records(self, *args: Any) -> Records:
        found = super()._records(*args)
        for metadata in found.metadatas or []:
            for key, value in metadata.items():
                if type(value) is float and value.is_integer():
                    metadata[key] = int(value)
        return found


class NormalisedVectors(SqliteCollection):
    def _records(self, *args: Any) -> Records:
        found = super()._records(*args)
        if found.vectors is not None and len(found) and self.info.metric is Metric.COSINE:
            found = replace(found, vectors=found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True))
        return found


class AddOverwrites(SqliteCollection):
    def add(self, records: Records) -> None:
        self.upsert(records)


class AddWritesTheOthers(SqliteCollection):
    def add(self, records: Records) -> None:
        taken = self.get(records.ids, Include()).ids
        if others := [place for place, name in enumerate(records.ids) if name not in taken]:
            self.upsert(records.take(others))
        if taken:
            raise AlreadyExists("some exist", ids=taken, hint="Use upsert.")


class UpsertMerges(SqliteCollection):
    def upsert(self, records: Records) -> None:
        old = self.get(records.ids, Include(metadatas=True))
        super().upsert(records)
        if len(old):
            new = self.get(old.ids, Include(metadatas=True))
            merged = [before | after for before, after in zip(old.metadatas or [], new.metadatas or [], strict=True)]
            self.update(Records(old.ids, None, None, merged), replace_metadata=True)


class UpdateCreates(SqliteCollection):
    def update(self, records: Records, *, replace_metadata: bool) -> None:
        known = self.get(records.ids, Include()).ids
        if missing := [name for name in records.ids if name not in known]:
            self.upsert(Records(missing, np.ones((len(missing), self.info.dimension), dtype=np.float32)))
        super().update(records, replace_metadata=replace_metadata)


class DeleteOfMissingWipes(SqliteCollection):
    def delete_ids(self, ids: Sequence[str]) -> None:
        if self.get(ids, Include()).ids:
            super().delete_ids(ids)
        else:
            self.clear()


class LosesTheLastRow(SqliteCollection):
    def upsert(self, records: Records) -> None:
        super().upsert(records[:-1] if len(records) > 5000 else records)


class MutatesVectors(SqliteCollection):
    def upsert(self, records: Records) -> None:
        super().upsert(records)
        if records.vectors is not None and records.vectors.flags.writeable:
            records.vectors *= 2


class MutatesMetadata(SqliteCollection):
    def upsert(self, records: Records) -> None:
        super().upsert(records)
        for metadata in records.metadatas or []:
            metadata["mine"] = True


class KeepsTheCallersArray(SqliteCollection):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._given: dict[str, VectorArray] = {}

    def add(self, records: Records) -> None:
        super().add(records)
        assert records.vectors is not None
        self._given.update(zip(records.ids, records.vectors, strict=True))

    def _records(self, *args: Any) -> Records:
        found = super()._records(*args)
        if found.vectors is not None:
            for place, name in enumerate(found.ids):
                found.vectors[place] = self._given.get(name, found.vectors[place])
        return found


class OffsetScan(SqliteCollection):
    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        start = int(after or 0)
        while ids := self._matching(where)[start : start + batch_size]:
            start += len(ids)
            yield self.get(ids, include), str(start)

    def _matching(self, where: Filter | None) -> list[str]:
        return [name for page, _ in super().scan(where, 1000, None, Include()) for name in page.ids]


class CursorIsAnOffset(OffsetScan):
    """Holds the ids of one scan, and goes on by their number."""

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        ids = self._matching(where)
        for start in range(int(after or 0), len(ids), batch_size):
            if len(page := self.get(ids[start : start + batch_size], include)):
                yield page, str(start + batch_size)


class DeletesTheFirst(SqliteCollection):
    """As many as a database lists at once."""

    def delete_where(self, where: Filter) -> None:
        self.delete_ids([name for page, _ in self.scan(where, 1000, None, Include()) for name in page.ids][:5000])


class ForgetsTheIndex(SqliteCollection):
    """Has an index that knows the records of the moment when it was built."""

    indexed: frozenset[str] | None = None

    def defer_index(self) -> None:
        self.indexed = None

    def build_index(self) -> None:
        self.indexed = frozenset(name for page, _ in self.scan(None, 1000, None, Include()) for name in page.ids)

    def query(self, *args: Any, **kwargs: Any) -> list[Hits]:
        found = super().query(*args, **kwargs)
        return found if self.indexed is None else [h if self.indexed >= set(h.ids) else h[:0] for h in found]


class FollowsTheName(SqliteCollection):
    def get(self, ids: Sequence[str], include: Include) -> Records:
        return self._again().get(ids, include)

    def count(self, where: Filter | None) -> int:
        return self._again().count(where)

    def upsert(self, records: Records) -> None:
        self._again().upsert(records)

    def _again(self) -> SqliteCollection:
        return SqliteAdapter.open(self._store, self.info.name)


class Snapshot(SqliteCollection):
    """Reads a copy of the database, made when it was opened."""

    def __init__(self, store: FaultyAdapter, key: int, info: CollectionInfo) -> None:
        twin = FaultyAdapter()
        store.native.backup(twin.native)
        super().__init__(twin, key, info)


class StaleHandles(FaultyAdapter):
    def open(self, name: str) -> SqliteCollection:
        found = super().open(name)
        return Snapshot(self, found.key, found.info)


class TornUpsert(SqliteCollection):
    """Writes column by column, with nothing to hold others off, and takes longer for one column than for another."""

    def upsert(self, records: Records) -> None:
        if len(records) != 1 or not self.get(records.ids, Include()).ids:
            return super().upsert(records)
        columns = (
            Records(records.ids, vectors=records.vectors),
            Records(records.ids, documents=records.documents or [None]),
            Records(records.ids, metadatas=records.metadatas or [{}]),
        )
        for column in columns:
            super().update(column, replace_metadata=True)
            time.sleep(random.uniform(0, 0.004))  # writers that all take the same time end in the order they began
        return None


class LeaksKeyErrors(SqliteCollection):
    def count(self, where: Filter | None) -> int:
        try:
            return super().count(where)
        except NotFound:
            raise KeyError(self.info.name) from None


class Leaky(FaultyAdapter):
    collection = LeaksKeyErrors

    def translate(self, error: Exception) -> VStoreError:
        raise error


class ForgetsTheMetric(FaultyAdapter):
    def open(self, name: str) -> SqliteCollection:
        found = super().open(name)
        return SqliteCollection(self, found.key, replace(found.info, metric=Metric.COSINE))


class TakesNamesForPaths(FaultyAdapter):
    def open(self, name: str) -> SqliteCollection:
        return super().open(os.path.normpath(name))

    def drop(self, name: str) -> None:
        super().drop(os.path.normpath(name))


class Lenient(Capabilities):
    """Says NO and does not mean it."""

    __slots__ = ()

    def require(self, name: str, asked: str) -> None:
        return None


class SaysNoAndDoes(FaultyAdapter):
    record = Lenient(**{field.name: getattr(SOUND, field.name) for field in fields(SOUND)})


class _OtherUpsert:
    """An async collection with an ``upsert`` of its own."""

    def __init__(self, sync: SqliteCollection, threaded: Any) -> None:
        self._sync, self._threaded = sync, threaded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._threaded, name)


class BlockingCollection(_OtherUpsert):
    """Async that is sync on the event loop."""

    async def upsert(self, records: Records) -> None:
        if len(records) > 1000:  # as long as there is much to write
            time.sleep(0.4)  # noqa: ASYNC251  # this is the fault
        self._sync.upsert(records)


class ForgetfulCollection(_OtherUpsert):
    """A write that is cancelled never gives its lock back."""

    def __init__(self, sync: SqliteCollection, threaded: Any) -> None:
        super().__init__(sync, threaded)
        self._lock = asyncio.Lock()

    async def upsert(self, records: Records) -> None:
        async with asyncio.timeout(1):
            await self._lock.acquire()
        await self._threaded.upsert(records)
        self._lock.release()


def _async_with(kind: type[_OtherUpsert]) -> type[ThreadedAdapter]:
    class Adapter(ThreadedAdapter):
        def __init__(self, inner: FaultyAdapter) -> None:
            super().__init__(inner)
            self._sync = inner

        async def create(self, info: CollectionInfo) -> Any:
            threaded = await super().create(info)
            return kind(self._sync.open(info.name), threaded)

    return Adapter


ASYNC_FAULTS: dict[str, type[ThreadedAdapter]] = {
    "blocks_the_loop": _async_with(BlockingCollection),
    "keeps_a_cancelled_lock": _async_with(ForgetfulCollection),
}


def _with(kind: type[SqliteCollection]) -> type[FaultyAdapter]:
    return type(kind.__name__, (FaultyAdapter,), {"collection": kind})


FAULTS: dict[str, tuple[Callable[[], Adapter], str]] = {
    "drops_a_clause": (_with(DropsAClause), "FLT-3"),
    "negation_skips_missing": (_with(NegationSkipsMissing), "FLT-3"),
    "true_is_one": (_with(TrueIsOne), "FLT-4"),
    "large_ints_are_floats": (_with(LargeIntsAreFloats), "FLT-5"),
    "ignores_case": (_with(IgnoresCase), "FLT-10"),
    "native_but_refused": (_with(RefusesSubstrings), "CAP-2"),
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
    "forgets_the_index": (_with(ForgetsTheIndex), "QRY-3"),
    "follows_the_name": (_with(FollowsTheName), "COL-3"),
    "stale_handles": (StaleHandles, "WR-1"),
    "torn_upsert": (_with(TornUpsert), "CON-1"),
    "leaks_key_errors": (Leaky, "ERR-1"),
    "forgets_the_metric": (ForgetsTheMetric, "COL-2"),
    "takes_names_for_paths": (TakesNamesForPaths, "COL-1"),
    "keeps_a_cancelled_lock": (FaultyAdapter, "CON-2"),
    "blocks_the_loop": (FaultyAdapter, "CON-2"),
    **FIELD_FAULTS,
}


def make(fault: str) -> Adapter:
    """The sound adapter, or the one with this fault."""
    return FAULTS[fault][0]() if fault else FaultyAdapter()
