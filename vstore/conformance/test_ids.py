"""Ids: ID-1 and ID-2."""

from __future__ import annotations

from typing import Any

import pytest

from vstore import InvalidInput
from vstore.conformance.checks import raises, refusing, rows, scanned
from vstore.conformance.fixtures import New, clause

LEGAL = [
    "a", "A", "0", "00", "1", "01", "1.0", "-1", " ", " a", "a ", ".", "..", "/", "a/b", "a\\b", "\\", "'", "''", '"',
    "%", "%s", "_", "*", "?", "null", "None", "true", "é", "e\u0301", "日本語", "\U0001f600", "\u202eabc", "שלום",
    "\uffee", "\ufeff", "a\nb", "a\tb", "\r\n", "\u0001", "\u007f", "x'] or id not in ['zz", "' or 1=1 --",
    "a; drop table t", "{0}", "${x}", "$a", "#a", "_vs", "x" * 512, "é" * 256, "\U0001f600" * 128,
    "12345678-1234-5678-1234-567812345678", "12345678123456781234567812345678", "18446744073709551615",
]  # fmt: skip


@clause("ID-1")
def test_an_id_comes_back_as_it_was_given(new: New) -> None:
    c = new()
    c.add(LEGAL, rows(len(LEGAL)))
    assert sorted(scanned(c, batch_size=7)) == sorted(LEGAL)
    assert c.get(LEGAL).ids == LEGAL
    assert set(c.query(vector=[1, 0, 0, 0], k=len(LEGAL), exact=True).ids) == set(LEGAL)


@clause("ID-1")
def test_ids_are_compared_byte_by_byte(new: New) -> None:
    c = new()
    c.add(LEGAL, rows(len(LEGAL)))
    assert c.get(["b", "É", "\u00e9", "e\u0301", "a\u0301", "x" * 511]).ids == ["\u00e9", "e\u0301"]
    for place, name in enumerate(LEGAL):
        c.delete([name])
        assert c.count() == len(LEGAL) - place - 1
        assert c.get([name]).ids == []


@clause("ID-1")
@pytest.mark.parametrize(
    "wrong",
    ["", "a\x00", "x" * 513, "é" * 257, "\ud800", 1, None, b"a", 1.0, ("a",)],
    ids=lambda value: repr(value)[:12],
)
def test_what_is_no_id_is_refused_in_every_call(new: New, wrong: Any) -> None:
    c = new()
    c.add(["a"], rows(1))
    for call in (
        lambda: c.add(["b", wrong], rows(2)),
        lambda: c.upsert(["b", wrong], rows(2)),
        lambda: c.update(["a", wrong], documents=["x", "y"]),
        lambda: c.get(["a", wrong]),
        lambda: c.delete(["a", wrong]),
    ):
        error = refusing(InvalidInput, c, call)
        assert "ids[1]" in str(error)


@clause("ID-1")
def test_one_id_in_place_of_a_list_is_refused(new: New) -> None:
    c = new()
    c.add(["a", "b"], rows(2))
    for call in (lambda: c.get("ab"), lambda: c.delete("ab"), lambda: c.add("c", rows(1))):
        refusing(InvalidInput, c, call)


@clause("ID-2")
def test_the_same_id_twice_in_one_call_is_refused(new: New) -> None:
    c = new()
    c.add(["a"], rows(1))
    for call in (
        lambda: c.add(["b", "c", "b"], rows(3)),
        lambda: c.upsert(["a", "b", "a"], rows(3)),
        lambda: c.update(["a", "a"], documents=["x", "y"]),
    ):
        error = refusing(InvalidInput, c, call)
        assert len(error.ids) == 1
    with raises(InvalidInput) as caught:
        c.add(["q", "p", "p", "q"], rows(4))
    assert sorted(caught.error.ids) == ["p", "q"]
