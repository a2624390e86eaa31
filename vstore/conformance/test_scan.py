"""Scans: SCAN-1 to SCAN-4."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from vstore import F, InvalidInput
from vstore.conformance.checks import names, raises, refusing, rows, scanned
from vstore.conformance.fixtures import New, clause
from vstore.conformance.session import Session
from vstore.metadata import micros


@contextmanager
def _meanwhile(work: Callable[[int], None]) -> Iterator[Callable[[], int]]:
    """Runs ``work(0)``, ``work(1)``, … in another thread until the block ends; its errors are raised here.

    Gives what tells how many have ended.
    """
    stop = threading.Event()
    errors: list[BaseException] = []
    turns = 0

    def run() -> None:
        nonlocal turns
        try:
            while not stop.is_set():
                work(turns)
                turns += 1
        except BaseException as error:  # noqa: BLE001  # raised below, in the test's own thread
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: turns
    finally:
        stop.set()
        thread.join()
        if errors:
            raise errors[0]


@clause("SCAN-1")
@pytest.mark.parametrize("batch_size", [1, 7, 100, 1000])
def test_a_scan_brings_every_record_once(new: New, batch_size: int) -> None:
    number = 100 if batch_size == 1 else 1000
    c = new()
    c.add(names(number), rows(number), metadatas=[{"n": p} for p in range(number)])
    assert sorted(scanned(c, None, batch_size)) == names(number)
    assert sorted(scanned(c, F("n") >= 37, batch_size)) == names(number)[37:]
    assert scanned(c, F("n") < 0, batch_size) == []


@clause("SCAN-1")
def test_a_scan_under_writes_brings_what_was_there_throughout_once(new: New) -> None:
    c = new()
    steady = names(600, "s")
    c.add(steady, rows(600), metadatas=[{"keep": True, "n": 0}] * 600)
    c.add(names(200, "d"), rows(200), metadatas=[{"keep": False}] * 200)

    def write(turn: int) -> None:
        some = [f"{letter}{turn % 60:03}x" for letter in "arstz"]
        c.upsert(some, rows(5, seed=turn), metadatas=[{"keep": False}] * 5)
        c.update(steady[turn % 60 :: 60], metadatas=[{"n": turn}] * len(steady[turn % 60 :: 60]))
        c.delete([f"d{turn % 200:05}", f"s{(turn + 30) % 60:03}x", f"a{(turn + 30) % 60:03}x"])

    with _meanwhile(write) as turns:
        scans, deadline = 0, time.monotonic() + 60
        while scans < 3 or turns() < 3:
            assert time.monotonic() < deadline, "nothing was written meanwhile"
            scans += 1
            ids = [record.id for page in c.scan(batch_size=37) for record in page.records]
            assert len(set(ids)) == len(ids), "a record came twice"
            assert set(steady) <= set(ids), f"missed: {sorted(set(steady) - set(ids))[:5]}"
            kept = [record.id for page in c.scan(where=F("keep") == True, batch_size=101) for record in page.records]
            assert sorted(kept) == steady


@clause("SCAN-1")
def test_writes_between_pages_move_nothing_past_a_scan(new: New) -> None:
    c = new()
    steady = names(300, "s")
    c.add(steady, rows(300))
    c.add(names(100, "d"), rows(100))
    seen: list[str] = []
    for turn, page in enumerate(c.scan(batch_size=20)):
        seen += page.records.ids
        c.delete([name for name in page.records.ids if name[0] == "d"])
        if turn < 10:  # a scan by id would run after what is always written behind it
            c.upsert([f"{letter}{turn:05}" for letter in "acmz"], rows(4, seed=turn))
    assert len(set(seen)) == len(seen), "a record came twice"
    assert set(steady) <= set(seen), f"missed: {sorted(set(steady) - set(seen))[:5]}"


@clause("SCAN-1")
def test_a_scan_survives_the_deletion_of_whole_pages(new: New) -> None:
    c = new()
    c.add(names(1000), rows(1000))
    pages = iter(c.scan(batch_size=100))
    first = next(pages).records.ids
    rest = [name for name in names(1000) if name not in first]
    c.delete(rest[:700])
    seen = [name for page in pages for name in page.records.ids]
    assert set(rest[700:]) <= set(seen)
    assert len(set(first + seen)) == len(first + seen)
    assert set(seen) <= set(rest)


@clause("SCAN-1")
def test_a_scan_brings_each_column_in_step(new: New) -> None:
    c = new()
    vectors = rows(500)
    c.add(names(500), vectors, [f"text {p}" for p in range(500)], [{"n": p} for p in range(500)])
    for page in c.scan(batch_size=64):
        for record in page.records:
            place = int(record.id[1:])
            assert (record.document, record.metadata) == (f"text {place}", {"n": place})
            np.testing.assert_array_equal(record.vector, vectors[place])


@clause("SCAN-2")
def test_a_cursor_resumes_a_scan(new: New) -> None:
    c = new()
    c.add(names(500), rows(500), metadatas=[{"n": p % 3} for p in range(500)])
    for where in (None, F("n") != 1):
        pages = list(c.scan(where=where, batch_size=60))
        ids = [name for page in pages for name in page.records.ids]
        for place, page in enumerate(pages):
            rest = [name for p in c.scan(where=where, batch_size=45, after=page.cursor) for name in p.records.ids]
            assert rest == [name for p in pages[place + 1 :] for name in p.records.ids]
        assert len(ids) == len(set(ids)) == c.count(where)


@clause("SCAN-2", "SCAN-1")
def test_a_cursor_resumes_behind_its_page_whatever_was_written_since(new: New) -> None:
    c = new()
    c.add(names(300), rows(300))
    pages = iter(c.scan(batch_size=100))
    page = next(pages)
    first, rest = page.records.ids, sorted(set(names(300)) - set(page.records.ids))
    c.delete(first[:50])
    c.upsert([f"{letter}new" for letter in "arz"], rows(3))
    c.update(rest[:20], documents=["changed"] * 20)
    seen = [name for p in c.scan(batch_size=70, after=page.cursor) for name in p.records.ids]
    assert len(set(seen)) == len(seen), "a record came twice"
    assert [name for name in sorted(seen) if name in rest] == rest, "the deletion of what was read moved what was not"
    assert not set(first) & set(seen), "a record came again"


@clause("SCAN-2")
def test_a_cursor_resumes_in_another_process(session: Session, new: New) -> None:
    c = new()
    name = c.name
    ids = [*names(200), "quo'te", "ünï", "\U0001f600", "a:b", "x y", "50%"]
    c.add(ids, rows(len(ids)))
    pages = list(c.scan(batch_size=50))
    cursor, seen = pages[1].cursor, [i for page in pages[:2] for i in page.records.ids]
    if session.store.capabilities.persistent:
        script = """
            pages = store.get_collection(name).scan(batch_size=30, after=cursor)
            result = [i for page in pages for i in page.records.ids]
        """
        rest = session.elsewhere(script, name=name, cursor=cursor)
    else:
        again = session.store.get_collection(name)
        rest = [i for page in again.scan(batch_size=30, after=cursor) for i in page.records.ids]
    assert sorted(seen + rest) == sorted(ids)


@clause("SCAN-2")
def test_every_cursor_of_hostile_ids_resumes(new: New) -> None:
    ids = ["a'b", 'a"b', "a\\b", "%", "_", ":", "memory:", "é", "e\u0301", "\uffee", "\U0001f600", " ", "\n", "x" * 512]
    c = new()
    c.add(ids, rows(len(ids)))
    order = scanned(c, batch_size=1)
    for place, page in enumerate(list(c.scan(batch_size=1))):
        assert page.records.ids == order[place : place + 1]
        assert [i for p in c.scan(after=page.cursor) for i in p.records.ids] == order[place + 1 :]


@clause("SCAN-2")
def test_a_cursor_of_another_backend_is_refused(new: New) -> None:
    c = new()
    c.add(["a"], rows(1))
    mine = next(iter(c.scan())).cursor.partition(":")[0]
    for wrong in ("nosuchbackend:a", "", "a", 7, b"x", ":a", f"{mine}:\x00", f"{mine}:\ud800"):
        with raises(InvalidInput):
            list(c.scan(after=wrong))  # type: ignore[arg-type]


@clause("SCAN-3")
def test_pages_hold_at_most_the_batch_size(new: New) -> None:
    c = new()
    c.add(names(2100), rows(2100))
    sizes = [len(page.records) for page in c.scan()]
    assert max(sizes) <= 1000
    assert sum(sizes) == 2100
    for batch_size in (1, 999, 5000, 10**30):
        pages = iter(c.scan(batch_size=batch_size))
        assert 0 < len(next(pages).records) <= batch_size
    for wrong in (0, -1, 1.5, True, "10", None):
        with raises(InvalidInput):
            c.scan(batch_size=wrong)  # type: ignore[arg-type]


@clause("SCAN-3")
def test_many_unfinished_scans_do_not_exhaust_the_store(new: New) -> None:
    c = new()
    c.add(names(100), rows(100))
    left = [iter(c.scan(batch_size=10)) for _ in range(40)]
    assert [len(next(pages).records) for pages in left] == [10] * 40
    c.upsert(["new"], rows(1))
    assert c.count() == 101
    del left
    assert len(scanned(c)) == 101


def _in_order(values: dict[str, Any], *, descending: bool) -> list[str]:
    """By the words of SCAN-4: the kinds, then the values, then the ids."""
    kinds: list[list[str]] = [[], [], []]
    for name in sorted(values):
        match values[name]:
            case bool():
                kinds[1].append(name)
            case int() | float() | datetime():
                kinds[0].append(name)
            case str():
                kinds[2].append(name)
    out: list[str] = []
    for kind in kinds[::-1] if descending else kinds:
        out += sorted(kind, key=lambda name: _comparable(values[name]), reverse=descending)
    return out + sorted(set(values) - set(out))


def _comparable(value: Any) -> Any:
    return micros(value) if isinstance(value, datetime) else value


@clause("SCAN-4", "SCAN-2", "SCAN-3")
@pytest.mark.parametrize("descending", [False, True])
def test_records_come_in_the_order_of_a_key(new: New, *, descending: bool) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    some = [
        3,
        1,
        1.0,
        True,
        2**53 + 1,
        2.0**53,
        -(2**63),
        2.5,
        "b",
        "a",
        "B",
        "\uffee",
        "\U0001f600",
        "",
        False,
        moment,
    ]
    some += [micros(moment), None, [1], ["a"], -0.5, 1e300, "a", True, 0, 0.0, -7, "1"]
    values = dict(zip([f"{place * 7 % 31:02}" for place in range(len(some))], some, strict=True))
    c = new()
    metadatas: list[Any] = [{"part": "x"} if v is None else {"k": v, "part": "x"} for v in values.values()]
    c.add([*values, "other"], rows(len(values) + 1), metadatas=[*metadatas, {"k": 0, "part": "y"}])
    wanted = _in_order(values, descending=descending)
    asked: dict[str, Any] = {"where": F("part") == "x", "order_by": "k", "descending": descending}
    pages = list(c.scan(batch_size=5, **asked))
    assert [i for page in pages for i in page.records.ids] == wanted
    assert [len(page.records) for page in pages[:-1]] == [5] * (len(pages) - 1)
    assert [record.id for record in c.scan_records(**asked)] == wanted
    for number, page in enumerate(pages):
        rest = [i for p in c.scan(after=page.cursor, include=[], **asked) for i in p.records.ids]
        assert rest == wanted[5 * number + 5 :]
        assert page.records.vectors is not None
    assert [i for p in c.scan(**asked | {"order_by": "nowhere"}) for i in p.records.ids] == sorted(values)
    other = {**asked, "descending": not descending}
    for wrong in (other, {**asked, "order_by": "part"}, {"where": asked["where"]}):
        refusing(InvalidInput, c, lambda wrong=wrong: list(c.scan(after=pages[0].cursor, **wrong)))  # type: ignore[misc]
    plain = next(iter(c.scan(batch_size=5))).cursor
    backend = plain.partition(":")[0]
    for cursor in (
        plain,
        f"{backend}/order:",
        f"{backend}/order:[]",
        f'{backend}/order:["k", {str(descending).lower()}, 0, NaN, "a"]',
    ):
        refusing(InvalidInput, c, lambda cursor=cursor: list(c.scan(after=cursor, **asked)))  # type: ignore[misc]


@clause("SCAN-4")
def test_what_is_written_meanwhile_moves_no_record_in_order(new: New) -> None:
    c = new()
    c.add(names(6), rows(6), metadatas=[{"k": place} for place in range(6)])
    pages = iter(c.scan(batch_size=2, order_by="k"))
    assert next(pages).records.ids == names(6)[:2]
    c.update([names(6)[2]], metadatas=[{"k": 99}])
    c.delete([names(6)[3]])
    c.add(["new"], rows(1), metadatas=[{"k": -1}])
    rest = [(record.id, (record.metadata or {})["k"]) for page in pages for record in page.records]
    assert rest == [(names(6)[2], 99), (names(6)[4], 4), (names(6)[5], 5)]
    for wrong in (
        {"order_by": 7},
        {"order_by": ""},
        {"order_by": "_vs"},
        {"descending": True},
        {"order_by": "k", "descending": 1},
    ):
        refusing(InvalidInput, c, lambda wrong=wrong: c.scan(**wrong))  # type: ignore[misc]
