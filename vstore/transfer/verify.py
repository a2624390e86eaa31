"""Whether two sources hold the same records: ids both ways, vectors, documents, typed metadata.

Where vectors are kept bit for bit each side is read once, at the same time, and its digest computed. Where the
digests differ, or vectors may differ in their last digits, records are compared one by one, which names those that
differ. Memory is bounded by a page; to name what one side has too much takes 8 bytes a record more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from threading import Event
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.capabilities import Exactness
from vstore.errors import InvalidInput, Mismatch, brief
from vstore.filters.tree import Filter
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.omission import OmissionKind
from vstore.records import IncludeName, Page, Records
from vstore.spi.codec import canonical_json
from vstore.transfer.agreement import search_agreement
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.endpoint import EVERYTHING, Source
from vstore.transfer.equality import (
    Digest,
    agreed,
    digest_ids,
    digest_records,
    hash_ids,
    loosest,
    same_column,
)
from vstore.transfer.fields import keep_fields, same_field_metrics, same_shapes, shared_fields, unshared_fields
from vstore.transfer.loss import Loss, LossKind, not_allowed, parse_allowed, source_losses
from vstore.transfer.options import DEFAULT_QUERIES, DEFAULT_SAMPLE
from vstore.transfer.report import Verification, VerifyMode
from vstore.transfer.unmatched import check_matched

__all__ = ["verify"]

_PAGE: Final = 1_000
_OF_READING: Final = {LossKind(kind.value) for kind in OmissionKind}


def verify(
    left: Source,
    right: Source,
    *,
    mode: VerifyMode = VerifyMode.FULL,
    where: Filter | None = None,
    subset: bool = False,
    any_metric: bool = False,
    losses: Sequence[Loss] | None = None,
    allow: Iterable[str] = (),
    without: Set[str] = frozenset(),
    sample: int = DEFAULT_SAMPLE,
    queries: int = DEFAULT_QUERIES,
    retry: RetryPolicy | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Compares two sources. int is not float, a missing key is not None; -0.0 is 0.0.

    Args:
        left: One of them, as a rule the original.
        right: The other.
        mode: Everything, or all ids and some records.
        where: Only the records of the left that match; the right must have these and no others.
        subset: Whether the right may have other records as well.
        any_metric: Whether the right may have another metric.
        losses: The losses of reading either side, which are not compared; None to find them out.
        allow: Names of losses that are accepted.
        without: Ids of the left that need not be in the right.
        sample: How many records ``VerifyMode.SAMPLE`` compares.
        queries: How many queries both sides are asked, where both can be; 0 for none. They are not asked where the
            right is to hold other records than the left.
        retry: Makes the calls.
        on_rows: Called with numbers of records, that add up to the records of the left and of the right.

    Raises:
        InvalidInput: A mode that verifies nothing, or a sample of none.
        Mismatch: Ids have come or gone during the comparison, so that nothing is known.
    """
    for name, end in (("left", left), ("right", right)):
        if not hasattr(end, "info") or not hasattr(end, "scan"):
            raise InvalidInput(
                f"{name} must be a Source, not {brief(end)}", hint="vstore.transfer.open_location opens one."
            )
    comparison = Comparison(left, right, where, without, retry or RetryPolicy(), on_rows, mode, subset=subset)
    comparison.note_losses(losses, parse_allowed(allow))
    found = comparison.found
    same_metric = left.info.metric is right.info.metric
    same_metrics = same_metric and same_field_metrics(left.info, right.info)
    found.comparable = same_shapes(left.info, right.info) and (any_metric or same_metrics)
    if not found.comparable:
        return found
    match mode:
        case VerifyMode.FULL:
            comparison.compare_all()
        case VerifyMode.SAMPLE:
            if type(sample) is not int or sample < 1:
                raise InvalidInput(f"sample must be an int of at least 1, not {sample!r}")
            comparison.compare_sample(sample)
        case VerifyMode.NONE:
            raise InvalidInput("the mode 'none' verifies nothing", hint="Pass 'full' or 'sample'.")
    comparison.note_empty_filter()
    if queries and same_metric and not (subset or without or where is not None):
        found.search_agreement = search_agreement(left, right, queries, comparison.retry)
    return found


