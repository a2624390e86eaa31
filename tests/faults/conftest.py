"""One container of each server for these tests, a proxy before it, and the table of what was seen."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import pytest

import vstore
from tests.containers import ABSENT, Container, DockerMissing, container, local_images, require_docker, running
from tests.faults.journal import DIMENSION, Journal
from tests.faults.proxy import Proxy, proxied
from tests.faults.table import Finding, render, write

T = TypeVar("T")
HERE: Final = Path(__file__).parent
DOCUMENT: Final = HERE.parent.parent / "docs" / "faults.md"
BACKENDS: Final = ("chroma", "milvus", "pgvector", "qdrant")
RECOVERY: Final = 180.0
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Server:
    """A server that faults happen to.

    Attributes:
        container: What runs it.
        store: A patient store, straight to it, for preparing and for looking afterwards.
    """

    container: Container
    store: vstore.Store

    @property
    def backend(self) -> str:
        """The adapter's name."""
        return self.container.service

    @property
    def atomic(self) -> bool:
        """Whether a call is written as a whole or not at all."""
        return bool(self.store.capabilities.atomic_writes)

    def url(self, port: int | None = None, *, wrong: bool = False, tls: bool = False) -> str:
        """The store URL with credentials, right or wrong, where the server asks for any."""
        return url_of(self.container, port, wrong=wrong, tls=tls)

    def new(self) -> vstore.Collection:
        """An empty collection."""

        def create() -> vstore.Collection:
            return self.store.create_collection(f"faults_{next(_NUMBERS)}", dimension=DIMENSION, metric="l2")

        return eventually(create)  # the server may just have come back

    def check(self, journal: Journal, name: str) -> None:
        """Waits until the server answers again, and compares a full scan by a new client with the journal."""
        with eventually(lambda: vstore.connect(self.url(), timeout=60)) as store:
            collection = eventually(lambda: store.get_collection(name))
            eventually(collection.count)
            journal.check(collection, atomic=self.atomic)


def url_of(made: Container, port: int | None, *, wrong: bool, tls: bool) -> str:
    place = f"127.0.0.1:{made.port if port is None else port}"
    scheme = made.service + ("+https" if tls else "")
    match made.service:
        case "pgvector":
            return f"{scheme}://postgres:{'not-it' if wrong else 'vstore-test'}@{place}/postgres"
        case "milvus":
            return f"{scheme}://root:{'not-it' if wrong else 'Milvus'}@{place}"
        case "qdrant":
            return f"{scheme}://{place}?api_key={'not-it' if wrong else 'vstore-test'}"
        case _:
            return f"{scheme}://{place}"


def eventually(call: Callable[[], T]) -> T:
    """The result of a call that a server coming back may still refuse."""
    deadline = time.monotonic() + RECOVERY
    while True:
        try:
            return call()
        except vstore.VStoreError as error:
            if not error.retryable or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-faults", action="store_true", help="write docs/faults.md from this run, if all pass")
    parser.addoption("--backend", action="append", default=[], choices=BACKENDS, help="only this one")


def pytest_collection(session: pytest.Session) -> None:
    try:
        require_docker()
    except DockerMissing as error:
        raise pytest.UsageError(f"tests/faults: {error}") from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--backend") or BACKENDS
        grouped = metafunc.config.pluginmanager.hasplugin("xdist")
        only = metafunc.definition.get_closest_marker("backends")
        there = BACKENDS if only is None else only.args
        names = [name for name in wanted if name in there and (name != "qdrant" or not local_images())]
        params = [pytest.param(name, marks=[pytest.mark.xdist_group(name)] if grouped else []) for name in names]
        metafunc.parametrize("server", params, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with container(request.param, [HERE.parent / "docker.yaml", HERE / "compose.yaml"]) as made:
        url = url_of(made, None, wrong=False, tls=False)
        with eventually(lambda: vstore.connect(url, timeout=60)) as store:
            yield Server(made, store)


@pytest.fixture(autouse=True)
def _running(server: Server) -> Iterator[None]:
    """Starts a server that a failed test has left dead: the tests behind it have failures of their own only."""
    yield
    if server.container.state()["Status"] != "running":
        server.container.start()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with proxied(server.container.port) as made:
        yield made


@pytest.fixture
def seen(request: pytest.FixtureRequest, server: Server) -> Callable[[str, str], None]:
    """Notes a cell of the table: fault, what was seen."""

    def note(fault: str, text: str) -> None:
        request.node.user_properties.append(("vstore_fault", (fault, server.backend, text)))
        version = f"{server.backend} {server.store.capabilities.server_version}"
        request.node.user_properties.append(("vstore_server", version))

    return note


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    backend = item.callspec.params.get("server") if hasattr(item, "callspec") else None
    if report.failed and backend in running:
        report.sections.append((f"log of the {backend} container", running[backend].logs()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    passed = terminalreporter.stats.get("passed", [])
    noted = [pair for report in passed for pair in report.user_properties]
    findings: list[Finding] = [tuple(value) for name, value in noted if name == "vstore_fault"]  # type: ignore[misc]
    if findings:
        terminalreporter.section("faults")
        terminalreporter.write(render(findings))
        if config.getoption("--write-faults", False) and exitstatus == pytest.ExitCode.OK:
            write(findings, sorted({str(value) for name, value in noted if name == "vstore_server"}), DOCUMENT)
        if local_images():
            terminalreporter.line(ABSENT)
