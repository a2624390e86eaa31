"""``vstore.copy``: its ends as texts, as open collections, as files; and its options."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import vstore
from tests.transfer.faulty import filled, many
from vstore import HNSW, InvalidInput, NotFound, connect
from vstore.conformance.fixtures import clause
from vstore.transfer import CopyKeywords, CopyOptions, Status


@clause("MIG-1", "MIG-4")
def test_texts_name_a_store_and_a_collection(tmp_path: Path) -> None:
    url, query = f"chroma:{tmp_path / 'data'}", "timeout=20"
    with connect(url) as store:
        filled(store, many(20))
    report = vstore.copy(f"{url}/docs?{query}", f"{url}/notes")
    assert (report.status, report.copied) == (Status.VERIFIED, 20)
    with connect(url) as store:
        assert store.get_collection("notes").count() == 20


def test_collections_are_ends() -> None:
    with connect("memory:") as store, connect("memory:") as other:
        docs = filled(store, many(20))
        notes = filled(other, many(0), "notes")
        assert docs.store is store
        assert vstore.copy(docs, notes).status is Status.VERIFIED
        assert notes.count() == 20
        with pytest.raises(InvalidInput, match="same collection"):
            vstore.copy(docs, docs, if_exists="replace")
        assert docs.count() == 20


@clause("MIG-23")
def test_paths_of_files_are_ends(tmp_path: Path) -> None:
    with connect("memory:") as store:
        assert vstore.copy(filled(store, many(20)), f"{tmp_path}/out.jsonl").status is Status.VERIFIED
        again = store.create_collection("again", dimension=8, metric="l2", index=HNSW(m=8))
        assert vstore.copy(f"{tmp_path}/out.jsonl", again).copied == 20


@pytest.mark.parametrize("text", ["chroma:data", "qdrant://me:geheim@host:6333", "memory:", "chroma:data/", "prod"])
def test_a_text_without_a_collection_is_refused(text: str) -> None:
    with connect("memory:") as store:
        docs = filled(store, many(1))
        for ends in ((text, docs), (docs, text)):
            with pytest.raises(InvalidInput, match="no collection") as caught:
                vstore.copy(*ends)
            assert "geheim" not in str(caught.value)


def test_a_source_that_is_missing_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        vstore.copy(f"chroma:{tmp_path / 'no'}/docs", f"chroma:{tmp_path / 'new'}/docs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [None, 1, object(), b"chroma:./data/docs"])
def test_an_end_of_another_kind_is_refused(end: Any) -> None:
    with connect("memory:") as store:
        docs = filled(store, many(1))
        with pytest.raises(InvalidInput, match="source must be URL/COLLECTION"):
            vstore.copy(end, docs)
        with pytest.raises(InvalidInput, match="target must be URL/COLLECTION"):
            vstore.copy(docs, end)


def test_an_unknown_option_gets_a_suggestion() -> None:
    wrong: Any = {"if_exist": "merge"}
    with connect("memory:") as store:
        docs = filled(store, many(1))
        with pytest.raises(InvalidInput, match="no option 'if_exist'") as caught:
            vstore.copy(docs, "memory:/other", **wrong)
    assert caught.value.hint == "Did you mean 'if_exists'?"


def test_keywords_are_the_options() -> None:
    assert [field.name for field in fields(CopyOptions)] == list(CopyKeywords.__annotations__)


def test_importing_vstore_loads_no_transfer() -> None:
    code = "import sys, vstore; assert 'vstore.transfer' not in sys.modules; print(vstore.copy.__module__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "vstore.transfer.api"
