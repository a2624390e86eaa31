"""One PostgreSQL for all tests of this folder, a schema of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from tests.servers import postgres_server

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def url(server: str) -> str:
    return f"{server}?schema=test_{next(_NUMBERS)}"


@pytest.fixture
def store(url: str) -> Iterator[vstore.Store]:
    with vstore.connect(url) as opened:
        yield opened


@pytest.fixture
def sql(server: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own, as the database's administrator."""
    with psycopg.connect(server, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def far_url(server: str) -> str:
    return f"{server}?schema=far_matches"


@pytest.fixture(scope="session")
def far_matches(far_url: str) -> Iterator[tuple[Any, np.ndarray]]:
    """20,000 records in an HNSW graph, of which the 50 farthest from the query carry ``rare``; only to be read."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(20_000, 8)).astype(np.float32)
    query = vectors[0]
    farthest = set(np.argsort(np.linalg.norm(vectors - query, axis=1))[-50:].tolist())
    with vstore.connect(far_url) as store:
        collection = store.create_collection(
            "far", dimension=8, metric="l2", index=vstore.HNSW(m=8, ef_construction=32)
        )
        collection.add(
            ids=[f"r{i}" for i in range(20_000)],
            vectors=vectors,
            metadatas=[{"rare": i in farthest, "n": i} for i in range(20_000)],
        )
        yield collection, query