class Comparison:
    """Compares the records of two sources and collects the differences.

    Args:
        left: One of them.
        right: The other.
        where: Only the records of the left that match.
        without: Ids of the left that need not be in the right.
        retry: Makes the calls.
        on_rows: Called with numbers of records.
        mode: How much is read.
        subset: Whether the right may have other records as well.

    Attributes:
        found: The differences so far.
        retry: As given.
    """

    def __init__(
        self,
        left: Source,
        right: Source,
        where: Filter | None,
        without: Set[str],
        retry: RetryPolicy,
        on_rows: Callable[[int], None],
        mode: VerifyMode,
        *,
        subset: bool,
    ) -> None:
        self._fields = shared_fields(left.info, right.info)
        self._exactness = {
            name: _class_of(left, right, name) for name in (*([""] if left.info.dimension else []), *self._fields)
        }
        self._loosest = loosest(self._exactness.values())
        self.found = Verification(
            mode,
            self._loosest.value,
            excluded=len(without),
            settings=_settings(left.info, right.info),
            fields=dict.fromkeys(self._fields, 0),
        )
        self.retry = retry
        self._left = left
        self._right = right
        self._where = where
        self._without = without
        self._on_rows = on_rows
        self._subset = subset

    def note_losses(self, losses: Sequence[Loss] | None, allowed: frozenset[LossKind]) -> None:
        """Notes what either side has that is not read, and so is not compared; finds it out where it is not known."""
        if losses is None:
            losses = [
                *unshared_fields(self._left.info, self._right.info),
                *self.retry.call(partial(source_losses, self._left, self._where)),
                *self.retry.call(partial(source_losses, self._right, None)),
            ]
        self.found.not_compared = [loss for loss in losses if loss.kind in _OF_READING]
        self.found.unequal = sorted({loss.kind.value for loss in not_allowed(self.found.not_compared, allowed)})

    def note_empty_filter(self) -> None:
        """Notes that the filter matches nothing; raises ``InvalidInput`` where it names a key that no record has."""
        if self._where is not None and not self.found.rows[0]:
            self.found.notes.append(self.retry.call(partial(check_matched, self._left, self._where)))

    def compare_all(self) -> None:
        """Compares everything: by digests where both sides keep bits and must be equal, else record by record."""
        if self._subset or self._loosest is not Exactness.BITS or not self._same_digests():
            self._compare_records()

    def compare_sample(self, wanted: int) -> None:
        """Compares all ids, and ``wanted`` records drawn at random."""
        self._compare_ids(self._left_ids())
        total = self.found.rows[0]
        n = min(wanted, total)
        ranks = sorted(Random().sample(range(total), n))  # noqa: S311 (which records is no secret)
        start = 0
        for page in self._pages(self._left, ()):
            records = self._kept(page.records)
            places = []
            while ranks and ranks[0] < start + len(records):
                places.append(ranks.pop(0) - start)
            start += len(records)
            self._on_rows(len(page.records))
            if not places:
                continue
            ours = records.take(places)
            if ours.documents is None:
                ours = self.retry.call(partial(self._left.get, ours.ids))
            self._compare(ours, self.retry.call(partial(self._right.get, ours.ids)), count_missing=False)
        self.found.confidence = _confidence(n, total)

    def _pages(self, source: Source, include: Sequence[IncludeName] = EVERYTHING) -> Iterator[Page]:
        where = self._where if source is self._left else None
        return self.retry.scan(source, where=where, batch_size=_PAGE, include=include)

    def _kept(self, records: Records) -> Records:
        """Those of the left's records that the right must have."""
        if not self._without or self._without.isdisjoint(records.ids):
            return records
        return records.take([place for place, one in enumerate(records.ids) if one not in self._without])

    def _same_digests(self) -> bool:
        """Reads both sides at once and compares their digests."""
        over = Event()  # the other side has failed, or somebody has interrupted

        def total(source: Source) -> Digest:
            added = Digest()
            for page in self._pages(source):
                added += self._digest(self._kept(page.records) if source is self._left else page.records)
                self._on_rows(len(page.records))
                if over.is_set():
                    break
            return added

        with ThreadPoolExecutor(2, thread_name_prefix="verify") as pool:
            try:
                ours, theirs = pool.submit(total, self._left), pool.submit(total, self._right)
                left, right = ours.result(), theirs.result()
            except BaseException:
                over.set()
                self.retry.stop_retrying()
                raise
        if left != right:
            return False
        self.found.rows = (left.rows, right.rows)
        self.found.compared = left.rows
        self.found.digest = str(left)
        return True

    def _compare_records(self) -> None:
        """Compares every record of the left with the right's; then looks for ids that only the right has."""
        ids, ours, theirs = Digest(), Digest(), Digest()
        for page in self._pages(self._left):
            records = self._kept(page.records)
            found = self.retry.call(partial(self._right.get, records.ids))
            self._compare(records, found)
            ids += digest_ids(records.ids)
            ours += self._digest(records)
            theirs += self._digest(found)
            self._on_rows(len(page.records))
        if self._subset:
            self.found.rows = (ids.rows, self.retry.call(self._right.count))
        else:
            self._compare_ids(ids)
        if ours == theirs and not self.found.differences:
            self.found.digest = str(ours)

    def _digest(self, records: Records) -> Digest:
        return digest_records(keep_fields(records, self._fields))

    def _left_ids(self) -> Digest:
        ids = Digest()
        for page in self._pages(self._left, ()):
            ids += digest_ids(self._kept(page.records).ids)
        return ids

    def _compare_ids(self, ours: Digest) -> None:
        """Compares the ids of the right with those of the left, whose digest is known."""
        theirs = Digest()
        for page in self._pages(self._right, ()):
            theirs += digest_ids(page.records.ids)
            self._on_rows(len(page.records))
        self.found.rows = (ours.rows, theirs.rows)
        if ours == theirs:
            return
        left, right = self._hashes(self._left), self._hashes(self._right)
        nothing = left[:0]
        # a full comparison has counted and named the missing ones
        missing = np.setdiff1d(left, right) if self.found.mode is VerifyMode.SAMPLE else nothing
        extra = nothing if self._subset else np.setdiff1d(right, left)
        self.found.missing += len(missing)
        self.found.extra += len(extra)
        for source, hashes, lacking in ((self._left, left, missing), (self._right, right, extra)):
            repeated = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
            self.found.doubled += len(repeated)
            self._name(source, np.union1d(repeated, lacking))
        if not (self._subset or self.found.missing or self.found.extra or self.found.doubled):
            raise Mismatch("ids have changed while they were compared", hint="Stop the writers, and compare again.")

    def _hashes(self, source: Source) -> NDArray[np.uint64]:
        left = source is self._left
        parts = [
            hash_ids(self._kept(page.records).ids if left else page.records.ids) for page in self._pages(source, ())
        ]
        return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.uint64)

    def _name(self, source: Source, wanted: NDArray[np.uint64]) -> None:
        """Finds some of the ids that have these hashes."""
        if not len(wanted):
            return
        seen: dict[str, None] = {}
        for page in self._pages(source, ()):
            for place in np.flatnonzero(np.isin(hash_ids(page.records.ids), wanted)):
                seen[page.records.ids[place]] = None
            if len(seen) >= min(len(wanted), 10):
                break
        self.found.name(list(seen))

    def _compare(self, ours: Records, theirs: Records, *, count_missing: bool = True) -> None:
        """Compares the columns of records, of which the right may lack some."""
        found = self.found
        there = set(theirs.ids)
        absent = [one for one in ours.ids if one not in there]
        if count_missing:
            found.missing += len(absent)
            found.name(absent)
        ours = ours.ordered(theirs.ids)
        found.compared += len(ours)
        if not len(ours):
            return
        for name, exactness in self._exactness.items():
            one, other = ours.column(name), theirs.column(name)
            found.bitwise &= bool(same_column(one, other, Exactness.BITS).all())
            number = self._count_differing(ours.ids, same_column(one, other, exactness).tolist())
            if name:
                found.fields[name] += number
            else:
                found.vectors += number
        documents = zip(ours.documents or (), theirs.documents or (), strict=True)
        found.documents += self._count_differing(ours.ids, [a == b for a, b in documents])
        metadatas = zip(ours.metadatas or (), theirs.metadatas or (), strict=True)
        same = [canonical_json(a) == canonical_json(b) for a, b in metadatas]
        found.metadatas += self._count_differing(ours.ids, same)

    def _count_differing(self, ids: list[str], same: list[bool]) -> int:
        different = [one for one, equal in zip(ids, same, strict=True) if not equal]
        self.found.name(different)
        return len(different)


def _class_of(left: Source, right: Source, name: str) -> Exactness:
    """How exactly the vectors of a field are compared; an empty name is the one without a name."""
    metrics = left.info.field(name).metric, right.info.field(name).metric
    metric = Metric.COSINE if Metric.COSINE in metrics else metrics[0]
    return agreed(left.cosine_exactness, right.cosine_exactness, metric)


def _settings(left: CollectionInfo, right: CollectionInfo) -> list[str]:
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


def _confidence(n: int, total: int) -> str:
    if n >= total:
        return "every record was compared"
    share = 1 - 0.05 ** (1 / n)  # altered records of which n draws miss all with a probability of 5 %
    return (
        f"{n:,} of {total:,} records drawn at random were compared: had {share:.2%} of all or more been altered, "
        "at least one would have been drawn with a probability of 95 %; fewer may stay unseen. All ids were compared."
    )
