"""What adapters share: parts of a call, pages by id, the exact scan, and the true hits where an index found too few."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from vstore import Hits, Metric, Records
from vstore.errors import PartialWrite, Unavailable
from vstore.spi import aio, batches, distances, ranked, scan_by_ids, scan_top_k, slices, top_up, write_parts

RNG = np.random.default_rng(5)
IDS = [f"r{n:02}" for n in range(40)]
VECTORS = RNG.normal(size=(40, 3)).astype(np.float32)


def test_parts_join_to_the_whole() -> None:
    assert list(batches(list("abcde"), 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(batches("", 2)) == []
    assert [part.tolist() for part in batches(np.arange(4), 3)] == [[0, 1, 2], [3]]
    assert [part.ids for part in batches(Records(IDS[:3], VECTORS[:3]), 2)] == [IDS[:2], IDS[2:3]]
    assert list(slices(5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]


def _read(ids: list[str]) -> Records:
    return Records([i for i in ids if i not in ("b", "e")])


def test_pages_by_id_come_in_order_and_skip_what_was_deleted() -> None:
    pages = list(scan_by_ids(["e", "d", "c", "b", "a"], 2, None, _read))
    assert [(page.ids, last) for page, last in pages] == [(["a"], "b"), (["c", "d"], "d")]
    assert [(page.ids, last) for page, last in scan_by_ids("edcba", 2, "c", _read)] == [(["d"], "e")]

    async def read(ids: list[str]) -> Records:
        return _read(ids)

    async def collect() -> list[tuple[Records, str]]:
        return [page async for page in aio.scan_by_ids(["e", "d", "c", "b", "a"], 2, None, read)]

    assert [(page.ids, last) for page, last in asyncio.run(collect())] == [(["a"], "b"), (["c", "d"], "d")]


def test_a_write_that_fails_midway_names_what_it_wrote() -> None:
    sent: list[str] = []

    def send(part: str) -> None:
        if part == "third":
            raise Unavailable("gone")
        sent.append(part)

    parts = [(["a", "b"], "first"), (["c"], "second"), (["d"], "third"), (["e"], "fourth")]
    with pytest.raises(PartialWrite) as caught:
        write_parts(parts, send)
    assert caught.value.written == ["a", "b", "c"]
    assert sent == ["first", "second"]
    with pytest.raises(Unavailable, match="gone"):
        write_parts([(["d"], "third")], send)
    done = ["z"]
    with pytest.raises(PartialWrite) as later:
        write_parts(parts[1:], send, done)
    assert later.value.written == ["z", "c"]

    async def send_async(part: str) -> None:
        send(part)

    with pytest.raises(PartialWrite) as awaited:
        asyncio.run(aio.write_parts(parts, send_async))
    assert awaited.value.written == ["a", "b", "c"]


def _truth(query: np.ndarray, k: int) -> list[str]:  # type: ignore[type-arg]
    return ranked(Metric.L2, Records(IDS), distances(Metric.L2, query, VECTORS), k).ids


def _pages() -> Iterator[Records]:
    return batches(Records(IDS, VECTORS), 7)


def test_an_exact_scan_finds_what_a_whole_comparison_finds() -> None:
    queries = RNG.normal(size=(3, 3)).astype(np.float32)
    found = scan_top_k(Metric.L2, queries, 5, _pages(), Records)
    assert [hits.ids for hits in found] == [_truth(query, 5) for query in queries]

    async def pages() -> AsyncIterator[Records]:
        for page in _pages():
            yield page

    async def get(ids: list[str]) -> Records:
        return Records(ids)

    assert [hits.ids for hits in asyncio.run(aio.scan_top_k(Metric.L2, queries, 5, pages(), get))] == [
        hits.ids for hits in found
    ]
    without = scan_top_k(Metric.L2, queries, 5, _pages(), lambda ids: Records(ids[1:]))
    assert without[0].ids == found[0].ids[1:]
    assert np.array_equal(without[0].distances, found[0].distances[1:])


def _hits(n: int) -> Hits:
    return ranked(Metric.L2, Records(IDS), distances(Metric.L2, VECTORS[0], VECTORS), n)


class _Asked:
    def __init__(self, total: int) -> None:
        self.total, self.counts, self.exact = total, 0, list[list[int]]()

    def count(self) -> int:
        self.counts += 1
        return self.total

    def found(self, places: list[int]) -> list[Hits]:
        self.exact.append(places)
        return [_hits(min(5, self.total)) for _ in places]


def test_only_what_is_short_is_asked_again() -> None:
    whole = _Asked(40)
    assert [len(one) for one in top_up([_hits(5), _hits(5)], 5, whole.count, whole.found)] == [5, 5]
    assert (whole.counts, whole.exact) == (0, [])

    short = _Asked(40)
    assert [len(one) for one in top_up([_hits(2), _hits(5), None, _hits(0)], 5, short.count, short.found)] == [5] * 4
    assert (short.counts, short.exact) == (1, [[0, 2, 3]])

    all_there = _Asked(3)
    assert [len(one) for one in top_up([_hits(3), _hits(2)], 5, all_there.count, all_there.found)] == [3, 3]
    assert (all_there.counts, all_there.exact) == (1, [[1]])

    uncounted = _Asked(3)
    assert [len(one) for one in top_up([_hits(3), None], 5, None, uncounted.found)] == [3, 3]
    assert uncounted.exact == [[0, 1]]


def test_short_results_are_topped_up_in_the_async_form_too() -> None:
    asked = _Asked(40)

    async def count() -> int:
        return asked.count()

    async def exact(places: list[int]) -> list[Hits]:
        return asked.found(places)

    found = asyncio.run(aio.top_up([_hits(2), _hits(5), None], 5, count, exact))
    assert [len(one) for one in found] == [5, 5, 5]
    assert (asked.counts, asked.exact) == (1, [[0, 2]])
