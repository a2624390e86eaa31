"""Milvus Lite: one process a file, opened and closed in full."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pymilvus import MilvusClient

import vstore
from vstore import F
from vstore.errors import InvalidInput, Unavailable

OTHER = """
import sys, vstore
try:
    vstore.connect(sys.argv[1]).close()
except vstore.VStoreError as error:
    print(type(error).__name__, error)
else:
    print("opened")
"""


def elsewhere(url: str) -> str:
    done = subprocess.run([sys.executable, "-c", OTHER, url], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "", done.stderr
    return done.stdout.strip()


def test_a_second_process_is_refused_until_the_last_store_is_closed(tmp_path: Path) -> None:
    """pymilvus never stops the engine of a file before its process ends."""
    url = f"milvus:{tmp_path}/new/data.db"
    first, second = vstore.connect(url), vstore.connect(f"milvus:{tmp_path}/new/../new/data.db")
    c = first.create_collection("abc", dimension=2)
    c.add(["a"], [[1, 2]])
    assert second.get_collection("abc").count() == 1
    first.close()
    refused = elsewhere(url)
    assert refused.startswith("Unavailable")
    assert "another process" in refused
    second.close()
    assert elsewhere(url) == "opened"
    with vstore.connect(url) as again:
        assert again.get_collection("abc").count(~F("k").exists()) == 1


def test_nothing_is_left_running(tmp_path: Path) -> None:
    def threads() -> int:
        return sum(not thread.daemon for thread in threading.enumerate())

    with vstore.connect(f"milvus:{tmp_path}/warm.db") as store:
        store.create_collection("abc", dimension=2).count()
    before = threads()
    for _ in range(5):
        with vstore.connect(f"milvus:{tmp_path}/data.db") as store:
            store.list_collections()
    assert threads() <= before + 1


def test_an_engine_that_the_application_started_is_not_stopped(tmp_path: Path) -> None:
    path = str((tmp_path / "data.db").resolve())
    client = MilvusClient(path)
    with vstore.connect(f"milvus:{path}") as store:
        store.create_collection("abc", dimension=2)
    assert client.has_collection("abc")
    client.close()


def test_what_is_no_file_of_milvus_lite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database")
    with pytest.raises(Unavailable) as caught:
        vstore.connect(f"milvus:{tmp_path}/text.db")
    assert not caught.value.retryable
    with pytest.raises(InvalidInput):
        vstore.connect("milvus::memory:")


def test_reading_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.db").mkdir()
    (tmp_path / "other.db").mkdir()
    (tmp_path / "other.db" / "notes.txt").write_text("not a database")
    os.mkfifo(tmp_path / "pipe.db")
    before = sorted(tmp_path.rglob("*"))
    for name in ("missing.db", "empty.db", "other.db", "pipe.db", "missing"):
        command = [sys.executable, "-c", "from vstore.cli import main; main()", "inspect", f"milvus:{tmp_path / name}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "there is no database" in done.stdout + done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """Milvus Lite opens its lock file wherever a link leads, and makes what is not there."""
    target = tmp_path / "target"
    for number, plant in enumerate(
        (
            lambda lock: lock.symlink_to(target),
            lambda lock: lock.symlink_to(tmp_path / "there"),
            os.mkfifo,
            lambda lock: lock.mkdir(),
        )
    ):
        path = tmp_path / f"planted{number}.db"
        (path / "collections").mkdir(parents=True)
        (tmp_path / "there").write_text("precious")
        plant(path / "LOCK")
        with pytest.raises(Unavailable) as caught:
            vstore.connect(f"milvus:{path}")
        assert not caught.value.retryable
        assert str(path / "LOCK") in str(caught.value)
    assert not target.exists()
    assert (tmp_path / "there").read_text() == "precious"
    os.mkfifo(tmp_path / "pipe.db")
    for name in ("pipe.db", "there/data.db"):
        with pytest.raises(Unavailable) as caught:
            vstore.connect(f"milvus:{tmp_path / name}")
        assert not caught.value.retryable


def test_filters_that_only_lite_has(tmp_path: Path) -> None:
    with vstore.connect(f"milvus:{tmp_path}/data.db") as store:
        c = store.create_collection("abc", dimension=1, metric="l2")
        metadatas = [{"d": {"e": {"f": 1}}}, {"d": {"e": 2}, "s": "abc"}, {}]
        c.add(["a", "b", "c"], [[1], [2], [3]], ["100% of_it", "100 of it", None], metadatas)
        assert c.get(["a", "b", "c"]).metadatas == metadatas
        assert c.count(F("d", "e", "f") == 1) == 1
        assert c.count(F.document.contains("% of_")) == 1
        assert c.count(F("s").matches("^a.c$")) == 1
        assert c.query(vector=[0], k=3, where=F.document.contains("100")).ids == ["a", "b"]
        c.delete(where=F.document.contains("%"))
        assert c.count() == 2


def test_threads_that_send_their_first_vectors_at_once_find_scipy_loaded(tmp_path: Path) -> None:
    """pymilvus looks for it with the first vector it sends, and in several threads the import deadlocks."""
    script = """
import importlib.util, sys, vstore
with vstore.connect(sys.argv[1]):
    print("scipy.sparse" in sys.modules or importlib.util.find_spec("scipy") is None)
"""
    command = [sys.executable, "-c", script, f"milvus:{tmp_path / 'data.db'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["True"], done.stderr


def test_a_scan_that_wants_ids_alone_reads_the_records_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request makes Milvus Lite read everything."""
    with vstore.connect(f"milvus:{tmp_path}/data.db") as store:
        c = store.create_collection("abc", dimension=2)
        c.add(["a", "b", "c"], [[1, 2]] * 3, metadatas=[{"n": 1}, {"n": 2}, {"n": 3}])
        asked: list[str] = []
        query = store.native.query

        def counted(*args: object, **kwargs: object) -> object:
            asked.append(str(kwargs["filter"]))
            return query(*args, **kwargs)

        monkeypatch.setattr(store.native, "query", counted)
        # how many there are, and their metadata; then from memory, which follows a write
        for is_written, requests in ((False, 2), (False, 0), (True, 0)):
            if is_written:
                c.upsert(["a"], [[1, 2]], metadatas=[{"n": 1}])
                asked.clear()
            pages = [page.records.ids for page in c.scan(where=F("n") > 1, include=(), batch_size=1)]
            assert (pages, asked) == ([["b"], ["c"]], [""] * requests)
            asked.clear()
