"""Where the databases of these tests stand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from qdrant_client import QdrantClient

from tests.qdrant_double import Double, qdrant_double
from tests.servers import postgres_server


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of its own with a short path, outside of pytest's.

    PostgreSQL's socket stands below it, and a socket's path has at most 107 bytes. Its server runs as a user of its
    own where the tests run as root, and pytest closes its folders to other users whenever a session begins.
    """
    with tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are made again at once."""
    monkeypatch.setattr("vstore.core._sync.retrying.sleep", lambda _: None)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL for the tests of a module; yields its URL."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def sql(server: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to it, its schema ``public`` empty but for pgvector."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
        connection.execute("create extension vector")
        yield connection


@pytest.fixture
def double() -> Iterator[Double]:
    """The double of a Qdrant server."""
    with qdrant_double() as made:
        yield made


@pytest.fixture
def client(double: Double) -> Iterator[QdrantClient]:
    """A client of it."""
    made = QdrantClient(url=double.url.replace("qdrant://", "http://"), check_compatibility=False)
    yield made
    made.close()
