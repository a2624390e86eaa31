"""Servers in containers, for tests: each a compose project of its own, on a port of 127.0.0.1, gone afterwards.

The images are the official ones of docker/compose.yaml, or with VSTORE_IMAGES=local those of docker/local.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from pytest_docker.plugin import DockerComposeExecutor, Services, get_docker_services

__all__ = ["ABSENT", "Container", "DockerMissing", "container", "local_images", "require_docker", "running"]

_FOLDER = Path(__file__).resolve().parent.parent / "docker"
_START_SECONDS = 240.0
_PORTS = {"chroma": "CHROMA", "milvus": "MILVUS", "qdrant": "QDRANT", "pgvector": "PGVECTOR"}
_PASSWORD = "vstore-test"
_PROJECTS = "vstore-test-"  # and the service, and the process
_REMOVE = "down --volumes --remove-orphans --timeout 1"

ABSENT = "Qdrant was not tested: no package has its server, and with VSTORE_IMAGES=local there is no official image"


class DockerMissing(RuntimeError):
    """There is no Docker, or it does not answer."""


def local_images() -> bool:
    """Whether the environment asks for the images that are built here."""
    chosen = os.environ.get("VSTORE_IMAGES", "official")
    if chosen not in ("official", "local"):
        raise DockerMissing(f"VSTORE_IMAGES must be official or local, not {chosen!r}")
    return chosen == "local"


@cache
def require_docker() -> str:
    """The compose command of this machine.

    Raises:
        DockerMissing: There is none, no daemon answers, or there are no local images though they are asked for.
    """
    if shutil.which("docker") is None:
        raise DockerMissing("there is no docker command here: install Docker, or on Debian run docker/ensure")
    if (asked := _docker("info", check=False)).returncode:
        raise DockerMissing(f"the Docker daemon does not answer: {asked.stdout.strip().splitlines()[-1]}")
    if local_images() and _docker("image", "inspect", "vstore-local/chroma", check=False).returncode:
        raise DockerMissing("the local images are not built: run docker/ensure, or docker/local/build.py")
    if not _docker("compose", "version", check=False).returncode:
        return "docker compose"
    if shutil.which("docker-compose") is not None:
        return "docker-compose"
    raise DockerMissing("there is neither docker compose nor docker-compose here")


@dataclass(frozen=True, slots=True)
class Container:
    """One running server.

    Attributes:
        service: Its name in docker/compose.yaml.
        port: Where it is published on 127.0.0.1; the same after a restart.
        id: Docker's id of the container.
    """

    service: str
    port: int
    id: str

    @property
    def url(self) -> str:
        """The store URL."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """The store URL with another port, such as a proxy's."""
        if self.service == "pgvector":
            return f"postgresql://postgres:{_PASSWORD}@127.0.0.1:{port}/postgres"
        return f"{self.service}://127.0.0.1:{port}"

    def kill(self) -> None:
        """SIGKILL to all its processes; returns when they are gone: until then, ``start`` would do nothing."""
        _docker("kill", self.id)
        _docker("wait", self.id)

    def start(self) -> None:
        """Starts it again after ``kill``; waits for nothing."""
        _docker("start", self.id)

    def restart(self) -> None:
        """Stops it as an operator does, and starts it again."""
        _docker("restart", "-t", "20", self.id)

    def pause(self) -> None:
        """Freezes all its processes; their connections stay open."""
        for _ in range(20):
            # with cgroups v1 runc gives up now and then on processes that are busy (runc#2791, moby#48205)
            done = _docker("pause", self.id, check=False)
            if "unable to freeze" not in done.stdout:
                break
        if done.returncode:
            raise RuntimeError(f"docker pause failed: {done.stdout}")

    def unpause(self) -> None:
        """Lets it go on."""
        _docker("unpause", self.id)

    def execute(self, *command: str) -> str:
        """The output of a command inside."""
        return _docker("exec", self.id, *command).stdout

    def state(self) -> dict[str, Any]:
        """Docker's own account of its state."""
        found: dict[str, Any] = json.loads(_docker("inspect", "-f", "{{json .State}}", self.id).stdout)
        return found

    def logs(self, lines: int = 60) -> str:
        """The last lines it has written."""
        return _docker("logs", "--tail", str(lines), self.id, check=False).stdout


running: dict[str, Container] = {}
"""The containers of this process, by service."""


@contextmanager
def container(service: str, overrides: Sequence[Path] = ()) -> Iterator[Container]:
    """Starts one service and waits until it is healthy; removes it with its volume and network.

    Args:
        service: Its name in docker/compose.yaml.
        overrides: More compose files, over that one.
    """
    command = require_docker()
    if threading.current_thread() is threading.main_thread():
        # a run that is told to end, as by the `timeout` command, removes what it has started
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    files = [_FOLDER / "compose.yaml", *([_FOLDER / "local" / "compose.yaml"] if local_images() else []), *overrides]
    names = [str(name) for name in files]
    _remove_abandoned(command)
    project = f"{_PROJECTS}{service}-{os.getpid()}"
    port = _fixed_port()
    services = get_docker_services(command, names, project, [f"up --detach {service}"], [_REMOVE])
    try:
        with _environment(f"VSTORE_{_PORTS[service]}_PORT", str(port)):
            up = services.__enter__()
    except BaseException:  # pytest-docker removes nothing where starting fails
        DockerComposeExecutor(command, names, project).execute(_REMOVE)
        raise
    try:
        (found,) = _docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={project}").stdout.split()
        made = Container(service, port, found)
        _wait_until_healthy(up, made)
        running[service] = made
        yield made
    finally:
        running.pop(service, None)
        services.__exit__(None, None, None)


def _remove_abandoned(command: str) -> None:
    """Removes what runs that were killed have left behind."""
    label = "com.docker.compose.project"
    for project in set(_docker("ps", "-a", "--format", f'{{{{.Label "{label}"}}}}').stdout.split()):
        before, _, process = project.rpartition("-")
        if before.startswith(_PROJECTS) and not psutil.pid_exists(int(process)):
            DockerComposeExecutor(command, [str(_FOLDER / "compose.yaml")], project).execute(
                _REMOVE,
                success_codes=range(256),  # another worker may be at it
            )


def _wait_until_healthy(services: Services, made: Container) -> None:
    state: dict[str, Any] = {}

    def over() -> bool:
        nonlocal state
        state = made.state()
        return state["Status"] != "running" or state["Health"]["Status"] == "healthy"

    try:
        services.wait_until_responsive(over, _START_SECONDS, 0.3)
    except Exception as error:  # which is all that pytest-docker raises
        raise RuntimeError(f"{made.service} did not become healthy:\n{made.logs()}") from error
    if state["Status"] != "running":
        raise RuntimeError(f"{made.service} ended instead of starting:\n{made.logs()}")


def _fixed_port() -> int:
    """A free port below those that the kernel gives to outgoing connections: it stays free during a restart."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port


@contextmanager
def _environment(port: str, number: str) -> Iterator[None]:
    """What docker/compose.yaml takes from the environment, which pytest-docker hands on."""
    values = {port: number, "VSTORE_POSTGRES_PASSWORD": _PASSWORD}
    if port == "VSTORE_QDRANT_PORT":
        values["VSTORE_QDRANT_GRPC_PORT"] = str(_fixed_port())
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"docker {arguments[0]} failed: {done.stdout.strip()[-2000:]}")
    return done
