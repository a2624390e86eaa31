"""The same plan and checkpoint, moved by the workers of a local Ray cluster. `make test-nightly` installs Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.transfer.faulty import filled, many, source_of, target_in
from vstore import Dense, Record, Sparse, SparseArray, Unsupported, connect
from vstore.conformance.fixtures import clause
from vstore.transfer import Status, copy, open_location
from vstore.transfer.engine import SourceChanged, ThreadEngine


@clause("MIG-26")
def test_without_ray_it_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    store = connect("memory:")
    with pytest.raises(Unsupported, match=r"vstore-db\[ray\]"):
        copy(source_of(many(3)), target_in(store), engine="ray")
    assert store.list_collections() == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray

    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    yield ray
    ray.shutdown()


def leave_out_zero(record: Record) -> Record | None:
    assert record.metadata is not None
    return None if record.metadata["part"] == 0 else replace(record, document="rewritten")


@clause("MIG-26")
@pytest.mark.nightly
@pytest.mark.usefixtures("cluster")
def test_two_workers_copy_and_it_can_be_gone_on_with_without_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"pgvector:{tmp_path / 'from'}"
    with connect(url) as store:
        filled(store, many(500))
    with (
        open_location(url, new=False) as here,
        open_location(f"pgvector:{tmp_path / 'to'}", new=True) as there,
    ):
        settings: dict[str, Any] = {"state": tmp_path / "state", "chunk_rows": 20, "queries": 0}

        def dies(self: ThreadEngine) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:  # an interruption before the first chunk: the plan is there
            patch.setattr(ThreadEngine, "run", dies)
            report = copy(here.source("docs"), there.target("docs"), **settings)
            assert report.status is Status.INCOMPLETE
        report = copy(here.source("docs"), there.target("docs"), engine="ray", workers=2, **settings)
        assert report.status is Status.VERIFIED, report.error
        assert report.resumed
        assert (report.copied, report.chunks) == (500, 25)
        report = copy(
            here.source("docs"), there.target("part"), engine="ray", workers=2, transform=leave_out_zero, **settings
        )
        assert report.status is Status.VERIFIED, report.error
        assert report.copied == sum(n % 3 != 0 for n in range(500))


@clause("MIG-26")
@pytest.mark.nightly
def test_ends_that_no_worker_can_open_are_refused_first() -> None:
    store = connect("memory:")
    with pytest.raises(Unsupported, match="opened by URL"):
        copy(source_of(many(3)), target_in(store), engine="ray")
    assert store.list_collections() == []


@clause("MIG-26")
@pytest.mark.nightly
@pytest.mark.usefixtures("cluster")
def test_what_a_worker_meets_is_told_and_the_rest_goes_on_later(tmp_path: Path) -> None:
    with connect(f"pgvector:{tmp_path / 'from'}") as store:
        filled(store, many(200))
    with (
        open_location(f"pgvector:{tmp_path / 'from'}", new=False) as here,
        open_location(f"pgvector:{tmp_path / 'to'}", new=True) as there,
    ):
        settings: dict[str, Any] = {"state": tmp_path / "state", "chunk_rows": 20, "queries": 0, "engine": "ray"}
        report = copy(here.source("docs"), there.target("docs"), transform=fails_at_150, workers=2, **settings)
        assert report.status is Status.INCOMPLETE
        assert "the transform failed on record 'id-000150'" in report.error
        source = here.source("docs")
        source.collection.delete(ids=["id-000190"])
        with pytest.raises(SourceChanged):
            copy(source, there.target("docs"), transform=fails_at_150, **settings)


def fails_at_150(record: Record) -> Record:
    if record.id == "id-000150":
        raise ValueError("not this one")
    return record


@clause("MIG-4", "MIG-26")
@pytest.mark.nightly
@pytest.mark.usefixtures("cluster")
def test_named_fields_go_with_the_chunks(tmp_path: Path) -> None:
    fields = {"image": Dense(3, "l2"), "terms": Sparse()}
    image = np.random.default_rng(1).normal(size=(90, 3)).astype(np.float32)
    image[::3] = np.nan
    terms = SparseArray.of([{place * 7 + j: 0.1 + j for j in range(place % 4)} for place in range(90)])
    records = replace(many(90), vectors=None, fields={"image": image, "terms": terms})
    with connect(f"pgvector:{tmp_path / 'from'}") as store:
        store.create_collection("docs", fields=fields).add(records)
    with (
        open_location(f"pgvector:{tmp_path / 'from'}", new=False) as here,
        open_location(f"pgvector:{tmp_path / 'to'}", new=True) as there,
    ):
        settings: dict[str, Any] = {"chunk_rows": 20, "queries": 0, "engine": "ray", "workers": 2}
        report = copy(here.source("docs"), there.target("docs"), **settings)
        assert report.status is Status.VERIFIED, report.error
        report = copy(here.source("docs"), there.target("part"), transform=without_image, **settings)
        assert report.status is Status.VERIFIED, report.error
    with connect(f"pgvector:{tmp_path / 'to'}") as store:
        assert store["docs"].get(records.ids) == records
        part = store["part"].get(records.ids)
        assert part.sparse == terms
        assert part[1].fields["image"] is None


def without_image(record: Record) -> Record:
    return replace(record, fields=record.fields | {"image": None})
