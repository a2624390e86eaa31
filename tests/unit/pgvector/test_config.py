"""URLs and options to libpq's parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from vstore.errors import InvalidInput
from vstore.protocol import Settings
from vstore.urls import StoreURL, read_options
from vstore_pgvector.config import OPTIONS, Config, read


def _read(url: str, **keywords: object) -> Config:
    parsed = StoreURL.parse(url)
    return read(parsed, Settings(5.0, read_options(OPTIONS, parsed.params, keywords)))


def test_a_server() -> None:
    config = _read("postgresql://us%40er:p%2Fw@host:6543/base?schema=mine&pool_size=3", metadata_index=False)
    assert {key: config.conninfo[key] for key in ("host", "port", "user", "password", "dbname")} == {
        "host": "host",
        "port": 6543,
        "user": "us@er",
        "password": "p/w",
        "dbname": "base",
    }
    assert (config.schema, config.pool_size, config.metadata_index, config.folder) == ("mine", 3, False, None)
    assert config.secrets == ("p/w",)
    assert "p/w" not in repr(config)


def test_what_is_not_given_is_left_to_libpq() -> None:
    config = _read("pgvector://host")
    assert not {"user", "password", "dbname", "sslmode"} & set(config.conninfo)
    assert config.conninfo["port"] == 5432
    assert config.secrets == ()


def test_no_network_holds_a_call_beyond_its_timeout() -> None:
    assert _read("pgvector://host").conninfo["tcp_user_timeout"] == 5000
    assert _read("pgvector://host").conninfo["connect_timeout"] == 5


def test_https_means_a_verified_server() -> None:
    config = _read("pgvector+https://host/db")
    assert (config.conninfo["sslmode"], config.conninfo["sslrootcert"]) == ("verify-full", "system")
    own = _read("pgvector+https://host/db?sslrootcert=/ca.pem")
    assert own.conninfo["sslrootcert"] == "/ca.pem"
    assert _read("pgvector://host?sslmode=require").conninfo["sslmode"] == "require"


def test_a_directory() -> None:
    config = _read("pgvector:some/folder")
    assert config.folder == Path("some/folder").resolve()
    assert config.conninfo == {}


@pytest.mark.parametrize(
    "url",
    [
        "pgvector:",
        "pgvector::memory:",
        "postgresql:folder",
        "pgvector:folder?sslmode=require",
        "pgvector://host?sslmode=maybe",
        "pgvector+https://host?sslmode=prefer",
        "pgvector://host?schema=",
        "pgvector://host?schema=pg_mine",
        f"pgvector://host?schema={'x' * 64}",
        "pgvector://host?pool_size=0",
        "pgvector://host?unknown=1",
    ],
)
def test_contradictions_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        _read(url)
