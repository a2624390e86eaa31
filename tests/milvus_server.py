"""A real Milvus server for tests: the standalone binary of the PyPI package ``milvus`` (2.3.5)."""

from __future__ import annotations

import atexit
import lzma
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from tests.servers import free_port

__all__ = ["milvus_server"]

_START_SECONDS = 90.0
# Reads that wait for a write wait for a tick of the server's clock, 200 ms by default; loading a collection goes
# through checks once a second. Tests make thousands of both.
_TICK_MILLISECONDS = 20
_CHECKS = ("CHECKCHANNELINTERVAL", "CHECKSEGMENTINTERVAL", "DISTPULLINTERVAL")
_PORTS = (
    "root_coord_port",
    "proxy_port",
    "proxy_internal_port",
    "query_coord_port",
    "query_node_port",
    "index_coord_port",
    "index_node_port",
    "data_coord_port",
    "data_node_port",
)
# The embedded etcd takes its ports from a file of its own only.
_ETCD = """\
name: default
data-dir: {folder}/etcd
listen-client-urls: http://127.0.0.1:{client}
advertise-client-urls: http://127.0.0.1:{client}
listen-peer-urls: http://127.0.0.1:{peer}
initial-advertise-peer-urls: http://127.0.0.1:{peer}
initial-cluster: default=http://127.0.0.1:{peer}
unsafe-no-fsync: true
log-level: error
log-outputs: [{folder}/etcd.log]
"""


@cache
def _binaries() -> Path:
    """The package's compressed binaries, unpacked once a process (five seconds) and removed at its end."""
    import milvus

    folder = Path(tempfile.mkdtemp(prefix="vstore-milvus-bin-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for packed in (Path(milvus.__file__).parent / "data" / "bin").glob("*.lzma"):
        binary = folder / packed.stem
        with lzma.open(packed) as source, binary.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        binary.chmod(0o755)
    return folder


@contextmanager
def milvus_server(*, data: Path | None = None, pids: list[int] | None = None, **settings: str | int) -> Iterator[str]:
    """A new standalone server; yields its ``milvus://`` URL.

    Milvus binds its ports on every interface and has no setting for it; they are chosen among the free
    ones of 127.0.0.1.

    Args:
        data: A folder that outlives the server; by default a new one is made and removed.
        pids: Takes the server's process id, for tests that stop or kill it.
        **settings: Server settings with ``__`` for the dot, e.g. ``common__security__authorizationEnabled="true"``.
    """
    from milvus import MilvusServerConfig

    folder = Path(tempfile.mkdtemp(prefix="vstore-milvus-"))
    log_file = folder / "log"
    try:
        config = MilvusServerConfig(data_dir=str(data or folder / "data"))
        config.resolve_storage()
        ports = _free_ports(len(_PORTS) + 3)
        for name, port in zip(_PORTS, ports, strict=False):
            config.set(name, port)
        client, peer, metrics = ports[len(_PORTS) :]
        config.set("etcd_port", client)
        config.set("proxy.timeTickInterval", _TICK_MILLISECONDS)
        for name, value in settings.items():
            config.set(name.replace("__", "."), value)
        config.write_config()
        etcd = folder / "etcd.yaml"
        etcd.write_text(_ETCD.format(folder=data or folder, client=client, peer=peer))
        environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "ETCD_CONFIG_PATH": str(etcd),
            "LD_LIBRARY_PATH": str(_binaries()),
            "METRICS_PORT": str(metrics),
            "MILVUS_RUN_DIR": str(folder / "run"),
            **{f"QUERYCOORD_{name}": "50" for name in _CHECKS},
        }
        with log_file.open("wb") as log:
            server = subprocess.Popen(
                [str(_binaries() / "milvus"), "run", "standalone"],
                stdout=log,
                stderr=log,
                cwd=config.base_data_dir,
                env=environment,
                start_new_session=True,
            )
        if pids is not None:
            pids.append(server.pid)
        try:
            _wait_until_healthy(f"http://127.0.0.1:{metrics}/healthz", server, log_file)
            yield f"milvus://127.0.0.1:{config.get('proxy_port')}"
        finally:
            with suppress(ProcessLookupError):
                # its own shutdown takes up to half an hour (gracefulStopTimeout); nothing here needs it
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(number: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(free_port())
    return sorted(ports)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _healthy(url):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Milvus did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return b"OK" in answer.read()
    except OSError:
        return False
