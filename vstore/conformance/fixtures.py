"""The fixtures of the suite, and how tests are spread over targets and modes. For ``conftest.py`` files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

import pytest

import vstore
from vstore.conformance.corpus import unique_name
from vstore.conformance.session import Mode, Session, Target

__all__ = ["New", "Supports", "clause", "modes", "new", "session", "share", "spread", "store", "supports"]

clause = pytest.mark.clause


class New(Protocol):
    """Makes a collection of its own for a test; it is removed afterwards."""

    def __call__(self, dimension: int = 4, metric: str = "l2", **options: Any) -> vstore.Collection:
        """Args are those of ``create_collection`` but the name."""
        ...


Supports = Callable[[str], bool]


def modes(config: pytest.Config) -> list[Mode]:
    """The modes that the command line asks for."""
    chosen = config.getoption("--vstore-mode")
    return ["sync", "async"] if chosen == "both" else [chosen]


def share(config: pytest.Config, mode: Mode, number: int) -> int:
    """How many of ``number`` cases one mode takes, so that all modes together take them all.

    Async takes a quarter where sync runs too: what a filter becomes is decided by the same pure code in both.
    """
    if len(modes(config)) == 1:
        return number
    return number // 4 if mode == "async" else number - number // 4


def spread(metafunc: pytest.Metafunc, targets: Sequence[Target], *, indirect: bool = False) -> None:
    """Parametrises a test over targets and modes, all tests of one target in one mode together.

    Args:
        metafunc: What pytest hands to ``pytest_generate_tests``.
        targets: The stores.
        indirect: Whether a fixture ``target`` makes the target of the one it gets as its parameter.
    """
    names = [name for name in ("target", "mode") if name in metafunc.fixturenames]
    if "target" not in names:
        return
    grouped = metafunc.config.pluginmanager.hasplugin("xdist")
    params = []
    for target in targets:
        for mode in modes(metafunc.config) if "mode" in names else [None]:
            values = [target] if mode is None else [target, mode]
            label = "-".join([target.name, *([mode] if mode else [])])
            marks = [pytest.mark.xdist_group(label)] if grouped else []
            params.append(pytest.param(*values, id=label, marks=marks))
    metafunc.parametrize(names, params, scope="session", indirect=["target"] if indirect else [])


@pytest.fixture(scope="session")
def session(target: Target, mode: Mode, request: pytest.FixtureRequest) -> Iterator[Session]:
    """One target in one mode."""
    made = Session(target, mode)
    request.config.hook.pytest_vstore_connected(session=made)
    yield made
    made.close()


@pytest.fixture
def store(session: Session) -> vstore.Store:
    """The connected store."""
    return session.store


@pytest.fixture
def new(session: Session) -> Iterator[New]:
    """Makes collections that are gone after the test."""
    made: list[vstore.Collection] = []

    def make(dimension: int = 4, metric: str = "l2", **options: Any) -> vstore.Collection:
        name = options.pop("name", None) or unique_name()
        made.append(session.store.create_collection(name, dimension=dimension, metric=metric, **options))
        return made[-1]

    yield make
    for collection in made:
        with suppress(vstore.NotFound):
            session.store.delete_collection(collection.name)


@pytest.fixture
def supports(session: Session, request: pytest.FixtureRequest) -> Supports:
    """Says whether a feature is NATIVE or EMULATED, and notes in the report where it is declared NO."""

    def ask(feature: str) -> bool:
        there = bool(getattr(session.store.capabilities, feature))
        if not there:
            request.node.user_properties.append(("vstore_no", feature))
        return there

    return ask
