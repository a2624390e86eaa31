"""Faults of the network between client and server: ERR-1, ERR-2, ERR-3, and no record lost."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

import vstore
from tests.faults.conftest import Server, eventually
from tests.faults.journal import Journal
from tests.faults.proxy import PASS, BlackHole, Cut, Delay, Fault, Half, Proxy, Refuse, proxied
from vstore import aio

TIMEOUT = 2.0
GRACE = 10.0  # far above what a busy machine adds, far below a hang
IDS = [f"r{number:03}" for number in range(60)]
# A gRPC client waits for a connection until its time is up: it does not tell a server that is gone from a silent one.
LOST = (vstore.Unavailable, vstore.Timeout)


def attempt(call: Callable[[], object]) -> tuple[vstore.VStoreError | None, float]:
    """The error of a call, if any, and how long it took to come."""
    begun = time.monotonic()
    try:
        call()
    except vstore.VStoreError as error:
        return error, time.monotonic() - begun
    return None, time.monotonic() - begun


def cell(error: vstore.VStoreError | None, seconds: float) -> str:
    return f"{'no error' if error is None else type(error).__name__} {seconds:.1f} s"


@pytest.mark.parametrize(
    ("name", "fault", "kinds"),
    [
        ("server refuses connections", Refuse(), LOST),
        ("connection cut before the request arrives", Cut(), LOST),
        ("connection cut before the answer", Cut(answers=True), LOST),
        ("connection cut within the answer", Half(), LOST),
        ("answer later than the timeout", Delay(2.5 * TIMEOUT), (vstore.Timeout,)),
        ("network swallows everything", BlackHole(), (vstore.Timeout,)),
    ],
    ids=["refuse", "cut", "cut-answer", "half", "late", "black-hole"],
)
def test_a_broken_connection(
    server: Server,
    proxy: Proxy,
    seen: Callable[[str, str], None],
    name: str,
    fault: Fault,
    kinds: tuple[type[vstore.VStoreError], ...],
) -> None:
    direct, journal = server.new(), Journal()
    assert journal.upsert(direct, IDS[:40], version=1) is None
    with vstore.connect(server.url(proxy.port), timeout=TIMEOUT) as store:
        c = store.get_collection(direct.name)
        assert c.count() == 40
        proxy.set(fault)
        read = attempt(lambda: c.get(IDS[:5]))
        proxy.set(fault)
        begun = time.monotonic()
        write = journal.upsert(c, IDS[20:], version=2), time.monotonic() - begun
        connecting = attempt(lambda: vstore.connect(server.url(proxy.port), timeout=TIMEOUT).close())
        for error, seconds in (read, write, connecting):
            assert isinstance(error, kinds), repr(error)
            assert error.retryable
            assert seconds < TIMEOUT + GRACE
        proxy.set(PASS)
        eventually(c.count)  # the same client, not a new one
        assert eventually(lambda: journal.upsert(c, ["after"], version=1)) is None
    server.check(journal, direct.name)
    seen(name, f"read {cell(*read)}, write {cell(*write)}; lost 0")


def test_a_slow_answer_is_an_answer(server: Server, proxy: Proxy, seen: Callable[[str, str], None]) -> None:
    direct, journal = server.new(), Journal()
    with vstore.connect(server.url(proxy.port), timeout=30) as store:
        c = store.get_collection(direct.name)
        proxy.set(Delay(0.5))
        begun = time.monotonic()
        assert journal.upsert(c, IDS, version=1) is None
        write = time.monotonic() - begun
        read = attempt(lambda: c.get(IDS))
        assert read[0] is None
    server.check(journal, direct.name)
    seen("answer late, within the timeout", f"read {cell(*read)}, write {cell(None, write)}; lost 0")


@pytest.mark.parametrize("answers", [False, True], ids=["request", "answer"])
def test_retries_carry_a_call_over_cut_connections(
    server: Server, proxy: Proxy, seen: Callable[[str, str], None], answers: bool
) -> None:
    direct, journal = server.new(), Journal()
    assert journal.upsert(direct, IDS[:40], version=1) is None
    with vstore.connect(server.url(proxy.port), timeout=30, retries=10) as store:
        c = store.get_collection(direct.name)
        proxy.set(Cut(answers, times=2))
        read = attempt(lambda: c.get(IDS[:5]))
        proxy.set(Cut(answers, times=2))
        begun = time.monotonic()
        assert journal.upsert(c, IDS[20:], version=2) is None
        write = time.monotonic() - begun
        assert journal.delete(c, IDS[:5]) is None
        assert read[0] is None
    server.check(journal, direct.name)
    part = "answers" if answers else "requests"
    seen(f"two {part} cut off, with retries=10", f"read {cell(*read)}, write {cell(None, write)}; lost 0")


def test_without_retries_a_cut_call_is_not_repeated(server: Server, proxy: Proxy) -> None:
    """ADD-1: an add whose answer is lost has happened; a second attempt would report it as an error."""
    direct = server.new()
    with vstore.connect(server.url(proxy.port), timeout=30, retries=10) as store:
        c = store.get_collection(direct.name)
        c.add(["before"], [[0.0] * 16])
        proxy.set(Cut(answers=True))
        with pytest.raises(vstore.VStoreError) as caught:
            c.add(["once"], [[0.0] * 16])
        assert not isinstance(caught.value, vstore.AlreadyExists)
        proxy.set(PASS)
    with vstore.connect(server.url(), timeout=30) as store:
        assert store.get_collection(direct.name).count() in (1, 2)


@pytest.mark.backends("milvus", "pgvector", "qdrant")  # Chroma's asks for none; tokens are tested in tests/adapters
def test_wrong_credentials(server: Server, seen: Callable[[str, str], None]) -> None:
    error, seconds = attempt(lambda: vstore.connect(server.url(wrong=True), timeout=TIMEOUT, retries=5).close())
    assert type(error) is vstore.AuthenticationFailed
    assert not error.retryable
    assert "not-it" not in f"{error} {error!r} {error.__cause__} {error.__context__}"
    assert seconds < TIMEOUT + GRACE
    seen("wrong credentials", f"connect {cell(error, seconds)}")


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert(name).configure_cert(context)
    return context


def connect_async(url: str, **options: object) -> None:
    async def main() -> None:
        async with aio.connect(url, **options):  # type: ignore[arg-type]
            pass

    asyncio.run(main())


def assert_untrusted(error: vstore.VStoreError | None, seconds: float) -> None:
    assert type(error) is vstore.AuthenticationFailed, repr(error)
    assert not error.retryable
    assert "certificate" in str(error)
    assert "vstore-test" not in str(error)
    assert seconds < TIMEOUT + GRACE


def test_a_strangers_certificate(server: Server, seen: Callable[[str, str], None]) -> None:
    """TLS to a proxy, since not every image has it. Sync and async: each client has defaults of its own."""
    with proxied(
        server.container.port, certified(trustme.CA(), "127.0.0.1"), postgres=server.backend == "pgvector"
    ) as proxy:
        url = server.url(proxy.port, tls=True)
        error, seconds = attempt(lambda: vstore.connect(url, timeout=TIMEOUT, retries=5).close())
        assert_untrusted(error, seconds)
        assert_untrusted(*attempt(lambda: connect_async(url, timeout=TIMEOUT, retries=5)))
    seen("TLS with a stranger's certificate", f"connect {cell(error, seconds)}")


@pytest.mark.backends("chroma", "pgvector", "qdrant")  # gRPC reads its authorities once a process
def test_a_trusted_certificate_of_another_host(
    server: Server, seen: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    known = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(known)
    options: dict[str, Any] = {}
    postgres = server.backend == "pgvector"
    if postgres:
        options["sslrootcert"] = str(known)
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(known))
    with proxied(server.container.port, certified(authority, "127.0.0.1"), postgres=postgres) as proxy:
        vstore.connect(server.url(proxy.port, tls=True), **options).close()
        connect_async(server.url(proxy.port, tls=True), **options)
    with proxied(server.container.port, certified(authority, "elsewhere.example"), postgres=postgres) as proxy:
        url = server.url(proxy.port, tls=True)
        error, seconds = attempt(lambda: vstore.connect(url, timeout=TIMEOUT, retries=5, **options).close())
        assert_untrusted(error, seconds)
        assert_untrusted(*attempt(lambda: connect_async(url, timeout=TIMEOUT, retries=5, **options)))
    seen("TLS with another host's certificate", f"connect {cell(error, seconds)}")
