"""A PostgreSQL that the packages write to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import postgres_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres(server: str) -> str:
    """A database whose schema ``public`` no other test has written to."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        for name in ("vstore", "public"):
            connection.execute(f"drop schema if exists {name} cascade")
        connection.execute("create schema public")
        connection.execute("create extension vector")
    return server
