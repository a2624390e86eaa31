"""Whether two sources hold the same records: ids both ways, vectors, documents, typed metadata.

Where vectors are kept bit for bit each side is read once, at the same time, and its digest computed. Where the
digests differ, or vectors may differ in their last digits, records are compared one by one, which names those that
differ. Memory is bounded by a page; to name what one side has too much takes 8 bytes a record more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from random import Random
from threading import Event
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.errors import InvalidInput, Mismatch, brief
from vstore.filters.tree import Filter
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.omission import OmissionKind
from vstore.records import IncludeName, Records
from vstore.spi.codec import canonical_json
from vstore.transfer.digest import Digest, digest_ids, digest_records, hash_ids
from vstore.transfer.endpoint import Source
from vstore.transfer.exactness import Exactness, agreed, bitwise, same_vectors
from vstore.transfer.loss import Kind, Loss, not_allowed, parse_allowed, source_losses
from vstore.transfer.pace import Pace
from vstore.transfer.parity import search_parity
from vstore.transfer.report import Verification, VerifyMode
from vstore.transfer.unmatched import check_matched

__all__ = ["DEFAULT_QUERIES", "DEFAULT_SAMPLE", "verify"]

DEFAULT_SAMPLE: Final = 1_000
DEFAULT_QUERIES: Final = 10
_PAGE: Final = 1_000
_OF_READING: Final = {Kind(kind.value) for kind in OmissionKind}


@dataclass(slots=True)
class _Work:
    left: Source
    right: Source
    where: Filter | None
    without: Set[str]
    pace: Pace
    on_rows: Callable[[int], None]
    found: Verification
    exactness: Exactness = field(default=Exactness.BITS)


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
    pace: Pace | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Compares two sources. int is not float, a missing key is not None; -0.0 is 0.0.

    Args:
        left: One of them, as a rule the original.
        right: The other.
        mode: Everything, or all ids and some records.
        where: Only the records of the left that match; the right must have these and no others.
        subset: The right may have other records as well.
        any_metric: The right may have another metric.
        losses: What is known of either side not to be read, and so not compared; None to find out.
        allow: Names of losses of which it is accepted.
        without: Ids of the left that need not be in the right.
        sample: How many records ``VerifyMode.SAMPLE`` compares.
        queries: How many queries both sides are asked, where both can be; 0 for none. They are not asked where the
            right is to hold something else than the left does.
        pace: Makes the calls.
        on_rows: Called with numbers of records, that add up to the records of the left and of the right.

    Raises:
        InvalidInput: A mode that verifies nothing, or a sample of none.
        Mismatch: Ids have come or gone meanwhile, so that nothing is known.
    """
    for name, end in (("left", left), ("right", right)):
        if not hasattr(end, "info") or not hasattr(end, "scan"):
            raise InvalidInput(
                f"{name} must be a Source, not {brief(end)}", hint="vstore.transfer.open_place opens one."
            )
    metrics = left.info.metric, right.info.metric
    exactness = agreed(left.backend, right.backend, Metric.COSINE if Metric.COSINE in metrics else metrics[0])
    found = Verification(mode, exactness.value, excluded=len(without), settings=_settings(left.info, right.info))
    pace = pace or Pace()
    if losses is None:
        losses = [
            *pace.call(partial(source_losses, left, where)),
            *pace.call(partial(source_losses, right, None)),
        ]
    found.not_compared = [loss for loss in losses if loss.kind in _OF_READING]
    found.unequal = sorted({loss.kind.value for loss in not_allowed(found.not_compared, parse_allowed(allow))})
    same = metrics[0] is metrics[1]
    found.comparable = left.info.dimension == right.info.dimension and (any_metric or same)
    if not found.comparable:
        return found
    work = _Work(left, right, where, without, pace, on_rows, found, exactness)
    match mode:
        case VerifyMode.FULL:
            if subset or exactness is not Exactness.BITS or not _same_digests(work):
                _by_record(work, subset=subset)
        case VerifyMode.SAMPLE:
            if type(sample) is not int or sample < 1:
                raise InvalidInput(f"sample must be an int of at least 1, not {sample!r}")
            _ids_both_ways(work, _left_ids(work), subset=subset)
            _by_sample(work, sample)
        case VerifyMode.NONE:
            raise InvalidInput("to verify nothing is not to verify")
    if where is not None and not found.rows[0]:
        found.notes.append(pace.call(partial(check_matched, left, where)))
    if queries and same and not (subset or without or where is not None):
        found.parity = search_parity(left, right, queries, work.pace)
    return found


