"""What is written to files comes back equal, in every encoding, as a collection would give it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import vstore
from tests.transfer.files.data import (
    FOLDERS,
    FORMS,
    INFO,
    NOWHERE,
    ORIGIN,
    RECORDS,
    SINGLE,
    assert_same,
    at,
    everything,
    export,
    info_for,
    no_refusal,
    plain,
)
from vstore import InvalidInput, Mismatch, Records
from vstore.conformance.fixtures import clause
from vstore.conformance.generate import random_filter
from vstore.filters import F
from vstore.memory.store import CAPABILITIES
from vstore.transfer.endpoint import Sink, Source, Target
from vstore.transfer.equality import digest_records
from vstore.transfer.files import FileSink, FileSource, FileTarget, data_set_path, open_data_set, read_manifest

pytestmark = clause("MIG-23")


def test_they_are_what_a_transfer_takes(tmp_path: Path) -> None:
    target: Target = FileTarget(data_set_path(str(tmp_path / "set")))
    source: Source = FileSource(data_set_path(str(tmp_path / "set")), INFO, list)
    assert target.identity == source.identity == f"parquet:{tmp_path}/set"
    sink: Sink = export(str(tmp_path / "set")).sink(no_refusal)
    assert isinstance(sink, FileSink)
    assert sink.backend == source.backend == "parquet"


@pytest.mark.parametrize("form", FORMS)
def test_every_type_of_metadata_comes_back(form: str, tmp_path: Path) -> None:
    export(at(tmp_path, form))
    source = open_data_set(at(tmp_path, form))
    assert source.info == INFO
    assert source.count() == len(RECORDS)
    assert_same(everything(source, batch_size=70))
    manifest = read_manifest(at(tmp_path, form))
    assert manifest is not None
    assert manifest.origin == ORIGIN
    assert manifest.summary.digest == digest_records(RECORDS)
    assert manifest.summary.documents == sum(text is not None for text in RECORDS.documents or ())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dimension", [1, 2000])
def test_any_dimension_without_documents_and_metadata(form: str, dimension: int, tmp_path: Path) -> None:
    records = plain(30, dimension)
    export(at(tmp_path, form), records, info_for(dimension), size=7)
    assert_same(everything(open_data_set(at(tmp_path, form))), records)


@pytest.mark.parametrize("form", FORMS)
def test_a_collection_without_records(form: str, tmp_path: Path) -> None:
    export(at(tmp_path, form), RECORDS[:0])
    source = open_data_set(at(tmp_path, form))
    assert source.info == INFO
    assert source.count() == 0
    assert list(source.scan()) == []
    assert source.get(["a"]).ids == []


@pytest.mark.parametrize("form", FORMS)
def test_a_chunk_without_records(form: str, tmp_path: Path) -> None:
    target = FileTarget(data_set_path(at(tmp_path, form)))
    target.create(INFO, None, NOWHERE)
    sink = target.sink(no_refusal)
    for number, part in enumerate([RECORDS[:50], RECORDS[:0], RECORDS[50:]]):
        sink.write(number, part)
    sink.finish()
    assert_same(everything(open_data_set(at(tmp_path, form))))


@pytest.mark.parametrize("form", [*FOLDERS, *SINGLE[1:2]])
def test_a_scan_goes_on_behind_any_page(form: str, tmp_path: Path) -> None:
    export(at(tmp_path, form))
    pages = list(open_data_set(at(tmp_path, form)).scan(batch_size=33, include=()))
    assert [len(page.records) for page in pages[:-1]] == [33] * (len(pages) - 1)  # across parts too
    for page, begin in zip(pages, range(33, 400, 33), strict=False):
        rest = open_data_set(at(tmp_path, form)).scan(batch_size=1000, after=page.cursor, include=())
        assert [i for later in rest for i in later.records.ids] == RECORDS.ids[begin:]


def test_a_cursor_of_something_else_is_refused(tmp_path: Path) -> None:
    source = export(str(tmp_path / "set")).existing()
    assert source is not None
    for cursor in ("arrow:3", "parquet:", "parquet:-1", "parquet:361", "parquet:x", "3"):
        with pytest.raises(InvalidInput, match="no cursor"):
            list(source.scan(after=cursor))
    assert list(source.scan(after="parquet:360")) == []


@pytest.mark.parametrize("form", FORMS)
def test_records_are_found_by_id(form: str, tmp_path: Path) -> None:
    export(at(tmp_path, form))
    source = open_data_set(at(tmp_path, form))
    rng = random.Random(5)
    wanted = [*rng.sample(RECORDS.ids, 90), "not there", RECORDS.ids[0], RECORDS.ids[0]]
    there = [i for i in dict.fromkeys(wanted) if i != "not there"]
    assert_same(source.get(wanted), RECORDS.ordered(there))
    bare = source.get(wanted, include=["documents"])
    assert bare.vectors is None
    assert bare.metadatas is None
    assert bare.documents == RECORDS.ordered(there).documents


@pytest.mark.parametrize("form", FOLDERS)
def test_a_filter_means_what_it_means_in_a_store(form: str, tmp_path: Path) -> None:
    export(at(tmp_path, form))
    source = open_data_set(at(tmp_path, form))
    with vstore.connect("memory:") as store:
        reference = store.create_collection("docs", dimension=INFO.dimension, metric="l2")
        reference.add(RECORDS.ids, RECORDS.vectors, RECORDS.documents, RECORDS.metadatas)
        rng = random.Random(11)
        filters = [random_filter(rng, CAPABILITIES) for _ in range(40)] + [F("v").in_([]), ~F("v").in_([])]
        found = 0
        for where in filters:
            wanted = [i for page in reference.scan(where=where, include=()) for i in page.records.ids]
            pages = list(source.scan(where=where, batch_size=20, include=["vectors"]))
            assert [i for page in pages for i in page.records.ids] == wanted
            assert source.count(where) == len(wanted)
            assert all(page.records.metadatas is None and page.records.vectors is not None for page in pages)
            found += 0 < len(wanted) < len(RECORDS)
        assert found >= 9
        part = next(source.scan(where={"part": "x"}, batch_size=7))
        rest = [i for page in source.scan(where={"part": "x"}, after=part.cursor) for i in page.records.ids]
        assert part.records.ids + rest == [i for page in reference.scan(where={"part": "x"}) for i in page.records.ids]


_KEYS = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["Cc"]), min_size=1, max_size=9
)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_SCALARS: list[st.SearchStrategy[Any]] = [
    _TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.timezones()),
]
_VALUES = st.one_of(*_SCALARS, *(st.lists(one, min_size=1, max_size=4) for one in _SCALARS))
_METADATA = st.dictionaries(
    _KEYS.filter(lambda key: not key.startswith(("_vs", "$", "#"))),
    _VALUES | st.dictionaries(st.just("inner"), _VALUES, max_size=1),
    max_size=4,
)


@st.composite
def _records(draw: st.DrawFn) -> Records:
    ids = draw(st.lists(_TEXTS.filter(bool), unique=True, max_size=6))
    n, d = len(ids), draw(st.integers(1, 3))
    finite = st.floats(-(2.0**46), 2.0**46, width=32)
    return Records(
        ids,
        draw(arrays(np.float32, (n, d), elements=finite)),
        draw(st.lists(st.none() | _TEXTS, min_size=n, max_size=n)),
        draw(st.lists(_METADATA, min_size=n, max_size=n)),
    )


@given(records=_records(), size=st.integers(1, 4), form=st.sampled_from(FORMS))
@settings(max_examples=50, deadline=None)
def test_whatever_a_record_may_hold(
    records: Records, size: int, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert records.vectors is not None
    path = at(tmp_path_factory.mktemp("set"), form)
    export(path, records, info_for(records.vectors.shape[1]), size)
    source = open_data_set(path)
    assert source.count() == len(records)
    if len(records):
        assert_same(everything(source, batch_size=3), records)
        assert_same(source.get(records.ids[::-1]), records.take(range(len(records))[::-1]))


def test_an_id_that_stands_twice_is_named(tmp_path: Path) -> None:
    twice = Records.concat([RECORDS, RECORDS[17:18]])
    export(str(tmp_path / "set"), twice)
    with pytest.raises(Mismatch, match="'r0017' stands twice, in rows 17 and 360") as caught:
        open_data_set(str(tmp_path / "set")).get(["r0001"])
    assert caught.value.ids == ["r0017"]
