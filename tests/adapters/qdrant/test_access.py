"""Who may ask a server what: keys, certificates, TLS where there is none, and names that cannot be."""

from __future__ import annotations

import asyncio
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import vstore
from tests.qdrant_double import NO_KEY, READ_ONLY, WRONG_KEY, Double, qdrant_double
from vstore import aio, errors

KEY = "right-key-123"
Connect = Callable[..., None]


def _sync(url: str, **options: Any) -> None:
    vstore.connect(url, **options).close()


def _async(url: str, **options: Any) -> None:
    async def run() -> None:
        await (await aio.connect(url, **options)).close()

    asyncio.run(run())


both = pytest.mark.parametrize("connect", [_sync, _async])


@pytest.fixture(params=["rest", "grpc"])
def url(request: pytest.FixtureRequest, double: Double) -> str:
    return double.url if request.param == "rest" else double.grpc_url


@both
@pytest.mark.parametrize(("key", "text"), [("", NO_KEY), ("wrong-key-456", WRONG_KEY)])
@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_connecting_tries_the_key(connect: Connect, url: str, double: Double, key: str, text: str) -> None:
    """The version is told to anyone."""
    double.api_key = KEY
    with pytest.raises(errors.AuthenticationFailed, match=text) as raised:
        connect(url, api_key=key)
    assert not raised.value.retryable
    assert "wrong-key-456" not in f"{raised.value}{raised.value!r}"
    connect(url, api_key=KEY)


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_ping_tries_the_key_that_may_have_been_changed(url: str, double: Double) -> None:
    async def ping() -> None:
        async with aio.connect(url, api_key=KEY) as store:
            await store.ping()
            double.api_key = "another"
            with pytest.raises(errors.AuthenticationFailed):
                await store.ping()

    double.api_key = KEY
    with vstore.connect(url, api_key=KEY) as store:
        asyncio.run(ping())
        with pytest.raises(errors.AuthenticationFailed):
            store.ping()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_key_that_may_only_read_reads(url: str, double: Double) -> None:
    with vstore.connect(double.url) as store:
        store.create_collection("readable", dimension=2, metric="l2").add(["a"], [[1.0, 2.0]], metadatas=[{"n": 1}])
    double.api_key, double.read_key = KEY, "reader"
    with vstore.connect(url, api_key="reader") as store:
        store.ping()
        assert store.has_collection("readable")
        c = store.get_collection("readable")
        assert c.count(vstore.F("n") > 0) == 1
        assert c.query([1.0, 2.0], k=1).ids == ["a"]
        assert [page.records.ids for page in c.scan()] == [["a"]]
        for call in (
            lambda: c.add(["b"], [[1.0, 2.0]]),
            lambda: c.upsert(["a"], [[1.0, 2.0]]),
            lambda: c.update(["a"], documents=["x"]),
            lambda: c.delete(["a"]),
            lambda: c.delete(where=vstore.F("n") == 1),
            c.clear,
            lambda: store.create_collection("another", dimension=2),
            lambda: store.delete_collection("readable"),
        ):
            with pytest.raises(errors.AuthenticationFailed, match=READ_ONLY) as raised:
                call()
            assert not raised.value.retryable
        assert c.count() == 1
    double.reset()
    with vstore.connect(double.url) as store:
        store.delete_collection("readable")


def test_a_key_in_clear_is_warned_of(url: str, double: Double) -> None:
    double.api_key = KEY
    with pytest.warns(UserWarning, match="insecure connection"):
        _sync(url, api_key=KEY)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def guarded(authority: trustme.CA) -> Iterator[Double]:
    with qdrant_double(authority.issue_cert("127.0.0.1")) as double:
        yield double


@both
def test_a_certificate_that_nobody_vouches_for_is_no_outage(connect: Connect, guarded: Double) -> None:
    with pytest.raises(errors.AuthenticationFailed, match="certificate is not trusted") as raised:
        connect(guarded.url, retries=3)
    assert not raised.value.retryable
    assert "SSL_CERT_FILE" in raised.value.hint