def _settings(left: CollectionInfo, right: CollectionInfo) -> list[str]:
    """What differs of the collections themselves, in words."""
    return [
        f"{name} is {ours!s:.100} on the left, {theirs!s:.100} on the right"
        for name, ours, theirs in (
            ("dimension", left.dimension, right.dimension),
            ("metric", left.metric, right.metric),
            ("index", left.index, right.index),
            ("embedder", left.embedder, right.embedder),
            ("metadata of the collection", left.metadata, right.metadata),
        )
        if ours != theirs
    ]


def _same_digests(work: _Work) -> bool:
    over = Event()  # the other side has failed, or somebody has interrupted

    def total(source: Source, where: Filter | None, without: Set[str]) -> Digest:
        added = Digest()
        for page in work.pace.scan(source, where=where, batch_size=_PAGE):
            added += digest_records(_kept(page.records, without))
            work.on_rows(len(page.records))
            if over.is_set():
                break
        return added

    with ThreadPoolExecutor(2, thread_name_prefix="verify") as pool:
        try:
            ours = pool.submit(total, work.left, work.where, work.without)
            theirs = pool.submit(total, work.right, None, frozenset())
            left, right = ours.result(), theirs.result()
        except BaseException:
            over.set()
            work.pace.hurry()
            raise
    if left != right:
        return False
    work.found.rows = (left.rows, right.rows)
    work.found.compared = left.rows
    work.found.digest = str(left)
    return True


def _kept(records: Records, without: Set[str]) -> Records:
    if not without or without.isdisjoint(records.ids):
        return records
    return records.take([place for place, record_id in enumerate(records.ids) if record_id not in without])


def _by_record(work: _Work, *, subset: bool) -> None:
    """Compares every record of the left with the right's; then looks for what the right has besides."""
    ids, ours, theirs = Digest(), Digest(), Digest()
    for page in work.pace.scan(work.left, where=work.where, batch_size=_PAGE):
        records = _kept(page.records, work.without)
        found = work.pace.call(partial(work.right.get, records.ids))
        _compare(work, records, found)
        ids += digest_ids(records.ids)
        ours += digest_records(records)
        theirs += digest_records(found)
        work.on_rows(len(page.records))
    if subset:
        work.found.rows = (ids.rows, work.pace.call(work.right.count))
    else:
        _ids_both_ways(work, ids, subset=False)
    if ours == theirs and not work.found.differences:
        work.found.digest = str(ours)


def _left_ids(work: _Work) -> Digest:
    ids = Digest()
    for page in work.pace.scan(work.left, where=work.where, batch_size=_PAGE, include=()):
        ids += digest_ids(_kept(page.records, work.without).ids)
    return ids


def _ids_both_ways(work: _Work, ours: Digest, *, subset: bool) -> None:
    """Compares the ids of the right with those of the left, of which the digest is known."""
    theirs = Digest()
    for page in work.pace.scan(work.right, batch_size=_PAGE, include=()):
        theirs += digest_ids(page.records.ids)
        work.on_rows(len(page.records))
    work.found.rows = (ours.rows, theirs.rows)
    if ours == theirs:
        return
    left, right = _hashes(work.left, work, work.where, work.without), _hashes(work.right, work, None, frozenset())
    for source, where, hashes, others in (
        (work.left, work.where, left, right),
        (work.right, None, right, left),
    ):
        twice = _twice(hashes)
        lacking = np.setdiff1d(hashes, others)
        work.found.doubled += len(twice)
        if source is work.right:
            if subset:
                lacking = lacking[:0]
            work.found.extra += len(lacking)
        elif work.found.mode is VerifyMode.SAMPLE:
            work.found.missing += len(lacking)  # a full comparison has counted and named them
        else:
            lacking = lacking[:0]
        _name(work, source, where, np.union1d(twice, lacking))
    if not (subset or work.found.missing or work.found.extra or work.found.doubled):
        raise Mismatch("ids have changed while they were compared", hint="Stop who writes, and compare again.")


