"""Milvus Lite and one Milvus server for the tests of a module, a collection of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import vstore
from tests.milvus_server import milvus_server

_NUMBERS = itertools.count()


# not longer than a module: a Milvus server takes a third of a core while it has nothing to do
@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with milvus_server() as url:
        yield url


@pytest.fixture(scope="module", params=["lite", "server"])
def server_or_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "lite":
        return f"milvus:{tmp_path_factory.mktemp('milvus') / 'data.db'}"
    url: str = request.getfixturevalue("server")
    return url


@pytest.fixture(scope="module")
def store(server_or_file: str) -> Iterator[vstore.Store]:
    with vstore.connect(server_or_file) as connected:
        yield connected


@pytest.fixture
def new(store: vstore.Store) -> Callable[..., vstore.Collection]:
    def make(dimension: int = 2, metric: str = "l2", **options: Any) -> vstore.Collection:
        return store.create_collection(f"test_{next(_NUMBERS)}", dimension=dimension, metric=metric, **options)

    return make
