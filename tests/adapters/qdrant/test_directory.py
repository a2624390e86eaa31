"""A directory served by the engine: who may have it, what survives, and its index."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest
import qdrant_edge as edge
from qdrant_client import QdrantClient, models

import vstore
from tests.forked import in_child
from vstore import HNSW, F, Flat, aio, errors
from vstore.indexing import Quantization
from vstore_qdrant import engine_shard as tables

OPEN = "import sys, vstore; vstore.connect('qdrant:' + sys.argv[1])"
WRITE = """
import sys, numpy as np, vstore
c = vstore.connect('qdrant:' + sys.argv[1]).create_collection('docs', dimension=8, metric='l2')
n = 0
while True:
    c.upsert([f'r{n + i}' for i in range(50)], np.full((50, 8), n, np.float32), metadatas=[{'n': n}] * 50)
    n += 50
    print(n, flush=True)
"""


def test_a_directory_belongs_to_one_process(tmp_path: Path) -> None:
    with vstore.connect(f"qdrant:{tmp_path}"):
        other = subprocess.run([sys.executable, "-c", OPEN, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "Unavailable" in other.stderr
    assert "is open in process" in other.stderr
    subprocess.run([sys.executable, "-c", OPEN, str(tmp_path)], check=True, timeout=60)


def test_stores_of_one_process_share_it(tmp_path: Path) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as one, vstore.connect(f"qdrant:{tmp_path}/") as two:
        c = one.create_collection("docs", dimension=2)
        c.add(["a"], [[1.0, 2.0]])
        d = two.get_collection("docs")
        assert d.count() == 1
        d.rename("papers")
        assert c.name == "papers"
        assert one.list_collections() == ["papers"]
        two.delete_collection("papers")
        with pytest.raises(errors.NotFound):
            c.count()


def test_what_was_acknowledged_survives_the_death_of_the_process(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    deadline = time.monotonic() + 60
    while (done := int(child.stdout.readline())) < 2000 and time.monotonic() < deadline:
        pass
    child.send_signal(signal.SIGKILL)
    done = max([done, *map(int, child.stdout.read().split())])
    child.wait(10)
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        c = store.get_collection("docs")
        records = vstore.Records.concat([page.records for page in c.scan(batch_size=500)])
    assert done <= len(records) <= done + 50
    assert records.vectors is not None
    assert records.metadatas is not None
    assert all(v[0] == m["n"] for v, m in zip(records.vectors, records.metadatas, strict=True))


def test_half_made_collections_of_a_dead_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".passing-abc" / "shard").mkdir(parents=True)
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        assert store.list_collections() == []
        assert not (tmp_path / ".passing-abc").exists()
        store.create_collection("docs", dimension=2)
        (tmp_path / "theirs").mkdir()
        assert store.list_collections() == ["docs"]
        with pytest.raises(errors.Mismatch):
            store.get_collection("theirs")
        for name in ("..", "../docs", "/", ".passing-x", "*"):
            with pytest.raises(errors.NotFound):
                store.get_collection(name)


def test_a_directory_of_local_mode_is_opened_in_local_mode(tmp_path: Path) -> None:
    with closing(QdrantClient(path=str(tmp_path))) as client:
        client.create_collection("theirs", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
        client.upsert("theirs", [models.PointStruct(id=5, vector=[1, 2], payload={"n": 1})])
        with pytest.raises(errors.Unavailable):
            vstore.connect(f"qdrant:{tmp_path}")
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        assert store.list_foreign_collections() == ["theirs"]
        assert store.get_collection("theirs", mapping="auto").peek()[0].metadata == {"n": 1}
        store.create_collection("ours", dimension=2).add(["a"], [[1, 2]])
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        assert store.get_collection("ours").count() == 1


@pytest.mark.parametrize(
    "index",
    [HNSW(), HNSW(on_disk=True), *(HNSW(quantization=kind) for kind in Quantization), Flat(), Flat(on_disk=True)],
)
def test_the_index_is_built_and_filtered_queries_do_not_starve(
    tmp_path: Path, index: vstore.HNSW | vstore.Flat
) -> None:
    rng = np.random.default_rng(5)
    n, d = 20_000, 256
    vectors = (rng.normal(size=(n, 8)) @ rng.normal(size=(8, d))).astype(np.float32)
    ids = [f"r{i:05}" for i in range(n)]
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        c = store.create_collection("docs", dimension=d, index=index)
        c.add(ids, vectors, metadatas=[{"one": i % 1000, "half": i % 2} for i in range(n)])
        assert store.native.shards["docs"].info().indexed_vectors_count > 0
        for where in (None, F("one") == 7, F("half") == 1, (F("half") == 0) & ~(F("one") == 4)):
            true = [set(h.ids) for h in c.query_many(vectors[:20], k=10, where=where, exact=True)]
            found = [set(h.ids) for h in c.query_many(vectors[:20], k=10, where=where)]
            recall = sum(len(a & b) for a, b in zip(true, found, strict=True)) / 200
            assert all(len(hits) == 10 for hits in found)
            lossy = isinstance(index, HNSW) and index.quantization is not None
            assert recall >= (0.9 if isinstance(index, HNSW) else 1.0) or lossy, (str(where), recall)
            hits = c.query(vectors[3], k=5, where=where, include=["vectors"])
            x, q = hits.records.vectors.astype(float), vectors[3].astype(float)  # type: ignore[union-attr]
            np.testing.assert_allclose(
                hits.distances, 1 - x @ q / np.linalg.norm(x, axis=1) / np.linalg.norm(q), rtol=1e-5, atol=1e-6
            )


def test_the_index_is_built_with_what_this_process_imports_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "subprocess.py").write_text("raise SystemExit('a file of the working directory')")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from vstore_qdrant.engine_build import build\n"
        "import qdrant_edge as edge\n"
        "config = edge.EdgeConfig(vectors=edge.EdgeVectorParams(size=2, distance=edge.Distance.Dot))\n"
        "edge.EdgeShard.create('shard', config).close()\n"
        "build(Path('shard'))\n"
    )
    subprocess.run([sys.executable, "-S", str(script)], cwd=tmp_path, check=True, timeout=60)


def test_the_index_is_built_without_the_working_directory_that_an_empty_entry_stands_for(tmp_path: Path) -> None:
    for name in ("qdrant_edge", "vstore_qdrant"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the working directory')")
    script = (
        "import os, sys; from pathlib import Path\n"
        "import qdrant_edge as edge\n"
        "from vstore_qdrant.engine_build import build\n"
        f"os.chdir({str(tmp_path)!r}); sys.path[:0] = ['', '.']\n"
        "config = edge.EdgeConfig(vectors=edge.EdgeVectorParams(size=2, distance=edge.Distance.Dot))\n"
        "edge.EdgeShard.create('shard', config).close()\n"
        "build(Path('shard'))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_shard_that_does_not_open_again_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = True

    def load(path: str) -> edge.EdgeShard:
        if failing:
            raise Exception("Service runtime error: too many open files")  # as the engine does
        return edge.EdgeShard.load(path)

    with vstore.connect(f"qdrant:{tmp_path}") as store:
        c = store.create_collection("docs", dimension=2, metric="l2")
        c.add(["a"], [[1.0, 2.0]])
        monkeypatch.setattr(tables, "edge", SimpleNamespace(**{**vars(edge), "EdgeShard": SimpleNamespace(load=load)}))
        for call in (lambda: c.rename("papers"), c.count):
            with pytest.raises(errors.BackendError, match="too many open files"):
                call()
        failing = False
        assert c.get(["a"]).ids == ["a"]


def test_a_shard_that_another_process_still_builds_is_unavailable(tmp_path: Path) -> None:
    """The child that builds an index outlives a process that is killed, for some seconds."""
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        store.create_collection("docs", dimension=2)
    shard = edge.EdgeShard.load(str(tmp_path / "docs" / "shard"))
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        with pytest.raises(errors.Unavailable):
            store.get_collection("docs")
        shard.close()
        assert store.get_collection("docs").count() == 0


def test_a_write_that_fails_midway_names_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        c = store.create_collection("docs", dimension=384)
        ids, vectors = [f"r{n}" for n in range(900)], np.ones((900, 384), np.float32)
        updates = itertools.count()
        done = tables.EngineTable._update

        def update(table: tables.EngineTable, operation: edge.UpdateOperation) -> None:
            if next(updates) == 1:
                raise errors.BackendError("No space left on device")
            done(table, operation)

        monkeypatch.setattr(tables.EngineTable, "_update", update)
        with pytest.raises(errors.PartialWrite) as raised:
            c.upsert(ids, vectors)
        assert 0 < len(raised.value.written) < 900
        assert c.get(raised.value.written).ids == raised.value.written
        assert c.count() == len(raised.value.written)
        updates = itertools.count()
        there = sorted(c.peek(900).ids)
        monkeypatch.setattr(tables, "MAX_BATCH_ROWS", 200)
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        c = store.get_collection("docs")
        updates = itertools.count()
        with pytest.raises(errors.PartialWrite) as raised:
            c.update(there, documents=["new"] * len(there))
        assert raised.value.written == there[:200]
        assert c.get(there).documents == ["new"] * 200 + [None] * (len(there) - 200)


def test_deleting_by_a_filter_builds_no_index_of_a_small_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    monkeypatch.setattr(tables, "build", built.append)
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        c = store.create_collection("docs", dimension=384)
        for n in range(5):
            c.add(["a", "b"], np.ones((2, 384), np.float32), metadatas=[{"n": n}, {}])
            c.delete(where=F("n") == n)
            c.clear()
    assert not built


def test_the_event_loop_runs_while_the_engine_works(tmp_path: Path) -> None:
    async def run(attempt: int) -> float:
        async with aio.connect(f"qdrant:{tmp_path}") as store:
            c = await store.create_collection(f"docs{attempt}", dimension=384)
            vectors = np.random.default_rng(1).normal(size=(12_000, 384)).astype(np.float32)
            adding = asyncio.create_task(c.add([f"r{i}" for i in range(12_000)], vectors))
            longest, last = 0.0, time.perf_counter()
            while not adding.done():
                await asyncio.sleep(0.001)
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
            await adding
            assert await c.count() == 12_000
            return longest

    # building the index in this process would hold it for three seconds, each time
    assert any(asyncio.run(run(attempt)) < 1.0 for attempt in range(3))


def test_a_range_is_answered_from_an_index_made_when_it_is_first_asked_for(tmp_path: Path) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        c = store.create_collection("abc", dimension=2, metric="l2")
        mixed = [{"n": 1}, {"n": 2.5}, {"n": "3"}, {"n": [4, 5]}, {"n": {"m": 6}}, {}, {"n": 2**63 - 1}]
        c.add([f"r{n}" for n in range(7)], np.ones((7, 2), np.float32), metadatas=mixed)
        shard = store.native.shards["abc"]
        assert list(shard.info().payload_schema) == ["terms"]
        assert c.count(F("n") == 1) == 1
        assert c.count(F("n") >= 2) == 2
        assert c.count(F("n", "m") < 7) == 1
        assert c.count(F("n") > 2**63 - 2) == 1
        assert {"metadata.n", "metadata.n.m", "high.n", "low.n"} <= set(shard.info().payload_schema)
        c.upsert(["r0", "r5"], np.ones((2, 2), np.float32), metadatas=[{"n": -1}, {"n": 3}])
        assert c.count(F("n") >= 2) == 3
        assert c.count(~(F("n") >= 2)) == 4


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root can become somebody else")
def test_a_directory_that_may_only_be_read_says_so() -> None:
    """Its collections are listed; the engine opens none without writing."""

    def read() -> tuple[list[str], str, bool, str]:
        os.setgid(65534)
        os.setuid(65534)
        with vstore.connect(f"qdrant:{path}") as store:
            try:
                store.get_collection("docs").count()
            except errors.Unavailable as error:
                return store.list_collections(), str(error), error.retryable, error.hint
        raise AssertionError("the engine opened it")

    # not below tmp_path, into which nobody else may look
    with TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        with vstore.connect(f"qdrant:{path}") as store:
            store.create_collection("docs", dimension=2).add(["a"], [[1.0, 2.0]])
            store.get_collection("docs").count(F("n") > 1)
        before = sorted(path.rglob("*"))
        for one in [Path(folder), *path.rglob("*"), path]:
            one.chmod(0o555 if one.is_dir() else 0o444)
        names, text, retryable, hint = in_child(read)
        assert names == ["docs"]
        assert "writes to every collection" in text
        assert not retryable
        assert "writable" in hint
        assert sorted(path.rglob("*")) == before


def test_a_pipe_in_place_of_what_a_collection_is_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    os.mkfifo(tmp_path / "docs" / "info.json")
    with vstore.connect(f"qdrant:{tmp_path}") as store, pytest.raises(errors.InvalidInput, match="pipe"):
        store.get_collection("docs")


def test_reading_leaves_a_directory_as_it_was(tmp_path: Path) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        store.create_collection("docs", dimension=2)
    target = tmp_path.parent / "target"
    target.write_text("ours")
    for name in (".vstore.lock", ".vstore.pid"):
        (tmp_path / name).symlink_to(target)
    with pytest.raises(errors.Unavailable):
        vstore.connect(f"qdrant:{tmp_path}")
    (tmp_path / ".vstore.lock").unlink()
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        assert store.list_collections() == ["docs"]
    assert target.read_text() == "ours"
    assert sorted(one.name for one in tmp_path.iterdir()) == [".vstore.pid", "docs"]


def test_a_handle_of_a_deleted_collection_renames_no_other(tmp_path: Path) -> None:
    with vstore.connect(f"qdrant:{tmp_path}") as one, vstore.connect(f"qdrant:{tmp_path}") as other:
        old = one.create_collection("docs", dimension=2)
        other.delete_collection("docs")
        new = other.create_collection("docs", dimension=2)
        with pytest.raises(errors.NotFound):
            old.rename("papers")
        assert one.list_collections() == ["docs"]
        assert new.count() == 0
