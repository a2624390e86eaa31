"""Chroma embedded and one Chroma server for all tests of this folder, a collection of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import vstore
from tests.servers import chroma_server

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("chroma")) as url:
        yield url


@pytest.fixture(scope="session", params=["embedded", "server"])
def store(request: pytest.FixtureRequest) -> Iterator[vstore.Store]:
    url = "chroma::memory:" if request.param == "embedded" else request.getfixturevalue("server")
    with vstore.connect(url) as connected:
        yield connected


@pytest.fixture
def new(store: vstore.Store) -> Callable[..., vstore.Collection]:
    def make(dimension: int | None = 2, metric: str = "l2", **options: Any) -> vstore.Collection:
        return store.create_collection(f"test_{next(_NUMBERS)}", dimension=dimension, metric=metric, **options)

    return make
