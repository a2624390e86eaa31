"""The four ways to Qdrant for all tests of this folder, a collection of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import vstore
from tests.qdrant_double import Double, qdrant_double

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def _double() -> Iterator[Double]:
    with qdrant_double() as running:
        yield running


@pytest.fixture
def double(_double: Double) -> Iterator[Double]:
    _double.reset()
    yield _double
    _double.reset()


@pytest.fixture(scope="session", params=["local", "engine", "rest", "grpc"])
def store(
    request: pytest.FixtureRequest, _double: Double, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[vstore.Store]:
    urls = {
        "local": "qdrant::memory:",
        "engine": f"qdrant:{tmp_path_factory.mktemp('engine')}",
        "rest": _double.url,
        "grpc": _double.grpc_url,
    }
    with vstore.connect(urls[request.param]) as connected:
        yield connected


@pytest.fixture
def new(store: vstore.Store) -> Callable[..., vstore.Collection]:
    def make(dimension: int = 2, metric: str = "l2", **options: Any) -> vstore.Collection:
        return store.create_collection(f"test_{next(_NUMBERS)}", dimension=dimension, metric=metric, **options)

    return make