def _hashes(source: Source, work: _Work, where: Filter | None, without: Set[str]) -> NDArray[np.uint64]:
    parts = [
        hash_ids(_kept(page.records, without).ids)
        for page in work.pace.scan(source, where=where, batch_size=_PAGE, include=())
    ]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.uint64)


def _twice(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _name(work: _Work, source: Source, where: Filter | None, wanted: NDArray[np.uint64]) -> None:
    """Finds some of the ids that have these hashes."""
    if not len(wanted):
        return
    seen: dict[str, None] = {}
    for page in work.pace.scan(source, where=where, batch_size=_PAGE, include=()):
        for place in np.flatnonzero(np.isin(hash_ids(page.records.ids), wanted)):
            seen[page.records.ids[place]] = None
        if len(seen) >= min(len(wanted), 10):
            break
    work.found.name(list(seen))


def _by_sample(work: _Work, wanted: int) -> None:
    total = work.found.rows[0]
    n = min(wanted, total)
    ranks = sorted(Random().sample(range(total), n))  # noqa: S311 (which records is no secret)
    include: tuple[IncludeName, ...] = ()
    start = 0
    for page in work.pace.scan(work.left, where=work.where, batch_size=_PAGE, include=include):
        records = _kept(page.records, work.without)
        places = []
        while ranks and ranks[0] < start + len(records):
            places.append(ranks.pop(0) - start)
        start += len(records)
        work.on_rows(len(page.records))
        if not places:
            continue
        ours = records.take(places)
        if ours.vectors is None:
            ours = work.pace.call(partial(work.left.get, ours.ids))
        _compare(work, ours, work.pace.call(partial(work.right.get, ours.ids)), count_missing=False)
    work.found.confidence = _confidence(n, total)


def _confidence(n: int, total: int) -> str:
    if n >= total:
        return "every record was compared"
    share = 1 - 0.05 ** (1 / n)  # altered records of which n draws miss all with a probability of 5 %
    return (
        f"{n:,} of {total:,} records drawn at random were compared: had {share:.2%} of all or more been altered, "
        "at least one would have been drawn with a probability of 95 %; fewer may stay unseen. All ids were compared."
    )


def _compare(work: _Work, ours: Records, theirs: Records, *, count_missing: bool = True) -> None:
    found = work.found
    there = set(theirs.ids)
    absent = [record_id for record_id in ours.ids if record_id not in there]
    if count_missing:
        found.missing += len(absent)
        found.name(absent)
    ours = ours.ordered(theirs.ids)
    found.compared += len(ours)
    if not len(ours):
        return
    assert ours.vectors is not None
    assert theirs.vectors is not None
    found.bitwise &= bool(bitwise(ours.vectors, theirs.vectors).all())
    found.vectors += _differing(found, ours.ids, same_vectors(ours.vectors, theirs.vectors, work.exactness).tolist())
    documents = zip(ours.documents or (), theirs.documents or (), strict=True)
    found.documents += _differing(found, ours.ids, [a == b for a, b in documents])
    metadatas = zip(ours.metadatas or (), theirs.metadatas or (), strict=True)
    found.metadatas += _differing(found, ours.ids, [canonical_json(a) == canonical_json(b) for a, b in metadatas])


def _differing(found: Verification, ids: list[str], same: list[bool]) -> int:
    different = [record_id for record_id, equal in zip(ids, same, strict=True) if not equal]
    found.name(different)
    return len(different)
