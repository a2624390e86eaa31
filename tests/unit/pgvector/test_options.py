"""URLs and options to libpq's parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from vstore.errors import InvalidInput
from vstore.spi.protocol import Settings
from vstore.spi.urls import StoreURL, read_options
from vstore_pgvector import adapter
from vstore_pgvector.options import OPTIONS, Target, read_target


def _read(url: str, **keywords: object) -> Target:
    parsed = StoreURL.parse(url)
    return read_target(parsed, Settings(5.0, read_options(OPTIONS, parsed.params, keywords)))


def test_a_server() -> None:
    target = _read("postgresql://us%40er:p%2Fw@host:6543/base?schema=mine&pool_size=3", metadata_index=False)
    assert {key: target.conninfo[key] for key in ("host", "port", "user", "password", "dbname")} == {
        "host": "host",
        "port": "6543",
        "user": "us@er",
        "password": "p/w",
        "dbname": "base",
    }
    assert (target.schema, target.pool_size, target.metadata_index, target.folder) == ("mine", 3, False, None)
    assert target.secrets == ("p/w",)
    assert "p/w" not in repr(target)


def test_settings_of_a_build_are_postgresqls() -> None:
    assert _read("pgvector://host").build == {}
    assert _read("pgvector://host?build_memory=2GB&build_workers=0").build == {
        "maintenance_work_mem": "2GB",
        "max_parallel_maintenance_workers": "0",
    }


@pytest.mark.parametrize("given", ["build_memory=2", "build_memory=0GB", "build_workers=-2", "build_workers=1025"])
def test_settings_of_a_build_are_checked(given: str) -> None:
    with pytest.raises(InvalidInput, match=given.partition("=")[0]):
        _read(f"pgvector://host?{given}")


def test_what_is_not_given_is_left_to_libpq() -> None:
    target = _read("pgvector://host")
    assert not {"user", "password", "dbname", "sslmode"} & set(target.conninfo)
    assert target.conninfo["port"] == "5432"
    assert target.secrets == ()


def test_no_network_holds_a_call_beyond_its_timeout() -> None:
    assert _read("pgvector://host").conninfo["tcp_user_timeout"] == 5000
    assert _read("pgvector://host").conninfo["connect_timeout"] == 5


def test_https_means_a_verified_server() -> None:
    target = _read("pgvector+https://host/db")
    assert (target.conninfo["sslmode"], target.conninfo["sslrootcert"]) == ("verify-full", "system")
    own = _read("pgvector+https://host/db?sslrootcert=/ca.pem")
    assert own.conninfo["sslrootcert"] == "/ca.pem"
    assert _read("pgvector://host?sslmode=require").conninfo["sslmode"] == "require"


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql:///db?host=/run/postgresql", "/run/postgresql", "5432"),
        ("postgresql://user@/db?host=/cloudsql/project:region:instance", "/cloudsql/project:region:instance", "5432"),
        ("postgresql://user:pw@/db?host=/run&port=6000", "/run", "6000"),
        ("postgresql://%2Fvar%2FLib%2Fpg/db", "/var/Lib/pg", "5432"),
        ("postgresql://user@%2Fvar%2Flib:5433/db", "/var/lib", "5433"),
        ("postgresql:///db?host=@abstract", "@abstract", "5432"),
        ("postgresql://h1,h2/db", "h1,h2", "5432"),
        ("postgresql://h1:5433,h2:5434/db", "h1,h2", "5433,5434"),
        ("postgresql://u:p@h1,h2:5434/db", "h1,h2", ",5434"),
        ("postgresql:///db?host=h1,/run&port=1,2", "h1,/run", "1,2"),
        ("postgresql://[::1]:5433/db", "::1", "5433"),
    ],
)
def test_places(url: str, host: str, port: str) -> None:
    target = _read(url)
    assert (target.conninfo["host"], target.conninfo["port"]) == (host, port)
    assert target.conninfo["dbname"] == "db"


def test_what_libpq_takes_is_passed_on() -> None:
    given = {
        "application_name": "mine",
        "target_session_attrs": "read-write",
        "channel_binding": "require",
        "gssencmode": "disable",
        "sslcert": "/c",
        "sslkey": "/k",
        "sslpassword": "s%40sam",
        "options": "-c%20geqo%3Doff",
        "connect_timeout": "3",
    }
    target = _read("postgresql://host/db?" + "&".join(f"{name}={value}" for name, value in given.items()))
    wanted = {**given, "options": "-c geqo=off", "connect_timeout": 3, "sslpassword": "s@sam"}
    assert {name: target.conninfo[name] for name in given} == wanted
    assert "s@sam" in target.secrets
    assert _read("postgresql://host/db?connect_timeout=99").conninfo["connect_timeout"] == 5  # of timeout
    assert _read("postgresql:///db?host=h&user=u&password=p&dbname=e".replace("/db", "/")).conninfo["dbname"] == "e"


def test_a_borrowed_client_is_connected_already() -> None:
    with pytest.raises(InvalidInput, match="sslmode= has no meaning with client="):
        adapter.borrow(object(), Settings(5.0, read_options(OPTIONS, {}, {"sslmode": "require"})))
    own = Settings(5.0, read_options(OPTIONS, {}, {"schema": "mine", "pool_size": 2, "prepare": False}))
    with pytest.raises(InvalidInput, match="no connection or pool of psycopg"):
        adapter.borrow(object(), own)


def test_a_directory() -> None:
    target = _read("pgvector:some/folder")
    assert target.folder == Path("some/folder").resolve()
    assert target.conninfo == {}


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
        "postgresql://host/db?host=other",
        "postgresql://user@host/db?user=other",
        "postgresql://host/db?dbname=other",
        "postgresql://h1,h2,h3/db?port=1,2",
        "postgresql://h1:5432,h2:99999/db",
        "postgresql://h1:x,h2/db",
        "postgresql://host/db?port=0",
        "postgresql://host/db?connect_timeout=0",
        "postgresql://host/db?connect_timeout=-1",
        "postgresql://host/db?target_session_attrs=any-any",
        "postgresql://host/db?client_encoding=latin1",
        "postgresql://host/db?sslmode=require&sslmode=disable",
        "postgresql+https:///db?host=/run",
        "pgvector:folder?host=/run",
        "pgvector:folder?options=-c%20fsync=off",
    ],
)
def test_contradictions_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        _read(url)
