"""What a server's certificate, or TLS where there is none, is told as: no retry can help."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

import vstore
from tests.tls import listening
from vstore import aio

Connect = Callable[[str], None]


def _sync(url: str) -> None:
    vstore.connect(url, timeout=3.0, retries=3).close()


def _async(url: str) -> None:
    async def main() -> None:
        async with aio.connect(url, timeout=3.0, retries=3):
            pass

    asyncio.run(main())


both = pytest.mark.parametrize("connect", [_sync, _async], ids=["sync", "async"])


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """One that clients trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def assert_refused(connect: Connect, port: int, words: str) -> None:
    with pytest.raises(vstore.AuthenticationFailed, match=words) as caught:
        connect(f"chroma+https://127.0.0.1:{port}")
    assert not caught.value.retryable


@both
def test_a_certificate_that_nobody_vouches_for(connect: Connect, authority: trustme.CA) -> None:
    with listening(certified(trustme.CA(), "127.0.0.1"), b"") as port:
        assert_refused(connect, port, "certificate is not trusted")


@both
def test_a_certificate_of_another_host(connect: Connect, authority: trustme.CA) -> None:
    with listening(certified(authority, "elsewhere.example"), b"") as port:
        assert_refused(connect, port, "certificate is not trusted")


@both
def test_a_server_that_wants_a_clients_certificate(connect: Connect, authority: trustme.CA) -> None:
    context = certified(authority, "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with listening(context, b"") as port:
        assert_refused(connect, port, "client's certificate")


@both
def test_tls_to_a_port_without_it(connect: Connect) -> None:
    with (
        listening(None, b"HTTP/1.1 400 Bad Request\r\n\r\n") as port,
        pytest.raises(vstore.Unavailable, match="no TLS at this port") as caught,
    ):
        connect(f"chroma+https://127.0.0.1:{port}")
    assert not caught.value.retryable


@both
def test_plain_http_to_a_port_with_tls(connect: Connect) -> None:
    """rustls answers with an alert."""
    with (
        listening(None, bytes.fromhex("15030300020250")) as port,
        pytest.raises(vstore.Unavailable, match="does not speak plain HTTP") as caught,
    ):
        connect(f"chroma://127.0.0.1:{port}")
    assert not caught.value.retryable
