"""What stands for a Python value is taken as that value, or refused; never rounded."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import HNSW, InvalidInput, Search
from vstore.core.validate import check_count, check_documents, check_ids
from vstore.keys import check_name
from vstore.metadata import check_metadata, check_metadatas
from vstore.scalars import as_python


class Colour(StrEnum):
    RED = "red"


class Shade(str, Enum):  # noqa: UP042  # the older form
    DARK = "dark"

    def __str__(self) -> str:
        return "not its text"


class Level(IntEnum):
    HIGH = 3


class Bits(IntFlag):
    A = 1
    B = 2


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (np.float16(0.1), float(np.float16(0.1))),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(0.1), 0.1),
        (np.longdouble(0.5), 0.5),
        (np.int8(-1), -1),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(False), False),
        (np.str_("é"), "é"),
        (np.datetime64("2024-02-29T12:30"), datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        (np.datetime64("2024-02-29T12", "h"), datetime(2024, 2, 29, 12, tzinfo=UTC)),
        (np.datetime64("1950-01-01T00:00:00.000001", "us"), datetime(1950, 1, 1, 0, 0, 0, 1, UTC)),
        (np.datetime64("2024-02-29T12:30:00.5", "ns"), datetime(2024, 2, 29, 12, 30, 0, 500_000, UTC)),
        (Colour.RED, "red"),
        (Shade.DARK, "dark"),
        (Level.HIGH, 3),
        (Bits.A | Bits.B, 3),
    ],
)
def test_what_stands_for_a_value_becomes_it(given: Any, meant: Any) -> None:
    found = as_python(given)
    assert (type(found), found) == (type(meant), meant)


def test_what_stands_for_none_comes_back_itself() -> None:
    class Text(str):
        pass

    for other in (Text("a"), np.timedelta64(1, "s"), np.bytes_(b"x"), np.complex64(1), [1], np.array(1), object()):
        assert as_python(other) is other


@pytest.mark.parametrize(
    "given",
    [
        np.datetime64("NaT"),
        np.datetime64("2024-02-29"),
        np.datetime64("2024"),
        np.datetime64("2024-02-29T12:30:00.000000001"),
        np.datetime64("20000-01-01T00:00", "s"),
        np.datetime64(2**62, "s"),
        pytest.param(
            np.longdouble(1) + np.finfo(np.longdouble).eps,
            marks=pytest.mark.skipif(np.finfo(np.longdouble).eps == np.finfo(float).eps, reason="they are one type"),
        ),
    ],
)
def test_what_no_python_value_equals_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInput):
        as_python(given)
    with pytest.raises(InvalidInput, match=r"metadatas\[1\]: 'k'"):
        check_metadatas([{}, {"k": [given]}], 2, nested=False)


def test_metadata_of_plain_values_is_the_callers_own_and_other_is_a_copy() -> None:
    plain = {"a": 1, "b": ["x"]}
    assert check_metadata(plain) is plain
    given = {"a": np.int64(1), "b": [Colour.RED, "x"], "c": {np.str_("d"): np.float32(0.5), "e": None}, "f": None}
    before = dict(given)
    found = check_metadata(given, nested=True, keep_none=True)
    assert repr(found) == repr({"a": 1, "b": ["red", "x"], "c": {"d": 0.5}, "f": None})
    assert given == before
    assert type(given["a"]) is np.int64


def test_a_key_is_plain_though_an_equal_one_was_seen_before() -> None:
    first, second = check_metadatas([{"red": 1}, {Colour.RED: 2}], 2, nested=False)
    assert [type(key) for key in (*first, *second)] == [str, str]


def test_ids_documents_names_and_numbers_are_plain() -> None:
    assert repr(check_ids(np.array(["a", "b"]))) == "['a', 'b']"
    assert repr(check_documents([np.str_("x"), None, Shade.DARK], 3, 100)) == "['x', None, 'dark']"
    assert type(check_name(np.str_("docs"))) is str
    assert repr(check_count("k", np.uint8(5))) == "5"
    assert repr(HNSW(m=np.int64(8))) == repr(HNSW(m=8))  # type: ignore[arg-type]
    assert repr(Search(ef=np.int32(8))) == repr(Search(ef=8))  # type: ignore[arg-type]
    with vstore.connect("memory:") as store:
        docs = store.create_collection(Colour.RED, dimension=np.int64(2))  # type: ignore[arg-type]
        assert repr(docs.info.name) == "'red'"
        assert repr(docs.info.dimension) == "2"