@both
def test_a_certificate_of_a_known_authority_is_trusted(
    connect: Connect, guarded: Double, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(known)
    monkeypatch.setenv("SSL_CERT_FILE", str(known))
    guarded.api_key = KEY
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        connect(guarded.url, api_key=KEY)
        with pytest.raises(errors.AuthenticationFailed, match=NO_KEY):
            connect(guarded.url)
    guarded.reset()
    with qdrant_double(authority.issue_cert("elsewhere.example")) as other:
        with pytest.raises(errors.AuthenticationFailed, match="certificate is not trusted") as raised:
            connect(other.url)
        assert not raised.value.retryable


@both
def test_grpc_reads_its_authorities_elsewhere(
    connect: Connect, guarded: Double, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(known)
    monkeypatch.setenv("SSL_CERT_FILE", str(known))  # gRPC does not look there
    with pytest.raises(errors.AuthenticationFailed, match="certificate is not trusted") as raised:
        connect(guarded.grpc_url)
    assert not raised.value.retryable
    assert "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in raised.value.hint


@both
@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_tls_to_a_port_without_it_is_told(
    connect: Connect, protocol: str, double: Double, guarded: Double, authority: trustme.CA,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    url = double.url.replace("qdrant://", "qdrant+https://")
    if protocol == "grpc":
        known = tmp_path / "authority.pem"
        authority.cert_pem.write_to_path(known)
        monkeypatch.setenv("SSL_CERT_FILE", str(known))
        url = f"{guarded.url}?prefer_grpc=true&grpc_port={double.grpc_url.rpartition('=')[2]}"
    with pytest.raises(errors.Unavailable, match="no TLS at this port") as raised:
        connect(url)
    assert not raised.value.retryable
    assert "qdrant://" in raised.value.hint


@both
def test_a_port_with_tls_asked_without_it_is_told(connect: Connect) -> None:
    """A server's rustls answers plain text with an alert, and closes."""

    def alert(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            connection.sendall(bytes.fromhex("15030300020232"))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=alert, args=(listener,))
        answering.start()
        with pytest.raises(errors.Unavailable, match="does not speak plain HTTP") as raised:
            connect(f"qdrant://127.0.0.1:{listener.getsockname()[1]}")
        answering.join()
    assert not raised.value.retryable
    assert "qdrant+https://" in raised.value.hint


NO_NAMES = [
    "docs/", "/docs", "x/../docs", "../docs", ".", "..", "docs?x=1", "docs#x", "docs%2F", "%64ocs", "docs\\x", "docs\n",
    "do\tcs", "docs\x1f", "docs\x7f", "a:b", 'a"b', "<docs>", "docs*", "doc|s", " docs", "docs ", "Docs", "dócs",
    "x" * 255, "x" * 256, "é" * 200, "x" * 100_000, "docs\u2028", "docs\u3000",
]  # fmt: skip


@pytest.mark.parametrize("quoted", [True, False])
def test_no_name_is_another_one_or_an_error_of_the_backend(
    url: str, double: Double, quoted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vstore_qdrant.schema._QUOTED", quoted)
    mapping = vstore.RecordMapping()

    async def run() -> None:
        async with aio.connect(url) as store:
            for name in NO_NAMES:
                assert not await store.has_collection(name)
                for call in (store.get_collection, store.delete_collection, store.propose_mapping):
                    with pytest.raises(errors.NotFound):
                        await call(name)

    with vstore.connect(url) as store:
        store.create_collection("docs", dimension=2)
        for name in NO_NAMES:
            assert not store.has_collection(name)
            for call in (
                store.get_collection,
                store.delete_collection,
                store.propose_mapping,
                lambda name: store.get_collection(name, mapping=mapping),
            ):
                with pytest.raises(errors.NotFound):
                    call(name)
            store.delete_collection(name, missing_ok=True)
        asyncio.run(run())
        assert store.has_collection("docs")
        store.delete_collection("docs")


@pytest.mark.parametrize("name", [name for name in NO_NAMES if name not in ("Docs",)])
def test_no_such_name_is_made(double: Double, name: str) -> None:
    with vstore.connect(double.url) as store:
        double.requests.clear()
        with pytest.raises(errors.InvalidInput):
            store.create_collection(name, dimension=2)
        assert not double.requests
