"""The suite that the wheel ships, run on every store of this project; servers are started here when first needed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.containers import ABSENT, DockerMissing, container, local_images, require_docker, running
from tests.milvus_server import milvus_server
from tests.qdrant_double import qdrant_double
from tests.servers import chroma_server, pgbouncer, postgres_server
from vstore.conformance.fixtures import new, session, spread, store, supports
from vstore.conformance.session import Target

__all__ = ["new", "session", "store", "supports"]


@contextmanager
def _chroma_server(folder: Path) -> Iterator[str]:
    with chroma_server(folder) as url:
        yield url


@contextmanager
def _postgres_server(folder: Path) -> Iterator[str]:
    with postgres_server() as url:
        yield url


@contextmanager
def _postgres_pooled(folder: Path) -> Iterator[str]:
    """Behind a pooler that gives every transaction another session, two for all."""
    with postgres_server() as server, pgbouncer(server) as url:
        yield url


@contextmanager
def _milvus_server(folder: Path) -> Iterator[str]:
    with milvus_server() as url:
        yield url


@contextmanager
def _qdrant_rest(folder: Path) -> Iterator[str]:
    with qdrant_double() as double:
        yield double.url


@contextmanager
def _qdrant_grpc(folder: Path) -> Iterator[str]:
    with qdrant_double() as double:
        yield double.grpc_url


STARTED: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "chroma-server": _chroma_server,
    "milvus-server": _milvus_server,
    "pgvector-server": _postgres_server,
    "pgvector-pooled": _postgres_pooled,
    "qdrant-double-rest": _qdrant_rest,
    "qdrant-double-grpc": _qdrant_grpc,
}
EMBEDDED = {
    "memory": "memory:",
    "chroma-memory": "chroma::memory:",
    "chroma-embedded": "chroma:{folder}",
    "milvus-embedded": "milvus:{folder}/data.db",
    "pgvector-embedded": "pgvector:{folder}",
    "qdrant-memory": "qdrant::memory:",
    "qdrant-embedded": "qdrant:{folder}",
}
# The forms that run every night only: async and sync are one code, and a store has a sibling of the same adapter that
# runs in the other form, or in both, every time. In sync form the servers run every time in their containers
# (`make test-docker`); Milvus's takes seconds to load a new collection.
NIGHTLY = {
    ("chroma-memory", "async"),
    ("chroma-embedded", "sync"),
    ("chroma-server", "sync"),
    ("milvus-server", "async"),
    ("milvus-server", "sync"),
    ("pgvector-embedded", "async"),
    ("pgvector-server", "sync"),
    ("pgvector-pooled", "sync"),
    ("qdrant-memory", "async"),
    ("qdrant-double-rest", "async"),
    ("qdrant-double-grpc", "sync"),
}
# Of what runs every time, the forms that leave tests of much data to the night. Every time these run on the same store
# in its other form, on the same double over its other protocol, on Chroma's engine in memory and behind its server, and
# on PostgreSQL without a pooler. What they compare is decided by pure code and by the engine; form, protocol and pooler
# carry it, as all tests show.
LIGHT = {
    ("chroma-embedded", "async"),
    ("milvus-embedded", "async"),
    ("qdrant-embedded", "async"),
    ("qdrant-double-grpc", "async"),
    ("pgvector-pooled", "async"),
}
MUCH = "much"


DOCKER = {f"{service}-docker": service for service in ("chroma", "milvus", "pgvector", "qdrant")}
TESTS_COMPOSE = Path(__file__).parent.parent / "docker.yaml"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        choices=("embedded", "native", "docker", "both"),
        default="both",
        help="which stores to test: in this process, servers started from packages, in containers; both: the first two",
    )
    every = ", ".join([*EMBEDDED, *STARTED, *DOCKER])
    parser.addoption("--target", action="append", default=[], help=f"only these: {every}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--servers") == "docker":
        try:
            require_docker()
        except DockerMissing as error:
            raise pytest.UsageError(f"--servers docker: {error}") from error


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--servers") == "docker" and local_images():
        terminalreporter.section("not tested", yellow=True)
        terminalreporter.line(ABSENT)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    planned = item.callspec.params.get("target") if hasattr(item, "callspec") else None
    if report.failed and planned is not None and (server := running.get(DOCKER.get(planned.name, ""))):
        report.sections.append((f"log of the {server.service} container", server.logs()))
    return report


# Tests of many filters take minutes in local mode of Qdrant, ten times as long as anything else, and run on it every
# night. The engine has the same conditions every time. On a double, behind which local mode decides, they say nothing
# more; that all filters arrive there whole is tested in tests/adapters/qdrant/test_wire.py. To a pooler all filters are
# one.
MANY_FILTERS = "many_filters"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--servers")
    names = {
        "embedded": [*EMBEDDED],
        "native": [*STARTED],
        "both": [*EMBEDDED, *STARTED],
        "docker": [name for name in DOCKER if name != "qdrant-docker" or not local_images()],
    }[chosen]
    if metafunc.definition.get_closest_marker(MANY_FILTERS):
        names = [name for name in names if "double" not in name]
    only = metafunc.config.getoption("--target")
    spread(metafunc, [Target(name, "") for name in names if not only or name in only], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            continue
        of = item.callspec.params
        if "target" not in of:
            continue
        name, form = of["target"].name, (of["target"].name, of.get("mode"))
        if (
            form in NIGHTLY
            or (form in LIGHT and item.get_closest_marker(MUCH))
            or (name in ("qdrant-memory", "pgvector-pooled") and item.get_closest_marker(MANY_FILTERS))
        ):
            item.add_marker(pytest.mark.nightly)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The store under test, with the URL it has once it runs."""
    planned: Target = request.param
    folder = tmp_path_factory.mktemp(planned.name)
    if planned.name in EMBEDDED:
        yield replace(planned, url=EMBEDDED[planned.name].format(folder=folder))
    elif planned.name in DOCKER:
        with container(DOCKER[planned.name], [TESTS_COMPOSE]) as server:
            yield replace(planned, url=server.url)
    else:
        with STARTED[planned.name](folder) as url:
            yield replace(planned, url=url)
