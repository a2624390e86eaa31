"""Exact queries under dot: which records are long enough to have been ranked wrongly by float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge as edge

import vstore
from vstore.conformance.checks import names, true_order
from vstore.indexing import Metric
from vstore.records import Records, VectorArray
from vstore_qdrant._sync import searching

QUERY = np.array([2**23, 1, -(2**23)], dtype=np.float32)


def mixed(short: int, long: int) -> VectorArray:
    """Short records and long ones, whose products with ``QUERY`` are nearer to it and are 0 in float32."""
    near = [[(1 + place) / 2**13, 0, 0] for place in range(short)]
    return np.array(near + [[2**20, 400_000 + place, 2**20] for place in range(long)], dtype=np.float32)


@pytest.fixture
def c(tmp_path: Path) -> Iterator[vstore.Collection]:
    with vstore.connect(f"qdrant:{tmp_path}") as store:
        yield store.create_collection("docs", dimension=3, metric="dot")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, c: vstore.Collection) -> dict[str, int]:
    """How many requests of each kind are made."""
    from vstore_qdrant.engine_shard import EngineTable

    counts = {"nearest": 0, "count": 0, "scroll": 0}

    def counted(name: str) -> Any:
        whole = getattr(EngineTable, name)

        def call(self: EngineTable, *given: Any, **named: Any) -> Any:
            counts[name] += 1
            return whole(self, *given, **named)

        return call

    for name in counts:
        monkeypatch.setattr(EngineTable, name, counted(name))
    return counts


def check(c: vstore.Collection, vectors: VectorArray, k: int) -> None:
    ids = names(len(vectors))
    order = true_order(Metric.DOT, QUERY, Records(ids, vectors, None, None))
    assert c.query(vector=QUERY, k=k, exact=True).ids == order[:k]


def test_one_request_more_tells_that_none_is_long(c: vstore.Collection, asked: dict[str, int]) -> None:
    vectors = mixed(50, 0)
    c.add(names(50), vectors)
    check(c, vectors, 3)
    assert asked == {"nearest": 1, "count": 1, "scroll": 0}


def test_a_few_long_ones_are_read(c: vstore.Collection, asked: dict[str, int]) -> None:
    vectors = mixed(50, 3)
    c.add(names(53), vectors)
    check(c, vectors, 2)
    assert asked["nearest"] == 1


def test_long_ones_beyond_what_is_asked_by_rank(c: vstore.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_COMPARED_FLOATS", 90)
    vectors = mixed(200, 100)
    c.add(names(300), vectors)
    check(c, vectors, 2)


def test_points_without_a_norm_may_be_of_any_length(c: vstore.Collection) -> None:
    """As versions before this one wrote them."""
    vectors = mixed(50, 3)
    c.add(names(53), vectors)
    c.native.update(
        edge.UpdateOperation.delete_payload(
            [str(p.id) for p in c.native.scroll(edge.ScrollRequest(limit=99))[0]], ["norm"]
        )
    )
    check(c, vectors, 2)


def test_an_update_keeps_the_norm_in_step(c: vstore.Collection) -> None:
    vectors = mixed(53, 0)
    c.add(names(53), vectors)
    later = np.array([2**20, 500_000, 2**20], dtype=np.float32)
    c.update(["r00000"], [later])
    c.update(["r00000"], documents=["a text"])
    vectors[0] = later
    check(c, vectors, 1)


@pytest.mark.parametrize("seed", range(4))
def test_lengths_of_all_sizes(c: vstore.Collection, seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(1, 2**10, size=(120, 1))
    size = 2.0 ** rng.integers(0, 21, size=(120, 1))
    vectors = np.concatenate([base * size, rng.integers(-(2**20), 2**20, size=(120, 1)), base * size], axis=1)
    vectors = vectors.astype(np.float32)
    c.add(names(120), vectors)
    for k in (1, 7, 60):
        check(c, vectors, k)
